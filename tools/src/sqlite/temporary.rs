//! How much SQLite has put into temporary files, so that no read fills the disk: it sorts, groups and keeps rows of its own
//! in files that it deletes as soon as it has opened them, so only the process that has them open can tell.

use std::time::{Duration, Instant};

use crate::contract::ToolError;
use crate::text::count;

/// What those of all reads may take together.
const MOST: u64 = 512 << 20;

/// How often they are looked at; a read that ends sooner is not looked at at all.
const GLANCE: Duration = Duration::from_millis(50);

/// Watches them while one read runs.
pub(super) struct Temporary {
    most: u64,
    looked: Instant,
    pause: Duration,
}

impl Temporary {
    pub(super) fn new() -> Self {
        Self { most: most(), looked: Instant::now(), pause: GLANCE }
    }

    /// Whether they take too much by now.
    pub(super) fn too_much(&mut self) -> bool {
        let now = Instant::now();
        if now.saturating_duration_since(self.looked) < self.pause {
            return false;
        }
        self.looked = now;
        bytes() > self.most
    }
}

fn most() -> u64 {
    #[cfg(test)]
    if let Some(most) = tests::most() {
        return most;
    }
    MOST
}

/// What is said of a read that was stopped for them.
pub(super) fn refusal(name: &str) -> ToolError {
    let reason = format!(
        "stopped on `{name}`: sorting and grouping took more than {} of temporary files",
        count(MOST >> 20, "MiB").trim_end_matches('s')
    );
    ToolError::refused(reason)
        .with_next("narrow it down: a condition, fewer or shorter columns, an order that an index has")
}

/// The size of all of SQLite's temporary files of this process: what is open and has no name. Linux makes them without one,
/// and shows `#` with their number for it; on a file system that cannot, SQLite calls them `etilqs_` and something.
#[cfg(target_os = "linux")]
fn bytes() -> u64 {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return 0 };
    let nameless = open.flatten().map(|entry| entry.path()).filter(|path| {
        let Ok(name) = std::fs::read_link(path) else { return false };
        let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.strip_suffix(" (deleted)").is_some_and(|name| name.starts_with('#') || name.starts_with("etilqs_"))
    });
    nameless.filter_map(|path| path.metadata().ok()).map(|facts| facts.len()).sum()
}

/// Elsewhere the deadline alone bounds them.
#[cfg(not(target_os = "linux"))]
fn bytes() -> u64 {
    0
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rusqlite::{Connection, ErrorCode};

    use super::*;

    static OTHER: AtomicU64 = AtomicU64::new(u64::MAX);

    pub(super) fn most() -> Option<u64> {
        Some(OTHER.load(Ordering::Relaxed)).filter(|most| *most != u64::MAX)
    }

    /// Another bound for this process.
    pub(in crate::sqlite) fn set_most(most: Option<u64>) {
        OTHER.store(most.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Every way a read has SQLite keep rows of its own.
    pub(in crate::sqlite) const KEEPING: [&str; 6] = [
        "SELECT v FROM big ORDER BY substr(v, 5)",
        "SELECT v, count(*) FROM big GROUP BY substr(v, 5)",
        "SELECT DISTINCT v || 'x' FROM big",
        "WITH c AS MATERIALIZED (SELECT v || 'y' AS w FROM big) SELECT a.w FROM c AS a, c AS b WHERE a.w < b.w",
        "SELECT v FROM big UNION SELECT v || 'z' FROM big",
        "SELECT sum(length(v)) OVER (ORDER BY substr(v, 5)) FROM big",
    ];

    pub(in crate::sqlite) const BIG: &str = "CREATE TABLE big(id INTEGER PRIMARY KEY, v);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
        INSERT INTO big SELECT i, hex(randomblob(1000)) FROM n;";

    #[cfg(target_os = "linux")]
    #[test]
    fn whatever_keeps_rows_of_its_own_is_stopped_at_the_bound() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(BIG).unwrap();
        for text in KEEPING {
            let mut watch = Temporary { most: 1 << 20, looked: Instant::now(), pause: Duration::ZERO };
            conn.progress_handler(50, Some(move || watch.too_much())).unwrap();
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
