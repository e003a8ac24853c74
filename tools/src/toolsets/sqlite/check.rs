//! Looking at a database as a whole, for `targets check`.

pub(super) mod exposed;
pub(super) mod kept;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::connect::Site;
use super::connect::beside;
use super::model::quarantine;
use super::model::schema::{self, Kind};
use crate::contract::{TargetReport, ToolError};
use crate::text::{count, shown};

/// What the database says it is, and what a careful operator should know.
pub(crate) fn check(site: &Site) -> Result<TargetReport, ToolError> {
    let conn = site.open_to_read()?;
    let explain = |error: rusqlite::Error| site.explain(&error);
    let journal: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(explain)?;
    let tables = schema::list(&conn).map_err(explain)?;
    let tables = tables.iter().filter(|(name, kind)| *kind == Kind::Table && !schema::is_trash(name)).count();
    let bytes = site.path.metadata().map_or(0, |facts| facts.len());
    let summary = format!(
        "SQLite {}, {}, {}, journal mode {journal}, `{}`",
        rusqlite::version(),
        count(tables as u64, "table"),
        count(bytes, "byte"),
        shown(&site.path.to_string_lossy()),
    );
    let mut warnings = file_warnings(&site.path, journal == "wal");
    warnings.extend(content_warnings(&conn, site).map_err(explain)?);
    Ok(TargetReport { identity: identity(site), summary, warnings })
}

/// The inode outlives every write; a file copied or restored over the name is another database until pinned again.
pub(crate) fn identity(site: &Site) -> String {
    format!("sqlite:{}:{}", site.uid, site.path.display())
}

fn file_warnings(path: &Path, wal: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Ok(facts) = path.metadata() {
        let mode = facts.permissions().mode();
        if mode & 0o002 != 0 {
            warnings.push("every user of this machine can write the file".to_owned());
        } else if mode & 0o004 != 0 {
            warnings.push("every user of this machine can read the file".to_owned());
        }
    }
    if wal && beside::would_be_strange(path) {
        let what = "it is in write-ahead mode and belongs to another user: while its application does not have it open, \
                    calls are refused, since they would leave files its owner cannot write";
        warnings.push(format!("{what}; to allow them, {}", beside::SHARED));
    }
    let folder = path.parent().and_then(|folder| folder.metadata().ok());
    if wal && !beside::named(path, "-shm").exists() && folder.is_some_and(|facts| facts.permissions().readonly()) {
        warnings.push("it is in WAL mode without its `-shm` file, in a folder that cannot be written".to_owned());
    }
    if !wal && beside::named(path, "-journal").metadata().is_ok_and(|facts| facts.len() > 0) {
        warnings.push("a journal lies beside it: a writer is at work, or one was cut off".to_owned());
    }
    if let Some(kind) = network_file_system(path) {
        warnings.push(format!("it lies on {kind}, where SQLite's locks are not reliable"));
    }
    warnings
}

/// The file system's name where it is one over a network (numbers from Linux's `magic.h`).
fn network_file_system(path: &Path) -> Option<&'static str> {
    #[cfg(target_os = "linux")]
    {
        let kind = rustix::fs::statfs(path).ok()?.f_type as u64 & 0xffff_ffff;
        match kind {
            0x6969 => Some("NFS"),
            0xff53_4d42 | 0xfe53_4d42 | 0x517b => Some("SMB"),
            0x6573_5546 => Some("FUSE"),
            0x0102_1997 => Some("9P"),
            0x00c3_6400 => Some("Ceph"),
            _ => None,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _path = path;
        None
    }
}

fn content_warnings(conn: &Connection, site: &Site) -> rusqlite::Result<Vec<String>> {
    let mut warnings = Vec::new();
    let mut skipped = 0_u64;
    let mut broken = 0_u64;
    for (table, kind) in schema::list(conn)? {
        let has_keys =
            kind == Kind::Table && !schema::is_trash(&table) && !schema::foreign_keys_of(conn, &table)?.is_empty();
        if !has_keys {
            continue;
        }
        if schema::count(conn, &table, "", site.limits.count)?.1 {
            skipped += 1;
            continue;
        }
        let sql = "SELECT count(*) FROM pragma_foreign_key_check(?1)";
        match schema::counted(conn, sql, [&table]) {
            Ok(rows) => broken += rows,
            Err(error) => warnings.push(format!("the foreign keys of `{}` cannot be checked: {error}", shown(&table))),
        }
    }
    if broken > 0 {
        warnings.push(format!("{} whose foreign key points to no row", count(broken, "row")));
    }
    if skipped > 0 {
        warnings.push(format!("foreign keys not checked: those of {}", count(skipped, "large table")));
    }
    let kept = quarantine::kept(conn)?.len();
    if kept > 0 {
        warnings.push(format!("taking up space in the quarantine: {}", count(kept as u64, "dropped table")));
    }
    Ok(warnings)
}
