//! Who a call is made for.

use serde::{Deserialize, Serialize};

/// A person, and the client program acting for them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The configured user on stdio, the authenticated one on HTTP.
    pub user: String,
    /// What the client program calls itself: unverified, for the record only, never part of a decision or a digest.
    pub client: Option<String>,
    /// The roles policies may go by.
    pub roles: Vec<String>,
}

impl Principal {
    /// Whether an approval asked for by `self` may be used by `other`: the same user with the same roles, whatever the
    /// client program calls itself this time.
    #[must_use]
    pub fn is_same_person(&self, other: &Self) -> bool {
        self.user == other.user && self.roles == other.roles
    }
}
