//! What there is in a database: relations and their columns, looked up in the catalogue by the names a call gives.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::contract::{Target, ToolError};
pub(crate) use crate::sql::quote;
use crate::text::shown;
use crate::toolsets::postgres::connect::{Tx, dotted};

/// A table, view, sequence or index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Its schema's name.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `v` view, `m` materialized view, `S` sequence, `f` foreign
    /// table, `i` and `I` indexes.
    pub kind: char,
    /// The name of its owner.
    pub owner: String,
    /// `pg_class.relpersistence`: `p` permanent, `u` unlogged, `t` temporary.
    pub persistence: char,
}

impl Relation {
    /// Schema and name, quoted.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// Schema and name for people.
    pub(crate) fn shown(&self) -> String {
        format!("{}.{}", shown(&self.schema), shown(&self.name))
    }

    /// What kind of thing it is, for people.
    pub(crate) const fn word(&self) -> &'static str {
        match self.kind {
            'p' => "partitioned table",
            'v' => "view",
            'm' => "materialized view",
            'S' => "sequence",
            'f' => "foreign table",
            'i' | 'I' => "index",
            _ => "table",
        }
    }

    /// It as a target of the call: `orders/public.bookings`, by the cluster's and its own id.
    pub(crate) fn target(&self, tx: &Tx<'_>) -> Target {
        let uid = format!("{}#{}", tx.server.identity(), self.oid);
        tx.site().target("postgres_table", &dotted(&[&self.schema, &self.name]), uid)
    }
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// `pg_attribute.attnum`.
    pub number: i16,
    /// Its name.
    pub name: String,
    /// Its type as SQL writes it, modifiers included.
    pub kind: String,
    /// It cannot be null.
    pub not_null: bool,
    /// Its default, or the expression that generates it.
    pub default: Option<String>,
    /// `pg_attribute.attgenerated`: `s` or `v` where it is generated from other columns.
    pub generated: Option<char>,
    /// `pg_attribute.attidentity`: `a` always, `d` by default.
    pub identity: Option<char>,
}

/// The relation of that name, as SQL would find it: `bookings`, `public.bookings`, `"Odd name"`.
///
/// # Errors
/// `Untouched`: there is none, or the name cannot be read.
pub(crate) async fn relation(tx: &Tx<'_>, name: &str) -> Result<Relation, ToolError> {
    let text = name.to_owned();
    let rows = tx
        .rows(
            &format!("{RELATION} WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::oid"),
            &[(&text, Type::TEXT)],
        )
        .await?;
    match rows.first() {
        Some(row) => read(row),
        None => Err(missing(tx, name).await),
    }
}

/// The relation of that id.
///
/// # Errors
/// `Untouched`: there is none.
pub(crate) async fn relation_of(tx: &Tx<'_>, oid: u32) -> Result<Relation, ToolError> {
    let rows = tx.rows(&format!("{RELATION} WHERE c.oid OPERATOR(pg_catalog.=) $1"), &[(&oid, Type::OID)]).await?;
    let row = rows.first().ok_or_else(|| ToolError::not_found(format!("there is no relation with the id {oid}")))?;
    read(row)
}

const RELATION: &str = "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, \
    pg_catalog.pg_get_userbyid(c.relowner)::text, c.relpersistence::text \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
    ON n.oid OPERATOR(pg_catalog.=) c.relnamespace";

fn read(row: &Row) -> Result<Relation, ToolError> {
    Ok(Relation {
        oid: cell(row, 0)?,
        schema: cell(row, 1)?,
        name: cell(row, 2)?,
        kind: letter(row, 3)?.unwrap_or('r'),
        owner: cell(row, 4)?,
        persistence: letter(row, 5)?.unwrap_or('p'),
    })
}

/// One value of a row of ours.
///
/// # Errors
/// `Untouched`: the server sent another type than the statement says.
pub(crate) fn cell<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Result<T, ToolError> {
    row.try_get(at).map_err(|error| ToolError::failed(format!("the catalogue holds something unexpected: {error}")))
}

fn letter(row: &Row, at: usize) -> Result<Option<char>, ToolError> {
    Ok(cell::<String>(row, at)?.chars().next())
}

/// The columns of a relation in order, without dropped ones.
pub(crate) async fn columns(tx: &Tx<'_>, oid: u32) -> Result<Vec<Column>, ToolError> {
    let sql = "SELECT a.attnum, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, \
        pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attgenerated::text, a.attidentity::text \
        FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
        WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    let rows = tx.rows(sql, &[(&oid, Type::OID)]).await?;
    rows.iter()
        .map(|row| {
            Ok(Column {
                number: cell(row, 0)?,
                name: cell(row, 1)?,
                kind: cell(row, 2)?,
                not_null: cell(row, 3)?,
                default: cell(row, 4)?,
                generated: letter(row, 5)?,
                identity: letter(row, 6)?,
            })
        })
        .collect()
}

/// That there is no such relation, with those whose name is nearest.
async fn missing(tx: &Tx<'_>, name: &str) -> ToolError {
    let error = ToolError::not_found(format!("there is no relation {} in `{}`", shown(name), tx.site().name));
    let text = name.rsplit('.').next().unwrap_or(name).replace('"', "");
    let sql = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
        AND (pg_catalog.strpos(pg_catalog.lower(c.relname::text), pg_catalog.lower($1)) > 0 \
          OR pg_catalog.strpos(pg_catalog.lower($1), pg_catalog.lower(c.relname::text)) > 0) \
        ORDER BY pg_catalog.length(c.relname::text), 1, 2 LIMIT 3";
    let near = tx.rows(sql, &[(&text, Type::TEXT)]).await.unwrap_or_default();
    let names: Vec<String> = near
        .iter()
        .filter_map(|row| {
            let (schema, name) = (cell::<String>(row, 0).ok()?, cell::<String>(row, 1).ok()?);
            Some(format!("`{}.{}`", shown(&schema), shown(&name)))
        })
        .collect();
    match names.is_empty() {
        true => error.with_next("`postgres_describe` lists what there is"),
        false => error.with_next(format!("did you mean {}?", names.join(" or "))),
    }
}
