//! A real database file in some state, read and disturbed by a plain connection.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::contract::{
    Access, Cause, Configured, Environment, Lease, Limits, Outcome, Preflight, Tier, Tool, ToolError, Toolset,
};
use crate::laws::World;
use crate::toolsets::sqlite::Sqlite;

pub(super) struct Database {
    _folder: TempDir,
    pub(super) path: PathBuf,
    pub(super) limits: Limits,
    target: Arc<Configured>,
}

impl Database {
    /// A new file in which `sql` was run.
    pub(super) fn new(sql: &str) -> Self {
        // Where there is memory to be had as a disk, no commit has to wait for a real one.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let path = folder.path().join("fleet.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF").unwrap();
        conn.execute_batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        drop(conn);
        let table = toml::toml! { path = "fleet.db" };
        let settings = Sqlite::new().settings(table, folder.path()).unwrap();
        let environment = Environment { name: "prod".into(), tier: Tier::Production };
        let target = Arc::new(Configured {
            name: "fleet".into(),
            kind: "sqlite".into(),
            environment,
            environments: BTreeMap::new(),
            settings,
        });
        Self { _folder: folder, path, limits: Limits::default(), target }
    }

    pub(super) fn open(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    pub(super) fn lend(&self, access: Access) -> Lease {
        Lease::new(access, Arc::clone(&self.target), None, self.limits)
    }

    pub(super) async fn look(&self, tool: &str, args: &Value) -> Result<Preflight, ToolError> {
        find(tool).preflight(args, &self.lend(Access::Read)).await
    }

    pub(super) async fn call(&self, tool: &str, args: &Value) -> Result<(Preflight, Outcome), ToolError> {
        let seen = self.look(tool, args).await?;
        let outcome = find(tool).execute(args, &seen, &self.lend(Access::Write)).await?;
        Ok((seen, outcome))
    }
}

pub(super) fn find(name: &str) -> Arc<dyn Tool> {
    Sqlite::new().tools().into_iter().find(|tool| tool.declaration().name == name).unwrap()
}

fn cells(conn: &Connection, sql: &str) -> Vec<Value> {
    let mut statement = conn.prepare(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    let width = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let shown = |at: usize| match row.get_ref(at).unwrap() {
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => json!(text),
                Err(_) => json!({ "text": text }),
            },
            other => json!({ "is": format!("{other:?}") }),
        };
        all.push((0..width).map(shown).collect());
    }
    all
}

/// Every row and the whole schema, except the quarantine.
pub(super) fn state_of(conn: &Connection) -> Value {
    let whole: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'mollyguard\\_trash%' ESCAPE '\\' \
                  ORDER BY rowid";
    let mut rows = serde_json::Map::new();
    let list = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow') \
                AND name <> 'sqlite_schema' AND name NOT LIKE 'mollyguard\\_trash%' ESCAPE '\\' ORDER BY name";
    let mut statement = conn.prepare(list).unwrap();
    let tables: Vec<(String, bool)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
    for (table, without_rowid) in tables {
        let quoted = table.replace('"', "\"\"");
        let rowid = if without_rowid { "" } else { "_rowid_, " };
        let order = if without_rowid { "" } else { "ORDER BY _rowid_" };
        let kept_out =
            if table == "sqlite_sequence" { "WHERE name NOT LIKE 'mollyguard\\_trash%' ESCAPE '\\'" } else { "" };
        let sql = format!("SELECT {rowid}* FROM \"{quoted}\" {kept_out} {order}");
        rows.insert(table, cells(conn, &sql).into());
    }
    json!({ "integrity": whole, "schema": cells(conn, schema), "rows": rows })
}

#[async_trait]
impl World for Database {
    fn target(&self) -> Arc<Configured> {
        Arc::clone(&self.target)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn state(&self) -> Value {
        state_of(&self.open())
    }

    /// Changes every row of the table a call names, or of every table, in a column that every generated table has.
    async fn disturb(&self, args: &Value) -> bool {
        let conn = self.open();
        conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        let list = "SELECT l.name FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.type = 'table' \
                    AND EXISTS (SELECT 1 FROM pragma_table_info(l.name) WHERE name = 'note')";
        let mut statement = conn.prepare(list).unwrap();
        let tables: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let mut changed = 0;
        let named = |table: &String| args["table"].as_str().is_none_or(|name| name.eq_ignore_ascii_case(table));
        for table in tables.into_iter().filter(named) {
            let quoted = table.replace('"', "\"\"");
            changed += conn.execute(&format!("UPDATE \"{quoted}\" SET note = hex(randomblob(8))"), []).unwrap();
        }
        changed > 0
    }
}

/// A small shop: customers, their bookings, what was paid.
pub(super) const SHOP: &str = "
    CREATE TABLE cust(id INTEGER PRIMARY KEY, name TEXT NOT NULL, note);
    CREATE TABLE bookings(id INTEGER PRIMARY KEY, cust INTEGER REFERENCES cust(id) ON DELETE CASCADE, day TEXT);
    CREATE TABLE payments(id INTEGER PRIMARY KEY, booking INTEGER REFERENCES bookings(id) ON DELETE CASCADE, cents INTEGER);
    CREATE INDEX by_day ON bookings(day);
    CREATE VIEW busy AS SELECT day, count(*) AS n FROM bookings GROUP BY day;
    INSERT INTO cust(id, name) VALUES (1, 'a'), (2, 'b');
    INSERT INTO bookings VALUES (1, 1, 'mon'), (2, 1, 'tue'), (3, 2, 'tue');
    INSERT INTO payments VALUES (1, 1, 100), (2, 1, 200), (3, 2, 300), (4, 3, 400), (5, 3, 500);
";

pub(super) fn sql(text: &str) -> Value {
    json!({ "target": "fleet", "sql": text })
}

pub(super) fn table(name: &str) -> Value {
    json!({ "target": "fleet", "table": name })
}

pub(super) fn told(preflight: &Preflight) -> String {
    preflight.evidence.iter().map(|evidence| evidence.what.as_str()).collect::<Vec<_>>().join("\n")
}

pub(super) fn advice<T: std::fmt::Debug>(result: Result<T, ToolError>) -> (Cause, String, String) {
    match result {
        Err(ToolError::Untouched { cause, reason, next }) => (cause, reason, next.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}
