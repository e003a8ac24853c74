//! `sqlite_restore_table`: brings a table back from the quarantine, exactly as it was dropped.

use async_trait::async_trait;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Serialize;

use crate::contract::{
    About, Applied, BlastRadius, Change, Digest, Findings, Fingerprint, Preflight, Reversibility, Scope, Spec,
    TakesBack as _, ToolError, Undo,
};
use crate::text::shown;
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::model::contents::{contents, kept_fingerprint};
use crate::toolsets::sqlite::model::dropped::{Drop, Restore};
use crate::toolsets::sqlite::model::kind::{DatabaseFiles, Tx};
use crate::toolsets::sqlite::model::quarantine::{self, Kept};
use crate::toolsets::sqlite::model::schema;

pub(crate) struct SqliteRestoreTable;

/// What was brought back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The table that is there again.
    restored: String,
}

/// What lies in the quarantine.
pub(crate) struct Seen {
    kept: Kept,
    fingerprint: Digest,
}

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn moved(&self) -> String {
        "what lies in the quarantine is no longer as it was looked at".to_owned()
    }
}

#[async_trait]
impl Change for SqliteRestoreTable {
    type Kind = DatabaseFiles;
    type Args = Restore;
    type Output = Output;
    type Seen = Seen;
    const SPEC: Spec = Spec::change(
        Restore::TOOL,
        "Bring a dropped table back",
        "Brings a table that sqlite_drop_table put into the quarantine back under its old name, with its rows, indexes and \
         triggers. sqlite_describe lists what is in the quarantine.",
        Reversibility::Reversible,
    );

    async fn observe(args: &Restore, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        let (site, conn) = tx.tables()?;
        let kept = restorable(conn, site, &args.id)?;
        Ok(Seen { fingerprint: kept_fingerprint(conn, site, &kept)?, kept })
    }

    async fn describe(_args: &Restore, Seen { kept, .. }: &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let (site, conn) = tx.tables()?;
        let contents = contents(conn, site, &schema::plain_table(conn, site, &kept.trash)?)?;
        let (name, rows) = (shown(&kept.name), contents.counted());
        let what = format!("`{name}` was dropped at {} and holds {rows}", shown(&kept.at));
        let radius = BlastRadius {
            rows: Some(contents.rows),
            bytes: Some(contents.bytes),
            truncated: contents.truncated,
            ..BlastRadius::one(Scope::Resource)
        };
        Ok(Findings::on([site.table(&kept.name)], format!("bring the table {name} back from the quarantine"))
            .radius(radius)
            .fact(About::State, what, "the quarantine"))
    }

    async fn apply(
        _args: &Restore,
        Seen { kept, .. }: Seen,
        _agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let (site, conn) = tx.tables()?;
        quarantine::bring_back(conn, site, &kept)?;
        let table = schema::plain_table(conn, site, &kept.name)?;
        let left = contents(conn, site, &table)?.fingerprint;
        Ok(Applied::new(Output { restored: kept.name }, Undo::with(&Drop { table: table.name }, left)?))
    }

    /// The look found the name free, and only bringing back or purging takes an id off the quarantine's list.
    async fn took_effect(args: &Restore, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<bool, ToolError> {
        let (site, conn) = tx.tables()?;
        let name = agreed.targets.first().and_then(|target| target.path.segments().nth(1));
        let found = || -> rusqlite::Result<bool> {
            let there = name.map(|name| schema::find(conn, &name)).transpose()?.flatten().is_some();
            Ok(there && quarantine::kept(conn)?.iter().all(|kept| kept.id != args.id))
        };
        found().map_err(|error| site.explain(&error))
    }
}

fn restorable(conn: &Connection, site: &Site, id: &str) -> Result<Kept, ToolError> {
    let explain = |error: rusqlite::Error| site.explain(&error);
    let all = quarantine::kept(conn).map_err(explain)?;
    let there: Vec<String> = all.iter().map(|kept| format!("{} ({})", shown(&kept.id), shown(&kept.name))).collect();
    let Some(kept) = all.into_iter().find(|kept| kept.id == id) else {
        let next = if there.is_empty() {
            "the quarantine is empty".into()
        } else {
            format!("there are: {}", there.join(", "))
        };
        return Err(
            ToolError::not_found(format!("nothing in the quarantine of `{}` has this id", site.name)).with_next(next)
        );
    };
    if let Some(name) = quarantine::taken(conn, &kept).map_err(explain)? {
        return Err(ToolError::refused(format!("the name `{}` is in use again", shown(&name)))
            .with_next("drop or rename what has that name now, then bring this one back"));
    }
    Ok(kept)
}
