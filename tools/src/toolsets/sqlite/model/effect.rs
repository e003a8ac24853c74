//! What a statement changed, as far as it is known.

use std::collections::BTreeMap;

use super::answer;
use super::images::Images;
use super::recorder::Counts;
use super::schema::Table;
use crate::contract::Digest;

/// What a statement changed.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// By table.
    pub counts: BTreeMap<String, Counts>,
    /// The changed rows as they were and as they are now; `None` when there are too many or they cannot be told.
    pub images: Option<(Images, Images)>,
    /// Why they cannot be put back, one sentence fragment each.
    pub obstacles: Vec<String>,
    /// Why putting them back could not be tried to its end, which says nothing about whether it would work.
    pub untested: Option<String>,
    /// How many rows SQLite itself counted, triggers and foreign keys included.
    pub changed: u64,
    /// The rows of a RETURNING clause.
    pub returned: Option<answer::Output>,
    /// About how many bytes the changed rows took before.
    pub bytes: u64,
    /// A default or trigger on the way gives another value each time.
    pub volatile: bool,
    /// The counts are no more than a lower bound.
    pub truncated: bool,
    /// Why the statement was stopped before its end.
    pub stopped: Option<String>,
    /// The tables it may change, where it was stopped.
    pub writable: Vec<String>,
    /// The tables whose changed rows are not in the digest one by one.
    pub uncovered: Vec<Table>,
    /// Digest of what changed; the tool `sqlite_write` says what it covers.
    pub fingerprint: Option<Digest>,
}

impl Effects {
    /// How many rows change, those included that `REPLACE` pushes out, which SQLite does not count.
    pub(crate) fn all(&self) -> u64 {
        self.changed.max(self.counts.values().map(|counts| counts.all()).sum())
    }
}
