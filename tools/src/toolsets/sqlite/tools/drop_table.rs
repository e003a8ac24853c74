//! `sqlite_drop_table`: takes a table away into the quarantine, from where it can be brought back exactly.

use async_trait::async_trait;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Serialize;

use crate::contract::{
    About, Applied, Change, Findings, Preflight, Reversibility, Spec, TakesBack as _, ToolError, Undo,
};
use crate::text::shown;
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::model::contents::kept_fingerprint;
use crate::toolsets::sqlite::model::dropped::{Drop, Restore};
use crate::toolsets::sqlite::model::kind::{DatabaseFiles, Tx};
use crate::toolsets::sqlite::model::probe::{gone, is_newer};
use crate::toolsets::sqlite::model::quarantine;
use crate::toolsets::sqlite::model::removal::Whole;
use crate::toolsets::sqlite::model::schema::{self, Table};

pub(crate) struct SqliteDropTable;

/// Where the table is now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The table that was dropped.
    dropped: String,
    /// What `sqlite_restore_table` brings it back by.
    quarantine_id: String,
    /// What it is called in the quarantine.
    quarantined_as: String,
}

#[async_trait]
impl Change for SqliteDropTable {
    type Kind = DatabaseFiles;
    type Args = Drop;
    type Output = Output;
    type Seen = Whole;
    const SPEC: Spec = Spec::change(
        Drop::TOOL,
        "Drop a table into the quarantine",
        "Removes a table with its indexes and triggers. Its rows stay in the same file, in a quarantine, and \
         sqlite_restore_table brings everything back exactly. This is the way to drop a table; to destroy one for good there \
         is sqlite_purge_table.",
        Reversibility::Reversible,
    )
    .on_whole_things();

    async fn observe(args: &Drop, tx: &mut Tx<'_>) -> Result<Whole, ToolError> {
        let (site, conn) = tx.tables()?;
        Whole::of(site, conn, droppable(conn, site, &args.table)?)
    }

    async fn describe(_args: &Drop, seen: &Whole, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let (site, conn) = tx.tables()?;
        let what = "its rows stay in the same file, in the quarantine; that is no backup of the file";
        Ok(seen.findings(site, conn, ["move", " into the quarantine"])?.fact(About::Backups, what, "the quarantine"))
    }

    async fn apply(
        _args: &Drop,
        seen: Whole,
        _agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let (site, conn) = tx.tables()?;
        let kept = quarantine::put_away(conn, site, &seen.table)?;
        let undo = Undo::with(&Restore { id: kept.id.clone() }, kept_fingerprint(conn, site, &kept)?)?;
        let output = Output { dropped: seen.table.name, quarantine_id: kept.id, quarantined_as: kept.trash };
        Ok(Applied::new(output, undo))
    }

    async fn took_effect(args: &Drop, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<bool, ToolError> {
        let (site, conn) = tx.tables()?;
        let looked = agreed.evidence.first().map(|evidence| evidence.at);
        let gone = gone(conn, &args.table).map_err(|error| site.explain(&error))?;
        Ok(gone.is_some_and(|kept| kept.iter().any(|kept| is_newer(kept, looked))))
    }
}

fn droppable(conn: &Connection, site: &Site, name: &str) -> Result<Table, ToolError> {
    let table = schema::plain_table(conn, site, name)?;
    if schema::is_trash(&table.name) {
        return Err(ToolError::refused(format!("`{}` belongs to the quarantine already", shown(&table.name)))
            .with_next("bring it back with `sqlite_restore_table`, or destroy it with `sqlite_purge_table`"));
    }
    Ok(table)
}
