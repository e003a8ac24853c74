//! `postgres_restore_truncated`: puts the rows back that `postgres_truncate` copied into the quarantine.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

use crate::contract::{
    About, Applied, BlastRadius, Change, Digest, Findings, Fingerprint, Preflight, Scope, Spec, TakesBack as _,
    ToolError,
};
use crate::text::{count, shown};
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::copies::{self, Copies, PutBack};
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::quarantine::{self, Kept, Way};
use crate::toolsets::postgres::model::{catalog, code, moves, reach, shape};

/// Puts truncated rows back.
pub(crate) struct RestoreTruncated;

/// What was put back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// How many rows are there again.
    rows: u64,
}

/// The copies, and that their tables wait for them.
pub(crate) struct Seen {
    /// The role's own search path.
    path: String,
    kept: Kept,
    copies: Copies,
    free: Digest,
}

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.free
    }

    fn moved(&self) -> String {
        "the tables are no longer as they were looked at".into()
    }
}

#[async_trait]
impl Change for RestoreTruncated {
    type Kind = Databases;
    type Args = PutBack;
    type Output = Output;
    type Seen = Seen;
    const SPEC: Spec = Spec::undo(
        PutBack::TOOL,
        "Put truncated rows back",
        "Puts the rows that postgres_truncate copied into the quarantine back into their tables, which \
         have to be empty still, without firing a trigger.",
    )
    .scope(Scope::Group);

    async fn observe(args: &PutBack, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        let path = shape::harden(tx).await?;
        if tx.is_change() {
            quarantine::open(tx).await?;
        }
        let kept = quarantine::kept(tx, &args.id).await?;
        let Way::Copies(copies) = kept.way.clone() else {
            return Err(ToolError::refused(format!("{} are no copies of truncated rows", shown(&args.id))));
        };
        if tx.is_change() {
            let oids: Vec<u32> = copies.tables.iter().map(|copy| copy.oid).collect();
            shape::lock(tx, &shape::relations(tx, &oids).await?).await?;
        }
        let free = moves::way_is_free(tx, &kept).await?.digest;
        Ok(Seen { path, kept, copies, free })
    }

    async fn describe(_args: &PutBack, seen: &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let Seen { kept, copies, .. } = seen;
        let mut radius = BlastRadius::one(if copies.tables.len() > 1 { Scope::Group } else { Scope::Resource });
        let mut targets = Vec::new();
        for copy in &copies.tables {
            let table = catalog::relation_of(tx, copy.oid).await?;
            targets.push(table.target(tx));
            radius.parts.insert(table.shown(), copy.rows);
        }
        let (rows, resources) = (rows(copies), targets.len() as u64);
        let what = format!("the {} were copied at {}", kept.what, shown(&kept.at));
        let findings = Findings::on(targets, format!("put {} back: the {}", count(rows, "row"), kept.what))
            .radius(BlastRadius { resources, rows: Some(rows), ..radius })
            .fact(About::State, what, "the quarantine");
        Ok(code::of_events(tx).await?.escalate(findings))
    }

    async fn apply(
        _args: &PutBack,
        Seen { path, kept, copies, .. }: Seen,
        agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        code::of_events(tx).await?.as_seen(agreed)?;
        copies::put_back(tx, &copies, &path).await?;
        quarantine::forget(tx, &kept.id).await?;
        Ok(Applied::new(Output { rows: rows(&copies) }, reach::again(tx, &copies).await?))
    }
}

fn rows(copies: &Copies) -> u64 {
    copies.tables.iter().map(|copy| copy.rows).sum()
}
