//! Where streams begin whose first records were pruned. A mark is sealed beside the records, and the newest record of a
//! pruning holds the digest of all marks: one that is gone, edited, or of an older copy does not fit it.

use jiff::SignedDuration;
use mollyguard_tools::contract::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::Passkey;

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

/// Nothing younger is pruned: `keep_days` is no less. Tests of this crate have nothing that old.
const SHORTEST: SignedDuration = SignedDuration::from_hours(if cfg!(test) { -48 } else { 7 * 24 });

/// So far a clock may be ahead of the one that verifies.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

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

impl Pruning {
    /// Why no gateway with a clock that was right has pruned this; `now` is when that is asked.
    pub(super) fn is_impossible(&self, now: Timestamp) -> Option<String> {
        self.is_out_of_time(now, SHORTEST)
    }

    fn is_out_of_time(&self, now: Timestamp, shortest: SignedDuration) -> Option<String> {
        let Self { at, before, .. } = self;
        if at.duration_since(now) > AHEAD {
            return Some(format!("says that records were pruned at {at}, which is yet to come"));
        }
        let young = at.duration_since(*before) < shortest;
        young.then(|| format!("says that records made before {before} were pruned at {at}: so young a record never is"))
    }
}

#[cfg(test)]
mod tests {
    use mollyguard_tools::contract::now;

    use super::*;

    #[test]
    fn a_pruning_is_in_time() {
        let day = SignedDuration::from_hours(24);
        let wrong = |ahead: i32, kept: i32| {
            let at = now() + day * ahead;
            let pruning = Pruning { pruning: 1, at, before: at - day * kept, marks: Digest::of_bytes(b"marks") };
            pruning.is_out_of_time(now(), day * 7).is_some()
        };
        assert!(!wrong(0, 7) && !wrong(-400, 30) && !wrong(0, 400));
        assert!(wrong(0, 6) && wrong(-400, 1) && wrong(0, -1), "what is younger than a week stays");
        assert!(wrong(2, 7) && wrong(8, 30), "it cannot have been yet");
    }
}
