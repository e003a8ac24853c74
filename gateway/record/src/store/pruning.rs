//! What was removed because it was old.

use mollyguard_tools::contract::Timestamp;
use serde::Serialize;

/// What one pruning removed, or would remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// What was made from then on stays.
    pub before: Timestamp,
    /// How many records went.
    pub records: u64,
    /// How many calls.
    pub calls: u64,
    /// How many questions.
    pub questions: u64,
    /// How many approvals for a while.
    pub grants: u64,
    /// Whether there may be more to remove.
    pub more: bool,
}

impl Pruned {
    /// Nothing.
    #[must_use]
    pub const fn none(before: Timestamp) -> Self {
        Self { before, records: 0, calls: 0, questions: 0, grants: 0, more: false }
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, next: Self) -> Self {
        Self {
            before: next.before,
            records: self.records + next.records,
            calls: self.calls + next.calls,
            questions: self.questions + next.questions,
            grants: self.grants + next.grants,
            more: next.more,
        }
    }
}
