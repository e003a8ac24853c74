//! A temporary world: databases, folders, a configuration over them, and the gateway started in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::process::Command;
use toml::{Table, Value};

use crate::{Agent, Era, Person, Raw, Result, Served, mollyguard, within};

/// Where what a yes in the client can prove is enough.
const IN_CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/in-client/policies");

/// A directory with everything one test touches. Dropping it removes everything.
#[derive(Debug)]
pub struct World {
    dir: TempDir,
    config: Table,
    env: BTreeMap<OsString, OsString>,
}

/// What a command of the gateway printed.
#[derive(Clone, Debug)]
pub struct Printed {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl World {
    /// A world with the three tiers as environments of the same names, and nothing in them; under the policies of
    /// `examples/in-client/policies`, since nobody is enrolled who could answer what the shipped ones ask.
    ///
    /// # Errors
    /// The file system refused.
    pub fn empty() -> Result<Self> {
        let mut world = Self { dir: TempDir::with_prefix("mollyguard-")?, config: Table::new(), env: BTreeMap::new() };
        world.set("gateway.state", "state").set("gateway.user", "alice");
        // The tests ask one person more, and more often the same, than people bear.
        world.set("confirm.wait_s", 0).set("confirm.denial_s", 0).set("confirm.page", false);
        world.set("confirm.open_questions", 1_000).set("confirm.flood", 1_000_000);
        for tier in ["production", "staging", "development"] {
            world.set(&format!("environments.{tier}.tier"), tier);
        }
        world.set("policies.defaults", false).own_policies(IN_CLIENT);
        Ok(world)
    }

    /// Puts the shipped policies in force in place of those it has.
    pub fn default_policies(&mut self) -> &mut Self {
        self.config.remove("policies");
        self
    }

    /// Adds the policies in this folder to those in force.
    pub fn own_policies(&mut self, folder: &str) -> &mut Self {
        let directories = self.config.get("policies").and_then(|policies| policies.get("directories"));
        let mut directories = directories.and_then(Value::as_array).cloned().unwrap_or_default();
        directories.push(folder.into());
        self.set("policies.directories", directories)
    }

    /// A car rental firm: the database `fleet` in production with 12 bookings, its copies `fleet_staging` and `fleet_dev`,
    /// and the folders `uploads` in production and `scratch` in development.
    ///
    /// # Errors
    /// SQLite or the file system refused.
    pub fn rental() -> Result<Self> {
        let mut world = Self::empty()?;
        let rental = include_str!("rental.sql");
        world.database("fleet", "production", rental)?;
        world.database("fleet_staging", "staging", rental)?;
        world.database("fleet_dev", "development", rental)?;
        let files = [("licence-4711.txt", "licence of Ada\n"), ("damage/car-3.txt", "a scratch, front left\n")];
        world.folder("uploads", "production", &files)?;
        world.folder("scratch", "development", &files)?;
        Ok(world)
    }

    /// The directory all of it is in.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Sets a key of `mollyguard.toml`, given as a dotted path.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        let mut table = &mut self.config;
        let mut names = key.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                table.insert(name.to_owned(), value.into());
                break;
            }
            let entry = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            let Value::Table(inner) = entry else { break };
            table = inner;
        }
        self
    }

    /// Sets an environment variable of every process started from now on.
    pub fn env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> &mut Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Makes the SQLite database `name` with `sql` and configures it as a target.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn database(&mut self, name: &str, environment: &str, sql: &str) -> Result<&mut Self> {
        let file = format!("{name}.db");
        Connection::open(self.path().join(&file))?.execute_batch(sql)?;
        self.set(&format!("targets.{name}.kind"), "sqlite");
        self.set(&format!("targets.{name}.environment"), environment);
        Ok(self.set(&format!("targets.{name}.path"), file))
    }

    /// Makes the folder `name` with these files and configures it as a target.
    ///
    /// # Errors
    /// The file system refused.
    pub fn folder(&mut self, name: &str, environment: &str, files: &[(&str, &str)]) -> Result<&mut Self> {
        fs::create_dir_all(self.path().join(name))?;
        for (file, content) in files {
            let path = self.path().join(name).join(file);
            fs::create_dir_all(path.parent().ok_or("a file has a folder")?)?;
            fs::write(path, content)?;
        }
        self.set(&format!("targets.{name}.kind"), "files");
        self.set(&format!("targets.{name}.environment"), environment);
        Ok(self.set(&format!("targets.{name}.root"), name))
    }

    /// Runs statements in a database behind the gateway's back.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn sql(&self, database: &str, sql: &str) -> Result {
        Ok(self.open(database)?.execute_batch(sql)?)
    }

    /// How many rows a table has.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn rows(&self, database: &str, table: &str) -> Result<u64> {
        let count = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        let rows: i64 = self.open(database)?.query_row(&count, [], |row| row.get(0))?;
        Ok(u64::try_from(rows)?)
    }

    /// A database's whole content as SQL text, to compare before with after.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn dump(&self, database: &str) -> Result<String> {
        let connection = self.open(database)?;
        let mut dump = String::new();
        let mut schema = connection.prepare("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")?;
        let objects: Vec<(String, String, Option<String>)> = schema
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (kind, name, sql) in objects {
            dump.push_str(&format!("{kind} {name}: {}\n", sql.unwrap_or_default()));
            if kind == "table" {
                let mut rows = connection.prepare(&format!("SELECT * FROM \"{}\"", name.replace('"', "\"\"")))?;
                let columns = rows.column_count();
                let mut rows = rows.query([])?;
                while let Some(row) = rows.next()? {
                    let values = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
                    dump.push_str(&format!("  {:?}\n", values.collect::<rusqlite::Result<Vec<_>>>()?));
                }
            }
        }
        Ok(dump)
    }

    fn open(&self, database: &str) -> Result<Connection> {
        let path = self.path().join(format!("{database}.db"));
        Ok(Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)?)
    }

    /// A file in a folder, as text.
    ///
    /// # Errors
    /// It is not there.
    pub fn file(&self, folder: &str, file: &str) -> Result<String> {
        let path = self.path().join(folder).join(file);
        fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}", path.display()).into())
    }

    /// Where the gateway keeps its state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        let state = self.config.get("gateway").and_then(|gateway| gateway.get("state")).and_then(Value::as_str);
        self.path().join(state.unwrap_or("state"))
    }

    /// Writes `mollyguard.toml` and says where.
    ///
    /// # Errors
    /// The file system refused.
    pub fn config(&self) -> Result<PathBuf> {
        let path = self.path().join("mollyguard.toml");
        fs::write(&path, toml::to_string(&self.config)?)?;
        Ok(path)
    }

    /// The gateway with these arguments after `--config`, not started yet. It dies with its handle.
    ///
    /// # Errors
    /// There is no binary, or no configuration could be written.
    pub fn command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(mollyguard()?);
        command.arg("--config").arg(self.config()?).args(args).current_dir(self.path()).kill_on_drop(true);
        // What the developer's own shell says must not reach the test.
        command.env_remove("MOLLYGUARD_CONFIG").env_remove("RUST_LOG").env("NO_COLOR", "1").envs(&self.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Runs a command of the gateway to its end.
    ///
    /// # Errors
    /// It could not be started, or does not end.
    pub async fn run(&self, args: &[&str]) -> Result<Printed> {
        let output = within(&format!("mollyguard {}", args.join(" ")), self.command(args)?.output()).await??;
        Ok(Printed {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts the gateway as a client does over stdio, with this person in front of it.
    ///
    /// # Errors
    /// It could not be started, or did not shake hands.
    pub async fn stdio(&self, era: Era, person: Person) -> Result<Agent> {
        Agent::over_stdio(self.command(&["serve"])?, era, person).await
    }

    /// Starts the gateway over stdio and speaks to it in bytes.
    ///
    /// # Errors
    /// It could not be started.
    pub fn raw(&self) -> Result<Raw> {
        Raw::start(self.command(&["serve"])?)
    }

    /// Starts the gateway over HTTP on a port of its own.
    ///
    /// # Errors
    /// It could not be started.
    pub async fn serve(&self) -> Result<Served> {
        Served::start(self.command(&["serve", "--http", "127.0.0.1:0"])?).await
    }
}
