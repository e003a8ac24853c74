//! `postgres_restore_dropped`: brings back what `postgres_drop` put into the quarantine, exactly as it was dropped.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Audience, BlastRadius, Done, Evidence, Lease, Preflight, Promise, Reversibility, Scope, ToolError,
    TypedTool, UndoPlan,
};
use crate::text::shown;
use crate::toolsets::postgres::connect::{Mode, Session, Tx};
use crate::toolsets::postgres::model::CREDENTIAL;
use crate::toolsets::postgres::model::catalog;
use crate::toolsets::postgres::model::code;
use crate::toolsets::postgres::model::look::Look;
use crate::toolsets::postgres::model::moves;
use crate::toolsets::postgres::model::quarantine::{self, Kept, Way};
use crate::toolsets::postgres::model::shape;
use crate::toolsets::postgres::model::subject::{self, Named, Object};

pub(crate) struct PostgresRestoreDropped;

/// What to bring back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// The id in the quarantine, as `postgres_drop` gave it.
    id: String,
}

/// What was brought back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What is there again.
    restored: String,
}

#[async_trait]
impl TypedTool for PostgresRestoreDropped {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_restore_dropped",
            kind: "postgres",
            title: "Bring back what was dropped",
            description: "Brings what postgres_drop put into the quarantine back to its place and its name, with its rows, \
                          indexes, privileges and triggers.",
            reversibility: Reversibility::Reversible,
            softened_by: Vec::new(),
            scope: Scope::Group,
            idempotent: false,
            open_world: false,
            credential: CREDENTIAL,
            audience: Audience::Undo,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let mut session = Session::open(lease).await?;
        let whereabouts = session.whereabouts();
        let tx = session.begin(Mode::Trial).await?;
        shape::harden(&tx).await?;
        let kept = restorable(&tx, &args.id).await?;
        let what = format!("the {} was dropped at {}", kept.what, shown(&kept.at));
        let free = moves::way_is_free(&tx, &kept).await?;
        let mut evidence = vec![whereabouts, Evidence::seen(About::State, what, "the quarantine")];
        evidence.extend(free.said.into_iter().map(|said| Evidence::seen(About::State, said, "the quarantine")));
        let mut preflight = Preflight {
            targets: vec![tx.site().target("postgres_quarantined", &kept.trash(), uid(&tx, &kept))],
            blast_radius: BlastRadius::one(Scope::Resource),
            reversibility: Reversibility::Reversible,
            destroys_recovery: false,
            evidence,
            alternative: None,
            fingerprint: free.digest,
            summary: format!("bring the {} back from the quarantine", kept.what),
            pre_image: None,
        };
        code::of_events(&tx).await?.weigh(&mut preflight);
        tx.rollback().await?;
        Ok(preflight)
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let mut session = Session::open(lease).await?;
        let tx = session.begin_change(seen).await?;
        shape::harden(&tx).await?;
        quarantine::open(&tx).await?;
        let kept = restorable(&tx, &args.id).await?;
        let oids = match &kept.way {
            Way::Relations(moved) => moved.iter().map(|one| one.oid).collect(),
            Way::Column { table, .. } => vec![*table],
            Way::Schema { .. } | Way::Database { .. } | Way::Copies(_) => Vec::new(),
        };
        shape::lock(&tx, &shape::relations(&tx, &oids).await?).await?;
        if moves::way_is_free(&tx, &kept).await?.digest != seen.fingerprint {
            return Err(ToolError::changed("what lies in the quarantine is no longer as it was looked at"));
        }
        code::of_events(&tx).await?.as_seen(seen)?;
        moves::bring_back(&tx, &kept).await?;
        let undo = drop_again(&tx, &kept, &args.target).await?;
        let id = tx.id().await?;
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        Ok(Done { output: Output { restored: kept.what }, undo: Some(undo) })
    }
}

async fn restorable(tx: &Tx<'_>, id: &str) -> Result<Kept, ToolError> {
    let kept = quarantine::kept(tx, id).await?;
    match kept.way {
        Way::Copies(_) => Err(ToolError::refused(format!("{} are the copies of truncated rows", shown(id)))),
        _ => Ok(kept),
    }
}

fn uid(tx: &Tx<'_>, kept: &Kept) -> String {
    format!("{}#{}", tx.server.identity(), kept.id)
}

/// The call that drops it again.
async fn drop_again(tx: &Tx<'_>, kept: &Kept, target: &str) -> Result<UndoPlan, ToolError> {
    let (object, name, column) = match &kept.way {
        Way::Relations(moved) => {
            let oid = moved.first().map_or(0, |one| one.oid);
            let relation = catalog::relation_of(tx, oid).await?;
            let object = match relation.kind {
                'v' | 'm' => Object::View,
                'S' => Object::Sequence,
                _ => Object::Table,
            };
            (object, relation.quoted(), None)
        }
        Way::Column { table, name, .. } => {
            (Object::Column, catalog::relation_of(tx, *table).await?.quoted(), Some(name.as_str()))
        }
        Way::Schema { name, .. } => (Object::Schema, name.clone(), None),
        Way::Database { .. } | Way::Copies(_) => {
            return Err(ToolError::refused("only what lies in this database is dropped"));
        }
    };
    let subject = subject::find(tx, &Named { object, name: &name, column, quarantined: false }).await?;
    let mut args = json!({ "target": target, "object": object, "name": name });
    if let Some(column) = column {
        args["column"] = Value::from(column);
    }
    Ok(UndoPlan::exact("postgres_drop", args, Look::at(tx, &subject).await?.fingerprint))
}
