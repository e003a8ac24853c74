//! What `targets check` says about a folder: what it is, and what a careful operator should know.

pub(super) mod exposed;
pub(super) mod kept;

use std::ffi::OsStr;
use std::path::Path;

use super::connect::rel::TRASH;
use super::connect::{Kind, Root, stat_at};
use super::model::trash;
use super::model::walk::{names_in, survey_root};
use crate::contract::{TargetReport, ToolError};
use crate::text::{count, shown_os, size};

/// Looks at the root as a whole.
pub(crate) fn report(root: &Root) -> Result<TargetReport, ToolError> {
    let tally = survey_root(root)?;
    let real = shown_os(root.real.as_os_str());
    let mut warnings = place_warnings(root);
    if let Some(mounts) = tally.mounts() {
        warnings
            .push(format!("other file systems are mounted inside, at {mounts}: calls that change refuse to go there"));
    }
    if tally.truncated {
        warnings.push("counting stopped at a bound: there may be more mounts and backups inside than were seen".into());
    }
    if root.backups().is_empty() {
        let named = backup_folders(root);
        if !named.is_empty() {
            let named = named.join(", ");
            warnings
                .push(format!("no `backups` are declared, but there is {named}: purging it would not be held for one"));
        }
    }
    match trash::open(root) {
        Ok(Some((dir, _))) => warnings.extend(trash_warning(root, &dir)?),
        Ok(None) => {}
        Err(error) => warnings.push(error.to_string()),
    }
    let least = if tally.truncated { "at least " } else { "" };
    let (files, folders) = (count(tally.files, "file"), count(tally.folders, "folder"));
    Ok(TargetReport {
        identity: identity(root),
        summary: format!("{real}: {least}{files}, {folders}, {}, on device {}", size(tally.bytes), root.stat.dev),
        warnings,
    })
}

/// The folder's real path, and the folder that lies there.
pub(crate) fn identity(root: &Root) -> String {
    format!("files:{}#{}", root.real.to_string_lossy(), root.stat.uid())
}

fn place_warnings(root: &Root) -> Vec<String> {
    let mut warnings = Vec::new();
    if root.real == Path::new("/") {
        warnings.push("the root is `/`: everything on this machine is within reach".into());
    }
    if std::env::home_dir().and_then(|home| home.canonicalize().ok()).is_some_and(|home| root.real == home) {
        warnings.push("the root is a home folder: keys, tokens and settings are within reach".into());
    }
    if root.stat.mode & 0o002 != 0 {
        warnings.push("everybody on this machine may write to the root".into());
    }
    warnings
}

fn backup_folders(root: &Root) -> Vec<String> {
    let Ok((names, _)) = names_in(&root.dir, root.limits().count) else { return Vec::new() };
    let telling = |name: &OsStr| name.to_string_lossy().to_lowercase().starts_with("backup");
    let is_folder =
        |name: &OsStr| stat_at(&root.dir, root.stat.dev, name).is_ok_and(|stat| stat.kind == Kind::Directory);
    names.iter().filter(|name| telling(name) && is_folder(name)).take(3).map(|name| shown_os(name)).collect()
}

fn trash_warning(root: &Root, dir: &cap_std::fs::Dir) -> Result<Option<String>, ToolError> {
    let entries = trash::entries(dir, root.limits().count)?;
    if entries == 0 {
        return Ok(None);
    }
    let tally = trash::survey_all(root)?;
    let least = if tally.truncated { "at least " } else { "" };
    Ok(Some(format!("`{TRASH}` keeps {} of {least}{}", count(entries, "entry"), size(tally.bytes))))
}
