//! Where the binary under test is.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Result, root};

/// The `mollyguard` binary of the profile these tests were built with.
///
/// `tests/run` and `cargo test --workspace` have built it. Where only this package was built, it is built now, once.
///
/// # Errors
/// It is not there and cannot be built.
pub fn mollyguard() -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| find().map_err(|error| error.to_string())).clone().map_err(Into::into)
}

fn find() -> Result<PathBuf> {
    let profile = profile_dir()?;
    let binary = profile.join("mollyguard");
    if !is_older_than_sources(&binary) {
        return Ok(binary);
    }
    let target = profile.parent().ok_or("the profile's directory has no parent")?;
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "-p", "mollyguard", "--bin", "mollyguard", "--target-dir"]).arg(target);
    if profile.file_name().is_some_and(|name| name != "debug") {
        build.arg("--profile").arg(profile.file_name().unwrap_or_default());
    }
    let status = build.current_dir(root()).status()?;
    if status.success() && binary.is_file() {
        return Ok(binary);
    }
    Err(format!("`{}` is not there and `cargo build -p mollyguard` did not make it ({status})", binary.display())
        .into())
}

/// Missing counts as older. `cargo test -p mollyguard-tests` builds the library it links but not the binary: running
/// yesterday's would be worse than building.
fn is_older_than_sources(binary: &Path) -> bool {
    let library = binary.with_file_name("libmollyguard.rlib");
    let modified = |path: &Path| path.metadata().and_then(|meta| meta.modified());
    match (modified(binary), modified(&library)) {
        (Ok(binary), Ok(library)) => binary < library,
        (Ok(_), Err(_)) => false,
        (Err(_), _) => true,
    }
}

/// `target/debug` for a test that runs as `target/debug/deps/it-…`.
fn profile_dir() -> Result<PathBuf> {
    let test = env::current_exe()?;
    let dir = test.ancestors().skip(1).find(|dir| dir.file_name().is_some_and(|name| name != "deps"));
    Ok(dir.ok_or("this test runs outside a target directory")?.to_owned())
}
