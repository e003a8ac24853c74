//! The quarantine: where dropped things wait, in the same database, until they are brought back or purged.
//!
//! What is dropped keeps its id, its rows, and the names of all that belongs to it: a table moves into a schema of its own,
//! so that nothing there can collide; a column, a schema and a database change their names. The schema `mollyguard_trash`
//! holds the list, and no right to any of it is given to anybody else.

use serde_json::json;
use tokio_postgres::types::Type;

use super::catalog::{cell, quote};
pub(crate) use super::kept::{Kept, TRASH, Way, id_in, new_id};
use super::shape;
use crate::contract::ToolError;
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;

/// Whether the role may do what the quarantine needs.
pub(crate) async fn possible(tx: &Tx<'_>) -> Result<(), ToolError> {
    let sql = "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), \
               (SELECT pg_catalog.pg_has_role(n.nspowner, 'USAGE') FROM pg_catalog.pg_namespace n WHERE n.nspname = \
               'mollyguard_trash')";
    let rows = tx.rows(sql, &[]).await?;
    let row = rows.first().ok_or_else(|| ToolError::failed("the server gave no row where one is certain"))?;
    let role = shown(&tx.server.user);
    if !cell::<bool>(row, 0)? {
        return Err(ToolError::failed(format!("the role {role} may not create schemas, so there is no quarantine"))
            .with_next("a person who administers the database can grant it CREATE on the database"));
    }
    if cell::<Option<bool>>(row, 1)? == Some(false) {
        return Err(ToolError::failed(format!("the schema `{TRASH}` belongs to another role than {role}"))
            .with_next("use one changing role for this database, or rename that schema"));
    }
    Ok(())
}

/// Opens the list, making it on first use. Only one call at a time holds it.
pub(crate) async fn open(tx: &Tx<'_>) -> Result<(), ToolError> {
    tx.rows("SELECT 1 FROM pg_catalog.pg_advisory_xact_lock(7310589842143)", &[]).await?;
    possible(tx).await?;
    let there: bool = tx.value("SELECT pg_catalog.to_regnamespace('mollyguard_trash') IS NOT NULL", &[]).await?;
    if !there {
        closed_schema(tx, TRASH).await?;
    }
    let there: bool = tx.value("SELECT pg_catalog.to_regclass('mollyguard_trash.dropped') IS NOT NULL", &[]).await?;
    if !there {
        let create = "CREATE TABLE mollyguard_trash.dropped (id text PRIMARY KEY, at timestamptz NOT NULL, \
                      what text NOT NULL, kept text NOT NULL)";
        tx.run(create).await?;
        close(tx, "pg_class", "mollyguard_trash.dropped", "TABLE").await?;
    }
    Ok(())
}

/// A new schema that is open to nobody but its owner.
pub(crate) async fn closed_schema(tx: &Tx<'_>, name: &str) -> Result<(), ToolError> {
    tx.run(&format!("CREATE SCHEMA {}", quote(name))).await?;
    close(tx, "pg_namespace", &quote(name), "SCHEMA").await
}

/// Takes back what default privileges gave to others.
pub(crate) async fn close(tx: &Tx<'_>, catalogue: &str, quoted: &str, word: &str) -> Result<(), ToolError> {
    let sql = if catalogue == "pg_class" {
        "SELECT DISTINCT r.rolname::text FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a \
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee \
         WHERE c.oid = pg_catalog.to_regclass($1) AND a.grantee <> c.relowner"
    } else {
        "SELECT DISTINCT r.rolname::text FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a \
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee \
         WHERE n.oid = pg_catalog.to_regnamespace($1) AND a.grantee <> n.nspowner"
    };
    let name = quoted.to_owned();
    for row in tx.rows(sql, &[(&name, Type::TEXT)]).await? {
        let grantee: Option<String> = cell(&row, 0)?;
        tx.run(&format!("REVOKE ALL ON {word} {quoted} FROM {}", shape::role(grantee.as_deref()))).await?;
    }
    Ok(())
}

/// Everything in the quarantine, oldest first.
pub(crate) async fn list(tx: &Tx<'_>) -> Result<Vec<Kept>, ToolError> {
    let there: bool = tx.value("SELECT pg_catalog.to_regclass('mollyguard_trash.dropped') IS NOT NULL", &[]).await?;
    if !there {
        return Ok(Vec::new());
    }
    possible(tx).await?;
    let rows = tx.rows("SELECT kept FROM ONLY mollyguard_trash.dropped ORDER BY at, id LIMIT 10000", &[]).await?;
    rows.iter()
        .map(|row| {
            serde_json::from_str(&cell::<String>(row, 0)?)
                .map_err(|error| ToolError::failed(format!("the list of the quarantine cannot be read: {error}")))
        })
        .collect()
}

/// The entry with this id.
pub(crate) async fn kept(tx: &Tx<'_>, id: &str) -> Result<Kept, ToolError> {
    list(tx).await?.into_iter().find(|kept| kept.id == id).ok_or_else(|| {
        ToolError::not_found(format!("nothing in the quarantine of `{}` has the id {}", tx.site().name, shown(id)))
            .with_next("it was brought back or purged already")
    })
}

/// Writes an entry down.
pub(crate) async fn note(tx: &Tx<'_>, kept: &Kept) -> Result<(), ToolError> {
    let text = json!(kept).to_string();
    let sql =
        "INSERT INTO mollyguard_trash.dropped (id, at, what, kept) VALUES ($1, pg_catalog.now(), $2, $3) RETURNING 1";
    tx.rows(sql, &[(&kept.id, Type::TEXT), (&kept.what, Type::TEXT), (&text, Type::TEXT)]).await?;
    Ok(())
}

/// Takes an entry off the list.
pub(crate) async fn forget(tx: &Tx<'_>, id: &str) -> Result<(), ToolError> {
    let id = id.to_owned();
    tx.rows("DELETE FROM ONLY mollyguard_trash.dropped WHERE id = $1 RETURNING 1", &[(&id, Type::TEXT)]).await?;
    Ok(())
}
