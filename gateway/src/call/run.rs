//! A call that policy permits, detached from its client, and how its end is written down.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::audit::{End, Subject};
use mollyguard_record::model::CallDigests;
use mollyguard_record::store::{Ending, Intent, Store, StoreError, Unfinished};
use mollyguard_tools::contract::{Outcome, Preflight, Probe, ToolError, UndoPlan};
use mollyguard_tools::failpoint;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::context::CallContext;
use crate::policy::Permit;
use crate::reply::{About, Receipt, Refusal, Reply, UndoHint};
use crate::retention;

/// The first wait before an end that could not be written down is tried again, and the longest.
pub(super) const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// A call that policy permits, detached from its client.
pub(super) struct Run {
    pub(super) cx: CallContext,
    pub(super) seen: Arc<Preflight>,
    pub(super) permit: Permit,
    pub(super) confirmation: Option<Uuid>,
    /// What it comes to, where somebody approved it: the store compares that with what was approved.
    pub(super) digests: Option<CallDigests>,
    pub(super) about: About,
    /// What its records are about.
    pub(super) subject: Subject,
}

impl Run {
    /// Writes down how it ended.
    pub(super) async fn finish(
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
        let note = note.map(|reason| self.cx.gateway.broker.redactor().text(reason).into_owned());
        let undo = undo.map(|plan| retention::kept_until(plan, self.cx.gateway.config.keep));
        self.about.undo = undo.as_ref().map(|plan: &UndoPlan| {
            let tool = &self.cx.plan.tool.declaration.name;
            let until = retention::from_now(&self.cx.gateway, tool, &self.seen, plan.until);
            UndoHint::new(self.about.id, plan, until)
        });
        let ending = Ending { end, undo, note, probe };
        failpoint::reach("finishing");
        let written = self.cx.gateway.store.finish(intent, ending).await;
        failpoint::reach("finished");
        let about = self.about.clone();
        let reply = match (result, &written) {
            (Ok(outcome), Ok(())) => Ok(Reply::Done(Box::new(Receipt { output: outcome.output, about }))),
            // Its start is on record, and its end is or will be.
            (Ok(_), Err(unfinished)) => Err(Box::new(Refusal::unrecorded(&unfinished.error, about).recorded())),
            (Err(error), _) => Err(Box::new(Refusal::of_tool(&error, about).recorded())),
        };
        if let Err(unfinished) = written {
            // The store keeps other changes off the target until the end is written down.
            let (store, closing) = (Arc::clone(&self.cx.gateway.store), self.cx.gateway.closing.clone());
            self.cx.gateway.running.spawn(write_later(store, closing, unfinished, WAITS));
        }
        reply
    }
}

/// Goes on trying to write down how a call ended, ever less often, until it is written or the gateway closes.
pub(super) async fn write_later(
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
