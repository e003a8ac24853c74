//! A change that nobody need be asked about, for it can be taken back, and that locks a whole table: it has a time for that, and
//! is rolled back beyond it. It is asked about from then on, and whoever says yes lets it take all of its call's time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Mode, Turn, Tx};
use crate::contract::{Digest, ToolError};

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
    pub(crate) fn knows(&self, fingerprint: Digest) -> bool {
        self.lock().contains(&fingerprint)
    }

    /// Remembers one.
    pub(crate) fn note(&self, fingerprint: Digest) {
        let mut known = self.lock();
        if !known.contains(&fingerprint) {
            known.push_back(fingerprint);
        }
        if known.len() > MOST {
            known.pop_front();
        }
    }
}

impl Tx<'_> {
    /// From here on a change that nobody need have been asked about locks a whole table.
    pub(crate) async fn locks_unasked(&self, turn: &Turn) -> Result<(), ToolError> {
        if self.mode != Mode::Change {
            return Ok(());
        }
        turn.holds();
        self.clock.lets_go.get_or_init(|| Instant::now() + self.clock.site.lock);
        let left = self.clock.left().as_millis() + 1;
        self.run(&format!("SET LOCAL statement_timeout = {left}")).await
    }

    /// Whether it locked a table for as long as it may.
    pub(crate) fn locked_too_long(&self) -> bool {
        self.mode == Mode::Change && self.clock.overran()
    }
}
