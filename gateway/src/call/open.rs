//! A call that ran and has no end yet: its tool has not come back, or what it sent may still take effect. Until that is known
//! nothing else changes its target, and the record says nothing that may turn out untrue.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use mollyguard_record::store::Intent;
use mollyguard_tools::contract::{Outcome, Probe, ToolError};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::plan::CallPlan;
use super::recovery;
use super::run::{Run, WAITS};
use crate::gateway::Gateway;
use crate::reply::{About, Refusal};

/// How far a tool came.
pub(super) enum Ran {
    Ended(Box<Result<Outcome, ToolError>>),
    /// It has not come back, for this reason.
    On(JoinHandle<Result<Outcome, ToolError>>, String),
}

pub(super) fn broke_off() -> ToolError {
    ToolError::uncertain("the tool broke off while it ran")
}

/// Hands a call that was begun, and with which nothing goes on since the gateway itself failed in it, to recovery. Until its
/// end is on record nothing else changes its target.
pub(super) async fn broken(gateway: &Arc<Gateway>, call: Uuid, about: About) -> Refusal {
    tracing::error!(%call, "the gateway failed while it worked on a call");
    gateway.store.hold_open(call).await;
    gateway.running.spawn(recovery::keep_ending(Arc::clone(gateway), call));
    let error = ToolError::uncertain(format!("{}; it is looked at, and its end written down", recovery::FAILED));
    Refusal::of_tool(&error, about).recorded()
}

impl Run {
    /// See [`Run::end_later`]. Where that fails, the call is handed to recovery.
    pub(super) async fn ended_later(self, intent: Intent, ran: Ran) {
        let (gateway, call, about) = (Arc::clone(&self.cx.gateway), intent.call(), self.about.clone());
        if AssertUnwindSafe(self.end_later(intent, ran)).catch_unwind().await.is_err() {
            let _nobody_waits = broken(&gateway, call, about).await;
        }
    }

    /// Of an uncertain end, what a look finds. The other way: it is open, and why.
    pub(super) async fn looked_after(
        &self,
        ran: Ran,
    ) -> Result<(Result<Outcome, ToolError>, Option<Probe>), (Ran, String)> {
        let result = match ran {
            Ran::Ended(result) => *result,
            Ran::On(task, reason) => return Err((Ran::On(task, reason.clone()), reason)),
        };
        let Err(ToolError::Uncertain { reason }) = result else { return Ok((result, None)) };
        let CallPlan { tool, target, args, .. } = &*self.cx.plan;
        match recovery::probe(&self.cx.gateway, tool, target, Arc::clone(args), (*self.seen).clone()).await {
            Some(found) => Ok((Err(ToolError::uncertain(recovery::noted(&reason, found))), Some(found))),
            None => Err((Ran::Ended(Box::new(Err(ToolError::uncertain(reason.clone())))), reason)),
        }
    }

    /// Goes on until an open call has its end on record: waits for a tool that has not come back, and looks again, ever less
    /// often, while what it sent may still take effect. What closing leaves open, the next start finds.
    async fn end_later(mut self, intent: Intent, mut ran: Ran) {
        let closing = self.cx.gateway.closing.clone();
        let [mut wait, longest] = WAITS;
        loop {
            if let Ran::On(task, _) = &mut ran {
                let result = tokio::select! {
                    result = task => result.unwrap_or_else(|_| Err(broke_off())),
                    () = closing.cancelled() => return,
                };
                ran = Ran::Ended(Box::new(result));
            } else {
                // It runs no more, and looking at it now and then keeps nobody else from running.
                self.cx.turn = None;
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = closing.cancelled() => return,
                }
                wait = longest.min(wait * 2);
            }
            match self.looked_after(ran).await {
                Ok((result, probe)) => {
                    let call = intent.call();
                    // Nobody waits for the reply any more; what could not be written is tried again.
                    let _reply = self.finish(intent, result, probe).await;
                    tracing::info!(%call, "the end of a call that was open is known now");
                    return;
                }
                Err((open, _)) => ran = open,
            }
        }
    }
}
