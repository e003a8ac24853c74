//! Approvals for a while, as rows.

use mollyguard_tools::contract::{Digest, Timestamp, now};
use rusqlite::{Connection, Row, params};
use serde_json::json;
use uuid::Uuid;

use super::applied::apply;
use super::operator_rows;
use super::rows::{read, text};
use super::schema::failed;
use super::writing::Writing;
use crate::audit::ArgsKey;
use crate::model::{Grant, GrantEnd, Moment};
use crate::store::rules::grants as rules;
use crate::store::{Granted, Start, StoreError};

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

type Found = Result<(Grant, Option<GrantEnd>), StoreError>;

fn select(
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

fn believed(found: Vec<Found>) -> Vec<Grant> {
    let report = |error: &StoreError| tracing::error!(%error, "an approval for a while is damaged and left out");
    found.into_iter().filter_map(|found| found.inspect_err(report).ok()).map(|(grant, _)| grant).collect()
}

fn find(connection: &Connection, id: Uuid, seals: &ArgsKey) -> Result<Option<(Grant, Option<GrantEnd>)>, StoreError> {
    select(connection, "WHERE id = ?1", [id.to_string()], seals)?.pop().transpose()
}

/// Whether it has ended, or its time was over, before then.
pub(super) fn is_over(
    connection: &Connection,
    id: Uuid,
    before: Timestamp,
    seals: &ArgsKey,
) -> Result<bool, StoreError> {
    Ok(find(connection, id, seals)?.is_some_and(|(grant, _)| rules::is_over(&grant, before)))
}

/// See [`crate::store::Grants::granted`]; with the ids of those whose time is over.
pub(super) fn granted(
    connection: &Connection,
    about: Digest,
    seals: &ArgsKey,
) -> Result<(Vec<Grant>, Vec<Uuid>), StoreError> {
    let sql = "WHERE about = ?1 AND ended IS NULL ORDER BY n DESC";
    let found = believed(select(connection, sql, [about.to_string()], seals)?);
    let now = Moment::now();
    let (good, over): (Vec<_>, Vec<_>) = found.into_iter().partition(|grant| grant.is_in_time(&now));
    Ok((good, over.into_iter().map(|grant| grant.id).collect()))
}

/// See [`crate::store::Grants::grants`].
pub(super) fn in_force(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Granted>, StoreError> {
    let now = Moment::now();
    let used = |grant: Grant| {
        let uses = connection
            .prepare_cached("SELECT count(*) FROM granted_calls WHERE granted = ?1")
            .and_then(|mut count| count.query_row([grant.id.to_string()], |row| row.get(0)))
            .map_err(failed)?;
        Ok(Granted { grant, uses })
    };
    standing(connection, seals)?.into_iter().filter(|grant| grant.is_in_time(&now)).map(used).collect()
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

/// Whether a call that is about to start may do so under this.
pub(super) fn check_usable(writing: &Writing<'_>, id: Uuid, start: &Start) -> Result<(), StoreError> {
    let found = find(writing.connection, id, writing.seals)?;
    let giver = found.as_ref().map(|(grant, _)| operator_rows::find(writing.connection, grant.operator, writing.seals));
    let giver = giver.transpose()?.flatten();
    rules::may_begin(id, found.as_ref(), giver.as_ref(), start, &Moment::now())
}

/// Writes down that a call runs under this.
pub(super) fn used(writing: &Writing<'_>, id: Uuid, call: Uuid) -> Result<(), StoreError> {
    writing
        .connection
        .prepare_cached("INSERT INTO granted_calls (call, granted) VALUES (?1, ?2)")
        .and_then(|mut put| put.execute(params![call.to_string(), id.to_string()]))
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

/// See [`crate::store::Grants::revoke`].
pub(super) fn revoke(writing: &mut Writing<'_>, id: Uuid, by: Option<Uuid>) -> Result<(), StoreError> {
    let operators = operator_rows::those(writing, by.as_slice())?;
    let found = find(writing.connection, id, writing.seals)?;
    apply(writing, rules::revoke(id, found, by, &operators, now())?)
}

/// Writes down that the time of these is over.
pub(super) fn run_out(writing: &mut Writing<'_>, over: &[Uuid]) -> Result<(), StoreError> {
    let mut found = Vec::with_capacity(over.len());
    for id in over {
        found.extend(find(writing.connection, *id, writing.seals)?);
    }
    apply(writing, rules::run_out(found, now()))
}

#[cfg(test)]
mod tests;
