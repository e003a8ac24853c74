//! The two files that a database in write-ahead mode has beside it, `-wal` and `-shm`. Whoever opens it first makes them, even
//! to read, and whoever makes them owns them: made by another user than the database's owner, they would keep its owner from
//! writing. So such a database is opened only while they are there, or where its owner can write them whoever makes them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::contract::ToolError;

/// The setgid bit of a folder: files made in it get its group.
const SETGID: u32 = 0o2000;

/// The group may write.
const GROUP_WRITES: u32 = 0o020;

/// A file beside the database.
pub(crate) fn named(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Whether files made beside the database by this process are not its owner's to write: SQLite gives them the database's
/// mode, and where root makes them its owner and group too.
pub(crate) fn would_be_strange(path: &Path) -> bool {
    let us = us(path);
    let Ok(database) = path.metadata() else { return false };
    if us == 0 || us == database.uid() {
        return false;
    }
    let shared = |folder: std::fs::Metadata| {
        folder.mode() & SETGID != 0 && folder.gid() == database.gid() && database.mode() & GROUP_WRITES != 0
    };
    !path.parent().and_then(|folder| folder.metadata().ok()).is_some_and(shared)
}

/// Refuses to open a database where that would leave files its owner cannot write.
pub(crate) fn leave_none(name: &str, path: &Path) -> Result<(), ToolError> {
    let missing = ["-wal", "-shm"].iter().any(|suffix| !named(path, suffix).exists());
    if !missing || !would_be_strange(path) || !is_in_write_ahead_mode(path) {
        return Ok(());
    }
    let reason = format!(
        "`{name}` was not opened: it is in write-ahead mode, nobody else has it open, and the `-wal` and `-shm` files made by \
         opening it would belong to the gateway's user, so that its owner could no longer write it"
    );
    Err(ToolError::unavailable(reason)
        .with_next(format!("try again while its application has it open; for good, {SHARED}")))
}

/// What helps then for good.
pub(crate) const SHARED: &str = "run the gateway as the file's owner, or give its folder the file's group and the setgid bit, \
                                 and the group the right to write the file";

/// SQLite itself says so, without making a file: without locks it reads no database in write-ahead mode. Reading the file's
/// first bytes here would let go of this process's locks on it (<https://sqlite.org/howtocorrupt.html>, 2.2).
fn is_in_write_ahead_mode(path: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(conn) = Connection::open_with_flags(uri(path), flags) else { return false };
    let asked = conn.query_row("PRAGMA schema_version", [], |_| Ok(()));
    asked.is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::CannotOpen))
}

fn uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?mode=ro&nolock=1");
    uri
}

/// The user as whom this process makes files.
fn us(path: &Path) -> u32 {
    #[cfg(test)]
    if let Some(other) = tests::other(path) {
        return other;
    }
    let _ = path;
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    static OTHERS: Mutex<Vec<(PathBuf, u32)>> = Mutex::new(Vec::new());

    pub(crate) fn other(path: &Path) -> Option<u32> {
        let others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
        others.iter().rfind(|(of, _)| of == path).map(|(_, user)| *user)
    }

    /// Has this process be another user than the one who owns this database.
    pub(crate) fn be_another(path: &Path) {
        let path = path.canonicalize().unwrap();
        let user = path.metadata().unwrap().uid() + 1_000;
        OTHERS.lock().unwrap_or_else(PoisonError::into_inner).push((path, user));
    }

    #[test]
    fn the_mode_is_told_without_a_file_beside() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, is) in [("WAL", true), ("DELETE", false)] {
            let path = folder.path().join(format!("a ?%#é{mode}.db"));
            let conn = Connection::open(&path).unwrap();
            conn.execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t(a)")).unwrap();
            drop(conn);
            assert_eq!(is_in_write_ahead_mode(&path), is, "{mode}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
