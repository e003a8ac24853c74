//! What people answer, as it is written down.

use mollyguard_tools::contract::now;
use mollyguard_tools::text::quoted;
use uuid::Uuid;

use super::questions::{refusal, stand, those_who_may};
use super::rows::ConfirmationRow;
use super::writing::Writing;
use super::{dialogs, grants, operator_rows};
use crate::audit::{AuditEvent, Subject};
use crate::model::{Answer, Channel, Ended, Standing, TRIES, strength};
use crate::store::{Given, StoreError};

/// See [`crate::store::Store::answer`].
pub(super) fn answer(writing: &mut Writing<'_>, subject: Subject, given: Given) -> Result<(), StoreError> {
    let id = given.confirmation;
    let refuse = |why: &str| Err(StoreError::NotApproved(id, why.into()));
    let Some((confirmation, standing)) = ConfirmationRow::find(writing.connection, id, writing.seals)? else {
        return Err(StoreError::NotFound("confirmation", id));
    };
    operator_rows::check_answering(writing, &given)?;
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
