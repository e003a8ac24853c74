//! Removing what has been kept for long enough, once a day by a gateway that serves, or by `mollyguard prune`: older calls,
//! questions and records, and what lies in the targets' quarantines. That something went is on record.

mod kept;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::model::Principal;
use mollyguard_record::store::prune_all;
use tokio_util::sync::CancellationToken;

pub use kept::{Fate, Removal, Unread, put_away, would_go};

use crate::gateway::Gateway;
use crate::retention::limit;

const DAY: Duration = Duration::from_secs(86_400);

/// For whom the gateway removes what is kept: the configured user, by a client of this name.
#[must_use]
pub fn principal(gateway: &Gateway, client: &str) -> Principal {
    let config = &gateway.config;
    Principal { user: config.user.clone(), client: Some(client.to_owned()), roles: config.roles.clone() }
}

/// Prunes once a day until `leave`, where the configuration says how long things are kept.
pub async fn keep_pruning(gateway: Arc<Gateway>, leave: CancellationToken) {
    let mut days = tokio::time::interval(DAY);
    while gateway.config.keep.is_some() || gateway.config.quarantine.is_bounded() {
        tokio::select! {
            () = leave.cancelled() => return,
            _ = days.tick() => {}
        }
        tokio::select! {
            () = leave.cancelled() => return,
            () = prune(&gateway) => {}
        }
    }
}

async fn prune(gateway: &Arc<Gateway>) {
    if let Some(before) = limit(gateway.config.keep) {
        match prune_all(gateway.store.as_ref(), before).await {
            Ok(pruned) if pruned.records > 0 => tracing::info!(?pruned, "old records were pruned"),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "old records could not be pruned"),
        }
    }
    let (removals, unread) = put_away(gateway, &principal(gateway, "mollyguard serve")).await;
    for removal in removals {
        let (target, what) = (&removal.target, &removal.what);
        match &removal.fate {
            Fate::Stays { why } => tracing::warn!(target, what, why, "what was kept long enough could not be removed"),
            Fate::Removed { .. } => tracing::info!(target, what, "what was kept long enough is removed"),
            Fate::WouldGo => {}
        }
    }
    for Unread { target, why } in unread {
        tracing::warn!(target, why, "what is kept of it cannot be looked at");
    }
}
