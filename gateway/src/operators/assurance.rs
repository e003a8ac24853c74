//! What an answer proves, by how the person showed who they are and by what stands between them and the agent.

use mollyguard_record::model::{Assurance, Means, Operator};
use serde::Serialize;

/// What stands between the agent and the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Separation {
    /// Nothing but this process's own care: the agent runs as the same user of the system, and can read and write what the
    /// gateway can.
    SameUser,
    /// The gateway runs as a user of its own, which the agent cannot become.
    OwnUser,
}

impl Separation {
    /// By whether agents run as other users of the system.
    #[must_use]
    pub const fn of(apart: bool) -> Self {
        if apart { Self::OwnUser } else { Self::SameUser }
    }
}

/// How many people may answer, by the best they have to show who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct People {
    /// With a passkey.
    pub with_passkey: u32,
    /// With only a code.
    pub with_code: u32,
    /// Those of the first who are linked to a user, and so count as somebody else than others.
    pub linked_with_passkey: u32,
    /// Those of the second who are.
    pub linked_with_code: u32,
}

impl People {
    /// Of those who are enrolled.
    #[must_use]
    pub fn of(operators: &[Operator]) -> Self {
        let count =
            |has: fn(&&Operator) -> bool| u32::try_from(operators.iter().filter(has).count()).unwrap_or(u32::MAX);
        Self {
            with_passkey: count(|operator| !operator.passkeys.is_empty()),
            with_code: count(|operator| operator.passkeys.is_empty()),
            linked_with_passkey: count(|operator| !operator.passkeys.is_empty() && operator.user.is_some()),
            linked_with_code: count(|operator| operator.passkeys.is_empty() && operator.user.is_some()),
        }
    }

    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u32 {
        self.with_passkey.saturating_add(self.with_code)
    }

    /// All who are linked to a user.
    #[must_use]
    pub const fn linked(&self) -> u32 {
        self.linked_with_passkey.saturating_add(self.linked_with_code)
    }
}

/// What a yes given with these means proves.
///
/// A signature proves which call its passkey's holder approved, and who the holder is follows from the enrolment. Where
/// the agent is the gateway's own user it can write the enrolment, so a signature proves no more than a channel of its own;
/// and what a person types into a page, a program of that user can read and type as well.
#[must_use]
pub const fn assurance_of(means: &Means, separation: Separation) -> Assurance {
    match (means, separation) {
        (Means::Passkey { .. }, Separation::OwnUser) => Assurance::Passkey,
        (Means::Passkey { .. }, Separation::SameUser) | (Means::Code, Separation::OwnUser) => Assurance::OutOfBand,
        (Means::Code, Separation::SameUser) => Assurance::Typed,
    }
}
