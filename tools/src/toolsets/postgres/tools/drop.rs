//! `postgres_drop`: takes a table, view, sequence, column or schema away into the quarantine, from where it can be brought
//! back exactly.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use crate::contract::{
    About, Applied, Change, Evidence, Findings, Preflight, Probe, Reversibility, Scope, Spec, TakesBack as _,
    ToolError, Undo,
};
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::catalog::{Column, Relation, cell};
use crate::toolsets::postgres::model::dependents::Other;
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::look::{self, Look};
use crate::toolsets::postgres::model::moves::{self, BringBack};
use crate::toolsets::postgres::model::subject::{self, Named, Object, Subject};
use crate::toolsets::postgres::model::{code, quarantine};

/// Drops into the quarantine.
pub(crate) struct Drop;

/// What to take away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
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
impl Change for Drop {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Look;
    const SPEC: Spec = Spec::change(
        Named::TOOL,
        "Drop into the quarantine",
        "Takes a table, view, sequence, column or schema of a PostgreSQL database away: it is moved or \
         renamed into a quarantine in the same database, with its rows, indexes, privileges and triggers, \
         and undo_call brings it back exactly. This is the way to drop something; to destroy it for good \
         there is postgres_purge. Databases as a whole are not dropped.",
        Reversibility::Reversible,
    )
    .scope(Scope::Group)
    .on_whole_things();

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Look, ToolError> {
        let subject = look::find(tx, &args.named()).await?;
        if !tx.is_change() {
            droppable(tx, &subject).await?;
        }
        Look::at(tx, subject).await
    }

    async fn describe(_args: &Args, look: &Look, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let findings = look.findings(tx, ["move", " into the quarantine"]).await?;
        let findings = findings.facts(look.dependents.evidence(survives)).facts(what_stays(&look.subject));
        Ok(code::of_events(tx).await?.escalate(findings))
    }

    async fn apply(
        _args: &Args,
        Look { subject, .. }: Look,
        agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        droppable(tx, &subject).await?;
        code::of_events(tx).await?.as_seen(agreed)?;
        let kept = moves::put_away(tx, &subject, gives_up(&subject)).await?;
        let undo = Undo::with(&BringBack { id: kept.id.clone() }, moves::way_is_free(tx, &kept).await?.digest)?;
        let output = Output { dropped: subject.shown(), quarantined_as: kept.trash(), quarantine_id: kept.id };
        Ok(Applied::new(output, undo))
    }

    async fn probe(args: &Args, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<Probe, ToolError> {
        Ok(match in_quarantine(agreed, tx).await? {
            Some(true) => Probe::Changed,
            Some(false) if Self::observe(args, tx).await.is_ok() => Probe::Unchanged,
            _ => Probe::Unknown,
        })
    }
}

/// Whether the thing that was looked at, known by its id, lies in the quarantine now.
async fn in_quarantine(agreed: &Preflight, tx: &Tx<'_>) -> Result<Option<bool>, ToolError> {
    let Some(target) = agreed.targets.first() else { return Ok(None) };
    let Some((oid, column)) = subject::id_of(target) else { return Ok(None) };
    let sql = match target.kind.as_str() {
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
