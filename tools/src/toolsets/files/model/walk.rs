//! Looking at one thing as a whole: what it is, what lies in it, and a digest of its state. Bounded in count, depth and
//! time; what is beyond the bounds is said to be.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};
use sha2::{Digest as _, Sha256};

use super::tally::{Found, Tally};
use crate::contract::{Digest, ToolError};
use crate::text::shown_os;
use crate::toolsets::files::connect::platform;
use crate::toolsets::files::connect::rel::{DEEPEST, Rel, is_trash};
use crate::toolsets::files::connect::{Kind, Place, Root, Stat, io_error, stat_at};

/// Looks at the thing at a place; `None` where nothing is there.
pub(crate) fn survey(root: &Root, place: &Place) -> Result<Option<Found>, ToolError> {
    survey_as(root, place, &place.rel.to_string())
}

/// The same for a thing that is to move: tells which backups would not be any under the path `to`.
pub(crate) fn survey_to(root: &Root, place: &Place, to: &Rel) -> Result<Option<Found>, ToolError> {
    let from = place.rel.to_string();
    look(Walk { leads: Some((from.len(), to.to_string())), ..Walk::new(root) }, place, &from)
}

/// The same for a thing that lies elsewhere than where it belongs: `belongs` decides what counts as a backup.
pub(crate) fn survey_as(root: &Root, place: &Place, belongs: &str) -> Result<Option<Found>, ToolError> {
    look(Walk::new(root), place, belongs)
}

fn look(mut walk: Walk<'_>, place: &Place, belongs: &str) -> Result<Option<Found>, ToolError> {
    let (root, Some(stat)) = (walk.root, place.stat()?) else { return Ok(None) };
    let print = match stat.kind {
        Kind::Directory => {
            walk.record(b"", stat);
            walk.folder(&place.dir, &place.name, stat, &mut Vec::new(), &mut belongs.as_bytes().to_vec(), 0)?;
            let unseen = |(_, to): &(usize, String)| root.may_lose_backups(belongs, to);
            walk.tally.may_lose = walk.tally.truncated && walk.leads.as_ref().is_some_and(unseen);
            Digest::from_bytes(walk.hasher.finalize_reset().into())
        }
        _ => {
            walk.count(place.name.as_bytes(), belongs.as_bytes(), stat);
            walk.tally.linked = stat.links.saturating_sub(1);
            let content = content_of(root, place, stat, root.limits().undo_bytes)?;
            let link = link_text(&place.dir, &place.name, stat).map(hex::encode);
            Digest::of(&(stat.kind, state(stat), content, link, stat.mount))
        }
    };
    Ok(Some(Found { stat, tally: walk.tally, print }))
}

/// What stays the same while a thing is moved about: strings, since ids and times may not fit a double.
fn state(stat: Stat) -> [String; 5] {
    let (seconds, nanos) = stat.modified;
    [
        stat.uid(),
        stat.bytes.to_string(),
        format!("{seconds}.{nanos:09}"),
        stat.mode.to_string(),
        format!("{:?}", stat.owner),
    ]
}

fn link_text(dir: &Dir, name: &OsStr, stat: Stat) -> Option<Vec<u8>> {
    let text = (stat.kind == Kind::Symlink).then(|| dir.read_link_contents(name))?.ok()?;
    Some(text.into_os_string().as_bytes().to_vec())
}

struct Walk<'a> {
    root: &'a Root,
    hasher: Sha256,
    tally: Tally,
    left: u64,
    /// For what is to move: the length of its path, and its new path.
    leads: Option<(usize, String)>,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Root) -> Self {
        Self { root, hasher: Sha256::new(), tally: Tally::default(), left: root.limits().count, leads: None }
    }

    /// Walks a folder. `path` is what the digest goes by, `belongs` what patterns and people go by.
    fn folder(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        stat: Stat,
        path: &mut Vec<u8>,
        belongs: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), ToolError> {
        self.tally.folders += 1;
        if stat.mount {
            self.tally.mounts.add(belongs);
            return Ok(());
        }
        if depth >= DEEPEST {
            self.tally.truncated = true;
            return Ok(());
        }
        let opened = dir.open_dir_nofollow(name).and_then(|dir| names_in(&dir, self.left).map(|names| (dir, names)));
        let Ok((dir, (names, more))) = opened else {
            // Whatever lies in there has not been looked at, so it counts as beyond the bounds.
            self.tally.unread.add(belongs);
            self.tally.truncated = true;
            return Ok(());
        };
        self.tally.truncated |= more;
        // All at once: the names of folders that lie in each other are in memory together.
        self.left = self.left.saturating_sub(names.len() as u64);
        for name in names {
            let before = (path.len(), belongs.len());
            for path in [&mut *path, &mut *belongs] {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name.as_bytes());
            }
            self.entry(&dir, stat.dev, &name, path, belongs, depth)?;
            path.truncate(before.0);
            belongs.truncate(before.1);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        dir: &Dir,
        folder: u64,
        name: &OsStr,
        path: &mut Vec<u8>,
        belongs: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), ToolError> {
        if self.root.stops() {
            return Err(
                ToolError::unavailable("looking took longer than a call may take").with_next("name a part of it")
            );
        }
        let stat = match stat_at(dir, folder, name) {
            Ok(stat) => stat,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error(&shown_os(OsStr::from_bytes(belongs)), &error)),
        };
        // The root's own trash belongs to the machinery; another root's trash further down is somebody's way back.
        if is_trash(name) && dir_is_root(dir, self.root) {
            return Ok(());
        }
        self.record(path, stat);
        if stat.kind == Kind::Directory {
            return self.folder(dir, name, stat, path, belongs, depth + 1);
        }
        if let Some(text) = link_text(dir, name, stat) {
            self.hasher.update((text.len() as u64).to_be_bytes());
            self.hasher.update(text);
        }
        self.count(path, belongs, stat);
        self.tally.linked += u64::from(stat.kind == Kind::File && stat.links > 1);
        Ok(())
    }

    fn record(&mut self, path: &[u8], stat: Stat) {
        self.hasher.update((path.len() as u64).to_be_bytes());
        self.hasher.update(path);
        // A folder's own size and times move with its entries, and those are all recorded.
        let size_and_time = if stat.kind == Kind::Directory { (0, (0, 0)) } else { (stat.bytes, stat.modified) };
        self.hasher.update(stat.kind.as_str());
        for number in [stat.dev, stat.ino, u64::from(stat.mode), size_and_time.0, u64::from(stat.mount)] {
            self.hasher.update(number.to_be_bytes());
        }
        self.hasher.update(size_and_time.1.0.to_be_bytes());
        self.hasher.update(size_and_time.1.1.to_be_bytes());
    }

    /// Whether what lies at `below` in the thing is no backup where that comes to.
    fn is_lost(&self, below: &[u8], to: &str) -> bool {
        self.root.backup_pattern(&format!("{to}{}", String::from_utf8_lossy(below))).is_none()
    }

    fn count(&mut self, path: &[u8], belongs: &[u8], stat: Stat) {
        self.tally.files += 1;
        self.tally.bytes = self.tally.bytes.saturating_add(if stat.kind == Kind::File { stat.bytes } else { 0 });
        if stat.mount {
            self.tally.mounts.add(belongs);
        }
        if path.split(|b| *b == b'/').any(|name| is_trash(OsStr::from_bytes(name))) {
            self.tally.trashed += 1;
        }
        if let Some(glob) = self.root.backup_pattern(&String::from_utf8_lossy(belongs)) {
            self.tally.backups.add(belongs);
            if self.leads.as_ref().is_some_and(|(from, to)| self.is_lost(&belongs[*from..], to)) {
                self.tally.losing.add(belongs);
            }
            if !self.tally.patterns.iter().any(|pattern| pattern == glob.as_str()) {
                self.tally.patterns.push(glob.as_str().to_owned());
            }
        }
        if self.tally.newest.as_ref().is_none_or(|(at, _)| *at < stat.modified) {
            self.tally.newest = Some((stat.modified, shown_os(OsStr::from_bytes(belongs))));
        }
    }
}

fn dir_is_root(dir: &Dir, root: &Root) -> bool {
    dir.dir_metadata().is_ok_and(|metadata| Stat::of(&metadata).is_same_thing(&root.stat))
}

/// The names in a folder in order, and whether there are more than asked for.
pub(crate) fn names_in(dir: &Dir, most: u64) -> io::Result<(Vec<OsString>, bool)> {
    let mut names = Vec::new();
    for entry in dir.entries()? {
        if names.len() as u64 >= most {
            names.sort_unstable();
            return Ok((names, true));
        }
        names.push(entry?.file_name());
    }
    names.sort_unstable();
    Ok((names, false))
}

/// What lies in the root as a whole, the trash aside.
pub(crate) fn survey_root(root: &Root) -> Result<Tally, ToolError> {
    let mut walk = Walk::new(root);
    let stat = Stat { mount: false, ..root.stat };
    walk.folder(&root.dir, OsStr::new("."), stat, &mut Vec::new(), &mut Vec::new(), 0)?;
    walk.tally.folders -= 1;
    Ok(walk.tally)
}

/// The digest of a file's content, `None` for what is no file, cannot be read, or is larger than `most`.
fn content_of(root: &Root, place: &Place, stat: Stat, most: u64) -> Result<Option<Digest>, ToolError> {
    if stat.kind != Kind::File || stat.bytes > most {
        return Ok(None);
    }
    let mut file = match open_file(place, stat) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(io_error(&place.rel.shown(), &error)),
    };
    let digest = digest_of(root, &mut file, most).map_err(|error| io_error(&place.rel.shown(), &error))?;
    Ok(digest)
}

/// Opens the file that was looked at, and nothing else that came to stand there; never waits.
pub(crate) fn open_file(place: &Place, seen: Stat) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).custom_flags(platform::nonblocking());
    let file = place.dir.open_with(&place.name, &options)?;
    let stat = Stat::of(&file.metadata()?);
    match stat.kind == Kind::File && stat.is_same_thing(&seen) {
        true => Ok(file),
        false => Err(io::Error::other("was replaced while it was looked at")),
    }
}

/// The digest of what is left of a file; `None` where that is more than `most`, as for one that grew since.
pub(crate) fn digest_of(root: &Root, file: &mut File, most: u64) -> io::Result<Option<Digest>> {
    // No larger than the file, which is small as a rule: clearing it costs more than reading that.
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let (mut hasher, mut buffer, mut total) = (Sha256::new(), vec![0; size.clamp(1, 64 << 10)], 0_u64);
    loop {
        if root.stops() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "reading took longer than a call may take"));
        }
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Some(Digest::from_bytes(hasher.finalize().into())));
        }
        total += read as u64;
        if total > most {
            return Ok(None);
        }
        hasher.update(&buffer[..read]);
    }
}
