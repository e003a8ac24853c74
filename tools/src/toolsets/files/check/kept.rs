//! What lies in the trash, since when, and how much it takes up.

use std::ffi::OsStr;

use cap_std::fs::Dir;
use serde_json::json;

use crate::contract::{Kept, Preflight, TakesBack, Timestamp, ToolError, oldest_first};
use crate::text::shown;
use crate::toolsets::files::connect::rel::DEEPEST;
use crate::toolsets::files::connect::{Kind, Root, Stat, io_error, stat_at};
use crate::toolsets::files::model::trash::{self, Entry, Swap, parse_id};
use crate::toolsets::files::model::walk::names_in;

/// Everything in the trash that says where it came from and when, the oldest first.
pub(crate) fn kept(root: &Root, target: &str) -> Result<Vec<Kept>, ToolError> {
    let Some((dir, _)) = trash::open(root)? else { return Ok(Vec::new()) };
    let (names, _) = names_in(&dir, root.limits().count).map_err(|error| io_error("the trash", &error))?;
    let mut all = Vec::new();
    for id in names.iter().filter_map(|name| parse_id(name.to_str()?).ok()) {
        if root.stops() {
            return Err(ToolError::unavailable("looking at the trash took longer than a call may take"));
        }
        // An undo may have taken it away meanwhile.
        let Ok(Some(entry)) = Entry::open(root, &id) else { continue };
        all.extend(of_entry(target, &entry));
    }
    // Only what is told of is gone through: a trash can hold very much.
    let mut all = oldest_first(all);
    let mut left = root.limits().count;
    for kept in &mut all {
        kept.bytes = entry_of(root, kept).and_then(|entry| size_of(root, &entry, &mut left));
    }
    Ok(all)
}

/// Whether the entry holds what it held when it was listed: an undo exchanges that.
pub(crate) fn is_kept(root: &Root, kept: &Kept) -> bool {
    let now = entry_of(root, kept).and_then(|entry| since(&entry, entry.origin()?.at));
    now == Some(kept.since)
}

fn entry_of(root: &Root, kept: &Kept) -> Option<Entry> {
    Entry::open(root, kept.args["trash_entry"].as_str()?).ok().flatten()
}

fn of_entry(target: &str, entry: &Entry) -> Option<Kept> {
    entry.place.stat().ok()??;
    let origin = entry.origin()?;
    let path = shown(&origin.path);
    Some(Kept {
        tool: "files_purge",
        args: json!({ "target": target, "trash_entry": entry.id }),
        since: since(entry, origin.at)?,
        bytes: None,
        what: format!("`{path}`, in the trash as `{}`", entry.id),
    })
}

/// Since when the entry holds what it holds: an undo exchanges that for what it replaces, and the entry still says when it
/// was made. Its folder changes whenever something comes or goes.
fn since(entry: &Entry, made: Timestamp) -> Option<Timestamp> {
    Some(made.max(entry.place.folder.modified_at()?))
}

/// How many bytes it holds: all that could be counted of it, `None` where nothing was.
fn size_of(root: &Root, entry: &Entry, left: &mut u64) -> Option<u64> {
    if *left == 0 {
        return None;
    }
    let place = &entry.place;
    let mut bytes = 0;
    add(root, &place.dir, (place.folder.dev, &place.name), 0, left, &mut bytes);
    Some(bytes)
}

fn add(root: &Root, dir: &Dir, (folder, name): (u64, &OsStr), depth: usize, left: &mut u64, bytes: &mut u64) {
    let (Some(rest), false) = (left.checked_sub(1), root.stops()) else { return };
    *left = rest;
    let Ok(stat) = stat_at(dir, folder, name) else { return };
    match stat.kind {
        Kind::Directory if !stat.mount && depth < DEEPEST => {
            let Some((inner, names)) = inside(dir, name, &stat, *left) else { return };
            for name in names {
                add(root, &inner, (stat.dev, &name), depth + 1, left, bytes);
            }
        }
        Kind::File => *bytes = bytes.saturating_add(stat.bytes),
        Kind::Directory | Kind::Symlink | Kind::Special => {}
    }
}

fn inside(dir: &Dir, name: &OsStr, stat: &Stat, left: u64) -> Option<(Dir, Vec<std::ffi::OsString>)> {
    use cap_fs_ext::DirExt as _;

    let inner = dir.open_dir_nofollow(name).ok()?;
    if !Stat::of(&inner.dir_metadata().ok()?).is_same_thing(stat) {
        return None;
    }
    let (names, _) = names_in(&inner, left).ok()?;
    Some((inner, names))
}

/// The tool that takes a swap back, which swaps again.
const RESTORES: &str = <Swap as TakesBack>::TOOL;

/// Whether the trash keeps what was there: nothing was where a file is made, or brought back to.
pub(crate) fn keeps(tool: &str, seen: &Preflight) -> bool {
    let took_away = seen.targets.first().is_some_and(|target| target.uid.is_some());
    matches!(tool, "files_delete" | "files_write" | RESTORES) && took_away
}
