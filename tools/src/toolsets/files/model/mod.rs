//! What the tools of this set share.

pub(super) mod attributes;
pub(super) mod encoding;
pub(super) mod probe;
pub(super) mod removal;
pub(super) mod reserved;
pub(super) mod tally;
pub(super) mod trash;
pub(super) mod walk;

use serde_json::Value;

use crate::contract::{Preflight, Target};

/// The target kind, and the prefix of the tools' names.
pub(crate) const KIND: &str = "files";

/// What a call that changes one thing is aimed at: the first of its targets, by path and by id. Where a file system takes
/// two cases of a letter for one, another spelling is the same path.
pub(crate) fn aim(seen: &Preflight) -> Vec<Value> {
    let names = |thing: &Target| Target { path: thing.path.to_lowercase(), ..thing.clone() }.names();
    seen.targets.first().map(names).unwrap_or_default()
}
