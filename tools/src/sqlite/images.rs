//! Rows as they were and as they are, exactly: read by key, compared, digested, put back.

use std::collections::BTreeMap;

use rusqlite::types::Value as Bound;
use rusqlite::{Connection, Row, params_from_iter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema::{self, Key, Kind, Table};
use super::text::quote;
use super::value;

/// One row under its key, or that there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RowImage {
    /// The rowid, or the primary key's values.
    pub key: Value,
    /// The stored columns' values, or null: no such row.
    pub row: Option<Vec<Value>>,
}

/// Some rows of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TableImage {
    /// The table.
    pub table: String,
    /// Its stored columns in order: with others the rows do not fit.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<RowImage>,
}

/// What AUTOINCREMENT remembers of one table: rows of `sqlite_sequence`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SequenceImage {
    /// The table.
    pub table: String,
    /// Rowid and value, usually one or none.
    pub rows: Vec<(i64, Value)>,
}

/// Rows of several tables at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Images {
    /// By table.
    pub tables: Vec<TableImage>,
    /// What AUTOINCREMENT remembers of them.
    pub sequences: Vec<SequenceImage>,
}

impl Images {
    /// About how many bytes they take.
    pub(super) fn weight(&self) -> u64 {
        self.tables.iter().flat_map(|table| &table.rows).map(RowImage::weight).sum()
    }
}

impl RowImage {
    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> u64 {
        16 + value::weight(&self.key) + self.row.iter().flatten().map(value::weight).sum::<u64>()
    }
}

/// Why rows cannot be read or put back.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImageError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Unfit(String),
}

fn unfit(reason: impl Into<String>) -> ImageError {
    ImageError::Unfit(reason.into())
}

/// The columns to select: the stored ones, and first the rowid where rows are told apart by it.
fn selection(table: &Table) -> String {
    let mut columns: Vec<String> = table.stored().iter().map(|column| quote(column)).collect();
    if let Key::Rowid(name) = &table.key {
        columns.insert(0, if table.rowid_column().is_some() { quote(name) } else { name.clone() });
    }
    columns.join(", ")
}

fn image(table: &Table, row: &Row<'_>) -> rusqlite::Result<(Value, Vec<Value>)> {
    let skipped = usize::from(matches!(table.key, Key::Rowid(_)));
    let stored = table.columns.iter().filter(|column| !column.generated).count();
    let values: Vec<Value> =
        (skipped..skipped + stored).map(|at| row.get_ref(at).map(value::exact)).collect::<Result<_, _>>()?;
    let key = match &table.key {
        Key::Rowid(_) => value::exact(row.get_ref(0)?),
        Key::Columns(places) => places.iter().filter_map(|at| values.get(*at).cloned()).collect(),
        Key::Hidden => Value::Null,
    };
    Ok((key, values))
}

/// What finds the row of a key: a condition and what to bind in it.
fn condition(table: &Table, key: &Value) -> Result<(String, Vec<Bound>), ImageError> {
    let (names, values): (Vec<String>, Vec<&Value>) = match (&table.key, key) {
        (Key::Rowid(name), key) => {
            let name = if table.rowid_column().is_some() { quote(name) } else { name.clone() };
            (vec![name], vec![key])
        }
        (Key::Columns(places), Value::Array(values)) if places.len() == values.len() => {
            let stored = table.stored();
            (places.iter().filter_map(|at| stored.get(*at)).map(|name| quote(name)).collect(), values.iter().collect())
        }
        _ => return Err(unfit(format!("rows of `{}` are not told apart by such a key", table.name))),
    };
    let mut bound = Vec::new();
    let mut parts = Vec::new();
    for (name, value) in names.iter().zip(values) {
        let (place, value) = value::bind(value).ok_or_else(|| unfit("a key of no known type"))?;
        parts.push(format!("{name} = {place}"));
        bound.push(value);
    }
    Ok((parts.join(" AND "), bound))
}

/// The row under a key, read now.
pub(super) fn read(conn: &Connection, table: &Table, key: &Value) -> Result<Option<Vec<Value>>, ImageError> {
    let (condition, bound) = condition(table, key)?;
    let sql = format!("SELECT {} FROM {} WHERE {condition}", selection(table), quote(&table.name));
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(bound))?;
    while let Some(row) = rows.next()? {
        let (found, values) = image(table, row)?;
        // A collation may find another spelling of the key: that is another key to us.
        if found == *key {
            return Ok(Some(values));
        }
    }
    Ok(None)
}

/// Every row of a table by the text of its key, or `None` when there are more than `rows` rows or `bytes` bytes of them.
pub(super) fn read_all(
    conn: &Connection,
    table: &Table,
    rows: u64,
    bytes: u64,
) -> rusqlite::Result<Option<BTreeMap<String, RowImage>>> {
    let sql = format!("SELECT {} FROM {}", selection(table), quote(&table.name));
    let mut statement = conn.prepare(&sql)?;
    let mut found = statement.query([])?;
    let (mut all, mut weight) = (BTreeMap::new(), 0);
    while let Some(row) = found.next()? {
        let (key, values) = image(table, row)?;
        let image = RowImage { key, row: Some(values) };
        weight += image.weight();
        if all.len() as u64 >= rows || weight > bytes {
            return Ok(None);
        }
        all.insert(image.key.to_string(), image);
    }
    Ok(Some(all))
}

/// Visits rows in the order of their keys, until `visit` says stop.
pub(super) fn scan(
    conn: &Connection,
    table: &Table,
    mut visit: impl FnMut(&Value, &[Value]) -> bool,
) -> rusqlite::Result<()> {
    let order = match &table.key {
        Key::Rowid(name) if table.rowid_column().is_none() => format!("ORDER BY {name}"),
        Key::Rowid(name) => format!("ORDER BY {}", quote(name)),
        // Without rowids the table itself is in the order of its primary key.
        Key::Columns(_) | Key::Hidden => String::new(),
    };
    let sql = format!("SELECT {} FROM {} {order}", selection(table), quote(&table.name));
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (key, values) = image(table, row)?;
        if !visit(&key, &values) {
            break;
        }
    }
    Ok(())
}

/// What AUTOINCREMENT remembers of a table now.
pub(super) fn sequence(conn: &Connection, table: &str) -> rusqlite::Result<SequenceImage> {
    let mut rows = Vec::new();
    if has_sequences(conn)? {
        let mut statement = conn.prepare("SELECT rowid, seq FROM sqlite_sequence WHERE name = ?1 ORDER BY rowid")?;
        let mut found = statement.query([table])?;
        while let Some(row) = found.next()? {
            rows.push((row.get(0)?, value::exact(row.get_ref(1)?)));
        }
    }
    Ok(SequenceImage { table: table.to_owned(), rows })
}

fn has_sequences(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'", [], |row| row.get(0))
}

/// The table an image is of, if its rows still fit it.
pub(super) fn fitting(conn: &Connection, image: &TableImage) -> Result<Table, ImageError> {
    let name = &image.table;
    let table = schema::find(conn, name)?.ok_or_else(|| unfit(format!("the table `{name}` is no longer there")))?;
    if table.kind != Kind::Table || table.key == Key::Hidden {
        return Err(unfit(format!("`{name}` is no longer a table whose rows can be told apart")));
    }
    if table.stored() != image.columns {
        return Err(unfit(format!("the columns of `{name}` have changed, so its rows no longer fit")));
    }
    Ok(table)
}

/// The same rows and sequences as `of` names, as they are now.
pub(super) fn current(conn: &Connection, of: &Images) -> Result<Images, ImageError> {
    let mut now = Images::default();
    for image in &of.tables {
        let table = fitting(conn, image)?;
        let mut rows = Vec::with_capacity(image.rows.len());
        for RowImage { key, .. } in &image.rows {
            rows.push(RowImage { key: key.clone(), row: read(conn, &table, key)? });
        }
        now.tables.push(TableImage { table: table.name.clone(), columns: image.columns.clone(), rows });
    }
    for image in &of.sequences {
        now.sequences.push(sequence(conn, &image.table)?);
    }
    Ok(now)
}

/// Makes the rows what the images say. The caller has turned triggers and foreign keys off and holds a transaction.
pub(super) fn put_back(conn: &Connection, images: &Images) -> Result<(), ImageError> {
    let mut tables = Vec::new();
    for image in &images.tables {
        let table = fitting(conn, image)?;
        // All of them go first: rows that swapped a unique value could not be put back one by one.
        for row in &image.rows {
            let (condition, bound) = condition(&table, &row.key)?;
            let sql = format!("DELETE FROM {} WHERE {condition}", quote(&table.name));
            conn.prepare_cached(&sql)?.execute(params_from_iter(bound))?;
        }
        tables.push(table);
    }
    // SQLite counts a row that is put back as a new one, but AUTOINCREMENT is to move only where the images say so.
    let autoincrement = tables.iter().filter(|table| table.autoincrement);
    let counted = autoincrement.map(|table| sequence(conn, &table.name)).collect::<Result<Vec<_>, _>>()?;
    for (table, image) in tables.iter().zip(&images.tables) {
        for RowImage { key, row } in &image.rows {
            if let Some(row) = row {
                insert(conn, table, key, row)?;
            }
        }
    }
    for sequence in counted.iter().chain(&images.sequences) {
        set_sequence(conn, sequence)?;
    }
    // What was written must read as what was kept: an affinity or a default may have had another opinion.
    let now = current(conn, images)?;
    if now == *images { Ok(()) } else { Err(unfit("a row does not read back as it was kept")) }
}

fn set_sequence(conn: &Connection, SequenceImage { table, rows }: &SequenceImage) -> Result<(), ImageError> {
    if !has_sequences(conn)? {
        return Err(unfit("`sqlite_sequence` is no longer there"));
    }
    conn.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
    for (rowid, seq) in rows {
        let (place, seq) = value::bind(seq).ok_or_else(|| unfit("a sequence of no known type"))?;
        let sql = format!("INSERT INTO sqlite_sequence (rowid, name, seq) VALUES (?, ?, {place})");
        conn.execute(&sql, (rowid, table, seq))?;
    }
    Ok(())
}

fn insert(conn: &Connection, table: &Table, key: &Value, row: &[Value]) -> Result<(), ImageError> {
    let mut columns: Vec<String> = table.stored().iter().map(|column| quote(column)).collect();
    let mut values: Vec<&Value> = row.iter().collect();
    if values.len() != columns.len() {
        return Err(unfit(format!("a row of `{}` has another number of columns", table.name)));
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
    let sql = format!("INSERT INTO {} ({columns}) VALUES ({places})", quote(&table.name));
    conn.prepare_cached(&sql)?.execute(params_from_iter(bound))?;
    Ok(())
}
