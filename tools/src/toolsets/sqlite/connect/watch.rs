//! Interrupts what a job's connections run once the job is over, from a thread of its own and again and again: SQLite asks
//! its progress handler only every so many steps, and not at all while it counts a table's pages.
//!
//! The thread lives while there are jobs, sleeps until the first of them is over, and ends when it finds none.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::InterruptHandle;

use super::over::Stop;

/// How long after one interruption the next comes: SQLite forgets one that hits nothing.
const AGAIN: Duration = Duration::from_millis(5);

/// One job and what it has open.
pub(crate) struct Watched {
    stop: Stop,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    until: Option<Instant>,
    connections: Vec<InterruptHandle>,
}

struct Jobs {
    all: Vec<Weak<Watched>>,
    /// When the thread looks next, where there is one.
    next: Option<Instant>,
}

static JOBS: Mutex<Jobs> = Mutex::new(Jobs { all: Vec::new(), next: None });
static SOONER: Condvar = Condvar::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watched {
    /// Watches a job until it is dropped.
    pub(crate) fn begin(stop: &Stop) -> Arc<Self> {
        let watched = Arc::new(Self { stop: stop.clone(), open: Mutex::default() });
        let mut jobs = lock(&JOBS);
        jobs.all.retain(|job| job.strong_count() > 0);
        jobs.all.push(Arc::downgrade(&watched));
        call(&mut jobs, stop.at);
        watched
    }

    /// Adds a connection of the job.
    pub(crate) fn attend(&self, connection: InterruptHandle) {
        lock(&self.open).connections.push(connection);
    }

    /// Interrupts none of them any more, from now on.
    pub(crate) fn leave(&self) {
        lock(&self.open).connections.clear();
    }

    /// Gives the job an end before its deadline, or none.
    pub(crate) fn until(&self, until: Option<Instant>) {
        lock(&self.open).until = until;
        if let Some(until) = until {
            call(&mut lock(&JOBS), until);
        }
    }

    /// Interrupts what runs if the job is over, and says when to look again.
    fn look(&self, now: Instant) -> Instant {
        let open = lock(&self.open);
        let over = open.until.map_or(self.stop.at, |until| until.min(self.stop.at));
        if now < over && !self.stop.hung_up.load(std::sync::atomic::Ordering::Relaxed) {
            return over;
        }
        for connection in &open.connections {
            connection.interrupt();
        }
        now + AGAIN
    }
}

/// Has the thread look at every job now: one may be over before its time.
pub(crate) fn hurry() {
    let mut jobs = lock(&JOBS);
    if !jobs.all.is_empty() {
        call(&mut jobs, Instant::now());
    }
}

/// Has the thread look no later than then. Where none can be had, the progress handler alone ends a job.
fn call(jobs: &mut Jobs, at: Instant) {
    match jobs.next {
        Some(next) if next <= at => {}
        Some(_) => {
            jobs.next = Some(at);
            SOONER.notify_one();
        }
        None => {
            let begun = thread::Builder::new().name("sqlite-deadlines".into()).spawn(watch);
            jobs.next = begun.is_ok().then_some(at);
        }
    }
}

fn watch() {
    let mut jobs = lock(&JOBS);
    loop {
        let now = Instant::now();
        jobs.all.retain(|job| job.strong_count() > 0);
        if jobs.next.is_none_or(|next| next <= now) {
            let Some(next) = jobs.all.iter().filter_map(Weak::upgrade).map(|job| job.look(now)).min() else {
                jobs.next = None;
                return;
            };
            jobs.next = Some(next);
        }
        let pause = jobs.next.map_or(AGAIN, |next| next.saturating_duration_since(now));
        jobs = SOONER.wait_timeout(jobs, pause).unwrap_or_else(PoisonError::into_inner).0;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use rusqlite::{Connection, ErrorCode};

    use super::*;

    fn stop(at: Instant) -> Stop {
        Stop { hung_up: Arc::default(), at, deadline: Duration::ZERO }
    }

    /// `count(*)` is one step of SQLite's machine however large the table is: no progress handler is asked.
    fn count_until_interrupted(conn: &Connection) {
        for _ in 0..1_000_000 {
            match conn.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)) {
                Ok(_) => {}
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => return,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("it was never interrupted");
    }

    fn table() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE t(v);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i FROM n",
        )
        .unwrap();
        conn
    }

    #[test]
    fn what_asks_no_progress_handler_ends_at_the_deadline_at_an_earlier_end_and_when_nobody_waits() {
        let late = Instant::now() + Duration::from_secs(86_400);
        for end in 0..3 {
            let conn = table();
            let stop = stop(if end == 0 { Instant::now() } else { late });
            let watched = Watched::begin(&stop);
            watched.attend(conn.get_interrupt_handle());
            match end {
                1 => watched.until(Some(Instant::now())),
                2 => {
                    stop.hung_up.store(true, Ordering::Relaxed);
                    hurry();
                }
                _ => {}
            }
            count_until_interrupted(&conn);
        }
    }

    #[test]
    fn a_connection_that_was_left_is_not_interrupted_any_more() {
        let conn = table();
        let watched = Watched::begin(&stop(Instant::now()));
        watched.attend(conn.get_interrupt_handle());
        count_until_interrupted(&conn);
        watched.leave();
        for _ in 0..2_000 {
            conn.query_row("SELECT count(*) FROM t", [], |_| Ok(())).unwrap();
        }
    }
}
