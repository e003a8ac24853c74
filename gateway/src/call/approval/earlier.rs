//! What earlier questions say: a yes given meanwhile to the same request is used, a no to whatever has the same aim stays a
//! no for a while, and what is stale is closed.

use mollyguard_record::model::{Answer, CallFacts, Channel, Confirmation, ConfirmationState, Grant, Matches, matches};
use mollyguard_record::store::{AnswerSubmission, GATEWAY, Like, Quarantine, StoreError};
use mollyguard_tools::contract::{Preflight, now};

use super::{Approved, Unusable, no, refused};
use crate::call::context::CallContext;
use crate::gateway::Gateway;
use crate::reply::{ReasonCode, Refusal};

/// The approval for this very call that was given elsewhere meanwhile, such as on the page.
///
/// # Errors
/// A person has declined the same a short while ago, and not approved calls like it for a while since; or has approved what
/// has expired or changed since.
pub(super) async fn given_meanwhile(
    cx: &CallContext,
    seen: &Preflight,
    facts: &CallFacts<'_>,
    grant: Option<&Grant>,
) -> Result<Option<Approved>, Box<Refusal>> {
    let mut because = Vec::new();
    let found = async {
        not_quarantined(cx).await?;
        let like = Like { request: facts.request(), effect: facts.effect, aim: cx.aim(seen) };
        let asked = cx.gateway.store.asked_before(like).await?;
        if let Some(approved) = asked.iter().find_map(|(confirmation, standing)| usable(confirmation, standing, facts))
        {
            return Ok(Some(approved));
        }
        for (confirmation, standing) in &asked {
            because.clone_from(&confirmation.because);
            let is_over = grant.is_some_and(|grant| standing.was_refused_before(grant.given.at));
            if !is_over && let Some(why) = declined(&cx.gateway, confirmation, standing) {
                return no(ReasonCode::ConfirmationDeclined, why);
            }
        }
        let mut stale = Ok(());
        let same = |other: &Confirmation| other.request == facts.request() || other.effect == Some(facts.effect);
        for (confirmation, standing) in asked.iter().filter(|(confirmation, _)| same(confirmation)) {
            let Some(unusable) = close_stale(cx, seen, confirmation, standing, facts).await? else { continue };
            if stale.is_ok() {
                because.clone_from(&confirmation.because);
                stale = Err(unusable);
            }
        }
        stale.map(|()| None)
    };
    let found = found.await;
    found.map_err(|unusable| refused(cx, seen, unusable, because))
}

fn usable(confirmation: &Confirmation, standing: &ConfirmationState, facts: &CallFacts<'_>) -> Option<Approved> {
    let ConfirmationState::Approved { approvals } = standing else { return None };
    let is_this = confirmation.is_in_time(now()) && matches(confirmation, facts) == Matches::Exactly;
    Approved::of(confirmation, approvals).filter(|_| is_this)
}

/// Why nobody is asked, where a person has said no to this and that holds still.
pub(super) fn declined(gateway: &Gateway, confirmation: &Confirmation, standing: &ConfirmationState) -> Option<String> {
    let until = standing.is_a_no_until(gateway.config.confirm.denial).filter(|until| now() < *until)?;
    let ConfirmationState::Refused { by, at, .. } = standing else { return None };
    let (id, tool) = (confirmation.id, &confirmation.tool);
    Some(format!(
        "`{by}` declined this at {at} (confirmation {id}), and nobody is asked for another `{tool}` of the same before {until}"
    ))
}

/// Closes a question that no answer helps any more: its time is over, or the target is not what was shown. Where somebody
/// has said yes to it, this call was to use that, and is told why it cannot.
async fn close_stale(
    cx: &CallContext,
    seen: &Preflight,
    confirmation: &Confirmation,
    standing: &ConfirmationState,
    facts: &CallFacts<'_>,
) -> Result<Option<Unusable>, Unusable> {
    let (ConfirmationState::Open { approvals, .. } | ConfirmationState::Approved { approvals }) = standing else {
        return Ok(None);
    };
    let in_time = confirmation.is_in_time(now());
    let (answer, why) = match matches(confirmation, facts) {
        Matches::Exactly if in_time => return Ok(None),
        // Whoever asked in other words can use the answer still.
        Matches::OtherCall if in_time && confirmation.is_usable_in_other_words(facts) => return Ok(None),
        Matches::TargetChanged | Matches::OtherCall if in_time => (
            Answer::Failed,
            (ReasonCode::TargetChanged, "the target has changed since the question was asked".to_owned()),
        ),
        _ => (
            Answer::Timeout,
            (ReasonCode::ConfirmationExpired, format!("the question expired at {}", confirmation.expires_at)),
        ),
    };
    let channel = approvals.last().map_or(Channel::InputRequired, |approval| approval.channel);
    let given = AnswerSubmission::by(GATEWAY.to_owned(), confirmation.id, answer, channel, None);
    match cx.gateway.store.answer(cx.subject(Some(seen)), given).await {
        // Somebody else closed it meanwhile.
        Ok(()) | Err(StoreError::NotApproved(..)) => {}
        Err(error) => return Err(Unusable::Store(error)),
    }
    let is_this_call = confirmation.request == facts.request();
    Ok((is_this_call && !approvals.is_empty()).then_some(Unusable::No(why.0, why.1)))
}

/// Refuses those nobody is asked for any more, whatever was approved for them before.
pub(super) async fn not_quarantined(cx: &CallContext) -> Result<(), Unusable> {
    let quarantined = cx.gateway.store.quarantined().await?;
    match quarantined.iter().find(|quarantine| quarantine.user == cx.request.principal.user) {
        Some(quarantine) => no(ReasonCode::Denied, in_quarantine(quarantine)),
        None => Ok(()),
    }
}

pub(super) fn in_quarantine(Quarantine { user, since, why }: &Quarantine) -> String {
    format!("nobody is asked for `{user}` any more, since {since}: {why}")
}
