//! How much SQLite has put into temporary files, so that no read fills the disk: it sorts, groups and keeps rows of its own
//! in files that it deletes as soon as it has opened them, so only the process that has them open can tell.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::room::{FILES, Size};
use crate::contract::ToolError;
use crate::text::count;

/// How often they are looked at; a read that ends sooner is not looked at at all.
const GLANCE: Duration = Duration::from_millis(50);

/// The same where sorts of long rows are watched.
const GLANCE_OFTEN: Duration = Duration::from_millis(1);

/// Watches them while one statement runs.
pub(crate) struct Temporary {
    most: u64,
    /// What may be written since it began where it sorts.
    sorted: u64,
    /// What was open before it began.
    others: BTreeSet<Id>,
    looked: Instant,
    pause: Duration,
}

/// Device and inode of a file.
type Id = (u64, u64);

impl Temporary {
    /// Those of a statement that begins now.
    pub(crate) fn of(size: Size) -> Self {
        let watched = size.is_watched();
        let others = if watched { open().into_iter().map(|(id, _)| id).collect() } else { BTreeSet::new() };
        let pause = if watched { GLANCE_OFTEN } else { GLANCE };
        Self { most: most(), sorted: size.sorted(), others, looked: Instant::now(), pause }
    }

    /// Whether they take too much by now, for a statement that may sort.
    pub(crate) fn too_much(&mut self, sorts: bool) -> bool {
        let now = Instant::now();
        if now.saturating_duration_since(self.looked) < self.pause {
            return false;
        }
        self.looked = now;
        let open = open();
        let all: u64 = open.iter().map(|(_, bytes)| bytes).sum();
        // Others that began later count too: that is rather too much than too little.
        let own: u64 = open.iter().filter(|(id, _)| !self.others.contains(id)).map(|(_, bytes)| bytes).sum();
        all > self.most || (sorts && own > self.sorted)
    }
}

fn most() -> u64 {
    #[cfg(test)]
    if let Some(most) = tests::most() {
        return most;
    }
    FILES
}

/// What is said of a statement of that size that was stopped for them.
pub(crate) fn refusal(name: &str, size: Size) -> ToolError {
    let most = count(size.sorted() >> 20, "MiB");
    let most = most.trim_end_matches('s');
    let what = if size.is_watched() { "sorting such long rows" } else { "sorting and grouping" };
    let reason = format!("stopped on `{name}`: {what} took more than {most} of temporary files");
    ToolError::refused(reason)
        .with_next("narrow it down: a condition, fewer or shorter columns, an order that an index has")
}

/// SQLite's temporary files of this process and their sizes: what is open and has no name. Linux makes them without one,
/// and shows `#` with their number for it; on a file system that cannot, SQLite calls them `etilqs_` and something.
#[cfg(target_os = "linux")]
fn open() -> Vec<(Id, u64)> {
    use std::os::unix::fs::MetadataExt as _;

    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let nameless = open.flatten().map(|entry| entry.path()).filter(|path| {
        let Ok(name) = std::fs::read_link(path) else { return false };
        let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.strip_suffix(" (deleted)").is_some_and(|name| name.starts_with('#') || name.starts_with("etilqs_"))
    });
    nameless.filter_map(|path| path.metadata().ok()).map(|facts| ((facts.dev(), facts.ino()), facts.len())).collect()
}

/// Elsewhere the deadline alone bounds them.
#[cfg(not(target_os = "linux"))]
fn open() -> Vec<(Id, u64)> {
    Vec::new()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rusqlite::{Connection, ErrorCode};

    use super::*;

    static OTHER: AtomicU64 = AtomicU64::new(u64::MAX);

    pub(crate) fn most() -> Option<u64> {
        Some(OTHER.load(Ordering::Relaxed)).filter(|most| *most != u64::MAX)
    }

    /// Another bound for this process.
    pub(crate) fn set_most(most: Option<u64>) {
        OTHER.store(most.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Every way a read has SQLite keep rows of its own.
    pub(crate) const KEEPING: [&str; 6] = [
        "SELECT v FROM big ORDER BY substr(v, 5)",
        "SELECT v, count(*) FROM big GROUP BY substr(v, 5)",
        "SELECT DISTINCT v || 'x' FROM big",
        "WITH c AS MATERIALIZED (SELECT v || 'y' AS w FROM big) SELECT a.w FROM c AS a, c AS b WHERE a.w < b.w",
        "SELECT v FROM big UNION SELECT v || 'z' FROM big",
        "SELECT sum(length(v)) OVER (ORDER BY substr(v, 5)) FROM big",
    ];

    pub(crate) const BIG: &str = "CREATE TABLE big(id INTEGER PRIMARY KEY, v);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
        INSERT INTO big SELECT i, hex(randomblob(1000)) FROM n;";

    #[cfg(target_os = "linux")]
    #[test]
    fn whatever_keeps_rows_of_its_own_is_stopped_at_the_bound() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(BIG).unwrap();
        for text in KEEPING {
            let mut watch = Temporary { most: 1 << 20, pause: Duration::ZERO, ..Temporary::of(Size::Small) };
            conn.progress_handler(50, Some(move || watch.too_much(true))).unwrap();
            let mut statement = conn.prepare(text).unwrap();
            let mut rows = statement.query([]).unwrap();
            let stopped = loop {
                match rows.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break false,
                    Err(error) => break error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted),
                }
            };
            assert!(stopped, "{text}");
        }
    }
}
