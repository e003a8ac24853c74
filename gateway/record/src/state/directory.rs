//! The state directory: made for its owner alone, and refused when others could change what is in it.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes the directory (0700) where it does not exist, and refuses one that others can write to.
pub fn prepare(directory: &Path) -> Result<(), String> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| format!("the state directory `{}` cannot be made: {error}", directory.display()))?;
    check(directory)
}

/// Refuses a directory that others can write to.
pub fn check(directory: &Path) -> Result<(), String> {
    let shown = directory.display();
    let metadata =
        fs::metadata(directory).map_err(|error| format!("the state directory `{shown}` cannot be read: {error}"))?;
    if !metadata.is_dir() {
        return Err(format!("the state directory `{shown}` is not a directory"));
    }
    refuse_writable(&metadata, &format!("the state directory `{shown}`"), "700")
}

/// Makes an empty file (0600) where there is none: SQLite would make it with the process's umask, and gives its side
/// files the mode of the main one.
pub fn prepare_file(path: &Path) -> Result<(), String> {
    let shown = path.display();
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::metadata(path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
            refuse_writable(&metadata, &format!("`{shown}`"), "600")
        }
        Err(error) => Err(format!("`{shown}` cannot be made: {error}")),
    }
}

fn refuse_writable(metadata: &Metadata, what: &str, should_be: &str) -> Result<(), String> {
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(format!(
            "{what} can be changed by other users (mode {mode:o}): take that away with `chmod {should_be}`"
        ));
    }
    let owner = metadata.uid();
    let me = rustix::process::geteuid();
    // Root reads anybody's directory: that is `audit verify` run by an operator.
    if !me.is_root() && owner != 0 && owner != me.as_raw() {
        return Err(format!("{what} belongs to another user (uid {owner})"));
    }
    Ok(())
}

/// The file that says whose a state directory is.
const OWNER: &str = "configuration";

/// The configuration that a state directory belongs to, where it belongs to one.
pub fn owner(directory: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(directory.join(OWNER)).ok()?.take(64 << 10).read_to_string(&mut text).ok()?;
    Some(text.trim_end_matches('\n').to_owned())
}

/// Takes a directory for a configuration, and refuses one that is another's.
pub fn claim(directory: &Path, configuration: &str) -> Result<(), String> {
    prepare(directory)?;
    let shown = directory.display();
    if owner(directory).is_none() {
        let failed = |error: io::Error| format!("`{shown}` cannot be taken for `{configuration}`: {error}");
        // Written aside and linked, so that whoever is second finds all of it.
        let aside = directory.join(format!("{OWNER}.{}", std::process::id()));
        fs::write(&aside, format!("{configuration}\n")).map_err(failed)?;
        let linked = fs::hard_link(&aside, directory.join(OWNER));
        fs::remove_file(&aside).map_err(failed)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
    }
    match owner(directory) {
        Some(owner) if owner == configuration => Ok(()),
        owner => Err(format!(
            "`{shown}` belongs to the configuration `{}`, and this is `{configuration}`: set `gateway.state` to a folder of \
             its own",
            owner.unwrap_or_default()
        )),
    }
}

/// Makes renamed and new names in a directory durable.
pub fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}
