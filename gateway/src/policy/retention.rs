//! The one fact that no look finds and no argument holds: the gateway itself makes the call, since what it removes has been
//! kept for as long as the configuration says.

use serde::{Deserialize, Serialize};

/// Why the gateway removes what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// For how many whole days it has been kept.
    pub age_days: u32,
    /// That is as long as the configuration says.
    pub over_age: bool,
    /// What is kept in its target takes up more room than the configuration says.
    pub over_size: bool,
}
