//! Rows as they were and as they are, exactly: read by key and compared.

use std::collections::BTreeMap;

use rusqlite::types::{Value as Bound, ValueRef};
use rusqlite::{Connection, ErrorCode, Row, params_from_iter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema::{self, Encoding, Key, Kind, Table};
use super::value;
use crate::text::shown;
use crate::toolsets::sqlite::connect::budget;
use crate::toolsets::sqlite::connect::text::quote;

/// One row under its key, or that there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowImage {
    /// The rowid, or the primary key's values.
    pub key: Value,
    /// The stored columns' values, or null: no such row.
    pub row: Option<Vec<Value>>,
}

/// Some rows of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableImage {
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
pub(crate) struct SequenceImage {
    /// The table.
    pub table: String,
    /// Rowid and value, usually one or none.
    pub rows: Vec<(i64, Value)>,
}

/// Rows of several tables at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Images {
    /// By table.
    pub tables: Vec<TableImage>,
    /// What AUTOINCREMENT remembers of them.
    pub sequences: Vec<SequenceImage>,
}

impl Images {
    /// About how many bytes they take.
    pub(crate) fn weight(&self) -> u64 {
        self.tables.iter().flat_map(|table| &table.rows).map(RowImage::weight).sum()
    }
}

impl RowImage {
    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> u64 {
        16 + value::weight(&self.key) + self.row.iter().flatten().map(value::weight).sum::<u64>()
    }
}

/// Why rows cannot be read or put back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    #[error("{0}")]
    Unfit(String),
    #[error("the rows are too large to be held")]
    TooLarge,
}

impl From<rusqlite::Error> for ImageError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::TooBig) => Self::TooLarge,
            _ => Self::Sqlite(error),
        }
    }
}

/// The error for rows that do not fit.
pub(crate) fn unfit(reason: impl Into<String>) -> ImageError {
    ImageError::Unfit(reason.into())
}

/// The columns to select: the stored ones, and first the rowid where rows are told apart by it. Where text is stored as
/// UTF-16 its bytes follow, for SQLite gives it as UTF-8, which not every text there becomes unchanged.
fn selection(table: &Table) -> String {
    let mut columns: Vec<String> = table.stored().iter().map(|column| quote(column)).collect();
    if let Key::Rowid(name) = &table.key {
        columns.insert(0, if table.rowid_column().is_some() { quote(name) } else { name.clone() });
    }
    if table.encoding != Encoding::Utf8 {
        let bytes = |name: &String| format!("CASE typeof({0}) WHEN 'text' THEN CAST({0} AS BLOB) END", quote(name));
        columns.extend(table.stored().iter().map(bytes));
    }
    columns.join(", ")
}

/// How many of the columns [`in_order`] selects are what the row holds.
pub(crate) fn width(table: &Table) -> usize {
    usize::from(matches!(table.key, Key::Rowid(_))) + table.columns.iter().filter(|column| !column.generated).count()
}

/// A stored value exactly; one of a text in UTF-16 goes with its bytes there.
fn stored_value(table: &Table, row: &Row<'_>, at: usize, stored: usize) -> Result<Value, ImageError> {
    let value = row.get_ref(at)?;
    if !matches!(value, ValueRef::Text(_)) || table.encoding == Encoding::Utf8 {
        return Ok(value::exact(value));
    }
    let bytes = row.get_ref(at + stored)?.as_blob().unwrap_or_default();
    value::exact_wide(value, bytes, table.encoding == Encoding::Utf16be)
        .ok_or_else(|| unfit(format!("a text in `{}` ends within a character", shown(&table.name))))
}

/// The key and the stored values of a row, which is not copied where it takes more than there is room for.
fn image(table: &Table, row: &Row<'_>, room: &mut u64) -> Result<(Value, Vec<Value>), ImageError> {
    let skipped = usize::from(matches!(table.key, Key::Rowid(_)));
    let stored = table.columns.iter().filter(|column| !column.generated).count();
    let mut bytes = 16;
    for at in skipped..skipped + stored {
        bytes += row.get_ref(at)?.as_bytes_or_null().ok().flatten().map_or(12, |bytes| bytes.len() as u64 + 16);
    }
    *room = room.checked_sub(bytes).ok_or(ImageError::TooLarge)?;
    let values: Vec<Value> =
        (skipped..skipped + stored).map(|at| stored_value(table, row, at, stored)).collect::<Result<_, _>>()?;
    let key = match &table.key {
        Key::Rowid(_) => value::exact(row.get_ref(0)?),
        Key::Columns(places) => places.iter().filter_map(|at| values.get(*at).cloned()).collect(),
        Key::Hidden => Value::Null,
    };
    Ok((key, values))
}

/// What finds the row of a key: a condition and what to bind in it. In a table without rowids it goes by collation and
/// affinity, as the primary key does: whether the row it finds is the one is for the caller to compare.
pub(crate) fn condition(table: &Table, key: &Value) -> Result<(String, Vec<Bound>), ImageError> {
    let (names, values): (Vec<String>, Vec<&Value>) = match (&table.key, key) {
        (Key::Rowid(name), key) if key.is_i64() => {
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

/// The row under a key, read now, if there is room for it.
pub(crate) fn read(
    conn: &Connection,
    table: &Table,
    key: &Value,
    room: &mut u64,
) -> Result<Option<Vec<Value>>, ImageError> {
    budget::reading(conn, table.columns.len())?;
    let (condition, bound) = condition(table, key)?;
    let sql = format!("SELECT {} FROM {} WHERE {condition}", selection(table), quote(&table.name));
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(bound))?;
    while let Some(row) = rows.next()? {
        let (found, values) = image(table, row, room)?;
        // A collation may find another spelling of the key: that is another key to us.
        if found == *key {
            return Ok(Some(values));
        }
    }
    Ok(None)
}

/// Every row of a table by the text of its key, or `None` when there are more than `rows` rows or `bytes` bytes of them.
pub(crate) fn read_all(
    conn: &Connection,
    table: &Table,
    rows: u64,
    mut bytes: u64,
) -> Result<Option<BTreeMap<String, RowImage>>, ImageError> {
    budget::reading(conn, table.columns.len())?;
    let sql = format!("SELECT {} FROM {}", selection(table), quote(&table.name));
    let mut statement = conn.prepare(&sql)?;
    let mut found = statement.query([])?;
    let mut all = BTreeMap::new();
    loop {
        let read = match found.next() {
            Ok(Some(row)) if (all.len() as u64) < rows => image(table, row, &mut bytes),
            Ok(None) => return Ok(Some(all)),
            Ok(Some(_)) => return Ok(None),
            Err(error) => Err(error.into()),
        };
        match read {
            Ok((key, values)) => all.insert(key.to_string(), RowImage { key, row: Some(values) }),
            Err(ImageError::TooLarge) => return Ok(None),
            Err(error) => return Err(error),
        };
    }
}

/// Every row of a table, in the order of their keys, with the rowid first where there is one.
pub(crate) fn in_order(table: &Table) -> String {
    let order = match &table.key {
        Key::Rowid(name) if table.rowid_column().is_none() => format!("ORDER BY {name}"),
        Key::Rowid(name) => format!("ORDER BY {}", quote(name)),
        // Without rowids the table itself is in the order of its primary key.
        Key::Columns(_) | Key::Hidden => String::new(),
    };
    format!("SELECT {} FROM {} {order}", selection(table), quote(&table.name))
}

/// What AUTOINCREMENT remembers of a table now.
pub(crate) fn sequence(conn: &Connection, table: &str) -> rusqlite::Result<SequenceImage> {
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

/// Whether any table has ever counted.
pub(crate) fn has_sequences(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'", [], |row| row.get(0))
}

/// The table an image is of, if its rows still fit it.
pub(crate) fn fitting(conn: &Connection, image: &TableImage) -> Result<Table, ImageError> {
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

/// The same rows and sequences as `of` names, as they are now, if there is room for them.
pub(crate) fn current(conn: &Connection, of: &Images, mut room: u64) -> Result<Images, ImageError> {
    let mut now = Images::default();
    for image in &of.tables {
        let table = fitting(conn, image)?;
        let mut rows = Vec::with_capacity(image.rows.len());
        for RowImage { key, .. } in &image.rows {
            rows.push(RowImage { key: key.clone(), row: read(conn, &table, key, &mut room)? });
        }
        now.tables.push(TableImage { table: table.name.clone(), columns: image.columns.clone(), rows });
    }
    for image in &of.sequences {
        now.sequences.push(sequence(conn, &image.table)?);
    }
    Ok(now)
}
