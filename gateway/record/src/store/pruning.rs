//! What was removed because it was old.

use mollyguard_tools::contract::Timestamp;
use serde::Serialize;

use super::{Store, StoreError};

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

/// Removes what was made before then, a bounded part at a time, until nothing is left to remove.
///
/// # Errors
/// The store failed, or holds something that was edited. What was removed before that is on record.
pub async fn prune_all(store: &dyn Store, before: Timestamp) -> Result<Pruned, StoreError> {
    let mut pruned = store.prune(before).await?;
    while pruned.more {
        pruned = pruned.and(store.prune(before).await?);
    }
    Ok(pruned)
}
