//! Removing what is old: of each stream its first records, and with them the calls, questions and approvals they tell of.
//!
//! A row goes with the record that tells of its beginning, and a record goes only where every row it speaks of is gone or
//! goes as well: what is left tells one story. Where that does not hold, the stream is cut before it.

mod looking;
mod rows;

use std::collections::{HashMap, HashSet};

use mollyguard_tools::contract::{Digest, Timestamp};
use rusqlite::Connection;
use uuid::Uuid;

use super::operator_rows;
use super::schema::failed;
use super::writing::Writing;
use crate::audit::{ArgsKey, AuditEvent, Enrolled, Mark};
use crate::store::rules::people::NOBODY;
use crate::store::{Pruned, StoreError};
use looking::Old;
pub(super) use looking::{Look, Step};
use rows::Told;

/// Removes what a look has found, as far as that can still go; `None` where nothing of it can.
pub(super) fn prune(
    writing: &mut Writing<'_>,
    before: Timestamp,
    mut look: Look,
    more: bool,
) -> Result<Option<Pruned>, StoreError> {
    let marks = believed(writing.connection, writing.seals)?;
    let (old, going) = look.confirm((writing.connection, writing.seals), &marks)?;
    if old.is_empty() {
        return Ok(None);
    }
    remove(writing, Pruned { more, ..Pruned::none(before) }, &old, &going, marks).map(Some)
}

/// What would go of what a look has found, which is taken to be gone from then on. More may be found then, unless there is no
/// room to go on.
pub(super) fn would_go(look: &mut Look, before: Timestamp) -> Pruned {
    let (records, going, more) = look.go();
    let mut pruned = Pruned { records, more, ..Pruned::none(before) };
    for row in going {
        match row {
            Told::Call(_) => pruned.calls += 1,
            Told::Question(_) => pruned.questions += 1,
            Told::Grant(_) => pruned.grants += 1,
        }
    }
    pruned
}

/// Where streams begin that were pruned, by stream, each with its seal.
pub(super) fn marks(connection: &Connection) -> Result<Vec<(Mark, String)>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT stream, first, previous, pruning, seal FROM marks ORDER BY stream")
        .map_err(failed)?;
    let mut rows = query.query([]).map_err(failed)?;
    let mut marks = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let (stream, previous): (String, String) = (row.get(0).map_err(failed)?, row.get(2).map_err(failed)?);
        let (first, pruning): (i64, i64) = (row.get(1).map_err(failed)?, row.get(3).map_err(failed)?);
        let (Ok(id), Some(previous)) = (stream.parse(), Digest::parse(&previous)) else {
            return Err(StoreError::Corrupt(format!("where stream `{stream}` begins cannot be read")));
        };
        let mark = Mark { stream: id, first: first.cast_unsigned(), previous, pruning: pruning.cast_unsigned() };
        marks.push((mark, row.get(4).map_err(failed)?));
    }
    Ok(marks)
}

/// The marks as they were left, or an error: a mark that is not ours would hide what it stands for.
fn believed(connection: &Connection, seals: &ArgsKey) -> Result<HashMap<Uuid, Mark>, StoreError> {
    let mut believed = HashMap::new();
    for (mark, seal) in marks(connection)? {
        if seals.seal(Mark::SEALED, &mark.columns()).to_string() != seal {
            return Err(not_sound(mark.stream, mark.first));
        }
        believed.insert(mark.stream, mark);
    }
    Ok(believed)
}

fn not_sound(stream: Uuid, seq: u64) -> StoreError {
    StoreError::Corrupt(format!(
        "record {seq} of stream {stream} is not as it was written, so nothing is pruned: see `mollyguard audit verify`"
    ))
}

/// Removes what is to go, and writes down that it went: what is known of it so far, the streams and the rows, and where
/// streams began before.
fn remove(
    writing: &mut Writing<'_>,
    mut pruned: Pruned,
    old: &[Old],
    going: &HashSet<Told>,
    mut marks: HashMap<Uuid, Mark>,
) -> Result<Pruned, StoreError> {
    let connection = writing.connection;
    let run = |sql: &str, with: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).and_then(|mut run| run.execute(with)).map_err(failed)
    };
    // Rows of one table refer to each other, and all of them go.
    connection.pragma_update(None, "defer_foreign_keys", true).map_err(failed)?;
    for row in going {
        match row {
            Told::Call(id) => {
                run("DELETE FROM granted_calls WHERE call = ?1", &[&id.to_string()])?;
                run("DELETE FROM calls WHERE id = ?1", &[&id.to_string()])?;
                pruned.calls += 1;
            }
            Told::Question(id) => {
                run("DELETE FROM aims WHERE confirmation = ?1", &[&id.to_string()])?;
                run("DELETE FROM confirmations WHERE id = ?1", &[&id.to_string()])?;
                pruned.questions += 1;
            }
            Told::Grant(id) => {
                run("DELETE FROM grants WHERE id = ?1", &[&id.to_string()])?;
                pruned.grants += 1;
            }
        }
    }
    let pruning = 1 + marks.values().map(|mark| mark.pruning).max().unwrap_or(0);
    for old in old {
        let Some((last, previous)) = old.last() else { continue };
        let mark = Mark { stream: old.stream, first: last + 1, previous, pruning };
        let (stream, first) = (mark.stream.to_string(), mark.first.cast_signed());
        run("DELETE FROM records WHERE stream = ?1 AND seq < ?2", &[&stream, &first])?;
        let seal = writing.seals.seal(Mark::SEALED, &mark.columns()).to_string();
        run(
            "INSERT INTO marks (stream, first, previous, pruning, seal) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (stream) DO UPDATE SET first = ?2, previous = ?3, pruning = ?4, seal = ?5",
            &[&stream, &first, &mark.previous.to_string(), &pruning.cast_signed(), &seal],
        )?;
        pruned.records += mark.first - old.first;
        marks.insert(mark.stream, mark);
    }
    let marks: Vec<Mark> = marks.into_values().collect();
    let Pruned { before, records, calls, questions, grants, .. } = pruned;
    let (marks, passkeys) = (Mark::digest_of(&marks), enrolled(writing)?);
    let event = AuditEvent::Pruned { pruning, before, records, calls, questions, grants, marks, passkeys };
    writing.append(NOBODY, event)?;
    Ok(pruned)
}

fn enrolled(writing: &Writing<'_>) -> Result<Vec<Enrolled>, StoreError> {
    let operators = operator_rows::all(writing.connection, writing.seals)?.into_iter();
    let each = |operator: crate::model::Operator| {
        let id = operator.id;
        operator.passkeys.into_iter().map(move |passkey| Enrolled { operator: id, passkey })
    };
    Ok(operators.flat_map(each).collect())
}
