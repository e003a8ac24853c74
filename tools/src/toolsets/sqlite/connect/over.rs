//! When a job on a database is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A caller who hung up, or a deadline that passed.
#[derive(Clone)]
pub(crate) struct Stop {
    pub hung_up: Arc<AtomicBool>,
    pub at: Instant,
    pub deadline: Duration,
}

impl Stop {
    pub(crate) fn now(&self) -> bool {
        self.hung_up.load(Ordering::Relaxed) || Instant::now() >= self.at
    }
}
