//! What a look and a read share: access for looking, and a wait that ends with the deadline or the client.

use std::time::Duration;

use mollyguard_tools::contract::{Lease, ToolError};

use super::context::CallContext;
use crate::reply::Request;

/// Access for looking.
pub(super) fn lend_look(cx: &CallContext) -> Result<Lease, ToolError> {
    let lease = cx.gateway.broker.lend_look(&cx.plan.target, cx.declaration());
    let lease = lease.map_err(|error| ToolError::refused(error.to_string()))?;
    Ok(lease.in_turn_of(&cx.request.principal.user))
}

/// Awaits a look or a read until it is done, its deadline passes, or the client is gone. Dropping the work stops it: nothing
/// that changes the world is awaited this way.
pub(super) async fn within<T>(
    request: &Request,
    deadline: Duration,
    work: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    let done = tokio::select! {
        result = tokio::time::timeout(deadline, work) => result.unwrap_or_else(|_| {
            Err(ToolError::unavailable(format!("no answer from the target within {deadline:?}")))
        }),
        () = request.cancel.cancelled() => Err(ToolError::unavailable("the client cancelled the call")),
    };
    done.map_err(nothing_changed)
}

/// Looks and reads change nothing, so however one of them ends, nothing was changed.
pub(super) fn nothing_changed(error: ToolError) -> ToolError {
    match error {
        ToolError::Uncertain { reason } => ToolError::failed(reason),
        untouched @ ToolError::Untouched { .. } => untouched,
    }
}
