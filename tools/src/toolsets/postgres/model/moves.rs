//! Moving things into the quarantine and back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::types::Type;

use super::catalog::{self, cell, quote};
use super::code::{self, Doing};
use super::kept::{Held, Kept, Moved, TRASH, Way, new_id};
use super::quarantine::{closed_schema, forget, note, open};
use super::subject::Subject;
use super::{copies, held, shape};
use crate::contract::{Digest, TakesBack, ToolError, now};
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;

/// What to bring back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BringBack {
    /// The id in the quarantine, as `postgres_drop` gave it.
    pub(crate) id: String,
}

impl TakesBack for BringBack {
    const TOOL: &'static str = "postgres_restore_dropped";
}

/// Puts something away. The caller holds its lock.
pub(crate) async fn put_away(tx: &Tx<'_>, subject: &Subject, gives_up: bool) -> Result<Kept, ToolError> {
    open(tx).await?;
    let id = new_id();
    let trash = quote(&format!("{TRASH}_{id}"));
    let way = match subject {
        Subject::Relation(all) => {
            closed_schema(tx, &format!("{TRASH}_{id}")).await?;
            let mut moved = Vec::new();
            for relation in all {
                // Foreign keys are checked as the table's owner, who has to find it there.
                tx.run(&format!(
                    "GRANT USAGE ON SCHEMA {trash} TO {}; ALTER TABLE {} SET SCHEMA {trash}",
                    quote(&relation.owner),
                    relation.quoted()
                ))
                .await?;
                let schema = schema_id(tx, &relation.schema).await?;
                moved.push(Moved { oid: relation.oid, name: relation.name.clone(), schema });
            }
            Way::Relations(moved)
        }
        Subject::Column(table, column) => {
            let (table_name, name) = (table.quoted(), quote(&column.name));
            if gives_up {
                tx.run(&format!("ALTER TABLE {table_name} ALTER COLUMN {name} DROP NOT NULL")).await?;
            }
            tx.run(&format!("ALTER TABLE {table_name} RENAME COLUMN {name} TO {trash}")).await?;
            Way::Column { table: table.oid, number: column.number, name: column.name.clone(), not_null: gives_up }
        }
        Subject::Schema(schema, _) => {
            tx.run(&format!("ALTER SCHEMA {} RENAME TO {trash}", quote(&schema.name))).await?;
            Way::Schema { oid: schema.oid, name: schema.name.clone() }
        }
    };
    let held = Held::of(tx, &way).await?;
    let kept = Kept { id, what: subject.shown(), at: now().to_string(), way, held };
    note(tx, &kept).await?;
    Ok(kept)
}

async fn schema_id(tx: &Tx<'_>, name: &str) -> Result<u32, ToolError> {
    let name = name.to_owned();
    let sql = "SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::text::pg_catalog.name";
    tx.value(sql, &[(&name, Type::TEXT)]).await
}

/// The name of the schema with this id.
pub(crate) async fn schema_name(tx: &Tx<'_>, oid: u32) -> Result<Option<String>, ToolError> {
    let sql = "SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE n.oid = $1";
    let rows = tx.rows(sql, &[(&oid, Type::OID)]).await?;
    rows.first().map(|row| cell(row, 0)).transpose()
}

/// Brings something back. The caller looked with [`way_is_free`] in the same transaction.
pub(crate) async fn bring_back(tx: &Tx<'_>, kept: &Kept) -> Result<(), ToolError> {
    let trash = quote(&kept.trash());
    match &kept.way {
        Way::Relations(moved) => {
            for one in moved {
                let schema = schema_name(tx, one.schema).await?.ok_or_else(|| gone("the schema it was in"))?;
                tx.run(&format!("ALTER TABLE {trash}.{} SET SCHEMA {}", quote(&one.name), quote(&schema))).await?;
            }
            tx.run(&format!("DROP SCHEMA {trash} RESTRICT")).await?;
        }
        Way::Column { table, name, not_null, .. } => {
            let (table, name) = (catalog::relation_of(tx, *table).await?.quoted(), quote(name));
            tx.run(&format!("ALTER TABLE {table} RENAME COLUMN {trash} TO {name}")).await?;
            if *not_null {
                tx.run(&format!("ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL")).await?;
            }
        }
        Way::Schema { name, .. } => tx.run(&format!("ALTER SCHEMA {trash} RENAME TO {}", quote(name))).await?,
        Way::Database { name, .. } => return Err(not_ours(kept, name)),
        Way::Copies(_) => return Err(ToolError::refused("these are copies of rows")),
    }
    forget(tx, &kept.id).await
}

/// A target is one database: another one is not brought back through it, as none is put away through it.
fn not_ours(kept: &Kept, name: &str) -> ToolError {
    ToolError::refused(format!("the database {} lies outside of the database this target is", shown(name))).with_next(
        format!(
            "a person who administers the cluster can bring it back: ALTER DATABASE {} RENAME TO {}, then WITH \
             ALLOW_CONNECTIONS true",
            shown(&kept.trash()),
            shown(&quote(name))
        ),
    )
}

fn gone(what: &str) -> ToolError {
    ToolError::changed(format!("{what} is gone, so there is no way back to it"))
        .with_next("a person can still move it by hand")
}

/// That the way back is free.
pub(crate) struct Free {
    /// Moves when the thing or its place changes.
    pub digest: Digest,
    /// What a person should know of how far it is what was put there.
    pub said: Vec<String>,
}

/// Whether the thing still lies where it was put, as it was put there, and its place is free: what a look and a call both
/// need to know.
pub(crate) async fn way_is_free(tx: &Tx<'_>, kept: &Kept) -> Result<Free, ToolError> {
    let look = match &kept.way {
        Way::Relations(moved) => {
            let mut oids = Vec::new();
            for one in moved {
                let relation = catalog::relation_of(tx, one.oid).await?;
                if relation.schema != kept.trash() || relation.name != one.name {
                    return Err(gone(&format!("what was put away as {}", shown(&one.name))));
                }
                let schema = schema_name(tx, one.schema).await?.ok_or_else(|| gone("the schema it was in"))?;
                let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = $1 \
                           AND c.relname = $2::text::pg_catalog.name)";
                let taken: bool = tx.value(sql, &[(&one.schema, Type::OID), (&one.name, Type::TEXT)]).await?;
                free(taken, &format!("{}.{}", shown(&schema), shown(&one.name)))?;
                oids.push(one.oid);
            }
            json!(shape::shape(tx, &oids).await?)
        }
        Way::Column { table, number, name, not_null } => {
            column_is_free(tx, kept, *table, (*number, name, *not_null)).await?
        }
        Way::Schema { oid, name } => {
            if schema_name(tx, *oid).await?.as_deref() != Some(&kept.trash()) {
                return Err(gone("the schema that was put away"));
            }
            let sql =
                "SELECT pg_catalog.count(*) > 0 FROM pg_catalog.pg_namespace WHERE nspname = $1::text::pg_catalog.name";
            free(tx.value(sql, &[(name, Type::TEXT)]).await?, &shown(name))?;
            json!(oid)
        }
        Way::Database { name, .. } => return Err(not_ours(kept, name)),
        Way::Copies(copies) => copies::are_wanted(tx, copies).await?,
    };
    let said = match kept.way {
        Way::Copies(_) => Vec::new(),
        _ => held::compare(tx, kept).await?,
    };
    Ok(Free { digest: Digest::of(&json!({ "kept": kept, "look": look })), said })
}

fn free(taken: bool, name: &str) -> Result<(), ToolError> {
    match taken {
        true => Err(ToolError::refused(format!("the name {name} is in use again"))
            .with_next("drop or rename what has that name now, then bring this one back")),
        false => Ok(()),
    }
}

async fn column_is_free(
    tx: &Tx<'_>,
    kept: &Kept,
    table: u32,
    (number, name, not_null): (i16, &str, bool),
) -> Result<serde_json::Value, ToolError> {
    let relation = catalog::relation_of(tx, table).await?;
    let columns = catalog::columns(tx, table).await?;
    if !columns.iter().any(|column| column.number == number && column.name == kept.trash()) {
        return Err(gone("the column that was put away"));
    }
    free(columns.iter().any(|column| column.name == name), &format!("{} of {}", shown(name), relation.shown()))?;
    if not_null {
        code::of_relations(tx, &[table], Doing::Rebuilding).await?.refuse("not brought back")?;
        // To IS NULL a row of nothing but nulls is none, and to NOT NULL it is a value.
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {} AS t WHERE pg_catalog.num_nulls(t.{}) > 0)",
            relation.quoted(),
            quote(&kept.trash())
        );
        if tx.value::<bool>(&sql, &[]).await? {
            return Err(ToolError::changed(format!("rows came into {} without a value for it", relation.shown()))
                .with_next("fill in the column under its name in the quarantine first"));
        }
    }
    Ok(json!(shape::shape(tx, &[table]).await?))
}
