//! The users for whom nobody is asked any more, as rows.

use rusqlite::{Connection, OptionalExtension as _};
use serde_json::json;

use super::rows::read;
use super::schema::failed;
use crate::audit::ArgsKey;
use crate::store::{Quarantine, StoreError};

pub(super) fn sealed(user: &str, words: &str, seals: &ArgsKey) -> String {
    seals.seal("quarantine", &json!([user, words])).to_string()
}

pub(super) type Row = (String, String, String);

pub(super) fn believed((user, words, seal): Row, seals: &ArgsKey) -> Result<Quarantine, StoreError> {
    let what = format!("the quarantine of `{user}`");
    if seal != sealed(&user, &words, seals) {
        return Err(StoreError::Corrupt(format!("{what} was edited in the database")));
    }
    read(&what, &words)
}

pub(super) fn find(connection: &Connection, user: &str, seals: &ArgsKey) -> Result<Option<Quarantine>, StoreError> {
    let row = connection
        .prepare_cached("SELECT user, quarantine, seal FROM quarantines WHERE user = ?1")
        .and_then(|mut find| find.query_row([user], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional())
        .map_err(failed)?;
    row.map(|row| believed(row, seals)).transpose()
}

/// See [`crate::store::Store::quarantined`]. A damaged row is an error: who may ask is not to be guessed.
pub(super) fn all(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Quarantine>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT user, quarantine, seal FROM quarantines ORDER BY user").map_err(failed)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(failed)?;
    rows.map(|row| believed(row.map_err(failed)?, seals)).collect()
}
