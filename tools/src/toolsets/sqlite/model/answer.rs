//! What a call that reads is shown as, and what a statement returns.

use rusqlite::{ErrorCode, Statement};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::value;
use crate::contract::{Digest, Findings};
use crate::toolsets::sqlite::connect::Site;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The columns in order.
    pub(crate) columns: Vec<ColumnOut>,
    /// The rows, each in the order of the columns. Integers are exact even beyond 2^53; bytes are `{"base64": …}`; a real
    /// that JSON does not have is text.
    pub(crate) rows: Vec<Vec<Value>>,
    /// How many rows are in `rows`.
    pub(crate) row_count: u64,
    /// There are more rows than these: a limit of rows or bytes was reached.
    pub(crate) truncated: bool,
}

/// A column of the answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ColumnOut {
    pub(crate) name: String,
    /// The type declared for it, where it is a column of a table.
    #[serde(rename = "type")]
    pub(crate) declared: Option<String>,
}

/// The digest of what a call asks of a database.
pub(crate) fn asked(site: &Site, what: &Value) -> Digest {
    Digest::of(&json!({ "uid": site.uid, "asked": what }))
}

/// What is found of a call that reads.
pub(crate) fn findings(site: &Site, verb: &str) -> Findings {
    Findings::on([site.database()], format!("{verb} {}", site.name))
}

/// Runs a statement and keeps its rows, at most so many and so many bytes of them. With `cut_long`, a read ends before a
/// later row that holds too long a value.
pub(crate) fn collect(
    site: &Site,
    statement: &mut Statement<'_>,
    most: u64,
    cut_long: bool,
) -> rusqlite::Result<Output> {
    let columns: Vec<ColumnOut> = statement
        .columns()
        .map(|column| ColumnOut { name: column.name().to_owned(), declared: column.decl_type().map(str::to_owned) })
        .collect();
    let width = columns.len();
    let mut output = Output { columns, rows: Vec::new(), row_count: 0, truncated: false };
    let mut bytes = output.columns.iter().map(|column| column.name.len() as u64).sum::<u64>();
    let statement_reads = statement.readonly();
    let mut found = statement.query([])?;
    loop {
        let row = match found.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            // A row that may not be held ends a read as one that may not be shown does.
            Err(error) if too_big(&error) && statement_reads && cut_long && output.row_count > 0 => {
                output.truncated = true;
                break;
            }
            Err(error) => return Err(error),
        };
        if output.row_count >= most {
            output.truncated = true;
            break;
        }
        let mut cells = Vec::with_capacity(width);
        for at in 0..width {
            let cell = row.get_ref(at)?;
            // A value that alone is over the limit is not even turned into JSON.
            bytes += cell.as_bytes_or_null().ok().flatten().map_or(16, |bytes| bytes.len() as u64 + 4);
            if bytes > site.limits.output_bytes {
                break;
            }
            cells.push(value::plain(cell));
        }
        if bytes > site.limits.output_bytes {
            output.truncated = true;
            break;
        }
        output.rows.push(cells);
        output.row_count += 1;
    }
    // A change with RETURNING must come to its end even when not all of its rows are shown.
    while output.truncated && !statement_reads && found.next()?.is_some() {}
    Ok(output)
}

pub(crate) fn too_big(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::TooBig)
}
