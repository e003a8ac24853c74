//! `postgres_restore_rows`: puts rows back as they were before a write. Reached through the journal only.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::contract::{
    About, Audience, BlastRadius, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, Target,
    ToolError, TypedTool, UndoPlan,
};
use crate::text::{count, grouped, shown};
use crate::toolsets::postgres::connect::{Mode, Session, Tx, dotted};
use crate::toolsets::postgres::model::CREDENTIAL;
use crate::toolsets::postgres::model::code::{self, Doing};
use crate::toolsets::postgres::model::put_back::{self, Paths};
use crate::toolsets::postgres::model::rows::{Images, RowImage};
use crate::toolsets::postgres::model::sequences::{self};
use crate::toolsets::postgres::model::undo::{Args, current, fingerprint, plan, probe};
use crate::toolsets::postgres::model::watch;

pub(crate) struct PostgresRestoreRows;

/// What was put back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Rows put back, those taken away again included.
    rows_restored: u64,
}

#[async_trait]
impl TypedTool for PostgresRestoreRows {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_restore_rows",
            kind: "postgres",
            title: "Put rows of a PostgreSQL database back",
            description: "Puts rows back exactly as they were before a change, without running triggers, and only if \
                          nothing else changes by it. The other half of postgres_write.",
            reversibility: Reversibility::Reversible,
            softened_by: Vec::new(),
            scope: Scope::Resource,
            idempotent: true,
            open_world: false,
            credential: CREDENTIAL,
            audience: Audience::Undo,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let mut session = Session::open(lease).await?;
        let (database, whereabouts) = (session.database(), session.whereabouts());
        let tx = session.begin(Mode::ReadOnly).await?;
        let looked = current(&tx, &args.rows).await.map(|now| preflight(&tx, args, &now, database, whereabouts));
        tx.rollback().await?;
        looked
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let mut session = Session::open(lease).await?;
        let tx = session.begin(Mode::Change).await?;
        let (id, undo) = match restore(&tx, args, seen).await {
            Ok(done) => done,
            Err(error) => {
                tx.rollback().await.ok();
                return Err(error);
            }
        };
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        let rows_restored = args.rows.tables.iter().map(|table| table.rows.len() as u64).sum();
        Ok(Done { output: Output { rows_restored }, undo: Some(undo) })
    }

    async fn probe(&self, _args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        probe(seen, lease).await
    }
}

/// Puts everything back in this transaction; its id, and how to take that back.
async fn restore(tx: &Tx<'_>, args: &Args, seen: &Preflight) -> Result<(String, UndoPlan), ToolError> {
    let id = watch::settle(tx).await?;
    tx.show_under_way(seen).await?;
    let paths = Paths::of(tx).await?;
    paths.own(tx).await?;
    code::of_relations(tx, &args.rows.oids(), Doing::Writing).await?.refuse("not put back")?;
    let layouts = put_back::tables(tx, &args.rows).await?;
    let held: Vec<u32> = args.rows.sequences.iter().map(|sequence| sequence.oid).collect();
    let held = sequences::hold(tx, &held).await?.unwrap_or_default();
    let mut now = put_back::now(tx, &layouts, &Images { sequences: Vec::new(), ..args.rows.clone() }).await?;
    if fingerprint(tx.server, &now) != seen.fingerprint {
        return Err(ToolError::changed("the rows are no longer as they were left"));
    }
    // One that somebody has drawn from since stays where it is: setting it back would give values out twice.
    now.sequences = held.into_iter().filter(|now| args.left.iter().any(|left| left.stands_like(now))).collect();
    let mut then = args.rows.clone();
    then.sequences.retain(|kept| now.sequences.iter().any(|sequence| sequence.oid == kept.oid));
    if let Err(reason) = put_back::put_back(tx, &paths, &layouts, &then).await? {
        return Err(ToolError::refused(format!("the rows cannot be put back: {reason}"))
            .with_next("what was changed since stands in the way: take that back first"));
    }
    let undo = plan(tx.server, &args.target, &now, &then)?;
    Ok((id, undo))
}

fn preflight(tx: &Tx<'_>, args: &Args, now: &Images, database: Target, whereabouts: Evidence) -> Preflight {
    let mut targets = Vec::new();
    let mut blast_radius = BlastRadius::one(Scope::Resource);
    let differs = |(now, then): &(&RowImage, &RowImage)| now.row != then.row;
    let mut parts = Vec::new();
    for (now, then) in now.tables.iter().zip(&args.rows.tables) {
        let name = format!("{}.{}", now.schema, now.table);
        let uid = format!("{}#{}", tx.server.identity(), now.oid);
        targets.push(tx.site().target("postgres_table", &dotted(&[&now.schema, &now.table]), uid));
        let rows = now.rows.iter().zip(&then.rows).filter(differs).count() as u64;
        parts.push(format!("{} of {}.{}", grouped(rows), shown(&now.schema), shown(&now.table)));
        blast_radius.parts.insert(name, rows);
    }
    if targets.is_empty() {
        targets.push(database);
    }
    let rows: u64 = blast_radius.parts.values().sum();
    blast_radius.resources = targets.len() as u64;
    blast_radius.rows = Some(rows);
    blast_radius.bytes = Some(now.weight());
    let of = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let kept = Evidence::seen(About::Undo, "the rows as they are now are kept for undoing", "the tables");
    Preflight {
        targets,
        blast_radius,
        reversibility: Reversibility::Reversible,
        destroys_recovery: false,
        evidence: vec![whereabouts, kept],
        alternative: None,
        fingerprint: fingerprint(tx.server, now),
        summary: format!("put back {}{of}", count(rows, "row")),
        pre_image: Some(json!({ "before": now, "after": args.rows })),
    }
}
