//! What an answer to a question means: one rule for the client, the terminal, the operators' socket and the page. Nothing is
//! read or written here; the store has the last word, as it does on how often something else may be typed.

use mollyguard_record::model::{
    Answer, Approval, Assurance, Channel, Confirmation, ConfirmationState, Need, Operator, TRIES, is_somebody_else,
    not_linked,
};
use mollyguard_tools::contract::Timestamp;
use uuid::Uuid;

/// What is chosen where no name is typed.
pub(crate) const APPROVE: &str = "approve";

/// What is chosen by whoever says no where there is a choice.
pub(crate) const DECLINE: &str = "decline";

/// Whether a yes is a name that is typed, rather than a choice of [`APPROVE`] or [`DECLINE`].
pub(crate) const fn is_typed(need: &Need) -> bool {
    need.assurance.rank() >= Assurance::Typed.rank()
}

/// What must be typed or chosen, exactly.
fn wanted(question: &Confirmation) -> &str {
    if is_typed(&question.need) { &question.typed_name } else { APPROVE }
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
    fn suits(&self, question: &Confirmation) -> Result<(), String> {
        let need = question.need;
        if self.operator.is_none() && !Need::IN_CLIENT.covers(&need) {
            return Err(not_here(&need));
        }
        if self.proves < need.assurance {
            let (needed, proven) = (need.assurance.as_str(), self.proves.as_str());
            return Err(format!("it needs {needed}, and this proves {proven} at most"));
        }
        match not_counted(&need, &self.name, self.user.as_deref(), &question.principal.user) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }
}

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The yes that was asked for, or one of several that are.
    Yes(Approval),
    /// A yes by a way that proves too little: neither a yes nor a no. It is on record as that, and the question stays open.
    TooWeak(String),
    /// No yes, and an answer that is written down.
    No(No),
}

/// Which kind of no an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum No {
    /// Something else was typed than what was asked for. The question stays open, unless that was the last try.
    Mistyped {
        /// It was.
        is_last: bool,
    },
    /// A person said no.
    Declined,
    /// It was closed without an answer.
    Cancelled,
    /// Nobody answered in time.
    Late,
    /// The client could not ask.
    Failed,
}

impl No {
    /// Why it is no approval.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Mistyped { .. } => "the answer is not the exact text that was asked for, so it is no approval",
            Self::Declined => "the person declined",
            Self::Cancelled => "the question was closed without an answer",
            Self::Late => "nobody answered in time",
            Self::Failed => "the client could not ask",
        }
    }
}

/// The answer as the person meant it: who chooses `decline` where there is a choice has declined.
pub(crate) fn meant(question: &Confirmation, answer: &Answer) -> Answer {
    match answer {
        Answer::Accept { typed: Some(word) } if !is_typed(&question.need) && word == DECLINE => Answer::Decline,
        other => other.clone(),
    }
}

/// What an answer by somebody to a question that stands like this comes to, at this moment.
pub(crate) fn verdict(
    (question, standing): (&Confirmation, &ConfirmationState),
    answer: &Answer,
    by: &Approver,
    now: Timestamp,
) -> Verdict {
    match meant(question, answer) {
        Answer::Accept { typed } => match by.suits(question) {
            Err(why) => Verdict::TooWeak(why),
            Ok(()) if typed.as_deref() != Some(wanted(question)) => {
                Verdict::No(No::Mistyped { is_last: standing.mistyped().saturating_add(1) >= TRIES })
            }
            Ok(()) => Verdict::Yes(approval(question, by, now)),
        },
        Answer::Decline => Verdict::No(No::Declined),
        Answer::Cancel => Verdict::No(No::Cancelled),
        Answer::Timeout => Verdict::No(No::Late),
        Answer::Failed => Verdict::No(No::Failed),
    }
}

fn approval(question: &Confirmation, by: &Approver, at: Timestamp) -> Approval {
    Approval {
        confirmation: question.id,
        approver: by.name.clone(),
        operator: by.operator,
        user: by.user.clone(),
        assurance: match by.operator {
            Some(_) => by.proves,
            // What was not asked for was not proven either.
            None => by.proves.min(question.need.assurance),
        },
        channel: by.channel,
        at,
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

/// Why the yes of somebody unknown to this does not count.
pub(crate) fn not_here(need: &Need) -> String {
    format!(
        "this cannot be answered here; it needs {need}, given on the gateway's own page, or at the operators' socket \
             of a separate gateway with an operator's code"
    )
}

#[cfg(test)]
mod tests;
