//! The tools, one file each.

pub(super) mod delete;
pub(super) mod list;
pub(super) mod r#move;
pub(super) mod purge;
pub(super) mod read;
pub(super) mod restore;
pub(super) mod write;
