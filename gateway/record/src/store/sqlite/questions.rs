//! How a question stands, and which of its yeses count.

use mollyguard_tools::contract::now;
use rusqlite::params;

use super::operator_rows;
use super::rows::ConfirmationRow;
use super::schema::failed;
use super::writing::Writing;
use crate::audit::{AuditEvent, Subject};
use crate::model::{Answer, Approval, Channel, Confirmation, Standing, strength};
use crate::store::{GATEWAY, StoreError};

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
pub(super) fn those_who_may(
    writing: &Writing<'_>,
    approvals: Vec<Approval>,
) -> Result<(Vec<Approval>, Vec<Approval>), StoreError> {
    let (mut counting, mut gone) = (Vec::with_capacity(approvals.len()), Vec::new());
    for mut approval in approvals {
        let operator = match approval.operator {
            Some(operator) => operator_rows::find(writing.connection, operator, writing.seals)?,
            None => None,
        };
        let may = approval.operator.is_none() || operator.is_some();
        approval.user = operator.and_then(|operator| operator.user);
        if may { counting.push(approval) } else { gone.push(approval) }
    }
    Ok((counting, gone))
}

pub(super) fn stand(writing: &Writing<'_>, confirmation: &Confirmation, standing: &Standing) -> Result<(), StoreError> {
    let row = ConfirmationRow::of(confirmation, standing, writing.seals)?;
    writing
        .connection
        .prepare_cached("UPDATE confirmations SET standing = ?2, seal = ?3 WHERE id = ?1")
        .and_then(|mut update| update.execute(params![row.id, row.standing, row.seal]))
        .map_err(failed)?;
    Ok(())
}

pub(super) const fn refusal(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accept { .. } => "mismatch",
        Answer::Decline => "declined",
        Answer::Cancel => "cancelled",
        Answer::Timeout => "timeout",
        Answer::Failed => "failed",
    }
}
