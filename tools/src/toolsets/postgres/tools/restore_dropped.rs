//! `postgres_restore_dropped`: brings back what `postgres_drop` put into the quarantine, exactly as it was dropped.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

use crate::contract::{
    About, Applied, Change, Digest, Evidence, Findings, Fingerprint, Preflight, Scope, Spec, TakesBack as _, ToolError,
    Undo,
};
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::look::Look;
use crate::toolsets::postgres::model::moves::{self, BringBack, Free};
use crate::toolsets::postgres::model::quarantine::{self, Kept, Way};
use crate::toolsets::postgres::model::subject::{self, Named, Object};
use crate::toolsets::postgres::model::{catalog, code, shape};

/// Brings back from the quarantine.
pub(crate) struct RestoreDropped;

/// What was brought back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What is there again.
    restored: String,
}

/// What lies in the quarantine, and that its way back is free.
pub(crate) struct Seen {
    kept: Kept,
    free: Free,
}

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.free.digest
    }

    fn moved(&self) -> String {
        "what lies in the quarantine is no longer as it was looked at".into()
    }
}

#[async_trait]
impl Change for RestoreDropped {
    type Kind = Databases;
    type Args = BringBack;
    type Output = Output;
    type Seen = Seen;
    const SPEC: Spec = Spec::undo(
        BringBack::TOOL,
        "Bring back what was dropped",
        "Brings what postgres_drop put into the quarantine back to its place and its name, with its rows, \
         indexes, privileges and triggers.",
    )
    .scope(Scope::Group);

    async fn observe(args: &BringBack, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        shape::harden(tx).await?;
        if tx.is_change() {
            quarantine::open(tx).await?;
        }
        let kept = quarantine::kept(tx, &args.id).await?;
        let oids = match &kept.way {
            Way::Relations(moved) => moved.iter().map(|one| one.oid).collect(),
            Way::Column { table, .. } => vec![*table],
            Way::Schema { .. } | Way::Database { .. } => Vec::new(),
            Way::Copies(_) => {
                return Err(ToolError::refused(format!("{} are the copies of truncated rows", shown(&args.id))));
            }
        };
        if tx.is_change() {
            shape::lock(tx, &shape::relations(tx, &oids).await?).await?;
        }
        let free = moves::way_is_free(tx, &kept).await?;
        Ok(Seen { kept, free })
    }

    async fn describe(_args: &BringBack, Seen { kept, free }: &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let uid = format!("{}#{}", tx.server.identity(), kept.id);
        let target = tx.site().target("postgres_quarantined", &kept.trash(), uid);
        let what = format!("the {} was dropped at {}", kept.what, shown(&kept.at));
        let said = free.said.iter().map(|said| Evidence::seen(About::State, said, "the quarantine"));
        let findings = Findings::on([target], format!("bring the {} back from the quarantine", kept.what))
            .fact(About::State, what, "the quarantine")
            .facts(said);
        Ok(code::of_events(tx).await?.escalate(findings))
    }

    async fn apply(
        _args: &BringBack,
        Seen { kept, .. }: Seen,
        agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        code::of_events(tx).await?.as_seen(agreed)?;
        moves::bring_back(tx, &kept).await?;
        let undo = drop_again(tx, &kept).await?;
        Ok(Applied::new(Output { restored: kept.what }, undo))
    }
}

/// The call that drops it again.
async fn drop_again(tx: &Tx<'_>, kept: &Kept) -> Result<Undo, ToolError> {
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
    let named = Named { object, name: &name, column, quarantined: false };
    let subject = subject::find(tx, &named).await?;
    Undo::with(&named, Look::at(tx, subject).await?.fingerprint())
}
