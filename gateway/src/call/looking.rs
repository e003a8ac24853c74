//! What a look and a read share: access for looking, and a wait that ends with the deadline or the client.

use std::time::Duration;

use mollyguard_tools::contract::{Cause, Lease, ToolError, on_one_thread};

use super::aliases::is_the_one;
use super::context::CallContext;
use crate::reply::{Refusal, Request};
use crate::retention;

/// Has `work` look at the target, with access for looking, within the deadline, and for as long as the client listens. Where it
/// is by a tool that blocks and changes nothing, on one thread.
pub(super) async fn look<T, F>(
    cx: &CallContext,
    work: impl FnOnce(CallContext, Lease) -> F + Send + 'static,
) -> Result<T, Box<Refusal>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ToolError>> + Send,
{
    let looked = async {
        let lease = cx.gateway.broker.lend_look(&cx.plan.target, cx.declaration());
        let lease = lease.map_err(|error| ToolError::refused(error.to_string()))?;
        let lease = lease.in_turn_of(&cx.request.principal.user);
        let (deadline, owned) = (lease.limits().deadline, cx.clone());
        let all = async move {
            is_the_one(&owned.gateway, &lease, owned.declaration()).await?;
            work(owned, lease).await
        };
        let is_alone = cx.plan.tool.tool.blocks() && !cx.declaration().mutates();
        let all = async { if is_alone { on_one_thread(all).await? } else { all.await } };
        within(&cx.request, deadline, all).await
    };
    let error = match looked.await {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    let mut refusal = Refusal::of_tool(&error, cx.unseen());
    if let Some(why) = Box::pin(why_gone(cx, &error)).await {
        refusal.message = format!("{}; {why}", refusal.message);
    }
    Err(cx.refused(None, refusal))
}

/// Why what an undo would bring back is not there any more, where the gateway may have removed it.
async fn why_gone(cx: &CallContext, error: &ToolError) -> Option<String> {
    let (ToolError::Untouched { cause: Cause::NotFound, .. }, Some((undone, _))) = (error, cx.plan.undoes) else {
        return None;
    };
    let call = cx.gateway.store.call(undone).await.ok().flatten()?;
    retention::was_put_away(&cx.gateway, &call).then(|| retention::why_gone(&cx.gateway.config)).flatten()
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
