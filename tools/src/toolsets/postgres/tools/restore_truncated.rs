//! `postgres_restore_truncated`: puts the rows back that `postgres_truncate` copied into the quarantine.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    About, Audience, BlastRadius, Done, Evidence, Lease, Preflight, Promise, Reversibility, Scope, ToolError, TypedTool,
};
use crate::text::{count, shown};
use crate::toolsets::postgres::connect::{Mode, Session, Tx};
use crate::toolsets::postgres::model::CREDENTIAL;
use crate::toolsets::postgres::model::code;
use crate::toolsets::postgres::model::copies::{self, Copies};
use crate::toolsets::postgres::model::moves;
use crate::toolsets::postgres::model::quarantine::{self, Kept, Way};
use crate::toolsets::postgres::model::reach;
use crate::toolsets::postgres::model::shape;

pub(crate) struct PostgresRestoreTruncated;

/// What to put back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// The id in the quarantine, as `postgres_truncate` gave it.
    id: String,
}

/// What was put back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// How many rows are there again.
    rows: u64,
}

#[async_trait]
impl TypedTool for PostgresRestoreTruncated {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_restore_truncated",
            kind: "postgres",
            title: "Put truncated rows back",
            description: "Puts the rows that postgres_truncate copied into the quarantine back into their tables, which \
                          have to be empty still, without firing a trigger.",
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
        let (kept, copies) = restorable(&tx, &args.id).await?;
        let mut blast_radius = BlastRadius::one(Scope::Resource);
        let mut targets = Vec::new();
        let mut rows = 0;
        for copy in &copies.tables {
            let table = crate::toolsets::postgres::model::catalog::relation_of(&tx, copy.oid).await?;
            targets.push(table.target(&tx));
            blast_radius.parts.insert(table.shown(), copy.rows);
            rows += copy.rows;
        }
        blast_radius.resources = targets.len() as u64;
        blast_radius.rows = Some(rows);
        if targets.len() > 1 {
            blast_radius.scope = Scope::Group;
        }
        let what = format!("the {} were copied at {}", kept.what, shown(&kept.at));
        let mut preflight = Preflight {
            targets,
            blast_radius,
            reversibility: Reversibility::Reversible,
            destroys_recovery: false,
            evidence: vec![whereabouts, Evidence::seen(About::State, what, "the quarantine")],
            alternative: None,
            fingerprint: moves::way_is_free(&tx, &kept).await?.digest,
            summary: format!("put {} back: the {}", count(rows, "row"), kept.what),
            pre_image: None,
        };
        code::of_events(&tx).await?.weigh(&mut preflight);
        tx.rollback().await?;
        Ok(preflight)
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let mut session = Session::open(lease).await?;
        let tx = session.begin_change(seen).await?;
        let path = shape::harden(&tx).await?;
        quarantine::open(&tx).await?;
        let (kept, copies) = restorable(&tx, &args.id).await?;
        let oids: Vec<u32> = copies.tables.iter().map(|copy| copy.oid).collect();
        shape::lock(&tx, &shape::relations(&tx, &oids).await?).await?;
        if moves::way_is_free(&tx, &kept).await?.digest != seen.fingerprint {
            return Err(ToolError::changed("the tables are no longer as they were looked at"));
        }
        code::of_events(&tx).await?.as_seen(seen)?;
        copies::put_back(&tx, &copies, &path).await?;
        quarantine::forget(&tx, &kept.id).await?;
        let undo = reach::again(&tx, &args.target, &copies).await?;
        let id = tx.id().await?;
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        let rows = copies.tables.iter().map(|copy| copy.rows).sum();
        Ok(Done { output: Output { rows }, undo: Some(undo) })
    }
}

async fn restorable(tx: &Tx<'_>, id: &str) -> Result<(Kept, Copies), ToolError> {
    let kept = quarantine::kept(tx, id).await?;
    match kept.way.clone() {
        Way::Copies(copies) => Ok((kept, copies)),
        _ => Err(ToolError::refused(format!("{} are no copies of truncated rows", shown(id)))),
    }
}
