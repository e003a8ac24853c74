//! How strongly an approval proves a person, and how much of that policy asks for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How strongly an approval proves a person, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// A person pressed accept, or a client did for them.
    Acknowledged,
    /// The target's name was typed.
    Typed,
    /// Answered over a channel the agent does not hold.
    OutOfBand,
    /// Signed by an enrolled passkey with user verification.
    Passkey,
}

impl Assurance {
    /// `acknowledged`, `typed`, `out_of_band` or `passkey`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Typed => "typed",
            Self::OutOfBand => "out_of_band",
            Self::Passkey => "passkey",
        }
    }

    /// The number policies compare: `context.approval.assurance`, 1 (acknowledged) to 4 (passkey).
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Acknowledged => 1,
            Self::Typed => 2,
            Self::OutOfBand => 3,
            Self::Passkey => 4,
        }
    }
}

/// What policy asks of an approval: how strong, and by how many people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Need {
    /// How strongly it must prove a person.
    pub assurance: Assurance,
    /// By how many different people.
    pub approvers: u32,
    /// How many of them must be somebody else than the person the call is made for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub others: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Need {
    /// What an answer inside the client can prove at most, and so all an installation without other channels can.
    pub const IN_CLIENT: Self = Self::of(Assurance::Typed, 1);

    /// The strongest approval any installation can prove.
    pub const MOST: Self = Self::of(Assurance::Passkey, u32::MAX).by_others();

    /// So strong, by so many people, of whom one may be the person the call is made for.
    #[must_use]
    pub const fn of(assurance: Assurance, approvers: u32) -> Self {
        Self { assurance, approvers, others: approvers.saturating_sub(1) }
    }

    /// The same by people who are all somebody else.
    #[must_use]
    pub const fn by_others(self) -> Self {
        Self { others: self.approvers, ..self }
    }

    /// Whether an approval of this strength is enough for `need`.
    #[must_use]
    pub const fn covers(&self, need: &Self) -> bool {
        self.assurance.rank() >= need.assurance.rank() && self.approvers >= need.approvers && self.others >= need.others
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let assurance = self.assurance.as_str();
        match (self.approvers, self.others) {
            (1, 0) => write!(f, "{assurance}"),
            (1, _) => write!(f, "{assurance} by somebody else"),
            (n, others) if others < n => write!(f, "{assurance} by {n} people"),
            (n, _) => write!(f, "{assurance} by {n} other people"),
        }
    }
}
