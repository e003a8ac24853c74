//! What a call works on, as the configuration and the lease have it.

use std::sync::Arc;
use std::time::Duration;

use super::vouched::Vouched;
use crate::contract::{Access, Environment, Limits, Target, ToolError};

/// What a call works on and how much it may take.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The configured target's name.
    pub name: String,
    /// Where that stands.
    pub environment: Environment,
    /// What the lease allows.
    pub access: Access,
    /// How much the call may take.
    pub limits: Limits,
    /// Functions that an operator takes for harmless.
    pub vouched: Arc<[Vouched]>,
    /// How long a try may hold locks, all in all.
    pub trial: Duration,
    /// How long a change that nobody need be asked about may lock a whole table.
    pub lock: Duration,
}

impl Site {
    /// A thing in the database as a target: `path` below the configured target's name, `uid` the server's own id.
    pub(crate) fn target(&self, kind: &str, path: &str, uid: String) -> Target {
        let path = if path.is_empty() { self.name.clone() } else { format!("{}/{path}", self.name) };
        Target { kind: kind.into(), path, uid: Some(uid), environment: self.environment.clone() }
    }

    pub(super) fn require_write(&self) -> Result<(), ToolError> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read | Access::Trial => {
                Err(ToolError::refused(format!("the lease on `{}` is for looking only", self.name)))
            }
        }
    }
}
