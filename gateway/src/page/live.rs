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
use mollyguard_record::model::ConfirmationState;
use mollyguard_record::store::{CallFilter, Granted, OpenQuestions, StoreError, StoredCall};
use mollyguard_tools::contract::now;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Page;
use super::session::Here;
use crate::gateway::Gateway;

/// At most this often is the store read for those who watch.
const SETTLE: Duration = Duration::from_millis(25);
/// How long a failed read is waited out.
const RETRY: Duration = Duration::from_secs(1);
/// How many of the newest calls are watched: pages show what came of an approval.
const CALLS: u32 = 20;

/// Keeps up with what pages show, for as long as it lives and somebody watches: a number that changes with it.
pub(super) struct Live {
    version: watch::Receiver<u64>,
    arrived: Arc<Notify>,
    reading: JoinHandle<()>,
}

impl Live {
    pub(super) fn start(gateway: Arc<Gateway>) -> Self {
        let (sender, version) = watch::channel(0);
        let arrived = Arc::new(Notify::new());
        Self { version, arrived: Arc::clone(&arrived), reading: tokio::spawn(keep_up(gateway, sender, arrived)) }
    }

    /// For one more who watches. What they saw before is not known, so there is news at once.
    fn watch(&self) -> watch::Receiver<u64> {
        let mut version = self.version.clone();
        version.mark_changed();
        self.arrived.notify_one();
        version
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn keep_up(gateway: Arc<Gateway>, sender: watch::Sender<u64>, arrived: Arc<Notify>) {
    loop {
        arrived.notified().await;
        keep_reading(&gateway, &sender).await;
    }
}

/// Tells of every change until nobody watches.
async fn keep_reading(gateway: &Gateway, sender: &watch::Sender<u64>) {
    let mut changes = gateway.store.changes();
    // Nobody knows what changed before: the first reading is news to whoever watches already.
    let mut seen = None;
    // One is kept for those who come.
    while sender.receiver_count() > 1 {
        let patience = match read(gateway).await {
            Ok((open, granted, calls)) => {
                let new = Some(digest(&open, &granted, &calls));
                if std::mem::replace(&mut seen, new) != new {
                    sender.send_modify(|version| *version = version.wrapping_add(1));
                }
                // A question or an approval that runs out is a change that nobody writes.
                let stands = granted.iter().map(|granted| granted.grant.expires_at);
                let expires = open.iter().map(|open| open.0.expires_at).chain(stands).min();
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

/// What waits, what is approved for a while, and what was done of late.
async fn read(gateway: &Gateway) -> Result<(OpenQuestions, Vec<Granted>, Vec<StoredCall>), StoreError> {
    let open = gateway.store.open_questions().await?;
    let granted = gateway.store.grants().await?;
    let calls = gateway.store.calls(CallFilter { limit: CALLS, ..CallFilter::default() }).await?;
    Ok((open, granted, calls))
}

fn digest(open: &OpenQuestions, granted: &[Granted], calls: &[StoredCall]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (confirmation, standing) in open.iter().map(|open| &**open) {
        confirmation.id.hash(&mut hasher);
        if let ConfirmationState::Open { approvals, .. } = standing {
            approvals.len().hash(&mut hasher);
        }
    }
    for granted in granted {
        (granted.grant.id, granted.uses).hash(&mut hasher);
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
    let changes = page.0.live.watch();
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
