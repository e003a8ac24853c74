//! What is read back, over a connection that only reads.

use std::collections::HashSet;
use std::path::Path;

use mollyguard_tools::contract::{Digest, Timestamp, now};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params, params_from_iter};
use uuid::Uuid;

use super::lease;
use super::rows::{CALL, CallRow, ConfirmationRow, Depth, LISTED, text};
use super::schema::failed;
use crate::audit::{ArgsKey, AuditRecord};
use crate::model::{Aim, Confirmation, ConfirmationState};
use crate::store::rules::asking;
use crate::store::{CallFilter, Like, StoreError, StoredCall};

/// How many earlier questions about one request or effect are looked at.
const ASKED_BEFORE: u32 = 32;

/// The newest question about the same request and the same state that can be answered or used still.
pub(super) fn pending(
    connection: &Connection,
    asked: &Confirmation,
    at: Timestamp,
    seals: &ArgsKey,
) -> Result<Option<(Confirmation, ConfirmationState)>, StoreError> {
    let mut find = connection
        .prepare_cached(&format!(
            "SELECT {} FROM confirmations WHERE request = ?1 AND state = ?2 ORDER BY n DESC",
            ConfirmationRow::COLUMNS
        ))
        .map_err(failed)?;
    let about = params![asked.request.to_string(), asked.state.to_string()];
    let mut rows = find.query(about).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let found = ConfirmationRow::read(row).map_err(failed).and_then(|row| row.confirmation(seals));
        let Some((confirmation, standing)) = believed(row, found) else { continue };
        if asking::is_pending(&confirmation, &standing, at) {
            return Ok(Some((confirmation, standing)));
        }
    }
    Ok(None)
}

/// The newest question about the same effect and the same state, in whatever words, that can be answered or used still.
pub(super) fn pending_effect(
    connection: &Connection,
    asked: &Confirmation,
    at: Timestamp,
    seals: &ArgsKey,
) -> Result<Option<Confirmation>, StoreError> {
    let Some(effect) = asked.effect else { return Ok(None) };
    let found = about(connection, asked.request, effect, seals)?;
    let same = found.into_iter().find(|(other, state)| asking::is_same_effect(other, state, asked, at));
    Ok(same.map(|(other, _)| other))
}

/// See [`crate::store::Questions::asked_before`].
pub(super) fn asked_before(
    connection: &Connection,
    like: &Like,
    seals: &ArgsKey,
) -> Result<Vec<(Confirmation, ConfirmationState)>, StoreError> {
    let mut asked = about(connection, like.request, like.effect, seals)?;
    for no in declined(connection, &like.aim, seals)? {
        if asked.iter().all(|(other, _)| other.id != no.0.id) {
            asked.push(no);
        }
    }
    Ok(asked)
}

/// The newest that were declined and whose aim is also this one.
pub(super) fn declined(
    connection: &Connection,
    aim: &Aim,
    seals: &ArgsKey,
) -> Result<Vec<(Confirmation, ConfirmationState)>, StoreError> {
    let sql = format!(
        "SELECT {} FROM confirmations
         WHERE id IN (SELECT confirmation FROM aims WHERE name IN (SELECT value FROM json_each(?1)))
         AND stands = 'declined'
         ORDER BY n DESC LIMIT {ASKED_BEFORE}",
        ConfirmationRow::COLUMNS
    );
    let mut find = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = find.query([text(&aim.names())?]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let no = ConfirmationRow::read(row).map_err(failed).and_then(|row| row.confirmation(seals));
        // The index is not sealed; what it leads to is.
        found.extend(believed(row, no).filter(|(no, _)| no.aim.holds_for(aim)));
    }
    Ok(found)
}

/// The newest about a request or an effect.
fn about(
    connection: &Connection,
    request: Digest,
    effect: Digest,
    seals: &ArgsKey,
) -> Result<Vec<(Confirmation, ConfirmationState)>, StoreError> {
    let sql = format!(
        "SELECT {} FROM confirmations WHERE request = ?1 OR effect = ?2 ORDER BY n DESC LIMIT {ASKED_BEFORE}",
        ConfirmationRow::COLUMNS
    );
    let mut find = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = find.query([request.to_string(), effect.to_string()]).map_err(failed)?;
    let mut asked = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let found = ConfirmationRow::read(row).map_err(failed).and_then(|row| row.confirmation(seals));
        asked.extend(believed(row, found));
    }
    Ok(asked)
}

/// See [`crate::store::Calls::calls`].
pub(super) fn calls(
    connection: &Connection,
    filter: &CallFilter,
    seals: &ArgsKey,
) -> Result<Vec<StoredCall>, StoreError> {
    let mut sql = format!("SELECT {LISTED} FROM calls c WHERE true");
    let mut given: Vec<Sql> = Vec::new();
    if let Some(user) = &filter.user {
        sql.push_str(" AND c.user = ?");
        given.push(Sql::from(user.clone()));
    }
    if let Some(target) = &filter.target {
        sql.push_str(" AND c.target = ?");
        given.push(Sql::from(target.clone()));
    }
    if filter.undoable {
        sql.push_str(
            " AND c.undo IS NOT NULL AND (c.undo_until IS NULL OR c.undo_until > ?)
              AND NOT EXISTS (SELECT 1 FROM calls u WHERE u.claims = c.id)",
        );
        given.push(Sql::from(now().as_millisecond()));
    }
    if let Some(before) = filter.before {
        let place: Option<i64> = connection
            .query_row("SELECT n FROM calls WHERE id = ?1", [before.to_string()], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        sql.push_str(" AND c.n < ?");
        given.push(Sql::from(place.ok_or(StoreError::NotFound("call", before))?));
    }
    sql.push_str(" ORDER BY c.n DESC LIMIT ?");
    given.push(Sql::from(match filter.limit {
        0 => 50,
        limit => i64::from(limit.min(1_000)),
    }));
    select(connection, &sql, params_from_iter(given), Depth::Listed, seals)
}

pub(super) fn select(
    connection: &Connection,
    sql: &str,
    given: impl rusqlite::Params,
    depth: Depth,
    seals: &ArgsKey,
) -> Result<Vec<StoredCall>, StoreError> {
    let mut query = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = query.query(given).map_err(failed)?;
    let mut calls = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let found = CallRow::read(row).map_err(failed).and_then(|row| row.call(seals, depth));
        calls.extend(believed(row, found));
    }
    Ok(calls)
}

/// What a row means. One that is damaged is reported and left out: it must not hide the others. Both kinds of rows begin
/// with their id.
pub(super) fn believed<T>(row: &Row<'_>, found: Result<T, StoreError>) -> Option<T> {
    if found.is_err() {
        let id: Option<Uuid> = row.get::<_, String>(0).ok().and_then(|id| id.parse().ok());
        tracing::error!(?id, "a row of the store is damaged and left out; `mollyguard audit verify` tells more");
    }
    found.ok()
}

/// See [`crate::store::Calls::unfinished`]. `own` is the stream of this process: its calls are running.
pub(super) fn unfinished(
    connection: &Connection,
    directory: &Path,
    own: Uuid,
    seals: &ArgsKey,
) -> Result<Vec<StoredCall>, StoreError> {
    let streams: Vec<String> = connection
        .prepare_cached("SELECT DISTINCT stream FROM calls WHERE ended IS NULL")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .map_err(failed)?;
    let streams: HashSet<Uuid> = streams.iter().filter_map(|stream| stream.parse().ok()).collect();
    let mut calls = Vec::new();
    for stream in streams.iter().filter(|stream| **stream != own && lease::is_dead(directory, **stream)) {
        let sql = format!("SELECT {CALL} FROM calls c WHERE c.stream = ?1 AND c.ended IS NULL ORDER BY c.n");
        calls.extend(select(connection, &sql, [stream.to_string()], Depth::Whole, seals)?);
    }
    calls.sort_by_key(|call| (call.started_at, call.id));
    lease::sweep(directory, &streams);
    Ok(calls)
}

/// See [`crate::store::Records::records`].
pub(super) fn records(
    connection: &Connection,
    after: Option<(Uuid, u64)>,
    limit: u32,
) -> Result<Vec<AuditRecord>, StoreError> {
    let (stream, seq) = after.map_or((String::new(), -1), |(stream, seq)| (stream.to_string(), seq.cast_signed()));
    let given: [&dyn ToSql; 3] = [&stream, &seq, &limit];
    let mut query = connection
        .prepare_cached("SELECT record FROM records WHERE (stream, seq) > (?1, ?2) ORDER BY stream, seq LIMIT ?3")
        .map_err(failed)?;
    let rows = query.query_map(given, |row| row.get::<_, String>(0)).map_err(failed)?;
    rows.map(|row| {
        serde_json::from_str(&row.map_err(failed)?).map_err(|error| StoreError::Corrupt(format!("a record: {error}")))
    })
    .collect()
}
