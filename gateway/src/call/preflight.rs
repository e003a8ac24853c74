//! The look: what the call would do if it ran now, found on the real target and changing nothing.

use std::ops::ControlFlow;

use mollyguard_tools::contract::Preflight;

use super::context::CallContext;
use super::looking::look;
use super::read;
use crate::reply::{About, ReasonCode, Refusal, Reply, Stage};

/// Looks: within the deadline, and for as long as the client listens. A read that policy says a plain yes to is read and
/// answered at once.
pub(super) async fn preflight(cx: &CallContext) -> Result<ControlFlow<Reply, Preflight>, Box<Refusal>> {
    cx.reach(Stage::Looking);
    let (plan, declaration) = (&cx.plan, cx.declaration());
    if !declaration.mutates() && cx.request.answered.is_none() && cx.preview.is_none() {
        return read::at_once(cx).await;
    }
    let seen = look(cx, |cx, lease| async move { cx.plan.tool.tool.preflight(&cx.plan.args, &lease).await }).await?;
    let refusal = match plan.undoes {
        _ if seen.targets.is_empty() && declaration.mutates() => {
            let message = format!("`{}` found no target, so there is nothing to decide on", cx.request.tool);
            let next = "Look up what is there, then call again.";
            Refusal::new(ReasonCode::Untouched, message, next, cx.unseen())
        }
        Some((call, expects)) if seen.fingerprint != expects => {
            let message = format!(
                "the target has changed since call `{call}`, so taking that back would destroy what came after"
            );
            let next = "Look at the target and make the change you want as a call of its own.";
            let about = About::seen(cx.id, "deny", seen.reversibility, &seen);
            Refusal::new(ReasonCode::TargetChanged, message, next, about)
        }
        _ => return Ok(ControlFlow::Continue(seen)),
    };
    Err(cx.refused(None, refusal))
}
