//! How long one value may be while a statement runs, so that what it holds at once, and what it does between two looks at
//! the clock, stay bounded: the columns it reads and the functions it calls share [`BUDGET`] bytes.
//!
//! SQLite looks at the clock once per row. In between it may build a value for each call of the statement, each as long as
//! the limit lets it be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rusqlite::hooks::AuthAction;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Error, ErrorCode};

use super::{pattern, stop, text};

/// What all values of a row may take together.
const BUDGET: usize = 256 << 20;

/// No value longer than this is built or read: a few characters of SQL can ask for gigabytes.
const LONGEST_VALUE: usize = 64 << 20;

/// A value of this length may always be held.
const SHORTEST: usize = 64 << 10;

/// As long as any value that is kept for undoing may be.
const KEPT: usize = 8 << 20;

/// While a statement is compiled, SQLite may already compute what is constant in it.
const COMPILING: usize = 1 << 20;

/// The longest text that SQLite's own `LIKE` and `GLOB` search, and the longest pattern they take: their time is the
/// product of both. Longer ones are for those of [`super::bounded`].
const SEARCHED: usize = 4 << 20;
const PATTERN: usize = 100;

/// `json_patch` looks for each key of one object among those of the other.
const PATCHED: usize = 128 << 10;

/// What a statement reads and calls, as SQLite tells its authorizer while it compiles it.
#[derive(Clone, Default)]
pub(super) struct Weight(Arc<Parts>);

#[derive(Default)]
struct Parts {
    values: AtomicU32,
    edits: AtomicBool,
    patches: AtomicBool,
    patterns: AtomicBool,
}

impl Weight {
    /// Adds what the authorizer is asked about.
    pub(super) fn hear(&self, action: &AuthAction<'_>) {
        match action {
            AuthAction::Read { .. } => {}
            AuthAction::Function { function_name } => self.called(&function_name.to_ascii_lowercase()),
            _ => return,
        }
        self.0.values.fetch_add(1, Ordering::Relaxed);
    }

    fn called(&self, function: &str) {
        let parts = &self.0;
        match function.strip_prefix("jsonb").or_else(|| function.strip_prefix("json")) {
            Some("_patch") => parts.patches.store(true, Ordering::Relaxed),
            Some(_) => parts.edits.store(true, Ordering::Relaxed),
            None if function == "like" || function == "glob" => parts.patterns.store(true, Ordering::Relaxed),
            None => {}
        }
    }

    /// How long a value may be.
    fn longest(&self, statement: &str, own_patterns: bool) -> usize {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        // The authorizer does not hear of operators, nor of arguments: the JSON functions go through the value for each.
        let edits = if is(&self.0.edits) { text::written(statement, ",") } else { 0 };
        let values = self.0.values.load(Ordering::Relaxed) as usize + text::written(statement, "||") + edits;
        let mut longest = (BUDGET / values.max(1)).clamp(SHORTEST, LONGEST_VALUE);
        if is(&self.0.patches) {
            longest = longest.min(PATCHED);
        }
        if self.has_patterns() && !own_patterns {
            longest = longest.min(SEARCHED);
        }
        longest
    }

    /// Limits a connection to what the compiled statement may hold.
    pub(super) fn apply(&self, conn: &Connection, statement: &str, own_patterns: bool) -> rusqlite::Result<()> {
        let pattern = if own_patterns { pattern::LONGEST } else { PATTERN };
        conn.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, pattern as i32)?;
        set(conn, self.longest(statement, own_patterns))
    }

    /// Whether it searches with `LIKE` or `GLOB`.
    pub(super) fn has_patterns(&self) -> bool {
        self.0.patterns.load(Ordering::Relaxed)
    }

    /// Whether the statement failed only because SQLite's own `LIKE` or `GLOB` is limited.
    pub(super) fn wants_own_patterns(&self, error: &Error) -> bool {
        let limited =
            error.sqlite_error_code() == Some(ErrorCode::TooBig) || error.to_string().contains("pattern too complex");
        limited && self.has_patterns()
    }
}

/// Limits a connection that is about to compile a statement.
pub(super) fn compiling(conn: &Connection, statement: &str) -> rusqlite::Result<()> {
    set(conn, COMPILING + statement.len())
}

/// Limits a connection to rows of so many columns, read whole. A stored row is one value to SQLite too.
pub(super) fn reading(conn: &Connection, columns: usize) -> rusqlite::Result<()> {
    set(conn, (BUDGET / columns.max(1)).clamp(KEPT, LONGEST_VALUE))
}

/// Limits a connection to what any statement of the gateway itself may hold.
pub(super) fn usual(conn: &Connection) -> rusqlite::Result<()> {
    set(conn, LONGEST_VALUE)
}

fn set(conn: &Connection, bytes: usize) -> rusqlite::Result<()> {
    stop::longest(bytes);
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(bytes).unwrap_or(i32::MAX)).map(drop)
}

/// What is said of a value that is too long.
pub(super) const TOO_LONG: &str = "a value is longer than this statement may hold at once";

/// What helps then.
pub(super) const SHORTER: &str =
    "name fewer columns and functions in one statement, or take `length(…)` or `substr(…)` of the long value";
