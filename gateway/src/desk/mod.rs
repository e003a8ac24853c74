//! The operators' desk: what waits for a person, shown and answered away from the agent. Answers at the gateway's own
//! terminal and over the operators' socket are weighed and written down here, and nowhere else.

mod client;
mod serve;
mod wire;

use mollyguard_tools::contract::now;
use uuid::Uuid;

use crate::approval::{for_the_record, verdict};
use crate::audit::Subject;
use crate::confirm::{Answer, Approval, Assurance, Channel, Confirmation, Standing};
use crate::gateway::Gateway;
use crate::reply::Answered;
use crate::store::StoreError;

pub use client::{ClientError, ask};
pub use serve::{Desk, serve_desk};
pub use wire::{Ask, Given, Reply};

/// Who answers, and what is known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name their answer is recorded under.
    pub user: String,
    /// The way they answer.
    pub channel: Channel,
    /// An agent runs as the same user of the operating system, so that it could be the one who answers.
    pub is_agent: bool,
}

/// What an answer at the desk proves. An agent's own user could be the agent, so it never proves more than that the name
/// was typed; anybody else may prove more with something only they have or know, and without it proves no more either.
#[must_use]
pub fn assurance(operator: &Operator) -> Assurance {
    let most = if operator.is_agent { Assurance::Typed } else { Assurance::OutOfBand };
    let proven = Assurance::Typed;
    most.min(proven)
}

/// Why the desk did not do what it was asked to. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no such question.
    #[error("there is no confirmation `{0}`")]
    Unknown(Uuid),
    /// It has its answer, or its time is over.
    #[error("it cannot be answered any more: {0}")]
    Closed(String),
    /// The answer is not the yes that was asked for. It is written down, and the question is closed.
    #[error("not approved: {0}. Nothing was changed")]
    NotApproved(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One question and what became of it.
///
/// # Errors
/// There is none with this id, or the store failed.
pub async fn show(gateway: &Gateway, id: Uuid) -> Result<(Confirmation, Standing), DeskError> {
    gateway.store.confirmation(id).await?.ok_or(DeskError::Unknown(id))
}

/// Whether a question can still be answered.
///
/// # Errors
/// It cannot.
pub fn answerable(confirmation: &Confirmation, standing: &Standing) -> Result<(), DeskError> {
    if matches!(standing, Standing::Open) && confirmation.expires_at > now() {
        return Ok(());
    }
    Err(DeskError::Closed(state(confirmation, standing)))
}

/// Weighs an answer and writes it down, and says what it proves. What is no error is a yes, or a no.
///
/// # Errors
/// The question is closed, the answer is no yes, or the store failed.
pub async fn answer(gateway: &Gateway, id: Uuid, given: Given, operator: &Operator) -> Result<Assurance, DeskError> {
    let (confirmation, standing) = show(gateway, id).await?;
    let answer = match given {
        Given::Approve { typed } => Answer::Accept { typed: Some(typed) },
        Given::Deny {} => Answer::Decline,
        Given::Close {} => Answer::Cancel,
    };
    let is_no = answer == Answer::Decline;
    // A yes that was not used yet can be taken back.
    if !(is_no && matches!(standing, Standing::Approved { .. })) {
        answerable(&confirmation, &standing)?;
    }
    let assurance = confirmation.need.assurance.min(assurance(operator));
    let answered = Answered { confirmation: id, answer };
    let (approval, why) = match verdict(&confirmation, &answered, &operator.user, operator.channel) {
        Ok(approval) => (Some(Approval { assurance, ..approval }), None),
        Err((_, why)) => (None, Some(why)),
    };
    let subject = Subject {
        call: None,
        principal: Some(confirmation.principal.clone()),
        tool: Some(confirmation.tool.clone()),
        targets: Vec::new(),
        arguments: None,
    };
    let answer = for_the_record(gateway, &answered.answer);
    gateway.store.answer(subject, id, answer, operator.channel, operator.user.clone(), approval).await?;
    match why {
        Some(why) if !is_no => Err(DeskError::NotApproved(why)),
        _ => Ok(assurance),
    }
}

/// What became of a question, in a few words.
#[must_use]
pub fn state(confirmation: &Confirmation, standing: &Standing) -> String {
    match standing {
        Standing::Spent { call } => format!("used by call {call}"),
        Standing::Refused { how } => format!("answered: {how}"),
        Standing::Open | Standing::Approved { .. } if confirmation.expires_at <= now() => {
            format!("expired at {}", confirmation.expires_at)
        }
        Standing::Open => format!("open until {}", confirmation.expires_at),
        Standing::Approved { approval } => {
            format!("approved by {} at {}, not used yet", approval.approver, approval.at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_proves_more_than_that_the_name_was_typed_without_something_of_their_own() {
        for is_agent in [true, false] {
            let operator = Operator { user: "ada".into(), channel: Channel::Desk, is_agent };
            assert_eq!(assurance(&operator), Assurance::Typed);
        }
    }
}
