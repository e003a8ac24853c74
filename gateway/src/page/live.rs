//! Tells those who watch that what they see has changed: the store is read once for all of them.

use std::collections::hash_map::DefaultHasher;
use std::convert::Infallible;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::StatusCode;
use mollyguard_tools::contract::now;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Page;
use super::session::Here;
use crate::confirm::{Confirmation, Standing};
use crate::gateway::Gateway;
use crate::store::{CallFilter, StoreError, StoredCall};

/// At most this often is the store read for those who watch.
const SETTLE: Duration = Duration::from_millis(25);
/// How long a failed read is waited out.
const RETRY: Duration = Duration::from_secs(1);
/// How many of the newest calls are watched: pages show what came of an approval.
const CALLS: u32 = 20;

/// Keeps up with what pages show, for as long as it lives: a number that changes with it.
pub(super) struct Live {
    version: watch::Receiver<u64>,
    reading: JoinHandle<()>,
}

impl Live {
    pub(super) fn start(gateway: Arc<Gateway>) -> Self {
        let (sender, version) = watch::channel(0);
        Self { version, reading: tokio::spawn(keep_reading(gateway, sender)) }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn keep_reading(gateway: Arc<Gateway>, sender: watch::Sender<u64>) {
    let mut changes = gateway.store.changes();
    loop {
        let patience = match read(&gateway, sender.receiver_count() > 1).await {
            Ok((open, calls)) => {
                let new = version(&open, &calls);
                sender.send_if_modified(|version| std::mem::replace(version, new) != new);
                // A question that runs out is a change that nobody writes.
                let expires = open.iter().map(|(asked, _)| asked.expires_at).min();
                let runs_out = expires.map(|at| Duration::try_from(at.duration_since(now())).unwrap_or_default());
                runs_out.unwrap_or(RETRY * 60)
            }
            Err(error) => {
                tracing::warn!(%error, "what waits for an answer cannot be read");
                RETRY
            }
        };
        tokio::select! {
            () = changes.changed() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(patience.max(SETTLE)) => {}
        }
    }
}

/// What waits; and what was done of late, if somebody watches.
async fn read(
    gateway: &Gateway,
    is_watched: bool,
) -> Result<(Vec<(Confirmation, Standing)>, Vec<StoredCall>), StoreError> {
    let open = gateway.store.open_questions().await?;
    let calls = match is_watched {
        true => gateway.store.calls(CallFilter { limit: CALLS, ..CallFilter::default() }).await?,
        false => Vec::new(),
    };
    Ok((open, calls))
}

fn version(open: &[(Confirmation, Standing)], calls: &[StoredCall]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (confirmation, standing) in open {
        confirmation.id.hash(&mut hasher);
        if let Standing::Open { approvals } = standing {
            approvals.len().hash(&mut hasher);
        }
    }
    for call in calls {
        (call.id, call.finished_at, call.undone_by, call.claimed_by).hash(&mut hasher);
    }
    hasher.finish()
}

/// `GET /live`: an event now, since something may have changed while the page was on its way, and each time something has.
/// It says that, not what: the browser fetches what it shows. It ends with the session.
pub(super) async fn live(State(page): State<Page>, here: Here) -> Response {
    let Ok(place) = Arc::clone(&page.0.watchers).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Too many browsers are watching.\n").into_response();
    };
    let mut changes = page.0.live.version.clone();
    changes.mark_changed();
    let events = stream::unfold((page, changes, place, here.session), async |(page, mut changes, place, session)| {
        let left = Duration::try_from(session.expires_at.duration_since(now())).unwrap_or_default();
        timeout(left, changes.changed()).await.ok()?.ok()?;
        // Over, too, when they signed out meanwhile or were removed.
        page.0.gateway.store.session(session.token).await.ok()??;
        let version = *changes.borrow_and_update();
        let event = Event::default().event("changed").data(version.to_string());
        Some((Ok::<_, Infallible>(event), (page, changes, place, session)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}
