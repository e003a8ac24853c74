//! A try that may hold locks in somebody's way: it has one small budget of time for all of its statements, and one of
//! what it writes, and then takes everything back, however far it came.

use std::sync::Arc;
use std::time::Instant;

use super::flood::Flood;
use super::trouble;
use super::written::most_written;
use super::{LOOK_TIMEOUT, Mode, Tx};
use crate::contract::ToolError;

impl Tx<'_> {
    /// From here on a try holds locks that others may have to wait for: said again before a statement that may take long.
    /// Nothing for a change, which was decided on.
    pub(crate) async fn holds_locks(&self) -> Result<(), ToolError> {
        if self.mode != Mode::Trial {
            return Ok(());
        }
        let Some((turn, pool)) = self.in_turn else {
            return Err(ToolError::failed("nobody waited for the turn of this try"));
        };
        turn.holds();
        let first = self.clock.lets_go.get().is_none();
        self.clock.lets_go.get_or_init(|| Instant::now() + self.clock.site.trial);
        let most = most_written(&self.clock.site.limits);
        if let Some(from) = turn.from.get().filter(|_| first)
            && let Some(flood) = Flood::watch(Arc::clone(pool), from.clone(), most, Arc::clone(&turn.lately))
        {
            self.clock.flood.get_or_init(|| flood);
        }
        // The server is told what is left of it, and ends a statement then even if nobody asks it to. Rounded up, so that the
        // budget is over whenever it does.
        let left = self.clock.left().as_millis() + 1;
        // Shorter for a lock, so that what it waits for is said to be locked rather than slow.
        let lock = (left * 3 / 4).clamp(1, LOOK_TIMEOUT.as_millis());
        self.run(&format!(
            "SET LOCAL statement_timeout = {left}; SET LOCAL lock_timeout = {lock}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            left * 2
        ))
        .await
    }

    /// Why it was given up, where it held locks for as long as a try may, or wrote as much.
    pub(crate) fn gave_up(&self) -> Option<String> {
        let too_much = self.clock.is_flooded().then(|| trouble::written(self.clock.site));
        too_much.or_else(|| self.clock.overran().then(|| trouble::held(self.clock.site)))
    }
}
