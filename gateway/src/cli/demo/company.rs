//! The throw-away car-rental company: production and staging databases, and uploads with their backups inside.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use mollyguard_record::model::{Enrolment, Operator};
use mollyguard_tools::contract::now;
use rusqlite::{Connection, OpenFlags};
use tokio::process::Command;
use uuid::Uuid;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::operators::Code;
use crate::page::invitation;

/// The table nobody wants to lose.
pub(super) const PRECIOUS_TABLE: &str = "bookings";

const SCHEMA: &str = "
    CREATE TABLE cars (id INTEGER PRIMARY KEY, model TEXT NOT NULL, class TEXT NOT NULL, daily_rate INTEGER NOT NULL);
    INSERT INTO cars (model, class, daily_rate) VALUES
        ('Corolla', 'compact', 39), ('Golf', 'compact', 42), ('RAV4', 'suv', 65), ('Model Y', 'suv', 89), ('Transit', 'van', 75);
";

/// 1,508 bookings with a payment for every other one.
const PRODUCTION: &str = "
    CREATE TABLE bookings (id INTEGER PRIMARY KEY, car INTEGER NOT NULL REFERENCES cars(id), customer TEXT NOT NULL, day TEXT NOT NULL);
    CREATE INDEX bookings_by_day ON bookings(day);
    CREATE TABLE payments (id INTEGER PRIMARY KEY, booking INTEGER NOT NULL REFERENCES bookings(id), cents INTEGER NOT NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1508)
        INSERT INTO bookings SELECT i, i % 5 + 1, 'customer ' || (i % 211), date('2026-01-01', (i % 300) || ' days') FROM n;
    INSERT INTO payments (booking, cents) SELECT id, 3900 + id % 50 * 100 FROM bookings WHERE id % 2 = 0;
";

const CONFIG: &str = r#"
[gateway]
state = "state"
user = "anna"

[audit]
checkpoint = "elsewhere/heads.txt"

[confirm]
page_port = 0

[policies]
defaults = false
directories = ["policies"]

[environments.production]
tier = "production"

[environments.staging]
tier = "staging"

[targets.fleet]
kind = "sqlite"
environment = "production"
path = "production/fleet.db"

[targets.fleet-staging]
kind = "sqlite"
environment = "staging"
path = "staging/fleet.db"

[targets.uploads]
kind = "files"
environment = "production"
root = "production/uploads"
backups = ["**/backups/**"]
"#;

/// What a yes in the client, or with a code on the page, can prove is enough here: there is one person, and no passkey.
const POLICIES: &str = include_str!("../../../../examples/in-client/policies/in-client.cedar");

/// The company, for as long as it lives.
pub(super) struct Company {
    folder: tempfile::TempDir,
}

impl Company {
    /// Founds the company in a temporary folder.
    pub(super) fn found() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("mollyguard-demo-").tempdir().map_err(told)?;
        let company = Self { folder };
        company.furnish().map_err(told)?;
        company.database("production/fleet.db", &[SCHEMA, PRODUCTION]).map_err(told)?;
        company.database("staging/fleet.db", &[SCHEMA]).map_err(told)?;
        Ok(company)
    }

    fn furnish(&self) -> io::Result<()> {
        for folder in ["production", "staging", "elsewhere", "policies"] {
            fs::DirBuilder::new().mode(0o700).create(self.path(folder))?;
        }
        fs::DirBuilder::new().mode(0o700).create(self.state())?;
        let volume = self.path("production/uploads/volume-7f3a");
        fs::create_dir_all(volume.join("contracts"))?;
        fs::create_dir_all(volume.join("backups"))?;
        for n in 0..40 {
            fs::write(volume.join(format!("contracts/{n:04}.pdf")), vec![b'c'; 2_000 + n * 37])?;
        }
        for day in ["2026-04-21", "2026-04-22", "2026-04-23"] {
            fs::write(volume.join(format!("backups/{day}.dump")), vec![b'b'; 150_000])?;
        }
        fs::write(self.path("policies/in-client.cedar"), POLICIES)?;
        fs::write(self.config(), CONFIG)
    }

    fn database(&self, name: &str, scripts: &[&str]) -> rusqlite::Result<()> {
        let database = Connection::open(self.path(name))?;
        scripts.iter().try_for_each(|script| database.execute_batch(script))
    }

    /// The company's questions and people, as the terminal of whoever runs its gateway has them.
    pub(super) fn desk(&self) -> Result<Gateway, String> {
        let toolsets = mollyguard_tools::toolsets();
        Gateway::open(Config::load(&self.config(), &toolsets).map_err(told)?, toolsets).map_err(told)
    }

    /// Enrols the person at this terminal, and tells the code they show on the page who they are with.
    pub(super) async fn enroll(&self, gateway: &Gateway) -> Result<Code, String> {
        let name = gateway.config.user.clone();
        let (invitation, _) = invitation(&name, Some(&name), None, None, &gateway.args_key).map_err(told)?;
        let (id, code) = (Uuid::now_v7(), Code::new().map_err(told)?);
        let user = Some(name.clone());
        let operator = Operator { id, name, user, enrolled_at: now(), passkeys: Vec::new(), has_code: true };
        let digest = Some(code.digest(&gateway.args_key));
        let enrolment = Enrolment::New { invitation: invitation.id, operator, code: digest };
        gateway.store.invite(invitation).await.map_err(told)?;
        gateway.store.enroll(enrolment).await.map_err(told)?;
        Ok(code)
    }

    /// This very binary, serving the company over stdio.
    pub(super) fn gateway(&self) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--config").arg(self.config()).arg("serve");
        // What it would tell of itself stands between the lines of the story.
        command.env("MOLLYGUARD_LOG", "warn");
        Ok(command)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(super) fn checkpoint(&self) -> PathBuf {
        self.path("elsewhere/heads.txt")
    }

    fn config(&self) -> PathBuf {
        self.path("mollyguard.toml")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Rows of a table, counted behind the gateway's back; `None` when the table is gone.
    pub(super) fn rows(&self, database: &str, table: &str) -> Result<Option<i64>, String> {
        let path = self.path(database).join("fleet.db");
        let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(told)?;
        match database.query_row(&format!("SELECT count(*) FROM \"{table}\""), [], |row| row.get(0)) {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if error.to_string().contains("no such table") => Ok(None),
            Err(error) => Err(told(error)),
        }
    }

    /// The sum of staging's daily rates, counted behind the gateway's back.
    pub(super) fn staging_rates(&self) -> Result<i64, String> {
        let path = self.path("staging/fleet.db");
        let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(told)?;
        database.query_row("SELECT sum(daily_rate) FROM cars", [], |row| row.get(0)).map_err(told)
    }

    /// Files in a folder of the volume, counted behind the gateway's back.
    pub(super) fn files(&self, folder: &str) -> usize {
        fs::read_dir(self.path("production/uploads/volume-7f3a").join(folder)).map_or(0, Iterator::count)
    }
}

fn told(error: impl std::fmt::Display) -> String {
    format!("the demo's company cannot be founded: {error}")
}
