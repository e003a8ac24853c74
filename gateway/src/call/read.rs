//! A read in one go: looked at, decided, read and recorded without coming back in between, on one thread where the tool
//! blocks. What comes after what is as in `call.rs`; anything but a plain yes of policy goes the long way there.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use mollyguard_record::audit::AuditEvent;
use mollyguard_record::store::NotHere;
use mollyguard_tools::contract::{MayRead, Outcome, Preflight, Read, ToolError};
use mollyguard_tools::failpoint;
use uuid::Uuid;

use super::plan::Errand;
use super::steps::nothing_changed;
use crate::gateway::Gateway;
use crate::policy::{Decision, Facts, Permit};
use crate::reply::{About, Receipt, Refusal, Reply, Request, Stage};

/// A read that policy permits and that was made.
pub(crate) struct Made {
    pub(crate) permit: Permit,
    pub(crate) result: Result<Outcome, ToolError>,
    /// Whether its record was written, where that was tried.
    pub(crate) recorded: Option<Result<(), NotHere>>,
}

/// What is found out between the look and the answer.
#[derive(Default)]
struct Aside {
    permit: Option<Permit>,
    recorded: Option<Result<(), NotHere>>,
}

/// Looks and, where policy says yes without asking anybody, reads and answers: within the deadline, and for as long as the
/// client listens. Otherwise, what was found.
pub(crate) async fn in_one_go(
    gateway: &Arc<Gateway>,
    id: Uuid,
    request: &Request,
    errand: &Arc<Errand>,
) -> Result<ControlFlow<Reply, Preflight>, Box<Refusal>> {
    let aside = Arc::default();
    let judge = judge(gateway, id, request, errand, &aside);
    let Read { seen, outcome } = gateway.read_at_once(id, request, errand, judge).await?;
    let Aside { permit, recorded } = std::mem::take(&mut *aside.lock().unwrap_or_else(PoisonError::into_inner));
    let Some((result, permit)) = outcome.zip(permit) else { return Ok(ControlFlow::Continue(seen)) };
    let mut about = About::seen(id, "allow", seen.settle(&errand.tool.declaration), &seen);
    about.policies = gateway.policies.words(permit.policies());
    let made = Made { permit, result: result.map_err(nothing_changed), recorded };
    answer(gateway, request, errand, &seen, made, about).await.map(ControlFlow::Break)
}

/// Decides on what the look found, and writes down how the read went.
fn judge(
    gateway: &Arc<Gateway>,
    id: Uuid,
    request: &Request,
    errand: &Arc<Errand>,
    aside: &Arc<Mutex<Aside>>,
) -> MayRead {
    let (gateway, errand, aside) = (Arc::clone(gateway), Arc::clone(errand), Arc::clone(aside));
    let (principal, stage) = (request.principal.clone(), request.stage.clone());
    Box::new(move |seen| {
        failpoint::reach("looked");
        let _stage = stage.send(Stage::Deciding);
        let declaration = &errand.tool.declaration;
        let facts = Facts::seen(id, &principal, declaration, seen, None);
        let Decision::Allow(permit) = gateway.policies.decide(&facts) else { return None };
        failpoint::reach("decided");
        let _stage = stage.send(Stage::Executing);
        let subject = gateway.subject(id, &principal, &declaration.name, &errand.args, seen);
        let policies = permit.policies().to_vec();
        aside.lock().unwrap_or_else(PoisonError::into_inner).permit = Some(permit);
        Some(Box::new(move |error| {
            failpoint::reach("executed");
            let event = AuditEvent::Read { policies, failed: error.map(|error| gateway.failed(error)) };
            let recorded = gateway.store.record_here((subject, event));
            aside.lock().unwrap_or_else(PoisonError::into_inner).recorded = Some(recorded);
        }))
    })
}

/// Record, unless that is done, and reply.
pub(crate) async fn answer(
    gateway: &Gateway,
    request: &Request,
    errand: &Errand,
    seen: &Preflight,
    made: Made,
    about: About,
) -> Result<Reply, Box<Refusal>> {
    let Made { permit, result, recorded } = made;
    let written = match recorded {
        Some(Ok(())) => Ok(()),
        Some(Err(NotHere::Failed(error))) => Err(error),
        Some(Err(NotHere::Busy(record))) => gateway.store.record(record.0, record.1).await,
        None => {
            failpoint::reach("executed");
            let name = &errand.tool.declaration.name;
            let subject = gateway.subject(about.id, &request.principal, name, &errand.args, seen);
            let failed = result.as_ref().err().map(|error| gateway.failed(error));
            let event = AuditEvent::Read { policies: permit.policies().to_vec(), failed };
            gateway.store.record(subject, event).await
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
