//! A look's turn at trying a change out: the tries of one user hold locks about a fifth of the time, those of all users together
//! half of it at most, and a user whose tries wrote much waits until the server has had time for it. What is rolled back was
//! written all the same.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_postgres::types::FromSql;

use super::clock::Clock;
use super::link::Connection;
use super::written::most_written;
use super::{Session, Site};
use crate::contract::{Access, Limits, ToolError};
use crate::turns::tries::{GLANCE, REST, Terms, Tries};

/// How long a user rests who has written as much as a try may.
const REST_OF_WRITTEN: Duration = Duration::from_secs(16);

/// What holds locks no longer than this is as any other change is.
const MOMENT: Duration = Duration::from_millis(25);

/// What nobody counted, since a call was cut off, counts as so much in a second.
const ASSUMED: u64 = 64 << 20;

/// Where the server writes next.
const AT: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text";

/// The turns at one target.
pub(crate) struct Turns {
    tries: Mutex<Tries>,
    ended: Notify,
    trial: Duration,
}

/// There is one line for a target, so its name says nothing.
const HERE: &str = "";

impl Turns {
    /// For tries that hold locks for so long at most.
    pub(crate) fn new(trial: Duration) -> Self {
        let own_ahead = REST_OF_WRITTEN.mul_f64(trial.as_secs_f64().max(1.0));
        let terms =
            Terms { ahead: Duration::ZERO, own_ahead, moment: MOMENT, times: 1, longest: trial.saturating_mul(2) };
        Self { tries: Mutex::new(Tries::new(terms)), ended: Notify::new(), trial }
    }

    fn lock(&self) -> MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look's turn. It ends when nobody has it any more.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    user: String,
    limits: Limits,
    since: OnceLock<Instant>,
    /// Where the server wrote when it began.
    pub(super) from: OnceLock<String>,
    wrote: OnceLock<u64>,
    /// How much had been written when somebody looked from outside.
    pub(super) lately: Arc<AtomicU64>,
    /// What it did is kept.
    kept: AtomicBool,
}

/// A place in the line, given up unless the turn comes.
struct Ticket {
    turns: Arc<Turns>,
    user: String,
    number: u64,
    came: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.came {
            self.turns.lock().give_up(HERE, &self.user, self.number);
            self.turns.ended.notify_waiters();
        }
    }
}

impl Turn {
    /// Waits for it, for half of the call's time: the other half is for the try.
    ///
    /// # Errors
    /// `Untouched`: it did not come.
    async fn come(turns: Arc<Turns>, user: String, limits: Limits, name: &str) -> Result<Self, ToolError> {
        let until = Instant::now() + limits.deadline / 2;
        let number = turns.lock().line_up(HERE, &user, Instant::now());
        let mut ticket = Ticket { turns: Arc::clone(&turns), user: user.clone(), number, came: false };
        loop {
            let mut ended = pin!(turns.ended.notified());
            ended.as_mut().enable();
            let begun = turns.lock().begin(HERE, &user, number, Instant::now());
            match begun {
                Ok(()) => break,
                Err(_) if Instant::now() >= until => return Err(too_many(name)),
                Err(wait) => drop(tokio::time::timeout(wait.min(GLANCE), ended).await),
            }
        }
        ticket.came = true;
        let (since, from, wrote) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Self { turns, user, limits, since, from, wrote, lately: Arc::default(), kept: AtomicBool::new(false) })
    }

    /// The same for a lease, without a connection.
    #[cfg(test)]
    pub(crate) async fn wait(lease: &crate::contract::Lease) -> Result<Self, ToolError> {
        let turns = Arc::clone(&lease.settings::<super::Settings>()?.turns);
        Self::come(turns, lease.user().to_owned(), *lease.limits(), &lease.target().name).await
    }

    /// Locks are held from now on.
    pub(super) fn holds(&self) {
        self.since.get_or_init(Instant::now);
    }

    /// Where the server stood when it began, where it held locks since and what it writes is counted.
    pub(super) fn counts_from(&self) -> Option<&String> {
        self.from.get().filter(|_| self.since.get().is_some())
    }

    /// So many bytes were written for it.
    pub(super) fn wrote(&self, bytes: u64) {
        self.wrote.get_or_init(|| bytes);
    }

    /// What it held locks for is kept, and no try: nobody rests for it.
    pub(super) fn keeps(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = Instant::now();
        let since = self.since.get().filter(|_| !self.kept.load(Ordering::Relaxed));
        let held = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(*since));
        let assumed = || u64::try_from(held.as_millis()).unwrap_or(u64::MAX).saturating_mul(ASSUMED / 1_000);
        let lately = Some(self.lately.load(Ordering::Relaxed)).filter(|wrote| *wrote > 0);
        let wrote = self.wrote.get().copied().or(lately).unwrap_or_else(assumed);
        let parts = wrote.saturating_mul(1_000) / most_written(&self.limits);
        // One try's rest is over some time, whatever was counted.
        let for_writing = (REST_OF_WRITTEN / 1_000).saturating_mul(u32::try_from(parts.min(4_000)).unwrap_or_default());
        // What was over in a moment is as any other change is.
        let own = if held <= MOMENT { for_writing } else { for_writing.max(held.saturating_mul(REST)) };
        let held = held.min(self.turns.trial);
        self.turns.lock().end(HERE, &self.user, held, own, now);
        self.turns.ended.notify_waiters();
    }
}

fn too_many(name: &str) -> ToolError {
    let reason = format!(
        "not run: too many changes of `{name}` are being tried out, or those that were lately held locks for long or wrote much"
    );
    ToolError::unavailable(reason).with_next("try again in a moment, with fewer calls at once or fewer rows in each")
}

impl Session {
    /// Waits for this call's turn, before its transaction begins. The connection is there already: whoever waits for one holds
    /// up nobody else's turn.
    ///
    /// # Errors
    /// `Untouched`: it did not come.
    pub(crate) async fn take_turn(&mut self) -> Result<(), ToolError> {
        let Site { limits, name, access, .. } = &self.site;
        let turn = Turn::come(Arc::clone(&self.turns), self.user.to_string(), *limits, name).await?;
        // Of a try it is counted how much it writes. Where a server does not say, or is a copy that writes nothing, the time is
        // the bound.
        if *access != Access::Write
            && let Some(at) = self.ask::<String>(AT).await
        {
            turn.from.get_or_init(|| at);
        }
        self.turn = Some(turn);
        Ok(())
    }

    /// The single value of a statement of ours, outside of any transaction; `None` where there is none, or the server says no.
    async fn ask<T>(&mut self, sql: &str) -> Option<T>
    where
        T: for<'r> FromSql<'r>,
    {
        if self.busy.load(Ordering::Relaxed) {
            return None;
        }
        let Self { site, lent, ends, busy, .. } = self;
        let Connection { client, meter, .. } = &lent.as_ref()?.connection;
        let clock = Clock::new(site, *ends, busy, meter);
        let rows = clock.over(client.query_typed(sql, &[])).await.ok()?;
        rows.first()?.try_get(0).ok()
    }
}
