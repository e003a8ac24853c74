//! Where streams begin whose first records were pruned. A mark is sealed beside the records, and the newest record of a
//! pruning holds the digest of all marks: one that is gone, edited, or of an older copy does not fit it.

use mollyguard_tools::contract::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::operators::Passkey;

/// The place a stream begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mark {
    /// The stream.
    pub stream: Uuid,
    /// The place of the first record that is kept, or will be written.
    pub first: u64,
    /// The digest of the record before it, which that one follows.
    pub previous: Digest,
    /// The number of the pruning that moved it there.
    pub pruning: u64,
}

impl Mark {
    /// Keeps its seal apart from those of other rows.
    pub(crate) const SEALED: &str = "pruned stream";

    /// What is sealed of it.
    pub(crate) fn columns(&self) -> Value {
        json!([self.stream, self.first, self.previous, self.pruning])
    }

    /// The digest of all marks.
    pub(crate) fn digest_of(marks: &[Self]) -> Digest {
        let mut sorted = marks.to_vec();
        sorted.sort();
        Digest::of(&sorted)
    }
}

/// A passkey that was enrolled when records were pruned: the record of its enrolment may be gone, and signatures are
/// verified with it still.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Whose it is.
    pub operator: Uuid,
    /// The passkey.
    pub passkey: Passkey,
}

/// What a record says of the pruning it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pruning {
    /// Its number; the first is 1.
    pub pruning: u64,
    /// When.
    pub at: Timestamp,
    /// What was made before then was removed.
    pub before: Timestamp,
    /// The digest of all marks after it.
    #[serde(skip)]
    pub marks: Digest,
}
