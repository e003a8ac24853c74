//! Links in what is trusted: what they lead to is gone by as if it lay there.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::walk::Walked;
use super::within::{Owned, Within};
use crate::config::Names;

/// Links are looked for so deep in a folder: modules of a user's own are found in `.local/lib/pythonX.Y/site-packages`.
const DEEPEST: usize = 4;

/// And among so many names, those that lie less deep first.
const MOST: usize = 10_000;

/// Folders of the system: nothing but its own programs puts links there.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix", "/gnu", "/System"];

/// The links in a trusted folder, each trusted as the folder is. A file that is opened there is one of its names, and so are
/// the entries of a home directory that programs look into.
pub(super) fn links_in(owned: &Owned) -> Vec<Owned> {
    let within = match owned.within {
        Within::Everything | Within::Names(Names::Settings) => Within::Everything,
        Within::Modules => Within::Modules,
        Within::Nothing | Within::Names(_) => return Vec::new(),
    };
    let Ok(folder) = owned.path.canonicalize() else { return Vec::new() };
    if SYSTEM.iter().any(|system| folder.starts_with(system)) {
        return Vec::new();
    }
    let link = |path: PathBuf| {
        // Where it leads upwards, what lies there is not the folder's.
        let leads_up = folder.starts_with(Walked::of(&path).real);
        Owned { what: owned.what, path, within: if leads_up { Within::Nothing } else { within } }
    };
    found(&folder, owned.within).into_iter().map(link).collect()
}

fn found(folder: &Path, within: Within) -> Vec<PathBuf> {
    let (mut links, mut seen) = (Vec::new(), 0);
    let mut ahead = VecDeque::from([(folder.to_path_buf(), 1)]);
    while let Some((at, deep)) = ahead.pop_front() {
        let Ok(entries) = std::fs::read_dir(&at) else { continue };
        for entry in entries.filter_map(Result::ok) {
            seen += 1;
            if seen > MOST {
                return links;
            }
            let is_passed_over = match within {
                Within::Names(names) => deep == 1 && !names.has(&entry.file_name()),
                _ => false,
            };
            match entry.file_type() {
                _ if is_passed_over => {}
                Ok(kind) if kind.is_symlink() => links.push(entry.path()),
                Ok(kind) if kind.is_dir() && deep < DEEPEST => ahead.push_back((entry.path(), deep + 1)),
                _ => {}
            }
        }
    }
    links
}
