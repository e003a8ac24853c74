//! A change that nobody need be asked about, for it can be taken back, and that locks a whole table: it has a time for that, and
//! is rolled back beyond it. It is asked about from then on, and whoever says yes lets it take all of its call's time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::contract::Digest;

/// So many changes are remembered for a target, the latest.
const MOST: usize = 256;

/// Changes that took too long for nobody being asked, by their fingerprints.
#[derive(Default)]
pub(crate) struct Slow(Mutex<VecDeque<Digest>>);

impl Slow {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this one did.
    pub(super) fn knows(&self, fingerprint: Digest) -> bool {
        self.lock().contains(&fingerprint)
    }

    /// Remembers one.
    pub(super) fn note(&self, fingerprint: Digest) {
        let mut known = self.lock();
        if !known.contains(&fingerprint) {
            known.push_back(fingerprint);
        }
        if known.len() > MOST {
            known.pop_front();
        }
    }
}
