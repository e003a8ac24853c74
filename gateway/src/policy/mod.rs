//! What policy says about a call. Only this module names Cedar, and only [`Policies::decide`] makes a [`Permit`].

use mollyguard_tools::contract::{BlastRadius, Declaration, Digest, Reversibility, Target};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::confirm::Need;
use crate::identity::Principal;

/// A policy that had a say, and its words for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Because {
    /// The policy's `@id`; `default-deny` where no policy permits.
    pub policy: String,
    /// Its `@reason`.
    pub reason: String,
}

/// What is known of a call when it is decided.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The call's id.
    pub call: Uuid,
    /// For whom.
    pub principal: &'a Principal,
    /// The tool's promise.
    pub declaration: &'a Declaration,
    /// What it would act on. Several: each is decided, the strictest wins. Never empty.
    pub targets: &'a [Target],
    /// The settled reversibility.
    pub reversibility: Reversibility,
    /// How much it would touch.
    pub blast_radius: &'a BlastRadius,
    /// Whether it destroys what others rely on for recovery.
    pub destroys_recovery: bool,
    /// The approval that came along, if one did and holds.
    pub approval: Option<Need>,
}

/// What policy says.
#[derive(Debug)]
pub enum Decision {
    /// Go on.
    Allow(Permit),
    /// Ask a person first.
    Confirm {
        /// The weakest approval that would do.
        need: Need,
        /// The policies that ask.
        because: Vec<Because>,
    },
    /// No, and no approval this installation can prove would change that.
    Deny {
        /// The policies that forbid.
        because: Vec<Because>,
    },
}

/// The proof that policy said yes to one call. Private fields: only [`Policies::decide`] makes one.
#[derive(Debug)]
pub struct Permit {
    call: Uuid,
    tool: String,
    policies: Vec<String>,
}

impl Permit {
    /// The call it is for.
    #[must_use]
    pub const fn call(&self) -> Uuid {
        self.call
    }

    /// The tool it is for.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The policies that permit it.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }
}

/// The policies in force.
#[derive(Debug)]
pub struct Policies {
    digest: Digest,
}

impl Policies {
    /// Digest of the policies and schema in force; part of every approval.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The policies of these ids, with their words.
    #[must_use]
    pub fn because(&self, _ids: &[String]) -> Vec<Because> {
        Vec::new()
    }

    /// Decides one call on the facts.
    #[must_use]
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        let _permit = Permit { call: facts.call, tool: String::new(), policies: Vec::new() };
        Decision::Deny { because: Vec::new() }
    }

    /// Before anything is looked at: is there any outcome of the look, and any approval, with which this call could be
    /// allowed?
    ///
    /// # Errors
    /// The policies that forbid it whatever is found.
    pub fn could_allow(
        &self,
        _principal: &Principal,
        _declaration: &Declaration,
        _target: &Target,
    ) -> Result<(), Vec<Because>> {
        Ok(())
    }
}
