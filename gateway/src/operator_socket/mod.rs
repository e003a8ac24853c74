//! The operators' desk: what waits for a person, shown and answered away from the agent. Answers at the gateway's own
//! terminal and over the operators' socket are weighed here.

mod client;
mod serve;
mod wire;

use mollyguard_record::audit::Subject;
use mollyguard_record::model::{Answer, Approval, Assurance, Channel, Confirmation, ConfirmationState, Means};
use mollyguard_record::store;
use mollyguard_record::store::StoreError;
use mollyguard_tools::contract::now;
use uuid::Uuid;

use crate::call::approval::for_the_record;
use crate::confirm::{Approver, Verdict, clean, meant, verdict};
use crate::gateway::Gateway;
use crate::operators::{TypedCode, assurance_of};

pub use client::{ClientError, ask};
pub use serve::{Desk, serve_desk};
pub use wire::{Ask, GivenAnswer, Reply};

/// Who is at the desk, and what is known of them before they show anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtDesk {
    /// The name their answer is recorded under.
    pub user: String,
    /// The way they answer.
    pub channel: Channel,
    /// An agent runs as the same user of the operating system, so that it could be the one who answers.
    pub is_agent: bool,
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
    /// An operator must show who they are.
    #[error("an operator's code is needed for that. Nothing was changed")]
    Unproven,
    /// The code is nobody's.
    #[error("that is nobody's code, or too many were tried: wait a minute and try again. Nothing was changed")]
    Code,
    /// The answer proves too little. That is written down, and the question stays open.
    #[error("not approved: {0}. Nothing was changed, and the question stays open")]
    TooWeak(String),
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
pub async fn show(gateway: &Gateway, id: Uuid) -> Result<(Confirmation, ConfirmationState), DeskError> {
    gateway.store.confirmation(id).await?.ok_or(DeskError::Unknown(id))
}

/// Whether a question can still be answered.
///
/// # Errors
/// It cannot.
pub fn answerable(confirmation: &Confirmation, standing: &ConfirmationState) -> Result<(), DeskError> {
    if matches!(standing, ConfirmationState::Open { .. }) && confirmation.is_in_time(now()) {
        return Ok(());
    }
    Err(DeskError::Closed(state(confirmation, standing)))
}

/// Weighs an answer and writes it down. What is no error is a yes, or a no: with under which name it was written down, and
/// what it proves.
///
/// # Errors
/// The question is closed, the code is nobody's, the answer is no yes or too weak a one, or the store failed.
pub async fn answer(
    gateway: &Gateway,
    id: Uuid,
    given: GivenAnswer,
    at: &AtDesk,
) -> Result<(String, Option<Assurance>), DeskError> {
    let (confirmation, standing) = show(gateway, id).await?;
    let (answer, code) = match given {
        GivenAnswer::Approve { typed, code } => (Answer::Accept { typed: Some(typed) }, code),
        GivenAnswer::Deny {} => (Answer::Decline, None),
        GivenAnswer::Close {} => (Answer::Cancel, None),
    };
    let answer = meant(&confirmation, &answer);
    let is_no = answer == Answer::Decline;
    // A yes that was not used yet can be taken back.
    if !(is_no && matches!(standing, ConfirmationState::Approved { .. })) {
        answerable(&confirmation, &standing)?;
    }
    let by = approver(gateway, code, at).await?;
    let (approval, no) = match verdict((&confirmation, &standing), &answer, &by, now()) {
        Verdict::Yes(approval) => (Some(approval), None),
        Verdict::TooWeak(why) => {
            gateway.store.reject(id, by.channel, by.operator, why.clone()).await?;
            return Err(DeskError::TooWeak(why));
        }
        Verdict::No(no) => (None, Some(no)),
    };
    let subject = Subject::from(&confirmation);
    let proven = approval.as_ref().map(|approval| approval.assurance);
    let answer = for_the_record(gateway, &answer);
    let mut given = store::AnswerSubmission::by(by.name.clone(), id, answer, by.channel, approval);
    given.operator = by.operator;
    gateway.store.answer(subject, given).await?;
    match no {
        Some(no) if !is_no => Err(DeskError::NotApproved(no.as_str().to_owned())),
        _ => Ok((by.name, proven)),
    }
}

/// Who answers. An agent's own user could be the agent, so it never proves more than that a name was typed; anybody else
/// proves more with a code that only they know.
async fn approver(gateway: &Gateway, code: Option<TypedCode>, at: &AtDesk) -> Result<Approver, DeskError> {
    let Some(code) = code else {
        return Ok(Approver::unproven(at.user.clone(), at.channel));
    };
    let operator = gateway.with_code(code.as_str()).await?.ok_or(DeskError::Code)?;
    let most = if at.is_agent { Assurance::Typed } else { Assurance::Passkey };
    let proves = assurance_of(&Means::Code, gateway.separation).min(most);
    Ok(Approver::enrolled(&operator, proves, at.channel))
}

/// Has people asked for a user again who was in quarantine: an operator does that, and where nobody is enrolled, whoever is
/// no agent.
///
/// # Errors
/// The code is missing or nobody's, the user is not in quarantine, or the store failed.
pub async fn lift(gateway: &Gateway, user: String, code: Option<TypedCode>, at: &AtDesk) -> Result<(), DeskError> {
    let by = match code {
        Some(code) => Some(gateway.with_code(code.as_str()).await?.ok_or(DeskError::Code)?.id),
        None if at.is_agent || !gateway.store.operators().await?.is_empty() => return Err(DeskError::Unproven),
        None => None,
    };
    Ok(gateway.store.lift(user, by).await?)
}

/// What became of a question, in a few words.
#[must_use]
pub fn state(confirmation: &Confirmation, standing: &ConfirmationState) -> String {
    match standing {
        ConfirmationState::Spent { call } => format!("used by call {call}"),
        ConfirmationState::Refused { how, by, .. } => format!("answered: {}, by {}", clean(how), clean(by)),
        ConfirmationState::Open { .. } | ConfirmationState::Approved { .. } if confirmation.expires_at <= now() => {
            format!("expired at {}", confirmation.expires_at)
        }
        ConfirmationState::Open { approvals, .. } if approvals.is_empty() => {
            format!("open until {}", confirmation.expires_at)
        }
        ConfirmationState::Open { approvals, .. } => {
            format!("open until {}; approved so far by {}", confirmation.expires_at, approvers(approvals))
        }
        ConfirmationState::Approved { approvals } => format!("approved by {}, not used yet", approvers(approvals)),
    }
}

fn approvers(approvals: &[Approval]) -> String {
    let each = approvals.iter().map(|approval| format!("{} at {}", clean(&approval.approver), approval.at));
    each.collect::<Vec<_>>().join(", ")
}
