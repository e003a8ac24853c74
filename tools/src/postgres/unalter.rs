//! `postgres_unalter`: takes a change of schema back, step by step, unless something was written into what it added.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inverse::{self, Step};
use super::session::{Mode, Session, Tx};
use super::{CREDENTIAL, alter, code, shape};
use crate::contract::{
    About, Audience, BlastRadius, Digest, Done, Evidence, Lease, Preflight, Promise, Reversibility, Scope, ToolError,
    TypedTool,
};
use crate::text::count;

pub(super) struct PostgresUnalter;

/// The way back, as `postgres_alter` found it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
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
}

/// What was taken back.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
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
        let fingerprint = inverse::left(&tx, &args.steps).await?;
        let target = match args.steps.iter().find_map(Step::relation) {
            Some(oid) => super::catalog::relation_of(&tx, oid).await?.target(&tx),
            None => database,
        };
        let events = code::of_events(&tx).await?;
        tx.rollback().await?;
        let what = "what it adds holds nothing that was written since";
        let mut preflight = Preflight {
            targets: vec![target],
            blast_radius: BlastRadius::one(Scope::Resource),
            reversibility: Reversibility::Reversible,
            destroys_recovery: false,
            evidence: vec![whereabouts, Evidence::seen(About::State, what, "the catalogue")],
            alternative: None,
            fingerprint,
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
        if inverse::left(&tx, &args.steps).await? != seen.fingerprint {
            return Err(ToolError::changed("what the change left is no longer as it was looked at"));
        }
        code::of_events(&tx).await?.as_seen(seen)?;
        for step in &args.steps {
            step.take(&tx).await?;
        }
        as_it_was(&tx, args, &oids).await?;
        shape::soften(&tx, &path).await?;
        let undo = alter::again(&tx, &args.target, &args.sql).await?;
        let id = tx.id().await?;
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        Ok(Done { output: Output { steps: args.steps.len() as u64 }, undo: Some(undo) })
    }
}

/// Refuses a way back that does not lead there exactly: nothing of it is kept then.
async fn as_it_was(tx: &Tx<'_>, args: &Args, oids: &[u32]) -> Result<(), ToolError> {
    match args.was {
        Some(was) if !matches!(args.steps.as_slice(), [Step::Relation { .. }]) => {
            if shape::shape(tx, oids).await? != was {
                return Err(ToolError::failed("the steps back do not lead to the table as it was, so none was kept"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
