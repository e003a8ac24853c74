//! Looks for held secrets in what a database holds, bounded in tables, rows and bytes. Only columns of built-in types in
//! tables without row security are read, and only where no code runs for it that is not known to be harmless.

use serde::{Deserialize, Serialize};

use crate::contract::{HeldSecrets, Lease, Search, ToolError};
use crate::text::shown;
use crate::toolsets::postgres::connect::{Mode, Session, Tx};
use crate::toolsets::postgres::model::catalog::cell;
use crate::toolsets::postgres::model::code::{self, Doing};
use crate::toolsets::postgres::model::listing::{Room, plain_path};

/// How much is read at most.
const MOST_READ: usize = 32 << 20;
/// How much of one value.
const OF_A_VALUE: usize = 4096;
/// How much of one table.
const OF_A_TABLE: usize = 4 << 20;
/// How many rows of one table.
const MOST_ROWS: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct Readable {
    oid: u32,
    schema: String,
    name: String,
    /// The columns, quoted.
    columns: Vec<String>,
    /// Some columns are not looked at.
    others: bool,
}

/// Tables this role may read, with the columns whose types are the server's own: text, names, JSON, bytes and numbers.
const READABLE: &str = "SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, \
    COALESCE(pg_catalog.array_agg(pg_catalog.quote_ident(a.attname) ORDER BY a.attnum) \
      FILTER (WHERE a.atttypid IN (17, 19, 20, 23, 25, 114, 1042, 1043, 1700, 3802)), '{}') AS columns, \
    pg_catalog.bool_or(a.atttypid NOT IN (16, 17, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, \
      1082, 1083, 1114, 1184, 1266, 1700, 2950, 3802)) AS others \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
    WHERE c.relkind IN ('r', 'm') AND NOT c.relrowsecurity AND a.attnum > 0 AND NOT a.attisdropped \
    AND a.attgenerated = '' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' \
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') \
    GROUP BY c.oid, n.nspname, c.relname ORDER BY n.nspname, c.relname";

/// Looks into every table that a call could read.
pub(crate) async fn search(lease: &Lease, held: &dyn HeldSecrets) -> Result<Search, ToolError> {
    let mut session = Session::open(lease).await?;
    let tx = session.begin(Mode::ReadOnly).await?;
    plain_path(&tx).await?;
    let mut room = Room::of(&tx);
    let tables = room.list::<Readable>(&tx, READABLE, &[]).await?;
    let partial = room.truncated || tables.iter().any(|table| table.others);
    let mut search = Search { partial, ..Search::default() };
    let mut left = MOST_READ;
    for table in tables.iter().filter(|table| !table.columns.is_empty()) {
        let code = code::of_relations(&tx, &[table.oid], Doing::Reading).await?;
        if !code.acts.is_empty() {
            search.partial = true;
            continue;
        }
        match look(&tx, table, held, &mut search).await {
            Ok(read) => left = left.saturating_sub(read),
            Err(_) => {
                // The transaction is over: nothing more can be read in it.
                search.partial = true;
                return Ok(search);
            }
        }
        if left == 0 {
            search.partial = true;
            break;
        }
    }
    tx.rollback().await?;
    Ok(search)
}

async fn look(tx: &Tx<'_>, table: &Readable, held: &dyn HeldSecrets, search: &mut Search) -> Result<usize, ToolError> {
    let most = (OF_A_TABLE / (table.columns.len() * OF_A_VALUE)).clamp(1, MOST_ROWS);
    let values = table.columns.iter().map(|column| format!("pg_catalog.left(t.{column}::text, {OF_A_VALUE})"));
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let sql = format!(
        "SELECT pg_catalog.concat_ws(E'\\n', {}) FROM ONLY {}.{} AS t LIMIT {}",
        values.collect::<Vec<_>>().join(", "),
        quoted(&table.schema),
        quoted(&table.name),
        most + 1
    );
    let place = format!("table {}", shown(&format!("{}.{}", table.schema, table.name)));
    let rows = tx.rows(&sql, &[]).await?;
    search.partial |= rows.len() > most;
    let mut read = 0;
    for row in &rows {
        let text: &str = cell(row, 0)?;
        search.look(held, text.as_bytes(), &place);
        read += text.len();
    }
    Ok(read)
}
