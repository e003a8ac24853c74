//! Where the configuration and the state are looked for.

use std::path::{Path, PathBuf};

use super::ConfigError;

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

/// The user's state directory for Mollyguard (XDG Base Directory Specification 0.8).
#[must_use]
pub fn user_state_dir() -> Option<PathBuf> {
    base_directory("XDG_STATE_HOME", ".local/state").map(|dir| dir.join("mollyguard"))
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
