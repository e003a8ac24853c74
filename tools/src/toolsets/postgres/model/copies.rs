//! Copies of truncated tables in the quarantine: made before the rows go, and put back row by row without firing a trigger.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::catalog::{self, Relation, cell, quote};
use super::code::{self, Doing};
use super::kept::TRASH;
pub(crate) use super::kept::{Copies, Copy, Position};
use super::quarantine;
use super::shape;
use crate::contract::{TakesBack, ToolError};
use crate::toolsets::postgres::connect::Tx;

/// What to put back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutBack {
    /// The id in the quarantine, as `postgres_truncate` gave it.
    pub(crate) id: String,
}

impl TakesBack for PutBack {
    const TOOL: &'static str = "postgres_restore_truncated";
}

/// The columns of a table that hold values of their own, as a list in SQL.
async fn plain_columns(tx: &Tx<'_>, oid: u32) -> Result<String, ToolError> {
    let columns = catalog::columns(tx, oid).await?;
    let plain = columns.iter().filter(|column| column.generated.is_none()).map(|column| quote(&column.name));
    Ok(plain.collect::<Vec<_>>().join(", "))
}

/// Copies these tables into the quarantine. The caller holds their locks, and has opened the list.
pub(crate) async fn make(tx: &Tx<'_>, id: &str, tables: &[Relation]) -> Result<Vec<Copy>, ToolError> {
    let mut copies = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        let name = format!("rows_{id}_{at}");
        let quoted = format!("{TRASH}.{}", quote(&name));
        let columns = plain_columns(tx, table.oid).await?;
        tx.run(&format!("CREATE TABLE {quoted} AS SELECT {columns} FROM ONLY {}", table.quoted())).await?;
        quarantine::close(tx, "pg_class", &quoted, "TABLE").await?;
        let copy = catalog::relation(tx, &quoted).await?.oid;
        let rows: i64 = tx.value(&format!("SELECT count(*) FROM ONLY {quoted}"), &[]).await?;
        let sql = format!("SELECT pg_catalog.min(t.xmin::text) FROM ONLY {quoted} AS t");
        let wrote = tx.value(&sql, &[]).await?;
        copies.push(Copy { oid: table.oid, name, copy, rows: rows.unsigned_abs(), wrote });
    }
    Ok(copies)
}

/// Where the sequences of these tables are.
pub(crate) async fn positions(tx: &Tx<'_>, tables: &[Relation]) -> Result<Vec<Position>, ToolError> {
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let mut positions = Vec::new();
    for row in tx.rows(OWNED, &[(&oids, Type::OID_ARRAY)]).await? {
        let oid: u32 = cell(&row, 0)?;
        let quoted = catalog::relation_of(tx, oid).await?.quoted();
        let rows = tx.rows(&format!("SELECT s.last_value, s.is_called FROM {quoted} AS s"), &[]).await?;
        let row = rows.first().ok_or_else(|| ToolError::failed("a sequence without a row"))?;
        positions.push(Position { oid, last: cell(row, 0)?, called: cell(row, 1)? });
    }
    Ok(positions)
}

const OWNED: &str = "SELECT DISTINCT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid \
    AND c.relkind = 'S' WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ($1) \
    AND d.deptype IN ('a', 'i') ORDER BY 1";

/// Whether the tables are still there and empty, and the copies whole: else they are not put back.
pub(crate) async fn are_wanted(tx: &Tx<'_>, copies: &Copies) -> Result<Value, ToolError> {
    let tables: Vec<u32> = copies.tables.iter().map(|copy| copy.oid).collect();
    code::of_relations(tx, &tables, Doing::Rebuilding).await?.refuse("not put back")?;
    let mut oids = Vec::new();
    for copy in &copies.tables {
        let table = catalog::relation_of(tx, copy.oid).await?;
        let sql = format!("SELECT EXISTS (SELECT FROM ONLY {} AS t)", table.quoted());
        if tx.value::<bool>(&sql, &[]).await? {
            return Err(ToolError::changed(format!("rows came into {} since it was truncated", table.shown()))
                .with_next("look at them: what comes back must not be mixed with what came since"));
        }
        let kept = catalog::relation_of(tx, copy.copy).await?;
        if kept.schema != TRASH || kept.name != copy.name {
            return Err(ToolError::changed("the copy of the rows is gone"));
        }
        // Whatever is written to the copy since is another transaction's.
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE t.xmin::text IS DISTINCT FROM coalesce($1, t.xmin::text)) \
             FROM ONLY {} AS t",
            kept.quoted()
        );
        let rows = tx.rows(&sql, &[(&copy.wrote, Type::TEXT)]).await?;
        let row = rows.first().ok_or_else(|| ToolError::failed("a count gave no row"))?;
        let (found, others): (i64, i64) = (cell(row, 0)?, cell(row, 1)?);
        if found.unsigned_abs() != copy.rows || others != 0 {
            let what = format!("the copy of the rows of {} was changed while it lay in the quarantine", table.shown());
            return Err(ToolError::changed(what)
                .with_next(format!("a person can look at {} and put back what is wanted", kept.quoted())));
        }
        oids.push(copy.oid);
    }
    Ok(json!(shape::shape(tx, &oids).await?))
}

/// Puts the rows back. The caller holds the tables' locks. What a constraint, a generated column or an index calls runs under
/// the role's own search path, as it did when the rows were written.
pub(crate) async fn put_back(tx: &Tx<'_>, copies: &Copies, path: &str) -> Result<(), ToolError> {
    for copy in &copies.tables {
        let table = catalog::relation_of(tx, copy.oid).await?.quoted();
        let triggers = insert_triggers(tx, copy.oid).await?;
        for (name, _) in &triggers {
            tx.run(&format!("ALTER TABLE ONLY {table} DISABLE TRIGGER {}", quote(name))).await?;
        }
        let columns = plain_columns(tx, copy.oid).await?;
        let from = format!("{TRASH}.{}", quote(&copy.name));
        shape::soften(tx, path).await?;
        tx.run(&format!(
            "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM ONLY {from}; \
             DROP TABLE {from} RESTRICT"
        ))
        .await?;
        shape::harden(tx).await?;
        let sql = format!("SELECT count(*) FROM ONLY {table} AS t");
        if tx.value::<i64>(&sql, &[]).await?.unsigned_abs() != copy.rows {
            return Err(ToolError::failed(format!("not all rows could be put back into {table}")));
        }
        // Checks that wait for the end of the statement are done; those of the transaction must not wait for the triggers.
        tx.run("SET CONSTRAINTS ALL IMMEDIATE").await?;
        for (name, how) in &triggers {
            tx.run(&format!("ALTER TABLE ONLY {table} ENABLE {how}TRIGGER {}", quote(name))).await?;
        }
    }
    for position in &copies.sequences {
        let quoted = catalog::relation_of(tx, position.oid).await?.quoted();
        // RESTART gives the sequence new storage that goes with a rollback, so that what `setval` writes does too.
        tx.run(&format!("ALTER SEQUENCE {quoted} RESTART")).await?;
        let sql = "SELECT pg_catalog.setval($1::oid::pg_catalog.regclass, $2, $3)";
        tx.rows(sql, &[(&position.oid, Type::OID), (&position.last, Type::INT8), (&position.called, Type::BOOL)])
            .await?;
    }
    Ok(())
}

/// The triggers of users that an INSERT would fire, and how each is switched on.
async fn insert_triggers(tx: &Tx<'_>, oid: u32) -> Result<Vec<(String, &'static str)>, ToolError> {
    let sql = "SELECT t.tgname::text, t.tgenabled::text FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1 \
               AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 4 <> 0 ORDER BY t.oid";
    let rows = tx.rows(sql, &[(&oid, Type::OID)]).await?;
    rows.iter()
        .map(|row| {
            let how = match cell::<String>(row, 1)?.as_str() {
                "A" => "ALWAYS ",
                "R" => "REPLICA ",
                _ => "",
            };
            Ok((cell(row, 0)?, how))
        })
        .collect()
}
