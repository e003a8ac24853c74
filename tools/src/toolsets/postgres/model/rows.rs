//! Rows as they were and as they are, exactly: read by key and kept as text under the session's fixed settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::catalog::{cell, quote};
use super::layout::{Field, Layout};
use super::sequences::SequenceImage;
use super::types::TypeImage;
use crate::contract::ToolError;
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;

/// A column's values, by row; `None` is NULL.
pub(crate) type Texts = Vec<Option<String>>;

/// One row under its key, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowImage {
    /// The values of the table's key, as text.
    pub key: Vec<String>,
    /// The values of the stored columns as text, or null: no such row.
    pub row: Option<Texts>,
    /// A digest of the stored columns' bytes: two values can have one text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

/// Some rows of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableImage {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Names and types of its key's columns: with others the rows cannot be found.
    pub key: Vec<(String, String)>,
    /// Names and types of its stored columns: with others the rows do not fit.
    pub columns: Vec<(String, String)>,
    /// The numbers of the key's columns and then of the stored ones, by which they are known: names move. Images of earlier
    /// versions go by the names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<i16>,
    /// The rows.
    pub rows: Vec<RowImage>,
}

/// Rows of several tables at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Images {
    /// By table.
    pub tables: Vec<TableImage>,
    /// The sequences that moved.
    pub sequences: Vec<SequenceImage>,
    /// What the rows' text relies on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<TypeImage>,
}

impl RowImage {
    /// That there is no row of this key.
    pub(crate) const fn none(key: Vec<String>) -> Self {
        Self { key, row: None, bytes: None }
    }

    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> u64 {
        let values = self.row.iter().flatten().flatten().chain(&self.key).chain(&self.bytes);
        16 + values.map(|value| value.len() as u64 + 4).sum::<u64>()
    }
}

impl TableImage {
    /// These rows of a table.
    pub(crate) fn of(layout: &Layout, rows: Vec<RowImage>) -> Self {
        Self {
            oid: layout.oid,
            schema: layout.schema.clone(),
            table: layout.name.clone(),
            key: named(layout.key()),
            columns: named(layout.stored()),
            numbers: numbers(layout),
            rows,
        }
    }

    /// Why rows kept like this do not fit the table as it is now.
    pub(crate) fn misfit(&self, layout: &Layout) -> Option<String> {
        let name = layout.shown();
        if self.numbers.is_empty() {
            let fits = named(layout.key()) == self.key && named(layout.stored()) == self.columns;
            return (!fits).then(|| format!("{name} has other columns or another key now"));
        }
        let stored = self.numbers.get(self.key.len()..).unwrap_or_default();
        for ((column, kind), number) in self.columns.iter().zip(stored) {
            let column = shown(column);
            let Some(now) = layout.columns.iter().find(|field| field.number == *number) else {
                return Some(format!("the column {column} of {name} was dropped since"));
            };
            if now.generated {
                return Some(format!("the column {column} of {name} is generated from others now"));
            }
            if now.kind != *kind {
                return Some(format!("the column {column} of {name} was of type {kind} and is {} now", now.kind));
            }
        }
        if let Some(new) = layout.stored().find(|field| !stored.contains(&field.number)) {
            return Some(format!("the column {} came to {name} since", shown(&new.name)));
        }
        (numbers(layout) != self.numbers).then(|| format!("the rows of {name} are told apart by other columns now"))
    }

    /// What these rows are, whatever the table and its columns are called by now.
    pub(crate) fn identity(&self) -> Value {
        match self.numbers.is_empty() {
            true => json!(self),
            false => json!([self.oid, self.numbers, self.rows]),
        }
    }
}

fn numbers(layout: &Layout) -> Vec<i16> {
    layout.key().chain(layout.stored()).map(|field| field.number).collect()
}

fn named<'a>(fields: impl Iterator<Item = &'a Field>) -> Vec<(String, String)> {
    fields.map(|field| (field.name.clone(), field.kind.clone())).collect()
}

impl Images {
    /// About how many bytes they take.
    pub(crate) fn weight(&self) -> u64 {
        let rows = self.tables.iter().flat_map(|table| &table.rows).map(RowImage::weight);
        rows.chain(self.types.iter().map(TypeImage::weight)).sum()
    }

    /// What the rows are, as [`TableImage::identity`] tells it.
    pub(crate) fn identity(&self) -> Vec<Value> {
        self.tables.iter().map(TableImage::identity).collect()
    }

    /// The ids of the tables.
    pub(crate) fn oids(&self) -> Vec<u32> {
        self.tables.iter().map(|table| table.oid).collect()
    }
}

/// What to select for an image: the digest of the bytes, the key's columns, then the stored ones.
pub(crate) fn selection(layout: &Layout) -> String {
    let texts = layout.key().chain(layout.stored()).map(Field::text);
    std::iter::once(layout.bytes()).chain(texts).collect::<Vec<_>>().join(", ")
}

/// The image of a row selected so, from the column `at` on.
pub(crate) fn image(layout: &Layout, row: &Row, at: usize) -> Result<RowImage, ToolError> {
    let keys = layout.key.len();
    let bytes = cell(row, at)?;
    let at = at + 1;
    let key = (at..at + keys).map(|at| cell(row, at)).collect::<Result<_, _>>()?;
    let stored = layout.stored().count();
    let values = (at + keys..at + keys + stored).map(|at| cell(row, at)).collect::<Result<_, _>>()?;
    Ok(RowImage { key, row: Some(values), bytes: Some(bytes) })
}

/// Lists as parameters, and how they are unnested under the names `k0`, `k1` …
pub(crate) struct Lists {
    columns: Vec<Texts>,
}

impl Lists {
    /// The lists of these rows' values, column by column.
    pub(crate) fn of<'a>(width: usize, rows: impl Iterator<Item = Vec<Option<&'a String>>>) -> Self {
        let mut columns: Vec<Texts> = vec![Vec::new(); width];
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value.cloned());
            }
        }
        Self { columns }
    }

    /// `ROWS FROM (unnest($1::text[]), …)`
    pub(crate) fn from(&self) -> String {
        let list = |at| format!("pg_catalog.unnest(${at}::pg_catalog.text[])");
        let lists: Vec<String> = (1..=self.columns.len()).map(list).collect();
        format!("ROWS FROM ({})", lists.join(", "))
    }

    /// `k0, k1 …`
    pub(crate) fn names(&self) -> String {
        (0..self.columns.len()).map(|at| format!("k{at}")).collect::<Vec<_>>().join(", ")
    }

    /// The parameters.
    pub(crate) fn params(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.columns.iter().map(|column| (column as _, Type::TEXT_ARRAY)).collect()
    }
}

/// How the value at a place of [`Lists`] is written.
pub(crate) fn place(at: usize) -> String {
    format!("k.k{at}")
}

/// The rows of these keys as they are now, in the same order.
pub(crate) async fn current(tx: &Tx<'_>, layout: &Layout, keys: &[Vec<String>]) -> Result<Vec<RowImage>, ToolError> {
    let mut found = BTreeMap::new();
    let places: Vec<String> = (0..layout.key.len()).map(place).collect();
    for some in keys.chunks(1_000) {
        let lists = Lists::of(places.len(), some.iter().map(|key| key.iter().map(Some).collect()));
        let sql = format!(
            "SELECT {} FROM {} AS k ({}) JOIN ONLY {} AS t ON {}",
            selection(layout),
            lists.from(),
            lists.names(),
            layout.quoted(),
            layout.matches(&places)
        );
        for row in &tx.rows(&sql, &lists.params()).await? {
            let image = image(layout, row, 0)?;
            found.insert(image.key.clone(), image);
        }
    }
    Ok(keys.iter().map(|key| found.remove(key).unwrap_or_else(|| RowImage::none(key.clone()))).collect())
}

/// Takes rows of these keys away; how many there were.
pub(crate) async fn delete(tx: &Tx<'_>, layout: &Layout, rows: &[&RowImage]) -> Result<(), ToolError> {
    let places: Vec<String> = (0..layout.key.len()).map(place).collect();
    let lists = Lists::of(places.len(), rows.iter().map(|row| row.key.iter().map(Some).collect()));
    let (from, names) = (lists.from(), lists.names());
    let (table, matches) = (layout.quoted(), layout.matches(&places));
    let sql = format!("DELETE FROM ONLY {table} AS t USING {from} AS k ({names}) WHERE {matches}");
    tx.rows(&sql, &lists.params()).await.map(drop)
}

/// Puts rows in that are not there.
pub(crate) async fn insert(tx: &Tx<'_>, layout: &Layout, rows: &[&RowImage]) -> Result<(), ToolError> {
    let stored: Vec<&Field> = layout.stored().collect();
    let values = rows.iter().map(|row| row.row.iter().flatten().map(Option::as_ref).collect());
    let lists = Lists::of(stored.len(), values);
    let columns: Vec<String> = stored.iter().map(|field| quote(&field.name)).collect();
    let values: Vec<String> = stored.iter().enumerate().map(|(at, field)| field.value(&place(at))).collect();
    let sql = format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS k ({})",
        layout.quoted(),
        columns.join(", "),
        values.join(", "),
        lists.from(),
        lists.names()
    );
    tx.rows(&sql, &lists.params()).await.map(drop)
}

/// Makes the rows of some keys into other ones. Only columns that differ somewhere are written.
pub(crate) async fn update(tx: &Tx<'_>, layout: &Layout, pairs: &[(&RowImage, &RowImage)]) -> Result<(), ToolError> {
    let keys = layout.key.len();
    let stored: Vec<&Field> = layout.stored().collect();
    let differs = |at: &usize| {
        pairs.iter().any(|(from, to)| {
            let value = |image: &RowImage| image.row.as_ref().and_then(|row| row.get(*at).cloned());
            value(from) != value(to)
        })
    };
    let written: Vec<usize> = (0..stored.len()).filter(differs).collect();
    let values = pairs.iter().map(|(from, to)| {
        let row = to.row.as_deref().unwrap_or_default();
        let new = written.iter().map(|at| row.get(*at).and_then(Option::as_ref));
        from.key.iter().map(Some).chain(new).collect()
    });
    let lists = Lists::of(keys + written.len(), values);
    let set = written.iter().enumerate().filter_map(|(at, column)| {
        let field = stored.get(*column)?;
        Some(format!("{} = {}", quote(&field.name), field.value(&place(keys + at))))
    });
    let set: Vec<String> = set.collect();
    if set.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = (0..keys).map(place).collect();
    let sql = format!(
        "UPDATE ONLY {} AS t SET {} FROM {} AS k ({}) WHERE {}",
        layout.quoted(),
        set.join(", "),
        lists.from(),
        lists.names(),
        layout.matches(&places)
    );
    tx.rows(&sql, &lists.params()).await.map(drop)
}
