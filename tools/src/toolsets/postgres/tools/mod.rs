//! The tools, one file each.

pub(super) mod activity;
pub(super) mod alter;
pub(super) mod describe;
pub(super) mod drop;
pub(super) mod purge;
pub(super) mod query;
pub(super) mod restore_dropped;
pub(super) mod restore_rows;
pub(super) mod restore_truncated;
pub(super) mod terminate;
pub(super) mod truncate;
pub(super) mod unalter;
pub(super) mod write;
