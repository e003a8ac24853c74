//! Tools over folders of files.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::contract::{Lease, Settings, SettingsError, TargetReport, Tool, ToolError, Toolset};

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

#[async_trait]
impl Toolset for Files {
    fn name(&self) -> &'static str {
        "files"
    }
    fn about(&self) -> &'static str {
        ""
    }
    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        Vec::new()
    }
    fn settings(&self, _table: toml::Table, _base: &Path) -> Result<Settings, SettingsError> {
        Ok(Arc::new(()))
    }
    async fn check(&self, _lease: &Lease) -> Result<TargetReport, ToolError> {
        Err(ToolError::refused("not yet"))
    }
}
