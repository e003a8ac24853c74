//! Bounds how often codes are tried.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many wrong tries a minute.
#[derive(Debug)]
pub(crate) struct Tries {
    most: u32,
    used: Mutex<(Instant, u32)>,
}

impl Tries {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, used: Mutex::new((Instant::now(), 0)) }
    }

    /// It was a right one: that is no try.
    pub(crate) fn give_back(&self) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.1 = used.1.saturating_sub(1);
    }

    /// Whether one more is allowed now.
    pub(crate) fn take(&self) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.0.elapsed() >= Duration::from_secs(60) {
            *used = (Instant::now(), 0);
        }
        used.1 = used.1.saturating_add(1);
        used.1 <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out() {
        let tries = Tries::new(2);
        assert!(tries.take());
        tries.give_back();
        assert_eq!([tries.take(), tries.take(), tries.take()], [true, true, false]);
    }
}
