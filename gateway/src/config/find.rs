//! Where the configuration and the state are looked for.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mollyguard_record::state::directory;
use mollyguard_tools::contract::{Digest, Toolset};

use super::paths::home;
use super::trusted::Trusted;
use super::{Config, ConfigError};

/// The configuration file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Where it was looked for first, in vain: a file there would be found instead of it at the next start.
    pub looked_before: Vec<PathBuf>,
}

impl Found {
    /// Reads and checks it. No target may reach a place that is looked into before it.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn load(&self, toolsets: &[Arc<dyn Toolset>]) -> Result<Config, ConfigError> {
        let mut config = Config::load(&self.path, toolsets)?;
        config.trusted.extend(self.looked_before.iter().map(|place| Trusted::looked_before(place)));
        Ok(config)
    }
}

/// The configuration file: the one asked for, else `$MOLLYGUARD_CONFIG`, else `./mollyguard.toml`, else the user's
/// configuration directory.
///
/// # Errors
/// None of them is there.
pub fn find(asked: Option<&Path>) -> Result<Found, ConfigError> {
    let named = asked.map(Path::to_path_buf).or_else(|| std::env::var_os("MOLLYGUARD_CONFIG").map(PathBuf::from));
    let places = match named {
        Some(path) => vec![path],
        None => usual_places(),
    };
    match places.iter().position(|path| path.is_file()) {
        Some(at) => Ok(Found { path: places[at].clone(), looked_before: places[..at].to_vec() }),
        None => Err(ConfigError::Missing(places)),
    }
}

/// Where a configuration is looked for that nobody names, in this order.
fn usual_places() -> Vec<PathBuf> {
    let here = PathBuf::from("mollyguard.toml");
    let users = base_directory("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("mollyguard/mollyguard.toml"));
    std::iter::once(here).chain(users).collect()
}

/// Where a configuration keeps its state that does not say where.
#[derive(Debug)]
pub struct OwnState {
    /// The folder.
    pub path: PathBuf,
    /// The folder that the folders of all configurations lie in.
    pub all: PathBuf,
    /// Whose it is: the configuration file's real path.
    pub owner: String,
    /// State of an earlier version, which all configurations shared, where it is not this one's.
    pub earlier: Option<PathBuf>,
}

/// A folder of the configuration's own below the user's state directory (XDG Base Directory Specification 0.8), so that
/// two projects with targets of the same names do not share a record. What an earlier version kept for all of them goes to
/// whichever configuration is served first.
pub(super) fn own_state(configuration: &Path) -> Option<OwnState> {
    let all = base_directory("XDG_STATE_HOME", ".local/state")?.join("mollyguard");
    let real = configuration.canonicalize().or_else(|_| std::path::absolute(configuration)).ok()?;
    let owner = real.to_string_lossy().into_owned();
    let shared = all.join("mollyguard.db").exists();
    if shared && directory::owner(&all).is_none_or(|claimed| claimed == owner) {
        return Some(OwnState { path: all.clone(), all, owner, earlier: None });
    }
    let folder = real.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let slug: String = folder.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(32).collect();
    let digest = hex::encode(Digest::of_bytes(real.as_os_str().as_bytes()).as_bytes());
    let path = all.join(format!("{slug}-{}", digest.get(..16).unwrap_or_default()));
    Some(OwnState { earlier: (shared && !path.exists()).then(|| all.clone()), path, all, owner })
}

fn base_directory(variable: &str, under_home: &str) -> Option<PathBuf> {
    // The specification: a relative path in the variable is invalid and ignored.
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| home().map(|home| home.join(under_home)))
}
