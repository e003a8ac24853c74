//! The users for whom nobody is asked any more, as rows.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;

use super::rows::{read, text};
use super::schema::failed;
use super::writing::Writing;
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

/// See [`crate::store::Questions::quarantined`]. A damaged row is an error: who may ask is not to be guessed.
pub(super) fn all(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Quarantine>, StoreError> {
    let mut query =
        connection.prepare_cached("SELECT user, quarantine, seal FROM quarantines ORDER BY user").map_err(failed)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(failed)?;
    rows.map(|row| believed(row.map_err(failed)?, seals)).collect()
}

/// Whether there is a row for the user, whatever is in it.
pub(super) fn is_there(connection: &Connection, user: &str) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM quarantines WHERE user = ?1)")
        .and_then(|mut find| find.query_row([user], |row| row.get(0)))
        .map_err(failed)
}

/// A user is in quarantine from now on.
pub(super) fn put(writing: &Writing<'_>, quarantine: &Quarantine) -> Result<(), StoreError> {
    let words = text(quarantine)?;
    let seal = sealed(&quarantine.user, &words, writing.seals);
    writing
        .connection
        .prepare_cached("INSERT INTO quarantines (user, quarantine, seal) VALUES (?1, ?2, ?3)")
        .and_then(|mut put| put.execute(params![quarantine.user, words, seal]))
        .map(drop)
        .map_err(failed)
}
