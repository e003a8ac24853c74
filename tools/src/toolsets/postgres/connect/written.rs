//! How much a try may write, and how that is asked of the server.

use crate::contract::Limits;

/// How much a try may write, as many times as much as is kept to undo a change: indexes, and pages that are logged whole.
const WRITTEN: u64 = 8;

/// So much it may write in any case.
const LITTLE: u64 = 16 << 20;

/// How much the server has written since.
pub(super) const SINCE: &str = "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), \
                                $1::pg_catalog.pg_lsn)::pg_catalog.int8";

/// How much one try may write.
pub(crate) fn most_written(limits: &Limits) -> u64 {
    limits.undo_bytes.saturating_mul(WRITTEN).max(LITTLE)
}
