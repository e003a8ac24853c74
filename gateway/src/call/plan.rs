//! The journal of calls that can be taken back, and turning an entry into a call.

use std::sync::Arc;

use mollyguard_record::audit::End;
use mollyguard_record::model::Principal;
use mollyguard_record::store::{StoreError, StoredCall};
use mollyguard_tools::contract::{Digest, Reversibility, now};
use serde::Deserialize as _;
use serde_json::Value;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::registry::{Registered, Registry, UndoArgs};
use crate::reply::{About, ReasonCode, Refusal, Request};

/// What is to be done: an ordinary call, or one the journal made to take another back.
pub(crate) struct CallPlan {
    /// The tool.
    pub tool: Arc<Registered>,
    /// Its arguments.
    pub args: Arc<Value>,
    /// The configured target's name.
    pub target: String,
    /// For an undo: the call it takes back, and the fingerprint of the state that call left.
    pub undoes: Option<(Uuid, Digest)>,
}

/// Why a call cannot be taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// No such call, or it is somebody else's.
    #[error("there is no call `{0}` of yours")]
    NotFound(Uuid),
    /// It is not over, or not known to have succeeded.
    #[error("call `{0}` {1}")]
    NotDone(Uuid, &'static str),
    /// It cannot be undone at all.
    #[error("call `{0}` cannot be undone: it was {1}")]
    NotUndoable(Uuid, &'static str),
    /// It was undone already.
    #[error("call `{0}` was taken back already, by call `{1}`")]
    Undone(Uuid, Uuid),
    /// It is being undone.
    #[error("call `{0}` is being taken back by call `{1}`")]
    Claimed(Uuid, Uuid),
    /// It may have been undone.
    #[error("call `{0}` may have been taken back by call `{1}`, whose end is uncertain; look at it first")]
    MayBeUndone(Uuid, Uuid),
    /// Its time is over.
    #[error("call `{0}` could be undone until {1}")]
    Expired(Uuid, mollyguard_tools::contract::Timestamp),
    /// The tool that would undo it is gone.
    #[error("call `{0}` is undone by `{1}`, which this configuration does not have")]
    ToolGone(Uuid, String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CallPlan {
    /// An ordinary call. The schema has made sure that there is a `target`.
    #[must_use]
    pub(crate) fn ordinary(tool: Arc<Registered>, args: &Arc<Value>) -> Self {
        let target = args.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { tool, args: Arc::clone(args), target, undoes: None }
    }

    /// `claim` is the call that is taking this one back, or may have.
    fn of_entry(registry: &Registry, call: StoredCall, claim: Option<&StoredCall>) -> Result<Self, JournalError> {
        let id = call.id;
        match call.end {
            None => return Err(JournalError::NotDone(id, "is still running")),
            Some(End::Untouched) => return Err(JournalError::NotDone(id, "changed nothing")),
            Some(End::Uncertain) => return Err(JournalError::NotDone(id, "may or may not have changed something")),
            Some(End::Succeeded) => {}
        }
        if let Some(by) = call.undone_by {
            return Err(JournalError::Undone(id, by));
        }
        match claim {
            Some(claim) if claim.end.is_none() => return Err(JournalError::Claimed(id, claim.id)),
            Some(claim) => return Err(JournalError::MayBeUndone(id, claim.id)),
            None => {}
        }
        let plan = call.undo.ok_or(JournalError::NotUndoable(id, call.reversibility.as_str()))?;
        if let Some(until) = plan.until.filter(|until| *until <= now()) {
            return Err(JournalError::Expired(id, until));
        }
        let tool = registry.native(&plan.tool).cloned();
        let tool = tool.ok_or_else(|| JournalError::ToolGone(id, plan.tool.clone()))?;
        Ok(Self { tool, args: Arc::new(plan.args), target: call.target, undoes: Some((id, plan.expects)) })
    }
}

/// The call that takes another one back: one of whoever asks or, where they own the state directory, anybody's.
pub(super) async fn undo(gateway: &Gateway, request: &Request) -> Result<CallPlan, Box<Refusal>> {
    let args = UndoArgs::deserialize(&*request.args)
        .map_err(|error| Refusal::of_arguments(&request.tool, &[error.to_string()]))?;
    journalled(gateway, args.call_id, (!request.by_owner).then_some(&request.principal)).await.map_err(|error| {
        let (code, next) = match error {
            JournalError::Store(_) => (ReasonCode::Unavailable, "Try again later."),
            JournalError::NotFound(_) => {
                (ReasonCode::Untouched, "`list_calls` shows your calls and which can be undone.")
            }
            _ => (ReasonCode::Untouched, "`list_calls` shows what can be undone."),
        };
        let about = About::unseen(Uuid::now_v7(), Reversibility::Irreversible);
        Box::new(Refusal::new(code, error.to_string(), next, about))
    })
}

/// What the journal has for a call: one of `whose`, or anybody's.
async fn journalled(gateway: &Gateway, call: Uuid, whose: Option<&Principal>) -> Result<CallPlan, JournalError> {
    let own = |found: &StoredCall| whose.is_none_or(|principal| found.principal.user == principal.user);
    let found = gateway.store.call(call).await?.filter(own).ok_or(JournalError::NotFound(call))?;
    let claim = match found.claimed_by {
        Some(by) => gateway.store.call(by).await?,
        None => None,
    };
    CallPlan::of_entry(&gateway.registry, found, claim.as_ref())
}
