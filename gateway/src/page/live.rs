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
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Page;
use super::session::Here;
use crate::confirm::{Confirmation, Standing};
use crate::gateway::Gateway;

/// At most this often is the store read for those who watch.
const SETTLE: Duration = Duration::from_millis(25);
/// How long a failed read is waited out.
const RETRY: Duration = Duration::from_secs(1);

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
        let snapshot = match gateway.store.open_questions().await {
            Ok(open) => Snapshot { version: version(&open), open, failed: None },
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
        let runs_out = expires.map(|at| Duration::try_from(at.duration_since(mollyguard_tools::contract::now())));
        let patience = if failed { RETRY } else { runs_out.map_or(RETRY * 60, Result::unwrap_or_default) };
        tokio::select! {
            () = changes.changed() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(patience.max(SETTLE)) => {}
        }
    }
}

fn version(open: &[(Confirmation, Standing)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (confirmation, standing) in open {
        confirmation.id.hash(&mut hasher);
        if let Standing::Open { approvals } = standing {
            approvals.len().hash(&mut hasher);
        }
    }
    hasher.finish().clamp(1, u64::MAX - 1)
}

/// `GET /live`: an event each time what waits has changed. It says that, not what: the browser fetches what it shows.
pub(super) async fn live(State(page): State<Page>, _: Here) -> Response {
    let Ok(place) = Arc::clone(&page.0.watchers).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Too many browsers are watching.\n").into_response();
    };
    let mut changes = page.0.live.snapshot.clone();
    changes.mark_unchanged();
    let events = stream::unfold((changes, place), async |(mut changes, place)| {
        changes.changed().await.ok()?;
        let version = changes.borrow_and_update().version;
        let event = Event::default().event("changed").data(version.to_string());
        Some((Ok::<_, Infallible>(event), (changes, place)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}
