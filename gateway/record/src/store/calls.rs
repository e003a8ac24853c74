//! Calls as the store gives them.

use mollyguard_tools::contract::{Preflight, Reversibility, Timestamp, UndoPlan, now};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::audit::End;
use crate::model::Principal;

/// A call as the store remembers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredCall {
    /// Its id.
    pub id: Uuid,
    /// For whom.
    pub principal: Principal,
    /// The tool.
    pub tool: String,
    /// The configured target's name.
    pub target: String,
    /// What the target said it is when the call started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The arguments, redacted.
    pub args: Value,
    /// What the look found. Its pre-image is only there for calls that are not finished.
    pub preflight: Preflight,
    /// The settled reversibility.
    pub reversibility: Reversibility,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended; `None` while it runs or was cut off.
    pub end: Option<End>,
    /// What happened, where it did not succeed.
    pub note: Option<String>,
    /// How to take it back.
    pub undo: Option<UndoPlan>,
    /// The call it takes back.
    pub undoes: Option<Uuid>,
    /// The call that took it back.
    pub undone_by: Option<Uuid>,
    /// The call that is taking it back, or may have: it runs, or its end is uncertain.
    pub claimed_by: Option<Uuid>,
    /// The confirmation whose approval it spent.
    pub confirmation: Option<Uuid>,
    /// The approval for a while it ran under.
    pub grant: Option<Uuid>,
}

impl StoredCall {
    /// Whether it can be taken back now, as far as the store knows.
    #[must_use]
    pub fn is_undoable(&self) -> bool {
        let in_time = self.undo.as_ref().is_some_and(|plan| plan.until.is_none_or(|until| until > now()));
        in_time && self.undone_by.is_none() && self.claimed_by.is_none()
    }
}

/// Which calls to list: newest first.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// Only this user's.
    pub user: Option<String>,
    /// Only on this configured target.
    pub target: Option<String>,
    /// Only those that can still be undone.
    pub undoable: bool,
    /// At most this many; 0 means 50, and 1,000 is the most.
    pub limit: u32,
    /// Only those before this call.
    pub before: Option<Uuid>,
}
