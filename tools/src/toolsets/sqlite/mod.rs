//! Tools over SQLite database files: describe, query, change rows, drop and bring back tables.
//!
//! A file is never created, and a schema is never changed except by moving a table into the quarantine and out of it.

mod check;
mod connect;
mod model;
mod tools;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::contract::{
    HeldSecrets, Kept, Kind as _, Lease, Preflight, Search, Settings, SettingsError, TargetReport, Tool, ToolError,
    Toolset, change, on_target, read,
};
use model::kind::DatabaseFiles;

/// The `sqlite` toolset.
#[derive(Debug, Default)]
pub struct Sqlite;

impl Sqlite {
    /// The toolset.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Toolset for Sqlite {
    fn name(&self) -> &str {
        DatabaseFiles::NAME
    }

    fn about(&self) -> &str {
        "SQLite database files: queries, row changes shown and undone row by row, tables dropped into a quarantine."
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        vec![
            read::<tools::describe::SqliteDescribe>(),
            read::<tools::query::SqliteQuery>(),
            change::<tools::write::SqliteWrite>(),
            change::<tools::restore_rows::SqliteRestoreRows>(),
            change::<tools::drop_table::SqliteDropTable>(),
            change::<tools::restore_table::SqliteRestoreTable>(),
            change::<tools::purge_table::SqlitePurgeTable>(),
        ]
    }

    fn settings(&self, table: toml::Table, base: &Path) -> Result<Settings, SettingsError> {
        let wrong = |key: &str, reason: &str| Err(SettingsError { key: Some(key.into()), reason: reason.into() });
        if let Some(key) = table.keys().find(|key| *key != "path") {
            return wrong(key, &format!("`{key}` is no setting of a sqlite target; there is `path`"));
        }
        match table.get("path") {
            Some(toml::Value::String(path)) if path.is_empty() => wrong("path", "`path` is empty"),
            Some(toml::Value::String(path)) => Ok(Arc::new(connect::Settings { path: base.join(path) })),
            Some(_) => wrong("path", "`path` is no text"),
            None => wrong("path", "`path` is missing: the database file, relative to the configuration file"),
        }
    }

    fn reach(&self, settings: &Settings) -> Vec<PathBuf> {
        let Some(connect::Settings { path }) = settings.downcast_ref::<connect::Settings>() else { return Vec::new() };
        // SQLite keeps these beside the real file.
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let beside = |suffix: &str| {
            let mut name = real.clone().into_os_string();
            name.push(suffix);
            PathBuf::from(name)
        };
        std::iter::once(path.clone()).chain(["-wal", "-shm", "-journal"].map(beside)).collect()
    }

    /// A journal that another wrote would be rolled back into the database by the next statement, be it a read.
    fn reserves(&self, settings: &Settings) -> Vec<PathBuf> {
        self.reach(settings)
    }

    async fn identity(&self, lease: &Lease) -> Result<String, ToolError> {
        on_target::<DatabaseFiles, _>(lease, |site| Ok(check::identity(site))).await
    }

    async fn is_over(&self, _seen: &Preflight, _lease: &Lease) -> bool {
        // Only this process, or the one that is gone, did anything: nothing of it is on its way.
        true
    }

    async fn check(&self, lease: &Lease) -> Result<TargetReport, ToolError> {
        on_target::<DatabaseFiles, _>(lease, |site| check::check(site)).await
    }

    async fn search(&self, lease: &Lease, held: &Arc<dyn HeldSecrets>) -> Result<Search, ToolError> {
        let held = Arc::clone(held);
        on_target::<DatabaseFiles, _>(lease, move |site| check::exposed::search(site, held.as_ref())).await
    }

    async fn kept(&self, lease: &Lease) -> Result<Vec<Kept>, ToolError> {
        on_target::<DatabaseFiles, _>(lease, |site| check::kept::kept(site)).await
    }

    fn keeps(&self, tool: &str, _seen: &Preflight) -> bool {
        tool == "sqlite_drop_table"
    }
}
