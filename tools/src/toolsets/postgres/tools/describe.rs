//! `postgres_describe`: what is in a database: schemas and relations, or all about one of them, and what lies in the
//! quarantine.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::types::Type;

use crate::contract::{Digest, Findings, Read, Spec, ToolError};
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::anatomy::{self, TableOut};
use crate::toolsets::postgres::model::answer::{known_by, reading};
use crate::toolsets::postgres::model::catalog::{self, quote};
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::listing::{Room, plain_path};

/// Describes a database.
pub(crate) struct Describe;

/// What to describe.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// Only this schema, by its exact name.
    #[serde(default)]
    schema: Option<String>,
    /// All about one table, view, sequence or index: beside `schema` by its exact name, alone as SQL would find it
    /// (`bookings`, `sales.bookings`, `"Odd name"`).
    #[serde(default)]
    table: Option<String>,
}

/// What is there.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Schemas by name; only without `table`.
    schemas: Vec<SchemaOut>,
    /// Tables, views, sequences and foreign tables by name, without partitions; only without `table`.
    relations: Vec<RelationOut>,
    /// The relation that `table` names.
    table: Option<Box<TableOut>>,
    /// Dropped relations that can still be brought back: they lie in schemas whose names start with `mollyguard_trash`.
    quarantine: Vec<KeptOut>,
    /// There is more than this.
    truncated: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct SchemaOut {
    name: String,
    owner: String,
    /// Tables, views, sequences and foreign tables in it.
    relations: u64,
    /// Whether the session's role may use what is in it, and create in it.
    usable: bool,
    creatable: bool,
    comment: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct RelationOut {
    schema: String,
    name: String,
    /// `table`, `partitioned table`, `view`, `materialized view`, `sequence` or `foreign table`.
    kind: String,
    owner: String,
    /// As the last ANALYZE or VACUUM found; null where there was none.
    estimated_rows: Option<i64>,
    /// With indexes and out-of-line values, and with all partitions; null while somebody locks it exclusively.
    bytes: Option<i64>,
    comment: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct KeptOut {
    /// Its name in the quarantine.
    quarantined_as: String,
    kind: String,
    owner: String,
    estimated_rows: Option<i64>,
    bytes: Option<i64>,
    comment: Option<String>,
}

#[async_trait]
impl Read for Describe {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Digest;
    const SPEC: Spec = Spec::read(
        "postgres_describe",
        "Describe a PostgreSQL database",
        "Without `table`: schemas and relations with kind, estimated rows, bytes and comments, and the \
         dropped relations that can still be brought back. With `table`: its columns, keys, indexes, \
         constraints, foreign keys in both directions, triggers, policies, partitions, and what the \
         session's role may do with it.",
    );

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Digest, ToolError> {
        Ok(known_by(tx, &json!([args.schema, args.table])))
    }

    fn describe(_args: &Args, _seen: &Digest, tx: &Tx<'_>) -> Findings {
        reading(tx, "describe")
    }

    async fn read(args: &Args, _seen: Digest, tx: &mut Tx<'_>) -> Result<Output, ToolError> {
        match &args.table {
            Some(table) => one(tx, args.schema.as_deref(), table).await,
            None => all(tx, args.schema.as_deref()).await,
        }
    }
}

async fn one(tx: &Tx<'_>, schema: Option<&str>, table: &str) -> Result<Output, ToolError> {
    let relation = match schema {
        Some(schema) => catalog::relation(tx, &format!("{}.{}", quote(schema), quote(table))).await?,
        None => catalog::relation(tx, table).await?,
    };
    plain_path(tx).await?;
    let mut room = Room::of(tx);
    let table = anatomy::of(tx, &relation, &mut room).await?;
    Ok(Output { table: Some(Box::new(table)), truncated: room.truncated, ..Output::default() })
}

async fn all(tx: &Tx<'_>, schema: Option<&str>) -> Result<Output, ToolError> {
    plain_path(tx).await?;
    let mut room = Room::of(tx);
    let name = schema.map(str::to_owned);
    let schemas: Vec<SchemaOut> = room.list(tx, SCHEMAS, &[(&name, Type::TEXT)]).await?;
    if let (Some(schema), true) = (schema, schemas.is_empty() && !room.truncated) {
        return Err(ToolError::not_found(format!("there is no schema {} in `{}`", shown(schema), tx.site().name))
            .with_next("`postgres_describe` without `schema` lists those there are"));
    }
    let sql = format!("{LOCKED} SELECT n.nspname AS schema, c.relname AS name, {FACTS} ({ORDINARY}) ORDER BY 1, 2");
    let relations = room.list(tx, &sql, &[(&name, Type::TEXT)]).await?;
    let sql =
        format!("{LOCKED} SELECT n.nspname || '.' || c.relname AS quarantined_as, {FACTS} {QUARANTINED} ORDER BY 1");
    let quarantine = room.list(tx, &sql, &[]).await?;
    Ok(Output { schemas, relations, table: None, quarantine, truncated: room.truncated })
}

/// The server's own schemas are shown only when asked for by name.
const SCHEMAS: &str = "SELECT n.nspname AS name, pg_catalog.pg_get_userbyid(n.nspowner) AS owner, \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid \
     AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND NOT c.relispartition) AS relations, \
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable, \
    pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS creatable, \
    pg_catalog.left(pg_catalog.obj_description(n.oid, 'pg_namespace'), 1000) AS comment \
    FROM pg_catalog.pg_namespace n WHERE CASE WHEN $1 IS NOT NULL THEN n.nspname = $1 \
    ELSE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT LIKE 'mollyguard\\_trash%' END \
    ORDER BY n.nspname";

const ORDINARY: &str = "CASE WHEN $1 IS NOT NULL THEN n.nspname = $1 \
    ELSE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' END AND n.nspname NOT LIKE 'mollyguard\\_trash%'";

/// The quarantine without its own list.
const QUARANTINED: &str = "n.nspname LIKE 'mollyguard\\_trash%' \
    AND NOT (n.nspname = 'mollyguard_trash' AND c.relname = 'dropped')";

/// Asking for the size of these would wait for the lock.
const LOCKED: &str = "WITH locked AS MATERIALIZED (SELECT l.relation FROM pg_catalog.pg_locks l \
    JOIN pg_catalog.pg_database d ON d.oid = l.database \
    WHERE d.datname = pg_catalog.current_database() AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock')";

const FACTS: &str = "CASE c.relkind WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' \
     WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind, \
    pg_catalog.pg_get_userbyid(c.relowner) AS owner, \
    CASE WHEN c.relkind IN ('r', 'p', 'm') AND c.reltuples >= 0 THEN c.reltuples::int8 END AS estimated_rows, \
    CASE WHEN c.relkind IN ('r', 'p', 'm', 'S') THEN (SELECT CASE \
      WHEN pg_catalog.bool_or(part.oid IN (SELECT locked.relation FROM locked)) THEN NULL \
      ELSE pg_catalog.sum(CASE WHEN part.oid NOT IN (SELECT locked.relation FROM locked) \
       THEN pg_catalog.pg_total_relation_size(part.oid) END)::int8 END \
     FROM (SELECT c.oid UNION SELECT t.relid::oid FROM pg_catalog.pg_partition_tree(c.oid) t) AS part (oid)) END AS bytes, \
    pg_catalog.left(pg_catalog.obj_description(c.oid, 'pg_class'), 1000) AS comment \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND NOT c.relispartition AND";
