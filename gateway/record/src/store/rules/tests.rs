//! Every state with every input: that nothing comes of them but what is listed.

mod asking;
mod calls;
mod confirmations;
mod grants;
mod people;

use std::time::Duration;

use mollyguard_tools::contract::{Digest, Timestamp, now};
use uuid::Uuid;

use super::{Transition, Write};
use crate::audit::AuditEvent;
use crate::model::{Answer, Approval, Assurance, Channel, Confirmation, ConfirmationState, Operator};
use crate::store::laws::question;

const HOUR: Duration = Duration::from_secs(3_600);

/// Somebody who is enrolled, with a code.
fn operator(n: u128, user: &str) -> Operator {
    let (name, user) = (user.to_owned(), Some(user.to_owned()));
    Operator { id: Uuid::from_u128(n), name, user, enrolled_at: now(), passkeys: Vec::new(), has_code: true }
}

/// A question that can be answered.
fn asked() -> Confirmation {
    question(HOUR)
}

/// A yes to it.
fn yes(question: &Confirmation, operator: Option<&Operator>) -> Approval {
    Approval {
        confirmation: question.id,
        approver: operator.map_or("ada", |operator| &operator.name).to_owned(),
        operator: operator.map(|operator| operator.id),
        user: None,
        assurance: Assurance::Passkey,
        channel: Channel::Page,
        at: now(),
    }
}

/// Every way to stand, of a question somebody has said yes to so often.
fn states(yeses: &[Approval]) -> Vec<ConfirmationState> {
    let open = (0..3).map(|mistyped| ConfirmationState::Open { approvals: yeses.to_vec(), mistyped });
    let refused = ["declined", "cancelled", "mismatch", "timeout", "failed"].map(|how| ConfirmationState::Refused {
        how: how.into(),
        by: "ada".into(),
        at: now(),
    });
    let others = [
        ConfirmationState::Approved { approvals: yeses.to_vec() },
        ConfirmationState::Spent { call: Uuid::from_u128(99) },
    ];
    open.chain(refused).chain(others).collect()
}

const NOES: [Answer; 4] = [Answer::Decline, Answer::Cancel, Answer::Timeout, Answer::Failed];

fn accept() -> Answer {
    Answer::Accept { typed: Some("bookings".into()) }
}

/// How a question stands after this.
fn state_after<T>(transition: &Transition<T>) -> Option<&ConfirmationState> {
    transition.writes.iter().find_map(|write| match write {
        Write::State(_, state) => Some(state),
        _ => None,
    })
}

/// What is put on record, by kind.
fn recorded<T>(transition: &Transition<T>) -> Vec<&'static str> {
    let kind = |write: &Write| match write {
        Write::Record(_, event) => Some(match event {
            AuditEvent::Answered { .. } => "answered",
            AuditEvent::Rejected { .. } => "rejected",
            AuditEvent::Asked { .. } => "asked",
            AuditEvent::Shown { .. } => "shown",
            AuditEvent::Denied { .. } => "denied",
            AuditEvent::Quarantined { .. } => "quarantined",
            AuditEvent::Lifted { .. } => "lifted",
            AuditEvent::Invited { .. } => "invited",
            AuditEvent::Enrolled { .. } => "enrolled",
            AuditEvent::Linked { .. } => "linked",
            AuditEvent::Removed { .. } => "removed",
            _ => "something else",
        }),
        _ => None,
    };
    transition.writes.iter().filter_map(kind).collect()
}

fn another() -> Digest {
    Digest::of_bytes(b"another")
}

fn later(than: Timestamp) -> Timestamp {
    than + HOUR
}
