//! A try that may hold locks in somebody's way: it has one small budget of time for all of its statements, and then takes
//! everything back, however far it came.

use std::time::Instant;

use super::{Mode, PATIENCE_OF_A_LOOK, Tx};
use crate::contract::ToolError;

impl Tx<'_> {
    /// From here on a try holds locks that others may have to wait for: said again before a statement that may take long.
    /// Nothing for a change, which was decided on.
    pub(in super::super) async fn holds_locks(&self) -> Result<(), ToolError> {
        if self.mode != Mode::Trial {
            return Ok(());
        }
        self.clock.lets_go.get_or_init(|| Instant::now() + self.clock.site.trial);
        // The server is told what is left of it, and ends a statement then even if nobody asks it to. Rounded up, so that the
        // budget is over whenever it does.
        let left = self.clock.left().as_millis() + 1;
        // Shorter for a lock, so that what it waits for is said to be locked rather than slow.
        let lock = (left * 3 / 4).clamp(1, PATIENCE_OF_A_LOOK.as_millis());
        self.run(&format!(
            "SET LOCAL statement_timeout = {left}; SET LOCAL lock_timeout = {lock}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            left * 2
        ))
        .await
    }

    /// Whether it was given up since it held locks for as long as a try may.
    pub(in super::super) fn overran(&self) -> bool {
        self.clock.overran()
    }
}
