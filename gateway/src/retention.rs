//! How long what was recorded is kept, where the configuration says so: older calls, questions and records are removed, once
//! a day by a gateway that serves, or by `mollyguard prune`. That they were is a record itself.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::store::prune_all;
use mollyguard_tools::contract::{Timestamp, UndoPlan, now};
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

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
            done = prune_all(gateway.store.as_ref(), before) => match done {
                Ok(pruned) if pruned.records > 0 => tracing::info!(?pruned, "old records were pruned"),
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "old records could not be pruned"),
            },
        }
    }
}
