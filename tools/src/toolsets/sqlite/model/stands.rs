//! How a database file stands, seen from outside: what moves with every commit of anybody.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::Connection;
use serde_json::json;

use crate::contract::{Digest, ToolError};
use crate::toolsets::sqlite::connect::Site;

pub(crate) fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Length and time of the last writing; an empty file is as good as none.
pub(crate) fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let facts = path.metadata().ok()?;
    (facts.len() > 0).then_some((facts.len(), facts.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
}

/// Moves with every commit of anybody to the database, whatever it changed: what a statement too large to be followed is
/// bound to. It may also move without one, when a log is merged into the file.
///
/// The files are looked at from outside: opening and closing them here would let go of this process's locks on them
/// (<https://sqlite.org/howtocorrupt.html>, 2.2).
pub(crate) fn as_it_stands(site: &Site, conn: &Connection, statement: &str) -> Result<Digest, ToolError> {
    let written = |path: &Path| {
        stamp(path).map(|(bytes, at)| {
            let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            json!([bytes, at.as_secs(), at.subsec_nanos()])
        })
    };
    let version: i64 =
        conn.query_row("PRAGMA schema_version", [], |row| row.get(0)).map_err(|error| site.explain(&error))?;
    let (file, log) = (written(&site.path), written(&log_of(&site.path)));
    Ok(Digest::of(&json!({ "uid": site.uid, "sql": statement, "file": file, "log": log, "schema": version })))
}
