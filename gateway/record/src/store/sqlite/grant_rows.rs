//! Approvals for a while, as rows.

use rusqlite::{Connection, Row, params};
use serde_json::json;
use uuid::Uuid;

use super::rows::{read, text};
use super::schema::failed;
use super::writing::Writing;
use crate::audit::ArgsKey;
use crate::model::{Grant, GrantEnd};
use crate::store::StoreError;

/// A row of `grants`.
struct GrantRow {
    id: String,
    about: String,
    confirmation: String,
    operator: String,
    words: String,
    ended: Option<String>,
    seal: String,
}

impl GrantRow {
    const COLUMNS: &str = "id, about, confirmation, operator, words, ended, seal";

    fn of(grant: &Grant, end: Option<&GrantEnd>, seals: &ArgsKey) -> Result<Self, StoreError> {
        let mut row = Self {
            id: grant.id.to_string(),
            about: grant.about().to_string(),
            confirmation: grant.confirmation.to_string(),
            operator: grant.operator.to_string(),
            words: text(grant)?,
            ended: end.map(text).transpose()?,
            seal: String::new(),
        };
        row.seal = row.sealed(seals);
        Ok(row)
    }

    fn sealed(&self, seals: &ArgsKey) -> String {
        let columns = json!([self.id, self.about, self.confirmation, self.operator, self.words, self.ended]);
        seals.seal("approval for a while", &columns).to_string()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            about: row.get(1)?,
            confirmation: row.get(2)?,
            operator: row.get(3)?,
            words: row.get(4)?,
            ended: row.get(5)?,
            seal: row.get(6)?,
        })
    }

    /// What it means, where the seal holds.
    fn believed(self, seals: &ArgsKey) -> Result<(Grant, Option<GrantEnd>), StoreError> {
        let what = format!("the approval for a while `{}`", self.id);
        if self.seal != self.sealed(seals) {
            return Err(StoreError::Corrupt(format!("{what} was edited in the database")));
        }
        let end = self.ended.as_deref().map(|end| read(&what, end)).transpose()?;
        Ok((read(&what, &self.words)?, end))
    }
}

pub(super) type Found = Result<(Grant, Option<GrantEnd>), StoreError>;

pub(super) fn select(
    connection: &Connection,
    rest: &str,
    given: impl rusqlite::Params,
    seals: &ArgsKey,
) -> Result<Vec<Found>, StoreError> {
    let sql = format!("SELECT {} FROM grants {rest}", GrantRow::COLUMNS);
    let mut query = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = query.query_map(given, GrantRow::read).map_err(failed)?;
    rows.map(|row| Ok(row.map_err(failed)?.believed(seals))).collect()
}

/// All there ever were, as they stand.
pub(super) fn every(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Found>, StoreError> {
    select(connection, "ORDER BY n", [], seals)
}

/// Those that nothing has ended, newest first; a damaged one is reported and stands for nothing.
pub(super) fn standing(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Grant>, StoreError> {
    Ok(believed(select(connection, "WHERE ended IS NULL ORDER BY n DESC", [], seals)?))
}

pub(super) fn believed(found: Vec<Found>) -> Vec<Grant> {
    let report = |error: &StoreError| tracing::error!(%error, "an approval for a while is damaged and left out");
    found.into_iter().filter_map(|found| found.inspect_err(report).ok()).map(|(grant, _)| grant).collect()
}

pub(super) fn find(
    connection: &Connection,
    id: Uuid,
    seals: &ArgsKey,
) -> Result<Option<(Grant, Option<GrantEnd>)>, StoreError> {
    select(connection, "WHERE id = ?1", [id.to_string()], seals)?.pop().transpose()
}

/// An approval for a while.
pub(super) fn put(writing: &Writing<'_>, grant: &Grant) -> Result<(), StoreError> {
    let row = GrantRow::of(grant, None, writing.seals)?;
    writing
        .connection
        .prepare_cached(
            "INSERT INTO grants (id, about, confirmation, operator, words, ended, seal)
             VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6)",
        )
        .and_then(|mut put| {
            put.execute(params![row.id, row.about, row.confirmation, row.operator, row.words, row.seal])
        })
        .map(drop)
        .map_err(failed)
}

/// How one has ended.
pub(super) fn put_end(writing: &Writing<'_>, grant: &Grant, end: &GrantEnd) -> Result<(), StoreError> {
    let row = GrantRow::of(grant, Some(end), writing.seals)?;
    writing
        .connection
        .prepare_cached("UPDATE grants SET ended = ?2, seal = ?3 WHERE id = ?1 AND ended IS NULL")
        .and_then(|mut update| update.execute(params![row.id, row.ended, row.seal]))
        .map(drop)
        .map_err(failed)
}
