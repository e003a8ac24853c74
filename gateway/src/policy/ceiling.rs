//! The strongest approvals an installation can prove. Policy that asks for more is refused, with the reason kept here.

use std::fmt;

use mollyguard_record::model::Need;
use serde::Serialize;

/// The strongest approvals that can be proved, and why none is stronger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ceiling {
    /// The strongest.
    #[serde(flatten)]
    pub need: Need,
    /// By more people, each of whom proves less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub or: Option<Need>,
    /// Why.
    pub because: Vec<String>,
}

impl From<Need> for Ceiling {
    fn from(need: Need) -> Self {
        Self { need, or: None, because: Vec::new() }
    }
}

impl Ceiling {
    /// Whether an approval of this strength can be proved.
    #[must_use]
    pub fn covers(&self, need: &Need) -> bool {
        self.each().any(|most| most.covers(need))
    }

    /// The strongest approvals, of which none covers another.
    pub(super) fn each(&self) -> impl Iterator<Item = Need> {
        std::iter::once(self.need).chain(self.or)
    }
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.need)?;
        if let Some(or) = self.or {
            write!(f, ", or {or}")?;
        }
        self.because.iter().try_for_each(|because| write!(f, ": {because}"))
    }
}
