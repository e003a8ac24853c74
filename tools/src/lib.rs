//! What Mollyguard can do natively, and what each doing promises.
//!
//! This crate knows databases and folders. It knows no policy, no store and no MCP: those belong to the gateway, which
//! decides, asks, writes down, and only then calls [`contract::Tool::execute`].

pub mod contract;
pub mod failpoint;
pub mod files;
pub mod laws;
pub mod postgres;
pub mod sql;
pub mod sqlite;
pub mod text;
pub mod turns;

use std::sync::Arc;

use contract::Toolset;

/// Everything the gateway can do natively: one entry a toolset, in the order they are listed to clients.
#[must_use]
pub fn toolsets() -> Vec<Arc<dyn Toolset>> {
    vec![Arc::new(sqlite::Sqlite::new()), Arc::new(postgres::Postgres::new()), Arc::new(files::Files::new())]
}
