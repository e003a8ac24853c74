//! Tools over folders of files: look, write, move, delete to a trash, and purge for good. Nothing outside a target's root
//! is reached, whatever a path or a link says.

mod check;
mod connect;
mod model;
mod tools;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;

pub use connect::glob::Glob;
pub use connect::{Folder, Kind};

use crate::contract::{
    HeldSecrets, Kept, Kind as _, Lease, Preflight, Search, Settings, SettingsError, TargetReport, Tool, ToolError,
    Toolset, change, on_target, read,
};
use model::kind::Folders;

/// The `files` toolset.
#[derive(Debug, Default)]
pub struct Files;

impl Files {
    /// The toolset.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

/// A target's own keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    root: String,
    #[serde(default)]
    backups: Vec<String>,
}

#[async_trait]
impl Toolset for Files {
    fn name(&self) -> &str {
        Folders::NAME
    }

    fn about(&self) -> &str {
        "Files and folders below one root: read, write, move and delete, with a trash to bring things back from."
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        vec![
            read::<tools::list::List>(),
            read::<tools::read::Read>(),
            change::<tools::write::Write>(),
            change::<tools::r#move::Move>(),
            change::<tools::delete::Delete>(),
            change::<tools::purge::Purge>(),
            change::<tools::restore::Restore>(),
        ]
    }

    fn settings(&self, table: toml::Table, base: &Path) -> Result<Settings, SettingsError> {
        let keys: Keys = table
            .try_into()
            .map_err(|error: toml::de::Error| SettingsError { key: None, reason: error.message().to_owned() })?;
        if keys.root.is_empty() || keys.root.contains('\0') {
            return Err(SettingsError { key: Some("root".into()), reason: "`root` is the path of a folder".into() });
        }
        let backups = keys.backups.iter().map(|text| Glob::parse(text)).collect::<Result<_, _>>();
        let backups = backups.map_err(|reason| SettingsError { key: Some("backups".into()), reason })?;
        Ok(Arc::new(Folder { root: base.join(keys.root), backups }))
    }

    fn reach(&self, settings: &Settings) -> Vec<PathBuf> {
        settings.downcast_ref::<Folder>().map(|folder| folder.root.clone()).into_iter().collect()
    }

    async fn identity(&self, lease: &Lease) -> Result<String, ToolError> {
        on_target::<Folders, _>(lease, |root| Ok(check::identity(root))).await
    }

    async fn is_over(&self, _seen: &Preflight, _lease: &Lease) -> bool {
        // Only this process, or the one that is gone, did anything: nothing of it is on its way.
        true
    }

    async fn check(&self, lease: &Lease) -> Result<TargetReport, ToolError> {
        on_target::<Folders, _>(lease, |root| check::report(root)).await
    }

    async fn search(&self, lease: &Lease, held: &Arc<dyn HeldSecrets>) -> Result<Search, ToolError> {
        let held = Arc::clone(held);
        on_target::<Folders, _>(lease, move |root| check::exposed::search(root, held.as_ref())).await
    }

    async fn kept(&self, lease: &Lease) -> Result<Vec<Kept>, ToolError> {
        let target = lease.target().name.clone();
        on_target::<Folders, _>(lease, move |root| check::kept::kept(root, &target)).await
    }

    async fn is_kept(&self, lease: &Lease, kept: &Kept) -> Result<bool, ToolError> {
        let kept = kept.clone();
        on_target::<Folders, _>(lease, move |root| Ok(check::kept::is_kept(root, &kept))).await
    }

    fn keeps(&self, tool: &str, seen: &Preflight) -> bool {
        check::kept::keeps(tool, seen)
    }
}
