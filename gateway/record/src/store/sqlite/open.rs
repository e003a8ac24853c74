//! The questions that are open, kept between readings: a thousand rows are parsed and their seals checked once, not for
//! everybody who looks. What is given is never older than the store at that moment: SQLite itself tells whether anybody has
//! committed since, and then every row is compared with what was kept of it, byte for byte.

use std::collections::HashMap;
use std::sync::Arc;

use mollyguard_tools::contract::now;
use rusqlite::{Connection, Row};

use super::reads::believed;
use super::rows::ConfirmationRow;
use super::schema::failed;
use crate::audit::ArgsKey;
use crate::model::{Confirmation, ConfirmationState};
use crate::store::{OpenQuestions, StoreError};

/// How a row of an open one is told without reading it, as the index has it. What was edited to look so is not believed.
const OPEN: &str = "stands = 'open'";
/// How many of the newest open confirmations are looked at, and so kept.
const NEWEST: u32 = 1_000;

/// What the last reading found.
#[derive(Default)]
pub(super) struct Kept {
    /// What `data_version` was before it.
    version: Option<i64>,
    /// The newest confirmations, newest first, with their place.
    rows: Vec<(i64, KeptRow)>,
    given: OpenQuestions,
}

/// A row as it is stored, and the question it is if it is open; damaged ones are none.
struct KeptRow {
    row: ConfirmationRow,
    open: Option<Arc<(Confirmation, ConfirmationState)>>,
}

impl Kept {
    /// See [`crate::store::Questions::open_questions`]. All readings are over the same connection, which writes nothing.
    pub(super) fn open_questions(
        &mut self,
        connection: &Connection,
        seals: &ArgsKey,
    ) -> Result<OpenQuestions, StoreError> {
        // Before the rows: a commit in between is read now, and once more the next time.
        let version: i64 = connection.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(failed)?;
        if self.version != Some(version) {
            self.version = None;
            self.read(connection, seals)?;
            self.version = Some(version);
        }
        let now = now();
        let open = || self.rows.iter().filter_map(|(_, kept)| kept.open.as_ref()).filter(|open| open.0.is_in_time(now));
        let mut given = self.given.iter();
        let is_same =
            open().all(|open| given.next().is_some_and(|one| Arc::ptr_eq(one, open))) && given.next().is_none();
        if !is_same {
            self.given = open().cloned().collect();
        }
        Ok(Arc::clone(&self.given))
    }

    fn read(&mut self, connection: &Connection, seals: &ArgsKey) -> Result<(), StoreError> {
        let mut find = connection.prepare_cached(&select()).map_err(failed)?;
        let mut rows = find.query([]).map_err(failed)?;
        let mut known: HashMap<i64, KeptRow> = self.rows.drain(..).collect();
        while let Some(row) = rows.next().map_err(failed)? {
            let n = row.get(8).map_err(failed)?;
            let kept = known.remove(&n).filter(|kept| kept.row.is(row)).or_else(|| KeptRow::of(row, seals));
            self.rows.extend(kept.map(|kept| (n, kept)));
        }
        Ok(())
    }
}

fn select() -> String {
    let columns = ConfirmationRow::COLUMNS;
    format!("SELECT {columns}, n FROM confirmations WHERE {OPEN} ORDER BY n DESC LIMIT {NEWEST}")
}

impl KeptRow {
    /// `None` where it cannot even be read.
    fn of(row: &Row<'_>, seals: &ArgsKey) -> Option<Self> {
        let kept = believed(row, ConfirmationRow::read(row).map_err(failed))?;
        let open = believed(row, kept.confirmation(seals));
        let open = open.filter(|(_, standing)| matches!(standing, ConfirmationState::Open { .. })).map(Arc::new);
        Some(Self { row: kept, open })
    }
}

#[cfg(test)]
mod tests;
