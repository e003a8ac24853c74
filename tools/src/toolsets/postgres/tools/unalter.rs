//! `postgres_unalter`: takes a change of schema back, step by step, unless something was written into what it added.

use std::collections::BTreeSet;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    About, Audience, BlastRadius, Digest, Done, Evidence, Lease, Preflight, Promise, Reversibility, Scope, ToolError,
    TypedTool,
};
use crate::text::count;
use crate::toolsets::postgres::connect::{Mode, Session, Tx};
use crate::toolsets::postgres::model::alteration;
use crate::toolsets::postgres::model::footprint::{self, Thing};
use crate::toolsets::postgres::model::inverse::{self, Step};
use crate::toolsets::postgres::model::{CREDENTIAL, code, shape};

pub(crate) struct PostgresUnalter;

/// The way back, as `postgres_alter` found it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// The steps, in their order.
    steps: Vec<Step>,
    /// The digest of the table's definition before the change.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    was: Option<Digest>,
    /// The statement that is taken back, for making the change again.
    sql: String,
    /// What it added, with all that referred to it right after.
    #[serde(default)]
    things: BTreeSet<Thing>,
}

/// What was taken back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// How many steps were taken.
    steps: u64,
}

#[async_trait]
impl TypedTool for PostgresUnalter {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_unalter",
            kind: "postgres",
            title: "Take a change of schema back",
            description: "Takes back what postgres_alter added, renamed or set, unless rows or values were written into it \
                          since.",
            reversibility: Reversibility::Reversible,
            softened_by: Vec::new(),
            scope: Scope::Resource,
            idempotent: false,
            open_world: false,
            credential: CREDENTIAL,
            audience: Audience::Undo,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let mut session = Session::open(lease).await?;
        let (whereabouts, database) = (session.whereabouts(), session.database());
        let tx = session.begin(Mode::Trial).await?;
        shape::harden(&tx).await?;
        let left = inverse::left(&tx, &args.steps).await?;
        nothing_came(&tx, args, &left.things).await?;
        let target = match args.steps.iter().find_map(Step::relation) {
            Some(oid) => crate::toolsets::postgres::model::catalog::relation_of(&tx, oid).await?.target(&tx),
            None => database,
        };
        let events = code::of_events(&tx).await?;
        tx.rollback().await?;
        let what = "what it adds holds nothing that was written since, and nothing came to it";
        let mut preflight = Preflight {
            targets: vec![target],
            blast_radius: BlastRadius::one(Scope::Resource),
            reversibility: Reversibility::Reversible,
            destroys_recovery: false,
            evidence: vec![whereabouts, Evidence::seen(About::State, what, "the catalogue")],
            alternative: None,
            fingerprint: left.digest,
            summary: format!("take a change of schema back in {}", count(args.steps.len() as u64, "step")),
            pre_image: None,
        };
        events.weigh(&mut preflight);
        Ok(preflight)
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let mut session = Session::open(lease).await?;
        let tx = session.begin_change(seen).await?;
        let path = shape::harden(&tx).await?;
        let mut oids: Vec<u32> = args.steps.iter().filter_map(Step::relation).collect();
        oids.dedup();
        shape::lock(&tx, &shape::relations(&tx, &oids).await?).await?;
        if inverse::left(&tx, &args.steps).await?.digest != seen.fingerprint {
            return Err(ToolError::changed("what the change left is no longer as it was looked at"));
        }
        code::of_events(&tx).await?.as_seen(seen)?;
        inverse::take_back(&tx, &args.steps, args.was).await?;
        shape::soften(&tx, &path).await?;
        let undo = alteration::again(&tx, &args.target, &args.sql).await?;
        let id = tx.id().await?;
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        Ok(Done { output: Output { steps: args.steps.len() as u64 }, undo: Some(undo) })
    }
}

/// Refuses to remove what came since: nobody agreed to that.
async fn nothing_came(tx: &Tx<'_>, args: &Args, things: &BTreeSet<Thing>) -> Result<(), ToolError> {
    let mut came = things.difference(&args.things).filter(|_| !args.things.is_empty());
    let Some(first) = came.next() else { return Ok(()) };
    let more = came.count() as u64;
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let what = format!("{}{more} came since, and depends on it", footprint::told(tx, first).await?);
    Err(ToolError::changed(what).with_next("remove that first, or use `postgres_drop`, which keeps what it takes away"))
}
