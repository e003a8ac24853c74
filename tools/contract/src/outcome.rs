//! What came of a call, and how it is taken back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Digest, Timestamp};

/// The call that takes another one back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UndoPlan {
    /// The tool to call.
    pub tool: String,
    /// Its arguments, complete.
    pub args: Value,
    /// Fingerprint of the state the call left, as the undo tool's own preflight computes it: if the world has moved on
    /// since, the undo is refused.
    #[schemars(with = "String")]
    pub expects: Digest,
    /// After this moment it can no longer be taken back; `None` while the journal entry lives.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// What does not come back, one sentence fragment each; empty when the state is restored exactly.
    pub lossy: Vec<String>,
}

impl UndoPlan {
    /// A call that brings back exactly what was, for as long as the journal entry lives.
    #[must_use]
    pub fn exact(tool: impl Into<String>, args: Value, expects: Digest) -> Self {
        Self { tool: tool.into(), args, expects, until: None, lossy: Vec::new() }
    }
}

/// What came of a call that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The output, as the declaration's output schema describes it.
    pub output: Value,
    /// How to take it back; `None` for reads and for what cannot be.
    pub undo: Option<UndoPlan>,
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The call asks for something this tool does not do.
    Refused,
    /// The target, or a thing in it, does not exist.
    NotFound,
    /// The target is no longer in the state that was looked at.
    Changed,
    /// The target cannot be reached, is locked, or did not answer in time.
    Unavailable,
    /// The target itself said no: a constraint, a permission.
    Failed,
}

/// Why a look or a call gave no outcome. The journal must know: may the world have changed?
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ToolError {
    /// Nothing was changed.
    #[error("{reason}")]
    Untouched {
        /// What kind of failure.
        cause: Cause,
        /// What happened, for the person and the agent. Holds no secret.
        reason: String,
        /// What would help.
        next: Option<String>,
    },
    /// The call may or may not have changed the target.
    #[error("{reason}")]
    Uncertain {
        /// What happened, for the person and the agent. Holds no secret.
        reason: String,
    },
}

impl ToolError {
    fn untouched(cause: Cause, reason: impl Into<String>) -> Self {
        Self::Untouched { cause, reason: reason.into(), next: None }
    }

    /// The call asks for something this tool does not do; nothing changed.
    #[must_use]
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::untouched(Cause::Refused, reason)
    }

    /// Something named in the call does not exist; nothing changed.
    #[must_use]
    pub fn not_found(reason: impl Into<String>) -> Self {
        Self::untouched(Cause::NotFound, reason)
    }

    /// The target moved between the look and the call; nothing changed.
    #[must_use]
    pub fn changed(reason: impl Into<String>) -> Self {
        Self::untouched(Cause::Changed, reason)
    }

    /// The target cannot be reached or is busy; nothing changed.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::untouched(Cause::Unavailable, reason)
    }

    /// The target said no; nothing changed.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::untouched(Cause::Failed, reason)
    }

    /// The target may have been changed.
    #[must_use]
    pub fn uncertain(reason: impl Into<String>) -> Self {
        Self::Uncertain { reason: reason.into() }
    }

    /// The same error with advice on what would help.
    #[must_use]
    pub fn with_next(mut self, advice: impl Into<String>) -> Self {
        if let Self::Untouched { next, .. } = &mut self {
            *next = Some(advice.into());
        }
        self
    }
}

/// What a look found about a call that started and was never seen to finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// The target is as it was before: the call changed nothing.
    Unchanged,
    /// The target is as the call would have left it.
    Changed,
    /// It cannot be told.
    Unknown,
}
