//! How long a call waits for the server: until its deadline, and while a try holds locks no longer than the target allows, or
//! until it has written too much.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Site;
use super::flood::Flood;
use super::metered::Meter;
use super::trouble;
use crate::contract::ToolError;

/// How much longer than the server itself the gateway waits for a try's end: an answer leaves the connection of use.
const GRACE: Duration = Duration::from_millis(250);

/// Waits for the server no longer than the call may take.
pub(super) struct Clock<'a> {
    pub site: &'a Site,
    pub ends: Instant,
    /// When a try that holds locks has to let go of them, or a change that locks a table unasked.
    pub lets_go: OnceLock<Instant>,
    /// How much a try has written.
    pub flood: OnceLock<Flood>,
    /// It is no try but a change that locks a table.
    pub changes: bool,
    pub busy: &'a AtomicBool,
    pub meter: &'a Meter,
}

impl<'a> Clock<'a> {
    pub(super) const fn new(site: &'a Site, ends: Instant, busy: &'a AtomicBool, meter: &'a Meter) -> Self {
        Self { site, ends, lets_go: OnceLock::new(), flood: OnceLock::new(), changes: false, busy, meter }
    }

    pub(super) fn left(&self) -> Duration {
        let now = Instant::now();
        let left = self.ends.saturating_duration_since(now);
        self.lets_go.get().map_or(left, |end| left.min(end.saturating_duration_since(now)))
    }

    /// Whether a try held locks for as long as it may.
    pub(super) fn overran(&self) -> bool {
        self.lets_go.get().is_some_and(|end| Instant::now() >= *end)
    }

    /// Whether a try wrote as much as it may.
    pub(super) fn is_flooded(&self) -> bool {
        self.flood.get().is_some_and(Flood::is_full)
    }

    fn too_long(&self) -> ToolError {
        if self.changes { trouble::locked_too_long(self.site) } else { trouble::tried_too_long(self.site) }
    }

    async fn floods(&self) {
        match self.flood.get() {
            Some(flood) => flood.fills().await,
            None => std::future::pending().await,
        }
    }

    pub(super) async fn over<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, ToolError> {
        // A try is over before its next statement, too: the server is at rest then, and takes everything back at once.
        if self.overran() {
            return Err(self.too_long());
        }
        if self.is_flooded() {
            return Err(trouble::tried_too_much(self.site));
        }
        self.raw(work).await.map_err(|error| match error {
            Some(_) if self.meter.is_full() => trouble::too_much(self.site),
            None if self.is_flooded() => trouble::tried_too_much(self.site),
            Some(_) | None if self.overran() => self.too_long(),
            Some(error) => trouble::explain(self.site, &error),
            None => trouble::too_long(self.site),
        })
    }

    /// `None` as the error: it took too long, or wrote too much.
    pub(super) async fn raw<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Option<tokio_postgres::Error>> {
        self.busy.store(true, Ordering::Relaxed);
        let ends = self.lets_go.get().map_or(self.ends, |end| self.ends.min(*end + GRACE));
        let result = tokio::select! {
            biased;
            done = tokio::time::timeout_at(ends.into(), work) => done.ok(),
            () = self.floods() => None,
        };
        match result {
            Some(done) => {
                // A server that answers, even with an error, is at rest.
                self.busy.store(false, Ordering::Relaxed);
                done.map_err(Some)
            }
            None => Err(None),
        }
    }
}
