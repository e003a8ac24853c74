//! `postgres_query`: one read. Each of these keeps it from changing anything: the classifier, the extended protocol's one
//! statement, a read-only transaction that is rolled back, and the role, which should be able to do no more.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::Statement;

use crate::contract::{Digest, Findings, Preflight, Read, Spec, ToolError};
use crate::sql::{self, Class, Dialect, Uses, examine};
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::answer::{Output, collect, columns, known_by, reading};
use crate::toolsets::postgres::model::asked::Known;
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::{code, params, value};

/// Asks for rows.
pub(crate) struct Query;

/// What to ask.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// Exactly one statement that reads: SELECT, WITH … SELECT, VALUES, TABLE, SHOW or EXPLAIN.
    sql: String,
    /// The values of `$1`, `$2` … in order, as JSON; numbers, text and timestamps may be strings.
    #[serde(default)]
    params: Vec<Value>,
    /// How many rows at most; the gateway's own limit holds as well.
    #[serde(default)]
    limit: Option<u64>,
    #[serde(skip)]
    uses: Known<Uses>,
}

impl Args {
    fn uses(&self) -> Result<&Uses, ToolError> {
        self.uses.or(|| only_a_read(&self.sql))
    }
}

#[async_trait]
impl Read for Query {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Digest;
    const SPEC: Spec = Spec::read(
        "postgres_query",
        "Query a PostgreSQL database",
        "Runs exactly one read (SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN) in a read-only transaction \
         and returns its rows. Only functions known to be harmless are allowed. postgres_describe tells \
         about schemas, tables and columns.",
    );

    fn check(args: &Args) -> Result<(), ToolError> {
        args.uses().map(drop)
    }

    /// A preview tells what the call would be told; what the names mean can change until then, so the call asks again: before the
    /// statement is as much as analysed, which already converts literals, and runs a domain's CHECK for a row.
    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Digest, ToolError> {
        code::of_statement(tx, args.uses()?, &[]).await?.refuse("not certainly a read")?;
        Ok(known_by(tx, &json!([args.sql, args.params])))
    }

    fn describe(_args: &Args, _seen: &Digest, tx: &Tx<'_>) -> Findings {
        reading(tx, "query")
    }

    async fn read(args: &Args, _seen: Digest, tx: &mut Tx<'_>) -> Result<Output, ToolError> {
        let most = args.limit.unwrap_or(u64::MAX).min(tx.site().limits.output_rows);
        answer(tx, &args.sql, &args.params, most).await
    }

    fn aim(args: &Args, seen: &Preflight) -> Vec<Value> {
        let tables = sql::tables(&args.sql, Dialect::Postgres);
        if tables.is_empty() { seen.aim() } else { tables.into_iter().map(Value::from).collect() }
    }
}

/// Refuses what is no read as far as its text tells; what it names is for [`code::of_statement`].
pub(crate) fn only_a_read(sql: &str) -> Result<Uses, ToolError> {
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
pub(crate) async fn answer(tx: &Tx<'_>, sql: &str, given: &[Value], most: u64) -> Result<Output, ToolError> {
    let mut statement = tx.prepare(sql).await?;
    let columns = columns(&statement);
    if let Some(asked) = as_text(sql, &statement) {
        statement = tx.prepare(&asked).await?;
    }
    let params = params::of_call(given, statement.params())?;
    collect(tx, &statement, &params, columns, most).await
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
