//! Running a call that policy permits: written down, run away from its client, and written down how it ended.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use mollyguard_record::model::CallDigests;
use mollyguard_record::store::{Intent, Start, StoreError};
use mollyguard_tools::contract::{Preflight, ToolError};
use mollyguard_tools::failpoint;
use serde_json::Value;

use super::approval::{self, Approved, Basis};
use super::context::CallContext;
use super::open::{self, Ran, broke_off};
use super::run::Run;
use super::{read, recovery};
use crate::policy::Permit;
use crate::reply::{About, Refusal, Reply, Stage, for_people};

/// Runs the call. An approval comes with what the call that was decided on comes to.
pub(super) async fn execute(
    cx: CallContext,
    seen: Preflight,
    permit: Permit,
    approval: Option<(Approved, CallDigests)>,
) -> Result<Reply, Box<Refusal>> {
    failpoint::reach("decided");
    let mut about = cx.seen("allow", &seen);
    about.policies = cx.gateway.policies.words(permit.policies());
    // A read need not be written down before it runs, unless it spends an approval.
    if !cx.declaration().mutates() && approval.is_none() {
        return read::read(&cx, &seen, permit, about).await;
    }
    let (approval, digests) = approval.unzip();
    let mut confirmation = None;
    match approval.map(|approval| approval.basis) {
        Some(Basis::Confirmation(id)) => (about.decision, confirmation) = ("confirmed", Some(id)),
        Some(Basis::Grant(under)) => (about.decision, about.grant) = ("granted", Some(under)),
        None => {}
    }
    if cx.request.cancel.is_cancelled() {
        return Err(Box::new(Refusal::cancelled(about)));
    }
    let lost = About::unseen(cx.id, about.reversibility);
    let subject = cx.subject(Some(&seen));
    let run = Run { cx, seen: Arc::new(seen), permit, confirmation, digests, about, subject };
    // From here on the call is detached from its client: hanging up cannot stop a change half way.
    match run.cx.gateway.running.clone().spawn(run.run()).await {
        Ok(reply) => reply,
        Err(panic) => Err(Box::new(Refusal::lost(&panic.to_string(), lost).recorded())),
    }
}

impl Run {
    /// Begins, applies and finishes. What is written down is not lost sight of, even where the gateway itself fails.
    async fn run(self) -> Result<Reply, Box<Refusal>> {
        let (gateway, plan) = (Arc::clone(&self.cx.gateway), &self.cx.plan);
        let redactor = gateway.broker.redactor();
        let mut args = Value::clone(&plan.args);
        redactor.value(&mut args);
        let start = Start {
            subject: self.subject.clone(),
            args,
            target: plan.target.clone(),
            identity: recovery::identity(&gateway, &plan.target).await,
            // Without held secrets, but for the state kept so that the call can be taken back, which must be exact.
            preflight: Preflight { pre_image: self.seen.pre_image.clone(), ..for_people(&self.seen, redactor) },
            reversibility: self.about.reversibility,
            policies: self.permit.policies().to_vec(),
            confirmation: self.confirmation,
            grant: self.about.grant.as_ref().map(|under| under.id),
            digests: self.digests,
            undoes: plan.undoes.map(|(call, _)| call),
        };
        failpoint::reach("beginning");
        let intent = match gateway.store.begin(start).await {
            Ok(intent) => intent,
            Err(error) => {
                if let (StoreError::NotApproved(..), Some(confirmation)) = (&error, self.confirmation) {
                    approval::void(&gateway, self.subject, confirmation).await;
                }
                return Err(Box::new(Refusal::of_store(&error, self.about)));
            }
        };
        let (call, about) = (intent.call(), self.about.clone());
        match AssertUnwindSafe(self.begun(intent)).catch_unwind().await {
            Ok(reply) => reply,
            Err(_) => Err(Box::new(open::broken(&gateway, call, about).await)),
        }
    }

    /// Runs what is written down, until its end is known and on record, or it is known to be open.
    async fn begun(mut self, intent: Intent) -> Result<Reply, Box<Refusal>> {
        failpoint::reach("begun");
        self.cx.reach(Stage::Executing);
        let ran = self.apply().await;
        failpoint::reach("executed");
        let (ran, reason) = match self.looked_after(ran).await {
            Ok((result, probe)) => {
                self.cx.reach(Stage::Recording);
                return self.finish(intent, result, probe).await;
            }
            Err(open) => open,
        };
        // Before the answer: from here on nothing else begins a change of the target.
        self.cx.gateway.store.hold_open(intent.call()).await;
        let error = ToolError::uncertain(format!("{reason}; {}", recovery::MAY_STILL));
        let refusal = Refusal::of_tool(&error, self.about.clone()).recorded();
        self.cx.gateway.running.clone().spawn(self.ended_later(intent, ran));
        Err(Box::new(refusal))
    }

    /// Lets the tool do it.
    async fn apply(&self) -> Ran {
        let (tool, broker) = (&self.cx.plan.tool, &self.cx.gateway.broker);
        let lease = if tool.declaration.mutates() {
            broker.lend_write(&self.cx.plan.target, &tool.declaration.name, self.about.id, &self.permit)
        } else {
            broker.lend_read(&self.cx.plan.target)
        };
        let lease = match lease {
            Ok(lease) => lease.in_turn_of(&self.cx.request.principal.user),
            Err(error) => return Ran::Ended(Box::new(Err(ToolError::unavailable(error.to_string())))),
        };
        // The tool keeps its own deadline and knows what it has done; this one only ends the waiting for a tool that
        // does not come back.
        let timeout = lease.limits().deadline * 2;
        failpoint::reach("executing");
        // In a task of its own: a tool that panics ends its call, but not the writing down of that.
        let (plan, seen) = (Arc::clone(&self.cx.plan), Arc::clone(&self.seen));
        let mut task = tokio::spawn(async move { plan.tool.tool.execute(&plan.args, &seen, &lease).await });
        match tokio::time::timeout(timeout, &mut task).await {
            Ok(result) => Ran::Ended(Box::new(result.unwrap_or_else(|_| Err(broke_off())))),
            // Work on a thread of its own goes on, whatever is done about it here: what it changes is waited for.
            Err(_) if tool.declaration.mutates() => {
                Ran::On(task, format!("no answer from the target within {timeout:?}"))
            }
            Err(_) => {
                task.abort();
                let error = ToolError::unavailable(format!("no answer from the target within {timeout:?}"));
                Ran::Ended(Box::new(Err(error)))
            }
        }
    }
}
