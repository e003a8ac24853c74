//! Calls that started and were never seen to finish: their process was killed between the two records. They are looked at,
//! marked uncertain with what the look found, and never repeated.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_tools::contract::Probe;
use tokio_util::sync::CancellationToken;

use crate::audit::End;
use crate::gateway::Gateway;
use crate::store::{Ending, StoreError, StoredCall};

/// How often a running gateway looks for calls that another process left unfinished.
const EVERY: Duration = Duration::from_secs(60);

/// Settles every unfinished call whose process is gone. Returns those it settled.
///
/// # Errors
/// The store failed; what was settled until then is settled.
pub async fn settle(gateway: &Gateway) -> Result<Vec<uuid::Uuid>, StoreError> {
    let mut settled = Vec::new();
    for call in gateway.store.unfinished().await? {
        let probe = probe(gateway, &call).await;
        let note = match probe {
            Probe::Unchanged => "the gateway stopped while it ran; a look found the target as it was before",
            Probe::Changed => {
                "the gateway stopped while it ran; a look found the target as the call would have left it"
            }
            Probe::Unknown => "the gateway stopped while it ran; a look could not tell whether it took effect",
        };
        let ending = Ending { end: End::Uncertain, undo: None, note: Some(note.to_owned()), probe: Some(probe) };
        if gateway.store.settle(call.id, ending).await? {
            tracing::warn!(call = %call.id, tool = %call.tool, target = %call.target, "{note}");
            settled.push(call.id);
        }
    }
    Ok(settled)
}

async fn probe(gateway: &Gateway, call: &StoredCall) -> Probe {
    let Some(tool) = gateway.registry.native(&call.tool) else { return Probe::Unknown };
    let Ok(lease) = gateway.broker.lend_read(&call.target) else { return Probe::Unknown };
    let look = tool.tool.probe(&call.args, &call.preflight, &lease);
    tokio::time::timeout(lease.limits().deadline, look).await.unwrap_or(Probe::Unknown)
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
