//! The way of a call, from top to bottom. What each step does lives in its own module; what comes after what, and what
//! happens when a step says no, is here.

mod admit;
mod aliases;
pub mod approval;
mod builtin;
mod conclude;
mod context;
mod decide;
mod execute;
mod looking;
mod open;
mod plan;
mod preflight;
mod preview;
mod read;
pub mod recovery;
mod run;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

use mollyguard_record::model::CallDigests;
use mollyguard_tools::failpoint;
use tracing::Instrument as _;
use uuid::Uuid;

use self::context::{CallContext, Turn};
use self::plan::CallPlan;
use crate::gateway::Gateway;
use crate::limits;
use crate::policy::Decision;
use crate::registry::{BuiltinTool, Entry, UnknownTool};
use crate::reply::{Refusal, Reply, Request};
pub use builtin::ended;
pub(crate) use conclude::{malformed, turned_away};

/// The way of one call.
///
/// # Errors
/// The tool is not known, which the protocol wants told apart from a refusal.
pub async fn call(gateway: &Arc<Gateway>, request: Request) -> Result<Reply, UnknownTool> {
    let request = Arc::new(request);
    let entry = match gateway.registry.find(&request.tool) {
        Ok(entry) => entry,
        Err(unknown) => return Err(conclude::unknown(gateway, &request, unknown).await),
    };
    // The names of OpenTelemetry's semantic conventions for MCP and generative AI.
    let span = tracing::info_span!(
        "tools/call",
        gen_ai.tool.name = %request.tool,
        gen_ai.operation.name = "execute_tool",
        mcp.method.name = "tools/call",
        error.r#type = tracing::field::Empty,
    );
    // Boxed where most calls do not come: what is not entered need not be moved.
    let done = async {
        let (registry, args) = (&gateway.registry, &request.args);
        registry.check(&entry, args).map_err(|errors| Refusal::of_arguments(&request.tool, &errors))?;
        // Before the slot, so that large calls that wait for each other keep no small one from running.
        let bulk = gateway.bulk.turn(&entry, &request).await?;
        let turn = Some(Arc::new(Turn { _slot: limits::slot(&gateway.slots, &request).await?, _bulk: bulk }));
        // An ordinary call, the call that takes another one back, and as far as the decision a preview of either.
        let (made, plan, preview) = match &entry {
            Entry::Native(tool) => (Arc::clone(&request), CallPlan::ordinary(Arc::clone(tool), args), None),
            Entry::Builtin(BuiltinTool::Undo) => (Arc::clone(&request), plan::undo(gateway, &request).await?, None),
            Entry::Builtin(BuiltinTool::Preview) => {
                let (previewed, plan) = preview::plan(gateway, &request).await?;
                (Arc::new(previewed), plan, Some(Arc::clone(&request)))
            }
            Entry::Builtin(own) => return Box::pin(builtin::answer(gateway, *own, &request)).await,
        };
        let (gateway, plan) = (Arc::clone(gateway), Arc::new(plan));
        let cx = CallContext { id: Uuid::now_v7(), gateway, request: made, plan, preview, turn };

        admit::admit(&cx).await?;
        let seen = match preflight::preflight(&cx).await? {
            ControlFlow::Continue(seen) => seen,
            ControlFlow::Break(reply) => return Ok(reply),
        };
        failpoint::reach("looked");
        let facts = cx.facts(&seen);
        let (decision, approval) = decide::decide(&cx, &seen, &facts).await?;
        if let Some(request) = &cx.preview {
            return Box::pin(preview::answer(&cx, request, &seen, decision, approval)).await;
        }
        match decision {
            Decision::Allow(permit) => {
                let approval = approval.map(|approval| (approval, CallDigests::from(&facts)));
                Box::pin(execute::execute(cx, seen, permit, approval)).await
            }
            Decision::Confirm { because, .. } if cx.request.retention.is_some() => {
                Err(cx.not_asked_about(&seen, because))
            }
            Decision::Confirm { need, because } => Box::pin(approval::ask(&cx, &seen, &facts, need, because)).await,
            Decision::Deny { because } => Err(cx.denied(Some(&seen), because)),
        }
    };
    let done = done.instrument(span.clone()).await;
    if let Err(refusal) = &done {
        span.record("error.type", refusal.reason_code.as_str());
    }
    Ok(conclude::conclude(gateway, &request, done).await)
}
