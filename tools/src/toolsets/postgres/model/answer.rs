//! What a call that reads is shown as, and what a statement returns.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::params::Text;
use super::value::Json;
use crate::contract::{Digest, Findings, ToolError};
use crate::toolsets::postgres::connect::Tx;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The columns in order.
    pub columns: Vec<ColumnOut>,
    /// The rows, each in the order of the columns. 64-bit integers and decimals are exact and therefore strings, bytes are
    /// base64, times are RFC 3339; what JSON has no form for is PostgreSQL's own text.
    pub rows: Vec<Vec<Value>>,
    /// How many rows are in `rows`.
    pub row_count: u64,
    /// There are more rows than these: a limit of rows or bytes was reached.
    pub truncated: bool,
}

/// A column of the answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ColumnOut {
    name: String,
    /// PostgreSQL's name of the type: `int8`, `numeric`, `_text` for an array of text.
    #[serde(rename = "type")]
    kind: String,
}

/// What a call that reads is known by.
pub(crate) fn known_by(tx: &Tx<'_>, asked: &Value) -> Digest {
    Digest::of(&json!({ "database": tx.server.identity(), "asked": asked }))
}

/// What a call that reads is told as.
pub(crate) fn reading(tx: &Tx<'_>, verb: &str) -> Findings {
    Findings::on([tx.database()], format!("{verb} {}", tx.site().name))
}

/// What a change gives back by its RETURNING clause: every column of it has a decoder.
pub(crate) async fn returned(
    tx: &Tx<'_>,
    statement: &Statement,
    params: &[Text],
    most: u64,
) -> Result<Output, ToolError> {
    collect(tx, statement, params, columns(statement), most).await
}

pub(crate) fn columns(statement: &Statement) -> Vec<ColumnOut> {
    let out = |column: &tokio_postgres::Column| ColumnOut {
        name: column.name().to_owned(),
        kind: column.type_().name().to_owned(),
    };
    statement.columns().iter().map(out).collect()
}

pub(crate) async fn collect(
    tx: &Tx<'_>,
    statement: &Statement,
    params: &[Text],
    columns: Vec<ColumnOut>,
    most: u64,
) -> Result<Output, ToolError> {
    const PAGE: i32 = 100;
    let limit = tx.site().limits.output_bytes;
    let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|text| text as _).collect();
    let portal = tx.bind(statement, &params).await?;
    let mut output = Output { columns, rows: Vec::new(), row_count: 0, truncated: false };
    let mut bytes = 0;
    loop {
        let page = tx.page(&portal, PAGE).await?;
        let last = page.len() < PAGE.unsigned_abs() as usize;
        for row in page {
            bytes += row.raw_size_bytes() as u64;
            if output.row_count >= most || bytes > limit {
                output.truncated = true;
                return Ok(output);
            }
            output.rows.push(cells(&row)?);
            output.row_count += 1;
        }
        if last {
            return Ok(output);
        }
    }
}

pub(crate) fn cells(row: &Row) -> Result<Vec<Value>, ToolError> {
    (0..row.len())
        .map(|at| {
            row.try_get::<_, Json>(at).map(|json| json.0).map_err(|error| {
                let name = row.columns().get(at).map_or("?", |column| column.type_().name());
                ToolError::failed(format!("a value of type `{name}` cannot be read: {error}"))
            })
        })
        .collect()
}
