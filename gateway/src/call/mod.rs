//! The way of a call, from top to bottom. What each step does lives in its own module; what comes after what, and what
//! happens when a step says no, is here.

mod aliases;
pub mod approval;
mod builtin;
mod open;
mod plan;
mod preview;
mod read;
pub mod recovery;
mod refusals;
mod slots;
mod steps;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use mollyguard_record::audit::{End, Subject};
use mollyguard_record::model::{CallDigests, CallFacts};
use mollyguard_record::store::{Ending, Intent, Start, Store, StoreError, Unfinished};
use mollyguard_tools::contract::{Outcome, Preflight, Probe, ToolError, UndoPlan};
use mollyguard_tools::failpoint;
use mollyguard_tools::turns::Place;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use self::approval::{Approved, Basis};
use self::open::{Ran, broke_off};
use self::plan::Errand;
use self::read::Made;
use crate::gateway::Gateway;
use crate::policy::{Decision, Facts, Permit};
use crate::registry::{Entry, Own, UnknownTool};
use crate::reply::{About, Receipt, Refusal, Reply, Request, Stage, UndoHint};
use crate::retention;
pub use builtin::ended;

/// The first wait before an end that could not be written down is tried again, and the longest.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// The way of one call.
///
/// # Errors
/// The tool is not known, which the protocol wants told apart from a refusal.
pub async fn call(gateway: &Arc<Gateway>, request: Request) -> Result<Reply, UnknownTool> {
    let unknown = |tool: UnknownTool| {
        let name = gateway.broker.redactor().text(&tool.name).into_owned();
        UnknownTool { name, ..tool }
    };
    let entry = match gateway.registry.find(&request.tool) {
        Ok(entry) => entry,
        Err(tool) => {
            gateway.unknown(&request).await;
            return Err(unknown(tool));
        }
    };
    // The names of OpenTelemetry's semantic conventions for MCP and generative AI.
    let span = tracing::info_span!(
        "tools/call",
        gen_ai.tool.name = %request.tool,
        gen_ai.operation.name = "execute_tool",
        mcp.method.name = "tools/call",
        error.r#type = tracing::field::Empty,
    );
    let reply = match answer(gateway, &entry, &request).instrument(span.clone()).await {
        Ok(reply) => reply,
        Err(refusal) => {
            span.record("error.type", refusal.reason_code.as_str());
            Reply::Refused(gateway.conclude(&request, refusal).await)
        }
    };
    let reply = gateway.redacted(reply);
    match &reply {
        Reply::Ask(_) => failpoint::reach("asking"),
        _ => failpoint::reach("replying"),
    }
    Ok(reply)
}

async fn answer(gateway: &Arc<Gateway>, entry: &Entry, request: &Request) -> Result<Reply, Box<Refusal>> {
    gateway.registry.check(entry, &request.args).map_err(|errors| Refusal::of_arguments(&request.tool, &errors))?;
    // Before the slot, so that large calls that wait for each other keep no small one from running.
    let bulk = gateway.bulk.turn(entry, request).await?;
    let turn = Turn { _slot: gateway.slot(request).await?, _bulk: bulk };
    match entry {
        Entry::Native(tool) => way(gateway, request, Errand::ordinary(Arc::clone(tool), &request.args), turn).await,
        Entry::Own(Own::Undo) => way(gateway, request, gateway.undo(request).await?, turn).await,
        Entry::Own(Own::Preview) => preview::preview(gateway, request).await,
        Entry::Own(own) => builtin::answer(gateway, *own, request).await,
    }
}

/// A call's turn to run. Whoever works on the call has it: where its client leaves, that is still the case.
struct Turn {
    _slot: Place,
    _bulk: Option<OwnedSemaphorePermit>,
}

/// Steps 3 to 10, for an ordinary call and for the call that takes another one back.
async fn way(gateway: &Arc<Gateway>, request: &Request, errand: Errand, turn: Turn) -> Result<Reply, Box<Refusal>> {
    let id = Uuid::now_v7();
    let errand = Arc::new(errand);
    let declaration = &errand.tool.declaration;

    // Hopeless whatever is found, and whoever blesses it? Then the target is not even looked at.
    gateway.could_allow(id, request, &errand).await?;
    if declaration.mutates() {
        settled_before(gateway, id, request, &errand).await?;
    }

    let _stage = request.stage.send(Stage::Looking);
    let seen = if declaration.mutates() || request.answered.is_some() {
        gateway.look(id, request, &errand).await?
    } else {
        // Nearly every read is one that policy says a plain yes to: it takes the short way, in one go.
        match read::in_one_go(gateway, id, request, &errand).await? {
            ControlFlow::Break(reply) => return Ok(reply),
            ControlFlow::Continue(seen) => seen,
        }
    };
    failpoint::reach("looked");
    let reversibility = seen.settle(declaration);

    let facts = gateway.call_facts(&request.principal, &errand, &seen);
    let (decision, approval) = decided(gateway, id, request, &errand, &seen, &facts).await?;
    let permit = match decision {
        Decision::Allow(permit) => permit,
        Decision::Confirm { need, because } => {
            let question = approval::Question { id, need, because, reversibility, seen: &seen, facts: &facts };
            return approval::ask(gateway, request, &errand, question).await;
        }
        Decision::Deny { because } => return Err(gateway.deny(id, request, &errand, Some(&seen), because).await),
    };
    failpoint::reach("decided");
    let mut about = About::seen(id, "allow", reversibility, &seen);
    about.policies = gateway.policies.words(permit.policies());
    let (mut confirmation, approved) = (None, approval.is_some());
    match approval.map(|approval| approval.basis) {
        Some(Basis::Confirmation(id)) => (about.decision, confirmation) = ("confirmed", Some(id)),
        Some(Basis::Grant(under)) => (about.decision, about.grant) = ("granted", Some(under)),
        None => {}
    }

    // A read need not be written down before it runs, unless it spends an approval.
    if !declaration.mutates() && !approved {
        let _stage = request.stage.send(Stage::Executing);
        let made = Made { permit, result: gateway.read(request, &errand, &seen).await, recorded: None };
        return read::answer(gateway, request, &errand, &seen, made, about).await;
    }
    if request.cancel.is_cancelled() {
        return Err(Box::new(Refusal::cancelled(about)));
    }
    let (seen, request) = (Arc::new(seen), Passed::of(request));
    let (gateway, errand) = (Arc::clone(gateway), Arc::clone(&errand));
    let run = Run { gateway, errand, seen, permit, confirmation, about, request, turn: Some(turn) };
    // From here on the call is detached from its client: hanging up cannot stop a change half way.
    match run.gateway.running.clone().spawn(run.finished()).await {
        Ok(reply) => reply,
        Err(panic) => Err(Box::new(Refusal::lost(&panic.to_string(), About::unseen(id, reversibility)).recorded())),
    }
}

/// Steps 5 and 6: what policy says, with the approval it says it of.
async fn decided(
    gateway: &Arc<Gateway>,
    id: Uuid,
    request: &Request,
    errand: &Errand,
    seen: &Preflight,
    facts: &CallFacts<'_>,
) -> Result<(Decision, Option<Approved>), Box<Refusal>> {
    let brought = approval::brought(gateway, id, request, facts, seen).await?;
    let _stage = request.stage.send(Stage::Deciding);
    let declaration = &errand.tool.declaration;
    let decide = |approval: Option<&Approved>| {
        let strength = approval.map(|approved| approved.strength);
        gateway.policies.decide(&Facts::seen(id, &request.principal, declaration, seen, strength))
    };
    let decision = decide(brought.as_ref());
    // Only what needs a yes looks for one that was given on another channel meanwhile: most calls need none.
    let Decision::Confirm { need, .. } = &decision else { return Ok((decision, brought)) };
    let reversibility = seen.settle(declaration);
    let grant = approval::covering(gateway, facts, seen, reversibility, need).await;
    let grant = grant.map_err(|error| Refusal::of_store(&error, About::seen(id, "deny", reversibility, seen)))?;
    let before = (gateway.aim(&request.principal, errand, seen), grant.as_ref());
    if let Some(given) = approval::given_meanwhile(gateway, id, request, facts, seen, before).await? {
        return Ok((decide(Some(&given)), Some(given)));
    }
    if let Some(grant) = grant.map(Approved::from)
        && let allowed @ Decision::Allow(_) = decide(Some(&grant))
    {
        return Ok((allowed, Some(grant)));
    }
    Ok((decision, brought))
}

/// Lets a change go on only when whatever changed its target before has its end on record, unless it still runs: asked
/// before the look, so that nobody is asked about a change that could not begin. `begin` asks again.
async fn settled_before(gateway: &Gateway, id: Uuid, request: &Request, errand: &Errand) -> Result<(), Box<Refusal>> {
    let about = || About::unseen(id, errand.tool.declaration.reversibility);
    match recovery::catch_up(gateway, &errand.target).await {
        Ok(()) => Ok(()),
        Err(error @ StoreError::Unsettled { .. }) => {
            Err(gateway.refused(request, errand, None, Refusal::of_store(&error, about())).await)
        }
        Err(error) => Err(Box::new(Refusal::of_store(&error, about()))),
    }
}

/// What of a request goes on without its client.
struct Passed {
    principal: mollyguard_record::model::Principal,
    stage: tokio::sync::watch::Sender<Stage>,
}

impl Passed {
    fn of(request: &Request) -> Self {
        Self { principal: request.principal.clone(), stage: request.stage.clone() }
    }
}

/// A call that policy permits, detached from its client.
struct Run {
    gateway: Arc<Gateway>,
    errand: Arc<Errand>,
    seen: Arc<Preflight>,
    permit: Permit,
    confirmation: Option<Uuid>,
    about: About,
    request: Passed,
    turn: Option<Turn>,
}

impl Run {
    /// Steps 7 to 10: write down, execute, write down, reply.
    async fn finished(self) -> Result<Reply, Box<Refusal>> {
        let start = self.start(recovery::identity(&self.gateway, &self.errand.target).await);
        failpoint::reach("beginning");
        let intent = match self.gateway.store.begin(start).await {
            Ok(intent) => intent,
            Err(error) => {
                if let (StoreError::NotApproved(..), Some(confirmation)) = (&error, self.confirmation) {
                    approval::void(&self.gateway, self.subject(), confirmation).await;
                }
                return Err(Box::new(Refusal::of_store(&error, self.about)));
            }
        };
        let (gateway, call, about) = (Arc::clone(&self.gateway), intent.call(), self.about.clone());
        match AssertUnwindSafe(self.begun(intent)).catch_unwind().await {
            Ok(reply) => reply,
            Err(_) => Err(Box::new(open::broken(&gateway, call, about).await)),
        }
    }

    /// Steps 8 to 10 of a call that is written down.
    async fn begun(mut self, intent: Intent) -> Result<Reply, Box<Refusal>> {
        failpoint::reach("begun");
        let _stage = self.request.stage.send(Stage::Executing);
        let ran = self.execute().await;
        failpoint::reach("executed");
        let (ran, reason) = match self.settled(ran).await {
            Ok((result, probe)) => {
                let _stage = self.request.stage.send(Stage::Recording);
                return self.finish(intent, result, probe).await;
            }
            Err(open) => open,
        };
        // Before the answer: from here on nothing else begins a change of the target.
        self.gateway.store.hold_open(intent.call()).await;
        let error = ToolError::uncertain(format!("{reason}; {}", recovery::MAY_STILL));
        let refusal = Refusal::of_tool(&error, self.about.clone()).recorded();
        self.gateway.running.clone().spawn(self.ended_later(intent, ran));
        Err(Box::new(refusal))
    }

    fn start(&self, identity: Option<String>) -> Start {
        let declaration = &self.errand.tool.declaration;
        let is_approved = self.confirmation.is_some() || self.about.grant.is_some();
        let facts = || self.gateway.call_facts(&self.request.principal, &self.errand, &self.seen);
        Start {
            subject: self.subject(),
            args: self.gateway.redacted_value(self.errand.args.clone()),
            target: self.errand.target.clone(),
            identity,
            preflight: self.gateway.for_the_store(&self.seen),
            reversibility: self.seen.settle(declaration),
            policies: self.permit.policies().to_vec(),
            confirmation: self.confirmation,
            grant: self.about.grant.as_ref().map(|under| under.id),
            digests: is_approved.then(|| CallDigests::from(&facts())),
            undoes: self.errand.undoes.map(|(call, _)| call),
        }
    }

    fn subject(&self) -> Subject {
        let name = &self.errand.tool.declaration.name;
        self.gateway.subject(self.about.id, &self.request.principal, name, &self.errand.args, &self.seen)
    }

    async fn execute(&self) -> Ran {
        let tool = &self.errand.tool;
        let lease = if tool.declaration.mutates() {
            self.gateway.broker.lend_write(&self.errand.target, &tool.declaration.name, self.about.id, &self.permit)
        } else {
            self.gateway.broker.lend_read(&self.errand.target)
        };
        let lease = match lease {
            Ok(lease) => lease.in_turn_of(&self.request.principal.user),
            Err(error) => return Ran::ended(Err(ToolError::unavailable(error.to_string()))),
        };
        // The tool keeps its own deadline and knows what it has done; this one only ends the waiting for a tool that
        // does not come back.
        let patience = lease.limits().deadline * 2;
        failpoint::reach("executing");
        // In a task of its own: a tool that panics ends its call, but not the writing down of that.
        let (errand, seen) = (Arc::clone(&self.errand), Arc::clone(&self.seen));
        let mut task = tokio::spawn(async move { errand.tool.tool.execute(&errand.args, &seen, &lease).await });
        match tokio::time::timeout(patience, &mut task).await {
            Ok(result) => Ran::ended(result.unwrap_or_else(|_| Err(broke_off()))),
            // Work on a thread of its own goes on, whatever is done about it here: what it changes is waited for.
            Err(_) if tool.declaration.mutates() => {
                Ran::On(task, format!("no answer from the target within {patience:?}"))
            }
            Err(_) => {
                task.abort();
                Ran::ended(Err(ToolError::unavailable(format!("no answer from the target within {patience:?}"))))
            }
        }
    }

    async fn finish(
        &mut self,
        intent: Intent,
        result: Result<Outcome, ToolError>,
        probe: Option<Probe>,
    ) -> Result<Reply, Box<Refusal>> {
        let (end, undo, note) = match &result {
            Ok(outcome) => (End::Succeeded, outcome.undo.clone(), None),
            Err(ToolError::Untouched { reason, .. }) => (End::Untouched, None, Some(reason)),
            Err(ToolError::Uncertain { reason }) => (End::Uncertain, None, Some(reason)),
        };
        let note = note.map(|reason| self.gateway.broker.redactor().text(reason).into_owned());
        let undo = undo.map(|plan| retention::kept_until(plan, self.gateway.config.keep));
        self.about.undo = undo.as_ref().map(|plan: &UndoPlan| UndoHint::new(self.about.id, plan));
        let ending = Ending { end, undo, note, probe };
        failpoint::reach("finishing");
        let written = self.gateway.store.finish(intent, ending).await;
        failpoint::reach("finished");
        let about = self.about.clone();
        let reply = match (result, &written) {
            (Ok(outcome), Ok(())) => Ok(Reply::Done(Box::new(Receipt { output: outcome.output, about }))),
            // Its start is on record, and its end is or will be.
            (Ok(_), Err(unfinished)) => Err(Box::new(Refusal::unrecorded(&unfinished.error, about).recorded())),
            (Err(error), _) => Err(Box::new(Refusal::of_tool(&error, about).recorded())),
        };
        if let Err(unfinished) = written {
            self.keep_trying(unfinished);
        }
        reply
    }

    /// The store keeps other changes off the target until the end is written down.
    fn keep_trying(&self, unfinished: Box<Unfinished>) {
        let (store, closing) = (Arc::clone(&self.gateway.store), self.gateway.closing.clone());
        self.gateway.running.spawn(write_later(store, closing, unfinished, WAITS));
    }
}

/// Goes on trying to write down how a call ended, ever less often, until it is written or the gateway closes.
async fn write_later(
    store: Arc<dyn Store>,
    closing: CancellationToken,
    mut unfinished: Box<Unfinished>,
    [mut wait, longest]: [Duration; 2],
) {
    let mut last = false;
    loop {
        let Unfinished { intent, ending, error } = *unfinished;
        let call = intent.call();
        tracing::error!(%call, %error, "a call ended and its end is not written down yet");
        let ended = matches!(error, StoreError::AlreadyEnded(_));
        if last || ended {
            return;
        }
        last = tokio::select! {
            () = tokio::time::sleep(wait) => false,
            () = closing.cancelled() => true,
        };
        match store.finish(intent, ending).await {
            Ok(()) => {
                tracing::info!(%call, "the end of the call is written down now");
                return;
            }
            Err(again) => unfinished = again,
        }
        wait = longest.min(wait * 2);
    }
}
