//! Reads. They need not be written down before they run, and nearly every one is one that policy says a plain yes to: that is
//! looked at, decided, read and recorded without coming back in between, on one thread where the tool blocks. Anything but a
//! plain yes goes the long way.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use mollyguard_record::audit::AuditEvent;
use mollyguard_record::store::NotHere;
use mollyguard_tools::contract::{MayRead, Outcome, Preflight, ReadAtOnce, ToolError};
use mollyguard_tools::failpoint;

use super::aliases::is_the_one;
use super::context::{CallContext, subject};
use super::looking::{lend_look, nothing_changed, within};
use crate::gateway::Gateway;
use crate::policy::{Decision, Facts, Permit};
use crate::reply::{About, Receipt, Refusal, Reply, Stage};

/// A read that policy permits and that was made.
struct Made {
    permit: Permit,
    result: Result<Outcome, ToolError>,
    /// Whether its record was written, where that was tried.
    recorded: Option<Result<(), NotHere>>,
}

/// What is found out between the look and the answer.
#[derive(Default)]
struct Aside {
    permit: Option<Permit>,
    recorded: Option<Result<(), NotHere>>,
}

/// Looks and, where policy says yes without asking anybody, reads and answers: within the deadline, and for as long as the
/// client listens. Otherwise, what was found.
pub(super) async fn at_once(cx: &CallContext<'_>) -> Result<ControlFlow<Reply, Preflight>, Box<Refusal>> {
    let aside = Arc::default();
    let judge = judge(cx, &aside);
    let work = async {
        let lease = lend_look(cx)?;
        let read = async {
            is_the_one(cx.gateway, &lease, cx.declaration()).await?;
            cx.plan.tool.tool.read(&cx.plan.args, &lease, judge).await
        };
        within(cx.request, lease.limits().deadline, read).await
    };
    let ReadAtOnce { seen, outcome } =
        work.await.map_err(|error| cx.refused(None, Refusal::of_tool(&error, cx.unseen())))?;
    let Aside { permit, recorded } = std::mem::take(&mut *aside.lock().unwrap_or_else(PoisonError::into_inner));
    let Some((result, permit)) = outcome.zip(permit) else { return Ok(ControlFlow::Continue(seen)) };
    let mut about = cx.seen("allow", &seen);
    about.policies = cx.gateway.policies.words(permit.policies());
    let made = Made { permit, result: result.map_err(nothing_changed), recorded };
    answer(cx, &seen, made, about).await.map(ControlFlow::Break)
}

/// Decides on what the look found, and writes down how the read went.
fn judge(cx: &CallContext<'_>, aside: &Arc<Mutex<Aside>>) -> MayRead {
    let (id, gateway, plan, aside) = (cx.id, Arc::clone(cx.gateway), Arc::clone(&cx.plan), Arc::clone(aside));
    let (principal, stage) = (cx.request.principal.clone(), cx.request.stage.clone());
    Box::new(move |seen| {
        failpoint::reach("looked");
        let _nobody_watches = stage.send(Stage::Deciding);
        let declaration = &plan.tool.declaration;
        let facts = Facts::seen(id, &principal, declaration, seen, None);
        let Decision::Allow(permit) = gateway.policies.decide(&facts) else { return None };
        failpoint::reach("decided");
        let _nobody_watches = stage.send(Stage::Executing);
        let subject = subject(&gateway, id, &principal, (&declaration.name, &plan.args), &seen.targets);
        let policies = permit.policies().to_vec();
        aside.lock().unwrap_or_else(PoisonError::into_inner).permit = Some(permit);
        Some(Box::new(move |error| {
            failpoint::reach("executed");
            let event = AuditEvent::Read { policies, failed: error.map(|error| failed(&gateway, error)) };
            let recorded = gateway.store.record_here((subject, event));
            aside.lock().unwrap_or_else(PoisonError::into_inner).recorded = Some(recorded);
        }))
    })
}

/// Reads what the long way has found: within the deadline, and for as long as the client listens.
pub(super) async fn read(
    cx: &CallContext<'_>,
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
        within(cx.request, lease.limits().deadline, read).await
    };
    let made = Made { permit, result: work.await, recorded: None };
    answer(cx, seen, made, about).await
}

/// Record, unless that is done, and reply.
async fn answer(cx: &CallContext<'_>, seen: &Preflight, made: Made, about: About) -> Result<Reply, Box<Refusal>> {
    let Made { permit, result, recorded } = made;
    let store = &cx.gateway.store;
    let written = match recorded {
        Some(Ok(())) => Ok(()),
        Some(Err(NotHere::Failed(error))) => Err(error),
        Some(Err(NotHere::Busy(record))) => store.record(record.0, record.1).await,
        None => {
            failpoint::reach("executed");
            let failed = result.as_ref().err().map(|error| failed(cx.gateway, error));
            let event = AuditEvent::Read { policies: permit.policies().to_vec(), failed };
            store.record(cx.subject(Some(seen)), event).await
        }
    };
    // No record, no answer: what was read is not handed out unrecorded.
    written.map_err(|error| Refusal::of_store(&error, about.clone()))?;
    failpoint::reach("recorded");
    match result {
        Ok(outcome) => Ok(Reply::Done(Box::new(Receipt { output: outcome.output, about }))),
        Err(error) => Err(Box::new(Refusal::of_tool(&error, about).recorded())),
    }
}

/// Why a read failed, as its record says it.
fn failed(gateway: &Gateway, error: &ToolError) -> String {
    gateway.broker.redactor().text(&error.to_string()).into_owned()
}
