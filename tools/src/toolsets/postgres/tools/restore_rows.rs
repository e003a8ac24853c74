//! `postgres_restore_rows`: puts rows back as they were before a write. Reached through the journal only.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::contract::{
    About, Applied, BlastRadius, Change, Digest, Findings, Fingerprint, Preflight, Probe, Purpose, Scope, Spec,
    TakesBack as _, ToolError,
};
use crate::text::{count, grouped, shown};
use crate::toolsets::postgres::connect::{Manner, Session, Tx, dotted};
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::put_back;
use crate::toolsets::postgres::model::rows::RowImage;
use crate::toolsets::postgres::model::sequences::{self, SequenceImage};
use crate::toolsets::postgres::model::undo::{Args, Current, fingerprint, probe, undo};
use crate::toolsets::postgres::model::watch;

/// Puts rows back.
pub(crate) struct RestoreRows;

/// What was put back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Rows put back, those taken away again included.
    rows_restored: u64,
}

/// The rows as they are.
pub(crate) struct Seen {
    current: Current,
    /// The sequences that are held for a change.
    held: Vec<SequenceImage>,
    fingerprint: Digest,
}

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn moved(&self) -> String {
        "the rows are no longer as they were left".into()
    }
}

#[async_trait]
impl Change for RestoreRows {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Seen;
    const SPEC: Spec = Spec::undo(
        Args::TOOL,
        "Put rows of a PostgreSQL database back",
        "Puts rows back exactly as they were before a change, without running triggers, and only if \
         nothing else changes by it. The other half of postgres_write.",
    )
    .idempotent();

    async fn prepare(_args: &Args, purpose: Purpose<'_>, session: &mut Session) -> Result<(), ToolError> {
        session.manner = if let Purpose::Change(_) = purpose { Manner::Isolated } else { Manner::ReadOnly };
        Ok(())
    }

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        if tx.is_change() {
            watch::numbered(tx).await?;
        }
        let current = Current::tables(tx, &args.rows).await?;
        let held = if tx.is_change() {
            let held: Vec<u32> = args.rows.sequences.iter().map(|sequence| sequence.oid).collect();
            sequences::hold(tx, &held).await?.unwrap_or_default()
        } else {
            Vec::new()
        };
        let current = current.rows(tx, &args.rows).await?;
        let fingerprint = fingerprint(tx.server, &current.now);
        Ok(Seen { current, held, fingerprint })
    }

    async fn describe(args: &Args, seen: &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let now = &seen.current.now;
        let (mut targets, mut parts) = (Vec::new(), Vec::new());
        let mut radius = BlastRadius::one(Scope::Resource);
        let differs = |(now, then): &(&RowImage, &RowImage)| now.row != then.row;
        for (now, then) in now.tables.iter().zip(&args.rows.tables) {
            let name = format!("{}.{}", now.schema, now.table);
            let uid = format!("{}#{}", tx.server.identity(), now.oid);
            targets.push(tx.site().target("postgres_table", &dotted(&[&now.schema, &now.table]), uid));
            let rows = now.rows.iter().zip(&then.rows).filter(differs).count() as u64;
            parts.push(format!("{} of {}.{}", grouped(rows), shown(&now.schema), shown(&now.table)));
            radius.parts.insert(name, rows);
        }
        if targets.is_empty() {
            targets.push(tx.database());
        }
        let rows: u64 = radius.parts.values().sum();
        let resources = targets.len() as u64;
        let of = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        Ok(Findings::on(targets, format!("put back {}{of}", count(rows, "row")))
            .radius(BlastRadius { resources, rows: Some(rows), bytes: Some(now.weight()), ..radius })
            .fact(About::Undo, "the rows as they are now are kept for undoing", "the tables")
            .keeps(json!({ "before": now, "after": args.rows })))
    }

    async fn apply(
        args: &Args,
        Seen { current, held, .. }: Seen,
        _agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let Current { paths, layouts, mut now } = current;
        // One that somebody has drawn from since stays where it is: setting it back would give values out twice.
        now.sequences = held.into_iter().filter(|now| args.left.iter().any(|left| left.stands_like(now))).collect();
        let mut then = args.rows.clone();
        then.sequences.retain(|kept| now.sequences.iter().any(|sequence| sequence.oid == kept.oid));
        if let Err(reason) = put_back::put_back(tx, &paths, &layouts, &then).await? {
            return Err(ToolError::refused(format!("the rows cannot be put back: {reason}"))
                .with_next("what was changed since stands in the way: take that back first"));
        }
        let rows_restored = args.rows.tables.iter().map(|table| table.rows.len() as u64).sum();
        Ok(Applied::new(Output { rows_restored }, undo(tx.server, &now, &then)?))
    }

    async fn probe(_args: &Args, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<Probe, ToolError> {
        Ok(probe(agreed, tx).await)
    }
}
