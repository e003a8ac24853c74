//! Which streams have a living process: each holds an operating-system lock on a file of its own, so that a killed
//! process is known dead at once and a slow one is never taken for dead. A second file next to it is locked while the process
//! holds an end that it could not write down.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::state::directory;

const LIVING: &str = ".lock";
const UNWRITTEN: &str = ".unwritten";

fn folder(directory: &Path) -> PathBuf {
    directory.join("streams")
}

fn path_of(directory: &Path, stream: Uuid, suffix: &str) -> PathBuf {
    folder(directory).join(format!("{stream}{suffix}"))
}

/// The lock of a living stream. Let go when dropped, or by the system when the process dies.
pub(super) struct Lease {
    _file: File,
    paths: [PathBuf; 2],
}

impl Lease {
    /// Takes the lock of a new stream; with it the file, not locked yet, by which others know of ends that are not written:
    /// made now, since there may be no room for it later.
    pub(super) fn take(directory: &Path, stream: Uuid) -> Result<(Self, File), String> {
        directory::prepare(&folder(directory))?;
        let [path, unwritten] = [LIVING, UNWRITTEN].map(|suffix| path_of(directory, stream, suffix));
        // Locked under another name first: under its own it is never there unlocked while its process lives.
        let draft = folder(directory).join(format!(".{stream}"));
        let failed = |error: &dyn std::fmt::Display| format!("the lock `{}` cannot be taken: {error}", path.display());
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(|error| failed(&error))?;
        file.try_lock().map_err(|error| failed(&error))?;
        fs::rename(&draft, &path).map_err(|error| failed(&error))?;
        let told = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&unwritten);
        let told = told.map_err(|error| failed(&error))?;
        Ok((Self { _file: file, paths: [path, unwritten] }, told))
    }

    /// Lets go and leaves nothing behind: a stream without a lock file has no living process. In this order: until that
    /// can be seen, an end that is not written can be.
    pub(super) fn give_back(self) {
        for path in self.paths {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "a lock file is left behind");
            }
        }
    }
}

/// Whether the process of a stream is gone. When in doubt it lives: its calls are not settled behind its back.
pub(super) fn is_dead(directory: &Path, stream: Uuid) -> bool {
    match OpenOptions::new().write(true).open(path_of(directory, stream, LIVING)) {
        // Shared: two that look at the same time must not take each other for it.
        Ok(file) => file.try_lock_shared().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Whether the living process of a stream holds an end that it could not write down.
pub(super) fn has_unwritten(directory: &Path, stream: Uuid) -> bool {
    match OpenOptions::new().write(true).open(path_of(directory, stream, UNWRITTEN)) {
        Ok(file) => file.try_lock_shared().is_err(),
        // One of a process that left, or of a version that has no such file.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Removes the lock files of dead streams, but for those that still have calls to settle.
pub(super) fn sweep(directory: &Path, unsettled: &HashSet<Uuid>) {
    let Ok(entries) = fs::read_dir(folder(directory)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let stem = |suffix: &str| name.to_str().and_then(|name| name.strip_suffix(suffix)?.parse().ok());
        // The second one goes with the first; it is only there alone where a process died as it left.
        let alone = || stem(UNWRITTEN).filter(|stream| !path_of(directory, *stream, LIVING).exists());
        let Some(stream) = stem(LIVING).or_else(alone).filter(|stream| !unsettled.contains(stream)) else { continue };
        let Ok(file) = OpenOptions::new().write(true).open(entry.path()) else { continue };
        // Removed while locked; a file that cannot be removed is tried again next time.
        match file.try_lock() {
            Ok(()) => {
                for suffix in [LIVING, UNWRITTEN] {
                    drop(fs::remove_file(path_of(directory, stream, suffix)));
                }
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}
