//! Opening a database file, for looking or for changing, and running work on it that a deadline or a hang-up stops.
//!
//! A file is never created here, and nothing outside it is reachable: no attached databases, no extensions, no schema
//! code that is not known to be harmless.

pub(super) mod beside;
pub(super) mod bounded;
pub(super) mod budget;
pub(super) mod idle;
pub(super) mod over;
pub(super) mod pattern;
pub(super) mod program;
pub(super) mod room;
pub(super) mod stop;
pub(super) mod temporary;
pub(super) mod text;
pub(super) mod watch;

use std::cell::RefCell;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::contract::{About, Access, Environment, Evidence, Lease, Limits, Target, TargetPath, ToolError, Waiting};
use crate::failpoint;
use crate::text::shown;
use crate::turns::Place;
use idle::{Files, Known};
use room::Size;
use stop::{OnThisThread, Stop};

/// One target's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The database file.
    pub path: PathBuf,
}

/// How long to wait for somebody else's lock.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The same for a look that needs the lock for changing: nobody's work is to queue behind a question.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// How many steps of SQLite's machine pass between two looks at the clock: few, because one may copy megabytes.
pub(crate) const STEPS: i32 = 50;

/// One existing database file.
pub(crate) struct Site {
    /// The configured target's name.
    pub name: String,
    environment: Environment,
    access: Access,
    /// The real file, links resolved.
    pub path: PathBuf,
    /// The file's device and inode.
    pub uid: String,
    /// How much the call may take.
    pub limits: Limits,
    stop: Stop,
    /// Its place for changing rows or going through whole ones.
    rows: RefCell<Option<Place>>,
    /// Ends after all else.
    _bounds: OnThisThread,
}

impl Site {
    /// The lease's database, on the thread that works on it: what it runs is interrupted when the deadline passes, or when
    /// nobody waits for it any more.
    pub(crate) fn of(lease: &Lease, waiting: &Waiting) -> Result<Self, ToolError> {
        let (target, limits) = (lease.target(), *lease.limits());
        let (path, uid) = real_file(&target.name, &lease.settings::<Settings>()?.path)?;
        let stop = Stop { hung_up: waiting.gone(), at: Instant::now() + limits.deadline, deadline: limits.deadline };
        waiting.wake(watch::hurry);
        let bounds = OnThisThread::begin(&stop);
        Ok(Self {
            name: target.name.clone(),
            environment: target.environment.clone(),
            access: lease.access(),
            path,
            uid,
            limits,
            stop,
            rows: RefCell::default(),
            _bounds: bounds,
        })
    }

    /// The database as a target.
    pub(crate) fn database(&self) -> Target {
        self.target("sqlite_database", TargetPath::of(&self.name))
    }

    /// One of its tables as a target.
    pub(crate) fn table(&self, table: &str) -> Target {
        self.target("sqlite_table", TargetPath::of(&self.name).below(table))
    }

    fn target(&self, kind: &str, path: TargetPath) -> Target {
        Target { kind: kind.into(), path, uid: Some(self.uid.clone()), environment: self.environment.clone() }
    }

    /// Where the file really is: a name is not an environment.
    pub(crate) fn whereabouts(&self) -> Evidence {
        let (path, environment) = (shown(&self.path.to_string_lossy()), shown(&self.environment.name));
        let what = format!("in the file `{path}` (device:inode {}), configured as `{environment}`", self.uid);
        Evidence::seen(About::Boundary, what, "stat")
    }

    /// Waits until the job may change rows or go through whole ones, unless it may already; it may until it ends.
    pub(crate) fn wait_for_rows(&self) -> Result<(), ToolError> {
        if self.rows.borrow().is_none() {
            let place = Size::Change.wait(self)?;
            self.rows.replace(Some(place));
        }
        Ok(())
    }

    /// Lets others do so before this job does it again.
    pub(crate) fn leave_rows(&self) {
        self.rows.take();
    }

    /// A connection that cannot change anything.
    pub(crate) fn open_to_read(&self) -> Result<Connection, ToolError> {
        let conn = self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        set(&conn, "query_only", true)?;
        Ok(conn)
    }

    /// A connection for one read, perhaps one that was used before. [`Site::keep`] takes it back.
    pub(crate) fn reader(&self) -> Result<(Connection, Option<Files>, Option<Known>), ToolError> {
        if let Some((mut conn, files, known)) = idle::take(&self.path, &self.uid) {
            self.attend(&mut conn).map_err(|error| self.explain(&error))?;
            return Ok((conn, Some(files), Some(known)));
        }
        let conn = self.open_to_read()?;
        let files = Files::of(&self.path).ok().filter(|files| files.uid() == self.uid);
        Ok((conn, files, None))
    }

    /// Keeps a connection whose read went well for the next one.
    pub(crate) fn keep(&self, conn: Connection, files: Option<Files>, known: Known) {
        if let Some(files) = files {
            stop::leave();
            idle::keep(&self.path, files, known, conn);
        }
    }

    /// A connection that can, with foreign keys enforced, for a lease that allows it.
    pub(crate) fn open_to_write(&self) -> Result<Connection, ToolError> {
        self.require_write()?;
        self.open_writable()
    }

    /// A connection for trying a change out on a lease for looking: what it runs is rolled back, and [`Site::commit`]
    /// refuses to end it otherwise. It writes nothing when it closes either.
    pub(crate) fn open_for_trial(&self) -> Result<Connection, ToolError> {
        let conn = self.open_writable()?;
        let ready = || {
            conn.busy_timeout(LOOK_TIMEOUT.min(self.limits.deadline))?;
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        };
        ready().map_err(|error| self.explain(&error))?;
        Ok(conn)
    }

    fn require_write(&self) -> Result<(), ToolError> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read | Access::Trial => {
                Err(ToolError::refused(format!("the lease on `{}` is for looking only", self.name)))
            }
        }
    }

    fn open_writable(&self) -> Result<Connection, ToolError> {
        idle::close(&self.path);
        let conn = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // SQLite falls back to reading when the file's permissions say so.
        if conn.is_readonly(rusqlite::MAIN_DB).map_err(|error| self.explain(&error))? {
            let reason = format!("the file of `{}` cannot be written by this process", self.name);
            return Err(ToolError::unavailable(reason));
        }
        set(&conn, "foreign_keys", true)?;
        Ok(conn)
    }

    fn open(&self, access: OpenFlags) -> Result<Connection, ToolError> {
        beside::leave_none(&self.name, &self.path)?;
        // A real path is absolute, so it can never be read as a `file:` URI with options of its own.
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags).map_err(|error| self.explain(&error))?;
        self.harden(conn).map_err(|error| self.explain(&error)).and_then(|conn| {
            // Somebody may have put another file there between the look and the opening.
            match real_file(&self.name, &self.path) {
                Ok((_, uid)) if uid == self.uid => Ok(conn),
                _ => Err(ToolError::changed(format!("another file took the place of the one of `{}`", self.name))),
            }
        })
    }

    fn harden(&self, mut conn: Connection) -> rusqlite::Result<Connection> {
        self.attend(&mut conn)?;
        // Whoever asks for less has it their way: it can only be lowered.
        conn.query_row(&format!("PRAGMA hard_heap_limit = {}", room::HARDEST), [], |_| Ok(()))?;
        conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        // Reads the first page: what is no database says so here.
        conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        bounded::install(&conn)?;
        Ok(conn)
    }

    /// This call's patience, and what stops it.
    fn attend(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        conn.busy_timeout(TIMEOUT.min(self.limits.deadline))?;
        budget::usual(conn)?;
        stop::attend(conn);
        let stop = self.stop.clone();
        conn.progress_handler(STEPS, Some(move || stop.now()))
    }

    /// As the usual stop, but also when `also` says so, which is asked every `steps` steps of SQLite's machine.
    pub(crate) fn stop_when(
        &self,
        conn: &mut Connection,
        steps: i32,
        mut also: impl FnMut() -> bool + Send + 'static,
    ) -> Result<(), ToolError> {
        let stop = self.stop.clone();
        conn.progress_handler(steps, Some(move || stop.now() || also())).map_err(|error| self.explain(&error))
    }

    /// Waits for others' locks again, and stops only as usual.
    pub(crate) fn as_usual(&self, conn: &mut Connection) -> Result<(), ToolError> {
        conn.busy_timeout(TIMEOUT.min(self.limits.deadline)).map_err(|error| self.explain(&error))?;
        stop::until(None);
        self.stop_when(conn, STEPS, || false)
    }

    /// Ends the transaction, telling "it did not happen" from "nobody knows".
    pub(crate) fn commit(&self, conn: &mut Connection) -> Result<(), ToolError> {
        self.require_write()?;
        if self.stop.now() {
            return Err(self.too_long());
        }
        let none: Option<fn() -> bool> = None;
        conn.progress_handler(0, none).map_err(|error| self.explain(&error))?;
        stop::leave();
        failpoint::pass("sqlite_commit").map_err(|error| ToolError::unavailable(error.to_string()))?;
        let Err(error) = conn.execute_batch("COMMIT") else {
            return failpoint::pass("sqlite_committed").map_err(|error| self.in_doubt(&error));
        };
        let still_open = !conn.is_autocommit();
        if still_open && conn.execute_batch("ROLLBACK").is_ok() {
            return Err(self.explain(&error));
        }
        Err(self.in_doubt(&error))
    }

    fn in_doubt(&self, error: &dyn std::error::Error) -> ToolError {
        ToolError::uncertain(format!("committing to `{}` failed: {error}", self.name))
    }

    /// Whether nobody wants the answer any more, or its time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.now()
    }

    fn too_long(&self) -> ToolError {
        let seconds = self.stop.deadline.as_secs_f32();
        ToolError::unavailable(format!("stopped on `{}`: it took longer than {seconds} s", self.name))
            .with_next("narrow it down: a condition on an indexed column, a limit")
    }

    /// What SQLite said, in the contract's words. Only for work that is not committed yet.
    pub(crate) fn explain(&self, error: &rusqlite::Error) -> ToolError {
        let name = &self.name;
        let text = message(error);
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                ToolError::unavailable(format!("`{name}` is locked by another process"))
                    .with_next("try again in a moment; a long transaction elsewhere may hold the lock")
            }
            Some(ErrorCode::OperationInterrupted) => self.too_long(),
            Some(ErrorCode::TooBig) => {
                ToolError::failed(format!("`{name}`: {}", budget::TOO_LONG)).with_next(budget::SHORTER)
            }
            Some(ErrorCode::OutOfMemory) => {
                ToolError::unavailable(format!("stopped on `{name}`: SQLite has all the memory it may have"))
                    .with_next("try again in a moment, or narrow it down: fewer and shorter values, a limit")
            }
            Some(ErrorCode::NotADatabase) => {
                ToolError::failed(format!("the file of `{name}` is no SQLite database, or is encrypted"))
            }
            Some(ErrorCode::CannotOpen) => ToolError::unavailable(format!("cannot open `{name}`: {text}"))
                .with_next("a database in WAL mode needs write access to its folder, even for reading"),
            Some(
                ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::PermissionDenied | ErrorCode::ReadOnly,
            ) => ToolError::unavailable(format!("`{name}`: {text}")),
            _ => ToolError::failed(format!("`{name}` says: {text}")),
        }
    }
}

/// SQLite's own words without the statement, which rusqlite repeats.
fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

fn set(conn: &Connection, pragma: &str, on: bool) -> Result<(), ToolError> {
    conn.pragma_update(None, pragma, on).map_err(|error| ToolError::unavailable(error.to_string()))
}

/// The real file behind a path and its identity. Only an existing regular file is one.
fn real_file(name: &str, path: &Path) -> Result<(PathBuf, String), ToolError> {
    let shown = path.display();
    let lost = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            ToolError::not_found(format!("the database file of `{name}` does not exist: `{shown}`"))
                .with_next("correct `path` in the configuration; the gateway never creates a database")
        }
        _ => ToolError::unavailable(format!("cannot look at the file of `{name}`, `{shown}`: {error}")),
    };
    let real = path.canonicalize().map_err(lost)?;
    let facts = real.metadata().map_err(lost)?;
    if !facts.is_file() {
        return Err(ToolError::refused(format!("the path of `{name}` is no regular file: `{shown}`")));
    }
    Ok((real, format!("{}:{}", facts.dev(), facts.ino())))
}
