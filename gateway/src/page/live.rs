//! What waits for an answer, read once for all who watch, and told to them as it changes.

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

/// What waits, at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) open: Vec<(Confirmation, Standing)>,
    /// Changes with what is shown.
    pub(super) version: u64,
    /// Why it could not be read, if it could not.
    pub(super) failed: Option<String>,
}

/// Keeps a [`Snapshot`] for as long as it lives.
pub(super) struct Live {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    reading: JoinHandle<()>,
}

impl Live {
    pub(super) fn start(gateway: Arc<Gateway>) -> Self {
        let (sender, snapshot) = watch::channel(Arc::new(Snapshot::default()));
        Self { snapshot, reading: tokio::spawn(keep_reading(gateway, sender)) }
    }

    /// What waits now.
    pub(super) async fn now(&self) -> Arc<Snapshot> {
        let mut snapshot = self.snapshot.clone();
        // The first read may be under way still.
        let read = snapshot.wait_for(|snapshot| snapshot.version != 0).await;
        read.map(|snapshot| Arc::clone(&snapshot)).unwrap_or_default()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn keep_reading(gateway: Arc<Gateway>, sender: watch::Sender<Arc<Snapshot>>) {
    let mut changes = gateway.store.changes();
    loop {
        let snapshot = match read(&gateway, sender.receiver_count() > 1).await {
            Ok((open, calls)) => Snapshot { version: version(&open, &calls), open, failed: None },
            Err(error) => Snapshot { version: u64::MAX, open: Vec::new(), failed: Some(error.to_string()) },
        };
        let (failed, expires) =
            (snapshot.failed.is_some(), snapshot.open.iter().map(|(asked, _)| asked.expires_at).min());
        sender.send_if_modified(|before| {
            let is_new = before.version != snapshot.version;
            *before = Arc::new(snapshot);
            is_new
        });
        // A question that runs out is a change that nobody writes.
        let runs_out = expires.map(|at| Duration::try_from(at.duration_since(now())));
        let patience = if failed { RETRY } else { runs_out.map_or(RETRY * 60, Result::unwrap_or_default) };
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
    hasher.finish().clamp(1, u64::MAX - 1)
}

/// `GET /live`: an event now, since something may have changed while the page was on its way, and each time something has.
/// It says that, not what: the browser fetches what it shows. It ends with the session.
pub(super) async fn live(State(page): State<Page>, here: Here) -> Response {
    let Ok(place) = Arc::clone(&page.0.watchers).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Too many browsers are watching.\n").into_response();
    };
    let mut changes = page.0.live.snapshot.clone();
    changes.mark_changed();
    let ends_at = here.session.expires_at;
    let events = stream::unfold((changes, place, ends_at), async |(mut changes, place, ends_at)| {
        let left = Duration::try_from(ends_at.duration_since(now())).unwrap_or_default();
        timeout(left, changes.changed()).await.ok()?.ok()?;
        let version = changes.borrow_and_update().version;
        let event = Event::default().event("changed").data(version.to_string());
        Some((Ok::<_, Infallible>(event), (changes, place, ends_at)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}
