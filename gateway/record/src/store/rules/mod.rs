//! What may come of what, decided without a database: each rule takes what a store has read, as plain values, and gives what
//! is to be written, or the refusal. A store reads, applies all of it in the same transaction, and decides nothing itself.

pub(crate) mod asking;
pub(crate) mod calls;
pub(crate) mod confirmations;
pub(crate) mod grants;
pub(crate) mod people;
pub(crate) mod quotas;

use mollyguard_tools::contract::{Digest, Timestamp};
use uuid::Uuid;

use crate::audit::{AuditEvent, Subject};
use crate::model::{Channel, Confirmation, ConfirmationState, Ended, Grant, GrantEnd, Invitation, Operator, Passkey};
use crate::store::Quarantine;

/// What comes of something, where nothing is refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transition<T> {
    /// What whoever wants it is told.
    pub(crate) told: T,
    /// What is written, in this order and all of it.
    pub(crate) writes: Vec<Write>,
}

impl<T> Transition<T> {
    /// Nothing is written.
    pub(crate) const fn nothing(told: T) -> Self {
        Self { told, writes: Vec::new() }
    }
}

/// One thing to write.
#[expect(clippy::large_enum_variant, reason = "the large one is the record, which nearly every transition has")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    /// A record is appended.
    Record(Subject, AuditEvent),
    /// A question is put.
    Question(Box<Confirmation>),
    /// A question stands like this from now on.
    State(Box<Confirmation>, ConfirmationState),
    /// This process shows the question until then.
    Shown { question: Uuid, until: Timestamp },
    /// Whatever dialog this process shows the question in has come to something, or is over.
    ShownNoMore { question: Uuid },
    /// A user has asked once more; what is no longer of late may be forgotten.
    Counted { user: String, at: Timestamp, question: Option<Uuid> },
    /// A user is in quarantine from now on.
    Quarantine(Quarantine),
    /// What a user asked of late counts no more.
    CountsForgotten { user: String },
    /// A user is in quarantine no longer.
    QuarantineLifted { user: String },
    /// An approval for a while is given.
    Grant(Box<Grant>),
    /// An approval for a while has ended so.
    GrantEnd(Box<Grant>, GrantEnd),
    /// Every approval for a while that this is true of ends: see [`grants::ended`].
    GrantEnds(EndGrants),
    /// An invitation is kept; those that have expired may be forgotten.
    Invitation(Box<Invitation>),
    /// An invitation is used up.
    InvitationUsed(Uuid),
    /// The invitations that nobody made are void.
    FirstInvitationsVoid,
    /// Somebody is enrolled, with the digest of their code.
    Operator(Box<Operator>, Option<Digest>),
    /// An operator is linked to a user.
    Linked(Uuid, String),
    /// An operator is off the list, with their passkeys, code and sessions.
    OperatorRemoved(Box<Operator>, Timestamp),
    /// An operator has a new passkey.
    NewPasskey(Uuid, Box<Passkey>),
    /// A passkey of an operator's is as it is here from now on.
    Passkey(Uuid, Box<Passkey>),
}

/// Which approvals for a while end, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndGrants {
    /// Why.
    pub(crate) how: Ended,
    /// The operator by whose act, where it is one's.
    pub(crate) by: Option<Uuid>,
    /// Which.
    pub(crate) which: Which,
}

/// Approvals for a while by what they have in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Which {
    /// Those a no to this question contradicts.
    ContradictedBy(Box<Confirmation>),
    /// Those for this user's calls.
    ForUser(String),
    /// Those this operator gave.
    GivenBy(Uuid),
}

/// Who is enrolled among these.
pub(crate) fn enrolled(operators: &[Operator], id: Uuid) -> Option<&Operator> {
    operators.iter().find(|operator| operator.id == id)
}

/// A record of a refusal.
fn denied(subject: Subject, reason_code: &str) -> Write {
    let reason_code = reason_code.to_owned();
    Write::Record(subject, AuditEvent::Denied { reason_code, because: Vec::new(), left_out: 0 })
}

/// Whether a dialog in a client can have shown a question that was answered by this way.
const fn is_dialog(channel: Channel) -> bool {
    matches!(channel, Channel::Elicitation | Channel::InputRequired)
}

#[cfg(test)]
mod tests;
