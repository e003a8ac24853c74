//! Whether a question may be put or shown: which one is the same, whose no holds, how many of one user's are open, how many
//! they asked of late, and who is not asked for any more.

use jiff::SignedDuration;
use mollyguard_tools::contract::{Digest, Timestamp};
use uuid::Uuid;

use super::{EndGrants, Transition, Which, Write, confirmations, denied};
use crate::audit::{AuditEvent, Subject};
use crate::model::{Channel, Confirmation, ConfirmationState, Ended, Operator, Principal, UNHEARD};
use crate::store::{Asking, Bounds, Quarantine, Showing, StoreError};

/// What counts as of late. Longer than a question lives, so that all open ones are among those.
pub(crate) const OF_LATE: SignedDuration = SignedDuration::from_mins(10);

/// Since when what was asked is of late.
pub(crate) fn of_late(at: Timestamp) -> Timestamp {
    at.saturating_sub(OF_LATE).unwrap_or(Timestamp::MIN)
}

/// Whether a question can be answered or used still.
pub(crate) fn is_pending(question: &Confirmation, state: &ConfirmationState, at: Timestamp) -> bool {
    matches!(state, ConfirmationState::Open { .. } | ConfirmationState::Approved { .. }) && question.is_in_time(at)
}

/// Whether it can, and comes to the same as the one that is to be put, in whatever words: what is found is the same, and the
/// rules are.
pub(crate) fn is_same_effect(
    other: &Confirmation,
    state: &ConfirmationState,
    asked: &Confirmation,
    at: Timestamp,
) -> bool {
    let rules = |of: &Confirmation| of.covers.as_ref().map(|covers| (covers.declaration, covers.policies));
    is_pending(other, state, at)
        && asked.effect.is_some()
        && other.effect == asked.effect
        && (other.state, rules(other)) == (asked.state, rules(asked))
}

/// Whether a question of late waits for an answer. One that cannot be read counts: nobody can tell.
pub(crate) fn is_open(found: Result<Option<(Confirmation, ConfirmationState)>, StoreError>, at: Timestamp) -> bool {
    match found {
        Ok(Some((question, ConfirmationState::Open { .. }))) => question.is_in_time(at),
        Ok(_) => false,
        Err(_) => true,
    }
}

/// What was asked before, as far as it matters for a question that is to be put.
#[derive(Debug)]
pub(crate) struct Before<'a> {
    /// Since when nobody is asked for the user, if so.
    pub(crate) quarantine: Option<Quarantine>,
    /// The newest that is pending about the same request and state.
    pub(crate) same: Option<(Confirmation, ConfirmationState)>,
    /// The operators who answered that and are enrolled.
    pub(crate) operators: &'a [Operator],
    /// The newest that comes to the same in other words: see [`is_same_effect`].
    pub(crate) in_other_words: Option<Confirmation>,
    /// Those that were declined and share the aim, newest first.
    pub(crate) declined: Vec<(Confirmation, ConfirmationState)>,
    /// How many the user asked of late.
    pub(crate) of_late: usize,
    /// How many of those are open: see [`is_open`].
    pub(crate) open: usize,
}

/// Puts a question, unless it is there already, or one too many, or somebody has said no to its like.
pub(crate) fn ask(
    asked: &Confirmation,
    (subject, channel): (Subject, Option<Channel>),
    before: Before<'_>,
    bounds: Bounds,
    at: Timestamp,
) -> Transition<Asking> {
    let with = |told, writes| Transition { told, writes };
    if let Some(quarantine) = before.quarantine {
        return with(Asking::Quarantined(quarantine), vec![denied(subject, "denied")]);
    }
    let mut writes = Vec::new();
    if let Some((same, state)) = before.same {
        if can_be_enough(&same, &state, asked, before.operators) {
            return Transition::nothing(Asking::Already(Box::new(same), state));
        }
        // Whoever answered it, or does yet, is not enough any more: nobody waits for that.
        writes.extend(confirmations::close(&same, at));
    } else if let Some(other) = before.in_other_words {
        return with(Asking::InOtherWords(Box::new(other)), vec![denied(subject, "confirmation_required")]);
    }
    let holds = |state: &ConfirmationState| state.is_a_no_until(bounds.denial).is_some_and(|until| at < until);
    if let Some((no, state)) = before.declined.into_iter().find(|(_, state)| holds(state)) {
        writes.push(denied(subject, "confirmation_declined"));
        return with(Asking::Declined(Box::new(no), state), writes);
    }
    if before.of_late >= count(bounds.flood) {
        let (quarantine, flood) = flooded(subject, &asked.principal, bounds.flood, at);
        writes.extend(flood);
        return with(Asking::Quarantined(quarantine), writes);
    }
    let fits = before.open < count(bounds.open);
    let (user, question) = (asked.principal.user.clone(), fits.then_some(asked.id));
    writes.push(Write::Counted { user, at, question });
    if !fits {
        writes.push(denied(subject, "unavailable"));
        return with(Asking::TooMany { open: bounds.open }, writes);
    }
    writes.push(Write::Question(Box::new(asked.clone())));
    writes.extend(channel.map(|channel| Write::Shown { question: asked.id, until: shown_until(asked, channel, at) }));
    let text = Digest::of_bytes(asked.text.as_bytes());
    let Confirmation { id, need, call, .. } = *asked;
    writes.push(Write::Record(subject, AuditEvent::Asked { confirmation: id, need, text, call, channel }));
    with(Asking::Asked, writes)
}

/// Whether a question that is pending can still come to what is needed now: it asks for no less, and of an approved one
/// the yeses are enough still.
fn can_be_enough(
    pending: &Confirmation,
    state: &ConfirmationState,
    needed: &Confirmation,
    operators: &[Operator],
) -> bool {
    let is_enough = match state {
        ConfirmationState::Approved { approvals } => {
            confirmations::is_enough(pending, approvals.clone(), operators).is_ok()
        }
        _ => true,
    };
    is_enough && pending.need.covers(&needed.need)
}

fn count(bound: u32) -> usize {
    usize::try_from(bound).unwrap_or(usize::MAX)
}

/// A dialog in which a question is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialog {
    /// Whether this process shows it: what that one shows it knows itself.
    pub(crate) is_own: bool,
    /// Whether the process that shows it has come to an end.
    pub(crate) is_dead: bool,
    /// Until when it counts.
    pub(crate) until: Timestamp,
}

/// Whether another living process shows the question.
fn is_elsewhere(dialog: Option<Dialog>, at: Timestamp) -> bool {
    dialog.is_some_and(|dialog| dialog.until > at && !dialog.is_own && !dialog.is_dead)
}

/// Until when a question counts as shown if nobody says sooner that it is not any more: see [`shown_no_more`]. As long as it
/// can be answered, or, where the dialog went out with a result, until nothing was heard of it for so long.
fn shown_until(question: &Confirmation, channel: Channel, at: Timestamp) -> Timestamp {
    match channel {
        Channel::InputRequired => question.expires_at.min(at.saturating_add(UNHEARD).unwrap_or(Timestamp::MAX)),
        _ => question.expires_at,
    }
}

/// What there is to be known of a question that is to be shown once more.
#[derive(Clone, Debug)]
pub(crate) struct Show {
    /// The call that has it shown.
    pub(crate) call: Uuid,
    /// By which way.
    pub(crate) channel: Channel,
    /// Since when nobody is asked for the user, if so.
    pub(crate) quarantine: Option<Quarantine>,
    /// Where it is shown.
    pub(crate) dialog: Option<Dialog>,
    /// How many the user asked of late.
    pub(crate) of_late: usize,
    /// How many they may.
    pub(crate) flood: u32,
    /// When.
    pub(crate) at: Timestamp,
}

/// Shows a question once more, and counts that, unless another process shows it or it is one too many.
pub(crate) fn show(question: &Confirmation, show: Show) -> Transition<Showing> {
    let Show { call, channel, quarantine, dialog, of_late, flood, at } = show;
    let subject = Subject { call: Some(call), ..Subject::from(question) };
    if let Some(quarantine) = quarantine {
        return Transition { told: Showing::Quarantined(quarantine), writes: vec![denied(subject, "denied")] };
    }
    if is_elsewhere(dialog, at) {
        return Transition::nothing(Showing::Elsewhere);
    }
    if of_late >= count(flood) {
        let (quarantine, writes) = flooded(subject, &question.principal, flood, at);
        return Transition { told: Showing::Quarantined(quarantine), writes };
    }
    let id = question.id;
    let writes = vec![
        Write::Counted { user: question.principal.user.clone(), at, question: Some(id) },
        Write::Shown { question: id, until: shown_until(question, channel, at) },
        Write::Record(subject, AuditEvent::Shown { confirmation: id }),
    ];
    Transition { told: Showing::Here, writes }
}

/// The dialog of this process is over, without an answer or with one: it ends with what shows it.
pub(crate) fn shown_no_more(question: Uuid) -> Transition<()> {
    Transition { told: (), writes: vec![Write::ShownNoMore { question }] }
}

fn flooded(subject: Subject, principal: &Principal, flood: u32, at: Timestamp) -> (Quarantine, Vec<Write>) {
    let why = format!("more than {flood} questions within 10 minutes");
    let Transition { told, mut writes } = quarantine(principal, why, None, at);
    writes.push(denied(subject, "denied"));
    (told, writes)
}

/// Puts a user in quarantine, with all that was approved for them for a while; one who is there already stays as they are.
pub(crate) fn quarantine(
    principal: &Principal,
    why: String,
    already: Option<Quarantine>,
    at: Timestamp,
) -> Transition<Quarantine> {
    if let Some(already) = already {
        return Transition::nothing(already);
    }
    let quarantine = Quarantine { user: principal.user.clone(), since: at, why: why.clone() };
    let which = Which::ForUser(principal.user.clone());
    let writes = vec![
        Write::Quarantine(quarantine.clone()),
        Write::Record(about(principal.clone()), AuditEvent::Quarantined { why }),
        Write::GrantEnds(EndGrants { how: Ended::Quarantined, by: None, which }),
    ];
    Transition { told: quarantine, writes }
}

/// Ends a user's quarantine, with a clean slate: else the next question would be one too many again.
pub(crate) fn lift(user: &str, is_quarantined: bool, by: Option<Uuid>) -> Result<Transition<()>, StoreError> {
    if !is_quarantined {
        return Err(StoreError::NotQuarantined(user.to_owned()));
    }
    let principal = Principal { user: user.to_owned(), client: None, roles: Vec::new() };
    let writes = vec![
        Write::QuarantineLifted { user: user.to_owned() },
        Write::CountsForgotten { user: user.to_owned() },
        Write::Record(about(principal), AuditEvent::Lifted { by }),
    ];
    Ok(Transition { told: (), writes })
}

const fn about(principal: Principal) -> Subject {
    Subject { call: None, principal: Some(principal), tool: None, targets: Vec::new(), arguments: None }
}
