//! Calls that started and were never seen to finish: their process was killed between the two records. They are looked at,
//! marked uncertain with what the look found, and never repeated. Until then nothing else changes their targets.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_tools::contract::{Preflight, Probe};
use mollyguard_tools::failpoint;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::audit::End;
use crate::gateway::Gateway;
use crate::registry::Registered;
use crate::store::{Ending, NoEnd, StoreError, StoredCall};

/// How often a running gateway looks for calls that another process left unfinished.
const EVERY: Duration = Duration::from_secs(60);

/// Settles every unfinished call whose process is gone. Returns those it settled.
///
/// # Errors
/// The store failed, for one call at least; the others are settled.
pub async fn settle(gateway: &Gateway) -> Result<Vec<uuid::Uuid>, StoreError> {
    // One at a time: whoever waited finds settled what the other one settled.
    let _turn = gateway.settling.lock().await;
    let (mut settled, mut failed) = (Vec::new(), None);
    for call in gateway.store.unfinished().await? {
        failpoint::reach("settling");
        let tool = gateway.registry.native(&call.tool);
        let stranger = another(gateway, &call).await;
        let probe = match tool {
            Some(tool) if stranger.is_none() => probe(gateway, tool, &call.target, call.args, call.preflight).await,
            _ => Probe::Unknown,
        };
        let mut note = noted("the gateway stopped while it ran", probe);
        if let Some(why) = stranger {
            note = gateway.broker.redactor().text(&format!("{note}: {why}")).into_owned();
        }
        let ending = Ending { end: End::Uncertain, undo: None, note: Some(note.clone()), probe: Some(probe) };
        match gateway.store.settle(call.id, ending).await {
            Ok(true) => {
                tracing::warn!(call = %call.id, tool = %call.tool, target = %call.target, "{note}");
                settled.push(call.id);
            }
            // Another process was quicker.
            Ok(false) => {}
            // One that cannot be settled does not keep the others from it.
            Err(error) => {
                tracing::error!(call = %call.id, %error, "an unfinished call could not be settled");
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(settled), Err)
}

/// What a target says it is; `None` where it does not say so in time.
pub(crate) async fn identity(gateway: &Gateway, target: &str) -> Option<String> {
    let lease = gateway.broker.lend_trial(target).ok()?;
    let toolset = gateway.toolsets.iter().find(|toolset| toolset.name() == lease.target().kind)?;
    tokio::time::timeout(lease.limits().deadline, toolset.identity(&lease)).await.ok()?.ok()
}

/// Why the target of that name is not known to be the one the call acted on: what is found there would say nothing of it.
async fn another(gateway: &Gateway, call: &StoredCall) -> Option<String> {
    let target = &call.target;
    let Some(then) = &call.identity else { return Some(format!("it is not on record what `{target}` was then")) };
    match identity(gateway, target).await {
        Some(now) if now == *then => None,
        Some(now) => Some(format!("it acted on `{then}`, and `{target}` is `{now}` here")),
        None => Some(format!("it acted on `{then}`, and `{target}` does not say what it is")),
    }
}

/// Sees to it, before a change of a target is even looked at, that what changed it before has its end on record: a call
/// whose process is gone is settled first.
///
/// # Errors
/// Why the change must wait, or that the store cannot be asked.
pub(crate) async fn catch_up(gateway: &Gateway, target: &str) -> Result<(), StoreError> {
    let mut found = gateway.store.unsettled(target).await?;
    if matches!(found, Some((_, NoEnd::CutOff))) {
        if let Err(error) = settle(gateway).await {
            tracing::error!(%error, target, "unfinished calls could not be settled before a change");
        }
        found = gateway.store.unsettled(target).await?;
    }
    match found {
        None => Ok(()),
        Some((call, why)) => Err(StoreError::Unsettled { call, target: target.to_owned(), why }),
    }
}

/// Lets a tool look at what became of a call of its, within the deadline.
pub(crate) async fn probe(
    gateway: &Gateway,
    tool: &Arc<Registered>,
    target: &str,
    args: Value,
    seen: Preflight,
) -> Probe {
    let Ok(lease) = gateway.broker.lend_look(target, &tool.declaration) else { return Probe::Unknown };
    let (tool, deadline) = (Arc::clone(tool), lease.limits().deadline);
    // In a task of its own: a tool that panics has not found anything, and the call is still to be ended.
    let mut look = tokio::spawn(async move { tool.tool.probe(&args, &seen, &lease).await });
    let found = tokio::time::timeout(deadline, &mut look).await;
    look.abort();
    found.ok().and_then(Result::ok).unwrap_or(Probe::Unknown)
}

/// Why nobody knows how a call ended, and what a look found.
pub(crate) fn noted(why: &str, found: Probe) -> String {
    let found = match found {
        Probe::Unchanged => "a look found the target as it was before",
        Probe::Changed => "a look found the target as the call would have left it",
        Probe::Unknown => "a look could not tell whether it took effect",
    };
    format!("{why}; {found}")
}

/// Settles now and then every minute, until told to stop.
pub async fn keep_settling(gateway: Arc<Gateway>, stop: CancellationToken) {
    loop {
        if let Err(error) = settle(&gateway).await {
            tracing::error!(%error, "unfinished calls could not be settled");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}
