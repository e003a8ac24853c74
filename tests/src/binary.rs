//! Where the binary under test is.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Result, root};

/// The `mollyguard` binary: `$MOLLYGUARD_BIN`, which `tests/run` sets, or the one of the profile these tests were built
/// with.
///
/// Cargo builds a package's binary only for that package's own integration tests. So where it is missing, or older than
/// what it is made of, it is built now.
///
/// # Errors
/// It is not there and cannot be built.
pub fn mollyguard() -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| find().map_err(|error| error.to_string())).clone().map_err(Into::into)
}

fn find() -> Result<PathBuf> {
    if let Some(given) = env::var_os("MOLLYGUARD_BIN").map(PathBuf::from) {
        return if given.is_file() {
            Ok(given)
        } else {
            Err(format!("$MOLLYGUARD_BIN: no `{}`", given.display()).into())
        };
    }
    let profile = profile_dir()?;
    let binary = profile.join("mollyguard");
    if is_fresh(&binary)? {
        return Ok(binary);
    }
    let target = profile.parent().ok_or("the profile's directory has no parent")?;
    let name = profile.file_name().and_then(OsStr::to_str).ok_or("the profile has no name")?;
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace: for one package alone cargo would choose other features, and build the dependencies again.
    build.args(["build", "--quiet", "--locked", "--workspace", "--bin", "mollyguard", "--target-dir"]).arg(target);
    build.args(["--profile", if name == "debug" { "dev" } else { name }]);
    let status = build.current_dir(root()).status()?;
    if status.success() && binary.is_file() {
        return Ok(binary);
    }
    Err(format!("`{}` is not there and cargo did not make it ({status})", binary.display()).into())
}

/// Whether the binary is there and no source is newer: yesterday's binary would be worse than none.
fn is_fresh(binary: &Path) -> Result<bool> {
    let Ok(built) = binary.metadata().and_then(|meta| meta.modified()) else { return Ok(false) };
    let mut paths: Vec<_> = ["gateway", "tools", "policies", "Cargo.lock", "Cargo.toml"].map(|p| root().join(p)).into();
    while let Some(path) = paths.pop() {
        let Ok(meta) = path.metadata() else { continue };
        if meta.is_dir() {
            for entry in path.read_dir()? {
                paths.push(entry?.path());
            }
        } else if meta.modified()? > built {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `target/debug` for a test that runs as `target/debug/deps/it-…`.
pub(crate) fn profile_dir() -> Result<PathBuf> {
    let test = env::current_exe()?;
    let dir = test.ancestors().skip(1).find(|dir| dir.file_name().is_some_and(|name| name != "deps"));
    Ok(dir.ok_or("this test runs outside a target directory")?.to_owned())
}
