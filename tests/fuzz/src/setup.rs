//! The real things that the laws are held against: the quickstart's configuration and the tools it brings, and those for
//! PostgreSQL.
#![expect(clippy::expect_used, reason = "without these no law can be tried, so everything must stop")]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use mollyguard::config::Config;
use mollyguard::registry::Registry;
use mollyguard_tools::contract::Toolset;

/// Where the configuration is said to lie. It need not exist: relative paths are taken from there.
pub(crate) const PLACE: &str = "/nowhere/mollyguard.toml";

/// The quickstart's configuration file.
const QUICKSTART: &str = include_str!("../../../examples/quickstart/mollyguard.toml");

/// Nothing connects to it.
const ORDERS: &str = "[targets.orders]\nkind = \"postgres\"\nenvironment = \"staging\"\nsecret = \"env:ORDERS_URL\"\n";

/// Everything that is done natively.
pub(crate) fn toolsets() -> &'static [Arc<dyn Toolset>] {
    static TOOLSETS: OnceLock<Vec<Arc<dyn Toolset>>> = OnceLock::new();
    TOOLSETS.get_or_init(mollyguard_tools::toolsets)
}

/// The tools as the quickstart's targets bring them.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let text = format!("{QUICKSTART}\n{ORDERS}");
        let config = Config::parse(&text, Path::new(PLACE), toolsets()).expect("the quickstart is a configuration");
        let targets = config.targets.values().map(|target| &*target.configured);
        Registry::new(toolsets(), targets).expect("the quickstart's tools can be put together")
    })
}
