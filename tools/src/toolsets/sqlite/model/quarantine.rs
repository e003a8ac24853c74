//! The quarantine: where a dropped table waits, in the same file, until it is brought back or purged.
//!
//! A table is moved by changing its rows in `sqlite_master`, not by ALTER TABLE: the data stays where it is, so the cost
//! does not depend on its size, and what comes back is the very text that was there. SQLite documents such edits as valid
//! where they do not change what is on disk (<https://sqlite.org/lang_altertable.html>, "making other kinds of schema
//! changes"). Names inside other objects are left alone: they mean the table again once it is back.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::schema::{self, TRASH, Table};
use crate::contract::{ToolError, now};
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::connect::text::{self, quote};

/// One row of `sqlite_master` as it was, and the name it goes by in the quarantine (a trigger has none: it is taken out).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub kind: String,
    pub name: String,
    table: String,
    pub sql: Option<String>,
    rowid: i64,
    trash: Option<String>,
}

/// One table in the quarantine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    /// What it is brought back by.
    pub id: String,
    /// What it was called.
    pub name: String,
    /// What it is called now.
    pub trash: String,
    /// When it was dropped.
    pub at: String,
    entries: Vec<Entry>,
}

/// A transaction on a connection that may edit the schema, with triggers and foreign keys off: moving a table must change
/// nothing else.
pub(crate) fn open(site: &Site) -> Result<Connection, ToolError> {
    site.wait_for_rows()?;
    let conn = site.open_to_write()?;
    let ready = || {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        conn.execute_batch("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE")
    };
    ready().map_err(|error| site.explain(&error))?;
    Ok(conn)
}

/// Everything in the quarantine, oldest first.
pub(crate) fn kept(conn: &Connection) -> rusqlite::Result<Vec<Kept>> {
    if schema::find(conn, TRASH)?.is_none() {
        return Ok(Vec::new());
    }
    let mut statement = conn.prepare(&format!("SELECT id, name, trash, at, entries FROM {TRASH} ORDER BY at, id"))?;
    let rows = statement.query_map([], |row| {
        let entries: String = row.get(4)?;
        let entries = serde_json::from_str(&entries).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error))
        })?;
        Ok(Kept { id: row.get(0)?, name: row.get(1)?, trash: row.get(2)?, at: row.get(3)?, entries })
    })?;
    rows.collect()
}

/// What belongs to a table in `sqlite_master`: itself, its indexes, its triggers.
pub(crate) fn entries(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Entry>> {
    let sql =
        "SELECT type, name, tbl_name, sql, rowid FROM sqlite_master WHERE tbl_name = ?1 COLLATE NOCASE ORDER BY rowid";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([table], |row| {
        let (kind, name, table) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Entry { kind, name, table, sql: row.get(3)?, rowid: row.get(4)?, trash: None })
    })?;
    rows.collect()
}

/// The statement that makes the quarantine's list.
fn list() -> String {
    format!(
        "CREATE TABLE {TRASH} (id TEXT PRIMARY KEY, name TEXT NOT NULL, trash TEXT NOT NULL, \
         at TEXT NOT NULL, entries TEXT NOT NULL)"
    )
}

/// Whether the list is as the gateway makes it. With other constraints, one entry could push out another.
fn is_ours(conn: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1";
    let there: Option<String> = conn.query_row(sql, [TRASH], |row| row.get(0)).optional()?;
    Ok(there == Some(list()))
}

/// Moves a table into the quarantine. The caller holds the transaction of [`open`].
pub(crate) fn put_away(conn: &Connection, site: &Site, table: &Table) -> Result<Kept, ToolError> {
    let id = uuid::Uuid::now_v7().simple().to_string().split_off(20);
    let trash = format!("{TRASH}_{id}_{}", table.name);
    let put = || -> rusqlite::Result<Result<Kept, String>> {
        let mut entries = entries(conn, &table.name)?;
        let mut texts = Vec::new();
        for entry in &mut entries {
            match moved(entry, &id, &trash) {
                Ok(text) => texts.push(text),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        if schema::find(conn, TRASH)?.is_none() {
            conn.execute_batch(&list())?;
        }
        if !is_ours(conn)? {
            return Ok(Err(format!("`{TRASH}` is not the list the gateway made")));
        }
        let kept =
            Kept { id: id.clone(), name: table.name.clone(), trash: trash.clone(), at: now().to_string(), entries };
        let sql = format!("INSERT OR ABORT INTO {TRASH} (id, name, trash, at, entries) VALUES (?1, ?2, ?3, ?4, ?5)");
        conn.execute(&sql, (&kept.id, &kept.name, &kept.trash, &kept.at, json!(kept.entries).to_string()))?;
        conn.execute_batch("PRAGMA writable_schema = ON")?;
        for (entry, text) in kept.entries.iter().zip(&texts) {
            let same = "type = ?1 AND name = ?2";
            let changed = match &entry.trash {
                Some(name) => conn.execute(
                    &format!("UPDATE sqlite_master SET name = ?3, tbl_name = ?4, sql = ?5 WHERE {same}"),
                    (&entry.kind, &entry.name, name, &kept.trash, text),
                )?,
                None => conn.execute(&format!("DELETE FROM sqlite_master WHERE {same}"), (&entry.kind, &entry.name))?,
            };
            if changed != 1 {
                return Ok(Err(format!("`{}` is not once in the schema", entry.name)));
            }
        }
        rename_elsewhere(conn, &table.name, &kept.trash)?;
        reload(conn)?;
        Ok(Ok(kept))
    };
    let kept = put().map_err(|error| site.explain(&error))?.map_err(unusual)?;
    whole(conn, &kept.trash, &kept, true)?;
    Ok(kept)
}

/// Brings a table back. The caller holds the transaction of [`open`].
pub(crate) fn bring_back(conn: &Connection, site: &Site, kept: &Kept) -> Result<(), ToolError> {
    let bring = || -> rusqlite::Result<Result<(), String>> {
        forget(conn, kept)?;
        conn.execute_batch("PRAGMA writable_schema = ON")?;
        for entry in &kept.entries {
            let Entry { kind, name, table, sql, rowid, trash } = entry;
            let changed = match trash {
                Some(trash) => conn.execute(
                    "UPDATE sqlite_master SET name = ?3, tbl_name = ?4, sql = ?5 WHERE type = ?1 AND name = ?2",
                    (kind, trash, name, table, sql),
                )?,
                None => {
                    // Triggers of one event run in an order that follows from these rowids.
                    let taken = "SELECT count(*) FROM sqlite_master WHERE rowid = ?1";
                    let taken: bool = conn.query_row(taken, [rowid], |row| row.get(0))?;
                    let rowid = (!taken).then_some(rowid);
                    conn.execute(
                        "INSERT OR ABORT INTO sqlite_master (rowid, type, name, tbl_name, rootpage, sql) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
                        (rowid, kind, name, table, sql),
                    )?
                }
            };
            if changed != 1 {
                return Ok(Err(format!("`{name}` is not once in the quarantine")));
            }
        }
        rename_elsewhere(conn, &kept.trash, &kept.name)?;
        reload(conn)?;
        Ok(Ok(()))
    };
    bring().map_err(|error| site.explain(&error))?.map_err(unusual)?;
    whole(conn, &kept.name, kept, false)
}

/// Takes a table off the list, and the list away with the last one.
pub(crate) fn forget(conn: &Connection, kept: &Kept) -> rusqlite::Result<()> {
    // Exactly this entry: an equal one under a collation or an affinity is another.
    let sql = format!("DELETE FROM {TRASH} WHERE typeof(id) = 'text' AND id = ?1 COLLATE BINARY");
    let forgotten = conn.execute(&sql, [&kept.id])?;
    if forgotten != 1 {
        return Err(rusqlite::Error::StatementChangedRows(forgotten));
    }
    if schema::counted(conn, &format!("SELECT count(*) FROM {TRASH}"), [])? == 0 {
        conn.execute_batch(&format!("DROP TABLE {TRASH}"))?;
    }
    Ok(())
}

/// The first name the table needs that something else has taken since.
pub(crate) fn taken(conn: &Connection, kept: &Kept) -> rusqlite::Result<Option<String>> {
    for entry in &kept.entries {
        let sql = "SELECT name FROM sqlite_master WHERE name = ?1 COLLATE NOCASE";
        if let Some(name) = conn.query_row(sql, [&entry.name], |row| row.get(0)).optional()? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn unusual(reason: impl std::fmt::Display) -> ToolError {
    ToolError::refused(format!("the schema is unusual and is left alone: {reason}"))
}

/// The text of a schema row under its name in the quarantine, which is noted in the entry.
fn moved(entry: &mut Entry, id: &str, trash: &str) -> Result<Option<String>, String> {
    match (entry.kind.as_str(), &entry.sql) {
        ("table", Some(sql)) => {
            // Its own checks may name it.
            let text = replace_after(&text::requalified(sql, &entry.name, trash), "table", &entry.name, trash)?;
            entry.trash = Some(trash.to_owned());
            Ok(Some(text))
        }
        ("index", Some(sql)) => {
            let name = format!("{TRASH}_{id}_{}", entry.name);
            // The table's name stands behind the index's, so it is replaced first and the places before it stay true.
            let text = replace_after(&text::requalified(sql, &entry.table, trash), "on", &entry.table, trash)?;
            let text = replace_after(&text, "index", &entry.name, &name)?;
            entry.trash = Some(name);
            Ok(Some(text))
        }
        ("index", None) => {
            // SQLite finds the index of a constraint by this very name when it reads the schema.
            let number = entry.name.rsplit('_').next().unwrap_or_default();
            entry.trash = Some(format!("sqlite_autoindex_{trash}_{number}"));
            Ok(None)
        }
        ("trigger", _) => Ok(None),
        (kind, _) => Err(format!("`{}` is a {kind}", entry.name)),
    }
}

fn replace_after(sql: &str, keyword: &str, expected: &str, name: &str) -> Result<String, String> {
    let names = text::names(sql);
    let found = names.iter().position(|name| name.is(keyword)).and_then(|at| names.get(at + 1));
    match found {
        Some(found) if found.text.eq_ignore_ascii_case(expected) => Ok(text::renamed(sql, &found.at, name)),
        _ => Err(format!("the text of `{expected}` does not say its name where it should")),
    }
}

/// Renames a table where SQLite keeps its name as data: AUTOINCREMENT's memory and the planner's statistics.
fn rename_elsewhere(conn: &Connection, from: &str, to: &str) -> rusqlite::Result<()> {
    for (table, column) in [("sqlite_sequence", "name"), ("sqlite_stat1", "tbl"), ("sqlite_stat4", "tbl")] {
        let there = "SELECT count(*) FROM sqlite_master WHERE name = ?1";
        if conn.query_row(there, [table], |row| row.get(0))? {
            conn.execute(&format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1 COLLATE NOCASE"), (from, to))?;
        }
    }
    Ok(())
}

/// Makes this connection and every other one read the schema anew.
fn reload(conn: &Connection) -> rusqlite::Result<()> {
    let version: i32 = conn.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
    conn.execute_batch(&format!("PRAGMA schema_version = {}; PRAGMA writable_schema = RESET", version.wrapping_add(1)))
}

/// Checks, before anything is committed, that SQLite reads the edited schema and finds the table with all its indexes.
fn whole(conn: &Connection, name: &str, kept: &Kept, in_trash: bool) -> Result<(), ToolError> {
    let check = || -> rusqlite::Result<bool> {
        let Some(table) = schema::find(conn, name)? else { return Ok(false) };
        conn.query_row(
            &format!("SELECT count(*) FROM (SELECT * FROM {} LIMIT 1)", quote(&table.name)),
            [],
            |_| Ok(()),
        )?;
        for entry in kept.entries.iter().filter(|entry| entry.kind == "index") {
            let index = if in_trash { entry.trash.as_deref() } else { Some(entry.name.as_str()) };
            let sql = "SELECT count(*) FROM pragma_index_list(?1, 'main') WHERE name = ?2";
            let found: bool = conn.query_row(sql, (name, index), |row| row.get(0))?;
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match check() {
        Ok(true) => Ok(()),
        Ok(false) => Err(unusual(format!("`{name}` is not whole after moving it"))),
        Err(error) => Err(unusual(error)),
    }
}
