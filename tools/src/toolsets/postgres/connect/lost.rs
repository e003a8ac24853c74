//! What became of a COMMIT whose answer was lost: the server is asked, and where it cannot say, nobody knows.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::{Mode, Session};

impl Session {
    /// Asks, on another connection, what became of a transaction whose COMMIT was not answered.
    ///
    /// Returns `None` where that cannot be told.
    pub(crate) async fn was_committed(&mut self, transaction: &str) -> Option<bool> {
        // The old connection is of no use any more.
        self.lent = None;
        self.ends = Instant::now() + self.site.limits.deadline.min(Duration::from_secs(10));
        self.busy.store(false, Ordering::Relaxed);
        let lent = tokio::time::timeout_at(self.ends.into(), self.pool.get(&self.user)).await.ok()?.ok()?;
        self.lent = Some(lent);
        let server = self.who().await.ok()?;
        // Another server's transactions have the same numbers.
        if (&server.system, server.oid) != (&self.server.system, self.server.oid) {
            return None;
        }
        let (number, checkpoint) = transaction.split_once('@')?;
        let (number, checkpoint) = (number.to_owned(), checkpoint.to_owned());
        let tx = self.begin(Mode::ReadOnly).await.ok()?;
        // A number that is yet to be given out is one that a crash has lost, unless this is a replica that lags behind.
        // Recovering from a crash ends with a checkpoint, and what was lost may be somebody else's number since.
        let sql = "SELECT CASE WHEN pg_catalog.age($1::text::xid8::xid) OPERATOR(pg_catalog.>) 0 \
            THEN pg_catalog.pg_xact_status($1::text::xid8)::text \
            WHEN NOT pg_catalog.pg_is_in_recovery() THEN 'aborted' END, c.checkpoint_lsn::text OPERATOR(pg_catalog.=) $2 \
            FROM pg_catalog.pg_control_checkpoint() c";
        // Its server process may not have noticed yet that nobody is there any more.
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            let rows = tx.rows(sql, &[(&number, Type::TEXT), (&checkpoint, Type::TEXT)]).await.ok()?;
            let row = rows.first()?;
            match row.try_get::<_, Option<String>>(0).ok()??.as_str() {
                "committed" => {
                    row.try_get::<_, bool>(1).ok()?.then_some(())?;
                    if let Some((turn, _)) = tx.in_turn {
                        turn.keeps();
                    }
                    return Some(true);
                }
                "aborted" => return Some(false),
                "in progress" if tx.clock.left() > PAUSE => tokio::time::sleep(PAUSE).await,
                _ => return None,
            }
        }
    }
}
