//! What lies in the quarantine, since when, and how much of the file it takes up.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::contract::{KEPT_AT_ONCE, Kept, Timestamp, ToolError, oldest_first};
use crate::text::shown;
use crate::toolsets::sqlite::connect::{STEPS, Site};
use crate::toolsets::sqlite::model::schema::{self, TRASH};

/// How many pages are counted, all in all: 4 GiB of the usual size.
const PAGES: u64 = 1 << 20;

/// How long they are counted.
const COUNTING: Duration = Duration::from_secs(1);

/// The tables on the quarantine's list, the oldest first.
pub(crate) fn kept(site: &Site) -> Result<Vec<Kept>, ToolError> {
    let mut conn = site.open_to_read()?;
    // Whoever writes a database with a rollback journal waits for this.
    let until = Instant::now() + COUNTING;
    site.stop_when(&mut conn, STEPS, move || Instant::now() >= until)?;
    let listed = listed(&conn).map_err(|error| site.explain(&error))?;
    let mut left = PAGES;
    let of = |(name, trash, at): (String, String, String)| {
        let since: Timestamp = at.parse().ok()?;
        let what = format!("the table `{}`, in the quarantine as `{}`", shown(&name), shown(&trash));
        let args = json!({ "target": site.name, "table": trash });
        // What is not counted to the end is that large at least.
        let bytes = size(&conn, &trash, &mut left);
        Some(Kept { tool: "sqlite_purge_table", args, since, bytes, what })
    };
    Ok(oldest_first(listed.into_iter().filter_map(of).collect()))
}

fn listed(conn: &Connection) -> rusqlite::Result<Vec<(String, String, String)>> {
    if schema::find(conn, TRASH)?.is_none() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT name, trash, at FROM {TRASH} ORDER BY at, id LIMIT {KEPT_AT_ONCE}");
    let mut statement = conn.prepare(&sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// The pages of the table and of its indexes; `None` where there is nothing left to count with.
fn size(conn: &Connection, table: &str, left: &mut u64) -> Option<u64> {
    let mut names = conn.prepare("SELECT name FROM sqlite_master WHERE tbl_name = ?1 AND rootpage > 0").ok()?;
    let names = names.query_map([table], |row| row.get::<_, String>(0)).ok()?;
    let names = names.collect::<rusqlite::Result<Vec<_>>>().ok()?;
    let mut pages = conn.prepare("SELECT pgsize FROM dbstat WHERE name = ?1 LIMIT ?2").ok()?;
    let mut bytes = 0;
    for name in names {
        if *left == 0 {
            break;
        }
        let mut rows = pages.query((name, left.cast_signed())).ok()?;
        loop {
            match rows.next() {
                Ok(Some(row)) => bytes += row.get::<_, i64>(0).ok()?.cast_unsigned(),
                Ok(None) => break,
                Err(_) => {
                    *left = 0;
                    break;
                }
            }
            *left = left.saturating_sub(1);
        }
    }
    (bytes > 0).then_some(bytes)
}
