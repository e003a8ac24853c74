//! What is written together: each function runs inside one transaction of the writer.

use std::path::Path;
use std::sync::Arc;

use mollyguard_tools::contract::{Digest, Reversibility, Timestamp, now};
use mollyguard_tools::failpoint;
use mollyguard_tools::text::quoted;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use uuid::Uuid;

use super::rows::{CallRow, ConfirmationRow};
use super::schema::failed;
use super::unsettled::{self, Looker, Unwritten};
use super::writer::{Task, Work};
use super::{Configured, Room, askings, dialogs, grants, operators, room};
use crate::audit::{ArgsKey, AuditEvent, AuditRecord, End, Subject, chain};
use crate::model::{Answer, Approval, Channel, Confirmation, Ended, Standing, TRIES, strength};
use crate::store::{Ending, GATEWAY, Given, Start, StoreError};

/// Where a stream ends: the place of its next record, and the digest that one will follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) next: u64,
    pub(super) last: Digest,
}

/// The transaction being written, and the stream it appends to.
pub(super) struct Writing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) directory: &'a Path,
    pub(super) unwritten: &'a Unwritten,
    pub(super) stream: Uuid,
    /// The stream's id, as it is stored.
    pub(super) name: &'a str,
    pub(super) tail: Tail,
    pub(super) configured: &'a Configured,
    pub(super) room: Room,
    pub(super) seals: &'a Arc<ArgsKey>,
}

impl Writing<'_> {
    /// Appends a record; before the first, what the process is configured with.
    pub(super) fn append(&mut self, subject: Subject, event: AuditEvent) -> Result<(), StoreError> {
        if self.tail.next == 0 {
            let nobody = Subject { call: None, principal: None, tool: None, targets: Vec::new(), arguments: None };
            let Configured { version, configuration, policies } = self.configured.clone();
            self.link(nobody, AuditEvent::Configured { version, configuration, policies })?;
        }
        self.link(subject, event)
    }

    fn link(&mut self, subject: Subject, event: AuditEvent) -> Result<(), StoreError> {
        let Tail { next, last } = self.tail;
        let record = AuditRecord {
            stream: self.stream,
            seq: next,
            at: now(),
            subject,
            event,
            previous: last,
            digest: Digest::from_bytes([0; 32]),
        };
        let (digest, text) = chain::written(&record).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.connection
            .prepare_cached("INSERT INTO records (stream, seq, record) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![self.name, next.cast_signed(), text]))
            .map_err(failed)?;
        self.tail = Tail { next: next + 1, last: digest };
        Ok(())
    }
}

/// Whether a record that belongs to no other work must be on disk before it is answered.
pub(super) fn by_itself(event: &AuditEvent) -> Result<bool, StoreError> {
    match event {
        AuditEvent::Read { .. } => Ok(false),
        AuditEvent::Denied { .. } => Ok(true),
        _ => Err(StoreError::Failed("only reads and refusals are recorded by themselves".into())),
    }
}

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
    if askings::find(writing.connection, &confirmation.principal.user, writing.seals)?.is_some() {
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

/// Whether these yeses are what a question needs, as of now; else why not.
pub(super) fn is_enough(
    writing: &Writing<'_>,
    confirmation: &Confirmation,
    approvals: Vec<Approval>,
) -> Result<Result<(), String>, StoreError> {
    let (counting, gone) = those_who_may(writing, approvals)?;
    if strength(&counting, &confirmation.principal).is_some_and(|given| given.covers(&confirmation.need)) {
        return Ok(Ok(()));
    }
    Ok(Err(match gone.first() {
        Some(gone) => format!("`{}`, who approved it, may not answer any more", gone.approver),
        None => format!("it needs {}, and the yeses it has are less", confirmation.need),
    }))
}

/// Closes a question that no answer helps any more, in the name of the gateway.
pub(super) fn close(writing: &mut Writing<'_>, confirmation: &Confirmation) -> Result<(), StoreError> {
    let (answer, by) = (Answer::Failed, GATEWAY.to_owned());
    let standing = Standing::Refused { how: refusal(&answer).into(), by: by.clone(), at: now() };
    stand(writing, confirmation, &standing)?;
    let event = AuditEvent::Answered {
        confirmation: confirmation.id,
        answer,
        sufficient: false,
        channel: Channel::InputRequired,
        by,
        operator: None,
        assertion: None,
        lasts_s: None,
    };
    writing.append(Subject::from(confirmation), event)
}

/// The yeses that count still, each with the user who gave it as the store has them now, and those of people who were
/// enrolled when they said so and are not any more.
fn those_who_may(
    writing: &Writing<'_>,
    approvals: Vec<Approval>,
) -> Result<(Vec<Approval>, Vec<Approval>), StoreError> {
    let (mut counting, mut gone) = (Vec::with_capacity(approvals.len()), Vec::new());
    for mut approval in approvals {
        let operator = match approval.operator {
            Some(operator) => operators::find(writing.connection, operator, writing.seals)?,
            None => None,
        };
        let may = approval.operator.is_none() || operator.is_some();
        approval.user = operator.and_then(|operator| operator.user);
        if may { counting.push(approval) } else { gone.push(approval) }
    }
    Ok((counting, gone))
}

fn stand(writing: &Writing<'_>, confirmation: &Confirmation, standing: &Standing) -> Result<(), StoreError> {
    let row = ConfirmationRow::of(confirmation, standing, writing.seals)?;
    writing
        .connection
        .prepare_cached("UPDATE confirmations SET standing = ?2, seal = ?3 WHERE id = ?1")
        .and_then(|mut update| update.execute(params![row.id, row.standing, row.seal]))
        .map_err(failed)?;
    Ok(())
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

/// See [`crate::store::Store::answer`].
pub(super) fn answer(writing: &mut Writing<'_>, subject: Subject, given: Given) -> Result<(), StoreError> {
    let id = given.confirmation;
    let refuse = |why: &str| Err(StoreError::NotApproved(id, why.into()));
    let Some((confirmation, standing)) = ConfirmationRow::find(writing.connection, id, writing.seals)? else {
        return Err(StoreError::NotFound("confirmation", id));
    };
    operators::check_answering(writing, &given)?;
    dialogs::close(writing, id, given.channel)?;
    // Neither a yes nor a no: who mistyped may try again, but not without end.
    let is_mistyped = given.approval.is_none() && matches!(given.answer, Answer::Accept { .. });
    let mistyped = standing.mistyped();
    let approvals = match standing {
        Standing::Open { approvals, mistyped } if is_mistyped && mistyped + 1 < TRIES => {
            stand(writing, &confirmation, &Standing::Open { approvals, mistyped: mistyped + 1 })?;
            return mistyping(writing, subject, &given);
        }
        Standing::Approved { .. } if is_mistyped => return mistyping(writing, subject, &given),
        Standing::Open { approvals, .. } => approvals,
        // A yes that is not used yet can be taken back, but not given twice.
        Standing::Approved { .. } if given.approval.is_none() => Vec::new(),
        Standing::Spent { call } => return refuse(&format!("it was used already, by call `{call}`")),
        Standing::Approved { .. } | Standing::Refused { .. } => return refuse("it was answered already"),
    };
    let sufficient = given.approval.is_some();
    // The yes of somebody who was removed meanwhile is kept, and counts no more.
    let (mut counting, gone) = those_who_may(writing, approvals)?;
    let (given_now, _) = those_who_may(writing, given.approval.iter().cloned().collect())?;
    let standing = match given_now.into_iter().next() {
        None if sufficient => return refuse("who gives it may not answer any more"),
        // A no may come late; a yes may not.
        Some(_) if !confirmation.is_in_time(now()) => return refuse("it has expired"),
        Some(approval) if approval.confirmation != id => return refuse("the approval is of another confirmation"),
        Some(_) if !matches!(given.answer, Answer::Accept { .. }) => return refuse("the answer is not a yes"),
        Some(approval) if approval.assurance < confirmation.need.assurance => {
            return refuse("the approval proves less than what is asked for");
        }
        Some(approval) if counting.iter().any(|earlier| earlier.is_same_person(&approval)) => {
            return refuse("this person has said yes already");
        }
        Some(approval) => {
            counting.push(approval);
            let is_enough =
                strength(&counting, &confirmation.principal).is_some_and(|it| it.covers(&confirmation.need));
            let approvals = [counting, gone].concat();
            if is_enough { Standing::Approved { approvals } } else { Standing::Open { approvals, mistyped } }
        }
        None => Standing::Refused { how: refusal(&given.answer).into(), by: given.by.clone(), at: now() },
    };
    let grant = match (&standing, given.lasts) {
        (_, None) => None,
        (Standing::Approved { approvals }, Some(lasts)) => {
            Some(grants::of_answer(writing, &confirmation, &given, approvals, lasts)?)
        }
        (_, Some(_)) => return refuse("only a yes that is enough by itself stands for a while"),
    };
    let Given { answer, channel, by, operator, signed, lasts, .. } = given;
    let lasts_s = lasts.map(|lasts| lasts.as_secs());
    let is_declined = matches!(answer, Answer::Decline);
    stand(writing, &confirmation, &standing)?;
    let assertion = signed.map(|(assertion, _)| Box::new(assertion));
    let event =
        AuditEvent::Answered { confirmation: id, answer, sufficient, channel, by, operator, assertion, lasts_s };
    writing.append(subject, event)?;
    if is_declined {
        grants::end_those(writing, Ended::Declined, operator, |grant| grant.is_contradicted_by(&confirmation))?;
    }
    grant.map_or(Ok(()), |grant| grants::give(writing, &grant))
}

/// Writes down that something else was typed than what was asked for.
fn mistyping(writing: &mut Writing<'_>, subject: Subject, given: &Given) -> Result<(), StoreError> {
    let typed =
        if let Answer::Accept { typed: Some(typed) } = &given.answer { quoted(typed) } else { "nothing".into() };
    let why = format!("{typed} was typed, by {}, which is not the text that was asked for", quoted(&given.by));
    let (confirmation, channel, operator) = (given.confirmation, given.channel, given.operator);
    writing.append(subject, AuditEvent::Rejected { confirmation, channel, operator, why })
}

/// See [`crate::store::Store::reject`].
pub(super) fn reject(
    writing: &mut Writing<'_>,
    id: Uuid,
    channel: Channel,
    operator: Option<Uuid>,
    why: String,
) -> Result<(), StoreError> {
    let found = ConfirmationRow::find(writing.connection, id, writing.seals)?;
    let (confirmation, _) = found.ok_or(StoreError::NotFound("confirmation", id))?;
    writing.append(Subject::from(&confirmation), AuditEvent::Rejected { confirmation: id, channel, operator, why })
}

const fn refusal(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accept { .. } => "mismatch",
        Answer::Decline => "declined",
        Answer::Cancel => "cancelled",
        Answer::Timeout => "timeout",
        Answer::Failed => "failed",
    }
}
