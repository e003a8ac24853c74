//! What only some systems have: mount points by attribute, renames that replace nothing, and exchanging two names in one
//! step. Every name given here is one component below an open folder, so nothing here follows a link.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// Opening must not wait for the other end of a fifo.
pub(crate) fn nonblocking() -> i32 {
    OFlags::NONBLOCK.bits().cast_signed()
}

/// Whether something is mounted at this name; `None` where the system does not say.
#[cfg(target_os = "linux")]
pub(crate) fn is_mount_root(dir: &Dir, name: &OsStr) -> Option<bool> {
    use rustix::fs::{StatxAttributes, StatxFlags, statx};
    // Bind mounts of one file system have one device id, so comparing ids is not enough (statx(2), since Linux 5.8).
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = statx(dir, name, flags, StatxFlags::TYPE).ok()?;
    stat.stx_attributes_mask
        .contains(StatxAttributes::MOUNT_ROOT)
        .then(|| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Whether something is mounted at this name; `None` where the system does not say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_mount_root(_dir: &Dir, _name: &OsStr) -> Option<bool> {
    None
}

/// Where something is mounted below a folder, as the system's own list has it (proc_pid_mountinfo(5)).
#[cfg(target_os = "linux")]
pub(crate) fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let list = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let points = list.split(|b| *b == b'\n').filter_map(|line| line.split(|b| *b == b' ').nth(4));
    points.map(unescaped).filter(|point| point != folder && point.starts_with(folder)).collect()
}

/// Where something is mounted below a folder, as the system's own list has it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn mounts_below(_folder: &Path) -> Vec<PathBuf> {
    Vec::new()
}

/// The list writes blanks and backslashes as three octal digits.
#[cfg(target_os = "linux")]
fn unescaped(text: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// Whether a device id differs from its folder's: another file system begins here.
pub(crate) const fn crosses(folder: u64, item: u64) -> bool {
    folder != item
}

/// Renames, and fails with `AlreadyExists` rather than replace anything.
pub(crate) fn rename(from: &Dir, old: &OsStr, to: &Dir, new: &OsStr) -> io::Result<()> {
    match flagged(from, old, to, new, Flag::NoReplace) {
        Err(error) if lacks_flag(error) => rename_checked(from, old, to, new),
        result => result.map_err(io::Error::from),
    }
}

/// Waits until the names in a folder would outlast a power cut (fsync(2): a file's own does not do that for its name).
pub(crate) fn sync(dir: &Dir) -> io::Result<()> {
    // A handle may be good for finding names only, so the folder is opened once more.
    match rustix::fs::openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(folder) => rustix::fs::fsync(folder).or_else(|error| {
            // Some file systems know this for files only; they keep what they can.
            if lacks_flag(error) { Ok(()) } else { Err(error.into()) }
        }),
        // Names may be put into a folder that may not be read.
        Err(Errno::ACCESS) => {
            rustix::fs::sync();
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Exchanges what two names stand for, in one step.
///
/// On a file system without that, the names are exchanged through a hard link, so that `name` always stands for the one
/// or the other; what a third party puts there in between would be lost.
pub(crate) fn exchange(dir: &Dir, name: &OsStr, aside: &Dir, other: &OsStr, spare: &OsStr) -> io::Result<()> {
    match flagged(dir, name, aside, other, Flag::Exchange) {
        Err(error) if lacks_flag(error) => {
            rustix::fs::linkat(dir, name, aside, spare, AtFlags::empty())?;
            if let Err(error) = rustix::fs::renameat(aside, other, dir, name) {
                rustix::fs::unlinkat(aside, spare, AtFlags::empty())?;
                return Err(error.into());
            }
            Ok(rustix::fs::renameat(aside, spare, aside, other)?)
        }
        result => result.map_err(io::Error::from),
    }
}

/// Renames after looking that nothing is there: for files by a hard link, which replaces nothing; for folders by a rename,
/// which at worst replaces an empty folder made in between.
fn rename_checked(from: &Dir, old: &OsStr, to: &Dir, new: &OsStr) -> io::Result<()> {
    if from.symlink_metadata(old)?.is_dir() {
        return match to.symlink_metadata(new) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(rustix::fs::renameat(from, old, to, new)?),
            Err(error) => Err(error),
        };
    }
    rustix::fs::linkat(from, old, to, new, AtFlags::empty())?;
    match rustix::fs::unlinkat(from, old, AtFlags::empty()) {
        // Somebody else took the old name away meanwhile: the new one may be the only one left.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => {
            // Still there under its old name, so the new one goes again.
            rustix::fs::unlinkat(to, new, AtFlags::empty())?;
            Err(error.into())
        }
    }
}

#[derive(Clone, Copy)]
enum Flag {
    NoReplace,
    Exchange,
}

fn lacks_flag(error: Errno) -> bool {
    // The last two are one number on Linux and two on macOS, so they cannot be one pattern.
    [Errno::NOSYS, Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP].contains(&error)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn flagged(from: &Dir, old: &OsStr, to: &Dir, new: &OsStr, flag: Flag) -> Result<(), Errno> {
    use rustix::fs::{RenameFlags, renameat_with};
    let flags = match flag {
        Flag::NoReplace => RenameFlags::NOREPLACE,
        Flag::Exchange => RenameFlags::EXCHANGE,
    };
    renameat_with(from, old, to, new, flags)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn flagged(_from: &Dir, _old: &OsStr, _to: &Dir, _new: &OsStr, _flag: Flag) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_device_id_is_a_boundary() {
        assert!(crosses(1, 2) && !crosses(7, 7));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_list_of_mounts_is_read() {
        assert_eq!(unescaped(br"/a\040b\134c\"), Path::new(r"/a b\c\"));
        assert!(mounts_below(Path::new("/")).contains(&PathBuf::from("/proc")));
        assert!(mounts_below(Path::new("/proc/self/none")).is_empty());
    }

    #[test]
    fn folders_are_synced_by_any_handle_and_failures_told() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        dir.create_dir("d").unwrap();
        let inner = dir.open_dir("d").unwrap();
        for dir in [&dir, &dir.try_clone().unwrap(), &inner] {
            sync(dir).unwrap();
        }
        dir.remove_dir("d").unwrap();
        dir.write("file", "x").unwrap();
        let file = Dir::from_std_file(dir.open("file").unwrap().into_std());
        assert!(sync(&file).is_err());
    }

    #[test]
    fn without_flags_nothing_is_replaced_either() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        for (name, text) in [("a", "1"), ("b", "2")] {
            dir.write(name, text).unwrap();
        }
        dir.create_dir("d").unwrap();
        let name = OsStr::new;
        for (old, new) in [("a", "b"), ("d", "a"), ("a", "d")] {
            let error = rename_checked(&dir, name(old), &dir, name(new)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        rename_checked(&dir, name("a"), &dir, name("c")).unwrap();
        rename_checked(&dir, name("d"), &dir, name("e")).unwrap();
        assert_eq!(dir.read("c").unwrap(), b"1");
        assert!(!dir.exists("a") && !dir.exists("d") && dir.is_dir("e"));
        exchange(&dir, name("b"), &dir, name("c"), name("spare")).unwrap();
        assert_eq!((dir.read("b").unwrap(), dir.read("c").unwrap()), (b"1".to_vec(), b"2".to_vec()));
    }
}
