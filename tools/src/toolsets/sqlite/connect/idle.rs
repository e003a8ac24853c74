//! Connections for reading that were just used, kept open for the next read of the same file: opening one and reading its
//! schema costs more than most queries. Few, for a second, and only while nothing of the file has changed hands; none is
//! ever used for writing.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::runtime::Handle;

use super::program::Stored;

/// The most that are kept.
const MOST: usize = 8;

/// How long one is kept. In write-ahead mode even an idle connection keeps others from changing the mode or removing the
/// log, so not for long.
const KEPT: Duration = Duration::from_secs(1);

/// Which files a connection reads: the database as it was last written back to, and the two beside it. A log that somebody
/// removed and made anew is another one, even though the database is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    database: [u64; 5],
    beside: [Option<(u64, u64)>; 2],
}

impl Files {
    /// What stands behind a path now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let facts = path.metadata()?;
        let written = [facts.size(), facts.mtime().cast_unsigned(), facts.mtime_nsec().cast_unsigned()];
        let beside = |suffix: &str| {
            let mut name = OsString::from(path);
            name.push(suffix);
            Path::new(&name).metadata().ok().map(|facts: Metadata| (facts.dev(), facts.ino()))
        };
        Ok(Self {
            database: [facts.dev(), facts.ino(), written[0], written[1], written[2]],
            beside: [beside("-wal"), beside("-shm")],
        })
    }

    /// The device and inode of the database.
    pub(crate) fn uid(&self) -> String {
        format!("{}:{}", self.database[0], self.database[1])
    }
}

/// What each read asks its connection first. It stays so while the connection is open and its files are the same: the
/// encoding and the pages of a database that holds something, and its journal, which none can change for another while it
/// is read through that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// How the database stores what it holds.
    pub(crate) stored: Stored,
    /// Whether nobody can write while it is read: only a write-ahead log keeps readers and writers apart.
    pub(crate) in_the_way: bool,
}

impl Known {
    /// Asks the connection.
    pub(crate) fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let in_the_way = conn.query_row("PRAGMA journal_mode", [], |row| Ok(row.get::<_, String>(0)? != "wal"))?;
        Ok(Self { stored: Stored::of(conn)?, in_the_way })
    }
}

struct Idle {
    path: PathBuf,
    files: Files,
    known: Known,
    conn: Connection,
    since: Instant,
}

struct Kept {
    idle: Vec<Idle>,
    /// Somebody is there to close them when their time is over.
    closing: bool,
}

static KEPT_OPEN: Mutex<Kept> = Mutex::new(Kept { idle: Vec::new(), closing: false });

fn with<T>(work: impl FnOnce(&mut Kept) -> T) -> T {
    work(&mut KEPT_OPEN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A connection to exactly the files that stand there now, if one is kept, and what is known of it.
pub(crate) fn take(path: &Path, uid: &str) -> Option<(Connection, Files, Known)> {
    if !with(|kept| kept.idle.iter().any(|idle| idle.path == path)) {
        return None;
    }
    let now = Files::of(path).ok().filter(|files| files.uid() == uid);
    let (found, stale) = with(|kept| {
        let stale: Vec<_> =
            kept.idle.extract_if(.., |idle| idle.path == path && Some(&idle.files) != now.as_ref()).collect();
        let at = kept.idle.iter().rposition(|idle| idle.path == path);
        (at.map(|at| kept.idle.swap_remove(at)), stale)
    });
    // Closing takes its time, and is not done under the lock.
    drop(stale);
    found.map(|idle| (idle.conn, idle.files, idle.known))
}

/// Keeps a connection that has been read from, unless its files have changed since it was opened.
pub(crate) fn keep(path: &Path, files: Files, known: Known, conn: Connection) {
    if !Files::of(path).is_ok_and(|now| now == files) {
        return;
    }
    let idle = Idle { path: path.to_owned(), files, known, conn, since: Instant::now() };
    let too_many = with(|kept| {
        let too_many = (kept.idle.len() >= MOST).then(|| kept.idle.swap_remove(0));
        kept.idle.push(idle);
        too_many
    });
    drop(too_many);
    close_in_time();
}

/// Closes what is kept of a file: it is going to be written to.
pub(crate) fn close(path: &Path) {
    drop(with(|kept| kept.idle.extract_if(.., |idle| idle.path == path).collect::<Vec<_>>()));
}

/// Has what is kept now closed when its time is over.
fn close_in_time() {
    // What outlives its runtime is closed by the next use.
    let Ok(runtime) = Handle::try_current() else { return };
    if with(|kept| kept.idle.is_empty() || std::mem::replace(&mut kept.closing, true)) {
        return;
    }
    let closer = Closer { works: true };
    runtime.spawn(async move {
        let mut closer = closer;
        while closer.works {
            tokio::time::sleep(KEPT).await;
            let (over, more) = with(|kept| {
                let over: Vec<_> = kept.idle.extract_if(.., |idle| idle.since.elapsed() >= KEPT).collect();
                kept.closing = !kept.idle.is_empty();
                (over, kept.closing)
            });
            closer.works = more;
            let _closed = tokio::task::spawn_blocking(move || drop(over)).await;
        }
    });
}

/// When a runtime ends before its closer does, the next one gets one of its own.
struct Closer {
    works: bool,
}

impl Drop for Closer {
    fn drop(&mut self) {
        if self.works {
            with(|kept| kept.closing = false);
        }
    }
}
