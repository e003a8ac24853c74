//! What a transaction says of its turn: since when it holds locks, how much was written for it, whether it took too long.

use std::time::Instant;

use tokio_postgres::types::Type;

use super::written::SINCE;
use super::{Mode, Tx};
use crate::contract::{Digest, ToolError};

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

    /// Takes back what was tried in a turn, and counts what was written for it, now that nothing of it goes on. What others wrote
    /// meanwhile counts as well: the server does not tell whose it was.
    pub(super) async fn count_written(&self) {
        let Some((turn, _)) = self.in_turn else { return };
        let Some(from) = turn.counts_from() else { return };
        if self.run("ROLLBACK AND CHAIN").await.is_ok()
            && let Ok(wrote) = self.value::<i64>(SINCE, &[(from, Type::TEXT)]).await
        {
            turn.wrote(wrote.unsigned_abs());
        }
    }
}
