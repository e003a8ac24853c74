//! The question about one exact call, and the answers it can get.

use std::time::Duration;

use jiff::SignedDuration;
use mollyguard_tools::contract::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::because::Because;
use super::facts::{Label, QuestionFacts, taken_back};
use super::moment::CORRECTED;
use super::names::{alike, count_apart, is_somebody_else};
use super::need::{Assurance, Need};
use super::principal::Principal;
use super::question::{Aim, CallFacts, Coverage, digest_of_call};

/// The question about one exact call, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Its id, uuid v7.
    pub id: Uuid,
    /// For whom the call is made; only they may use the answer.
    pub principal: Principal,
    /// The tool.
    pub tool: String,
    /// Digest of what was asked for: principal, tool, declaration, arguments, policies. See [`CallFacts`].
    pub request: Digest,
    /// Digest of what was found: targets and fingerprint. See [`CallFacts`].
    pub state: Digest,
    /// Digest of what would come of it, however its arguments are spelled. See [`effect_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Digest>,
    /// What it is aimed at: a no holds for every call with such an aim.
    #[serde(default, skip_serializing_if = "Aim::is_empty")]
    pub aim: Aim,
    /// Keyed digest of the arguments: those that run under a yes must be the same ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Digest>,
    /// Digest of the whole call, with this id and this expiry: what a yes is bound to.
    pub call: Digest,
    /// What policy asks for.
    pub need: Need,
    /// The name a person types, where `need` is typed or more.
    pub typed_name: String,
    /// The question as it is shown: rendered by the gateway from facts it read.
    pub text: String,
    /// Those facts; none in questions of earlier versions. See [`Confirmation::told`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<QuestionFacts>,
    /// The policies that ask.
    pub because: Vec<Because>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// After this a yes is worth nothing.
    pub expires_at: Timestamp,
    /// What a yes or a no is about beside this very call; none in questions of the first versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<Coverage>,
    /// Whether a yes may stand for a while: it can be taken back, and one person's yes is enough.
    #[serde(default)]
    pub may_last: bool,
}

impl Confirmation {
    /// What these yeses prove together, where that is what it needs.
    #[must_use]
    pub fn met_by(&self, approvals: &[Approval]) -> Option<Need> {
        strength(approvals, &self.principal).filter(|proven| proven.covers(&self.need))
    }

    /// Whether a yes at this moment is worth something. Before the question was asked it is not: the clock was set back,
    /// and nobody knows how long ago that was.
    #[must_use]
    pub fn is_in_time(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.asked_at.saturating_sub(CORRECTED).is_ok_and(|since| now >= since)
    }
}

/// By which way an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// `elicitation/create` while the call was open (revisions up to 2025-11-25).
    Elicitation,
    /// `input_required` and a repeated call (revision 2026-07-28).
    InputRequired,
    /// The terminal of `mollyguard` itself.
    Terminal,
    /// The gateway's own page.
    Page,
    /// The operators' socket of a gateway that runs as a user of its own.
    Desk,
}

/// How long a dialog is taken to be open that was handed out with a result, of which nothing is heard until the call is
/// repeated with the answer. A client that lost it is shown it again after that.
pub const UNHEARD: Duration = Duration::from_secs(60);

/// What a person (or a client in their name) did with a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Answer {
    /// Accepted, with what was typed or chosen in the one required field, if anything was.
    Accept {
        /// The field's content, exactly.
        typed: Option<String>,
    },
    /// Said no.
    Decline,
    /// Closed the question without answering.
    Cancel,
    /// Did not answer in time.
    Timeout,
    /// The client said it can, but could not ask after all.
    Failed,
}

/// A person's yes to one confirmation, strong enough for what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The confirmation it answers.
    pub confirmation: Uuid,
    /// Who said yes, as far as the channel proves it.
    pub approver: String,
    /// The enrolled person that is, where the channel knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Uuid>,
    /// The user whose calls are made for them, where they are linked to one: the store says so, whoever answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How strongly it proves a person.
    pub assurance: Assurance,
    /// By which way it came.
    pub channel: Channel,
    /// When.
    pub at: Timestamp,
}

impl Approval {
    /// Whether two yeses are one person's.
    #[must_use]
    pub fn is_same_person(&self, other: &Self) -> bool {
        match (self.operator, other.operator) {
            (Some(one), Some(two)) => {
                let linked = self.user.as_deref().zip(other.user.as_deref());
                one == two || linked.is_some_and(|(one, two)| alike(one, two))
            }
            _ => self.approver == other.approver,
        }
    }
}

/// What these yeses prove together to a call made for this person, as policies weigh it: as strong as the weakest of them.
///
/// Only those who are linked to users can be told from one another: whoever is linked to none may be anybody, and counts
/// for one person where nobody else does.
#[must_use]
pub fn strength(approvals: &[Approval], principal: &Principal) -> Option<Need> {
    let assurance = approvals.iter().map(|approval| approval.assurance).min()?;
    let users = |counts: &dyn Fn(&Approval) -> bool| {
        let linked =
            approvals.iter().filter(|approval| counts(approval)).filter_map(|approval| approval.user.as_deref());
        u32::try_from(count_apart(linked)).unwrap_or(u32::MAX)
    };
    let is_other =
        |approval: &Approval| is_somebody_else(&approval.approver, approval.user.as_deref(), &principal.user);
    Some(Need { assurance, approvers: users(&|_| true).max(1), others: users(&is_other) })
}

/// How often something else may be typed than what was asked for: the last of these closes the question.
pub const TRIES: u8 = 3;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
const fn is_none_yet(n: &u8) -> bool {
    *n == 0
}

/// What became of a confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ConfirmationState {
    /// Not enough people have answered yet. Past `expires_at` this reads as expired.
    Open {
        /// Those who said yes so far.
        #[serde(default)]
        approvals: Vec<Approval>,
        /// How often something else was typed than what was asked for.
        #[serde(default, skip_serializing_if = "is_none_yet")]
        mistyped: u8,
    },
    /// Approved and not yet used.
    Approved {
        /// The yeses.
        approvals: Vec<Approval>,
    },
    /// Answered with anything but a sufficient yes.
    Refused {
        /// What the answer was: `declined`, `cancelled`, `mismatch`, `timeout`, `failed`.
        how: String,
        /// Who answered, as far as the channel proves it.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Used by a call.
    Spent {
        /// That call.
        call: Uuid,
    },
}

impl ConfirmationState {
    /// Nobody has answered yet.
    #[must_use]
    pub const fn unanswered() -> Self {
        Self::Open { approvals: Vec::new(), mistyped: 0 }
    }

    /// In a word: `open`, `approved`, `spent`, or what the answer was.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Open { .. } => "open",
            Self::Approved { .. } => "approved",
            Self::Refused { how, .. } => how,
            Self::Spent { .. } => "spent",
        }
    }

    /// How often something else was typed than what was asked for, while it is open.
    #[must_use]
    pub const fn mistyped(&self) -> u8 {
        if let Self::Open { mistyped, .. } = self { *mistyped } else { 0 }
    }

    /// Whether it was refused before that moment.
    #[must_use]
    pub fn was_refused_before(&self, moment: Timestamp) -> bool {
        matches!(self, Self::Refused { at, .. } if *at < moment)
    }

    /// Until when it is a person's no, where a no holds so long. What ran out, was closed or was mistyped is none.
    #[must_use]
    pub fn is_a_no_until(&self, holds: Duration) -> Option<Timestamp> {
        let Self::Refused { how, at, .. } = self else { return None };
        let holds = SignedDuration::try_from(holds).unwrap_or(SignedDuration::ZERO);
        (how == "declined").then(|| at.saturating_add(holds).unwrap_or(Timestamp::MAX))
    }
}

/// Whether a confirmation is about this very call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matches {
    /// It is.
    Exactly,
    /// It was asked about another call: another tool, other arguments, another principal or other policies.
    OtherCall,
    /// It was asked about this call, but the target has changed since.
    TargetChanged,
}

impl Confirmation {
    /// Whether a call with this effect, made in the words of this question, could use the answer to it: nothing that both
    /// are bound to has changed.
    #[must_use]
    pub fn is_usable_in_other_words(&self, facts: &CallFacts<'_>) -> bool {
        let (declaration, policies) = (facts.declaration, facts.policies);
        let is_as_it_was =
            self.covers.as_ref().is_some_and(|it| it.declaration == declaration && it.policies == policies);
        self.state == facts.state() && is_as_it_was
    }
}

/// Compares a confirmation with a call as it stands now.
#[must_use]
pub fn matches(confirmation: &Confirmation, facts: &CallFacts<'_>) -> Matches {
    if digest_of_call(facts, confirmation.id, confirmation.expires_at) == confirmation.call {
        Matches::Exactly
    } else if facts.request() == confirmation.request {
        Matches::TargetChanged
    } else {
        Matches::OtherCall
    }
}

impl Confirmation {
    /// What it says, fact by fact: exactly what its text says, whose digest is on record. Questions of earlier versions have
    /// only the text, and so has one from which something was left out that makes up a secret with what stands beside it.
    #[must_use]
    pub fn told(&self) -> Option<&QuestionFacts> {
        let is_told = |facts: &&QuestionFacts| {
            let back = facts.undoes.map(taken_back);
            facts.to_string() == self.text && back.as_ref() == facts.first(Label::TakesBack).map(|fact| &fact.words)
        };
        self.facts.as_ref().filter(is_told)
    }
}
