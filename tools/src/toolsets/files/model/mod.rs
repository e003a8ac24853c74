//! What the tools of this set share.

pub(super) mod attributes;
pub(super) mod encoding;
pub(super) mod kind;
pub(super) mod probe;
pub(super) mod removal;
pub(super) mod reserved;
pub(super) mod tally;
pub(super) mod trash;
pub(super) mod walk;
