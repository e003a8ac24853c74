//! Looks, on a connection of its own, how much the server writes while a try takes long: the try's own connection cannot say
//! before its statement has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_postgres::types::Type;

use super::link::Connection;
use super::pool::Pool;
use super::written::SINCE;

/// A try that is over by then is not looked at.
const SOON: Duration = Duration::from_millis(100);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// How much is written while a try runs; nobody looks any more once it is dropped.
pub(super) struct Flood {
    full: watch::Receiver<bool>,
    looks: AbortHandle,
}

impl Flood {
    /// Begins to look: since the server wrote there, no more than so much. `seen` is told each time. `None` outside a runtime.
    pub(super) fn watch(pool: Arc<Pool>, from: String, most: u64, seen: Arc<AtomicU64>) -> Option<Self> {
        let (says, full) = watch::channel(false);
        let looks = async move {
            tokio::time::sleep(SOON).await;
            // Where there is no connection left, the try's time is its bound.
            let Ok(connection) = Connection::open(&pool.address).await else { return };
            loop {
                let row = connection.client.query_typed(SINCE, &[(&from, Type::TEXT)]).await;
                let Ok(Some(wrote)) = row.map(|rows| rows.first().and_then(|row| row.try_get::<_, i64>(0).ok())) else {
                    return;
                };
                seen.store(wrote.unsigned_abs(), Ordering::Relaxed);
                if wrote.unsigned_abs() > most {
                    says.send_replace(true);
                    return;
                }
                connection.meter.reset();
                tokio::time::sleep(PAUSE).await;
            }
        };
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        Some(Self { full, looks: runtime.spawn(looks).abort_handle() })
    }

    /// Whether it was too much.
    pub(super) fn is_full(&self) -> bool {
        *self.full.borrow()
    }

    /// Returns once it is too much.
    pub(super) async fn fills(&self) {
        if self.full.clone().wait_for(|full| *full).await.is_err() {
            // Nobody looks any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.looks.abort();
    }
}
