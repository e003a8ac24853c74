//! What lies in a target's own quarantine or trash.

use serde_json::Value;

use super::Timestamp;

/// The most that a target tells of at once.
pub const KEPT_AT_ONCE: usize = 1_000;

/// Something that was taken away and can be brought back from where it lies in the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The tool that removes it for good.
    pub tool: &'static str,
    /// The arguments of that tool's call, complete: one call removes it whole, or not at all.
    pub args: Value,
    /// Since when it lies there.
    pub since: Timestamp,
    /// How much room it takes up, or at least; `None` where that cannot be told.
    pub bytes: Option<u64>,
    /// What it was, and by what it is found there.
    pub what: String,
}

/// The oldest, oldest first, and no more of them than are told of at once.
#[must_use]
pub fn oldest_first(mut all: Vec<Kept>) -> Vec<Kept> {
    all.sort_by_key(|kept| kept.since);
    all.truncate(KEPT_AT_ONCE);
    all
}
