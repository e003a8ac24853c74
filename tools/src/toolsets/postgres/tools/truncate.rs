//! `postgres_truncate`: empties a table, after copying its rows into the quarantine where they fit.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    Applied, Change, Findings, Fingerprint as _, Preflight, Probe, Reversibility, Scope, Softening, Spec,
    TakesBack as _, ToolError, Undo, now,
};
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::catalog::Relation;
use crate::toolsets::postgres::model::copies::{self, Copies, PutBack};
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::quarantine::{self, Kept, Way};
use crate::toolsets::postgres::model::reach::{Emptied, FITS, Reach};
use crate::toolsets::postgres::model::{moves, shape};

/// Empties tables.
pub(crate) struct Truncate;

/// What to empty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
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
impl Change for Truncate {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Reach;
    const SPEC: Spec = Spec::change(
        Emptied::TOOL,
        "Empty a table",
        "Removes all rows of a table and its partitions. They are copied into the quarantine first where \
         they fit, and undo_call puts them back; otherwise they are gone for good. Sequences go on where \
         they were unless restart_identity is set.",
        Reversibility::Irreversible,
    )
    .softened_by(&[Softening {
        name: FITS,
        to: Reversibility::Reversible,
        means: "all rows fit into the quarantine, and can be put back without firing anything",
    }])
    .scope(Scope::Group);

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Reach, ToolError> {
        let reach = Reach::find(tx, &args.emptied()).await?;
        if !tx.is_change() {
            return Ok(reach);
        }
        shape::lock(tx, &reach.tables).await?;
        // What waited for the lock may have found another table behind the name, or more that refer to it.
        Reach::find(tx, &Emptied { table: &reach.root().quoted(), ..args.emptied() }).await
    }

    async fn describe(_args: &Args, reach: &Reach, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        reach.findings(tx).await
    }

    async fn apply(
        args: &Args,
        reach: Reach,
        _agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let copied = if reach.lost.is_none() { Some(copy(tx, &reach, args).await?) } else { None };
        // All of them are locked and named: nothing that came since can go along, a partition that did makes it fail.
        let word = |table: &Relation| if table.kind == 'p' { "" } else { "ONLY " };
        let list: Vec<String> = reach.tables.iter().map(|table| format!("{}{}", word(table), table.quoted())).collect();
        let (list, how) = (list.join(", "), if args.restart_identity { "RESTART" } else { "CONTINUE" });
        tx.run(&format!("TRUNCATE {list} {how} IDENTITY RESTRICT")).await?;
        let undo = match &copied {
            Some(kept) => {
                let left = moves::way_is_free(tx, kept).await?.digest;
                Some(Undo::with(&PutBack { id: kept.id.clone() }, left)?)
            }
            None => None,
        };
        let truncated = reach.tables.iter().map(Relation::shown).collect();
        let (rows, more_than) = reach.contents.told();
        Ok(Applied::new(Output { truncated, rows, more_than, quarantine_id: copied.map(|kept| kept.id) }, undo))
    }

    fn effect(args: &Args, seen: &Preflight) -> Value {
        json!([seen.whole(), args.restart_identity])
    }

    async fn probe(args: &Args, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<Probe, ToolError> {
        let now = Self::observe(args, tx).await?;
        Ok(match () {
            // Rows that nobody here may see, or that were not looked at, may be gone.
            () if now.fingerprint() == agreed.fingerprint && !now.contents.hidden => Probe::Unchanged,
            // The same tables, and nothing in them any more.
            () if now.contents.rows == Some(0) && now.targets(tx) == agreed.targets => Probe::Changed,
            () => Probe::Unknown,
        })
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
