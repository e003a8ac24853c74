//! Approvals for a while, as they are read for the rules and written down.

use mollyguard_tools::contract::{Digest, Timestamp, now};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::applied::apply;
use super::grant_rows::{believed, find, select, standing};
use super::operator_rows;
use super::schema::failed;
use super::writing::Writing;
use crate::audit::ArgsKey;
use crate::model::{Grant, Moment};
use crate::store::rules::grants as rules;
use crate::store::{Granted, Start, StoreError};

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
