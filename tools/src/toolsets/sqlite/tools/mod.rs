//! The tools, one file each.

pub(super) mod describe;
pub(super) mod drop_table;
pub(super) mod purge_table;
pub(super) mod query;
pub(super) mod restore_rows;
pub(super) mod restore_table;
pub(super) mod write;
