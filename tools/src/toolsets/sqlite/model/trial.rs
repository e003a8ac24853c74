//! Runs one row-changing statement in a transaction of its own and hears what it does, within bounds.
//!
//! A look holds the write lock for no longer than [`LOCKED`], and the pages a statement changes stay in memory up to
//! [`DIRTY`] bytes of them: a try does not write the database file, and does not keep its writers waiting for long.
//! SQLite itself says when that bound is reached, by beginning to make room: with a rollback journal it asks for the
//! exclusive lock, which the reader beside it denies (new readers wait for the moment it takes to roll back); with a
//! write-ahead log it appends there what nobody reads before a commit. One row more may come on top of the bound, as
//! long as [`budget`] lets it be, in the table and in each of its indexes. Running what was tried out to its end has
//! the same bounds, for it fitted when it was looked at, and a few times as long. Only what could not be tried out, and
//! was approved all the same, has all of the call's time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::hooks::{Action, AuthContext, Authorization};
use rusqlite::{Connection, ErrorCode};
use serde_json::json;

use super::answer;
use super::contents::contents;
use super::effect::Effects;
use super::images::ImageError;
use super::recorder::Recorder;
use super::schema;
use super::stands::{as_it_stands, log_of, stamp};
use super::turns::Turn;
use crate::contract::{Digest, ToolError};
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::connect::budget::{self, Weight};
use crate::toolsets::sqlite::connect::room::Size;
use crate::toolsets::sqlite::connect::temporary::{self, Temporary};
use crate::toolsets::sqlite::connect::{bounded, stop};

/// How long a look holds the lock, counted from getting it.
pub(crate) const LOCKED: Duration = Duration::from_secs(1);

/// How long running what a look tried out to its end may hold it: such a run that takes much longer than its look did does
/// something else, and may have been asked about by nobody.
const LOCKED_TO_RUN: Duration = Duration::from_secs(4);

/// How many bytes of changed pages a try keeps in memory.
const DIRTY: u64 = 64 << 20;

/// How many bytes a sort takes at once.
const SORTED: u64 = 2 << 20;

/// How many steps of SQLite's machine pass between two checks of the bounds: few, because a row of megabytes takes few.
const STEPS: i32 = 20;

/// How often the log's file is looked at.
const GLANCE: Duration = Duration::from_millis(1);

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Finding out what would change; it is rolled back.
    Look,
    /// Changing what was approved under this fingerprint.
    Change(Digest),
}

impl Purpose {
    /// How long it may hold the lock.
    const fn held(self) -> Duration {
        match self {
            Self::Look => LOCKED,
            Self::Change(_) => LOCKED_TO_RUN,
        }
    }
}

/// A transaction with the lock for changing, and a connection that sees everything as it was before.
pub(crate) struct Trial {
    pub after: Connection,
    pub before: Connection,
    version: i64,
    full: Arc<AtomicBool>,
    /// Sorting on the way filled too much of the disk.
    crowded: Arc<AtomicBool>,
    purpose: Purpose,
    size: Size,
    until: Instant,
    /// A look's turn at the lock.
    turn: Option<Turn>,
}

impl Trial {
    /// Begins it on a connection that has the lock, a look's within its turn.
    pub(crate) fn begin(
        site: &Site,
        mut after: Connection,
        purpose: Purpose,
        turn: Option<Turn>,
        weight: &Weight,
    ) -> Result<Self, ToolError> {
        let explain = |error: rusqlite::Error| site.explain(&error);
        let until = Instant::now() + purpose.held();
        let mut before = site.open_to_read()?;
        begin(site, &before, "BEGIN")?;
        before.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(explain)?;
        let version = version(site, &before)?;
        // A small cache, since sorting goes on unasked for as long as its cache is large; changed pages may be more.
        begin(site, &after, &format!("PRAGMA cache_size = -{}; PRAGMA cache_spill = -{}", SORTED >> 10, DIRTY >> 10))?;
        let full = Arc::new(AtomicBool::new(false));
        let noting = Arc::clone(&full);
        let deny = move |_| {
            noting.store(true, Ordering::Relaxed);
            false
        };
        after.busy_handler(Some(deny)).map_err(explain)?;
        let mode: String = after.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(explain)?;
        let log = (mode == "wal").then(|| Log::of(&site.path));
        watch(site, &mut before, until, || false)?;
        let crowded = Arc::new(AtomicBool::new(false));
        watch(site, &mut after, until, beyond(log, Arc::clone(&full), Arc::clone(&crowded), weight.clone()))?;
        Ok(Self { after, before, version, full, crowded, purpose, size: weight.room(), until, turn })
    }

    /// Why the run was stopped, if it was: said of an error, or at the end; `hurried` where only a value's length stood in
    /// the way.
    ///
    /// # Errors
    /// What was to be changed was stopped: it fitted when it was looked at, so it does something else now.
    pub(crate) fn stopped(
        &self,
        site: &Site,
        by: Option<&rusqlite::Error>,
        hurried: bool,
    ) -> Result<Option<String>, ToolError> {
        if self.crowded.load(Ordering::Relaxed) {
            return Err(temporary::refusal(&site.name, self.size));
        }
        let interrupted = by.and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::OperationInterrupted);
        let (looks, seconds) = (self.purpose == Purpose::Look, self.purpose.held().as_secs());
        let why = if self.full.load(Ordering::Relaxed) {
            format!("the changed pages take more than {} MiB", DIRTY >> 20)
        } else if hurried && looks {
            "a value is too long for a statement that works on values so often to be tried out".into()
        } else if interrupted && Instant::now() >= self.until && !site.is_over() {
            format!("{} took longer than {seconds} s", if looks { "trying it out" } else { "running it" })
        } else {
            return Ok(None);
        };
        if looks { Ok(Some(why)) } else { Err(ToolError::changed(format!("{why}, unlike when it was looked at"))) }
    }

    /// A place where a test has the time run out.
    pub(crate) fn reach(&mut self, site: &Site, place: &str) -> Result<(), ToolError> {
        if late(&site.path, place) {
            self.until = Instant::now();
            watch(site, &mut self.before, self.until, || false)?;
            watch(site, &mut self.after, self.until, || false)?;
        }
        Ok(())
    }

    /// The same of an error met while the rows are read or put back.
    pub(crate) fn stopped_by(&self, site: &Site, error: &ImageError) -> Result<Option<String>, ToolError> {
        match error {
            ImageError::Sqlite(error) => self.stopped(site, Some(error), false),
            ImageError::Unfit(_) | ImageError::TooLarge => Ok(None),
        }
    }

    /// The transaction, ready to be committed; a look's is rolled back.
    pub(crate) fn end(mut self, site: &Site) -> Result<Connection, ToolError> {
        site.as_usual(&mut self.after)?;
        if self.purpose == Purpose::Look {
            self.let_go(site)?;
        }
        Ok(self.after)
    }

    /// Lets go of the lock, without a change.
    fn let_go(&mut self, site: &Site) -> Result<(), ToolError> {
        // What was interrupted has been rolled back already.
        if !self.after.is_autocommit() {
            begin(site, &self.after, "ROLLBACK")?;
        }
        drop(self.turn.take());
        Ok(())
    }

    /// The same, with every row of the tables whose changed rows are not in the fingerprint one by one in it. What is too
    /// much to be read has the whole file in it, as it stood. A look has let go of the lock by then.
    pub(crate) fn cover(
        mut self,
        site: &Site,
        purpose: Purpose,
        stands: Digest,
        effects: &mut Effects,
    ) -> Result<Connection, ToolError> {
        if effects.uncovered.is_empty() {
            return self.end(site);
        }
        site.as_usual(&mut self.before)?;
        if purpose == Purpose::Look {
            self.let_go(site)?;
        }
        let mut seen = Vec::new();
        for table in &effects.uncovered {
            let contents = contents(&self.before, site, table)?;
            seen.push(json!([table.name, contents.fingerprint, (!contents.whole).then_some(stands)]));
        }
        effects.fingerprint = effects.fingerprint.map(|rows| Digest::of(&json!({ "rows": rows, "tables": seen })));
        self.end(site)
    }

    /// Gives up, and says how the database stands. Being stopped lets go of the lock, so somebody may have
    /// come in between: then nothing holds of what was seen.
    pub(crate) fn abandon(mut self, site: &Site, statement: &str) -> Result<(Connection, Digest), ToolError> {
        site.as_usual(&mut self.before)?;
        self.let_go(site)?;
        begin(site, &self.before, "COMMIT")?;
        let stands = as_it_stands(site, &self.before, statement)?;
        if version(site, &self.before)? != self.version {
            return Err(ToolError::changed(format!("somebody changed `{}` while it was looked at", site.name)));
        }
        Ok((self.end(site)?, stands))
    }
}

#[cfg(test)]
use self::tests::late;

#[cfg(not(test))]
const fn late(_: &Path, _: &str) -> bool {
    false
}

/// What this connection sees change when another one commits.
fn version(site: &Site, conn: &Connection) -> Result<i64, ToolError> {
    conn.query_row("PRAGMA data_version", [], |row| row.get(0)).map_err(|error| site.explain(&error))
}

/// As the usual stop, but also when its own time is over or `also` says so.
fn watch(
    site: &Site,
    conn: &mut Connection,
    until: Instant,
    mut also: impl FnMut() -> bool + Send + 'static,
) -> Result<(), ToolError> {
    stop::until(Some(until));
    site.stop_when(conn, STEPS, move || also() || Instant::now() >= until)
}

/// Whether a bound on memory or on the disk is reached, and notes which.
fn beyond(
    mut log: Option<Log>,
    full: Arc<AtomicBool>,
    crowded: Arc<AtomicBool>,
    weight: Weight,
) -> impl FnMut() -> bool + Send + 'static {
    let mut files = Temporary::of(weight.room());
    move || {
        if log.as_mut().is_some_and(|log| log.written(Instant::now())) {
            full.store(true, Ordering::Relaxed);
        }
        if weight.keeps_rows() && files.too_much(weight.sorts()) {
            crowded.store(true, Ordering::Relaxed);
        }
        full.load(Ordering::Relaxed) || crowded.load(Ordering::Relaxed)
    }
}

/// The write-ahead log's file. While one connection has the lock nobody else writes it.
struct Log {
    path: PathBuf,
    was: Option<(u64, SystemTime)>,
    looked: Instant,
}

impl Log {
    fn of(database: &Path) -> Self {
        let path = log_of(database);
        Self { was: stamp(&path), path, looked: Instant::now() }
    }

    fn written(&mut self, now: Instant) -> bool {
        if now.duration_since(self.looked) < GLANCE {
            return false;
        }
        self.looked = now;
        stamp(&self.path) != self.was
    }
}

pub(crate) fn begin(site: &Site, conn: &Connection, sql: &str) -> Result<(), ToolError> {
    conn.execute_batch(sql).map_err(|error| site.explain(&error))
}

/// What SQLite itself says of a run.
pub(crate) struct Ran {
    pub changed: u64,
    pub returned: Option<answer::Output>,
}

/// Runs the statement with the hooks on.
pub(crate) fn perform(
    site: &Site,
    conn: &mut Connection,
    statement: &str,
    recorder: &Recorder,
    own_patterns: bool,
) -> rusqlite::Result<Ran> {
    if own_patterns {
        bounded::install_patterns(conn)?;
    }
    recorder.weight.begin(conn)?;
    let (authorizing, touching) = (recorder.clone(), recorder.clone());
    conn.authorizer(Some(move |context: AuthContext<'_>| authorizing.authorize(&context)))?;
    conn.update_hook(Some(move |action, _: &str, table: &str, rowid| touching.touch(action, table, rowid)))?;
    let counted = conn.total_changes();
    let result = returning(site, conn, statement, (&recorder.weight, own_patterns));
    budget::usual(conn)?;
    let never: Option<fn(AuthContext<'_>) -> Authorization> = None;
    conn.authorizer(never)?;
    let silent: Option<fn(Action, &str, &str, i64)> = None;
    conn.update_hook(silent)?;
    result.map(|returned| Ran { changed: conn.total_changes() - counted, returned })
}

fn returning(
    site: &Site,
    conn: &Connection,
    text: &str,
    (weight, own_patterns): (&Weight, bool),
) -> rusqlite::Result<Option<answer::Output>> {
    budget::compiling(conn, text)?;
    weight.examine(conn, text)?;
    let mut statement = conn.prepare(text)?;
    weight.apply(conn, text, own_patterns)?;
    if statement.column_count() > 0 {
        return answer::collect(site, &mut statement, site.limits.output_rows, false).map(Some);
    }
    statement.execute([])?;
    Ok(None)
}

/// What a person or an agent is told of a statement that failed.
pub(crate) fn refusal(site: &Site, conn: &Connection, recorder: &Recorder, error: &rusqlite::Error) -> ToolError {
    if let Some(denied) = &recorder.record().denied {
        return ToolError::refused(format!("the statement makes {denied}, which this tool does not do"));
    }
    let said = site.explain(error);
    if let Some((_, table)) = error.to_string().split_once("no such table: ") {
        let table = table.split_whitespace().next().unwrap_or_default();
        return schema::missing(conn, site, table.trim_start_matches("main."));
    }
    said
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    static LATE: Mutex<Vec<(PathBuf, &'static str)>> = Mutex::new(Vec::new());

    pub(crate) fn late(path: &Path, place: &str) -> bool {
        let late = LATE.lock().unwrap_or_else(PoisonError::into_inner);
        late.iter().any(|(of, at)| of == path && *at == place)
    }

    /// Has the time of whatever is tried out or run on this database run out at a place.
    pub(crate) fn run_out(path: &Path, place: &'static str) {
        LATE.lock().unwrap_or_else(PoisonError::into_inner).push((path.canonicalize().unwrap(), place));
    }
}
