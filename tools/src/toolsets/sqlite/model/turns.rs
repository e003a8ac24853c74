//! Looks that try a change out hold the database's write lock: whose turn it is, among the threads that look.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::contract::ToolError;
use crate::toolsets::sqlite::connect::Site;
use crate::turns::tries::{GLANCE, REST, Terms, Tries};

/// The lock is everybody's, so nothing of the rest is put off.
const TERMS: Terms = Terms {
    ahead: Duration::ZERO,
    own_ahead: Duration::ZERO,
    moment: Duration::ZERO,
    times: REST,
    longest: Duration::from_secs(5),
};

/// First come, first served.
const ANYBODY: &str = "";

static TURNS: Mutex<Tries> = Mutex::new(Tries::new(TERMS));
static ENDED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Tries> {
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A look's turn; it ends when dropped.
pub(crate) struct Turn {
    database: String,
    since: Option<Instant>,
}

impl Turn {
    /// Waits for it, no longer than the call lasts.
    pub(crate) fn wait(site: &Site) -> Result<Self, ToolError> {
        let mut turns = lock();
        let ticket = turns.line_up(&site.uid, ANYBODY, Instant::now());
        loop {
            if site.is_over() {
                turns.give_up(&site.uid, ANYBODY, ticket);
                let reason =
                    format!("not run: too many changes of `{}` are being tried out at the same time", site.name);
                return Err(ToolError::unavailable(reason).with_next("try again in a moment, with fewer calls at once"));
            }
            match turns.begin(&site.uid, ANYBODY, ticket, Instant::now()) {
                Ok(()) => return Ok(Self { database: site.uid.clone(), since: None }),
                Err(wait) => {
                    turns = ENDED.wait_timeout(turns, wait.min(GLANCE)).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// Says that the lock is held from now on.
    pub(crate) fn holds(&mut self) {
        self.since = Some(Instant::now());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = Instant::now();
        let held = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        lock().end(&self.database, ANYBODY, held, Duration::ZERO, now);
        ENDED.notify_all();
    }
}
