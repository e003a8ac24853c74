//! The root folder as an open handle, and places below it. Whatever is reached is reached from that handle, one name at a
//! time and without following links, so nothing outside the root can be.

pub(super) mod glob;
pub(super) mod platform;
pub(super) mod rel;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cap_fs_ext::DirExt as _;
use cap_std::fs::{Dir, MetadataExt as _};

use crate::contract::{
    About, Environment, Evidence, HeldSecrets, Lease, Limits, Reserved, Target, TargetPath, Timestamp, ToolError,
};
use crate::text::shown_os;
use glob::Glob;
use rel::Rel;

/// A target's own settings.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The root: nothing outside it is reached.
    pub root: PathBuf,
    /// What others rely on for recovery.
    pub backups: Vec<Glob>,
}

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A fifo, socket or device.
    Special,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Special => "special",
        }
    }
}

/// What the file system says about a name, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: Kind,
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) links: u64,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) bytes: u64,
    pub(crate) modified: (i64, i64),
    /// Another file system, or another part of one, begins here.
    pub(crate) mount: bool,
}

impl Stat {
    pub(crate) fn uid(&self) -> String {
        format!("{}:{}", self.dev, self.ino)
    }

    pub(crate) fn is_same_thing(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    pub(crate) fn modified_at(&self) -> Option<Timestamp> {
        moment_of(self.modified)
    }

    pub(crate) fn of(metadata: &cap_std::fs::Metadata) -> Self {
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Symlink,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Special,
        };
        Self {
            kind,
            dev: metadata.dev(),
            ino: metadata.ino(),
            links: metadata.nlink(),
            mode: metadata.mode() & 0o7777,
            owner: (metadata.uid(), metadata.gid()),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            mount: false,
        }
    }
}

/// A file system's seconds and nanoseconds as a moment; `None` where no calendar reaches that far.
pub(crate) fn moment_of((seconds, nanos): (i64, i64)) -> Option<Timestamp> {
    Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()
}

/// Looks at one name in a folder whose device id is `folder`.
pub(crate) fn stat_at(dir: &Dir, folder: u64, name: &OsStr) -> io::Result<Stat> {
    let mut stat = Stat::of(&dir.symlink_metadata(name)?);
    // An overlay gives files the device ids of its layers, so a file's id counts only where the system says nothing.
    let crosses = platform::crosses(folder, stat.dev);
    let rooted = platform::is_mount_root(dir, name);
    stat.mount = rooted == Some(true) || (crosses && (rooted.is_none() || stat.kind == Kind::Directory));
    Ok(stat)
}

/// A name in an open folder, whether or not anything is there.
pub(crate) struct Place {
    pub(crate) dir: Dir,
    pub(crate) folder: Stat,
    pub(crate) name: OsString,
    pub(crate) rel: Rel,
}

impl Place {
    /// What is there; `None` for nothing.
    pub(crate) fn stat(&self) -> Result<Option<Stat>, ToolError> {
        match stat_at(&self.dir, self.folder.dev, &self.name) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&self.rel.shown(), &error)),
        }
    }
}

/// What a call needs of its lease, owned so that it can leave the runtime's threads.
#[derive(Clone)]
pub(crate) struct Site {
    folder: Folder,
    name: String,
    environment: Environment,
    limits: Limits,
    held: Option<Arc<dyn HeldSecrets>>,
    reserved: Vec<Reserved>,
}

impl Site {
    pub(crate) fn of(lease: &Lease) -> Result<Self, ToolError> {
        let target = lease.target();
        Ok(Self {
            folder: lease.settings::<Folder>()?.clone(),
            name: target.name.clone(),
            environment: target.environment.clone(),
            limits: *lease.limits(),
            held: lease.held().cloned(),
            reserved: lease.reserved().to_vec(),
        })
    }

    pub(crate) fn open(self, hung_up: Arc<AtomicBool>) -> Result<Root, ToolError> {
        let unavailable = |error: io::Error| {
            let shown = shown_os(self.folder.root.as_os_str());
            ToolError::unavailable(format!("the root {shown} of `{}` cannot be opened: {error}", self.name))
        };
        let real = self.folder.root.canonicalize().map_err(unavailable)?;
        let dir = Dir::open_ambient_dir(&real, cap_std::ambient_authority()).map_err(unavailable)?;
        let stat = Stat::of(&dir.dir_metadata().map_err(unavailable)?);
        let until = Instant::now() + self.limits.deadline;
        Ok(Root { dir, real, stat, until, hung_up, site: self })
    }
}

/// The open root of one target, for one look or one execution.
pub(crate) struct Root {
    pub(crate) dir: Dir,
    pub(crate) real: PathBuf,
    pub(crate) stat: Stat,
    /// Looking stops here.
    until: Instant,
    /// Nobody waits for the look any more.
    hung_up: Arc<AtomicBool>,
    site: Site,
}

impl Root {
    pub(crate) const fn limits(&self) -> &Limits {
        &self.site.limits
    }

    /// What other targets' calls alone may change.
    pub(crate) fn reserved(&self) -> &[Reserved] {
        &self.site.reserved
    }

    /// What finds the secrets the gateway holds.
    pub(crate) fn held(&self) -> Option<&dyn HeldSecrets> {
        self.site.held.as_deref()
    }

    /// Whether looking is to stop: it took too long, or nobody waits for it.
    pub(crate) fn stops(&self) -> bool {
        self.hung_up.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    pub(crate) fn backups(&self) -> &[Glob] {
        &self.site.folder.backups
    }

    /// The pattern that makes this path a backup.
    pub(crate) fn backup_pattern(&self, path: &str) -> Option<&Glob> {
        self.backups().iter().find(|glob| glob.covers(path))
    }

    /// Whether something unseen in the folder `from` may be a backup there, and none any more in the folder `to`.
    pub(crate) fn may_lose_backups(&self, from: &str, to: &str) -> bool {
        self.backup_pattern(to).is_none() && self.backups().iter().any(|glob| glob.loses(from, to))
    }

    pub(crate) fn target(&self, kind: &str, rel: &Rel, uid: Option<String>) -> Target {
        let path = rel.names().iter().fold(TargetPath::of(&self.site.name), |path, name| path.below(name));
        Target { kind: kind.to_owned(), path, uid, environment: self.site.environment.clone() }
    }

    /// Where all of this is: in every preflight.
    pub(crate) fn whereabouts(&self) -> Evidence {
        Evidence::seen(About::Boundary, format!("below {}", shown_os(self.real.as_os_str())), "realpath")
    }

    /// The place a path names. Every folder on the way has to be there.
    pub(crate) fn place(&self, rel: &Rel) -> Result<Place, ToolError> {
        let (place, missing) = self.nearest(rel)?;
        match missing.is_empty() {
            true => Ok(place),
            false => Err(ToolError::not_found(format!("there is no folder {}", place.rel.shown()))),
        }
    }

    /// The place a path names; where folders on the way are missing, the place of the first of those, and the names below.
    ///
    /// A link or a mount on the way is refused: what lies behind is to be named by its own path, or as its own target.
    pub(crate) fn nearest(&self, rel: &Rel) -> Result<(Place, Vec<String>), ToolError> {
        let (mut dir, mut folder) = (self.dir.try_clone().map_err(|e| io_error("the root", &e))?, self.stat);
        let last = rel.names().len().saturating_sub(1);
        for (depth, name) in rel.names().iter().enumerate() {
            let at = rel.first(depth + 1);
            let place = Place { dir, folder, name: name.into(), rel: at };
            if depth == last {
                return Ok((place, Vec::new()));
            }
            match place.stat()? {
                None => return Ok((place, rel.names()[depth + 1..].to_vec())),
                Some(stat) => {
                    self.passable(&place.rel, stat, rel)?;
                    (dir, folder) = enter(&place, stat)?;
                }
            }
        }
        Err(ToolError::refused("the root itself is not for calls to change"))
    }

    fn passable(&self, at: &Rel, stat: Stat, whole: &Rel) -> Result<(), ToolError> {
        let shown = at.shown();
        match stat.kind {
            Kind::Symlink => {
                let error = ToolError::refused(format!("{shown} is a symbolic link, and a change follows none"));
                Err(match self.canonical(whole) {
                    Some(real) => error.with_next(format!("name the path it leads to: {}", real.shown())),
                    None => error.with_next("it leads out of the root, or nowhere"),
                })
            }
            Kind::Directory if stat.mount => Err(beyond_mount(&shown)),
            Kind::Directory => Ok(()),
            Kind::File | Kind::Special => Err(ToolError::refused(format!("{shown} is no folder"))),
        }
    }

    /// The path with all links resolved; `None` where it leads out of the root, into the trash, or nowhere.
    fn canonical(&self, rel: &Rel) -> Option<Rel> {
        let real = self.dir.canonicalize(Path::new(&rel.to_string())).ok()?;
        Rel::parse(real.to_str()?).ok()
    }

    /// For reading: the path with links on the way and at its end followed, as far as they stay inside the root.
    pub(crate) fn follow(&self, rel: &Rel) -> Result<Rel, ToolError> {
        if rel.names().is_empty() {
            return Ok(rel.clone());
        }
        match self.dir.canonicalize(Path::new(&rel.to_string())) {
            Ok(real) => real
                .to_str()
                .and_then(|text| Rel::parse(text).ok())
                .ok_or_else(|| ToolError::refused(format!("{} leads to what is not for calls to reach", rel.shown()))),
            Err(error) => Err(io_error(&rel.shown(), &error)),
        }
    }

    /// Opens a folder for reading, mounts included: `rel` comes from [`Self::follow`].
    pub(crate) fn open_folder(&self, rel: &Rel) -> Result<(Dir, Stat), ToolError> {
        let (mut dir, mut folder) = (self.dir.try_clone().map_err(|e| io_error("the root", &e))?, self.stat);
        for (depth, name) in rel.names().iter().enumerate() {
            let place = Place { dir, folder, name: name.into(), rel: rel.first(depth + 1) };
            match place.stat()? {
                None => return Err(ToolError::not_found(format!("there is no {}", place.rel.shown()))),
                Some(stat) if stat.kind == Kind::Directory => (dir, folder) = enter(&place, stat)?,
                Some(_) => return Err(ToolError::refused(format!("{} is no folder", place.rel.shown()))),
            }
        }
        Ok((dir, folder))
    }

    /// The place of a path to read, mounts included: `rel` comes from [`Self::follow`] and is not the root.
    pub(crate) fn place_to_read(&self, rel: &Rel) -> Result<Place, ToolError> {
        let Some(name) = rel.names().last() else {
            return Err(ToolError::refused("the root is a folder; list it instead"));
        };
        let (dir, folder) = self.open_folder(&rel.parent())?;
        Ok(Place { dir, folder, name: name.into(), rel: rel.clone() })
    }
}

/// Why a change does not reach beyond a mount.
pub(crate) fn beyond_mount(shown: &str) -> ToolError {
    ToolError::refused(format!("another file system is mounted at {shown}: what lies beyond belongs elsewhere"))
        .with_next("ask the operator to configure it as a target of its own, or to unmount it first")
}

/// Opens the folder at a place, and makes sure that it is the one that was looked at.
pub(crate) fn enter(place: &Place, seen: Stat) -> Result<(Dir, Stat), ToolError> {
    let shown = place.rel.shown();
    let dir = place.dir.open_dir_nofollow(&place.name).map_err(|error| io_error(&shown, &error))?;
    let stat = Stat::of(&dir.dir_metadata().map_err(|error| io_error(&shown, &error))?);
    match stat.is_same_thing(&seen) {
        true => Ok((dir, Stat { mount: seen.mount, ..stat })),
        false => Err(ToolError::changed(format!("{shown} was replaced while it was looked at"))),
    }
}

/// Waits until what was done to the names in these folders would outlast a power cut.
///
/// # Errors
/// `Uncertain`: it is done, and may not last.
pub(crate) fn sync_names<'a>(done: &str, folders: impl IntoIterator<Item = &'a Dir>) -> Result<(), ToolError> {
    folders.into_iter().try_for_each(platform::sync).map_err(|error| {
        ToolError::uncertain(format!("{done}, but may not be any more after a power cut: the disk says {error}"))
    })
}

/// What the file system said, before anything was changed.
pub(crate) fn io_error(shown: &str, error: &io::Error) -> ToolError {
    match error.kind() {
        io::ErrorKind::NotFound => ToolError::not_found(format!("there is no {shown}")),
        io::ErrorKind::TimedOut | io::ErrorKind::ResourceBusy => ToolError::unavailable(format!("{shown}: {error}")),
        _ => ToolError::failed(format!("{shown}: {error}")),
    }
}
