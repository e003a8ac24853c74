//! Whether a change can still take effect: from its first statement on its transaction holds a lock that means nothing to
//! anybody else, and that everybody can see until the transaction has ended on the server, one way or the other.
//!
//! COMMIT is only sent once the lock is held, so wherever it is on its way, the lock is there. Its key comes from the
//! fingerprint the change was begun with, which the record of the start keeps; two calls with the same one share it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::types::Type;

use super::{Mode, Session, Tx};
use crate::contract::{Digest, Lease, Preflight, ToolError};

/// How long a transaction whose client has just gone may take to end.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Between two looks for it.
const PAUSE: Duration = Duration::from_millis(20);

/// A standby's word about what changed rows is none: the change may be on its way to the primary.
const HELD: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory' \
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) \
    AND l.classid::int8 = $1 AND l.objid::int8 = $2 AND l.objsubid = 1) \
    OR ($3 AND pg_catalog.pg_is_in_recovery())";

fn key(fingerprint: Digest) -> [u32; 2] {
    let digest = Digest::of(&("a change of PostgreSQL that is under way", fingerprint));
    let bytes = digest.as_bytes();
    let word = |at: usize| bytes.iter().skip(at).take(4).fold(0, |word: u32, byte| (word << 8) | u32::from(*byte));
    [word(0), word(4)]
}

impl Session {
    /// Starts the transaction of a change, and lets everybody see that it is under way.
    ///
    /// # Errors
    /// `Untouched`: the server did not start one, or the lease does not allow a change.
    pub(crate) async fn begin_change(&mut self, agreed: Digest) -> Result<Tx<'_>, ToolError> {
        let tx = Tx { agreed: Some(agreed), ..self.begin(Mode::Change).await? };
        tx.show_under_way(agreed).await?;
        Ok(tx)
    }
}

impl Tx<'_> {
    /// Takes the lock that others see a change by.
    pub(super) async fn show_under_way(&self, agreed: Digest) -> Result<(), ToolError> {
        let [high, low] = key(agreed);
        let key = i64::from_be_bytes(((u64::from(high) << 32) | u64::from(low)).to_be_bytes());
        self.rows("SELECT 1 FROM pg_catalog.pg_advisory_xact_lock_shared($1)", &[(&key, Type::INT8)]).await?;
        self.shown.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether the change of a call that nobody goes on with can no longer take effect. `false` where that cannot be told.
pub(crate) async fn is_over(seen: &Preflight, lease: &Lease) -> bool {
    let [high, low] = key(seen.fingerprint).map(i64::from);
    // A session can be ended on a standby as well.
    let changes_rows = !seen.targets.iter().any(|target| target.kind == "postgres_session");
    let ends = tokio::time::Instant::now() + TIMEOUT;
    loop {
        match look_once(lease, high, low, changes_rows).await {
            Ok(false) => return true,
            Ok(true) if tokio::time::Instant::now() < ends => tokio::time::sleep(PAUSE).await,
            Ok(true) | Err(_) => return false,
        }
    }
}

async fn look_once(lease: &Lease, high: i64, low: i64, changes_rows: bool) -> Result<bool, ToolError> {
    let mut session = Session::open(lease).await?;
    let tx = session.begin(Mode::ReadOnly).await?;
    let params: [super::Param<'_>; 3] = [(&high, Type::INT8), (&low, Type::INT8), (&changes_rows, Type::BOOL)];
    let held: bool = tx.value(HELD, &params).await?;
    tx.rollback().await.map(|()| held)
}
