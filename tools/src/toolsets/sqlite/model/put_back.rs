//! Makes rows what kept images say, and checks that nothing else changed: which rows SQLite says it changes, how many,
//! how many there are afterwards, and what they hold, by exact type and bytes. The caller rolls back what is not so.
//!
//! A schema can have other rows go along: `ON CONFLICT REPLACE` deletes what stands in the way, and a collation or an
//! affinity finds a row under another key than it has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::hooks::Action;
use rusqlite::{Connection, ErrorCode, params_from_iter};
use serde_json::Value;

use super::images::{
    ImageError, Images, RowImage, SequenceImage, TableImage, condition, current, fitting, has_sequences, sequence,
    unfit,
};
use super::schema::{self, Key, Table};
use super::value;
use crate::text::shown;
use crate::toolsets::sqlite::connect::budget;
use crate::toolsets::sqlite::connect::text::quote;

/// Tables of more rows are not counted to find rows that went along: it takes about a tenth of a second.
const COUNTED: u64 = 1_000_000;

/// Makes the rows that are `now` what `then` says. The caller has turned triggers and foreign keys off and holds a
/// transaction, which it rolls back after an error.
pub(crate) fn put_back(conn: &mut Connection, now: &Images, then: &Images) -> Result<(), ImageError> {
    put(conn, now, then, false)
}

fn put(conn: &mut Connection, now: &Images, then: &Images, tried: bool) -> Result<(), ImageError> {
    let tables = then.tables.iter().map(|image| fitting(conn, image)).collect::<Result<Vec<_>, _>>()?;
    let moves = moves(&tables, now, then)?;
    // SQLite counts a row that is put back as a new one, but AUTOINCREMENT is to move only where the images say so.
    let autoincrement = tables.iter().filter(|table| table.autoincrement);
    let counted = autoincrement.map(|table| sequence(conn, &table.name)).collect::<Result<Vec<_>, _>>()?;
    let sizes_before = sizes(conn, &tables)?;
    let (witness, counter) = (Witness::default(), conn.total_changes());
    let hearing = witness.clone();
    conn.update_hook(Some(move |action, _: &str, table: &str, rowid| hearing.hear(action, table, rowid)))?;
    let made = make(conn, &moves, tried);
    conn.update_hook(None::<fn(Action, &str, &str, i64)>)?;
    let meant = made?;
    if conn.total_changes() - counter != meant || !witness.agrees(&moves) {
        return Err(unfit("SQLite would change other rows than those that are to be put back"));
    }
    balanced(&tables, &moves, &sizes_before, &sizes(conn, &tables)?)?;
    for sequence in counted.iter().chain(&then.sequences) {
        set_sequence(conn, sequence)?;
    }
    // What was written must read as what was kept: an affinity or a default may have had another opinion.
    let read = current(conn, then, u64::MAX)?;
    if read == *then { Ok(()) } else { Err(unfit("a row does not read back as it was kept")) }
}

/// Tries to put rows back in a transaction that is rolled back anyway. Rows can be stored in a way in which they cannot be
/// written: NULL in a column that was declared NOT NULL since, text in one that is of integers now.
pub(crate) fn try_to_put_back(conn: &mut Connection, now: &Images, then: &Images) -> Result<(), ImageError> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    // The pragma for foreign keys does nothing within a transaction.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    conn.execute_batch("PRAGMA ignore_check_constraints = ON")?;
    put(conn, now, then, true)
}

/// One row that is to go, to come, or to be replaced.
struct Move<'a> {
    table: &'a Table,
    key: &'a Value,
    goes: Option<&'a Vec<Value>>,
    comes: Option<&'a Vec<Value>>,
}

fn moves<'a>(tables: &'a [Table], now: &'a Images, then: &'a Images) -> Result<Vec<Move<'a>>, ImageError> {
    let pairs = |now: &TableImage, then: &TableImage| {
        let keys = |image: &TableImage| image.rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>();
        now.table == then.table && keys(now) == keys(then)
    };
    let paired = now.tables.len() == then.tables.len() && now.tables.iter().zip(&then.tables).all(|(a, b)| pairs(a, b));
    if !paired {
        return Err(unfit("the rows kept are not the rows found"));
    }
    let mut moves = Vec::new();
    for ((table, now), then) in tables.iter().zip(&now.tables).zip(&then.tables) {
        for (RowImage { key, row: goes }, RowImage { row: comes, .. }) in now.rows.iter().zip(&then.rows) {
            if goes != comes {
                moves.push(Move { table, key, goes: goes.as_ref(), comes: comes.as_ref() });
            }
        }
    }
    Ok(moves)
}

/// All that go do so first: rows that swapped a unique value could not be put back one by one.
/// Returns how many changes that makes. A try holds the lock, so no stretch of it may take long: a schema may have any
/// number of expressions over its columns.
fn make(conn: &Connection, moves: &[Move<'_>], tried: bool) -> Result<u64, ImageError> {
    let (mut made, mut hurried) = (0, String::new());
    let mut hurry = |sql: &str| {
        if tried && hurried != sql {
            budget::hurried(conn, sql)?;
            sql.clone_into(&mut hurried);
        }
        Ok::<_, ImageError>(())
    };
    for Move { table, key, .. } in moves.iter().filter(|row| row.goes.is_some()) {
        let (condition, bound) = condition(table, key)?;
        let sql = format!("DELETE FROM {} WHERE {condition}", quote(&table.name));
        hurry(&sql)?;
        once(conn.prepare_cached(&sql)?.execute(params_from_iter(bound))?, table)?;
        made += 1;
    }
    for row in moves {
        if let Some(values) = row.comes {
            insert(conn, row.table, row.key, values, &mut hurry)?;
            made += 1;
        }
    }
    Ok(made)
}

fn once(changed: usize, table: &Table) -> Result<(), ImageError> {
    if changed == 1 {
        return Ok(());
    }
    Err(unfit(format!("a row of `{}` stood for {changed} rows", shown(&table.name))))
}

fn insert(
    conn: &Connection,
    table: &Table,
    key: &Value,
    row: &[Value],
    hurry: &mut dyn FnMut(&str) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let mut columns: Vec<String> = table.stored().iter().map(|column| quote(column)).collect();
    let mut values: Vec<&Value> = row.iter().collect();
    if values.len() != columns.len() {
        return Err(unfit(format!("a row of `{}` has another number of columns", shown(&table.name))));
    }
    if let (Key::Rowid(name), None) = (&table.key, table.rowid_column()) {
        columns.insert(0, name.clone());
        values.insert(0, key);
    }
    let mut places = Vec::with_capacity(values.len());
    let mut bound = Vec::with_capacity(values.len());
    for value in values {
        let (place, value) = value::bind(value).ok_or_else(|| unfit("a value of no known type"))?;
        places.push(place);
        bound.push(value);
    }
    let (columns, places) = (columns.join(", "), places.join(", "));
    // Said in the statement, ABORT goes before whatever ON CONFLICT the schema says.
    let sql = format!("INSERT OR ABORT INTO {} ({columns}) VALUES ({places})", quote(&table.name));
    hurry(&sql)?;
    match conn.prepare_cached(&sql)?.execute(params_from_iter(bound)) {
        Ok(changed) => once(changed, table),
        Err(rusqlite::Error::SqliteFailure(error, Some(said))) if error.code == ErrorCode::ConstraintViolation => {
            let table = shown(&table.name);
            Err(unfit(format!("a row of `{table}` cannot come back beside what is there now: {}", shown(&said))))
        }
        Err(error) => Err(error.into()),
    }
}

fn set_sequence(conn: &Connection, SequenceImage { table, rows }: &SequenceImage) -> Result<(), ImageError> {
    if !has_sequences(conn)? {
        return Err(unfit("`sqlite_sequence` is no longer there"));
    }
    conn.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
    for (rowid, seq) in rows {
        let (place, seq) = value::bind(seq).ok_or_else(|| unfit("a sequence of no known type"))?;
        let sql = format!("INSERT OR ABORT INTO sqlite_sequence (rowid, name, seq) VALUES (?, ?, {place})");
        conn.execute(&sql, (rowid, table, seq))?;
    }
    Ok(())
}

/// How often each row came or went: its table, whether it came, its rowid.
type Changes = BTreeMap<(String, bool, i64), u64>;

/// What SQLite says it does to rows of tables that have rowids; of the others it says only how many.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Changes>>);

impl Witness {
    fn hear(&self, action: Action, table: &str, rowid: i64) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *heard.entry((table.to_owned(), action == Action::SQLITE_INSERT, rowid)).or_default() += 1;
    }

    /// Whether exactly the rows that were meant went and came.
    fn agrees(&self, moves: &[Move<'_>]) -> bool {
        let meant = Self::default();
        for row in moves.iter().filter(|row| matches!(row.table.key, Key::Rowid(_))) {
            for (action, there) in [(Action::SQLITE_DELETE, row.goes), (Action::SQLITE_INSERT, row.comes)] {
                if let (Some(_), Some(rowid)) = (there, row.key.as_i64()) {
                    meant.hear(action, &row.table.name, rowid);
                }
            }
        }
        let heard = |of: &Self| of.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        heard(self) == heard(&meant)
    }
}

/// How many rows each table has, where it has not too many to be counted.
fn sizes(conn: &Connection, tables: &[Table]) -> rusqlite::Result<Vec<Option<u64>>> {
    let size =
        |table: &Table| schema::count(conn, &table.name, "", COUNTED).map(|(rows, more)| (!more).then_some(rows));
    tables.iter().map(size).collect()
}

/// Checks that no row went silently: SQLite names none that `REPLACE` pushes out, and does not count them either.
fn balanced(
    tables: &[Table],
    moves: &[Move<'_>],
    before: &[Option<u64>],
    after: &[Option<u64>],
) -> Result<(), ImageError> {
    for ((table, before), after) in tables.iter().zip(before).zip(after) {
        let of = moves.iter().filter(|row| row.table.name == table.name);
        let (goes, comes) = of.fold((0, 0), |(goes, comes), row| {
            (goes + u64::from(row.goes.is_some()), comes + u64::from(row.comes.is_some()))
        });
        if let (Some(before), Some(after)) = (before, after)
            && before + comes != after + goes
        {
            return Err(unfit(format!("other rows of `{}` would go along", shown(&table.name))));
        }
    }
    Ok(())
}
