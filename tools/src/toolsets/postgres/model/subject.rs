//! What a call drops or destroys: a table, a view, a sequence, a column or a schema, found in the catalogue and known by its
//! id from then on. All of them lie in the target's own database: what lies outside of it is not the target's to change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::types::Type;

use super::catalog::{self, Column, Relation, cell};
use super::contents::Contents;
use super::dependents::{self, Dependents, Place};
use super::kept::{TRASH, id_in};
use super::shape;
use crate::contract::{Digest, TakesBack, Target, ToolError};
use crate::text::shown;
use crate::toolsets::postgres::connect::{Tx, dotted};

/// What kind of thing is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Object {
    /// A table, partitioned or foreign ones included.
    Table,
    /// A view or materialized view.
    View,
    /// A sequence of its own.
    Sequence,
    /// A column of a table.
    Column,
    /// A schema with everything in it.
    Schema,
}

/// What a call names; what is put back is dropped again by the same.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Named<'a> {
    /// What kind of thing.
    pub object: Object,
    /// Its name; for a column the table's.
    pub name: &'a str,
    /// The column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<&'a str>,
    /// What lies in the quarantine may be meant as well.
    #[serde(skip)]
    pub quarantined: bool,
}

impl TakesBack for Named<'_> {
    const TOOL: &'static str = "postgres_drop";
}

/// A thing that was found.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// A relation, with its partitions behind it.
    Relation(Vec<Relation>),
    /// A column.
    Column(Relation, Column),
    /// A schema, with the relations in it.
    Schema(Schema, Vec<Relation>),
}

/// A schema.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    /// `pg_namespace.oid`.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Moves when its owner, privileges, comment, functions or types change.
    look: String,
}

impl Subject {
    /// The kind and the full name, for people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Relation(all) => {
                all.first().map_or_else(String::new, |one| format!("{} {}", one.word(), one.shown()))
            }
            Self::Column(table, column) => format!("column {} of {}", shown(&column.name), table.shown()),
            Self::Schema(schema, _) => format!("schema {}", shown(&schema.name)),
        }
    }

    /// The same as a target of the call.
    pub(crate) fn target(&self, tx: &Tx<'_>) -> Option<Target> {
        let server = tx.server.identity();
        Some(match self {
            Self::Relation(all) => all.first()?.target(tx),
            Self::Column(table, column) => {
                let name = dotted(&[&table.schema, &table.name, &column.name]);
                tx.site().target("postgres_column", &name, format!("{server}#{}.{}", table.oid, column.number))
            }
            Self::Schema(schema, _) => {
                tx.site().target("postgres_schema", &dotted(&[&schema.name]), format!("{server}#{}", schema.oid))
            }
        })
    }

    /// The relations whose rows it holds.
    pub(crate) fn relations(&self) -> &[Relation] {
        match self {
            Self::Relation(all) | Self::Schema(_, all) => all,
            Self::Column(table, _) => std::slice::from_ref(table),
        }
    }

    /// What hangs on it.
    pub(crate) async fn dependents(&self, tx: &Tx<'_>) -> Result<Dependents, ToolError> {
        let place = match self {
            Self::Relation(all) => {
                let oid = all.first().map_or(0, |relation| relation.oid);
                Place { catalogue: "pg_class", oid, column: 0 }
            }
            Self::Column(table, column) => Place { catalogue: "pg_class", oid: table.oid, column: column.number },
            Self::Schema(schema, _) => Place { catalogue: "pg_namespace", oid: schema.oid, column: 0 },
        };
        dependents::find(tx, place).await
    }

    /// Moves when the thing, its rows, or what depends on it does.
    pub(crate) async fn fingerprint(
        &self,
        tx: &Tx<'_>,
        contents: &Contents,
        dependents: &Dependents,
    ) -> Result<Digest, ToolError> {
        let oids: Vec<u32> = self.relations().iter().map(|relation| relation.oid).collect();
        let shape = shape::shape(tx, &oids).await?;
        let what = match self {
            Self::Relation(all) => json!(all.iter().map(|one| (one.oid, &one.schema, &one.name)).collect::<Vec<_>>()),
            Self::Column(table, column) => json!([table.oid, table.schema, column.number, column.name]),
            Self::Schema(schema, _) => json!([schema.oid, schema.name, schema.look]),
        };
        let others: Vec<_> = dependents.others.iter().map(|other| (&other.kind, &other.name)).collect();
        Ok(Digest::of(&json!({ "what": what, "shape": shape, "holds": contents.digest, "others": others })))
    }
}

/// The id and the column number in a target's uid.
pub(crate) fn id_of(target: &Target) -> Option<(u32, i16)> {
    let (_, id) = target.uid.as_deref()?.rsplit_once('#')?;
    match id.split_once('.') {
        Some((oid, column)) => Some((oid.parse().ok()?, column.parse().ok()?)),
        None => Some((id.parse().ok()?, 0)),
    }
}

/// Finds what a call names, and refuses what may not be taken away. Nothing but the catalogue is found by unqualified names
/// afterwards.
pub(crate) async fn find(tx: &Tx<'_>, named: &Named<'_>) -> Result<Subject, ToolError> {
    match (named.object, named.column) {
        (Object::Column, None) => return Err(ToolError::refused("which column? `column` is missing")),
        (Object::Column, _) | (_, None) => {}
        (_, Some(_)) => return Err(ToolError::refused("`column` goes with `object` = `column` only")),
    }
    match named.object {
        Object::Schema => {
            shape::harden(tx).await?;
            schema(tx, named).await
        }
        Object::Table | Object::View | Object::Sequence | Object::Column => {
            let relation = catalog::relation(tx, named.name).await?;
            shape::harden(tx).await?;
            may_go(tx, &relation, named).await?;
            match named.column {
                Some(column) => column_of(tx, relation, column).await,
                None => whole(tx, relation, named.object).await,
            }
        }
    }
}

async fn whole(tx: &Tx<'_>, relation: Relation, object: Object) -> Result<Subject, ToolError> {
    let fits = match object {
        Object::View => "vm",
        Object::Sequence => "S",
        _ => "rpf",
    };
    if !fits.contains(relation.kind) {
        return Err(ToolError::refused(format!("{} is a {}", relation.shown(), relation.word())));
    }
    if relation.kind != 'p' {
        return Ok(Subject::Relation(vec![relation]));
    }
    let sql =
        "SELECT t.relid::oid FROM pg_catalog.pg_partition_tree($1::oid::pg_catalog.regclass) t ORDER BY t.level, 1";
    let mut oids = Vec::new();
    for row in tx.rows(sql, &[(&relation.oid, Type::OID)]).await? {
        oids.push(cell::<u32>(&row, 0)?);
    }
    Ok(Subject::Relation(shape::relations(tx, &oids).await?))
}

async fn column_of(tx: &Tx<'_>, table: Relation, name: &str) -> Result<Subject, ToolError> {
    if !matches!(table.kind, 'r' | 'p') {
        return Err(ToolError::refused(format!("{} is a {}, not a table", table.shown(), table.word())));
    }
    let columns = catalog::columns(tx, table.oid).await?;
    match columns.into_iter().find(|column| column.name == name) {
        Some(column) => Ok(Subject::Column(table, column)),
        None => Err(ToolError::not_found(format!("{} has no column {}", table.shown(), shown(name)))
            .with_next("a column goes by its exact name, without quotes")),
    }
}

/// Refuses what belongs to the server, to an extension, to another role or to another relation.
async fn may_go(tx: &Tx<'_>, relation: &Relation, named: &Named<'_>) -> Result<(), ToolError> {
    let shown_name = relation.shown();
    if is_of_the_server(&relation.schema) || relation.persistence == 't' {
        return Err(ToolError::refused(format!("{shown_name} belongs to the server, or to one session alone")));
    }
    let in_trash = id_in(&relation.schema).is_some() || relation.schema == TRASH;
    if in_trash && !named.quarantined || relation.schema == TRASH {
        return Err(ToolError::refused(format!("{shown_name} belongs to the quarantine already"))
            .with_next("undo the call that dropped it, or destroy it with `postgres_purge`"));
    }
    let rows = tx.rows(TIES, &[(&relation.oid, Type::OID)]).await?;
    let row = rows.first().ok_or_else(|| ToolError::not_found(format!("{shown_name} is gone")))?;
    if !cell::<bool>(row, 0)? {
        return Err(foreign_owner(tx, &shown_name, &relation.owner));
    }
    if let Some(extension) = cell::<Option<String>>(row, 1)? {
        return Err(ToolError::refused(format!("{shown_name} belongs to the extension {}", shown(&extension))));
    }
    if let Some(table) = cell::<Option<String>>(row, 2)? {
        return Err(ToolError::refused(format!("the sequence {shown_name} belongs to a column of {}", shown(&table))));
    }
    match cell::<Option<String>>(row, 3)? {
        Some(parent) if !named.quarantined && named.object != Object::Column => Err(ToolError::refused(format!(
            "{shown_name} is a part of {}: its rows would still be there",
            shown(&parent)
        ))
        .with_next("detach it from there first, or drop the table it is a part of")),
        _ => Ok(()),
    }
}

const TIES: &str = "SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE'), \
    (SELECT e.extname::text FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
     WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e' \
     AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass LIMIT 1), \
    (SELECT d.refobjid::pg_catalog.regclass::text FROM pg_catalog.pg_depend d WHERE c.relkind = 'S' \
     AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') \
     AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass LIMIT 1), \
    (SELECT h.inhparent::pg_catalog.regclass::text FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid LIMIT 1) \
    FROM pg_catalog.pg_class c WHERE c.oid = $1";

pub(crate) fn foreign_owner(tx: &Tx<'_>, what: &str, owner: &str) -> ToolError {
    let (role, owner) = (shown(&tx.server.user), shown(owner));
    ToolError::failed(format!("{what} belongs to the role {owner}, and {role} is not one of that role's members"))
        .with_next("a person who administers the database can change that")
}

/// Schemas that are the server's own.
pub(crate) fn is_of_the_server(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

async fn schema(tx: &Tx<'_>, named: &Named<'_>) -> Result<Subject, ToolError> {
    let name = named.name.to_owned();
    if is_of_the_server(&name) {
        return Err(ToolError::refused(format!("the schema {} belongs to the server", shown(&name))));
    }
    if name == TRASH || id_in(&name).is_some() && !named.quarantined {
        return Err(ToolError::refused(format!("the schema {} belongs to the quarantine already", shown(&name))));
    }
    let sql = format!(
        "SELECT n.oid, pg_catalog.pg_has_role(n.nspowner, 'USAGE'), {LOOK}, \
         pg_catalog.pg_get_userbyid(n.nspowner)::text \
         FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::text::pg_catalog.name"
    );
    let rows = tx.rows(&sql, &[(&name, Type::TEXT)]).await?;
    let Some(row) = rows.first() else {
        return Err(ToolError::not_found(format!("there is no schema {} in `{}`", shown(&name), tx.site().name))
            .with_next("a schema goes by its exact name, without quotes; `postgres_describe` lists what there is"));
    };
    if !cell::<bool>(row, 1)? {
        return Err(foreign_owner(tx, &format!("the schema {}", shown(&name)), &cell::<String>(row, 3)?));
    }
    let schema = Schema { oid: cell(row, 0)?, name, look: cell(row, 2)? };
    let relations = relations_in(tx, schema.oid).await?;
    Ok(Subject::Schema(schema, relations))
}

/// The relations of a schema, by their ids.
pub(crate) async fn relations_in(tx: &Tx<'_>, schema: u32) -> Result<Vec<Relation>, ToolError> {
    let sql = "SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relnamespace = $1 \
               AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') ORDER BY c.oid";
    let mut oids = Vec::new();
    for row in tx.rows(sql, &[(&schema, Type::OID)]).await? {
        oids.push(cell::<u32>(&row, 0)?);
    }
    shape::relations(tx, &oids).await
}

/// What a schema is like apart from its relations; none where it is gone.
pub(crate) async fn look_of_schema(tx: &Tx<'_>, oid: u32) -> Result<Option<String>, ToolError> {
    let sql = format!("SELECT {LOOK} FROM pg_catalog.pg_namespace n WHERE n.oid = $1");
    tx.rows(&sql, &[(&oid, Type::OID)]).await?.first().map(|row| cell(row, 0)).transpose()
}

/// Its owner, privileges, comment, functions and types.
const LOOK: &str = "pg_catalog.jsonb_build_array(n.nspowner, n.nspacl::text, \
    pg_catalog.obj_description(n.oid, 'pg_namespace'), \
    (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(p.oid, p.xmin::text) ORDER BY p.oid) \
     FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid), \
    (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(t.oid, t.xmin::text) ORDER BY t.oid) \
     FROM pg_catalog.pg_type t WHERE t.typnamespace = n.oid))::text";
