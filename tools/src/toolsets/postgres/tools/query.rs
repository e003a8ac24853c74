//! `postgres_query`: one read. Each of these keeps it from changing anything: the classifier, the extended protocol's one
//! statement, a read-only transaction that is rolled back, and the role, which should be able to do no more.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::Statement;

use crate::contract::{Audience, Done, Lease, Preflight, Promise, Reversibility, Scope, ToolError, TypedTool};
use crate::sql::{self, Class, Dialect, Uses, examine};
use crate::toolsets::postgres::connect::{Mode, Session, Tx};
use crate::toolsets::postgres::model::CREDENTIAL;
use crate::toolsets::postgres::model::answer::{Output, collect, columns, read_preflight};
use crate::toolsets::postgres::model::code;
use crate::toolsets::postgres::model::params;
use crate::toolsets::postgres::model::value;

pub(crate) struct PostgresQuery;

/// What to ask.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
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
