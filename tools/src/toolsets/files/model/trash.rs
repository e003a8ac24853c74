//! The trash: a folder inside the root, so that one rename takes a thing there and one brings it back with everything it
//! has. Each entry is a folder `<uuid>` with the thing as `item` and where it came from as `about.json`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::time::Duration;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::tally::{Found, Tally};
use super::walk::{names_in, open_file, survey, survey_as};
use crate::contract::{Digest, TakesBack, Timestamp, ToolError, Undo, now};
use crate::failpoint;
use crate::text::shown;
use crate::toolsets::files::connect::platform;
use crate::toolsets::files::connect::rel::{DEEPEST, Rel, TRASH};
use crate::toolsets::files::connect::{Kind, Place, Root, Stat, io_error, stat_at, sync_names};

const ITEM: &str = "item";
const SPARE: &str = "spare";
const ABOUT: &str = "about.json";
/// More than an [`Origin`] takes: anything longer was not written here.
const ABOUT_BYTES: u64 = 64 << 10;
/// How many names of one folder are in memory while it is removed.
const BATCH: u64 = 256;
/// In the trash beside its entries: whoever holds it changes the root.
const LOCK: &str = "lock";
const LOCK_PAUSE: Duration = Duration::from_millis(3);

/// What an entry says about itself, for people who look into the trash by hand.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Where it was, relative to the root.
    pub(crate) path: String,
    /// When it was taken from there.
    pub(crate) at: Timestamp,
}

/// An id of a trash entry, as it is written.
pub(crate) fn parse_id(text: &str) -> Result<String, ToolError> {
    match Uuid::try_parse(text) {
        Ok(id) if id.to_string() == text => Ok(text.to_owned()),
        _ => Err(ToolError::refused(format!("{} is no id of a trash entry", shown(text)))),
    }
}

/// An id nobody has used or can guess.
pub(crate) fn fresh_id() -> String {
    Uuid::now_v7().to_string()
}

/// The open trash; `None` where there is none yet.
pub(crate) fn open(root: &Root) -> Result<Option<(Dir, Stat)>, ToolError> {
    let name = OsStr::new(TRASH);
    let stat = match stat_at(&root.dir, root.stat.dev, name) {
        Ok(stat) => stat,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("the trash", &error)),
    };
    if stat.kind != Kind::Directory || stat.mount {
        return Err(ToolError::refused(format!("`{TRASH}` in the root is no plain folder of the same file system"))
            .with_next("ask the operator to move it out of the way: nothing can be taken back without a trash"));
    }
    let dir = root.dir.open_dir_nofollow(name).map_err(|error| io_error("the trash", &error))?;
    Ok(Some((dir, stat)))
}

fn open_or_make(root: &Root) -> Result<(Dir, Stat), ToolError> {
    if let Some(open) = open(root)? {
        return Ok(open);
    }
    // Only for whoever runs the gateway: what is deleted must not become readable by more people than before.
    match rustix::fs::mkdirat(&root.dir, TRASH, Mode::RWXU) {
        Ok(()) => platform::sync(&root.dir).map_err(|error| io_error("the root", &error))?,
        Err(Errno::EXIST) => {}
        Err(error) => return Err(io_error("the trash", &error.into())),
    }
    open(root)?.ok_or_else(|| ToolError::changed("the trash vanished while it was made"))
}

/// Lets one call at a time change the root, in this process and in others, until the file is closed. Two changes of one
/// place could otherwise each take the other's half for what they had looked at.
///
/// # Errors
/// `Untouched` when the others take longer than a call may take, or the file system knows no locks.
pub(crate) fn lock(root: &Root) -> Result<File, ToolError> {
    let (trash, _) = open_or_make(root)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).follow(FollowSymlinks::No).mode(0o600).custom_flags(platform::nonblocking());
    let file = trash.open_with(LOCK, &options).map_err(|error| io_error("the lock in the trash", &error))?;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) if !root.stops() => std::thread::sleep(LOCK_PAUSE),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {
                return Err(ToolError::unavailable("another change of this target is still under way"));
            }
            Err(error) => return Err(ToolError::unavailable(format!("the trash cannot be locked: {error}"))),
        }
    }
}

/// Whether an entry keeps the thing of that id.
pub(crate) fn keeps(root: &Root, uid: &str) -> Result<bool, ToolError> {
    let Some((trash, _)) = open(root)? else { return Ok(false) };
    let (names, _) = names_in(&trash, root.limits().count).map_err(|error| io_error("the trash", &error))?;
    let item = |name: &OsString| {
        let dir = trash.open_dir_nofollow(name).ok()?;
        dir.symlink_metadata(ITEM).ok().map(|metadata| Stat::of(&metadata).uid())
    };
    Ok(names.iter().any(|name| item(name).is_some_and(|found| found == uid)))
}

/// How many entries an open trash has; counting stops at `most`.
pub(crate) fn entries(trash: &Dir, most: u64) -> Result<u64, ToolError> {
    let (names, _) = names_in(trash, most).map_err(|error| io_error("the trash", &error))?;
    Ok(names.iter().filter(|name| *name != LOCK).count() as u64)
}

/// One entry of the trash.
pub(crate) struct Entry {
    pub(crate) id: String,
    trash: Dir,
    pub(crate) place: Place,
}

impl Entry {
    /// The entry of that id; `None` where there is none.
    pub(crate) fn open(root: &Root, id: &str) -> Result<Option<Self>, ToolError> {
        let Some((trash, _)) = open(root)? else { return Ok(None) };
        let dir = match trash.open_dir_nofollow(id) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("the trash entry", &error)),
        };
        Self::with(id, trash, dir).map(Some)
    }

    /// Makes an entry for what is to come from `from`.
    pub(crate) fn make(root: &Root, id: &str, from: &Rel) -> Result<Self, ToolError> {
        let (trash, _) = open_or_make(root)?;
        let failed = |error: io::Error| io_error("the trash", &error);
        rustix::fs::mkdirat(&trash, id, Mode::RWXU).map_err(|error| failed(error.into()))?;
        let dir = trash.open_dir_nofollow(id).map_err(failed)?;
        let origin = Origin { path: from.to_string(), at: now() };
        let about = serde_json::to_vec(&origin).map_err(|error| failed(error.into()))?;
        let entry = Self::with(id, trash, dir)?;
        let made = entry.place.dir.write(ABOUT, about);
        // What is about to come here must not be lost with the entry.
        if let Err(error) = made.and_then(|()| platform::sync(&entry.trash)) {
            entry.discard();
            return Err(failed(error));
        }
        Ok(entry)
    }

    fn with(id: &str, trash: Dir, dir: Dir) -> Result<Self, ToolError> {
        let stat = Stat::of(&dir.dir_metadata().map_err(|error| io_error("the trash entry", &error))?);
        let rel = Rel::default();
        let place = Place { dir, folder: stat, name: OsString::from(ITEM), rel };
        Ok(Self { id: id.to_owned(), trash, place })
    }

    /// Where it came from, as far as the entry still says.
    pub(crate) fn origin(&self) -> Option<Origin> {
        let dir = self.place.dir.try_clone().ok()?;
        let place = Place { dir, folder: self.place.folder, name: ABOUT.into(), rel: Rel::default() };
        let stat = place.stat().ok()?.filter(|stat| stat.kind == Kind::File)?;
        let mut text = Vec::new();
        open_file(&place, stat).ok()?.take(ABOUT_BYTES).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Looks at the item; `belongs` is the path it has when it is back.
    pub(crate) fn survey(&self, root: &Root, belongs: &Rel) -> Result<Option<Found>, ToolError> {
        survey_as(root, &self.place, &belongs.to_string())
    }

    /// Removes the entry once its item is gone, and waits until both would outlast a power cut.
    pub(crate) fn discard_for_good(&self) -> io::Result<()> {
        platform::sync(&self.place.dir)?;
        self.discard();
        platform::sync(&self.trash)
    }

    /// Removes the entry once its item is gone. What cannot be removed is an empty folder, and harms nobody.
    pub(crate) fn discard(&self) {
        let _ = self.place.dir.remove_file(ABOUT);
        let _ = self.trash.remove_dir(&self.id);
    }

    /// Gives the entry another id, so that no undo can bring back what is about to go.
    pub(crate) fn renamed(self, root: &Root) -> Result<Self, ToolError> {
        let id = fresh_id();
        platform::rename(&self.trash, OsStr::new(&self.id), &self.trash, OsStr::new(&id))
            .map_err(|error| io_error("the trash entry", &error))?;
        Self::open(root, &id)?.ok_or_else(|| ToolError::changed("the trash entry vanished"))
    }

    /// Takes the new id back.
    pub(crate) fn named_again(&self, id: &str) -> io::Result<()> {
        platform::rename(&self.trash, OsStr::new(&self.id), &self.trash, OsStr::new(id))
    }
}

/// What the whole trash holds.
pub(crate) fn survey_all(root: &Root) -> Result<Tally, ToolError> {
    let place = Place { dir: clone(&root.dir)?, folder: root.stat, name: TRASH.into(), rel: Rel::default() };
    Ok(survey(root, &place)?.map(|found| found.tally).unwrap_or_default())
}

fn clone(dir: &Dir) -> Result<Dir, ToolError> {
    dir.try_clone().map_err(|error| io_error("the root", &error))
}

/// What is believed to be in a place and in a trash entry: the digests, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) here: Option<Digest>,
    pub(crate) kept: Option<Digest>,
}

impl Held {
    /// The same after a swap.
    pub(crate) const fn swapped(self) -> Self {
        Self { here: self.kept, kept: self.here }
    }
}

/// Lets a place and a trash entry change what they hold, in one rename: what is here goes to the trash, what was kept
/// comes back. What moved is then compared with what was looked at, and goes back if it is something else.
pub(crate) fn swap(root: &Root, place: &Place, id: &str, held: Held) -> Result<(), ToolError> {
    let opened = Entry::open(root, id)?;
    let entry = match (held.here, held.kept, opened) {
        (_, _, Some(entry)) => entry,
        (Some(_), None, None) => Entry::make(root, id, &place.rel)?,
        (_, _, None) => return Err(ToolError::not_found(format!("there is no trash entry `{id}` any more"))),
    };
    let result = swap_with(root, place, &entry, held);
    let empty = matches!(entry.place.stat(), Ok(None));
    if empty {
        entry.discard();
    }
    result
}

fn swap_with(root: &Root, place: &Place, entry: &Entry, held: Held) -> Result<(), ToolError> {
    let shown = place.rel.shown();
    let stuck = |why: &str| {
        let id = &entry.id;
        ToolError::uncertain(format!("{shown} changed while it was moved, and {why}; see the trash entry `{id}`"))
    };
    let holds_what_it_held =
        || entry.survey(root, &place.rel).is_ok_and(|kept| kept.map(|found| found.print) == held.kept);
    failpoint::pass("files_rename").and_then(|()| step(place, entry, held)).map_err(|error| match error.kind() {
        // A way around a missing kind of rename takes several steps, and may have ended between them.
        _ if !holds_what_it_held() => stuck(&format!("stopped half way: {error}")),
        io::ErrorKind::CrossesDevices => {
            ToolError::refused(format!("{shown} lies on another file system than the trash"))
                .with_next("ask the operator to configure that file system as a target of its own")
        }
        io::ErrorKind::AlreadyExists => ToolError::changed(format!("something came to be at {shown} meanwhile")),
        io::ErrorKind::NotFound => ToolError::changed(format!("{shown} is gone")),
        _ => io_error(&shown, &error),
    })?;
    failpoint::reach("files_renamed");
    let moved = prints(root, place, entry);
    if moved.as_ref().is_ok_and(|moved| *moved == held.swapped()) {
        let (here, kept) = (&place.dir, &entry.place.dir);
        // The new name first, so that nothing is ever without one.
        return match held.kept {
            None => sync_names(&format!("{shown} is in the trash as `{}`", entry.id), [kept, here]),
            Some(_) => sync_names(&format!("{shown} is in its place"), [here, kept]),
        };
    }
    step(place, entry, held.swapped()).map_err(|error| stuck(&format!("could not be moved back: {error}")))?;
    // Had somebody put yet another thing there meanwhile, that would be in the trash now, for nobody to clean up.
    if !holds_what_it_held() {
        return Err(stuck("changed again while it was moved back"));
    }
    Err(moved.err().unwrap_or_else(|| ToolError::changed(format!("{shown} is not what was looked at any more"))))
}

fn step(place: &Place, entry: &Entry, held: Held) -> io::Result<()> {
    let (here, kept) = ((&place.dir, place.name.as_os_str()), (&entry.place.dir, OsStr::new(ITEM)));
    match (held.here, held.kept) {
        (Some(_), None) => platform::rename(here.0, here.1, kept.0, kept.1),
        (None, Some(_)) => platform::rename(kept.0, kept.1, here.0, here.1),
        (Some(_), Some(_)) => platform::exchange(here.0, here.1, kept.0, kept.1, OsStr::new(SPARE)),
        (None, None) => Err(io::ErrorKind::NotFound.into()),
    }
}

fn prints(root: &Root, place: &Place, entry: &Entry) -> Result<Held, ToolError> {
    let here = survey(root, place)?.map(|found| found.print);
    let kept = entry.survey(root, &place.rel)?.map(|found| found.print);
    Ok(Held { here, kept })
}

/// Removes what lies at a place for good, links not followed and mounts not entered. Returns how many things went.
///
/// # Errors
/// How many went before, and what stopped it.
pub(crate) fn remove(place: &Place) -> Result<u64, (u64, io::Error)> {
    let mut gone = 0;
    match remove_at(&place.dir, place.folder.dev, &place.name, 0, &mut gone) {
        Ok(()) => Ok(gone),
        Err(error) => Err((gone, error)),
    }
}

fn remove_at(dir: &Dir, folder: u64, name: &OsStr, depth: usize, gone: &mut u64) -> io::Result<()> {
    let stat = stat_at(dir, folder, name)?;
    if stat.mount {
        return Err(io::Error::other("another file system is mounted inside"));
    }
    if stat.kind == Kind::Directory {
        // Nothing so deep was looked at: it has come since. One open handle and one stack frame a level.
        if depth >= DEEPEST {
            return Err(io::Error::other("folders lie deeper in each other than can be looked at"));
        }
        let inner = dir.open_dir_nofollow(name)?;
        if !Stat::of(&inner.dir_metadata()?).is_same_thing(&stat) {
            return Err(io::Error::other("a folder was replaced meanwhile"));
        }
        loop {
            let (names, more) = names_in(&inner, BATCH)?;
            for name in names {
                remove_at(&inner, stat.dev, &name, depth + 1, gone)?;
            }
            if !more {
                break;
            }
        }
        dir.remove_dir(name)?;
    } else {
        rustix::fs::unlinkat(dir, name, rustix::fs::AtFlags::empty())?;
    }
    *gone += 1;
    Ok(())
}

/// A place and a trash entry that are to change what they hold: what takes a swap back is the same swap again.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swap {
    /// The place, relative to the target's root.
    pub(crate) path: String,
    /// The trash entry that holds what was there before, or will hold what is there now.
    pub(crate) trash_entry: String,
}

impl TakesBack for Swap {
    const TOOL: &'static str = "files_restore";
}

/// What takes back a swap just made, which left what `left` says.
pub(crate) fn undo(place: &Place, id: &str, left: Held) -> Result<Undo, ToolError> {
    Undo::with(&Swap { path: place.rel.to_string(), trash_entry: id.to_owned() }, fingerprint(place, left))
}

pub(crate) fn fingerprint(place: &Place, held: Held) -> Digest {
    Digest::of(&json!({ "folder": place.folder.uid(), "here": held.here, "kept": held.kept }))
}
