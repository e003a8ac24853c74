//! Asking about one exact call, and weighing the answer that comes along with its repetition.

use std::sync::Arc;

use mollyguard_tools::contract::{Preflight, Reversibility, now};
use uuid::Uuid;

use crate::confirm::{
    Answer, Approval, Asked, Assurance, CallFacts, Channel, Confirmation, Matches, Need, Standing, digest_of_call,
    matches, render, typed_name,
};
use crate::gateway::Gateway;
use crate::journal::Errand;
use crate::policy::Because;
use crate::reply::{self, About, Answered, Pending, ReasonCode, Refusal, Reply, Request};
use crate::store::StoreError;

/// The most characters of what was typed that are written down.
const TYPED_CHARS: usize = 120;

/// What a question is made of.
pub(crate) struct Question<'a> {
    pub(crate) id: Uuid,
    pub(crate) need: Need,
    pub(crate) because: Vec<Because>,
    pub(crate) reversibility: Reversibility,
    pub(crate) seen: &'a Preflight,
    pub(crate) facts: &'a CallFacts<'a>,
}

/// Writes a question down and hands it to the channel the client has; without one, the pending question is the reply.
pub(crate) async fn ask(
    gateway: &Arc<Gateway>,
    request: &Request,
    errand: &Errand,
    question: Question<'_>,
) -> Result<Reply, Box<Refusal>> {
    let mut about = About::seen(question.id, "confirm", question.reversibility, question.seen);
    about.policies.clone_from(&question.because);
    if request.channel.is_none() {
        // A client that cannot ask repeats the call: the question it was told of stays the same one.
        let waiting = gateway.store.pending(question.facts.request(), question.facts.state()).await;
        if let Some((confirmation, _)) = waiting.map_err(|error| Refusal::of_store(&error, about.clone()))? {
            return Err(Box::new(pending(&confirmation, &question, about)));
        }
    }
    let confirmation = confirmation(gateway, request, errand, &question);
    let name = &errand.tool.declaration.name;
    let subject = gateway.subject(question.id, &request.principal, name, &errand.args, question.seen);
    let asked = gateway.store.ask(subject, confirmation.clone(), request.channel).await;
    asked.map_err(|error| Refusal::of_store(&error, about.clone()))?;
    if request.channel.is_none() {
        return Err(Box::new(pending(&confirmation, &question, about)));
    }
    Ok(Reply::Ask(Box::new(reply::Question {
        confirmation: confirmation.id,
        need: confirmation.need,
        typed_name: confirmation.typed_name,
        text: confirmation.text,
        expires_at: confirmation.expires_at,
        about,
    })))
}

fn confirmation(gateway: &Gateway, request: &Request, errand: &Errand, question: &Question<'_>) -> Confirmation {
    let id = Uuid::now_v7();
    let asked_at = now();
    let life = jiff::SignedDuration::try_from(gateway.config.confirm_for).unwrap_or(jiff::SignedDuration::ZERO);
    let expires_at = asked_at.saturating_add(life).unwrap_or(asked_at);
    let typed = question.seen.targets.first().map_or_else(|| errand.target.clone(), typed_name);
    // A name that holds a secret is shown without it, so it could not be typed.
    let redactor = gateway.broker.redactor();
    let typed = if redactor.text(&typed) == typed { typed } else { errand.target.clone() };
    let text = render(&Asked {
        declaration: &errand.tool.declaration,
        args: &request.args,
        principal: &request.principal,
        seen: question.seen,
        reversibility: question.reversibility,
        need: question.need,
        undoes: question.facts.undoes,
        because: &question.because,
        typed_name: &typed,
        expires_at,
    });
    Confirmation {
        id,
        principal: request.principal.clone(),
        tool: errand.tool.declaration.name.to_string(),
        request: question.facts.request(),
        state: question.facts.state(),
        call: digest_of_call(question.facts, id, expires_at),
        need: question.need,
        typed_name: typed,
        // What is shown, and what its digest is recorded of, holds no secret.
        text: gateway.broker.redactor().text(&text).into_owned(),
        because: question.because.clone(),
        asked_at,
        expires_at,
    }
}

fn pending(confirmation: &Confirmation, question: &Question<'_>, about: About) -> Refusal {
    let message = "a person must confirm this call, and this client cannot ask them";
    let mut next = format!(
        "Tell the person: `mollyguard approvals approve {}` shows the question on their terminal and takes their answer. \
         Repeat the same call once they have answered.",
        confirmation.id
    );
    if let Some(way) = &question.seen.alternative {
        next = format!("Use `{}` instead: {}. Or: {next}", way.tool, way.summary);
    }
    let mut refusal = Refusal::new(ReasonCode::ConfirmationRequired, message, next, about);
    refusal.because.clone_from(&question.because);
    refusal.confirmation = Some(Pending::from(confirmation));
    refusal.alternative = question.seen.alternative.as_ref().map(reply::way_of);
    refusal
}

/// The approval for this very call that its repetition brings along.
pub(crate) async fn brought(
    gateway: &Arc<Gateway>,
    id: Uuid,
    request: &Request,
    facts: &CallFacts<'_>,
    seen: &Preflight,
) -> Result<Option<Approval>, Box<Refusal>> {
    let Some(answered) = &request.answered else { return Ok(None) };
    let weighed = weigh(gateway, id, request, answered, facts, seen).await;
    let mut about = About::seen(id, "deny", seen.reversibility, seen);
    let (code, message) = match weighed {
        Ok(approval) => return Ok(Some(approval)),
        Err(Unusable::Store(error)) => return Err(Box::new(Refusal::of_store(&error, about))),
        Err(Unusable::No(code, message)) => (code, message),
    };
    let because = asked_by(gateway, request, answered).await;
    about.policies.clone_from(&because);
    let next = match code {
        ReasonCode::TargetChanged => "Look again: the same call asks anew about what is there now.",
        ReasonCode::ConfirmationDeclined => {
            "Do not ask for the same again. Choose another way, or ask the person what they want."
        }
        _ => "Nothing more to do, or make the call again to be asked anew.",
    };
    let mut refusal = Refusal::new(code, message, next, about);
    refusal.because = because;
    refusal.alternative = seen.alternative.as_ref().map(reply::way_of);
    let subject = gateway.subject(id, &request.principal, facts.tool, facts.args, seen);
    let event =
        crate::audit::AuditEvent::Denied { reason_code: code.as_str().to_owned(), because: refusal.because.clone() };
    if let Err(error) = gateway.store.record(subject, event).await {
        return Err(Box::new(Refusal::of_store(&error, refusal.about)));
    }
    Err(Box::new(refusal))
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

/// The approval for this very call that was given meanwhile on another channel, for a client that cannot ask itself.
pub(crate) async fn given_meanwhile(
    gateway: &Gateway,
    id: Uuid,
    request: &Request,
    facts: &CallFacts<'_>,
    seen: &Preflight,
) -> Result<Option<Approval>, Box<Refusal>> {
    if request.channel.is_some() || request.answered.is_some() {
        return Ok(None);
    }
    let waiting = gateway.store.pending(facts.request(), facts.state()).await;
    match waiting.map_err(|error| Refusal::of_store(&error, About::seen(id, "deny", seen.reversibility, seen)))? {
        Some((confirmation, Standing::Approved { approval })) if matches(&confirmation, facts) == Matches::Exactly => {
            Ok(Some(approval))
        }
        _ => Ok(None),
    }
}

/// Weighs an answer: the confirmation must exist, be this principal's, be open, unexpired and about this very call, and
/// the answer must be the exact yes that was asked for. Everything else is a refusal, told apart by its reason code.
async fn weigh(
    gateway: &Gateway,
    id: Uuid,
    request: &Request,
    answered: &Answered,
    facts: &CallFacts<'_>,
    seen: &Preflight,
) -> Result<Approval, Unusable> {
    let found = gateway.store.confirmation(answered.confirmation).await?;
    let Some((confirmation, standing)) = found else {
        return no(ReasonCode::ConfirmationInvalid, "the answer belongs to nothing this gateway asked");
    };
    if !confirmation.principal.is_same_person(&request.principal) {
        return no(ReasonCode::ConfirmationInvalid, "the question was put for another principal");
    }
    match standing {
        Standing::Spent { call } => {
            return no(ReasonCode::ConfirmationSpent, format!("the approval was used already, by call `{call}`"));
        }
        Standing::Refused { how } if how == "timeout" => {
            return no(ReasonCode::ConfirmationExpired, format!("the question expired at {}", confirmation.expires_at));
        }
        Standing::Refused { how } => {
            return no(ReasonCode::ConfirmationDeclined, format!("the question was answered already: {how}"));
        }
        Standing::Open | Standing::Approved { .. } => {}
    }
    match matches(&confirmation, facts) {
        Matches::OtherCall => {
            return no(ReasonCode::ConfirmationInvalid, "the question was about another call than this one");
        }
        Matches::TargetChanged => {
            return no(ReasonCode::TargetChanged, "the target has changed since the question was asked");
        }
        Matches::Exactly => {}
    }
    if !confirmation.is_in_time(now()) {
        // Written down, so that it stays expired whatever becomes of the clock.
        let (subject, by) =
            (gateway.subject(id, &request.principal, facts.tool, facts.args, seen), "mollyguard".to_owned());
        let channel = request.channel.unwrap_or(Channel::InputRequired);
        gateway.store.answer(subject, confirmation.id, Answer::Timeout, channel, by, None).await?;
        return no(ReasonCode::ConfirmationExpired, format!("the question expired at {}", confirmation.expires_at));
    }
    let channel = request.channel.unwrap_or(Channel::InputRequired);
    let verdict = verdict(&confirmation, answered, &request.principal.user, channel);
    if let Standing::Approved { approval } = standing {
        // Approved elsewhere meanwhile. Silence here leaves that standing; a no here takes it back.
        let silent = matches!(answered.answer, Answer::Timeout | Answer::Failed);
        if silent || verdict.is_ok() {
            return Ok(approval);
        }
    }
    let subject = gateway.subject(id, &request.principal, facts.tool, facts.args, seen);
    let approval = verdict.as_ref().ok().cloned();
    let by = request.principal.user.clone();
    let answer = for_the_record(gateway, &answered.answer);
    gateway.store.answer(subject, confirmation.id, answer, channel, by, approval).await?;
    verdict.map_err(|(code, message)| Unusable::No(code, message))
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

/// What an answer amounts to: the yes that was asked for, or which kind of no.
pub(crate) fn verdict(
    confirmation: &Confirmation,
    answered: &Answered,
    approver: &str,
    channel: Channel,
) -> Result<Approval, (ReasonCode, String)> {
    let wanted = if confirmation.need.assurance >= Assurance::Typed { &confirmation.typed_name } else { "approve" };
    match &answered.answer {
        Answer::Accept { typed: Some(typed) } if typed == wanted => Ok(Approval {
            confirmation: confirmation.id,
            approver: approver.to_owned(),
            // An answer in the client or on a terminal proves no more than that the name was typed.
            assurance: confirmation.need.assurance.min(Assurance::Typed),
            channel,
            at: now(),
        }),
        Answer::Accept { typed: Some(typed) } if wanted == "approve" && typed == "decline" => {
            Err((ReasonCode::ConfirmationDeclined, "the person chose decline".to_owned()))
        }
        Answer::Accept { .. } => Err((
            ReasonCode::ConfirmationMismatch,
            "the answer is not the exact text that was asked for, so it is no approval".to_owned(),
        )),
        Answer::Decline => Err((ReasonCode::ConfirmationDeclined, "the person declined".to_owned())),
        Answer::Cancel => {
            Err((ReasonCode::ConfirmationCancelled, "the question was closed without an answer".to_owned()))
        }
        Answer::Timeout => Err((ReasonCode::ConfirmationExpired, "nobody answered in time".to_owned())),
        Answer::Failed => Err((ReasonCode::ConfirmationInvalid, "the client could not ask".to_owned())),
    }
}

impl Approval {
    /// What it proves, as policies weigh it.
    #[must_use]
    pub const fn strength(&self) -> Need {
        Need { assurance: self.assurance, approvers: 1 }
    }
}
