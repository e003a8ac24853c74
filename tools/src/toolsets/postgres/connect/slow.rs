//! A change that nobody need be asked about, for it can be taken back, and that locks a whole table: it has a time for that, and
//! is rolled back beyond it. It is asked about from then on, and whoever says yes lets it take all of its call's time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Mode, Tx};
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
    fn knows(&self, fingerprint: Digest) -> bool {
        self.lock().contains(&fingerprint)
    }

    /// Remembers one.
    fn note(&self, fingerprint: Digest) {
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
    /// From here on a change that waited its turn for it locks a whole table: nobody need have been asked about it.
    pub(crate) async fn locks_unasked(&self) -> Result<(), ToolError> {
        let Some((turn, _)) = self.in_turn.filter(|_| self.mode == Mode::Change) else { return Ok(()) };
        turn.holds();
        self.clock.lets_go.get_or_init(|| Instant::now() + self.clock.site.lock);
        let left = self.clock.left().as_millis() + 1;
        self.run(&format!("SET LOCAL statement_timeout = {left}")).await
    }

    /// Whether what is looked at was begun once, and taken back since it locked a table for too long.
    pub(crate) fn was_slow(&self, fingerprint: Digest) -> bool {
        self.slow.knows(fingerprint)
    }

    /// Remembers a change that locked a table for as long as it may.
    pub(super) fn note_if_slow(&self) {
        if let Some(agreed) = self.agreed
            && self.mode == Mode::Change
            && self.clock.overran()
        {
            self.slow.note(agreed);
        }
    }
}
