//! What an answer does to a question, and whether an approval may be used.

use mollyguard_tools::contract::Timestamp;
use mollyguard_tools::text::quoted;
use uuid::Uuid;

use super::grants::{self, Lasting};
use super::{EndGrants, Transition, Which, Write, enrolled, is_dialog, people};
use crate::audit::{AuditEvent, Subject};
use crate::model::{
    Answer, Approval, CallDigests, Channel, Confirmation, ConfirmationState, Ended, Moment, Operator, TRIES,
};
use crate::store::{AnswerSubmission, GATEWAY, Start, StoreError};

/// What there is to be known of an answer that came.
pub(crate) struct Answered<'a> {
    /// The question.
    pub(crate) confirmation: &'a Confirmation,
    /// How it stands.
    pub(crate) state: ConfirmationState,
    /// The answer.
    pub(crate) given: AnswerSubmission,
    /// Those of [`concerned`] who are enrolled.
    pub(crate) operators: &'a [Operator],
    /// Whether nobody is asked any more for whom the call is made; only asked where the yes is to stand for a while.
    pub(crate) is_quarantined: bool,
    /// When.
    pub(crate) at: Moment,
    /// The id of an approval for a while, should one come of it.
    pub(crate) grant: Uuid,
}

/// The operators who have said something about a question, or do now.
pub(crate) fn concerned(state: &ConfirmationState, given: Option<&AnswerSubmission>) -> Vec<Uuid> {
    let approvals: &[Approval] = match state {
        ConfirmationState::Open { approvals, .. } | ConfirmationState::Approved { approvals } => approvals,
        ConfirmationState::Refused { .. } | ConfirmationState::Spent { .. } => &[],
    };
    let now = given.into_iter().flat_map(|given| {
        let approved = given.approval.as_ref().and_then(|approval| approval.operator);
        given.operator.into_iter().chain(approved)
    });
    let mut ids: Vec<_> = approvals.iter().filter_map(|approval| approval.operator).chain(now).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What an answer does: see [`crate::store::Store`].
pub(crate) fn answer(answered: Answered<'_>, subject: Subject) -> Result<Transition<()>, StoreError> {
    let mut writes: Vec<_> = people::answering(&answered.given, answered.operators)?.into_iter().collect();
    let (confirmation, given) = (answered.confirmation, &answered.given);
    if is_dialog(given.channel) {
        writes.push(Write::ShownNoMore { question: confirmation.id });
    }
    let refuse = |why: &str| Err(StoreError::NotApproved(confirmation.id, why.into()));
    // Neither a yes nor a no: who mistyped may try again, but not without end.
    let is_mistyped = given.approval.is_none() && matches!(given.answer, Answer::Accept { .. });
    let (approvals, mistyped) = match answered.state.clone() {
        ConfirmationState::Open { approvals, mistyped } if is_mistyped && mistyped.saturating_add(1) < TRIES => {
            let state = ConfirmationState::Open { approvals, mistyped: mistyped + 1 };
            writes.extend([Write::State(Box::new(confirmation.clone()), state), mistyping(subject, given)]);
            return Ok(Transition { told: (), writes });
        }
        ConfirmationState::Approved { .. } if is_mistyped => {
            writes.push(mistyping(subject, given));
            return Ok(Transition { told: (), writes });
        }
        ConfirmationState::Open { approvals, mistyped } => (approvals, mistyped),
        // A yes that is not used yet can be taken back, but not given twice.
        ConfirmationState::Approved { .. } if given.approval.is_none() => (Vec::new(), 0),
        ConfirmationState::Spent { call } => return refuse(&format!("it was used already, by call `{call}`")),
        ConfirmationState::Approved { .. } | ConfirmationState::Refused { .. } => {
            return refuse("it was answered already");
        }
    };
    let state = match &given.approval {
        Some(approval) => said_yes(&answered, approval.clone(), approvals, mistyped)?,
        None => {
            ConfirmationState::Refused { how: refusal(&given.answer).into(), by: given.by.clone(), at: answered.at.at }
        }
    };
    let grant = match (&state, given.lasts) {
        (_, None) => None,
        (ConfirmationState::Approved { approvals }, Some(lasts)) => Some(Write::Grant(Box::new(grants::of_answer(
            &Lasting {
                confirmation,
                given,
                approvals,
                lasts,
                is_quarantined: answered.is_quarantined,
                at: &answered.at,
            },
            answered.grant,
        )?))),
        (_, Some(_)) => return refuse("only a yes that is enough by itself stands for a while"),
    };
    let is_declined = matches!(given.answer, Answer::Decline);
    writes.push(Write::State(Box::new(confirmation.clone()), state));
    let by = given.operator;
    writes.push(Write::Record(subject, recorded(confirmation.id, answered.given)));
    if is_declined {
        let which = Which::ContradictedBy(Box::new(confirmation.clone()));
        writes.push(Write::GrantEnds(EndGrants { how: Ended::Declined, by, which }));
    }
    writes.extend(grant);
    Ok(Transition { told: (), writes })
}

/// How a question stands once somebody has said yes to it.
fn said_yes(
    answered: &Answered<'_>,
    approval: Approval,
    approvals: Vec<Approval>,
    mistyped: u8,
) -> Result<ConfirmationState, StoreError> {
    let (confirmation, operators) = (answered.confirmation, answered.operators);
    let refuse = |why: &str| Err(StoreError::NotApproved(confirmation.id, why.into()));
    // The yes of somebody who was removed meanwhile is kept, and counts no more.
    let (mut counting, gone) = those_who_may(approvals, operators);
    let Some(approval) = those_who_may(vec![approval], operators).0.pop() else {
        return refuse("who gives it may not answer any more");
    };
    // A no may come late; a yes may not.
    if !confirmation.is_in_time(answered.at.at) {
        return refuse("it has expired");
    }
    if approval.confirmation != confirmation.id {
        return refuse("the approval is of another confirmation");
    }
    if !matches!(answered.given.answer, Answer::Accept { .. }) {
        return refuse("the answer is not a yes");
    }
    if approval.assurance < confirmation.need.assurance {
        return refuse("the approval proves less than what is asked for");
    }
    if counting.iter().any(|earlier| earlier.is_same_person(&approval)) {
        return refuse("this person has said yes already");
    }
    counting.push(approval);
    let is_enough = confirmation.met_by(&counting).is_some();
    let approvals = [counting, gone].concat();
    Ok(if is_enough {
        ConfirmationState::Approved { approvals }
    } else {
        ConfirmationState::Open { approvals, mistyped }
    })
}

fn recorded(confirmation: Uuid, given: AnswerSubmission) -> AuditEvent {
    let AnswerSubmission { answer, channel, by, operator, signed, lasts, approval, .. } = given;
    let (sufficient, lasts_s) = (approval.is_some(), lasts.map(|lasts| lasts.as_secs()));
    let assertion = signed.map(|(assertion, _)| Box::new(assertion));
    AuditEvent::Answered { confirmation, answer, sufficient, channel, by, operator, assertion, lasts_s }
}

/// That something else was typed than what was asked for.
fn mistyping(subject: Subject, given: &AnswerSubmission) -> Write {
    let typed =
        if let Answer::Accept { typed: Some(typed) } = &given.answer { quoted(typed) } else { "nothing".into() };
    let why = format!("{typed} was typed, by {}, which is not the text that was asked for", quoted(&given.by));
    let (confirmation, channel, operator) = (given.confirmation, given.channel, given.operator);
    Write::Record(subject, AuditEvent::Rejected { confirmation, channel, operator, why })
}

const fn refusal(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accept { .. } => "mismatch",
        Answer::Decline => "declined",
        Answer::Cancel => "cancelled",
        Answer::Timeout => "timeout",
        Answer::Failed => "failed",
    }
}

/// What closes a question that no answer helps any more, in the name of the gateway.
pub(crate) fn close(confirmation: &Confirmation, at: Timestamp) -> [Write; 2] {
    let (answer, by) = (Answer::Failed, GATEWAY.to_owned());
    let state = ConfirmationState::Refused { how: refusal(&answer).into(), by: by.clone(), at };
    let given = AnswerSubmission::by(by, confirmation.id, answer, Channel::InputRequired, None);
    let event = recorded(confirmation.id, given);
    [Write::State(Box::new(confirmation.clone()), state), Write::Record(Subject::from(confirmation), event)]
}

/// The yeses that count still, each with the user who gave it as the store has them now, and those of people who were
/// enrolled when they said so and are not any more.
fn those_who_may(approvals: Vec<Approval>, operators: &[Operator]) -> (Vec<Approval>, Vec<Approval>) {
    let (mut counting, mut gone) = (Vec::with_capacity(approvals.len()), Vec::new());
    for mut approval in approvals {
        let operator = approval.operator.and_then(|operator| enrolled(operators, operator));
        let may = approval.operator.is_none() || operator.is_some();
        approval.user = operator.and_then(|operator| operator.user.clone());
        if may { counting.push(approval) } else { gone.push(approval) }
    }
    (counting, gone)
}

/// Whether these yeses are what a question needs, as of now; else why not.
pub(crate) fn is_enough(
    confirmation: &Confirmation,
    approvals: Vec<Approval>,
    operators: &[Operator],
) -> Result<(), String> {
    let (counting, gone) = those_who_may(approvals, operators);
    if confirmation.met_by(&counting).is_some() {
        return Ok(());
    }
    Err(match gone.first() {
        Some(gone) => format!("`{}`, who approved it, may not answer any more", gone.approver),
        None => format!("it needs {}, and the yeses it has are less", confirmation.need),
    })
}

/// What there is to be known of an approval that a call would use.
pub(crate) struct Spending<'a> {
    /// The confirmation's id.
    pub(crate) id: Uuid,
    /// What there is of that id.
    pub(crate) found: Option<(Confirmation, ConfirmationState)>,
    /// Those of [`concerned`] who are enrolled.
    pub(crate) operators: &'a [Operator],
    /// Whether nobody is asked any more for whom the call is made.
    pub(crate) is_quarantined: bool,
    /// When.
    pub(crate) at: Timestamp,
}

/// Whether a call that is about to start may use an approval: not used yet, sufficient, in time, and given to this very call,
/// under this declaration and these policies, on what was found. Then it is used.
pub(crate) fn spend(spending: Spending<'_>, start: &Start) -> Result<Transition<()>, StoreError> {
    let id = spending.id;
    let refuse = |why: String| Err(StoreError::NotApproved(id, why));
    let Some((confirmation, state)) = spending.found else { return refuse("it was never asked".into()) };
    let approvals = match state {
        ConfirmationState::Approved { approvals } => approvals,
        ConfirmationState::Open { .. } => return refuse("not enough people have approved it".into()),
        ConfirmationState::Refused { how, .. } => return refuse(format!("it was refused ({how})")),
        ConfirmationState::Spent { call } => return refuse(format!("it was used already, by call `{call}`")),
    };
    if let Err(why) = is_enough(&confirmation, approvals, spending.operators) {
        return refuse(why);
    }
    if spending.is_quarantined {
        return refuse("nobody is asked any more for whom the call is made".into());
    }
    if !confirmation.is_in_time(spending.at) {
        return refuse(format!("it expired at {}", confirmation.expires_at));
    }
    let subject = &start.subject;
    if subject.tool.as_ref() != Some(&confirmation.tool) {
        return refuse("it was asked about another tool".into());
    }
    if confirmation.arguments.is_none() || subject.arguments != confirmation.arguments {
        return refuse("it was asked about other arguments".into());
    }
    if !subject.principal.as_ref().is_some_and(|principal| confirmation.principal.is_same_person(principal)) {
        return refuse("it was asked for somebody else".into());
    }
    if let Err(why) = is_given_to(&confirmation, start.digests.as_ref()) {
        return refuse(why.into());
    }
    let Some(call) = subject.call else { return refuse("the call has no id".into()) };
    let state = ConfirmationState::Spent { call };
    Ok(Transition { told: (), writes: vec![Write::State(Box::new(confirmation), state)] })
}

/// Whether a question was asked about what a call comes to, in every respect; else why not.
fn is_given_to(confirmation: &Confirmation, digests: Option<&CallDigests>) -> Result<(), &'static str> {
    let Some(call) = digests else { return Err("what the call comes to is not known") };
    if let Some(covers) = &confirmation.covers {
        if covers.declaration != call.declaration {
            return Err("the tool's declaration has changed since it was asked");
        }
        if covers.policies != call.policies {
            return Err("the policies have changed since it was asked");
        }
    }
    if confirmation.request != call.request {
        return Err("it was asked about another call");
    }
    if confirmation.covers.as_ref().is_some_and(|covers| covers.exact != call.targets) {
        return Err("it was asked about other targets");
    }
    if confirmation.state != call.state {
        return Err("the target has changed since it was asked");
    }
    Ok(())
}

/// That somebody tried to answer and that what they showed does not hold.
pub(crate) fn reject(
    id: Uuid,
    found: Option<&Confirmation>,
    (channel, operator, why): (Channel, Option<Uuid>, String),
) -> Result<Transition<()>, StoreError> {
    let confirmation = found.ok_or(StoreError::NotFound("confirmation", id))?;
    let event = AuditEvent::Rejected { confirmation: id, channel, operator, why };
    Ok(Transition { told: (), writes: vec![Write::Record(Subject::from(confirmation), event)] })
}

/// Whether a question is older than what is kept, and nothing comes of it any more.
pub(crate) fn is_over(confirmation: &Confirmation, state: &ConfirmationState, before: Timestamp) -> bool {
    match state {
        ConfirmationState::Open { .. } | ConfirmationState::Approved { .. } => confirmation.expires_at < before,
        ConfirmationState::Refused { at, .. } => *at < before && confirmation.expires_at < before,
        ConfirmationState::Spent { .. } => true,
    }
}
