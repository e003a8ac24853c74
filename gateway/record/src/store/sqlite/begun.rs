//! Calls that begin and end, as they are written down.

use mollyguard_tools::contract::{Reversibility, Timestamp, now};
use mollyguard_tools::failpoint;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use uuid::Uuid;

use super::questions::{is_enough, stand};
use super::rows::{CallRow, ConfirmationRow};
use super::schema::failed;
use super::unsettled::{self, Looker};
use super::work::{Task, Work};
use super::writing::Writing;
use super::{grants, quarantines, room};
use crate::audit::{AuditEvent, End, Subject};
use crate::model::Standing;
use crate::store::{Ending, Start, StoreError};

/// See [`crate::store::Store::begin`].
pub(super) fn begin(writing: &mut Writing<'_>, start: Start) -> Result<Uuid, StoreError> {
    let at = now();
    let subject = start.subject.clone();
    let event = AuditEvent::Started {
        reversibility: start.reversibility,
        blast_radius: start.preflight.blast_radius.clone(),
        fingerprint: start.preflight.fingerprint,
        policies: start.policies.clone(),
        confirmation: start.confirmation,
        grant: start.grant,
        undoes: start.undoes,
    };
    if start.reversibility > Reversibility::ReadOnly {
        check_settled(writing, &start.target)?;
    }
    let (confirmation, grant, undoes) = (start.confirmation, start.grant, start.undoes);
    if let Some(grant) = grant {
        grants::check_usable(writing, grant, &start)?;
    }
    let row = CallRow::of(start, writing.stream, at, writing.seals)?;
    room::check(writing, &row)?;
    let call = subject.call.unwrap_or_default();
    if let Some(undone) = undoes {
        check_unclaimed(writing, undone)?;
    }
    if let Some(confirmation) = confirmation {
        spend(writing, confirmation, call, &subject, at)?;
    }
    insert(writing.connection, &row)?;
    if let Some(grant) = grant {
        grants::used(writing, grant, call)?;
    }
    writing.append(subject, event)?;
    failpoint::pass("begin_written").map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(call)
}

fn check_settled(writing: &Writing<'_>, target: &str) -> Result<(), StoreError> {
    let Writing { directory, stream: own, unwritten, seals, .. } = *writing;
    match unsettled::on(writing.connection, target, &Looker { directory, own, unwritten, seals })? {
        None => Ok(()),
        Some((call, why)) => Err(StoreError::Unsettled { call, target: target.to_owned(), why }),
    }
}

fn check_unclaimed(writing: &Writing<'_>, undone: Uuid) -> Result<(), StoreError> {
    let connection = writing.connection;
    CallRow::find(connection, undone, writing.seals)?.ok_or(StoreError::NotFound("call", undone))?;
    let holder: Option<String> = connection
        .prepare_cached("SELECT id FROM calls WHERE claims = ?1")
        .and_then(|mut find| find.query_row([undone.to_string()], |row| row.get(0)).optional())
        .map_err(failed)?;
    match holder {
        None => Ok(()),
        Some(holder) => Err(StoreError::AlreadyUndone(undone, holder.parse().unwrap_or_default())),
    }
}

/// Approved, unexpired, and asked of this person for this tool: then spent.
fn spend(writing: &Writing<'_>, id: Uuid, call: Uuid, subject: &Subject, at: Timestamp) -> Result<(), StoreError> {
    let refuse = |why: String| Err(StoreError::NotApproved(id, why));
    let Some((confirmation, standing)) = ConfirmationRow::find(writing.connection, id, writing.seals)? else {
        return refuse("it was never asked".into());
    };
    let approvals = match standing {
        Standing::Approved { approvals } => approvals,
        Standing::Open { .. } => return refuse("not enough people have approved it".into()),
        Standing::Refused { how, .. } => return refuse(format!("it was refused ({how})")),
        Standing::Spent { call } => return refuse(format!("it was used already, by call `{call}`")),
    };
    if let Err(why) = is_enough(writing, &confirmation, approvals)? {
        return refuse(why);
    }
    if quarantines::find(writing.connection, &confirmation.principal.user, writing.seals)?.is_some() {
        return refuse("nobody is asked any more for whom the call is made".into());
    }
    if !confirmation.is_in_time(at) {
        return refuse(format!("it expired at {}", confirmation.expires_at));
    }
    if subject.tool.as_ref() != Some(&confirmation.tool) {
        return refuse("it was asked about another tool".into());
    }
    if confirmation.arguments.is_none() || subject.arguments != confirmation.arguments {
        return refuse("it was asked about other arguments".into());
    }
    if !subject.principal.as_ref().is_some_and(|principal| confirmation.principal.is_same_person(principal)) {
        return refuse("it was asked for somebody else".into());
    }
    stand(writing, &confirmation, &Standing::Spent { call })
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

/// See [`crate::store::Store::finish`] and [`crate::store::Store::settle`]; `false` when the call has an end already.
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
    let Ending { end, ref undo, ref note, probe } = *ending;
    let event = AuditEvent::Finished { end, undoable: undo.is_some(), note: note.clone(), probe };
    writing.append(row.subject()?, event)?;
    let undone = row.undoes.as_deref().and_then(|id| id.parse().ok());
    if let Some(undone) = undone.filter(|_| end == End::Succeeded) {
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
