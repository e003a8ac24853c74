//! `postgres_unalter`: takes a change of schema back, step by step, unless something was written into what it added.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

use crate::contract::{
    About, Applied, Change, Digest, Findings, Fingerprint, Preflight, Spec, TakesBack as _, ToolError,
};
use crate::text::count;
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::alteration::{self, WayBack};
use crate::toolsets::postgres::model::footprint;
use crate::toolsets::postgres::model::inverse::{self, Left, Step};
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::{catalog, code, shape};

/// Takes a change of schema back.
pub(crate) struct Unalter;

/// What was taken back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// How many steps were taken.
    steps: u64,
}

/// What the change left.
pub(crate) struct Seen {
    /// The role's own search path.
    path: String,
    left: Left,
}

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.left.digest
    }

    fn moved(&self) -> String {
        "what the change left is no longer as it was looked at".into()
    }
}

#[async_trait]
impl Change for Unalter {
    type Kind = Databases;
    type Args = WayBack;
    type Output = Output;
    type Seen = Seen;
    const SPEC: Spec = Spec::undo(
        WayBack::TOOL,
        "Take a change of schema back",
        "Takes back what postgres_alter added, renamed or set, unless rows or values were written into it \
         since.",
    );

    async fn observe(args: &WayBack, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        let path = shape::harden(tx).await?;
        if tx.is_change() {
            let mut oids: Vec<u32> = args.steps.iter().filter_map(Step::relation).collect();
            oids.dedup();
            shape::lock(tx, &shape::relations(tx, &oids).await?).await?;
        }
        Ok(Seen { path, left: inverse::left(tx, &args.steps).await? })
    }

    async fn describe(args: &WayBack, seen: &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        nothing_came(tx, args, &seen.left).await?;
        let target = match args.steps.iter().find_map(Step::relation) {
            Some(oid) => catalog::relation_of(tx, oid).await?.target(tx),
            None => tx.database(),
        };
        let summary = format!("take a change of schema back in {}", count(args.steps.len() as u64, "step"));
        let what = "what it adds holds nothing that was written since, and nothing came to it";
        let findings = Findings::on([target], summary).fact(About::State, what, "the catalogue");
        Ok(code::of_events(tx).await?.escalate(findings))
    }

    async fn apply(
        args: &WayBack,
        seen: Seen,
        agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        code::of_events(tx).await?.as_seen(agreed)?;
        inverse::take_back(tx, &args.steps, args.was).await?;
        shape::soften(tx, &seen.path).await?;
        let undo = alteration::again(tx, &args.sql).await?;
        Ok(Applied::new(Output { steps: args.steps.len() as u64 }, undo))
    }
}

/// Refuses to remove what came since: nobody agreed to that.
async fn nothing_came(tx: &Tx<'_>, args: &WayBack, left: &Left) -> Result<(), ToolError> {
    let mut came = left.things.difference(&args.things).filter(|_| !args.things.is_empty());
    let Some(first) = came.next() else { return Ok(()) };
    let more = came.count() as u64;
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let what = format!("{}{more} came since, and depends on it", footprint::told(tx, first).await?);
    Err(ToolError::changed(what).with_next("remove that first, or use `postgres_drop`, which keeps what it takes away"))
}
