//! What ends a job on a database, asked between SQLite's steps and, by the functions of [`super::bounded`], within one.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A caller who hung up, or a deadline that passed.
#[derive(Clone)]
pub(super) struct Stop {
    pub hung_up: Arc<AtomicBool>,
    pub at: Instant,
    pub deadline: Duration,
}

impl Stop {
    pub(super) fn now(&self) -> bool {
        self.hung_up.load(Ordering::Relaxed) || Instant::now() >= self.at
    }
}

/// What holds for the job of this thread. A job and its connections never leave the thread they began on.
struct Bounds {
    stop: Stop,
    until: Option<Instant>,
    longest: usize,
}

thread_local! {
    static BOUNDS: RefCell<Option<Bounds>> = const { RefCell::new(None) };
}

/// Ends with the job.
pub(super) struct OnThisThread(());

impl OnThisThread {
    pub(super) fn begin(stop: &Stop) -> Self {
        let bounds = Bounds { stop: stop.clone(), until: None, longest: usize::MAX };
        BOUNDS.with_borrow_mut(|slot| *slot = Some(bounds));
        Self(())
    }
}

impl Drop for OnThisThread {
    fn drop(&mut self) {
        BOUNDS.with_borrow_mut(|slot| *slot = None);
    }
}

/// Gives the job an end of its own before its deadline, or none.
pub(super) fn until(until: Option<Instant>) {
    BOUNDS.with_borrow_mut(|slot| {
        if let Some(bounds) = slot {
            bounds.until = until;
        }
    });
}

/// No value longer than this is built.
pub(super) fn longest(bytes: usize) {
    BOUNDS.with_borrow_mut(|slot| {
        if let Some(bounds) = slot {
            bounds.longest = bytes;
        }
    });
}

/// How many units of work pass between two looks at the clock: about a millisecond of them.
const GLANCE: u64 = 1 << 20;

/// Counts work within one call of a function.
#[derive(Default)]
pub(super) struct Meter {
    done: u64,
}

/// The job is over.
pub(super) struct Over;

impl Meter {
    /// Says so many units of work are done.
    pub(super) fn did(&mut self, units: usize) -> Result<(), Over> {
        self.done += units as u64;
        if self.done < GLANCE {
            return Ok(());
        }
        self.done = 0;
        let over = |bounds: &Bounds| bounds.stop.now() || bounds.until.is_some_and(|until| Instant::now() >= until);
        if BOUNDS.with_borrow(|slot| slot.as_ref().is_some_and(over)) { Err(Over) } else { Ok(()) }
    }
}

/// Whether a value of so many bytes may be built.
pub(super) fn fits(bytes: usize) -> bool {
    BOUNDS.with_borrow(|slot| slot.as_ref().is_none_or(|bounds| bytes <= bounds.longest))
}
