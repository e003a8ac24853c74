//! Where the configuration and the state are looked for.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use mollyguard_tools::contract::Digest;

use super::ConfigError;
use crate::store::directory;

/// The configuration file: the one asked for, else `$MOLLYGUARD_CONFIG`, else `./mollyguard.toml`, else the user's
/// configuration directory.
///
/// # Errors
/// None of them is there.
pub fn find(asked: Option<&Path>) -> Result<PathBuf, ConfigError> {
    let named = asked.map(Path::to_path_buf).or_else(|| std::env::var_os("MOLLYGUARD_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        return if path.is_file() { Ok(path) } else { Err(ConfigError::Missing(vec![path])) };
    }
    let mut looked = vec![PathBuf::from("mollyguard.toml")];
    looked.extend(base_directory("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("mollyguard/mollyguard.toml")));
    match looked.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(ConfigError::Missing(looked)),
    }
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

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A path of the configuration: `~/` is the home directory, relative ones are taken from the file's folder.
pub(crate) fn resolve(path: &str, base: &Path) -> PathBuf {
    match path.strip_prefix("~/").and_then(|rest| home().map(|home| home.join(rest))) {
        Some(path) => path,
        None => base.join(path),
    }
}
