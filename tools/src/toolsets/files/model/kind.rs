//! How the tools of this set reach a folder: the open root, and for a change the lock of its trash. What is changed is
//! changed at once, each step so that it can be taken back, and lasts from then on.

use std::ops::Deref;

use async_trait::async_trait;
use cap_std::fs::File;
use serde_json::Value;

use super::trash;
use crate::contract::{Evidence, Kind, Lease, Preflight, Purpose, Target, ToolError, Unsure, Waiting};
use crate::toolsets::files::connect::{Root, Site};

/// Folders of files, each below one root.
pub(crate) struct Folders;

/// The open root, locked for a change.
pub(crate) struct Open<'c> {
    root: &'c Root,
    _lock: Option<File>,
}

impl Deref for Open<'_> {
    type Target = Root;

    fn deref(&self) -> &Root {
        self.root
    }
}

#[async_trait]
impl Kind for Folders {
    const NAME: &'static str = "files";
    const TARGET: &'static str = "The configured target.";
    const BLOCKS: bool = true;
    const TRANSACTIONS: bool = false;

    type Conn = Root;
    type Tx<'c> = Open<'c>;

    async fn connect(lease: &Lease, waiting: Waiting) -> Result<Root, ToolError> {
        Site::of(lease)?.open(waiting.gone())
    }

    async fn begin<'c>(root: &'c mut Root, purpose: Purpose<'_>) -> Result<Open<'c>, ToolError> {
        let lock = if let Purpose::Change(_) = purpose { Some(trash::lock(root)?) } else { None };
        Ok(Open { root, _lock: lock })
    }

    fn whereabouts(root: &Open<'_>) -> Evidence {
        root.whereabouts()
    }

    async fn commit(_root: Open<'_>) -> Result<(), Unsure> {
        Ok(())
    }

    /// The first of its targets, by path and by id. Where a file system takes two cases of a letter for one, another spelling
    /// is the same path.
    fn aim(seen: &Preflight) -> Vec<Value> {
        let names = |thing: &Target| Target { path: thing.path.lowercased(), ..thing.clone() }.names();
        seen.targets.first().map(names).unwrap_or_default()
    }
}
