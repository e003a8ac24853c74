//! The look: what the call would do if it ran now, found on the real target and changing nothing.

use std::ops::ControlFlow;

use mollyguard_tools::contract::{Cause, Preflight, ToolError};

use super::aliases::is_the_one;
use super::context::CallContext;
use super::looking::{lend_look, within};
use super::read;
use crate::reply::{About, ReasonCode, Refusal, Reply, Stage};
use crate::retention;

/// Looks: within the deadline, and for as long as the client listens. A read that policy says a plain yes to is read and
/// answered at once.
pub(super) async fn preflight(cx: &CallContext) -> Result<ControlFlow<Reply, Preflight>, Box<Refusal>> {
    cx.reach(Stage::Looking);
    let (plan, declaration) = (&cx.plan, cx.declaration());
    if !declaration.mutates() && cx.request.answered.is_none() && cx.preview.is_none() {
        return read::at_once(cx).await;
    }
    let looked = async {
        let lease = lend_look(cx)?;
        let look = async {
            is_the_one(&cx.gateway, &lease, declaration).await?;
            plan.tool.tool.preflight(&plan.args, &lease).await
        };
        within(&cx.request, lease.limits().deadline, look).await
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
        Err(error) => {
            let mut refusal = Refusal::of_tool(&error, cx.unseen());
            if let Some(why) = why_gone(cx, &error).await {
                refusal.message = format!("{}; {why}", refusal.message);
            }
            refusal
        }
    };
    Err(cx.refused(None, refusal))
}

/// Why what an undo would bring back is not there any more, where the gateway may have removed it.
async fn why_gone(cx: &CallContext<'_>, error: &ToolError) -> Option<String> {
    let (ToolError::Untouched { cause: Cause::NotFound, .. }, Some((undone, _))) = (error, cx.plan.undoes) else {
        return None;
    };
    let call = cx.gateway.store.call(undone).await.ok().flatten()?;
    retention::was_put_away(cx.gateway, &call).then(|| retention::why_gone(&cx.gateway.config)).flatten()
}
