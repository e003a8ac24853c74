//! What lies in the root and is another target's to change: a database, what its engine keeps beside it, and the names on
//! the way there.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::contract::{Reserved, ToolError};
use crate::toolsets::files::connect::{Place, Root};

/// Refuses a change of what a place names where that is another target's, or leads to it.
pub(crate) fn leave(root: &Root, place: &Place) -> Result<(), ToolError> {
    leave_below(root, place, &[])
}

/// The same for what comes to be below a place where nothing is yet: the names from there on.
pub(crate) fn leave_below(root: &Root, place: &Place, below: &[String]) -> Result<(), ToolError> {
    let reserved = root.reserved();
    if reserved.is_empty() {
        return Ok(());
    }
    let whole = below.iter().fold(place.rel.clone(), |rel, name| rel.join(name));
    let at = root.real.join(whole.to_string());
    let is_it = |reserved: &&Reserved| same(&at, &reserved.path) || is_same_name(place, below, &reserved.path);
    match reserved.iter().find(is_it) {
        Some(Reserved { target, .. }) => {
            let reason = format!(
                "{} belongs to the database of target `{target}`, or leads to it: changed as a file, the database could be \
                 damaged or lost",
                whole.shown()
            );
            Err(ToolError::refused(reason).with_next(format!("change what is in it with the tools of `{target}`")))
        }
        None => Ok(()),
    }
}

/// Whether both are one name in one folder, however that folder is reached: it may be mounted twice.
fn is_same_name(place: &Place, below: &[String], path: &Path) -> bool {
    let mut first = path;
    for name in below.iter().rev() {
        if !first.file_name().is_some_and(|last| alike(last, OsStr::new(name))) {
            return false;
        }
        let Some(parent) = first.parent() else { return false };
        first = parent;
    }
    let is_name = first.file_name().is_some_and(|name| alike(name, &place.name));
    let folder = || first.parent().and_then(|folder| folder.metadata().ok());
    is_name && folder().is_some_and(|found| (found.dev(), found.ino()) == (place.folder.dev, place.folder.ino))
}

fn same(one: &Path, other: &Path) -> bool {
    alike(one.as_os_str(), other.as_os_str())
}

/// Some file systems know no case of letters.
fn alike(one: &OsStr, other: &OsStr) -> bool {
    one.eq_ignore_ascii_case(other)
}
