//! Calls that begin and end, as they are written down.

use mollyguard_tools::contract::now;
use mollyguard_tools::failpoint;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use uuid::Uuid;

use super::rows::CallRow;
use super::schema::failed;
use super::unsettled::{self, Looker};
use super::work::{Task, Work};
use super::writing::Writing;
use super::{answers, grants, room};
use crate::audit::{AuditEvent, End};
use crate::store::rules::calls;
use crate::store::{Ending, Start, StoreError};

/// See [`crate::store::Calls::begin`].
pub(super) fn begin(writing: &mut Writing<'_>, mut start: Start) -> Result<Uuid, StoreError> {
    let at = now();
    check_settled(writing, &start)?;
    if let Some(grant) = start.grant {
        grants::check_usable(writing, grant, &start)?;
    }
    let row = CallRow::of(&mut start, writing.stream, at, writing.seals)?;
    room::check(writing, &row)?;
    if let Some(undone) = start.undoes {
        check_unclaimed(writing, undone)?;
    }
    if let Some(confirmation) = start.confirmation {
        answers::spend(writing, confirmation, &start, at)?;
    }
    insert(writing.connection, &row)?;
    let call = start.subject.call.unwrap_or_default();
    if let Some(grant) = start.grant {
        grants::used(writing, grant, call)?;
    }
    let event = calls::started(&start);
    writing.append(start.subject, event)?;
    failpoint::pass("begin_written").map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(call)
}

fn check_settled(writing: &Writing<'_>, start: &Start) -> Result<(), StoreError> {
    let Writing { directory, stream: own, unwritten, seals, .. } = *writing;
    let on = || unsettled::on(writing.connection, &start.target, &Looker { directory, own, unwritten, seals });
    let unsettled = calls::waits_for_others(start).then(on).transpose()?.flatten();
    calls::is_settled(start, unsettled)
}

fn check_unclaimed(writing: &Writing<'_>, undone: Uuid) -> Result<(), StoreError> {
    let connection = writing.connection;
    let is_there = CallRow::find(connection, undone, writing.seals)?.is_some();
    let holder: Option<String> = connection
        .prepare_cached("SELECT id FROM calls WHERE claims = ?1")
        .and_then(|mut find| find.query_row([undone.to_string()], |row| row.get(0)).optional())
        .map_err(failed)?;
    calls::may_take_back(undone, is_there, holder.map(|holder| holder.parse().unwrap_or_default()))
}

fn insert(connection: &Connection, row: &CallRow) -> Result<(), StoreError> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO calls (id, stream, user, tool, target, subject, args, args_digest, preflight, pre_image,
                                pre_image_digest, reversibility, started_at, confirmation, undoes, claims, start_seal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                row.id,
                row.stream,
                row.user,
                row.tool,
                row.target,
                row.subject,
                row.args,
                row.args_digest,
                row.preflight,
                row.pre_image,
                row.pre_image_digest,
                row.reversibility,
                row.started_at,
                row.confirmation,
                row.undoes,
                row.claims,
                row.start_seal
            ])
        });
    match inserted {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(StoreError::Failed(format!("call `{}` cannot be stored a second time: {error}", row.id)))
        }
        inserted => inserted.map(drop).map_err(failed),
    }
}

/// See [`crate::store::Calls::finish`] and [`crate::store::Calls::settle`]; `false` when the call has an end already.
pub(super) fn end(writing: &mut Writing<'_>, call: Uuid, ending: &Ending) -> Result<bool, StoreError> {
    let mut row = CallRow::find(writing.connection, call, writing.seals)?.ok_or(StoreError::NotFound("call", call))?;
    if row.ended.is_some() {
        return Ok(false);
    }
    row.end(ending, now(), writing.seals)?;
    writing
        .connection
        .prepare_cached(
            "UPDATE calls SET finished_at = ?2, ended = ?3, note = ?4, undo = ?5, undo_until = ?6, end_seal = ?7,
                              pre_image = ?8, claims = ?9, undo_args = ?10, undo_args_digest = ?11
             WHERE id = ?1 AND ended IS NULL",
        )
        .and_then(|mut update| {
            update.execute(params![
                row.id,
                row.finished_at,
                row.ended,
                row.note,
                row.undo,
                row.undo_until,
                row.end_seal,
                row.pre_image,
                row.claims,
                row.undo_args,
                row.undo_args_digest
            ])
        })
        .map_err(failed)?;
    writing.append(row.subject()?, calls::finished(ending))?;
    let undone = row.undoes.as_deref().and_then(|id| id.parse().ok());
    if let Some(undone) = undone.filter(|_| calls::kept(ending).undone) {
        let original =
            CallRow::find(writing.connection, undone, writing.seals)?.ok_or(StoreError::NotFound("call", undone))?;
        writing.append(original.subject()?, AuditEvent::Undone { by: call })?;
    }
    failpoint::pass("finish_written").map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(true)
}

/// Ends a call that was written down but whose caller had left before it got the intent, so that nothing ran.
pub(super) fn never_ran(call: Uuid) -> Box<dyn Work> {
    let note = "the caller was gone before the call could start".to_owned();
    let ending = Ending { end: End::Untouched, undo: None, note: Some(note), probe: None };
    let run = move |writing: &mut Writing<'_>| end(writing, call, &ending);
    Box::new(Task { durable: true, run: Some(Box::new(run)), result: None, reply: None, lost: None })
}
