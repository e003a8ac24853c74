//! Asking about one exact call, and weighing the answer that comes along with its repetition or was given elsewhere.

mod ask;
mod earlier;
mod grants;

use std::sync::Arc;

use mollyguard_record::audit::Subject;
use mollyguard_record::model::{
    Answer, Approval, Assurance, Because, CallFacts, Channel, Confirmation, ConfirmationState, Matches, Need, Operator,
    is_somebody_else, matches, not_linked, strength,
};
use mollyguard_record::store::{AnswerSubmission, GATEWAY, StoreError};
use mollyguard_tools::contract::{Preflight, now};
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::reply::{self, About, Answered, ReasonCode, Refusal, Request, Under};

pub(crate) use ask::{Question, ask, settled, shown};
pub(crate) use earlier::given_meanwhile;
pub(crate) use grants::{covering, covering_question};

/// The most characters of what was typed that are written down.
const TYPED_CHARS: usize = 120;

/// What helps where a person has said no.
const ANOTHER_WAY: &str = "Do not ask for the same again. Choose another way, or ask the person what they want.";

/// The approval for this very call that its repetition brings along; none where the question it was asked is open still.
pub(crate) async fn brought(
    gateway: &Arc<Gateway>,
    id: Uuid,
    request: &Request,
    facts: &CallFacts<'_>,
    seen: &Preflight,
) -> Result<Option<Approved>, Box<Refusal>> {
    let Some(answered) = &request.answered else { return Ok(None) };
    match weigh(gateway, id, request, answered, facts, seen).await {
        Ok(approved) => Ok(approved),
        Err(unusable) => {
            let because = asked_by(gateway, request, answered).await;
            Err(refused(gateway, id, request, facts, seen, unusable, because).await)
        }
    }
}

/// The recorded refusal of a call whose approval cannot be used.
async fn refused(
    gateway: &Gateway,
    id: Uuid,
    request: &Request,
    facts: &CallFacts<'_>,
    seen: &Preflight,
    unusable: Unusable,
    because: Vec<Because>,
) -> Box<Refusal> {
    let mut about = About::seen(id, "deny", seen.reversibility, seen);
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
    let subject = gateway.subject(id, &request.principal, facts.tool, facts.args, seen);
    gateway.on_record(subject, refusal).await
}

/// Closes a question whose approval the store did not take, so that the next call like it asks anew. One that was used, or
/// answered otherwise meanwhile, stays as it is.
pub(crate) async fn void(gateway: &Gateway, subject: Subject, confirmation: Uuid) {
    let given = AnswerSubmission::by(GATEWAY.to_owned(), confirmation, Answer::Failed, Channel::InputRequired, None);
    match gateway.store.answer(subject, given).await {
        Ok(()) | Err(StoreError::NotApproved(..) | StoreError::NotFound(..)) => {}
        Err(error) => tracing::error!(%confirmation, %error, "a question that no answer helps could not be closed"),
    }
}

/// The policies that asked the question an answer came along for; only its own principal is told.
async fn asked_by(gateway: &Gateway, request: &Request, answered: &Answered) -> Vec<Because> {
    match gateway.store.confirmation(answered.confirmation).await {
        Ok(Some((confirmation, _))) if confirmation.principal.is_same_person(&request.principal) => {
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

/// Weighs an answer: the confirmation must exist, be this principal's, be open, unexpired and about this very call, and
/// the answer must be the exact yes that was asked for. Everything else is a refusal, told apart by its reason code; but
/// where the answer was only waited for elsewhere, the question may stay open.
async fn weigh(
    gateway: &Gateway,
    id: Uuid,
    request: &Request,
    answered: &Answered,
    facts: &CallFacts<'_>,
    seen: &Preflight,
) -> Result<Option<Approved>, Unusable> {
    earlier::not_quarantined(gateway, request).await?;
    let found = gateway.store.confirmation(answered.confirmation).await?;
    let Some((confirmation, standing)) = found else {
        return no(ReasonCode::ConfirmationInvalid, "the answer belongs to nothing this gateway asked");
    };
    if !confirmation.principal.is_same_person(&request.principal) {
        return no(ReasonCode::ConfirmationInvalid, "the question was put for another principal");
    }
    still_good(&confirmation, &standing)?;
    let channel = request.channel.or(request.page).unwrap_or(Channel::InputRequired);
    let subject = || gateway.subject(id, &request.principal, facts.tool, facts.args, seen);
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
    let elsewhere = match standing {
        ConfirmationState::Approved { approvals } => Approved::of(&confirmation, &approvals),
        _ => None,
    };
    let Some(answer) = &answered.answer else { return Ok(elsewhere) };
    let answer = meant(&confirmation, answer);
    let by = Approver::unproven(request.principal.user.clone(), channel);
    let verdict = verdict(&confirmation, &answer, &by);
    // Approved elsewhere meanwhile. Silence here leaves that standing; a no here takes it back.
    let silent = matches!(answer, Answer::Timeout | Answer::Failed);
    // And what was mistyped here takes nothing back: it is written down as a try that failed.
    if elsewhere.is_some() && (silent || verdict.is_ok()) {
        return Ok(elsewhere);
    }
    if let (Err((ReasonCode::ConfirmationInvalid, why)), Answer::Accept { .. }) = (&verdict, &answer) {
        // What comes by a way that proves too little is neither a yes nor a no: the question stays open.
        gateway.store.reject(confirmation.id, channel, None, why.clone()).await?;
        return no(ReasonCode::ConfirmationInvalid, why.clone());
    }
    let approval = verdict.as_ref().ok().cloned();
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
    let given = verdict.map_err(|(code, message)| Unusable::No(code, message))?;
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

/// The answer as the person meant it: who chooses `decline` where there is a choice has declined.
pub(crate) fn meant(confirmation: &Confirmation, answer: &Answer) -> Answer {
    match answer {
        Answer::Accept { typed: Some(word) } if wanted(confirmation) == APPROVE && word == "decline" => Answer::Decline,
        other => other.clone(),
    }
}

/// What is chosen where no name is typed.
pub(crate) const APPROVE: &str = "approve";

/// What must be typed or chosen.
fn wanted(confirmation: &Confirmation) -> &str {
    if confirmation.need.assurance >= Assurance::Typed { &confirmation.typed_name } else { APPROVE }
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

/// Who answers, and what that proves.
#[derive(Clone, Debug)]
pub(crate) struct Approver {
    /// Their name.
    pub(crate) name: String,
    /// The enrolled person that is, where the channel knows one.
    pub(crate) operator: Option<Uuid>,
    /// The user they are linked to.
    pub(crate) user: Option<String>,
    /// What a yes of theirs proves at most.
    pub(crate) proves: Assurance,
    /// By which way they answer.
    pub(crate) channel: Channel,
}

impl Approver {
    /// Somebody of this name, by a way that proves no more than that a name was typed.
    pub(crate) const fn unproven(name: String, channel: Channel) -> Self {
        Self { name, operator: None, user: None, proves: Assurance::Typed, channel }
    }

    /// An enrolled person, by a way that proves so much.
    pub(crate) fn enrolled(operator: &Operator, proves: Assurance, channel: Channel) -> Self {
        let (name, user) = (operator.name.clone(), operator.user.clone());
        Self { name, operator: Some(operator.id), user, proves, channel }
    }

    /// Whether a yes of theirs can count towards what is needed.
    pub(crate) fn suits(&self, confirmation: &Confirmation) -> Result<(), String> {
        let need = confirmation.need;
        if self.operator.is_none() && !Need::IN_CLIENT.covers(&need) {
            return Err(not_here(&need));
        }
        if self.proves < need.assurance {
            let (needed, proven) = (need.assurance.as_str(), self.proves.as_str());
            return Err(format!("it needs {needed}, and this proves {proven} at most"));
        }
        match not_counted(&need, &self.name, self.user.as_deref(), &confirmation.principal.user) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }
}

/// Why the yes of an operator of this name, linked to this user, does not count towards what needs somebody else than who
/// a call is made for.
pub(crate) fn not_counted(need: &Need, name: &str, user: Option<&str>, made_for: &str) -> Option<String> {
    if need.others == 0 {
        return None;
    }
    if user.is_none() {
        return Some(not_linked(name));
    }
    let is_own = need.others >= need.approvers && !is_somebody_else(name, user, made_for);
    is_own.then(|| "the call is made for the same person, and somebody else is needed".to_owned())
}

/// What an answer amounts to: the yes that was asked for, or which kind of no.
pub(crate) fn verdict(
    confirmation: &Confirmation,
    answer: &Answer,
    by: &Approver,
) -> Result<Approval, (ReasonCode, String)> {
    match answer {
        Answer::Accept { typed } => {
            by.suits(confirmation).map_err(|why| (ReasonCode::ConfirmationInvalid, why))?;
            if typed.as_deref() != Some(wanted(confirmation)) {
                let why = "the answer is not the exact text that was asked for, so it is no approval";
                return Err((ReasonCode::ConfirmationMismatch, why.to_owned()));
            }
            Ok(Approval {
                confirmation: confirmation.id,
                approver: by.name.clone(),
                operator: by.operator,
                user: by.user.clone(),
                assurance: match by.operator {
                    Some(_) => by.proves,
                    // What was not asked for was not proven either.
                    None => by.proves.min(confirmation.need.assurance),
                },
                channel: by.channel,
                at: now(),
            })
        }
        Answer::Decline => Err((ReasonCode::ConfirmationDeclined, "the person declined".to_owned())),
        Answer::Cancel => {
            Err((ReasonCode::ConfirmationCancelled, "the question was closed without an answer".to_owned()))
        }
        Answer::Timeout => Err((ReasonCode::ConfirmationExpired, "nobody answered in time".to_owned())),
        Answer::Failed => Err((ReasonCode::ConfirmationInvalid, "the client could not ask".to_owned())),
    }
}

/// Why the yes of somebody unknown to this does not count.
pub(crate) fn not_here(need: &Need) -> String {
    format!(
        "this cannot be answered here; it needs {need}, given on the gateway's own page, or at the operators' socket \
             of a separate gateway with an operator's code"
    )
}

/// What as many people have approved as it needs.
pub(crate) struct Approved {
    /// What their yeses prove together, as policies weigh it.
    pub(crate) strength: Need,
    pub(crate) basis: Basis,
}

/// What their yeses were to.
pub(crate) enum Basis {
    /// This very call: used once.
    Confirmation(Uuid),
    /// Any call like it, for a while.
    Grant(Under),
}

impl Approved {
    fn of(confirmation: &Confirmation, approvals: &[Approval]) -> Option<Self> {
        let strength = strength(approvals, &confirmation.principal)?;
        strength.covers(&confirmation.need).then_some(Self { strength, basis: Basis::Confirmation(confirmation.id) })
    }
}
