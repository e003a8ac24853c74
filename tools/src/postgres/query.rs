//! `postgres_query`: one read. Each of these keeps it from changing anything: the classifier, the extended protocol's one
//! statement, a read-only transaction that is rolled back, and the role, which should be able to do no more.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::CREDENTIAL;
use super::code;
use super::params::{self, Text};
use super::session::{Mode, Session, Tx};
use super::value::{self, Json};
use crate::contract::{
    Audience, BlastRadius, Digest, Done, Lease, Preflight, Promise, Reversibility, Scope, ToolError, TypedTool,
};
use crate::sql::{self, Class, Dialect, Uses, examine};

pub(super) struct PostgresQuery;

/// What to ask.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// The configured database.
    #[expect(dead_code, reason = "it is part of the schema; the lease says which target it is")]
    target: String,
    /// Exactly one statement that reads: SELECT, WITH … SELECT, VALUES, TABLE, SHOW or EXPLAIN.
    sql: String,
    /// The values of `$1`, `$2` … in order, as JSON; numbers, text and timestamps may be strings.
    #[serde(default)]
    params: Vec<Value>,
    /// How many rows at most; the gateway's own limit holds as well.
    #[serde(default)]
    limit: Option<u64>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
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
pub(super) struct ColumnOut {
    name: String,
    /// PostgreSQL's name of the type: `int8`, `numeric`, `_text` for an array of text.
    #[serde(rename = "type")]
    kind: String,
}

#[async_trait]
impl TypedTool for PostgresQuery {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_query",
            kind: "postgres",
            title: "Query a PostgreSQL database",
            description: "Runs exactly one read (SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN) in a read-only transaction \
                          and returns its rows. Only functions known to be harmless are allowed. postgres_describe tells \
                          about schemas, tables and columns.",
            reversibility: Reversibility::ReadOnly,
            softened_by: Vec::new(),
            scope: Scope::Resource,
            idempotent: true,
            open_world: false,
            credential: CREDENTIAL,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let uses = only_a_read(&args.sql)?;
        let mut session = Session::open(lease).await?;
        // A preview tells what the call would be told; what the names mean can change until then, so the call asks again.
        let tx = session.begin(Mode::ReadOnly).await?;
        only_harmless_code(&tx, &uses).await?;
        tx.rollback().await?;
        Ok(read_preflight(&session, &json!([args.sql, args.params]), "query"))
    }

    fn aim(&self, args: &Args, seen: &Preflight) -> Vec<Value> {
        let tables = sql::tables(&args.sql, Dialect::Postgres);
        if tables.is_empty() { seen.aim() } else { tables.into_iter().map(Value::from).collect() }
    }

    async fn run(&self, args: &Args, _seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let uses = only_a_read(&args.sql)?;
        let mut session = Session::open(lease).await?;
        let tx = session.begin(Mode::ReadOnly).await?;
        // Before the statement is as much as analysed: that already converts literals, and runs a domain's CHECK for a row.
        only_harmless_code(&tx, &uses).await?;
        let most = args.limit.unwrap_or(u64::MAX).min(lease.limits().output_rows);
        let output = answer(&tx, &args.sql, &args.params, most).await?;
        tx.rollback().await?;
        Ok(Done::read(output))
    }
}

/// Refuses a read that may run code that is not known to be harmless.
async fn only_harmless_code(tx: &Tx<'_>, uses: &Uses) -> Result<(), ToolError> {
    code::of_statement(tx, uses, &[]).await?.refuse("not certainly a read")
}

/// The preflight of a call that reads.
pub(super) fn read_preflight(session: &Session, asked: &Value, verb: &str) -> Preflight {
    Preflight {
        targets: vec![session.database()],
        blast_radius: BlastRadius::one(Scope::Resource),
        reversibility: Reversibility::ReadOnly,
        destroys_recovery: false,
        evidence: vec![session.whereabouts()],
        alternative: None,
        fingerprint: Digest::of(&json!({ "database": session.server.identity(), "asked": asked })),
        summary: format!("{verb} {}", session.site.name),
        pre_image: None,
    }
}

/// Refuses what is no read as far as its text tells; what it names is for [`code::of_statement`].
pub(super) fn only_a_read(sql: &str) -> Result<Uses, ToolError> {
    let refuse = |what: String, next: &str| Err(ToolError::refused(format!("not a read: {what}")).with_next(next));
    let (class, uses) = match examine(sql) {
        Ok(examined) => examined,
        Err(refusal) => {
            return refuse(refusal.to_string(), "send exactly one SELECT that calls built-in functions only");
        }
    };
    match class {
        Class::Read => Ok(uses),
        Class::Write(write) => refuse(format!("it would {} rows", write.verb.as_str()), "use `postgres_write`"),
        Class::Schema { what, .. } if what.starts_with("DROP") => {
            refuse(what.into(), "use `postgres_drop`: it moves the thing into a quarantine and can be undone")
        }
        Class::Schema { what, .. } => refuse(what.into(), "use `postgres_alter` for additions"),
        Class::Other { what } => refuse(what, "send one SELECT"),
    }
}

/// Runs a read and keeps its rows, at most so many and so many bytes of them.
pub(super) async fn answer(tx: &Tx<'_>, sql: &str, given: &[Value], most: u64) -> Result<Output, ToolError> {
    let mut statement = tx.prepare(sql).await?;
    let columns = columns(&statement);
    if let Some(asked) = as_text(sql, &statement) {
        statement = tx.prepare(&asked).await?;
    }
    let params = params::of_call(given, statement.params())?;
    collect(tx, &statement, &params, columns, most).await
}

/// What a change gives back by its RETURNING clause: every column of it has a decoder.
pub(super) async fn returned(
    tx: &Tx<'_>,
    statement: &Statement,
    params: &[Text],
    most: u64,
) -> Result<Output, ToolError> {
    collect(tx, statement, params, columns(statement), most).await
}

fn columns(statement: &Statement) -> Vec<ColumnOut> {
    let out = |column: &tokio_postgres::Column| ColumnOut {
        name: column.name().to_owned(),
        kind: column.type_().name().to_owned(),
    };
    statement.columns().iter().map(out).collect()
}

/// The same rows with every column as text whose type has no decoder here; `None` where there is no such column.
fn as_text(sql: &str, statement: &Statement) -> Option<String> {
    let columns = statement.columns();
    if columns.iter().all(|column| value::is_known(column.type_())) {
        return None;
    }
    let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
    let shown: Vec<String> = columns
        .iter()
        .zip(&names)
        .map(|(column, name)| match value::is_known(column.type_()) {
            true => format!("q.{name}"),
            false => format!("q.{name}::pg_catalog.text"),
        })
        .collect();
    let sql = sql.trim().trim_end_matches(';');
    // The line break ends a comment that the statement may end with.
    Some(format!("SELECT {} FROM ({sql}\n) AS q ({})", shown.join(", "), names.join(", ")))
}

async fn collect(
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

fn cells(row: &Row) -> Result<Vec<Value>, ToolError> {
    (0..row.len())
        .map(|at| {
            row.try_get::<_, Json>(at).map(|json| json.0).map_err(|error| {
                let name = row.columns().get(at).map_or("?", |column| column.type_().name());
                ToolError::failed(format!("a value of type `{name}` cannot be read: {error}"))
            })
        })
        .collect()
}
