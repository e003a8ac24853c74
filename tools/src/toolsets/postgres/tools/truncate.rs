//! `postgres_truncate`: empties a table, after copying its rows into the quarantine where they fit.

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    Audience, Condition, Done, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError, TypedTool, UndoPlan,
    now,
};
use crate::toolsets::postgres::connect::{Mode, Session, Tx};
use crate::toolsets::postgres::model::CREDENTIAL;
use crate::toolsets::postgres::model::catalog::Relation;
use crate::toolsets::postgres::model::copies::{self, Copies};
use crate::toolsets::postgres::model::moves;
use crate::toolsets::postgres::model::quarantine::{self, Kept, Way};
use crate::toolsets::postgres::model::reach::{Emptied, FITS, Reach};
use crate::toolsets::postgres::model::shape;

pub(crate) struct PostgresTruncate;

/// What to empty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// The table, as SQL writes it: `public.bookings`, `"Odd name"`.
    table: String,
    /// Empty the tables that refer to it by foreign keys too, and those that refer to them.
    #[serde(default)]
    cascade: bool,
    /// Let the sequences that belong to the columns start anew.
    #[serde(default)]
    restart_identity: bool,
}

/// What was emptied.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The tables that are empty now.
    truncated: Vec<String>,
    /// How many rows they held. None where they were not all counted.
    rows: Option<u64>,
    /// More rows than these, where counting stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_than: Option<u64>,
    /// The id of the copies in the quarantine, where there are any.
    quarantine_id: Option<String>,
}

impl Args {
    fn emptied(&self) -> Emptied<'_> {
        Emptied { table: &self.table, cascade: self.cascade, restart_identity: self.restart_identity }
    }
}

#[async_trait]
impl TypedTool for PostgresTruncate {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_truncate",
            kind: "postgres",
            title: "Empty a table",
            description: "Removes all rows of a table and its partitions. They are copied into the quarantine first where \
                          they fit, and undo_call puts them back; otherwise they are gone for good. Sequences go on where \
                          they were unless restart_identity is set.",
            reversibility: Reversibility::Irreversible,
            softened_by: vec![Condition {
                name: Cow::Borrowed(FITS),
                to: Reversibility::Reversible,
                means: Cow::Borrowed("all rows fit into the quarantine, and can be put back without firing anything"),
            }],
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
        let mut preflight = Reach::find(&tx, &args.emptied()).await?.preflight(&tx).await?;
        preflight.evidence.insert(0, whereabouts);
        tx.rollback().await?;
        Ok(preflight)
    }

    fn effect(&self, args: &Args, seen: &Preflight) -> Value {
        json!([seen.whole(), args.restart_identity])
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let mut session = Session::open(lease).await?;
        let tx = session.begin_change(seen).await?;
        let first = Reach::find(&tx, &args.emptied()).await?;
        shape::lock(&tx, &first.tables).await?;
        // What waited for the lock may have found another table behind the name, or more that refer to it.
        let table = first.root().quoted();
        let again = Emptied { table: &table, ..args.emptied() };
        let reach = Reach::find(&tx, &again).await?;
        if reach.fingerprint != seen.fingerprint {
            return Err(ToolError::changed(format!("{} is no longer as it was looked at", reach.root().shown())));
        }
        let copied = if reach.lost.is_none() { Some(copy(&tx, &reach, args).await?) } else { None };
        // All of them are locked and named: nothing that came since can go along, a partition that did makes it fail.
        let word = |table: &Relation| if table.kind == 'p' { "" } else { "ONLY " };
        let list: Vec<String> = reach.tables.iter().map(|table| format!("{}{}", word(table), table.quoted())).collect();
        let (list, how) = (list.join(", "), if args.restart_identity { "RESTART" } else { "CONTINUE" });
        tx.run(&format!("TRUNCATE {list} {how} IDENTITY RESTRICT")).await?;
        let undo = match &copied {
            Some(kept) => Some(UndoPlan::exact(
                "postgres_restore_truncated",
                json!({ "target": args.target, "id": kept.id }),
                moves::way_is_free(&tx, kept).await?.digest,
            )),
            None => None,
        };
        seen.keeps_its_undo(undo.is_some())?;
        let id = tx.id().await?;
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        let truncated = reach.tables.iter().map(Relation::shown).collect();
        let (rows, more_than) = reach.contents.told();
        let output = Output { truncated, rows, more_than, quarantine_id: copied.map(|kept| kept.id) };
        Ok(Done { output, undo })
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        match self.look(args, lease).await {
            Ok(again) if again.fingerprint == seen.fingerprint => Probe::Unchanged,
            // The same tables, and nothing in them any more.
            Ok(again) if again.blast_radius.rows == Some(0) && again.targets == seen.targets => Probe::Changed,
            Ok(_) | Err(_) => Probe::Unknown,
        }
    }
}

async fn copy(tx: &Tx<'_>, reach: &Reach, args: &Args) -> Result<Kept, ToolError> {
    quarantine::open(tx).await?;
    let id = quarantine::new_id();
    let leaves: Vec<Relation> = reach.tables.iter().filter(|table| table.kind == 'r').cloned().collect();
    let sequences = if args.restart_identity { reach.sequences.clone() } else { Vec::new() };
    let tables = copies::make(tx, &id, &leaves).await?;
    let copies = Copies { tables, sequences, root: reach.root().quoted(), cascade: args.cascade };
    let what = format!("rows of {}", reach.root().shown());
    let kept = Kept { id, what, at: now().to_string(), way: Way::Copies(copies), held: None };
    quarantine::note(tx, &kept).await?;
    Ok(kept)
}
