//! Looks for held secrets in what a folder holds, bounded in files, bytes and time.

use std::io::Read as _;

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use crate::contract::{HeldSecrets, Search, ToolError};
use crate::text::shown;
use crate::toolsets::files::connect::rel::{DEEPEST, Rel, is_trash};
use crate::toolsets::files::connect::{Kind, Place, Root, Stat, stat_at};
use crate::toolsets::files::model::walk::{names_in, open_file};

/// How much is read at most.
const MOST_READ: u64 = 256 << 20;
/// How much of one file.
const MOST_OF_A_FILE: u64 = 16 << 20;

/// Looks into every file that a call could read.
pub(crate) fn search(root: &Root, held: &dyn HeldSecrets) -> Result<Search, ToolError> {
    let mut looking = Looking { root, held, search: Search::default(), entries: root.limits().count, bytes: MOST_READ };
    let dir = root.dir.try_clone().map_err(|error| crate::toolsets::files::connect::io_error("the root", &error))?;
    looking.folder(&dir, root.stat, &Rel::default(), 0);
    Ok(looking.search)
}

struct Looking<'a> {
    root: &'a Root,
    held: &'a dyn HeldSecrets,
    search: Search,
    entries: u64,
    bytes: u64,
}

impl Looking<'_> {
    fn folder(&mut self, dir: &Dir, folder: Stat, rel: &Rel, depth: usize) {
        let Ok((names, more)) = names_in(dir, self.entries) else {
            self.search.partial = true;
            return;
        };
        self.search.partial |= more || depth >= DEEPEST;
        if depth >= DEEPEST {
            return;
        }
        for name in names {
            if self.entries == 0 || self.bytes == 0 || self.root.stops() {
                self.search.partial = true;
                return;
            }
            self.entries -= 1;
            // No call can name the trash, nor what is not text.
            let below = name.to_str().filter(|_| !is_trash(&name)).map(|name| rel.join(name));
            let (Some(below), Ok(stat)) = (below, stat_at(dir, folder.dev, &name)) else { continue };
            match stat.kind {
                Kind::Directory => match dir.open_dir_nofollow(&name) {
                    Ok(inner) => self.folder(&inner, stat, &below, depth + 1),
                    Err(_) => self.search.partial = true,
                },
                Kind::File => {
                    if let Ok(dir) = dir.try_clone() {
                        self.file(&Place { dir, folder, name, rel: below }, stat);
                    }
                }
                Kind::Symlink | Kind::Special => {}
            }
        }
    }

    fn file(&mut self, place: &Place, stat: Stat) {
        let most = self.bytes.min(MOST_OF_A_FILE);
        let Ok(file) = open_file(place, stat) else {
            self.search.partial = true;
            return;
        };
        let (mut file, name) = (file.take(most), shown(&place.rel.to_string()));
        let keep = self.held.longest().saturating_sub(1);
        let (mut buffer, mut chunk) = (Vec::new(), vec![0; 256 << 10]);
        while let Ok(read @ 1..) = file.read(&mut chunk) {
            // What is cut in two by the chunks is whole with the end of the one before.
            buffer.drain(..buffer.len().saturating_sub(keep));
            buffer.extend_from_slice(&chunk[..read]);
            self.search.look(self.held, &buffer, &name);
            self.bytes = self.bytes.saturating_sub(read as u64);
            if self.root.stops() {
                self.search.partial = true;
                return;
            }
        }
        self.search.partial |= stat.bytes > most;
    }
}
