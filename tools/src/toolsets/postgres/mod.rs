//! Tools over PostgreSQL databases: describe, query, change rows and schema, drop into a quarantine and bring back.
//!
//! A read runs in a read-only transaction that is always rolled back; a change is tried before it is shown, and what it
//! destroys is kept wherever it fits.

mod check;
mod connect;
mod model;
mod tools;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::contract::{
    Access, HeldSecrets, Kept, Kind as _, Lease, Preflight, Search, SecretKey, Settings, SettingsError, TargetReport,
    Tool, ToolError, Toolset, change, read,
};
use model::kind::Databases;

/// How many connections one credential has open at once, unless configured otherwise.
const CONNECTIONS: usize = 8;

/// How long a try of a change may hold locks, all in all, unless configured otherwise.
const TRIAL: Duration = Duration::from_secs(1);

/// How long a change that nobody need be asked about may lock a whole table, unless configured otherwise.
const LOCK: Duration = Duration::from_secs(5);

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

/// Reads should have a credential that can do no more.
static SECRETS: [SecretKey; 2] = [
    SecretKey { name: Cow::Borrowed("secret"), opens: Access::Write, required: true },
    SecretKey { name: Cow::Borrowed("read_secret"), opens: Access::Read, required: false },
];

#[async_trait]
impl Toolset for Postgres {
    fn name(&self) -> &str {
        Databases::NAME
    }

    fn about(&self) -> &str {
        "PostgreSQL databases: queries, row and schema changes tried before they are shown, drops into a quarantine."
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        vec![
            read::<tools::describe::Describe>(),
            read::<tools::query::Query>(),
            read::<tools::activity::Activity>(),
            change::<tools::write::Write>(),
            change::<tools::restore_rows::RestoreRows>(),
            change::<tools::drop::Drop>(),
            change::<tools::restore_dropped::RestoreDropped>(),
            change::<tools::purge::Purge>(),
            change::<tools::truncate::Truncate>(),
            change::<tools::restore_truncated::RestoreTruncated>(),
            change::<tools::alter::Alter>(),
            change::<tools::unalter::Unalter>(),
            change::<tools::terminate::Terminate>(),
        ]
    }

    fn secrets(&self) -> &[SecretKey] {
        &SECRETS
    }

    fn settings(&self, table: toml::Table, _base: &Path) -> Result<Settings, SettingsError> {
        let mut settings = connect::Settings {
            connections: CONNECTIONS,
            pools: connect::pool::Pools::default(),
            trial: TRIAL,
            lock: LOCK,
            turns: Arc::new(connect::Turns::new(TRIAL)),
            slow: Arc::default(),
            vouched: Arc::default(),
        };
        for (key, value) in &table {
            let wrong = |reason: String| SettingsError { key: Some(key.clone()), reason };
            match key.as_str() {
                "connections" => {
                    let most = number(key, value, 1..=100).map_err(wrong)?;
                    settings.connections = usize::try_from(most).unwrap_or(CONNECTIONS);
                }
                "trial_ms" => settings.trial = Duration::from_millis(number(key, value, 10..=60_000).map_err(wrong)?),
                "lock_ms" => settings.lock = Duration::from_millis(number(key, value, 10..=600_000).map_err(wrong)?),
                "vouched_functions" => settings.vouched = vouched(value).map_err(wrong)?,
                _ => {
                    return Err(wrong(format!(
                        "`{key}` is no setting of a postgres target; there are `connections`, `trial_ms`, `lock_ms` \
                         and `vouched_functions`, and the address belongs into `secret`"
                    )));
                }
            }
        }
        settings.turns = Arc::new(connect::Turns::new(settings.trial));
        Ok(Arc::new(settings))
    }

    fn trusts(&self, lease: &Lease) -> Vec<(&'static str, PathBuf)> {
        let address = lease.secret().and_then(|secret| connect::address::Address::parse(secret.reveal()).ok());
        address.map(|address| address.files()).unwrap_or_default()
    }

    async fn identity(&self, lease: &Lease) -> Result<String, ToolError> {
        let mut session = connect::Session::open(lease).await?;
        // A database can be renamed under an open connection: whoever is about to change something is told afresh.
        let server = match lease.access() {
            Access::Read => session.server.clone(),
            Access::Trial | Access::Write => session.ask_who().await?,
        };
        Ok(server.identity())
    }

    fn addresses(&self, lease: &Lease) -> Vec<String> {
        let (Some(secret), Ok(settings)) = (lease.secret(), lease.settings::<connect::Settings>()) else {
            return Vec::new();
        };
        let pool = settings.pools.of(secret, settings.connections);
        pool.map(|pool| connect::link::addresses(&pool.address)).unwrap_or_default()
    }

    async fn is_over(&self, seen: &Preflight, lease: &Lease) -> bool {
        connect::is_over(seen, lease).await
    }

    async fn check(&self, lease: &Lease) -> Result<TargetReport, ToolError> {
        check::check(lease).await
    }

    async fn search(&self, lease: &Lease, held: &Arc<dyn HeldSecrets>) -> Result<Search, ToolError> {
        check::exposed::search(lease, held.as_ref()).await
    }

    async fn kept(&self, lease: &Lease) -> Result<Vec<Kept>, ToolError> {
        check::kept::kept(lease).await
    }

    fn keeps(&self, tool: &str, _seen: &Preflight) -> bool {
        // The copies of truncated tables are never removed.
        tool == "postgres_drop"
    }
}

fn number(key: &str, value: &toml::Value, within: RangeInclusive<u64>) -> Result<u64, String> {
    let number = value.as_integer().ok_or_else(|| format!("`{key}` is no whole number"))?;
    let found = u64::try_from(number).ok().filter(|number| within.contains(number));
    found.ok_or_else(|| format!("`{key}` is between {} and {}", within.start(), within.end()))
}

/// Functions that an operator has read and takes for harmless, each with the digest of the definition that was read.
fn vouched(value: &toml::Value) -> Result<Arc<[connect::Vouched]>, String> {
    let form = "`vouched_functions` is a list of texts like \"public.touch() sha256:…\"; a question about a statement that \
                was not tried names the function together with its digest";
    let texts = value.as_array().ok_or(form)?;
    texts.iter().map(|text| text.as_str().and_then(connect::Vouched::parse).ok_or_else(|| form.to_owned())).collect()
}
