//! What was asked of late, and what leads to a question, as rows.

use mollyguard_tools::contract::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::schema::failed;
use crate::model::Confirmation;
use crate::store::StoreError;
use crate::store::rules::asking;

/// Counts that a person was asked, or was to be, and forgets what is no longer of late.
pub(super) fn counted(
    connection: &Connection,
    user: &str,
    at: Timestamp,
    question: Option<Uuid>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM askings WHERE user = ?1 AND at <= ?2")
        .and_then(|mut forget| forget.execute(params![user, asking::of_late(at).as_millisecond()]))
        .map_err(failed)?;
    connection
        .prepare_cached("INSERT INTO askings (user, at, confirmation) VALUES (?1, ?2, ?3)")
        .and_then(|mut insert| insert.execute(params![user, at.as_millisecond(), question.map(|id| id.to_string())]))
        .map_err(failed)?;
    Ok(())
}

/// The user's questions of late, oldest first; those that were one too many without an id.
pub(super) fn of_late(connection: &Connection, user: &str, at: Timestamp) -> Result<Vec<Option<String>>, StoreError> {
    connection
        .prepare_cached("SELECT confirmation FROM askings WHERE user = ?1 AND at > ?2 ORDER BY n")
        .and_then(|mut find| {
            find.query_map(params![user, asking::of_late(at).as_millisecond()], |row| row.get(0))?.collect()
        })
        .map_err(failed)
}

/// Whether the question is found by everything it is aimed at.
pub(super) fn is_led_to(connection: &Connection, question: &Confirmation) -> Result<bool, StoreError> {
    let mut find = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM aims WHERE name = ?1 AND confirmation = ?2)")
        .map_err(failed)?;
    for name in question.aim.names() {
        let leads: bool =
            find.query_row([name.to_string(), question.id.to_string()], |row| row.get(0)).map_err(failed)?;
        if !leads {
            return Ok(false);
        }
    }
    Ok(true)
}
