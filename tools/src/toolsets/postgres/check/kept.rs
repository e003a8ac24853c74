//! What lies in the quarantine, since when, and how much room it takes up.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};
use tokio_postgres::types::Type;

use crate::contract::{Kept, Lease, Timestamp, ToolError, oldest_first};
use crate::text::shown;
use crate::toolsets::postgres::connect::{Mode, Session, Tx};
use crate::toolsets::postgres::model::catalog::{cell, quote};
use crate::toolsets::postgres::model::kept::{Kept as Entry, Way};
use crate::toolsets::postgres::model::listing::plain_path;
use crate::toolsets::postgres::model::quarantine;

/// Everything in the quarantine that `postgres_purge` can remove, the oldest first.
pub(crate) async fn kept(lease: &Lease) -> Result<Vec<Kept>, ToolError> {
    let mut session = Session::open(lease).await?;
    let tx = session.begin(Mode::ReadOnly).await?;
    plain_path(&tx).await?;
    let mut all = Vec::new();
    for entry in quarantine::list(&tx).await? {
        let Some(since) = since(&tx, &entry).await? else { continue };
        let (removes, bytes) = whole(&tx, &entry).await?;
        let Some(mut args) = removes else { continue };
        args["target"] = json!(tx.site().name);
        let what = format!("the {}, in the quarantine as `{}`", entry.what, shown(&entry.trash()));
        all.push(Kept { tool: "postgres_purge", args, since, bytes, what });
    }
    tx.rollback().await?;
    Ok(oldest_first(all))
}

/// By the clock of the gateway or of the server, whichever is later.
async fn since(tx: &Tx<'_>, entry: &Entry) -> Result<Option<Timestamp>, ToolError> {
    let Ok(said) = entry.at.parse::<Timestamp>() else { return Ok(None) };
    let sql = "SELECT d.at FROM ONLY mollyguard_trash.dropped d WHERE d.id = $1";
    let rows = tx.rows(sql, &[(&entry.id, Type::TEXT)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let noted = Timestamp::try_from(cell::<SystemTime>(row, 0)?).ok();
    Ok(noted.map(|noted| noted.max(said)))
}

/// What removes it whole, if a call does; and how much room it takes up.
async fn whole(tx: &Tx<'_>, entry: &Entry) -> Result<(Option<Value>, Option<u64>), ToolError> {
    let trash = entry.trash();
    match &entry.way {
        Way::Relations(moved) => {
            let relations = Relations::of(tx, &trash).await?;
            // Its partitions go with a table.
            let first = moved.first().and_then(|first| relations.args(first.oid));
            Ok((first, Some(relations.bytes)))
        }
        // A part that was left could neither be brought back nor removed.
        Way::Schema { .. } => {
            let relations = Relations::of(tx, &trash).await?;
            let empty = relations.all.is_empty().then(|| json!({ "object": "schema", "name": trash }));
            Ok((empty, Some(relations.bytes)))
        }
        Way::Column { table, .. } => {
            let sql = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
                       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = $2::text::pg_catalog.name \
                       WHERE c.oid = $1 AND NOT a.attisdropped";
            let rows = tx.rows(sql, &[(table, Type::OID), (&trash, Type::TEXT)]).await?;
            let Some(row) = rows.first() else { return Ok((None, None)) };
            let name = format!("{}.{}", quote(&cell::<String>(row, 0)?), quote(&cell::<String>(row, 1)?));
            Ok((Some(json!({ "object": "column", "name": name, "column": trash })), None))
        }
        // No call removes those.
        Way::Copies(_) | Way::Database { .. } => Ok((None, None)),
    }
}

/// The relations of a schema that stand by themselves, and how much room all of them take up.
struct Relations {
    /// By id: what removes it.
    all: BTreeMap<u32, Value>,
    bytes: u64,
}

impl Relations {
    async fn of(tx: &Tx<'_>, schema: &str) -> Result<Self, ToolError> {
        let sql = "SELECT c.oid, c.relname::text, c.relkind::text, pg_catalog.pg_total_relation_size(c.oid), \
                   c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE c.relkind = 'S' \
                    AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid \
                    AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass) \
                   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = $1::text::pg_catalog.name AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')";
        let name = schema.to_owned();
        let (mut all, mut bytes) = (BTreeMap::new(), 0);
        for row in tx.rows(sql, &[(&name, Type::TEXT)]).await? {
            bytes += cell::<i64>(&row, 3)?.unsigned_abs();
            if cell::<bool>(&row, 4)? {
                continue;
            }
            let object = match cell::<String>(&row, 2)?.as_str() {
                "v" | "m" => "view",
                "S" => "sequence",
                _ => "table",
            };
            let name = format!("{}.{}", quote(schema), quote(&cell::<String>(&row, 1)?));
            all.insert(cell(&row, 0)?, json!({ "object": object, "name": name }));
        }
        Ok(Self { all, bytes })
    }

    fn args(&self, oid: u32) -> Option<Value> {
        self.all.get(&oid).cloned()
    }
}
