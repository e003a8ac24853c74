//! What bounds how much is asked of people, and what stands of their yeses.

use mollyguard_tools::contract::Timestamp;
use serde::{Deserialize, Serialize};

use crate::confirm::{Confirmation, Grant, Standing};

/// How much one user may ask people.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
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
    Already(Box<Confirmation>, Standing),
    /// One that comes to the same is open, or approved and not used yet, asked for by a call in other words.
    InOtherWords(Box<Confirmation>),
    /// That many of the user's are open already.
    TooMany {
        /// The bound.
        open: u32,
    },
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
