//! The quarantine: where dropped things wait, in the same database, until they are brought back or purged.
//!
//! What is dropped keeps its id, its rows, and the names of all that belongs to it: a table moves into a schema of its own,
//! so that nothing there can collide; a column, a schema and a database change their names. The schema `mollyguard_trash`
//! holds the list, and no right to any of it is given to anybody else.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::types::Type;

use super::catalog::{self, cell, quote};
use super::code::{self, Doing};
use super::held::{self, Held};
use super::session::Tx;
use super::shape;
use super::subject::Subject;
use crate::contract::{Digest, ToolError, now};
use crate::text::shown;

/// The quarantine's schema, and what every name in the quarantine starts with.
pub(super) const TRASH: &str = "mollyguard_trash";

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// What it is brought back by.
    pub id: String,
    /// What it was, for people: `table public.bookings`.
    pub what: String,
    /// When it was dropped.
    pub at: String,
    /// The way back.
    pub way: Way,
    /// What it held by then; entries of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}

/// The way back for one kind of thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// Relations in a schema of their own, each with its id, name, and the id and name of the schema it was in.
    Relations(Vec<Moved>),
    /// A column: its table's id, its number and name, and whether it gave up that it cannot be null.
    Column { table: u32, number: i16, name: String, not_null: bool },
    /// A schema by its id and name.
    Schema { oid: u32, name: String },
    /// Another database of the cluster, by its id and name, and whether it took connections. Earlier versions put those away;
    /// no target changes them any more.
    Database { oid: u32, name: String, open: bool },
    /// Copies of truncated tables.
    Copies(super::copies::Copies),
}

/// A relation that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moved {
    /// Its id.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// The id of the schema it was in.
    pub schema: u32,
}

impl Kept {
    /// Its name in the quarantine.
    pub(super) fn trash(&self) -> String {
        format!("{TRASH}_{}", self.id)
    }
}

/// The id in a name of the quarantine.
pub(super) fn id_in(name: &str) -> Option<&str> {
    name.strip_prefix(TRASH)?.strip_prefix('_')
}

/// A new id: what makes a name in the quarantine the only one.
pub(super) fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string().split_off(20)
}

/// Whether the role may do what the quarantine needs.
pub(super) async fn possible(tx: &Tx<'_>) -> Result<(), ToolError> {
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
pub(super) async fn open(tx: &Tx<'_>) -> Result<(), ToolError> {
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
pub(super) async fn closed_schema(tx: &Tx<'_>, name: &str) -> Result<(), ToolError> {
    tx.run(&format!("CREATE SCHEMA {}", quote(name))).await?;
    close(tx, "pg_namespace", &quote(name), "SCHEMA").await
}

/// Takes back what default privileges gave to others.
pub(super) async fn close(tx: &Tx<'_>, catalogue: &str, quoted: &str, word: &str) -> Result<(), ToolError> {
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
pub(super) async fn list(tx: &Tx<'_>) -> Result<Vec<Kept>, ToolError> {
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
pub(super) async fn kept(tx: &Tx<'_>, id: &str) -> Result<Kept, ToolError> {
    list(tx).await?.into_iter().find(|kept| kept.id == id).ok_or_else(|| {
        ToolError::not_found(format!("nothing in the quarantine of `{}` has the id {}", tx.site().name, shown(id)))
            .with_next("it was brought back or purged already")
    })
}

/// Writes an entry down.
pub(super) async fn note(tx: &Tx<'_>, kept: &Kept) -> Result<(), ToolError> {
    let text = json!(kept).to_string();
    let sql =
        "INSERT INTO mollyguard_trash.dropped (id, at, what, kept) VALUES ($1, pg_catalog.now(), $2, $3) RETURNING 1";
    tx.rows(sql, &[(&kept.id, Type::TEXT), (&kept.what, Type::TEXT), (&text, Type::TEXT)]).await?;
    Ok(())
}

/// Takes an entry off the list.
pub(super) async fn forget(tx: &Tx<'_>, id: &str) -> Result<(), ToolError> {
    let id = id.to_owned();
    tx.rows("DELETE FROM ONLY mollyguard_trash.dropped WHERE id = $1 RETURNING 1", &[(&id, Type::TEXT)]).await?;
    Ok(())
}

/// Puts something away. The caller holds its lock.
pub(super) async fn put_away(tx: &Tx<'_>, subject: &Subject, gives_up: bool) -> Result<Kept, ToolError> {
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
pub(super) async fn schema_name(tx: &Tx<'_>, oid: u32) -> Result<Option<String>, ToolError> {
    let sql = "SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE n.oid = $1";
    let rows = tx.rows(sql, &[(&oid, Type::OID)]).await?;
    rows.first().map(|row| cell(row, 0)).transpose()
}

/// Brings something back. The caller looked with [`way_is_free`] in the same transaction.
pub(super) async fn bring_back(tx: &Tx<'_>, kept: &Kept) -> Result<(), ToolError> {
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
pub(super) struct Free {
    /// Moves when the thing or its place changes.
    pub digest: Digest,
    /// What a person should know of how far it is what was put there.
    pub said: Vec<String>,
}

/// Whether the thing still lies where it was put, as it was put there, and its place is free: what a look and a call both
/// need to know.
pub(super) async fn way_is_free(tx: &Tx<'_>, kept: &Kept) -> Result<Free, ToolError> {
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
        Way::Copies(copies) => super::copies::are_wanted(tx, copies).await?,
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
