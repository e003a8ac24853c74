//! Which streams have a living process: each holds an operating-system lock on a file of its own, so that a killed
//! process is known dead at once and a slow one is never taken for dead.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::store::directory;

const SUFFIX: &str = ".lock";

fn folder(directory: &Path) -> PathBuf {
    directory.join("streams")
}

fn path_of(directory: &Path, stream: Uuid) -> PathBuf {
    folder(directory).join(format!("{stream}{SUFFIX}"))
}

/// The lock of a living stream. Let go when dropped, or by the system when the process dies.
pub(super) struct Lease {
    _file: File,
    path: PathBuf,
}

impl Lease {
    /// Takes the lock of a new stream.
    pub(super) fn take(directory: &Path, stream: Uuid) -> Result<Self, String> {
        directory::prepare(&folder(directory))?;
        let path = path_of(directory, stream);
        // Locked under another name first: under its own it is never there unlocked while its process lives.
        let draft = folder(directory).join(format!(".{stream}"));
        let failed = |error: &dyn std::fmt::Display| format!("the lock `{}` cannot be taken: {error}", path.display());
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(|error| failed(&error))?;
        file.try_lock().map_err(|error| failed(&error))?;
        fs::rename(&draft, &path).map_err(|error| failed(&error))?;
        Ok(Self { _file: file, path })
    }

    /// Lets go and leaves nothing behind: a stream without a lock file has no living process.
    pub(super) fn give_back(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a lock file is left behind");
        }
    }
}

/// Whether the process of a stream is gone. When in doubt it lives: its calls are not settled behind its back.
pub(super) fn is_dead(directory: &Path, stream: Uuid) -> bool {
    match OpenOptions::new().write(true).open(path_of(directory, stream)) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Removes the lock files of dead streams, but for those that still have calls to settle.
pub(super) fn sweep(directory: &Path, unsettled: &HashSet<Uuid>) {
    let Ok(entries) = fs::read_dir(folder(directory)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let stream = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|name| name.parse().ok());
        let Some(stream) = stream.filter(|stream| !unsettled.contains(stream)) else { continue };
        let Ok(file) = OpenOptions::new().write(true).open(path_of(directory, stream)) else { continue };
        // Removed while locked; a file that cannot be removed is tried again next time.
        match file.try_lock() {
            Ok(()) => drop(fs::remove_file(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}
