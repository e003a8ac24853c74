//! placeholder

use serde::{Deserialize, Serialize};

/// key
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {}

/// assertion
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// credential
    pub credential: String,
}
