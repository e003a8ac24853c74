//! An approval for a while: a person's yes that stands in for the next ones, about the same tool on the same targets, for
//! calls that can be undone. What a call may do under it is still policy's to say.

use std::time::Duration;

use jiff::SignedDuration;
use mollyguard_tools::contract::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::confirmation::Confirmation;
use super::moment::{CORRECTED, Moment};
use super::need::Need;
use super::principal::Principal;
use super::question::Coverage;

/// The longest an approval can last.
pub const LONGEST: Duration = Duration::from_secs(60 * 60);

/// An approval for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id, uuid v7.
    pub id: Uuid,
    /// For whom the calls are made.
    pub principal: Principal,
    /// The tool.
    pub tool: String,
    /// On what, as which declaration, under which policies.
    pub covers: Coverage,
    /// What the approval proved, as policies weigh it.
    pub strength: Need,
    /// The operator who gave it.
    pub operator: Uuid,
    /// Their name.
    pub by: String,
    /// The passkey they signed with, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<String>,
    /// The confirmation whose answer gave it.
    pub confirmation: Uuid,
    /// When.
    pub given: Moment,
    /// After this it is worth nothing.
    pub expires_at: Timestamp,
}

impl Grant {
    /// What it is about. See [`Coverage::about`].
    #[must_use]
    pub fn about(&self) -> Digest {
        self.covers.about(&self.tool, &self.principal)
    }

    /// Whether it is worth something at this moment. A clock set back does not prolong it: before it was given it is worth
    /// nothing, and by the clock that only goes on it lasts no longer. Where that one began anew, it is over.
    #[must_use]
    pub fn is_in_time(&self, now: &Moment) -> bool {
        let lasts = self.expires_at.duration_since(self.given.at);
        let by_the_wall =
            now.at < self.expires_at && self.given.at.saturating_sub(CORRECTED).is_ok_and(|since| now.at >= since);
        let by_the_boot = match (&self.given.since_boot, &now.since_boot) {
            (None, _) => true,
            (Some(given), Some(now)) => now
                .passed_since(given)
                .is_some_and(|passed| SignedDuration::try_from(passed).is_ok_and(|it| it < lasts)),
            (Some(_), None) => false,
        };
        by_the_wall && by_the_boot
    }

    /// Whether a no to this question is a no to what the approval is about: the same tool, for the same person, on any of
    /// the same targets.
    #[must_use]
    pub fn is_contradicted_by(&self, declined: &Confirmation) -> bool {
        self.tool == declined.tool
            && self.principal.is_same_person(&declined.principal)
            && declined.covers.as_ref().is_some_and(|covers| covers.meets(&self.covers))
    }
}

/// Why an approval for a while ended before its time, or that its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Somebody revoked it.
    Revoked,
    /// Somebody said no to a question about the same.
    Declined,
    /// Nobody is asked any more for whom it was given.
    Quarantined,
    /// Who gave it may not answer any more.
    Removed,
    /// Its time was over when somebody looked.
    RanOut,
}

impl Ended {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Declined => "ended by a no to the same",
            Self::Quarantined => "ended by a quarantine",
            Self::Removed => "ended, since who gave it may not answer any more",
            Self::RanOut => "run out",
        }
    }
}

/// How an approval for a while ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantEnd {
    /// Why.
    pub how: Ended,
    /// The operator by whose act, where it is one's.
    pub by: Option<Uuid>,
    /// When.
    pub at: Timestamp,
}

/// What a passkey signs to approve a call: its digest; and where the yes is to stand for others as well, both that and for
/// how long, so that nobody can make it last who did not sign.
#[must_use]
pub fn challenge(call: Digest, seconds: Option<u64>) -> Digest {
    match seconds {
        None => call,
        Some(seconds) => Digest::of(&serde_json::json!({"call": call, "for": seconds})),
    }
}

#[cfg(test)]
mod tests;
