//! How long what was recorded is kept, where the configuration says so: older calls, questions and records are removed, once
//! a day by a gateway that serves, or by `mollyguard prune`. That they were is a record itself.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_tools::contract::{Timestamp, UndoPlan, now};
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;
use crate::store::{Pruned, Store, StoreError};

const DAY: Duration = Duration::from_secs(86_400);

/// What was made before then is not kept; `None` where everything is.
#[must_use]
pub fn limit(keep: Option<Duration>) -> Option<Timestamp> {
    now().checked_sub(keep?).ok()
}

/// A way to take a call back, for as long as the call is kept.
#[must_use]
pub fn kept_until(mut plan: UndoPlan, keep: Option<Duration>) -> UndoPlan {
    let end = keep.and_then(|keep| now().checked_add(keep).ok());
    plan.until = [plan.until, end].into_iter().flatten().min();
    plan
}

/// Removes what was made before then, a bounded part at a time, until nothing is left to remove.
///
/// # Errors
/// The store failed, or holds something that was edited. What was removed before that is on record.
pub async fn prune(store: &dyn Store, before: Timestamp) -> Result<Pruned, StoreError> {
    let mut pruned = store.prune(before).await?;
    while pruned.more {
        pruned = pruned.and(store.prune(before).await?);
    }
    Ok(pruned)
}

/// Prunes once a day until `leave`, where the configuration says how long things are kept.
pub async fn keep_pruning(gateway: Arc<Gateway>, leave: CancellationToken) {
    let mut days = tokio::time::interval(DAY);
    while gateway.config.keep.is_some() {
        tokio::select! {
            () = leave.cancelled() => return,
            _ = days.tick() => {}
        }
        let Some(before) = limit(gateway.config.keep) else { return };
        tokio::select! {
            () = leave.cancelled() => return,
            done = prune(gateway.store.as_ref(), before) => match done {
                Ok(pruned) if pruned.records > 0 => tracing::info!(?pruned, "old records were pruned"),
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "old records could not be pruned"),
            },
        }
    }
}
