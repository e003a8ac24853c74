//! A database whose whole state is what `pg_dump` says of it, without what lies in the quarantine.

use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::world::Ground;
use crate::contract::{Access, Configured, Limits, Secret};
use crate::laws::World;

#[async_trait]
impl World for Ground {
    fn target(&self) -> Arc<Configured> {
        Self::target(self)
    }

    fn secret(&self, access: Access) -> Option<Arc<Secret>> {
        Some(Self::secret(self, access))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn state(&self) -> Value {
        json!({ "dump": dump(self), "databases": plain(&self.cluster.sql("postgres", DATABASES)) })
    }

    async fn disturb(&self, args: &Value) -> bool {
        let Some(name) = args["name"].as_str().or(args["table"].as_str()) else { return false };
        let other = ground_word();
        let sql = match args["object"].as_str() {
            Some("database") => format!("COMMENT ON DATABASE \"{name}\" IS '{other}'"),
            Some("schema") => format!("CREATE TABLE \"{}\".\"{other}\" ()", name.replace('"', "\"\"")),
            _ => format!("COMMENT ON {} {name} IS '{other}'", self.kind_of(name)),
        };
        self.cluster.try_sql("postgres", &self.database, &sql).is_ok()
    }
}

/// A word that was never used before.
fn ground_word() -> String {
    uuid::Uuid::now_v7().to_string()
}

impl Ground {
    fn kind_of(&self, name: &str) -> &'static str {
        let name = name.replace('\'', "''");
        match self.sql(&format!("SELECT relkind FROM pg_class WHERE oid = '{name}'::regclass")).trim() {
            "v" => "VIEW",
            "m" => "MATERIALIZED VIEW",
            "S" => "SEQUENCE",
            _ => "TABLE",
        }
    }
}

const DATABASES: &str = "SELECT oid, datname, datdba, datacl, datallowconn, datconnlimit FROM pg_database ORDER BY oid";

/// Everything there is, with the rows of each table in one order.
pub(super) fn dump(ground: &Ground) -> String {
    let cluster = ground.cluster;
    let output = Command::new(cluster.programs.join("pg_dump"))
        .args(["-U", "postgres", "-d", &ground.database, "--exclude-schema=mollyguard_trash*"])
        .arg("-h")
        .arg(&cluster.folder)
        .arg("-p")
        .arg(cluster.port.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut lines, mut rows) = (Vec::new(), None::<Vec<&str>>);
    for line in text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")) {
        match (&mut rows, line) {
            (None, _) => lines.push(line),
            (Some(all), "\\.") => {
                all.sort_unstable();
                lines.append(all);
                lines.push(line);
                rows = None;
            }
            (Some(all), _) => all.push(line),
        }
        if line.starts_with("COPY ") && line.ends_with("FROM stdin;") {
            rows = Some(Vec::new());
        }
    }
    plain(&lines.join("\n"))
}

/// The same text without the ids in names of the quarantine.
pub(super) fn plain(text: &str) -> String {
    let mut parts = text.split("mollyguard_trash_");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str("mollyguard_trash_");
        plain.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    plain
}
