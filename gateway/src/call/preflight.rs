//! The look: what the call would do if it ran now, found on the real target and changing nothing.

use std::ops::ControlFlow;
use std::time::Duration;

use mollyguard_tools::contract::{Lease, Preflight, ToolError};

use super::aliases::is_the_one;
use super::context::CallContext;
use super::read;
use crate::reply::{About, ReasonCode, Refusal, Reply, Request, Stage};

/// Looks: within the deadline, and for as long as the client listens. A read that policy says a plain yes to is read and
/// answered at once.
pub(super) async fn preflight(cx: &CallContext<'_>) -> Result<ControlFlow<Reply, Preflight>, Box<Refusal>> {
    cx.reach(Stage::Looking);
    let (plan, declaration) = (&cx.plan, cx.declaration());
    if !declaration.mutates() && cx.request.answered.is_none() && cx.preview.is_none() {
        return read::at_once(cx).await;
    }
    let looked = async {
        let lease = lend_look(cx)?;
        let look = async {
            is_the_one(cx.gateway, &lease, declaration).await?;
            plan.tool.tool.preflight(&plan.args, &lease).await
        };
        within(cx.request, lease.limits().deadline, look).await
    };
    let refusal = match looked.await {
        Ok(seen) if seen.targets.is_empty() && declaration.mutates() => {
            let message = format!("`{}` found no target, so there is nothing to decide on", cx.request.tool);
            let next = "Look up what is there, then call again.";
            Refusal::new(ReasonCode::Untouched, message, next, cx.unseen())
        }
        Ok(seen) => match plan.undoes {
            Some((call, expects)) if seen.fingerprint != expects => {
                let message = format!(
                    "the target has changed since call `{call}`, so taking that back would destroy what came after"
                );
                let next = "Look at the target and make the change you want as a call of its own.";
                let about = About::seen(cx.id, "deny", seen.reversibility, &seen);
                Refusal::new(ReasonCode::TargetChanged, message, next, about)
            }
            _ => return Ok(ControlFlow::Continue(seen)),
        },
        Err(error) => Refusal::of_tool(&error, cx.unseen()),
    };
    Err(cx.refused(None, refusal))
}

/// Access for looking.
pub(super) fn lend_look(cx: &CallContext<'_>) -> Result<Lease, ToolError> {
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
