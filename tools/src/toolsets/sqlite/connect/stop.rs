//! What ends a job on a database, asked between SQLite's steps and, by the functions of [`super::bounded`], within one;
//! [`super::watch`] says it from outside.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;

pub(crate) use super::over::Stop;
use super::watch::Watched;

/// What holds for the job of this thread. A job and its connections never leave the thread they began on.
struct Bounds {
    stop: Stop,
    until: Option<Instant>,
    longest: usize,
    watched: Arc<Watched>,
    /// Work done since the last look at the clock.
    done: u64,
}

thread_local! {
    static BOUNDS: RefCell<Option<Bounds>> = const { RefCell::new(None) };
}

fn with<T>(work: impl FnOnce(&mut Bounds) -> T) -> Option<T> {
    BOUNDS.with_borrow_mut(|slot| slot.as_mut().map(work))
}

/// Ends with the job.
pub(crate) struct OnThisThread(());

impl OnThisThread {
    pub(crate) fn begin(stop: &Stop) -> Self {
        let watched = Watched::begin(stop);
        let bounds = Bounds { stop: stop.clone(), until: None, longest: usize::MAX, watched, done: 0 };
        BOUNDS.with_borrow_mut(|slot| *slot = Some(bounds));
        Self(())
    }
}

impl Drop for OnThisThread {
    fn drop(&mut self) {
        BOUNDS.with_borrow_mut(|slot| *slot = None);
    }
}

/// Has what the connection runs end with the job.
pub(crate) fn attend(conn: &Connection) {
    with(|bounds| bounds.watched.attend(conn.get_interrupt_handle()));
}

/// Nothing that the job's connections run is interrupted from outside any more: a commit is to come to its end, and a
/// connection that is kept is somebody else's next.
pub(crate) fn leave() {
    with(|bounds| bounds.watched.leave());
}

/// Gives the job an end of its own before its deadline, or none.
pub(crate) fn until(until: Option<Instant>) {
    with(|bounds| {
        bounds.until = until;
        bounds.watched.until(until);
    });
}

/// No value longer than this is built.
pub(crate) fn longest(bytes: usize) {
    with(|bounds| bounds.longest = bytes);
}

/// How many units of work pass between two looks at the clock: about a millisecond of them.
const GLANCE: u64 = 1 << 20;

/// Counts work within one call of a function, on top of what those before it did: a row may call thousands.
pub(crate) struct Meter {
    done: u64,
}

/// The job is over.
pub(crate) struct Over;

impl Default for Meter {
    fn default() -> Self {
        Self { done: with(|bounds| bounds.done).unwrap_or_default() }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        with(|bounds| bounds.done = self.done);
    }
}

impl Meter {
    /// Says so many units of work are done.
    pub(crate) fn did(&mut self, units: usize) -> Result<(), Over> {
        self.done += units as u64;
        if self.done < GLANCE {
            return Ok(());
        }
        let over = |bounds: &mut Bounds| bounds.stop.now() || bounds.until.is_some_and(|until| Instant::now() >= until);
        if with(over).unwrap_or_default() {
            return Err(Over);
        }
        self.done = 0;
        Ok(())
    }
}

/// Whether a value of so many bytes may be built.
pub(crate) fn fits(bytes: usize) -> bool {
    with(|bounds| bytes <= bounds.longest).unwrap_or(true)
}
