//! Reads. They need not be written down before they run, and nearly every one is one that policy says a plain yes to: that is
//! looked at, decided, read and recorded without coming back in between, on one thread where the tool blocks. Anything but a
//! plain yes goes the long way.

use std::ops::ControlFlow;

use mollyguard_record::audit::{AuditEvent, Subject};
use mollyguard_record::store::NotHere;
use mollyguard_tools::contract::{Lease, Outcome, Preflight, ToolError};
use mollyguard_tools::failpoint;

use super::context::CallContext;
use super::decide::by_policy;
use super::looking::{look, nothing_changed, within};
use crate::policy::{Decision, Permit};
use crate::reply::{About, Receipt, Refusal, Reply, Stage};

/// A read that policy permits and that was made.
struct Made {
    about: About,
    result: Result<Outcome, ToolError>,
    /// Whether its record was written; with one that is still to be.
    recorded: Result<(), NotHere>,
}

/// Looks and, where policy says yes without asking anybody, reads and answers: within the deadline, and for as long as the
/// client listens. Otherwise, what was found.
pub(super) async fn at_once(cx: &CallContext) -> Result<ControlFlow<Reply, Preflight>, Box<Refusal>> {
    match look(cx, look_and_read).await? {
        ControlFlow::Break(made) => answer(cx, *made).await.map(ControlFlow::Break),
        ControlFlow::Continue(seen) => Ok(ControlFlow::Continue(seen)),
    }
}

async fn look_and_read(cx: CallContext, lease: Lease) -> Result<ControlFlow<Box<Made>, Preflight>, ToolError> {
    let tool = &cx.plan.tool.tool;
    let seen = tool.preflight(&cx.plan.args, &lease).await?;
    failpoint::reach("looked");
    cx.reach(Stage::Deciding);
    let Decision::Allow(permit) = by_policy(&cx, &seen, None) else { return Ok(ControlFlow::Continue(seen)) };
    failpoint::reach("decided");
    cx.reach(Stage::Executing);
    let result = tool.execute(&cx.plan.args, &seen, &lease).await.map_err(nothing_changed);
    let record = record(&cx, &seen, &permit, &result);
    // Only on a thread that may be blocked.
    let recorded =
        if tool.blocks() { cx.gateway.store.record_here(record) } else { Err(NotHere::Busy(Box::new(record))) };
    let mut about = cx.seen("allow", &seen);
    about.policies = cx.gateway.policies.words(permit.policies());
    Ok(ControlFlow::Break(Box::new(Made { about, result, recorded })))
}

/// Reads what the long way has found: within the deadline, and for as long as the client listens.
pub(super) async fn read(
    cx: &CallContext,
    seen: &Preflight,
    permit: Permit,
    about: About,
) -> Result<Reply, Box<Refusal>> {
    cx.reach(Stage::Executing);
    let work = async {
        let lease = cx.gateway.broker.lend_read(&cx.plan.target);
        let lease = lease.map_err(|error| ToolError::refused(error.to_string()))?;
        let lease = lease.in_turn_of(&cx.request.principal.user);
        let read = cx.plan.tool.tool.execute(&cx.plan.args, seen, &lease);
        within(&cx.request, lease.limits().deadline, read).await
    };
    let result = work.await;
    let recorded = Err(NotHere::Busy(Box::new(record(cx, seen, &permit, &result))));
    answer(cx, Made { about, result, recorded }).await
}

/// What is written down of a read.
fn record<T>(
    cx: &CallContext,
    seen: &Preflight,
    permit: &Permit,
    result: &Result<T, ToolError>,
) -> (Subject, AuditEvent) {
    failpoint::reach("executed");
    let why = |error: &ToolError| cx.gateway.broker.redactor().text(&error.to_string()).into_owned();
    let failed = result.as_ref().err().map(why);
    (cx.subject(Some(seen)), AuditEvent::Read { policies: permit.policies().to_vec(), failed })
}

/// Record, unless that is done, and reply.
async fn answer(cx: &CallContext, made: Made) -> Result<Reply, Box<Refusal>> {
    let Made { about, result, recorded } = made;
    let written = match recorded {
        Ok(()) => Ok(()),
        Err(NotHere::Failed(error)) => Err(error),
        Err(NotHere::Busy(record)) => cx.gateway.store.record(record.0, record.1).await,
    };
    // No record, no answer: what was read is not handed out unrecorded.
    written.map_err(|error| Refusal::of_store(&error, about.clone()))?;
    failpoint::reach("recorded");
    match result {
        Ok(outcome) => Ok(Reply::Done(Box::new(Receipt { output: outcome.output, about }))),
        Err(error) => Err(Box::new(Refusal::of_tool(&error, about).recorded())),
    }
}
