//! How long one value may be while a statement runs, so that what it holds at once, and what it does between two places
//! where it can be stopped, stay bounded.
//!
//! SQLite can be stopped where its program jumps back, once a row. In between it may build a value for each step of the
//! program, each as long as the limit lets it be, and go through it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::hooks::AuthAction;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, ErrorCode};

use super::program::{Program, Stored};
use super::room::Size;
use super::{pattern, stop, text};

/// What all values of a row may take together, and all that a statement keeps on the way.
const BUDGET: usize = Size::Long.bytes();

/// How long a statement may go on where nothing stops it: about a second, in tenths of a nanosecond.
pub(crate) const UNSTOPPED: u64 = 10_000_000_000;

/// No value longer than this is built or read: a few characters of SQL can ask for gigabytes.
pub(crate) const LONGEST_VALUE: usize = 64 << 20;

/// A value of this length may always be held.
const SHORTEST: usize = 64 << 10;

/// A program that must not meet values of this length is not run: it would have a million expressions.
const LEAST: usize = 1 << 10;

/// As long as any value that is kept for undoing may be.
const KEPT: usize = 8 << 20;

/// While a statement is compiled, SQLite may already compute what is constant in it.
const COMPILING: usize = 1 << 20;

/// The longest pattern that SQLite's own `LIKE` and `GLOB` take: their time is the product of text and pattern. Longer ones
/// are for those of [`super::bounded`].
const PATTERN: usize = 100;

/// `json_patch` looks for each key of one object among those of the other, and what is constant it already looks for
/// while a statement is compiled.
const PATCHED: usize = 128 << 10;

/// What a statement reads and calls, as SQLite tells its authorizer while it compiles it, and what it is compiled to.
#[derive(Clone, Default)]
pub(crate) struct Weight(Arc<Parts>);

#[derive(Default)]
struct Parts {
    values: AtomicU32,
    edits: AtomicBool,
    patterns: AtomicBool,
    unhurried: AtomicBool,
    applied: AtomicBool,
    /// What it may take together; as much as any where nothing is said.
    room: Mutex<Option<Size>>,
    stored: Mutex<Stored>,
    program: Mutex<Program>,
}

impl Weight {
    /// Asks the connection what it could not be asked while the authorizer listens.
    pub(crate) fn begin(&self, conn: &Connection) -> rusqlite::Result<()> {
        self.stored(Stored::of(conn)?);
        Ok(())
    }

    /// The connection said so when it was asked before.
    pub(crate) fn stored(&self, stored: Stored) {
        *lock(&self.0.stored) = stored;
    }

    /// Adds what the authorizer is asked about.
    pub(crate) fn hear(&self, action: &AuthAction<'_>) {
        match action {
            AuthAction::Read { .. } => {}
            AuthAction::Function { function_name } => self.called(&function_name.to_ascii_lowercase()),
            _ => return,
        }
        self.0.values.fetch_add(1, Ordering::Relaxed);
    }

    fn called(&self, function: &str) {
        let parts = &self.0;
        if function.starts_with("json") {
            parts.edits.store(true, Ordering::Relaxed);
        } else if function == "like" || function == "glob" {
            parts.patterns.store(true, Ordering::Relaxed);
        }
    }

    /// The statement may go on for as long as it likes where nothing stops it: somebody approved that.
    pub(crate) fn unhurried(&self) {
        self.0.unhurried.store(true, Ordering::Relaxed);
    }

    /// Looks at what the statement is compiled to, on a connection that is about to run it and lets nobody change the
    /// schema meanwhile.
    pub(crate) fn examine(&self, conn: &Connection, statement: &str) -> rusqlite::Result<()> {
        // What is compiled for this alone does not count.
        let values = self.0.values.load(Ordering::Relaxed);
        let program = Program::of(conn, statement, *lock(&self.0.stored))?;
        self.0.values.store(values, Ordering::Relaxed);
        *self.program() = program;
        Ok(())
    }

    fn program(&self) -> MutexGuard<'_, Program> {
        lock(&self.0.program)
    }

    /// It takes no more than this.
    pub(crate) fn within(&self, size: Size) {
        *lock(&self.0.room) = Some(size);
    }

    /// What it has.
    pub(crate) fn room(&self) -> Size {
        lock(&self.0.room).unwrap_or(Size::Long)
    }

    /// It sorts.
    pub(crate) fn sorts(&self) -> bool {
        self.program().sorts > 0
    }

    /// How long a value may be, so that no stretch of the program takes long, and so that it does not hold too much.
    fn longest(&self, statement: &str, own_patterns: bool) -> (usize, usize) {
        // The authorizer does not hear of operators, nor of arguments: the JSON functions go through the value for each.
        let edits = if self.0.edits.load(Ordering::Relaxed) { text::written(statement, ",") } else { 0 };
        let values = self.0.values.load(Ordering::Relaxed) as usize + text::written(statement, "||") + edits;
        let room = self.room();
        let (quick, held) = self.program().longest(UNSTOPPED, room, own_patterns);
        let held = held.min((room.bytes() / values.max(1)).max(SHORTEST)).min(LONGEST_VALUE);
        (quick, held)
    }

    /// Limits a connection to what the compiled statement may hold.
    pub(crate) fn apply(&self, conn: &Connection, statement: &str, own_patterns: bool) -> rusqlite::Result<()> {
        patterns(conn, own_patterns)?;
        let (quick, held) = self.longest(statement, own_patterns);
        self.0.applied.store(true, Ordering::Relaxed);
        if held < LEAST {
            return Err(too_big());
        }
        if self.0.unhurried.load(Ordering::Relaxed) {
            return set(conn, held);
        }
        if quick < LEAST {
            return Err(too_big());
        }
        set(conn, quick.min(held))
    }

    /// Whether it searches with `LIKE` or `GLOB`.
    pub(crate) fn has_patterns(&self) -> bool {
        self.0.patterns.load(Ordering::Relaxed)
    }

    /// Whether it sorts, groups or keeps rows of its own on the way.
    pub(crate) fn keeps_rows(&self) -> bool {
        self.program().keeps
    }

    /// Whether the statement failed only because it would take more than it may for now.
    pub(crate) fn wants_room(&self, error: &Error, statement: &str, own_patterns: bool) -> bool {
        if !is_too_big(error) || self.room().is_longest() || !self.0.applied.load(Ordering::Relaxed) {
            return false;
        }
        let (quick, held) = self.longest(statement, own_patterns);
        let hurries = quick <= held && !self.0.unhurried.load(Ordering::Relaxed);
        held < LONGEST_VALUE && !hurries
    }

    /// Whether the statement failed only because SQLite's own `LIKE` or `GLOB` is limited.
    pub(crate) fn wants_own_patterns(&self, error: &Error) -> bool {
        let limited = is_too_big(error) || error.to_string().contains("pattern too complex");
        limited && self.has_patterns()
    }

    /// Whether the statement failed because no value may be so long that going through it takes long; whoever has the
    /// time may run it.
    pub(crate) fn was_hurried(&self, error: &Error, statement: &str, own_patterns: bool) -> bool {
        let (quick, held) = self.longest(statement, own_patterns);
        is_too_big(error) && quick < held && !self.0.unhurried.load(Ordering::Relaxed)
    }
}

/// Limits a connection to what a statement of the gateway may hold that runs a schema's own expressions, such as putting
/// rows back: no stretch of it takes long.
pub(crate) fn hurried(conn: &Connection, statement: &str) -> rusqlite::Result<()> {
    let (quick, held) = Program::of(conn, statement, Stored::of(conn)?)?.longest(UNSTOPPED, Size::Long, false);
    patterns(conn, false)?;
    set(conn, quick.min(held.max(KEPT)).clamp(LEAST, LONGEST_VALUE))
}

/// Limits a connection that is about to compile a statement.
pub(crate) fn compiling(conn: &Connection, statement: &str) -> rusqlite::Result<()> {
    if statement.len() > PATCHED
        && (text::mentions(statement, "json_patch") || text::mentions(statement, "jsonb_patch"))
    {
        return Err(too_big());
    }
    patterns(conn, false)?;
    set(conn, COMPILING + statement.len())
}

/// Limits a connection to rows of so many columns, read whole. A stored row is one value to SQLite too.
pub(crate) fn reading(conn: &Connection, columns: usize) -> rusqlite::Result<()> {
    set(conn, (BUDGET / columns.max(1)).clamp(KEPT, LONGEST_VALUE))
}

/// Limits a connection to what any statement of the gateway itself may hold.
pub(crate) fn usual(conn: &Connection) -> rusqlite::Result<()> {
    set(conn, LONGEST_VALUE)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn patterns(conn: &Connection, own: bool) -> rusqlite::Result<()> {
    let longest = if own { pattern::LONGEST } else { PATTERN };
    conn.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, longest as i32).map(drop)
}

fn set(conn: &Connection, bytes: usize) -> rusqlite::Result<()> {
    stop::longest(bytes);
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(bytes).unwrap_or(i32::MAX)).map(drop)
}

fn too_big() -> Error {
    Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG), None)
}

/// Whether a value was longer than it may be.
pub(crate) fn is_too_big(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::TooBig)
}

/// What is said of a value that is too long.
pub(crate) const TOO_LONG: &str = "a value is longer than this statement may hold at once";

/// What helps then.
pub(crate) const SHORTER: &str = "name fewer columns, functions and conditions in one statement, or take `length(…)` or \
                                  `substr(…)` of the long value";
