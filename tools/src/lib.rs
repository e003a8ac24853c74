//! What Mollyguard can do natively, and what each doing promises.
//!
//! This crate knows databases and folders. It knows no policy, no store and no MCP: those belong to the gateway, which
//! decides, asks, writes down, and only then calls [`contract::Tool::execute`].

pub mod failpoint;
#[cfg_attr(
    not(feature = "postgres"),
    expect(dead_code, unused_imports, reason = "what only PostgreSQL's tools ask of a statement")
)]
pub mod sql;
pub mod text;
mod toolsets;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "only changes of databases are tried out")
)]
pub mod turns;

use std::sync::Arc;

pub use mollyguard_contract as contract;
#[cfg(test)]
use mollyguard_contract::laws;
#[cfg(feature = "files")]
pub use toolsets::files;
#[cfg(feature = "postgres")]
pub use toolsets::postgres;
#[cfg(feature = "sqlite")]
pub use toolsets::sqlite;

use contract::Toolset;

/// Everything the gateway can do natively: one entry a toolset, in the order they are listed to clients.
#[must_use]
pub fn toolsets() -> Vec<Arc<dyn Toolset>> {
    vec![
        #[cfg(feature = "sqlite")]
        Arc::new(sqlite::Sqlite::new()),
        #[cfg(feature = "postgres")]
        Arc::new(postgres::Postgres::new()),
        #[cfg(feature = "files")]
        Arc::new(files::Files::new()),
    ]
}
