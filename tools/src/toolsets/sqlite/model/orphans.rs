//! Rows whose foreign key points to no row, told apart one by one: by foreign key, by their own key, and by what they point
//! to. As many of them as before need not be the same ones.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::schema::{self, ForeignKey, Key, Table};
use super::value;
use crate::contract::{Digest, ToolError};
use crate::text::shown;
use crate::toolsets::sqlite::connect::budget;
use crate::toolsets::sqlite::connect::text::quote;

/// Of one foreign key no more are told apart: beyond that there are only so many.
const MOST: u64 = 100_000;

/// No more are kept with an undo.
const KEPT: usize = 2_000;

/// Those of some tables, by foreign key.
#[derive(Debug, Default)]
pub(crate) struct Orphans(BTreeMap<String, Found>);

#[derive(Debug)]
enum Found {
    Each(BTreeSet<String>),
    Many(u64),
}

impl Orphans {
    /// Those of these tables. Tables of more rows than `bound` are passed over: checking reads all of them.
    pub(crate) fn of(conn: &Connection, tables: &[String], bound: Option<u64>) -> rusqlite::Result<Self> {
        let mut all = BTreeMap::new();
        for table in tables {
            if let Some(bound) = bound
                && schema::count(conn, table, "", bound)?.1
            {
                continue;
            }
            let counts = counts(conn, table)?;
            if counts.is_empty() {
                continue;
            }
            let Some(child) = schema::find(conn, table)? else { continue };
            for key in schema::foreign_keys_of(conn, table)? {
                let Some(count) = counts.get(&key.id).copied() else { continue };
                let each = if count > MOST { None } else { Some(each(conn, &child, &key)?) };
                // What SQLite itself says holds.
                let found = each.filter(|each| each.len() as u64 == count).map_or(Found::Many(count), Found::Each);
                all.insert(named(&key), found);
            }
        }
        Ok(Self(all))
    }

    /// Those that may be there again after an undo, if they are not too many to be kept.
    pub(crate) fn kept(&self) -> BTreeMap<String, Vec<String>> {
        let each = self.0.iter().filter_map(|(key, found)| match found {
            Found::Each(each) if each.len() <= KEPT => Some((key.clone(), each.iter().cloned().collect())),
            _ => None,
        });
        each.collect()
    }

    /// Refuses to leave a row pointing to nothing that neither does so `now` nor did `then`.
    pub(crate) fn were_there(&self, now: &Self, then: &BTreeMap<String, Vec<String>>) -> Result<(), ToolError> {
        for (key, left) in &self.0 {
            let allowed = match (left, now.0.get(key)) {
                (Found::Each(left), Some(Found::Each(now))) => {
                    left.iter().all(|row| now.contains(row) || kept(then, key, row))
                }
                (Found::Each(left), None) => left.iter().all(|row| kept(then, key, row)),
                (Found::Each(left), Some(Found::Many(now))) => left.len() as u64 <= *now,
                (Found::Many(left), Some(Found::Many(now))) => left <= now,
                (Found::Many(_), _) => false,
            };
            if !allowed {
                let reason = format!("rows would point to rows that are no longer there: {}", shown(key));
                return Err(ToolError::refused(reason).with_next("put the rows they refer to back first"));
            }
        }
        Ok(())
    }
}

fn kept(then: &BTreeMap<String, Vec<String>>, key: &str, row: &str) -> bool {
    then.get(key).is_some_and(|rows| rows.iter().any(|kept| kept == row))
}

fn named(key: &ForeignKey) -> String {
    let to: Vec<&str> = key.to.iter().flatten().map(String::as_str).collect();
    let to = if to.is_empty() { "its key".to_owned() } else { to.join(", ") };
    format!("{} ({}) -> {} ({to})", key.child, key.from.join(", "), key.parent)
}

/// How many rows of a table point to nothing, by the number of the foreign key.
fn counts(conn: &Connection, table: &str) -> rusqlite::Result<BTreeMap<i64, u64>> {
    let mut counts = BTreeMap::new();
    let mut statement = conn.prepare("SELECT fkid FROM pragma_foreign_key_check(?1)")?;
    let mut rows = statement.query([table])?;
    loop {
        match rows.next() {
            Ok(Some(row)) => *counts.entry(row.get(0)?).or_default() += 1,
            Ok(None) => return Ok(counts),
            // A key that cannot be enforced at all cannot be broken by this either.
            Err(error) if error.to_string().contains("foreign key mismatch") => return Ok(counts),
            Err(error) => return Err(error),
        }
    }
}

/// What identifies each row that points to nothing.
fn each(conn: &Connection, child: &Table, key: &ForeignKey) -> rusqlite::Result<BTreeSet<String>> {
    let stored = child.stored();
    let own: Vec<String> = match &child.key {
        Key::Rowid(name) if child.rowid_column().is_none() => vec![name.clone()],
        Key::Rowid(name) => vec![quote(name)],
        Key::Columns(places) => places.iter().filter_map(|at| stored.get(*at)).map(|name| quote(name)).collect(),
        Key::Hidden => Vec::new(),
    };
    let columns: Vec<String> = own.into_iter().chain(key.from.iter().map(|name| quote(name))).collect();
    let columns: Vec<String> = columns.iter().map(|column| format!("c.{column}")).collect();
    let there = key.from.iter().map(|name| format!("c.{} IS NOT NULL", quote(name))).collect::<Vec<_>>().join(" AND ");
    let mut sql = format!("SELECT {} FROM {} AS c WHERE {there}", columns.join(", "), quote(&child.name));
    if let Some(parent) = schema::find(conn, &key.parent)? {
        let mut primary: Vec<_> = parent.columns.iter().filter(|column| column.primary.is_some()).collect();
        primary.sort_by_key(|column| column.primary);
        let same = key.from.iter().zip(&key.to).enumerate().map(|(at, (from, to))| {
            let to = to.as_deref().or_else(|| primary.get(at).map(|column| column.name.as_str())).unwrap_or_default();
            // By the parent's affinity and collation: a `+` leaves the child's column without one of its own.
            format!("p.{} = +c.{}", quote(to), quote(from))
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        sql = format!("{sql} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {same})", quote(&parent.name));
    }
    budget::reading(conn, columns.len())?;
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let (mut found, mut alike) = (BTreeSet::new(), BTreeMap::new());
    while let Some(row) = rows.next()? {
        let values: Vec<Value> =
            (0..columns.len()).map(|at| row.get_ref(at).map(value::exact)).collect::<Result<_, _>>()?;
        let mut row = identity(&values, 0);
        if child.key == Key::Hidden {
            let times: &mut u64 = alike.entry(row).or_default();
            *times += 1;
            row = identity(&values, *times);
        }
        found.insert(row);
    }
    Ok(found)
}

fn identity(values: &[Value], times: u64) -> String {
    hex::encode(&Digest::of(&json!([values, times])).as_bytes()[..16])
}
