//! Writing a question down, and waiting for what becomes of it.

use std::time::Duration;

use mollyguard_record::model::{
    Because, CallFacts, Channel, Confirmation, ConfirmationState, Coverage, Need, digest_of_call,
};
use mollyguard_record::store::{Asking, Bounds, Quarantine, Showing};
use mollyguard_tools::contract::{Preflight, now};
use serde_json::Value;
use uuid::Uuid;

use super::{ANOTHER_WAY, earlier, grants};
use crate::call::context::CallContext;
use crate::confirm::{self, Asked, typed_name};
use crate::gateway::Gateway;
use crate::reply::{
    self, About, Delivery, Pending, ReasonCode, Refusal, Reply, Request, for_people, redacted_principal,
    redacted_targets,
};
use crate::retention;

/// A busy store is not read again for every change somebody waits through.
const PAUSE: Duration = Duration::from_millis(25);

/// Writes a question down, unless the same is open already, and says how it is to be put.
pub(in crate::call) async fn ask(
    cx: &CallContext,
    seen: &Preflight,
    facts: &CallFacts<'_>,
    need: Need,
    because: Vec<Because>,
) -> Result<Reply, Box<Refusal>> {
    let gateway = &cx.gateway;
    let mut about = cx.seen("confirm", seen);
    about.policies.clone_from(&because);
    let made = confirmation(cx, seen, facts, need, because);
    let subject = cx.subject(Some(seen));
    let somebody = gateway.store.operators().await.map_err(|error| Refusal::of_store(&error, about.clone()))?;
    let can_page = !somebody.is_empty() && gateway.page_of(made.id).is_some();
    let (put, channel) = delivery(&cx.request, &made.need, can_page);
    let rules = &gateway.config.confirm;
    let bounds = Bounds { denial: rules.denial, open: rules.open_questions, flood: rules.flood };
    let asking = gateway.store.ask(subject, made.clone(), channel, bounds).await;
    let (confirmation, is_new) = match asking.map_err(|error| Refusal::of_store(&error, about.clone()))? {
        Asking::Asked => {
            gateway.notices.asked(&made, seen);
            (made, true)
        }
        Asking::Already(confirmation, _) => (*confirmation, false),
        // The store has written these down.
        Asking::InOtherWords(other) => return Err(Box::new(in_other_words(gateway, &other, about).recorded())),
        Asking::Declined(no, standing) => {
            let why = earlier::declined(gateway, &no, &standing);
            let why = why.unwrap_or_else(|| format!("it was declined (confirmation {})", no.id));
            let mut refusal = Refusal::new(ReasonCode::ConfirmationDeclined, why, ANOTHER_WAY, about);
            refusal.because = no.because;
            return Err(Box::new(refusal.recorded()));
        }
        Asking::TooMany { open } => return Err(Box::new(too_many(open, about).recorded())),
        Asking::Quarantined(quarantine) => return Err(Box::new(nobody_is_asked(&quarantine, about))),
    };
    let told = confirmation.told().cloned();
    Ok(Reply::Ask(Box::new(reply::Question {
        put,
        is_new,
        page: gateway.page_of(confirmation.id).filter(|_| can_page),
        alternative: seen.alternative.as_ref().map(reply::way_of),
        confirmation: confirmation.id,
        need: confirmation.need,
        typed_name: confirmation.typed_name,
        facts: told,
        text: confirmation.text,
        expires_at: confirmation.expires_at,
        about,
    })))
}

/// Counts that a question is shown once more, in another dialog: each is one more that somebody has to look at. Whether it may
/// be, since no other process shows it; a refusal where nobody is asked for this user any more.
pub(crate) async fn shown(
    gateway: &Gateway,
    question: &reply::Question,
    channel: Channel,
) -> Result<bool, Box<Refusal>> {
    // That was written down when it was asked.
    if question.is_new {
        return Ok(true);
    }
    let about = question.about.clone();
    let flood = gateway.config.confirm.flood;
    match gateway.store.shown(about.id, question.confirmation, channel, flood).await {
        Ok(Showing::Here) => Ok(true),
        Ok(Showing::Elsewhere) => Ok(false),
        Ok(Showing::Quarantined(quarantine)) => Err(Box::new(nobody_is_asked(&quarantine, about))),
        Err(error) => Err(Box::new(Refusal::of_store(&error, about))),
    }
}

/// A question is not shown by this process any more. Where that cannot be written down, others wait with showing it until its
/// time is over.
pub(crate) async fn shown_no_more(gateway: &Gateway, confirmation: Uuid) {
    if let Err(error) = gateway.store.shown_no_more(confirmation).await {
        tracing::warn!(%confirmation, %error, "other processes take this question for shown still");
    }
}

/// The refusal of a call of somebody whom nobody is asked for any more. The store has written it down.
fn nobody_is_asked(quarantine: &Quarantine, about: About) -> Refusal {
    let next =
        "Tell the person: an operator ends it on the page, under People, or with `mollyguard approvals lift USER`.";
    Refusal::new(ReasonCode::Denied, earlier::in_quarantine(quarantine), next, about).recorded()
}

/// How a question reaches a person from this client. A form takes no answer that needs more than it can prove, and a page
/// only answers of those who are enrolled.
fn delivery(request: &Request, need: &Need, can_page: bool) -> (Delivery, Option<Channel>) {
    let form = request.channel.filter(|_| Need::IN_CLIENT.covers(need));
    let page = request.page.filter(|_| can_page);
    match (form, page) {
        (Some(channel), _) => (Delivery::Form, Some(channel)),
        (None, Some(channel)) => (Delivery::Page, Some(channel)),
        (None, None) => (Delivery::Elsewhere, None),
    }
}

fn too_many(open: u32, about: About) -> Refusal {
    Refusal::new(
        ReasonCode::Unavailable,
        format!("{open} of your questions wait for a person already, and nobody is asked more at a time"),
        "Wait until a person has answered some of them: repeat those calls, or look with `confirmation_status`. Asking for \
         much more ends with nobody being asked for you at all.",
        about,
    )
}

/// Nobody is asked twice about what comes to the same.
fn in_other_words(gateway: &Gateway, other: &Confirmation, about: About) -> Refusal {
    let message = format!("the same was asked for in other words already, and confirmation {} is about that", other.id);
    let next = "Repeat that call exactly as it was made: it uses the answer. `confirmation_status` shows whether there is one.";
    let mut refusal = Refusal::new(ReasonCode::ConfirmationRequired, message, next, about);
    refusal.because.clone_from(&other.because);
    refusal.confirmation = Some(Pending {
        id: other.id,
        question: other.text.clone(),
        need: other.need,
        expires_at: other.expires_at,
        page: gateway.page_of(other.id),
    });
    refusal
}

fn confirmation(
    cx: &CallContext,
    seen: &Preflight,
    facts: &CallFacts<'_>,
    need: Need,
    because: Vec<Because>,
) -> Confirmation {
    let (gateway, plan, request) = (&cx.gateway, &cx.plan, &cx.request);
    let id = Uuid::now_v7();
    let asked_at = now();
    let life = jiff::SignedDuration::try_from(gateway.config.confirm.expires).unwrap_or(jiff::SignedDuration::ZERO);
    let expires_at = asked_at.saturating_add(life).unwrap_or(asked_at);
    let typed = seen.targets.first().map_or_else(|| plan.target.clone(), typed_name);
    // A name that holds a secret is shown without it, so it could not be typed.
    let redactor = gateway.broker.redactor();
    let typed = if redactor.text(&typed) == typed { typed } else { plan.target.clone() };
    // What is shown holds no secret. They are taken out before it is rendered: an escape or a mark inside of one would hide
    // it from the search.
    let shown = for_people(seen, redactor);
    let reversibility = seen.class(cx.declaration());
    let mut args = Value::clone(&request.args);
    redactor.value(&mut args);
    let undo_until = retention::from_now(gateway, &cx.declaration().name, seen, None).map(retention::at_the_latest);
    let told = confirm::facts(&Asked {
        declaration: cx.declaration(),
        args: &args,
        principal: &redacted_principal(&request.principal, redactor),
        seen: &shown,
        reversibility,
        need,
        undoes: facts.undoes,
        undo_until: undo_until.as_deref(),
        because: &because,
        typed_name: &typed,
        expires_at,
    });
    // Nor is one made up of what stands side by side.
    let rendered = told.to_string();
    let text = redactor.text(&rendered).into_owned();
    let is_whole = text == rendered;
    Confirmation {
        id,
        principal: request.principal.clone(),
        tool: cx.declaration().name.to_string(),
        request: facts.request(),
        state: facts.state(),
        effect: Some(facts.effect),
        aim: cx.aim(seen).kept(),
        arguments: Some(gateway.args_key.digest(facts.args)),
        call: digest_of_call(facts, id, expires_at),
        need,
        typed_name: typed,
        text,
        facts: is_whole.then_some(told),
        because,
        asked_at,
        expires_at,
        covers: Some(Coverage::of(facts, redacted_targets(&seen.targets, redactor))),
        may_last: grants::may_last(facts, seen, reversibility) && need.approvers == 1,
    }
}

/// Returns once a confirmation is not open any more: enough people have said yes, somebody said no, or its time is over.
pub(crate) async fn answered(gateway: &Gateway, id: Uuid) {
    let mut changes = gateway.store.changes();
    while let Ok(Some((confirmation, ConfirmationState::Open { .. }))) = gateway.store.confirmation(id).await {
        let left = Duration::try_from(confirmation.expires_at.duration_since(now())).unwrap_or_default();
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(PAUSE.min(left)).await;
        tokio::select! {
            () = changes.changed() => {}
            () = tokio::time::sleep(left) => {}
        }
    }
}
