//! What the hooks hear while a statement runs: which tables it may write, and which rows it touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::hooks::{Action, AuthAction, AuthContext, Authorization};
use sha2::{Digest as _, Sha256};

use super::schema::{is_internal, is_trash};
use crate::sql::{self, Dialect};
use crate::toolsets::sqlite::connect::budget::Weight;

/// How many rows of one table changed, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

impl Counts {
    pub(crate) const fn all(self) -> u64 {
        self.inserted + self.updated + self.deleted
    }
}

/// What was heard.
#[derive(Default)]
pub(crate) struct Record {
    /// Tables that may be written, with what gave rise to it.
    pub writable: BTreeSet<String>,
    /// Columns that may be updated, by table.
    pub columns: BTreeSet<(String, String)>,
    pub denied: Option<String>,
    pub touched: BTreeMap<String, BTreeSet<i64>>,
    pub counts: BTreeMap<String, Counts>,
    pub events: u64,
    /// More rows than may be kept: they are counted only.
    pub overflow: bool,
    pub rows: u64,
    pub stream: Sha256,
}

/// Shared with the hooks, which SQLite calls from inside the statement.
#[derive(Clone)]
pub(crate) struct Recorder {
    record: Arc<Mutex<Record>>,
    statement: Arc<str>,
    most: u64,
    /// What the statement holds at once.
    pub weight: Weight,
}

impl Recorder {
    /// Keeps which rows are touched, at most so many.
    pub(crate) fn new(statement: &str, most: u64) -> Self {
        Self { record: Arc::default(), statement: statement.into(), most, weight: Weight::default() }
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Record {
        std::mem::take(&mut *self.record())
    }

    pub(crate) fn authorize(&self, context: &AuthContext<'_>) -> Authorization {
        let mut record = self.record();
        let mut writes = |table: &str| {
            let internal = is_internal(table) && !sql::is_of_the_schema(table, context.accessor, &self.statement);
            if is_trash(table) || internal {
                record.denied = Some(format!("a change of `{table}`"));
                return false;
            }
            record.writable.insert(table.to_owned());
            true
        };
        let (allowed, answer) = match context.action {
            AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => (true, Authorization::Allow),
            AuthAction::Insert { table_name } => (writes(table_name), Authorization::Allow),
            // Ignoring a DELETE lets it go on but row by row, so that the hook hears of each
            // (https://sqlite.org/c3ref/set_authorizer.html).
            AuthAction::Delete { table_name } => (writes(table_name), Authorization::Ignore),
            AuthAction::Update { table_name, column_name } => {
                let allowed = writes(table_name);
                record.columns.insert((table_name.to_owned(), column_name.to_owned()));
                (allowed, Authorization::Allow)
            }
            AuthAction::Function { function_name } => {
                let known = sql::is_known_function(function_name, Dialect::Sqlite)
                    || sql::is_of_the_schema(function_name, context.accessor, &self.statement);
                if !known {
                    record.denied = Some(format!("the function `{function_name}`"));
                }
                (known, Authorization::Allow)
            }
            // Full-text tables ask whether somebody else wrote to their storage.
            AuthAction::Pragma { pragma_name: "data_version", pragma_value: None } => (true, Authorization::Allow),
            _ => {
                record.denied = Some("more than a change of rows".into());
                (false, Authorization::Deny)
            }
        };
        self.weight.hear(&context.action);
        if allowed { answer } else { Authorization::Deny }
    }

    pub(crate) fn touch(&self, action: Action, table: &str, rowid: i64) {
        let mut guard = self.record();
        let record = &mut *guard;
        let counts = record.counts.entry(table.to_owned()).or_default();
        match action {
            Action::SQLITE_INSERT => counts.inserted += 1,
            Action::SQLITE_DELETE => counts.deleted += 1,
            _ => counts.updated += 1,
        }
        record.events += 1;
        record.stream.update(format!("{action:?} {rowid} {table}\n"));
        if record.overflow {
            return;
        }
        if record.rows >= self.most {
            record.overflow = true;
            record.touched.clear();
        } else if record.touched.entry(table.to_owned()).or_default().insert(rowid) {
            record.rows += 1;
        }
    }
}
