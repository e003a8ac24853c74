//! What an approval for a while covers, how it comes about, and what ends it.

use std::time::Duration;

use mollyguard_tools::contract::{Reversibility, Timestamp};
use uuid::Uuid;

use super::{EndGrants, Transition, Which, Write, people};
use crate::audit::{AuditEvent, Subject};
use crate::model::{
    Approval, Channel, Confirmation, Ended, Grant, GrantEnd, LONGEST, Moment, Need, Operator, strength,
};
use crate::store::{AnswerSubmission, Start, StoreError};

/// What there is to be known of a yes that is to stand for a while.
pub(crate) struct Lasting<'a> {
    /// The question.
    pub(crate) confirmation: &'a Confirmation,
    /// The answer.
    pub(crate) given: &'a AnswerSubmission,
    /// The yeses by which it stands as approved.
    pub(crate) approvals: &'a [Approval],
    /// For how long.
    pub(crate) lasts: Duration,
    /// Whether nobody is asked any more for whom the call is made.
    pub(crate) is_quarantined: bool,
    /// When.
    pub(crate) at: &'a Moment,
}

/// The approval for a while that an answer gives beside its yes: only on the page, by somebody who is enrolled and whose
/// yes alone is enough, to a call that can be undone, for as long as one may last.
pub(crate) fn of_answer(it: &Lasting<'_>, id: Uuid) -> Result<Grant, StoreError> {
    let Lasting { confirmation, given, approvals, lasts, is_quarantined, at } = *it;
    let refuse = |why: &str| Err(StoreError::NotApproved(confirmation.id, why.to_owned()));
    let (Some(operator), Channel::Page) = (given.operator, given.channel) else {
        return refuse("only an operator approves for a while, and only on the page");
    };
    let Some(covers) = confirmation.covers.clone().filter(|_| confirmation.may_last) else {
        return refuse("only a call that can be undone and needs one person is approved for a while");
    };
    let (1, [only]) = (confirmation.need.approvers, approvals) else {
        return refuse("what needs several people is not approved for a while");
    };
    if lasts.is_zero() || lasts > LONGEST {
        return refuse("nothing is approved for longer than an hour");
    }
    if is_quarantined {
        return refuse("nobody is asked any more for whom the call is made");
    }
    let Some(strength) = strength(approvals, &confirmation.principal).filter(|_| only.operator == Some(operator))
    else {
        return refuse("the approval is another person's");
    };
    // It stands for what was asked, and not for all that the answer happened to prove.
    let Need { assurance, others, .. } = confirmation.need;
    let strength =
        Need { assurance: strength.assurance.min(assurance), others: strength.others.min(others), ..strength };
    Ok(Grant {
        id,
        principal: confirmation.principal.clone(),
        tool: confirmation.tool.clone(),
        covers,
        strength,
        operator,
        by: given.by.clone(),
        passkey: given.signed.as_ref().map(|(assertion, _)| assertion.credential.to_string()),
        confirmation: confirmation.id,
        given: at.clone(),
        expires_at: at.at.saturating_add(lasts).unwrap_or(at.at),
    })
}

/// The record of one that is given.
pub(crate) fn given(grant: &Grant) -> (Subject, AuditEvent) {
    let event = AuditEvent::Granted {
        grant: grant.id,
        confirmation: grant.confirmation,
        operator: grant.operator,
        strength: grant.strength,
        about: grant.about(),
        until: grant.expires_at,
    };
    (subject(grant), event)
}

/// The record of one that has ended.
pub(crate) fn end_of(grant: &Grant, end: &GrantEnd) -> (Subject, AuditEvent) {
    (subject(grant), AuditEvent::GrantEnded { grant: grant.id, how: end.how, by: end.by })
}

fn subject(grant: &Grant) -> Subject {
    Subject {
        call: None,
        principal: Some(grant.principal.clone()),
        tool: Some(grant.tool.clone()),
        targets: grant.covers.targets.clone(),
        arguments: None,
    }
}

/// Whether a call that is about to start may do so under an approval for a while: it stands still, and the call is what it is
/// about. `giver` is who gave it, if they are enrolled still.
pub(crate) fn may_begin(
    id: Uuid,
    found: Option<&(Grant, Option<GrantEnd>)>,
    giver: Option<&Operator>,
    start: &Start,
    now: &Moment,
) -> Result<(), StoreError> {
    let refuse = |why: String| Err(StoreError::NotGranted(id, why));
    let Some((grant, end)) = found else { return refuse("it was never given".into()) };
    if let Some(GrantEnd { how, at, .. }) = end {
        return refuse(format!("{} at {at}", how.as_str()));
    }
    if !grant.is_in_time(now) {
        return refuse(format!("it expired at {}", grant.expires_at));
    }
    let giver = giver.filter(|operator| operator.id == grant.operator);
    let has = |passkey: &String| giver.is_some_and(|giver| giver.passkeys.iter().any(|own| own.id() == *passkey));
    if giver.is_none() || grant.passkey.as_ref().is_some_and(|passkey| !has(passkey)) {
        return refuse(format!("`{}`, who gave it, may not answer any more", grant.by));
    }
    let subject = &start.subject;
    if subject.tool.as_ref() != Some(&grant.tool) {
        return refuse("it is about another tool".into());
    }
    if !subject.principal.as_ref().is_some_and(|principal| grant.principal.is_same_person(principal)) {
        return refuse("it was given for somebody else".into());
    }
    let within = |some: &[_], others: &[_]| some.iter().all(|target| others.contains(target));
    if !within(&subject.targets, &grant.covers.targets) || !within(&grant.covers.targets, &subject.targets) {
        return refuse("it is about other targets".into());
    }
    let can_be_undone = start.reversibility == Reversibility::Reversible && !start.preflight.destroys_recovery;
    if !can_be_undone || start.undoes.is_some() || start.confirmation.is_some() {
        return refuse("it is about calls that can be undone and that take nothing back".into());
    }
    let Some(call) = &start.digests else { return refuse("what the call comes to is not known".into()) };
    if grant.covers.declaration != call.declaration {
        return refuse("the tool's declaration has changed since it was given".into());
    }
    if grant.covers.policies != call.policies {
        return refuse("the policies have changed since it was given".into());
    }
    if grant.covers.exact != call.targets {
        return refuse("it is about other targets".into());
    }
    Ok(())
}

/// Ends one that somebody revokes.
pub(crate) fn revoke(
    id: Uuid,
    found: Option<(Grant, Option<GrantEnd>)>,
    by: Option<Uuid>,
    operators: &[Operator],
    at: Timestamp,
) -> Result<Transition<()>, StoreError> {
    if let Some(by) = by {
        people::still_enrolled(operators, by)?;
    }
    match found {
        None => Err(StoreError::NotFound("approval for a while", id)),
        Some((_, Some(GrantEnd { how, at, .. }))) => {
            Err(StoreError::NotGranted(id, format!("{} at {at}", how.as_str())))
        }
        Some((grant, None)) => {
            let end = GrantEnd { how: Ended::Revoked, by, at };
            Ok(Transition { told: (), writes: vec![Write::GrantEnd(Box::new(grant), end)] })
        }
    }
}

/// Ends those whose time is over, whatever becomes of the clock.
pub(crate) fn run_out(found: Vec<(Grant, Option<GrantEnd>)>, at: Timestamp) -> Transition<()> {
    let over = found.into_iter().filter(|(_, end)| end.is_none());
    let end = GrantEnd { how: Ended::RanOut, by: None, at };
    let writes = over.map(|(grant, _)| Write::GrantEnd(Box::new(grant), end.clone())).collect();
    Transition { told: (), writes }
}

/// Those of the ones in force that end, each with its end.
pub(crate) fn ended(standing: Vec<Grant>, ends: &EndGrants, at: Timestamp) -> Vec<Write> {
    let meant = |grant: &Grant| match &ends.which {
        Which::ContradictedBy(question) => grant.is_contradicted_by(question),
        Which::ForUser(user) => grant.principal.user == *user,
        Which::GivenBy(operator) => grant.operator == *operator,
    };
    let end = GrantEnd { how: ends.how, by: ends.by, at };
    standing.into_iter().filter(meant).map(|grant| Write::GrantEnd(Box::new(grant), end.clone())).collect()
}

/// Whether one is older than what is kept.
pub(crate) fn is_over(grant: &Grant, before: Timestamp) -> bool {
    grant.expires_at < before
}
