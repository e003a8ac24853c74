//! Asking about one exact call, and verifying the answer that comes along with its repetition or was given elsewhere.

mod ask;
mod earlier;
mod grants;

use mollyguard_record::audit::Subject;
use mollyguard_record::model::{
    Answer, Approval, Because, CallFacts, Channel, Confirmation, ConfirmationState, Matches, Need, matches,
};
use mollyguard_record::store::{AnswerSubmission, GATEWAY, StoreError};
use mollyguard_tools::contract::{Preflight, now};
use uuid::Uuid;

use crate::call::context::CallContext;
use crate::confirm::{Approver, No, Verdict, meant, verdict};
use crate::gateway::Gateway;
use crate::reply::{self, About, Answered, ReasonCode, Refusal, Under};

pub(super) use ask::ask;
pub(crate) use ask::{answered, shown, shown_no_more};
pub(super) use grants::covering_question;

/// The most characters of what was typed that are written down.
const TYPED_CHARS: usize = 120;

/// What helps where a person has said no.
const ANOTHER_WAY: &str = "Do not ask for the same again. Choose another way, or ask the person what they want.";

/// The approval for this very call that its repetition brings along; none where the question it was asked is open still.
pub(super) async fn attached(
    cx: &CallContext,
    seen: &Preflight,
    facts: &CallFacts<'_>,
    answered: &Answered,
) -> Result<Option<Approved>, Box<Refusal>> {
    match verify_answer(cx, seen, facts, answered).await {
        Ok(approved) => Ok(approved),
        Err(unusable) => Err(refused(cx, seen, unusable, asked_by(cx, answered).await)),
    }
}

/// The approvals that did not come along with a call that needs one, in the order in which they are tried: what was given to
/// this very call elsewhere meanwhile, and one for a while that covers it. A preview uses nothing up, and asks about nothing.
pub(super) async fn candidates(
    cx: &CallContext,
    seen: &Preflight,
    facts: &CallFacts<'_>,
    need: &Need,
) -> Result<Vec<Approved>, Box<Refusal>> {
    let grant = grants::covering(cx, seen, facts, need).await;
    let grant = grant.map_err(|error| Refusal::of_store(&error, cx.seen("deny", seen)))?;
    let given = match cx.preview {
        None => earlier::given_meanwhile(cx, seen, facts, grant.as_ref()).await?,
        Some(_) => None,
    };
    Ok(given.into_iter().chain(grant.map(Approved::from)).collect())
}

/// The refusal of a call whose approval cannot be used.
fn refused(cx: &CallContext, seen: &Preflight, unusable: Unusable, because: Vec<Because>) -> Box<Refusal> {
    let mut about = About::seen(cx.id, "deny", seen.reversibility, seen);
    let (code, message) = match unusable {
        Unusable::Store(error) => return Box::new(Refusal::of_store(&error, about)),
        Unusable::No(code, message) => (code, message),
    };
    about.policies.clone_from(&because);
    let next = match code {
        ReasonCode::TargetChanged => "Look again: the same call asks anew about what is there now.",
        ReasonCode::ConfirmationDeclined => ANOTHER_WAY,
        ReasonCode::ConfirmationMismatch => {
            "Make the identical call again for another try; after three that fail the question is closed."
        }
        ReasonCode::Denied => {
            "Ask for nothing more that needs a person. Tell them: an operator ends it on the page, under \
             People, or with `mollyguard approvals lift USER`."
        }
        _ => "Nothing more to do, or make the call again to be asked anew.",
    };
    let mut refusal = Refusal::new(code, message, next, about);
    refusal.because = because;
    refusal.alternative = seen.alternative.as_ref().map(reply::way_of);
    cx.refused(Some(seen), refusal)
}

/// Closes a question whose approval the store did not take, so that the next call like it asks anew. One that was used, or
/// answered otherwise meanwhile, stays as it is.
pub(super) async fn void(gateway: &Gateway, subject: Subject, confirmation: Uuid) {
    let given = AnswerSubmission::by(GATEWAY.to_owned(), confirmation, Answer::Failed, Channel::InputRequired, None);
    match gateway.store.answer(subject, given).await {
        Ok(()) | Err(StoreError::NotApproved(..) | StoreError::NotFound(..)) => {}
        Err(error) => tracing::error!(%confirmation, %error, "a question that no answer helps could not be closed"),
    }
}

/// The policies that asked the question an answer came along for; only its own principal is told.
async fn asked_by(cx: &CallContext, answered: &Answered) -> Vec<Because> {
    match cx.gateway.store.confirmation(answered.confirmation).await {
        Ok(Some((confirmation, _))) if confirmation.principal.is_same_person(&cx.request.principal) => {
            confirmation.because
        }
        _ => Vec::new(),
    }
}

enum Unusable {
    Store(StoreError),
    No(ReasonCode, String),
}

impl From<StoreError> for Unusable {
    fn from(error: StoreError) -> Self {
        match error {
            // Somebody else answered first, or it ran out between the look at it and the write.
            StoreError::NotApproved(..) => Self::No(ReasonCode::ConfirmationSpent, error.to_string()),
            other => Self::Store(other),
        }
    }
}

fn no<T>(code: ReasonCode, message: impl Into<String>) -> Result<T, Unusable> {
    Err(Unusable::No(code, message.into()))
}

/// Verifies an answer: the confirmation must exist, be this principal's, be open, unexpired and about this very call, and
/// the answer must be the exact yes that was asked for. Everything else is a refusal, told apart by its reason code; but
/// where the answer was only waited for elsewhere, the question may stay open.
async fn verify_answer(
    cx: &CallContext,
    seen: &Preflight,
    facts: &CallFacts<'_>,
    answered: &Answered,
) -> Result<Option<Approved>, Unusable> {
    let (gateway, request) = (&cx.gateway, &cx.request);
    earlier::not_quarantined(cx).await?;
    let found = gateway.store.confirmation(answered.confirmation).await?;
    let Some((confirmation, standing)) = found else {
        return no(ReasonCode::ConfirmationInvalid, "the answer belongs to nothing this gateway asked");
    };
    if !confirmation.principal.is_same_person(&request.principal) {
        return no(ReasonCode::ConfirmationInvalid, "the question was put for another principal");
    }
    still_good(&confirmation, &standing)?;
    let channel = request.channel.or(request.page).unwrap_or(Channel::InputRequired);
    let subject = || cx.subject(Some(seen));
    match matches(&confirmation, facts) {
        Matches::OtherCall => {
            return no(ReasonCode::ConfirmationInvalid, "the question was about another call than this one");
        }
        Matches::TargetChanged => {
            // Written down, so that nobody waits for it or answers it any more.
            let given = AnswerSubmission::by(GATEWAY.to_owned(), confirmation.id, Answer::Failed, channel, None);
            gateway.store.answer(subject(), given).await?;
            return no(ReasonCode::TargetChanged, "the target has changed since the question was asked");
        }
        Matches::Exactly => {}
    }
    if !confirmation.is_in_time(now()) {
        // Written down, so that it stays expired whatever becomes of the clock.
        let given = AnswerSubmission::by(GATEWAY.to_owned(), confirmation.id, Answer::Timeout, channel, None);
        gateway.store.answer(subject(), given).await?;
        return no(ReasonCode::ConfirmationExpired, format!("the question expired at {}", confirmation.expires_at));
    }
    let elsewhere = match &standing {
        ConfirmationState::Approved { approvals } => Approved::of(&confirmation, approvals),
        _ => None,
    };
    let Some(answer) = &answered.answer else { return Ok(elsewhere) };
    let answer = meant(&confirmation, answer);
    let by = Approver::unproven(request.principal.user.clone(), channel);
    let verdict = verdict((&confirmation, &standing), &answer, &by, now());
    // Approved elsewhere meanwhile. Silence here leaves that standing; a no here takes it back.
    let silent = matches!(verdict, Verdict::No(No::Late | No::Failed));
    // And what was mistyped here takes nothing back: it is written down as a try that failed.
    if elsewhere.is_some() && (silent || matches!(verdict, Verdict::Yes(_))) {
        return Ok(elsewhere);
    }
    let given = match verdict {
        // The question stays open.
        Verdict::TooWeak(why) => {
            gateway.store.reject(confirmation.id, channel, None, why.clone()).await?;
            return no(ReasonCode::ConfirmationInvalid, why);
        }
        Verdict::Yes(approval) => Ok(approval),
        Verdict::No(no) => Err(no),
    };
    let approval = given.as_ref().ok().cloned();
    let by = request.principal.user.clone();
    let answer = for_the_record(gateway, &answer);
    match gateway.store.answer(subject(), AnswerSubmission::by(by, confirmation.id, answer, channel, approval)).await {
        Err(StoreError::NotApproved(id, why)) => {
            // Somebody else answered a moment ago: what they said counts.
            if let Some((_, now)) = gateway.store.confirmation(id).await? {
                still_good(&confirmation, &now)?;
            }
            return Err(StoreError::NotApproved(id, why).into());
        }
        answered => answered?,
    }
    let given = given.map_err(|no| Unusable::No(code_of(no), no.as_str().to_owned()))?;
    match Approved::of(&confirmation, &[given]) {
        Some(approved) => Ok(Some(approved)),
        None => no(ReasonCode::ConfirmationRequired, "other people must say yes, too"),
    }
}

/// Refuses what was used or refused already.
fn still_good(confirmation: &Confirmation, standing: &ConfirmationState) -> Result<(), Unusable> {
    match standing {
        ConfirmationState::Spent { call } => {
            no(ReasonCode::ConfirmationSpent, format!("the approval was used already, by call `{call}`"))
        }
        ConfirmationState::Refused { how, .. } if how == "timeout" => {
            no(ReasonCode::ConfirmationExpired, format!("the question expired at {}", confirmation.expires_at))
        }
        ConfirmationState::Refused { how, by, .. } if how == "failed" && by == GATEWAY => no(
            ReasonCode::TargetChanged,
            "the target, or what a person must prove, has changed since the question was asked",
        ),
        ConfirmationState::Refused { how, by, .. } => {
            no(ReasonCode::ConfirmationDeclined, format!("the question was answered already: {how}, by `{by}`"))
        }
        ConfirmationState::Open { .. } | ConfirmationState::Approved { .. } => Ok(()),
    }
}

/// What is written down of an answer: a secret typed by mistake, or a novel, is not.
pub(crate) fn for_the_record(gateway: &Gateway, answer: &Answer) -> Answer {
    match answer {
        Answer::Accept { typed: Some(typed) } => {
            // Redacted first: a secret cut in two would not be found.
            let typed = gateway.broker.redactor().text(typed);
            Answer::Accept { typed: Some(typed.chars().take(TYPED_CHARS).collect()) }
        }
        other => other.clone(),
    }
}

/// How a no is told apart in a reply.
const fn code_of(no: No) -> ReasonCode {
    match no {
        No::Mistyped { .. } => ReasonCode::ConfirmationMismatch,
        No::Declined => ReasonCode::ConfirmationDeclined,
        No::Cancelled => ReasonCode::ConfirmationCancelled,
        No::Late => ReasonCode::ConfirmationExpired,
        No::Failed => ReasonCode::ConfirmationInvalid,
    }
}

/// What as many people have approved as it needs.
pub(super) struct Approved {
    /// What their yeses prove together, as policies weigh it.
    pub(super) strength: Need,
    pub(super) basis: Basis,
}

/// What their yeses were to.
pub(super) enum Basis {
    /// This very call: used once.
    Confirmation(Uuid),
    /// Any call like it, for a while.
    Grant(Under),
}

impl Approved {
    fn of(confirmation: &Confirmation, approvals: &[Approval]) -> Option<Self> {
        let strength = confirmation.met_by(approvals)?;
        Some(Self { strength, basis: Basis::Confirmation(confirmation.id) })
    }
}
