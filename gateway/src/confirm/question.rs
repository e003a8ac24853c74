//! What an approval is bound to.

use mollyguard_tools::contract::{Digest, Target, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Confirmation;
use crate::identity::Principal;

/// Everything about a call that a yes is bound to, but for the confirmation's own id and expiry.
#[derive(Clone, Copy, Debug)]
pub struct CallFacts<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// Digest of its declaration.
    pub declaration: Digest,
    /// The arguments.
    pub args: &'a Value,
    /// For whom.
    pub principal: &'a Principal,
    /// What it would act on, as the provider knows it.
    pub targets: &'a [Target],
    /// Digest of the observed state.
    pub fingerprint: Digest,
    /// The call it takes back, for an undo.
    pub undoes: Option<Uuid>,
    /// Digest of the policies in force.
    pub policies: Digest,
}

impl CallFacts<'_> {
    /// Digest of what was asked for.
    #[must_use]
    pub fn request(&self) -> Digest {
        Digest::of(&json!({
            "tool": self.tool,
            "declaration": self.declaration,
            "arguments": self.args,
            "principal": {"user": self.principal.user, "roles": self.principal.roles},
            "undoes": self.undoes,
            "policies": self.policies,
        }))
    }

    /// Digest of what was found.
    #[must_use]
    pub fn state(&self) -> Digest {
        Digest::of(&json!({"targets": self.targets, "fingerprint": self.fingerprint}))
    }
}

/// The digest of a call: SHA-256 over the canonical JSON of tool, declaration, arguments, principal, targets with uids,
/// fingerprint, policies, confirmation id and expiry.
#[must_use]
pub fn digest_of_call(facts: &CallFacts<'_>, confirmation: Uuid, expires_at: Timestamp) -> Digest {
    Digest::of(&json!({
        "request": facts.request(),
        "state": facts.state(),
        "confirmation": confirmation,
        "expires_at": expires_at,
    }))
}

/// Whether a confirmation is about this very call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matches {
    /// It is.
    Exactly,
    /// It was asked about another call: another tool, other arguments, another principal or other policies.
    OtherCall,
    /// It was asked about this call, but the target has changed since.
    TargetChanged,
}

/// Compares a confirmation with a call as it stands now.
#[must_use]
pub fn matches(confirmation: &Confirmation, facts: &CallFacts<'_>) -> Matches {
    if digest_of_call(facts, confirmation.id, confirmation.expires_at) == confirmation.call {
        Matches::Exactly
    } else if facts.request() == confirmation.request {
        Matches::TargetChanged
    } else {
        Matches::OtherCall
    }
}
