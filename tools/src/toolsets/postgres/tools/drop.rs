//! `postgres_drop`: takes a table, view, sequence, column or schema away into the quarantine, from where it can be brought
//! back exactly.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use crate::contract::{
    About, Audience, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError, TypedTool,
    UndoPlan,
};
use crate::text::shown;
use crate::toolsets::postgres::connect::{Mode, Session, Tx};
use crate::toolsets::postgres::model::CREDENTIAL;
use crate::toolsets::postgres::model::catalog::{Column, Relation, cell};
use crate::toolsets::postgres::model::code;
use crate::toolsets::postgres::model::dependents::Other;
use crate::toolsets::postgres::model::look::{Look, locked};
use crate::toolsets::postgres::model::moves;
use crate::toolsets::postgres::model::quarantine;
use crate::toolsets::postgres::model::subject::{self, Named, Object, Subject};

pub(crate) struct PostgresDrop;

/// What to take away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// What kind of thing it is.
    object: Object,
    /// A table, view or sequence as SQL writes it (`public.bookings`, `"Odd name"`); a schema by its exact name without
    /// quotes; for a column the table it is in.
    name: String,
    /// The column's exact name without quotes, where `object` is `column`.
    #[serde(default)]
    column: Option<String>,
}

/// Where it is now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What was dropped.
    dropped: String,
    /// Its id in the quarantine.
    quarantine_id: String,
    /// For a column or schema its name now; for others the schema it lies in now.
    quarantined_as: String,
}

impl Args {
    fn named(&self) -> Named<'_> {
        Named { object: self.object, name: &self.name, column: self.column.as_deref(), quarantined: false }
    }
}

#[async_trait]
impl TypedTool for PostgresDrop {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_drop",
            kind: "postgres",
            title: "Drop into the quarantine",
            description: "Takes a table, view, sequence, column or schema of a PostgreSQL database away: it is moved or \
                          renamed into a quarantine in the same database, with its rows, indexes, privileges and triggers, \
                          and undo_call brings it back exactly. This is the way to drop something; to destroy it for good \
                          there is postgres_purge. Databases as a whole are not dropped.",
            reversibility: Reversibility::Reversible,
            softened_by: Vec::new(),
            scope: Scope::Group,
            idempotent: false,
            open_world: false,
            credential: CREDENTIAL,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let mut session = Session::open(lease).await?;
        let whereabouts = session.whereabouts();
        let tx = session.begin(Mode::Trial).await?;
        let subject = subject::find(&tx, &args.named()).await?;
        droppable(&tx, &subject).await?;
        let look = Look::at(&tx, &subject).await?;
        let mut preflight = look.preflight(&tx, &subject, ["move", " into the quarantine"]).await?;
        preflight.evidence.insert(0, whereabouts);
        preflight.evidence.extend(look.dependents.evidence(survives));
        preflight.evidence.extend(what_stays(&subject));
        code::of_events(&tx).await?.weigh(&mut preflight);
        tx.rollback().await?;
        Ok(preflight)
    }

    fn effect(&self, _args: &Args, seen: &Preflight) -> Value {
        seen.whole()
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let mut session = Session::open(lease).await?;
        let tx = session.begin_change(seen).await?;
        let subject = locked(&tx, &args.named(), seen).await?;
        droppable(&tx, &subject).await?;
        code::of_events(&tx).await?.as_seen(seen)?;
        let kept = moves::put_away(&tx, &subject, gives_up(&subject)).await?;
        let undo = UndoPlan::exact(
            "postgres_restore_dropped",
            json!({ "target": args.target, "id": kept.id }),
            moves::way_is_free(&tx, &kept).await?.digest,
        );
        let id = tx.id().await?;
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        let output = Output { dropped: subject.shown(), quarantined_as: kept.trash(), quarantine_id: kept.id };
        Ok(Done { output, undo: Some(undo) })
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        match in_quarantine(seen, lease).await {
            Ok(Some(true)) => Probe::Changed,
            Ok(Some(false)) if self.look(args, lease).await.is_ok() => Probe::Unchanged,
            _ => Probe::Unknown,
        }
    }
}

/// Whether the thing that was looked at, known by its id, lies in the quarantine now.
async fn in_quarantine(seen: &Preflight, lease: &Lease) -> Result<Option<bool>, ToolError> {
    let Some((oid, column)) = seen.targets.first().and_then(subject::id_of) else { return Ok(None) };
    let kind = seen.targets.first().map(|target| target.kind.clone()).unwrap_or_default();
    let mut session = Session::open(lease).await?;
    let tx = session.begin(Mode::ReadOnly).await?;
    let sql = match kind.as_str() {
        "postgres_table" => {
            "SELECT n.nspname::text FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1 AND $2 = 0"
        }
        "postgres_column" => {
            "SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum = $2"
        }
        "postgres_schema" => "SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE n.oid = $1 AND $2 = 0",
        _ => return Ok(None),
    };
    let rows = tx.rows(sql, &[(&oid, Type::OID), (&column, Type::INT2)]).await?;
    let name: Option<String> = rows.first().map(|row| cell(row, 0)).transpose()?;
    tx.rollback().await?;
    Ok(name.map(|name| quarantine::id_in(&name).is_some()))
}

/// What becomes of a dependent when the thing is put away.
fn survives(other: &Other) -> &'static str {
    match other.kind.as_str() {
        "view" | "materialized view" => "goes on reading it, in the quarantine too; a plain DROP would stop at it",
        "table constraint" => "goes on being enforced against it, in the quarantine too; a plain DROP would stop at it",
        _ => "needs it and keeps it by its id; a plain DROP would stop at it",
    }
}

/// What quarantine does not hide or keep.
fn what_stays(subject: &Subject) -> Vec<Evidence> {
    let seen = |about, what: &str| Evidence::seen(about, what, "the quarantine");
    let backups =
        seen(About::Backups, "what is dropped stays in the same cluster, in the quarantine; that is no backup of it");
    let texts = "functions that name it in their text will not find it";
    match subject {
        Subject::Relation(_) => vec![backups, seen(About::Dependents, texts)],
        Subject::Column(..) => {
            let readable = "it stays in its table under a reserved name, and its indexes and constraints stay in force";
            let mut all = vec![backups, seen(About::State, readable), seen(About::Dependents, texts)];
            if gives_up(subject) {
                all.push(seen(
                    About::State,
                    "it gives up NOT NULL, since inserts would fail without it; undo sets it again",
                ));
            }
            all
        }
        Subject::Schema(..) => vec![backups, seen(About::Dependents, texts)],
    }
}

/// Whether inserts would fail without a value for the column.
fn gives_up(subject: &Subject) -> bool {
    matches!(subject, Subject::Column(_, column) if needs_a_value(column))
}

fn needs_a_value(column: &Column) -> bool {
    column.not_null && column.default.is_none() && column.identity.is_none() && column.generated.is_none()
}

/// Refuses what could not be brought back exactly, or what the role may not do.
async fn droppable(tx: &Tx<'_>, subject: &Subject) -> Result<(), ToolError> {
    quarantine::possible(tx).await?;
    match subject {
        Subject::Relation(all) => {
            for relation in all {
                let name = relation.schema.clone();
                let sql = "SELECT pg_catalog.has_schema_privilege($1, 'CREATE')";
                if !tx.value::<bool>(sql, &[(&name, Type::TEXT)]).await? {
                    let role = shown(&tx.server.user);
                    let reason =
                        format!("the role {role} could not bring anything back into the schema {}", shown(&name));
                    return Err(ToolError::failed(reason)
                        .with_next("a person who administers the database can grant it CREATE on that schema"));
                }
            }
            Ok(())
        }
        Subject::Column(table, column) => column_is_droppable(tx, table, column).await,
        Subject::Schema(..) => Ok(()),
    }
}

async fn column_is_droppable(tx: &Tx<'_>, table: &Relation, column: &Column) -> Result<(), ToolError> {
    if quarantine::id_in(&column.name).is_some() {
        return Err(ToolError::refused(format!("the column {} is in the quarantine already", shown(&column.name))));
    }
    let rows = tx.rows(COLUMN, &[(&table.oid, Type::OID), (&column.number, Type::INT2)]).await?;
    let row = rows.first().ok_or_else(|| ToolError::changed("the column is gone"))?;
    let what = format!("the column {} of {}", shown(&column.name), table.shown());
    let [inherited, key, partition, domain, tree] =
        [cell::<bool>(row, 0)?, cell(row, 1)?, cell(row, 2)?, cell(row, 3)?, cell(row, 4)?];
    let needs = needs_a_value(column);
    let reason = match () {
        () if inherited => "comes from a parent table: drop it there",
        () if partition => "decides which partition a row goes into",
        () if domain && column.default.is_none() => "has a type that allows no NULL, so inserts would fail without it",
        () if needs && key => "is part of the primary key and has no default, so inserts would fail without it",
        () if needs && tree => "is NOT NULL in some of the tables that inherit it and not in others",
        () if needs && tx.server.version >= 180_000 => {
            "has a NOT NULL constraint with a name of its own and no default"
        }
        () => return Ok(()),
    };
    Err(ToolError::refused(format!("{what} {reason}")).with_next("`postgres_purge` shows what would go with it"))
}

const COLUMN: &str = "SELECT a.attinhcount > 0, \
    EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary \
        AND a.attnum = ANY (i.indkey::int2[])), \
    EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = a.attrelid \
        AND a.attnum = ANY (p.partattrs::int2[])), \
    EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid AND t.typnotnull), \
    EXISTS (WITH RECURSIVE tree (oid) AS (SELECT a.attrelid UNION SELECT h.inhrelid FROM tree \
        JOIN pg_catalog.pg_inherits h ON h.inhparent = tree.oid) \
        SELECT FROM tree JOIN pg_catalog.pg_attribute b ON b.attrelid = tree.oid AND b.attname = a.attname \
        WHERE NOT b.attisdropped AND b.attnotnull <> a.attnotnull) \
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum = $2";
