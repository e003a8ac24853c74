//! Where calls, questions, undo entries and the audit chain are kept. Everything that must be true together is written in
//! one transaction.

mod asking;
mod calls;
#[cfg(any(test, feature = "laws"))]
pub mod laws;
mod needs;
mod pruning;
mod rules;
mod sqlite;

use std::sync::Arc;

use mollyguard_tools::contract::{Preflight, Probe, Reversibility, Timestamp, UndoPlan};
use serde_json::Value;
use uuid::Uuid;

use crate::audit::{AuditEvent, End, Subject};
use crate::model::{CallDigests, Confirmation, ConfirmationState};

pub use asking::{AnswerSubmission, Asking, Bounds, Granted, Like, Quarantine, Showing};
pub use calls::{CallFilter, StoredCall};
pub use needs::{Calls, Grants, People, Questions, Records, Sessions, Store};
pub use pruning::Pruned;
pub(crate) use sqlite::Inspection;
pub use sqlite::enrolled;
#[cfg(any(test, feature = "laws"))]
pub use sqlite::harness;
pub use sqlite::{Changes, Configured, Health, OpenStore, Room, SqliteStore};

/// The name under which the gateway itself ends a question.
pub const GATEWAY: &str = "mollyguard";

/// Why the store said no. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The approval is not there to be spent: used, refused, expired or never given.
    #[error("the approval of confirmation `{0}` cannot be used: {1}")]
    NotApproved(Uuid, String),
    /// The approval for a while does not stand, or is about something else.
    #[error("the approval for a while `{0}` cannot be used: {1}")]
    NotGranted(Uuid, String),
    /// Nothing of that id.
    #[error("there is no {0} `{1}`")]
    NotFound(&'static str, Uuid),
    /// The call was undone already, or is claimed by an undo that runs or whose end is uncertain.
    #[error("call `{1}` has taken back call `{0}`, or is at it, or may have: its end tells which")]
    AlreadyUndone(Uuid, Uuid),
    /// More is waiting to be written than the queue holds.
    #[error("the store's queue is full")]
    Full,
    /// The store itself failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The call's end is written down already.
    #[error("call `{0}` has an end already")]
    AlreadyEnded(Uuid),
    /// The user is not in quarantine.
    #[error("`{0}` is not in quarantine")]
    NotQuarantined(String),
    /// Not to be done to, or by, this operator.
    #[error("{0}")]
    NotEnrolled(String),
    /// A call has begun there, nothing goes on with it, and its end is not on record.
    #[error("call `{call}` on `{target}` {why}, so no other change of `{target}` begins")]
    Unsettled {
        /// The call.
        call: Uuid,
        /// The configured target's name.
        target: String,
        /// Why it has no end.
        why: NoEnd,
    },
    /// There is no room for what would be kept of a large call.
    #[error("of this call {takes} bytes would be kept, for taking it back, and there is no room for that: {}", .why.of(target))]
    NoRoom {
        /// The configured target's name.
        target: String,
        /// How many bytes would be kept of it.
        takes: u64,
        /// Why they do not fit.
        why: NoRoom,
    },
    /// What was read back makes no sense.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

/// A record that was not written on the caller's thread.
#[derive(Debug)]
pub enum NotHere {
    /// Somebody else is writing: [`Records::record`] takes it.
    Busy(Box<(Subject, AuditEvent)>),
    /// The store failed.
    Failed(StoreError),
}

/// Why a call with which nothing goes on has no end on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEnd {
    /// It has ended and that could not be written down, or it may still take effect. Its living process tries again, or
    /// looks again, until it can be.
    Unwritten,
    /// Its process is gone. Recovery looks at what it did.
    CutOff,
}

impl std::fmt::Display for NoEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unwritten => {
                "has no end on record yet: how it ended cannot be written down, or it may still take effect"
            }
            Self::CutOff => "was cut off with its gateway, and what became of it could not be settled yet",
        })
    }
}

/// Why what would be kept of a call does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// So much is kept already of its user's calls on its target, of at most so much.
    Kept {
        /// How many bytes are kept.
        kept: u64,
        /// How many may be.
        bound: u64,
    },
    /// So much is free on the disk, of which so much is to stay free.
    Disk {
        /// How many bytes are free.
        free: u64,
        /// How many are to stay so.
        floor: u64,
    },
}

impl NoRoom {
    fn of(self, target: &str) -> String {
        match self {
            Self::Kept { kept, bound } => {
                format!("{kept} bytes of your calls on `{target}` are kept already, of {bound} at most")
            }
            Self::Disk { free, floor } => {
                format!("{free} bytes are free on the disk of the state directory, and {floor} stay free")
            }
        }
    }
}

/// A call about to run.
#[derive(Clone, Debug)]
pub struct Start {
    /// What it is about; `call`, `principal`, `tool` are always set.
    pub subject: Subject,
    /// The arguments, redacted.
    pub args: Value,
    /// The configured target's name.
    pub target: String,
    /// What the target said it is: another configuration may call something else by that name.
    pub identity: Option<String>,
    /// What the look found, with its pre-image.
    pub preflight: Preflight,
    /// The settled reversibility.
    pub reversibility: Reversibility,
    /// The policies that permit it.
    pub policies: Vec<String>,
    /// The confirmation whose approval it spends.
    pub confirmation: Option<Uuid>,
    /// The approval for a while it runs under.
    pub grant: Option<Uuid>,
    /// What its facts come to, where it uses an approval: `begin` compares them with what that was given to.
    pub digests: Option<CallDigests>,
    /// The call it takes back. Claimed in `begin`: two undos of one call cannot both start.
    pub undoes: Option<Uuid>,
}

/// The proof that a call was written down before it ran. Private fields: only a [`Store`]'s `begin` makes one, and
/// `finish` consumes it.
#[derive(Debug)]
pub struct Intent {
    call: Uuid,
}

impl Intent {
    /// For the stores below this module, once the transaction of `begin` is committed.
    const fn written(call: Uuid) -> Self {
        Self { call }
    }

    /// The call.
    #[must_use]
    pub const fn call(&self) -> Uuid {
        self.call
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// How.
    pub end: End,
    /// How to take it back.
    pub undo: Option<UndoPlan>,
    /// What happened, where it did not succeed. Redacted.
    pub note: Option<String>,
    /// What a look found, where the end is uncertain.
    pub probe: Option<Probe>,
}

/// An end that is not written down: all it takes to try again.
#[derive(Debug, thiserror::Error)]
#[error("the end of call `{}` is not written down: {error}", .intent.call())]
pub struct Unfinished {
    /// The call.
    pub intent: Intent,
    /// How it ended.
    pub ending: Ending,
    /// Why that could not be written.
    pub error: StoreError,
}

/// The questions that are open, with the yeses they have so far. Shared by all who look: as long as nothing of it has
/// changed, the very same is given, which `Arc::ptr_eq` tells.
pub type OpenQuestions = Arc<[Arc<(Confirmation, ConfirmationState)>]>;

/// Removes what was made before then, a bounded part at a time, until nothing is left to remove.
///
/// # Errors
/// The store failed, or holds something that was edited. What was removed before that is on record.
pub async fn prune_all(store: &dyn Store, before: Timestamp) -> Result<Pruned, StoreError> {
    let mut pruned = store.prune(before).await?;
    while pruned.more {
        pruned = pruned.and(store.prune(before).await?);
    }
    Ok(pruned)
}
