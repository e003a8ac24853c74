//! Calls that started and were never seen to finish: their process was killed between the two records. They are looked at,
//! marked uncertain with what the look found, and never repeated. Until then nothing else changes their targets: one that
//! may still take effect has no end yet, and is looked at again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use mollyguard_record::audit::End;
use mollyguard_record::store::{Ending, NoEnd, StoreError, StoredCall};
use mollyguard_tools::contract::{Preflight, Probe};
use mollyguard_tools::failpoint;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::registry::Registered;

/// How often a running gateway looks for calls that another process left unfinished.
const EVERY: Duration = Duration::from_secs(60);

/// How soon a call that broke off is looked at again, and how seldom at last.
const LOOKS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// How many targets are recovered at a time, and how many calls of one target are looked at.
const AT_ONCE: usize = 8;

/// Settles every unfinished call whose process is gone: target by target, side by side, so that one that does not answer
/// holds up no other. Returns those it recovered.
///
/// # Errors
/// The store failed, for one call at least; the others are recovered.
pub async fn recover(gateway: &Gateway) -> Result<Vec<Uuid>, StoreError> {
    let mut targets: BTreeMap<String, Vec<StoredCall>> = BTreeMap::new();
    for call in gateway.store.unfinished().await? {
        targets.entry(call.target.clone()).or_default().push(call);
    }
    let each = stream::iter(targets).map(|(target, calls)| async move { recover_on(gateway, &target, calls).await });
    let done: Vec<_> = each.buffer_unordered(AT_ONCE).collect().await;
    all_of(done)
}

/// The same for the calls of one target.
async fn recover_on(gateway: &Gateway, target: &str, calls: Vec<StoredCall>) -> Result<Vec<Uuid>, StoreError> {
    let turn = gateway.recovering.of(target);
    let _turn = turn.lock().await;
    let each = stream::iter(calls).map(|call| async move { recover_call(gateway, call, STOPPED).await });
    let done: Vec<_> = each.buffer_unordered(AT_ONCE).collect().await;
    all_of(done)
}

/// One that cannot be recovered does not keep the others from it.
fn all_of(done: Vec<Result<Vec<Uuid>, StoreError>>) -> Result<Vec<Uuid>, StoreError> {
    let (mut recovered, mut failed) = (Vec::new(), None);
    for result in done {
        match result {
            Ok(calls) => recovered.extend(calls),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(recovered), Err)
}

async fn recover_call(gateway: &Gateway, call: StoredCall, why: &str) -> Result<Vec<Uuid>, StoreError> {
    // Settled while this one waited for its turn.
    if gateway.store.call(call.id).await?.is_none_or(|call| call.end.is_some()) {
        return Ok(Vec::new());
    }
    failpoint::reach("settling");
    let tool = gateway.registry.native(&call.tool);
    let now = identity(gateway, &call.target).await;
    let stranger = another(&call, now.as_ref());
    let probe = match tool {
        Some(tool) if stranger.is_none() => {
            probe(gateway, tool, &call.target, Arc::new(call.args), call.preflight).await
        }
        _ => Some(Probe::Unknown),
    };
    // It came to answer only after it was asked what it is: it may be another.
    let probe = probe.filter(|found| now.is_some() || *found == Probe::Unknown);
    let Some(probe) = probe else {
        tracing::warn!(call = %call.id, tool = %call.tool, target = %call.target, "{MAY_STILL}");
        return Ok(Vec::new());
    };
    let mut note = noted(why, probe);
    if let Some(stranger) = stranger {
        note = gateway.broker.redactor().text(&format!("{note}: {stranger}")).into_owned();
    }
    let ending = Ending { end: End::Uncertain, undo: None, note: Some(note.clone()), probe: Some(probe) };
    match gateway.store.recover(call.id, ending).await {
        Ok(true) => {
            tracing::warn!(call = %call.id, tool = %call.tool, target = %call.target, "{note}");
            Ok(vec![call.id])
        }
        // Another process was quicker.
        Ok(false) => Ok(Vec::new()),
        Err(error) => {
            tracing::error!(call = %call.id, %error, "an unfinished call could not be recovered");
            Err(error)
        }
    }
}

/// Why the end of a call is not known.
const STOPPED: &str = "the gateway stopped while it ran";
pub(crate) const FAILED: &str = "the gateway failed while it ran";

/// Ends a call of this process with which nothing goes on: looks, ever less often, until nothing of it can take effect any
/// more and its end is on record. What closing leaves open, the next start finds.
pub(crate) async fn keep_ending(gateway: Arc<Gateway>, call: Uuid) {
    let [mut wait, longest] = LOOKS;
    loop {
        match gateway.store.call(call).await {
            Ok(Some(stored)) if stored.end.is_none() => {
                let turn = gateway.recovering.of(&stored.target);
                let _turn = turn.lock().await;
                match recover_call(&gateway, stored, FAILED).await {
                    Ok(ended) if !ended.is_empty() => return,
                    // It may still take effect, or the store failed, which is in the log.
                    Ok(_) | Err(_) => {}
                }
            }
            Ok(_) => return,
            Err(error) => tracing::error!(%call, %error, "a call that broke off cannot be looked at"),
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = gateway.closing.cancelled() => return,
        }
        wait = longest.min(wait * 2);
    }
}

/// What a target says it is; `None` where it does not say so in time.
pub(crate) async fn identity(gateway: &Gateway, target: &str) -> Option<String> {
    let lease = gateway.broker.lend_trial(target).ok()?;
    let toolset = gateway.toolsets.iter().find(|toolset| toolset.name() == lease.target().kind)?;
    let (toolset, deadline) = (Arc::clone(toolset), lease.limits().deadline);
    within(deadline, async move { toolset.identity(&lease).await.ok() }).await.flatten()
}

/// Why the target of that name is another than the one the call acted on, or not known to be that: what is found there says
/// nothing of the call. One that does not say what it is now is looked at again later.
fn another(call: &StoredCall, now: Option<&String>) -> Option<String> {
    let target = &call.target;
    match (&call.identity, now) {
        (None, _) => Some(format!("it is not on record what `{target}` was then")),
        (Some(then), Some(now)) if now != then => Some(format!("it acted on `{then}`, and `{target}` is `{now}` here")),
        (Some(_), _) => None,
    }
}

/// Sees to it, before a change of a target is even looked at, that what changed it before has its end on record: a call
/// whose process is gone is recovered first.
///
/// # Errors
/// Why the change must wait, or that the store cannot be asked.
pub(crate) async fn catch_up(gateway: &Gateway, target: &str) -> Result<(), StoreError> {
    let mut found = gateway.store.unsettled(target).await?;
    if matches!(found, Some((_, NoEnd::CutOff))) {
        let mut calls = gateway.store.unfinished().await?;
        calls.retain(|call| call.target == target);
        if let Err(error) = recover_on(gateway, target, calls).await {
            tracing::error!(%error, target, "unfinished calls could not be recovered before a change");
        }
        found = gateway.store.unsettled(target).await?;
    }
    match found {
        None => Ok(()),
        Some((call, why)) => Err(StoreError::Unsettled { call, target: target.to_owned(), why }),
    }
}

/// What is said of a call whose end is open.
pub(crate) const MAY_STILL: &str = "it may still take effect, so it has no end yet and is looked at again";

/// Lets a tool look at what became of a call of its, within the deadline. `None` while the call may still take effect: a
/// target that is as it was before proves nothing then.
pub(crate) async fn probe(
    gateway: &Gateway,
    tool: &Arc<Registered>,
    target: &str,
    args: Arc<Value>,
    seen: Preflight,
) -> Option<Probe> {
    // A target that is configured no more, or is of another kind now, is not looked at: nothing changes it either.
    let Ok(lease) = gateway.broker.lend_look(target, &tool.declaration) else { return Some(Probe::Unknown) };
    let kind = gateway.toolsets.iter().find(|toolset| toolset.name() == lease.target().kind);
    let (Some(toolset), deadline) = (kind.map(Arc::clone), lease.limits().deadline) else {
        return Some(Probe::Unknown);
    };
    if lease.target().kind != tool.declaration.kind {
        return Some(Probe::Unknown);
    }
    let tool = Arc::clone(tool);
    // In tasks of their own: a tool that panics has not found anything, and the call is still to be ended.
    let (lease, seen) = (Arc::new(lease), Arc::new(seen));
    let (of, what) = (Arc::clone(&lease), Arc::clone(&seen));
    if !within(deadline, async move { toolset.is_over(&what, &of).await }).await.unwrap_or(false) {
        return None;
    }
    let look = within(deadline, async move { tool.tool.probe(&args, &seen, &lease).await }).await;
    Some(look.unwrap_or(Probe::Unknown))
}

/// What work comes to, if it does in time and does not break.
async fn within<T: Send + 'static>(deadline: Duration, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut task = tokio::spawn(work);
    let found = tokio::time::timeout(deadline, &mut task).await;
    task.abort();
    found.ok().and_then(Result::ok)
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
pub async fn keep_recovering(gateway: Arc<Gateway>, stop: CancellationToken) {
    loop {
        if let Err(error) = recover(&gateway).await {
            tracing::error!(%error, "unfinished calls could not be recovered");
        }
        gateway.refusals.account_for(&*gateway.store).await;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}
