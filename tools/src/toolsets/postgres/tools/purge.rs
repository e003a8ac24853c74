//! `postgres_purge`: destroys a table, view, sequence, column or empty schema for good, whether in use or in the quarantine.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use crate::contract::{
    About, Alternative, Audience, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError,
    TypedTool,
};
use crate::text::shown;
use crate::toolsets::postgres::connect::{Mode, Session, Tx};
use crate::toolsets::postgres::model::CREDENTIAL;
use crate::toolsets::postgres::model::catalog::quote;
use crate::toolsets::postgres::model::look::{Look, locked};
use crate::toolsets::postgres::model::quarantine::{self, Kept, Way};
use crate::toolsets::postgres::model::subject::{self, Named, Object, Subject};

pub(crate) struct PostgresPurge;

/// What to destroy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// What kind of thing it is.
    object: Object,
    /// A table, view or sequence as SQL writes it; a schema by its exact name without quotes; for a column the table it is
    /// in. What lies in the quarantine goes by its name there.
    name: String,
    /// The column's exact name without quotes, where `object` is `column`.
    #[serde(default)]
    column: Option<String>,
}

/// What was destroyed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What is no more.
    purged: String,
    /// How many rows went with it; for a column those of its table. None where they were not all counted.
    rows: Option<u64>,
    /// More rows than these, where counting stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_than: Option<u64>,
}

impl Args {
    fn named(&self) -> Named<'_> {
        Named { object: self.object, name: &self.name, column: self.column.as_deref(), quarantined: true }
    }
}

#[async_trait]
impl TypedTool for PostgresPurge {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_purge",
            kind: "postgres",
            title: "Destroy for good",
            description: "Destroys a table with its rows, or a view, sequence, column or empty schema: nothing brings them \
                          back. It is refused while anything else depends on it. Use postgres_drop instead unless the space \
                          or the data itself must be gone.",
            reversibility: Reversibility::Irreversible,
            softened_by: Vec::new(),
            scope: Scope::Resource,
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
        let (subject, kept) = purgeable(&tx, args).await?;
        let look = Look::at(&tx, &subject).await?;
        alone(&look, &subject)?;
        let mut preflight = look.preflight(&tx, &subject, ["destroy for good", ""]).await?;
        preflight.evidence.insert(0, whereabouts);
        preflight.reversibility = Reversibility::Irreversible;
        if let Some(kept) = kept {
            preflight.destroys_recovery = true;
            let what = format!("this is all that is left of the {}, dropped at {}", kept.what, shown(&kept.at));
            preflight.evidence.push(Evidence::seen(About::Backups, what, "the quarantine"));
        } else {
            preflight.alternative = Some(alternative(args, &subject));
        }
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
        let look = Look::at(&tx, &subject).await?;
        alone(&look, &subject)?;
        let kept = entry(&tx, &subject).await?;
        tx.run(&statement(&subject)?).await?;
        if let Some(kept) = kept {
            clear(&tx, &kept, &subject).await?;
        }
        let id = tx.id().await?;
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        let (rows, more_than) = look.contents.told();
        Ok(Done::read(Output { purged: subject.shown(), rows, more_than }))
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        match self.look(args, lease).await {
            Ok(again) if again.fingerprint == seen.fingerprint => return Probe::Unchanged,
            Ok(_) | Err(_) => {}
        }
        match is_gone(seen, lease).await {
            Ok(Some(true)) => Probe::Changed,
            _ => Probe::Unknown,
        }
    }
}

async fn is_gone(seen: &Preflight, lease: &Lease) -> Result<Option<bool>, ToolError> {
    let Some(target) = seen.targets.first() else { return Ok(None) };
    let Some((oid, column)) = subject::id_of(target) else { return Ok(None) };
    let mut session = Session::open(lease).await?;
    let tx = session.begin(Mode::ReadOnly).await?;
    let sql = match target.kind.as_str() {
        "postgres_schema" => "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.oid = $1 AND $2 = 0)",
        "postgres_column" => {
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum = $2 \
             AND NOT a.attisdropped)"
        }
        _ => "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = $1 AND $2 = 0)",
    };
    let gone = tx.value(sql, &[(&oid, Type::OID), (&column, Type::INT2)]).await?;
    tx.rollback().await?;
    Ok(Some(gone))
}

async fn purgeable(tx: &Tx<'_>, args: &Args) -> Result<(Subject, Option<Kept>), ToolError> {
    let subject = subject::find(tx, &args.named()).await?;
    let kept = entry(tx, &subject).await?;
    Ok((subject, kept))
}

/// What the quarantine's list says of it, where it lies there.
async fn entry(tx: &Tx<'_>, subject: &Subject) -> Result<Option<Kept>, ToolError> {
    let name = match subject {
        Subject::Relation(all) => all.first().map(|relation| relation.schema.as_str()),
        Subject::Column(_, column) if quarantine::id_in(&column.name).is_some() => Some(column.name.as_str()),
        Subject::Column(table, _) => Some(table.schema.as_str()),
        Subject::Schema(schema, _) => Some(schema.name.as_str()),
    };
    match name.and_then(quarantine::id_in) {
        Some(id) => quarantine::kept(tx, id).await.map(Some),
        None => Ok(None),
    }
}

/// Refuses while anything that stands by itself depends on it.
fn alone(look: &Look, subject: &Subject) -> Result<(), ToolError> {
    if look.dependents.others.is_empty() {
        return Ok(());
    }
    let named = look.dependents.named().join(", ");
    Err(ToolError::refused(format!("the {} is still needed by {named}", subject.shown()))
        .with_next("purge or change those first; nothing is destroyed that was not asked for by its name"))
}

fn alternative(args: &Args, subject: &Subject) -> Alternative {
    let mut call = json!({ "target": args.target, "object": args.object, "name": args.name });
    if let Some(column) = &args.column {
        call["column"] = Value::from(column.as_str());
    }
    Alternative {
        tool: "postgres_drop".into(),
        args: call,
        summary: format!("drop the {} into the quarantine, from where it can be brought back", subject.shown()),
    }
}

fn statement(subject: &Subject) -> Result<String, ToolError> {
    Ok(match subject {
        Subject::Relation(all) => {
            let relation = all.first().ok_or_else(|| ToolError::changed("it is gone"))?;
            let word = match relation.kind {
                'v' => "VIEW",
                'm' => "MATERIALIZED VIEW",
                'S' => "SEQUENCE",
                'f' => "FOREIGN TABLE",
                _ => "TABLE",
            };
            format!("DROP {word} {} RESTRICT", relation.quoted())
        }
        Subject::Column(table, column) => {
            format!("ALTER TABLE {} DROP COLUMN {} RESTRICT", table.quoted(), quote(&column.name))
        }
        Subject::Schema(schema, _) => format!("DROP SCHEMA {} RESTRICT", quote(&schema.name)),
    })
}

/// Takes the entry off the list, once nothing of it is left.
async fn clear(tx: &Tx<'_>, kept: &Kept, subject: &Subject) -> Result<(), ToolError> {
    let trash = kept.trash();
    match (subject, &kept.way) {
        (Subject::Relation(_), Way::Relations(_)) => {
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
                       ON n.oid = c.relnamespace WHERE n.nspname = $1::text::pg_catalog.name)";
            if tx.value::<bool>(sql, &[(&trash, Type::TEXT)]).await? {
                return Ok(());
            }
            tx.run(&format!("DROP SCHEMA {} RESTRICT", quote(&trash))).await?;
        }
        (Subject::Column(_, column), Way::Column { .. }) if column.name == trash => {}
        (Subject::Schema(..), Way::Schema { .. } | Way::Relations(_)) => {}
        // A part of what lies there: the rest stays on the list.
        _ => return Ok(()),
    }
    quarantine::forget(tx, &kept.id).await
}
