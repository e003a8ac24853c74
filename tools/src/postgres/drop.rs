//! `postgres_drop`: takes a table, view, sequence, column or schema away into the quarantine, from where it can be brought
//! back exactly.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::CREDENTIAL;
use super::catalog::{Column, Relation, cell};
use super::code;
use super::contents::{self, Contents};
use super::dependents::{Dependents, Other};
use super::quarantine;
use super::session::{Mode, Session, Tx};
use super::shape;
use super::subject::{self, Named, Object, Subject};
use crate::contract::{
    About, Audience, BlastRadius, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError,
    TypedTool, UndoPlan,
};
use crate::text::{shown, size};

pub(super) struct PostgresDrop;

/// What to take away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
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
pub(super) struct Output {
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
        let kept = quarantine::put_away(&tx, &subject, gives_up(&subject)).await?;
        let undo = UndoPlan {
            tool: "postgres_restore_dropped".into(),
            args: json!({ "target": args.target, "id": kept.id }),
            expects: quarantine::way_is_free(&tx, &kept).await?.digest,
            until: None,
            lossy: Vec::new(),
        };
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

/// Finds the thing again and locks it, and refuses when it is not what was looked at.
pub(super) async fn locked(tx: &Tx<'_>, named: &Named<'_>, seen: &Preflight) -> Result<Subject, ToolError> {
    let first = subject::find(tx, named).await?;
    // A schema is renamed or, when it is empty, removed: no row in it is at stake, and its tables may be somebody else's.
    if !matches!(first, Subject::Schema(..)) {
        shape::lock(tx, first.relations()).await?;
    }
    // What waited for the lock may have found another thing behind the name.
    let quoted = match &first {
        Subject::Relation(all) => all.first().map(Relation::quoted),
        Subject::Column(table, _) => Some(table.quoted()),
        Subject::Schema(..) => None,
    };
    let subject = subject::find(tx, &Named { name: quoted.as_deref().unwrap_or(named.name), ..named.clone() }).await?;
    let look = Look::at(tx, &subject).await?;
    if look.fingerprint != seen.fingerprint {
        return Err(ToolError::changed(format!("the {} is no longer as it was looked at", subject.shown())));
    }
    Ok(subject)
}

/// What a look finds about a thing, whatever is to become of it.
pub(super) struct Look {
    pub contents: Contents,
    pub dependents: Dependents,
    pub fingerprint: crate::contract::Digest,
}

impl Look {
    pub(super) async fn at(tx: &Tx<'_>, subject: &Subject) -> Result<Self, ToolError> {
        let contents = contents::contents(tx, subject.relations(), tx.site().limits.count).await?;
        let dependents = subject.dependents(tx).await?;
        let fingerprint = subject.fingerprint(tx, &contents, &dependents).await?;
        Ok(Self { contents, dependents, fingerprint })
    }

    /// What taking it away means, for good or not.
    pub(super) async fn preflight(
        &self,
        tx: &Tx<'_>,
        subject: &Subject,
        [before, after]: [&str; 2],
    ) -> Result<Preflight, ToolError> {
        let contents = &self.contents;
        let wide = matches!(subject, Subject::Schema(..));
        let mut blast_radius = BlastRadius::one(if wide { Scope::Group } else { Scope::Resource });
        if let Subject::Schema(_, all) = subject {
            blast_radius.resources = 1 + all.len() as u64;
        }
        blast_radius.dependents = self.dependents.len();
        blast_radius.rows = contents.rows;
        blast_radius.bytes = Some(contents.bytes);
        blast_radius.truncated = contents.truncated || self.dependents.truncated;
        for part in &contents.parts {
            if let Some(relation) = subject.relations().iter().find(|relation| relation.oid == part.oid) {
                blast_radius.parts.insert(relation.shown(), part.rows);
            }
        }
        let mut evidence = vec![Evidence::seen(About::State, self.holds(subject, &blast_radius), "pg_class")];
        if subject.relations().iter().any(|relation| relation.kind == 'r') {
            let last = shape::last_write(tx, subject.relations(), contents, tx.site().limits.count).await?;
            evidence.push(Evidence::seen(About::State, last, "pg_stat_all_tables"));
        }
        let backups = "the gateway knows of no backup of this database, nor of its age";
        evidence.push(Evidence::seen(About::Backups, backups, "the configuration"));
        let rows = contents.shown().map(|rows| format!(" with {rows}"));
        let target = subject.target(tx).ok_or_else(|| ToolError::not_found("there is nothing of that name"))?;
        Ok(Preflight {
            targets: vec![target],
            blast_radius,
            reversibility: Reversibility::Reversible,
            destroys_recovery: false,
            evidence,
            alternative: None,
            fingerprint: self.fingerprint,
            summary: format!("{before} the {}{}{after}", subject.shown(), rows.unwrap_or_default()),
            pre_image: None,
        })
    }

    fn holds(&self, subject: &Subject, radius: &BlastRadius) -> String {
        let rows = match (self.contents.shown(), self.contents.hidden) {
            (_, true) => self.contents.runs.as_ref().map_or_else(
                || "rows that this role may not see all of".into(),
                |runs| format!("rows that were not counted, since that would run {runs}"),
            ),
            (Some(rows), _) => rows,
            (None, _) => "no rows of its own".into(),
        };
        let bytes = radius.bytes.map_or_else(|| "nobody here may know how much".into(), size);
        let along = self.dependents.companions();
        let along = if along.is_empty() { String::new() } else { format!("; with it go {along}") };
        match subject {
            Subject::Column(..) => format!("its table holds {rows}, {bytes}{along}"),
            _ => format!("the {} holds {rows}, {bytes}{along}", subject.shown()),
        }
    }
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
