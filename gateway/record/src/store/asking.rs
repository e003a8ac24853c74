//! What bounds how much is asked of people, and what stands of their yeses.

use std::time::Duration;

use mollyguard_tools::contract::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{Aim, Answer, Approval, Channel, Confirmation, ConfirmationState, Grant};
use crate::webauthn::Assertion;

/// What a call could be asked about before.
#[derive(Clone, Debug)]
pub struct Like {
    /// The digest of what is asked for.
    pub request: Digest,
    /// The digest of what would come of it.
    pub effect: Digest,
    /// What it is aimed at.
    pub aim: Aim,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct AnswerSubmission {
    /// The confirmation it answers.
    pub confirmation: Uuid,
    /// The answer.
    pub answer: Answer,
    /// By which way it came.
    pub channel: Channel,
    /// Who answered, as far as the channel proves it.
    pub by: String,
    /// The enrolled person that is, where the channel knows one. They must be enrolled still.
    pub operator: Option<Uuid>,
    /// The yes it amounts to, if it does.
    pub approval: Option<Approval>,
    /// What a passkey of that person signed, and its counter after that.
    pub signed: Option<(Assertion, u32)>,
    /// For how long the yes is to stand for other calls as well, where it is.
    pub lasts: Option<Duration>,
}

impl AnswerSubmission {
    /// An answer of somebody the channel knows only by name.
    #[must_use]
    pub const fn by(
        by: String,
        confirmation: Uuid,
        answer: Answer,
        channel: Channel,
        approval: Option<Approval>,
    ) -> Self {
        Self { confirmation, answer, channel, by, operator: None, approval, signed: None, lasts: None }
    }
}

/// How much one user may ask people.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long a no holds.
    pub denial: Duration,
    /// How many of their questions may be open at a time.
    pub open: u32,
    /// How many they may ask within 10 minutes, with those that were one too many; beyond that nobody is asked for them
    /// any more.
    pub flood: u32,
}

/// What became of a question that was to be asked.
#[derive(Clone, Debug)]
pub enum Asking {
    /// It is open now.
    Asked,
    /// The very same is open, or approved and not used yet: nobody is asked twice.
    Already(Box<Confirmation>, ConfirmationState),
    /// One that comes to the same is open, or approved and not used yet, asked for by a call in other words.
    InOtherWords(Box<Confirmation>),
    /// Somebody has said no to a call with this aim, and that holds still.
    Declined(Box<Confirmation>, ConfirmationState),
    /// That many of the user's are open already.
    TooMany {
        /// The bound.
        open: u32,
    },
    /// Nobody is asked for this user.
    Quarantined(Quarantine),
}

/// Whether a question may be shown in a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Showing {
    /// It is shown here, and that is counted.
    Here,
    /// Another process shows it: whoever wants its answer waits for that.
    Elsewhere,
    /// Nobody is asked for this user.
    Quarantined(Quarantine),
}

/// A user whom nobody is asked for any more, until an operator lifts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The user.
    pub user: String,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: String,
}

/// An approval for a while that is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// The approval.
    #[serde(flatten)]
    pub grant: Grant,
    /// How many calls have run under it.
    pub uses: u32,
}

impl Granted {
    /// How often it was used, in words.
    #[must_use]
    pub fn used(&self) -> String {
        match self.uses {
            0 => "not used yet".to_owned(),
            1 => "used once".to_owned(),
            n => format!("used {n} times"),
        }
    }
}
