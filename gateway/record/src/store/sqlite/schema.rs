//! Opening the database: its settings, its version, and the refusal of what is not ours or newer than we are.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mollyguard_tools::contract::now;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use uuid::Uuid;

use crate::state::directory;
use crate::store::StoreError;

/// `Moly` as SQLite's application id: a database with another one belongs to another program.
const APPLICATION: i32 = 0x4d6f_6c79;
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
    include_str!("../migrations/0004.sql"),
    include_str!("../migrations/0005.sql"),
    include_str!("../migrations/0006.sql"),
    include_str!("../migrations/0007.sql"),
    include_str!("../migrations/0008.sql"),
    include_str!("../migrations/0009.sql"),
    include_str!("../migrations/0010.sql"),
];

/// Where the database of a state directory is.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("mollyguard.db")
}

/// What went wrong in SQLite, as the store's error.
#[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` asks for")]
pub(super) fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(error.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Failed(format!("another process holds the database: {error}"))
        }
        _ => StoreError::Failed(error.to_string()),
    }
}

/// Opens the database for writing; makes it, and brings it up to this version, where needed.
pub(super) fn open(directory: &Path, busy: Duration) -> Result<Connection, StoreError> {
    directory::prepare(directory).map_err(StoreError::Failed)?;
    let path = path(directory);
    directory::prepare_file(&path).map_err(StoreError::Failed)?;
    let mut connection = connect(&path, busy)?;
    let current = MIGRATIONS.len();
    if version(&connection, &path)? != current || !is_wal(&connection).map_err(|error| at(&path, error))? {
        // One process at a time: SQLite answers a race for the journal mode with an error rather than by waiting.
        let _lock = set_up_alone(directory, busy)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(|error| at(&path, error))?;
        if !is_wal(&connection).map_err(|error| at(&path, error))? {
            let shown = path.display();
            return Err(StoreError::Failed(format!("the file system of `{shown}` does not support a write-ahead log")));
        }
        migrate(&mut connection, &path).inspect_err(|error| tracing::error!(%error, "the store cannot be set up"))?;
    }
    Ok(connection)
}

/// Opens an existing database of this version for reading.
pub(super) fn open_to_read(directory: &Path, busy: Duration) -> Result<Connection, StoreError> {
    directory::check(directory).map_err(StoreError::Failed)?;
    let path = path(directory);
    if !path.exists() {
        return Err(StoreError::Failed(format!("there is no store in `{}`", directory.display())));
    }
    let connection = connect(&path, busy)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    match version(&connection, &path)? {
        known if known == MIGRATIONS.len() => Ok(connection),
        older => Err(StoreError::Failed(format!("`{}` has the old schema {older}", path.display()))),
    }
}

fn connect(path: &Path, busy: Duration) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepare = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(busy)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        // macOS: an ordinary fsync there does not reach the disk. Without effect elsewhere.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    prepare().map_err(|error| at(path, error))
}

fn at(path: &Path, error: rusqlite::Error) -> StoreError {
    match failed(error) {
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("`{}`: {why}", path.display())),
        StoreError::Failed(why) => StoreError::Failed(format!("`{}`: {why}", path.display())),
        other => other,
    }
}

/// The schema's version, 0 for an empty database. Refuses a newer one and those of other programs.
fn version(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    // In one statement, and so of one moment: another process may be setting the database up between two.
    let read = "SELECT (SELECT count(*) FROM sqlite_master), (SELECT user_version FROM pragma_user_version), \
                (SELECT application_id FROM pragma_application_id)";
    let (tables, found, application): (i64, i32, i32) = connection
        .query_row(read, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(|error| at(path, error))?;
    let shown = path.display();
    let known = MIGRATIONS.len();
    if found == 0 && application == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION {
        return Err(StoreError::Corrupt(format!("`{shown}` is not a mollyguard database")));
    }
    match usize::try_from(found) {
        Ok(found) if (1..=known).contains(&found) => Ok(found),
        Ok(found) if found > known => Err(StoreError::Failed(format!(
            "`{shown}` was written by a newer mollyguard (schema {found}, this one knows {known}): update the program"
        ))),
        _ => Err(StoreError::Corrupt(format!("`{shown}` has no schema version"))),
    }
}

fn is_wal(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok(mode.eq_ignore_ascii_case("wal"))
}

fn set_up_alone(directory: &Path, patience: Duration) -> Result<std::fs::File, StoreError> {
    let path = directory.join("setup.lock");
    let failed = |why: String| StoreError::Failed(format!("the lock `{}` cannot be taken: {why}", path.display()));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| failed(error.to_string()))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(error) if begun.elapsed() >= patience => return Err(failed(error.to_string())),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Runs what is missing, each step in a transaction of its own. Never back.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    loop {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| at(path, error))?;
        // Read again inside: somebody else may have been quicker.
        let done = version(&transaction, path)?;
        let Some(step) = MIGRATIONS.get(done) else { return Ok(()) };
        let run = || -> rusqlite::Result<()> {
            transaction.execute_batch(step)?;
            if done == 0 {
                transaction.execute(
                    "INSERT INTO installation (one, id, created_at) VALUES (1, ?1, ?2)",
                    (Uuid::now_v7().to_string(), now().as_millisecond()),
                )?;
                transaction.pragma_update(None, "application_id", APPLICATION)?;
            }
            transaction.pragma_update(None, "user_version", i32::try_from(done + 1).unwrap_or(i32::MAX))
        };
        run().and_then(|()| transaction.commit()).map_err(|error| at(path, error))?;
    }
}

/// Whether a table has a row: then the key its rows were signed or sealed with must be there, and a new one would only
/// hide that it is gone. Asked before the key is looked for, since other processes make the key before the first row.
pub(super) fn has_rows(connection: &Connection, table: &str) -> Result<bool, StoreError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {table})");
    connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)
}

/// The installation's id.
pub(super) fn installation(connection: &Connection) -> Result<Uuid, StoreError> {
    let id: String = connection.query_row("SELECT id FROM installation", [], |row| row.get(0)).map_err(failed)?;
    id.parse().map_err(|_| StoreError::Corrupt(format!("the installation's id `{id}` is not a uuid")))
}
