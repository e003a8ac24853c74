//! Tools over PostgreSQL databases: describe, query, change rows and schema, drop into a quarantine and bring back.
//!
//! A read runs in a read-only transaction that is always rolled back; a change is tried before it is shown, and what it
//! destroys is kept wherever it fits.

mod activity;
mod address;
mod alter;
mod anatomy;
mod catalog;
mod check;
mod connect;
mod copies;
mod ddl;
mod dependents;
mod describe;
mod drop;
mod exposed;
mod guard;
mod inverse;
mod involved;
mod layout;
mod listing;
mod params;
mod pool;
mod purge;
mod put_back;
mod quarantine;
mod query;
mod restore_dropped;
mod restore_rows;
mod restore_truncated;
mod rows;
mod sequences;
mod session;
mod shape;
mod subject;
mod terminate;
mod trial;
mod trouble;
mod truncate;
mod unalter;
mod unreachable;
mod value;
mod watch;
mod write;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::contract::{
    HeldSecrets, Lease, Search, Settings, SettingsError, TargetReport, Tool, ToolError, Toolset, Typed,
};

/// How many connections one credential has open at once, unless configured otherwise.
const CONNECTIONS: i64 = 8;

/// What is lent for every call, as a declaration names it.
const CREDENTIAL: Option<&str> = Some("a connection URL");

/// The `postgres` toolset.
#[derive(Debug, Default)]
pub struct Postgres;

impl Postgres {
    /// The toolset.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Toolset for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn about(&self) -> &'static str {
        "PostgreSQL databases: queries, row and schema changes tried before they are shown, drops into a quarantine."
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        vec![
            Arc::new(Typed::new(describe::PostgresDescribe)),
            Arc::new(Typed::new(query::PostgresQuery)),
            Arc::new(Typed::new(activity::PostgresActivity)),
            Arc::new(Typed::new(write::PostgresWrite)),
            Arc::new(Typed::new(restore_rows::PostgresRestoreRows)),
            Arc::new(Typed::new(drop::PostgresDrop)),
            Arc::new(Typed::new(restore_dropped::PostgresRestoreDropped)),
            Arc::new(Typed::new(purge::PostgresPurge)),
            Arc::new(Typed::new(truncate::PostgresTruncate)),
            Arc::new(Typed::new(restore_truncated::PostgresRestoreTruncated)),
            Arc::new(Typed::new(alter::PostgresAlter)),
            Arc::new(Typed::new(unalter::PostgresUnalter)),
            Arc::new(Typed::new(terminate::PostgresTerminate)),
        ]
    }

    fn settings(&self, table: toml::Table, _base: &Path) -> Result<Settings, SettingsError> {
        let wrong = |key: &str, reason: &str| Err(SettingsError { key: Some(key.into()), reason: reason.into() });
        if let Some(key) = table.keys().find(|key| *key != "connections") {
            let reason = format!(
                "`{key}` is no setting of a postgres target; there is `connections`, and the address \
                                  belongs into `secret`"
            );
            return wrong(key, &reason);
        }
        let connections = match table.get("connections") {
            None => CONNECTIONS,
            Some(toml::Value::Integer(most)) => *most,
            Some(_) => return wrong("connections", "`connections` is no whole number"),
        };
        match usize::try_from(connections) {
            Ok(connections @ 1..=100) => Ok(Arc::new(session::Settings { connections, pools: pool::Pools::default() })),
            _ => wrong("connections", "`connections` is between 1 and 100"),
        }
    }

    fn trusts(&self, lease: &Lease) -> Vec<(&'static str, PathBuf)> {
        let address = lease.secret().and_then(|secret| address::Address::parse(secret.reveal()).ok());
        address.map(|address| address.files()).unwrap_or_default()
    }

    async fn identity(&self, lease: &Lease) -> Result<String, ToolError> {
        Ok(session::Session::open(lease).await?.server.identity())
    }

    async fn check(&self, lease: &Lease) -> Result<TargetReport, ToolError> {
        check::check(lease).await
    }

    async fn search(&self, lease: &Lease, held: &Arc<dyn HeldSecrets>) -> Result<Search, ToolError> {
        exposed::search(lease, held.as_ref()).await
    }
}
