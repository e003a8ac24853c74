//! All about one relation, read from the catalogue. Definitions are the server's own text, with every schema named.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use super::catalog::Relation;
use super::listing::Room;
use super::quarantine::TRASH;
use crate::contract::ToolError;
use crate::toolsets::postgres::connect::Tx;

/// A relation with everything that hangs on it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TableOut {
    schema: String,
    name: String,
    kind: String,
    owner: String,
    /// It was dropped and lies in the quarantine.
    quarantined: bool,
    #[serde(flatten)]
    head: Head,
    columns: Vec<ColumnOut>,
    /// The columns of the primary key in order.
    primary_key: Vec<String>,
    indexes: Vec<IndexOut>,
    /// Primary key, unique, check and exclusion constraints.
    constraints: Vec<ConstraintOut>,
    /// Foreign keys of this table.
    references: Vec<ForeignKeyOut>,
    /// Foreign keys of others that point here.
    referenced_by: Vec<ForeignKeyOut>,
    triggers: Vec<TriggerOut>,
    /// Row security policies.
    policies: Vec<PolicyOut>,
    partitions: Vec<PartitionOut>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Head {
    comment: Option<String>,
    /// As the last ANALYZE or VACUUM found; null where there was none.
    estimated_rows: Option<i64>,
    /// With indexes and out-of-line values, without partitions.
    bytes: Option<i64>,
    /// What crashes and sessions leave of it: `permanent`, `unlogged` or `temporary`.
    persistence: String,
    /// Rows are filtered by the policies, unless the role owns it or passes over them.
    row_security: bool,
    /// The policies hold for the owner, too.
    row_security_forced: bool,
    /// What a view or an index is made of.
    definition: Option<String>,
    /// How it is partitioned.
    partitioned_by: Option<String>,
    /// The table it is a partition of.
    partition_of: Option<String>,
    /// What the session's role may do with it: `SELECT`, `INSERT` …, and `OWNER`.
    privileges: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ColumnOut {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    not_null: bool,
    default: Option<String>,
    /// The expression it is generated from.
    generated: Option<String>,
    /// `always` or `by default`.
    identity: Option<String>,
    comment: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct IndexOut {
    name: String,
    unique: bool,
    /// False while it is built, or after building it failed.
    valid: bool,
    definition: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ConstraintOut {
    name: String,
    /// `primary key`, `unique`, `check`, `exclusion`, `not null` or `trigger`.
    kind: String,
    definition: String,
    /// Whether rows that were there before it hold to it.
    validated: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ForeignKeyOut {
    name: String,
    /// The table whose rows point.
    from: String,
    from_columns: Vec<String>,
    /// The table they point to.
    to: String,
    to_columns: Vec<String>,
    /// `no action`, `restrict`, `cascade`, `set null` or `set default`.
    on_update: String,
    on_delete: String,
    deferrable: bool,
    validated: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct TriggerOut {
    name: String,
    enabled: bool,
    definition: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct PolicyOut {
    name: String,
    /// `ALL`, `SELECT`, `INSERT`, `UPDATE` or `DELETE`.
    command: String,
    permissive: bool,
    roles: Vec<String>,
    using: Option<String>,
    check: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct PartitionOut {
    name: String,
    bounds: Option<String>,
    estimated_rows: Option<i64>,
}

/// Reads everything about a relation, as much as there is room for.
///
/// # Errors
/// `Untouched`: it is gone, or locked exclusively.
pub(crate) async fn of(tx: &Tx<'_>, relation: &Relation, room: &mut Room) -> Result<TableOut, ToolError> {
    let oid = &[(&relation.oid as _, Type::OID)];
    let gone = || ToolError::not_found(format!("`{}` is there no more", relation.shown()));
    Ok(TableOut {
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        kind: relation.word().to_owned(),
        owner: relation.owner.clone(),
        quarantined: relation.schema.starts_with(TRASH),
        head: room.first(tx, HEAD, oid).await?.ok_or_else(gone)?,
        columns: room.list(tx, COLUMNS, oid).await?,
        primary_key: room.list::<Named>(tx, PRIMARY_KEY, oid).await?.into_iter().map(|key| key.name).collect(),
        indexes: room.list(tx, INDEXES, oid).await?,
        constraints: room.list(tx, CONSTRAINTS, oid).await?,
        references: room.list(tx, &foreign_keys("conrelid"), oid).await?,
        referenced_by: room.list(tx, &foreign_keys("confrelid"), oid).await?,
        triggers: room.list(tx, TRIGGERS, oid).await?,
        policies: room.list(tx, POLICIES, oid).await?,
        partitions: room.list(tx, PARTITIONS, oid).await?,
    })
}

#[derive(Serialize, Deserialize)]
struct Named {
    name: String,
}

const HEAD: &str = "SELECT pg_catalog.left(pg_catalog.obj_description(c.oid, 'pg_class'), 4000) AS comment, \
    CASE WHEN c.relkind IN ('r', 'p', 'm') AND c.reltuples >= 0 THEN c.reltuples::int8 END AS estimated_rows, \
    CASE WHEN c.relkind IN ('r', 'm', 'S', 'i') THEN pg_catalog.pg_total_relation_size(c.oid) END AS bytes, \
    CASE c.relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' ELSE 'permanent' END AS persistence, \
    c.relrowsecurity AS row_security, c.relforcerowsecurity AS row_security_forced, \
    pg_catalog.left(CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) \
     WHEN c.relkind IN ('i', 'I') THEN pg_catalog.pg_get_indexdef(c.oid) END, 20000) AS definition, \
    CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partitioned_by, \
    CASE WHEN c.relispartition THEN (SELECT i.inhparent::pg_catalog.regclass::text FROM pg_catalog.pg_inherits i \
     WHERE i.inhrelid = c.oid) END AS partition_of, \
    ARRAY(SELECT p.what FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', \
      'TRIGGER', 'OWNER']) WITH ORDINALITY AS p (what, place) WHERE CASE WHEN p.what = 'OWNER' \
      THEN pg_catalog.pg_has_role(c.relowner, 'USAGE') WHEN c.relkind IN ('i', 'I') THEN false \
      ELSE pg_catalog.has_table_privilege(c.oid, p.what) END ORDER BY p.place) AS privileges \
    FROM pg_catalog.pg_class c WHERE c.oid = $1";

const COLUMNS: &str = "SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS \"type\", \
    a.attnotnull AS not_null, \
    CASE WHEN a.attgenerated = '' THEN pg_catalog.left(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 2000) END AS \"default\", \
    CASE WHEN a.attgenerated <> '' THEN pg_catalog.left(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 2000) END AS generated, \
    CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity, \
    pg_catalog.left(pg_catalog.col_description(a.attrelid, a.attnum), 1000) AS comment \
    FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const PRIMARY_KEY: &str = "SELECT a.attname AS name FROM pg_catalog.pg_constraint k, \
    pg_catalog.unnest(k.conkey) WITH ORDINALITY AS key (number, place) \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attnum = key.number \
    WHERE k.conrelid = $1 AND k.contype = 'p' ORDER BY key.place";

const INDEXES: &str = "SELECT c.relname AS name, i.indisunique AS \"unique\", i.indisvalid AS valid, \
    pg_catalog.left(pg_catalog.pg_get_indexdef(i.indexrelid), 4000) AS definition \
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1 ORDER BY c.relname";

const CONSTRAINTS: &str = "SELECT k.conname AS name, CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' \
     WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclusion' WHEN 'n' THEN 'not null' ELSE 'trigger' END AS kind, \
    pg_catalog.left(pg_catalog.pg_get_constraintdef(k.oid), 4000) AS definition, k.convalidated AS validated \
    FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 AND k.contype <> 'f' ORDER BY k.conname";

/// `side` says which of the two tables is asked for. A partition's copies of a key of its parent are left out.
fn foreign_keys(side: &str) -> String {
    format!(
        "SELECT k.conname AS name, k.conrelid::pg_catalog.regclass::text AS \"from\", \
         (SELECT pg_catalog.array_agg(a.attname ORDER BY key.place) \
          FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS key (number, place) \
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.number) AS from_columns, \
         k.confrelid::pg_catalog.regclass::text AS \"to\", \
         (SELECT pg_catalog.array_agg(a.attname ORDER BY key.place) \
          FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS key (number, place) \
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = key.number) AS to_columns, \
         {} AS on_update, {} AS on_delete, k.condeferrable AS deferrable, k.convalidated AS validated \
         FROM pg_catalog.pg_constraint k WHERE k.{side} = $1 AND k.contype = 'f' AND ({copy} OR k.conparentid = 0) \
         ORDER BY 2, 1",
        action("confupdtype"),
        action("confdeltype"),
        copy = if side == "conrelid" { "true" } else { "false" },
    )
}

fn action(column: &str) -> String {
    format!(
        "CASE k.{column} WHEN 'r' THEN 'restrict' WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null' \
         WHEN 'd' THEN 'set default' ELSE 'no action' END"
    )
}

const TRIGGERS: &str = "SELECT t.tgname AS name, t.tgenabled <> 'D' AS enabled, \
    pg_catalog.left(pg_catalog.pg_get_triggerdef(t.oid), 4000) AS definition \
    FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1 AND NOT t.tgisinternal ORDER BY t.tgname";

const POLICIES: &str = "SELECT p.polname AS name, CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' \
     WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END AS command, p.polpermissive AS permissive, \
    ARRAY(SELECT CASE r.oid WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(r.oid) END \
     FROM pg_catalog.unnest(p.polroles) AS r (oid)) AS roles, \
    pg_catalog.left(pg_catalog.pg_get_expr(p.polqual, p.polrelid), 4000) AS \"using\", \
    pg_catalog.left(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), 4000) AS \"check\" \
    FROM pg_catalog.pg_policy p WHERE p.polrelid = $1 ORDER BY p.polname";

const PARTITIONS: &str = "SELECT c.oid::pg_catalog.regclass::text AS name, \
    pg_catalog.left(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 1000) AS bounds, \
    CASE WHEN c.reltuples >= 0 THEN c.reltuples::int8 END AS estimated_rows \
    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1 ORDER BY 1";
