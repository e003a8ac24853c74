//! Why something was decided.

use serde::{Deserialize, Serialize};

/// A policy that had a say, and its words for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Because {
    /// The policy's `@id`; `default-deny` where no policy permits.
    pub policy: String,
    /// Its `@reason`.
    pub reason: String,
}
