//! `sqlite_purge_table`: destroys a table for good, whether in use or in the quarantine.

use async_trait::async_trait;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::contract::{
    About, Applied, Change, Digest, Findings, Fingerprint, Preflight, Reversibility, Spec, ToolError,
};
use crate::text::shown;
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::connect::text::quote;
use crate::toolsets::sqlite::model::kind::{DatabaseFiles, Tx};
use crate::toolsets::sqlite::model::probe::gone;
use crate::toolsets::sqlite::model::quarantine::{self, Kept};
use crate::toolsets::sqlite::model::removal::Whole;
use crate::toolsets::sqlite::model::schema::{self, TRASH, Table};

pub(crate) struct SqlitePurgeTable;

/// Which table to destroy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The table; one in the quarantine goes by its name there.
    table: String,
}

/// What was destroyed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The table that is no more.
    purged: String,
    /// How many rows went with it.
    rows: u64,
    /// More rows than `rows` went with it: they were not all counted.
    rows_truncated: bool,
}

/// The table, and what the quarantine knows of it where it lies there.
pub(crate) struct Seen {
    whole: Whole,
    kept: Option<Kept>,
    binding: Digest,
}

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.binding
    }

    fn moved(&self) -> String {
        self.whole.moved()
    }
}

#[async_trait]
impl Change for SqlitePurgeTable {
    type Kind = DatabaseFiles;
    type Args = Args;
    type Output = Output;
    type Seen = Seen;
    const SPEC: Spec = Spec::change(
        "sqlite_purge_table",
        "Destroy a table for good",
        "Destroys a table with its rows, indexes and triggers: nothing brings them back. Use sqlite_drop_table instead unless \
         the space or the data itself must be gone.",
        Reversibility::Irreversible,
    )
    .on_whole_things();

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        // For a change foreign keys are off: SQLite would otherwise delete row by row and cascade into other tables.
        let (site, conn) = tx.tables()?;
        let (table, kept) = purgeable(conn, site, &args.table)?;
        let whole = Whole::of(site, conn, table)?;
        Ok(Seen { binding: whole.contents.binding(conn, site, &whole.table)?, whole, kept })
    }

    async fn describe(_args: &Args, seen: &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let (site, conn) = tx.tables()?;
        let Seen { whole, kept, .. } = seen;
        let mut findings = whole.findings(site, conn, ["destroy for good", ""])?;
        if !whole.contents.whole {
            let what = "it is too large to be compared row by row: any change of the file voids an approval";
            findings = findings.fact(About::State, what, "the table");
        }
        Ok(match kept {
            Some(kept) => {
                let what =
                    format!("this is all that is left of `{}`, dropped at {}", shown(&kept.name), shown(&kept.at));
                findings.destroys_recovery(true).fact(About::Backups, what, "the quarantine")
            }
            None => {
                let name = &whole.table.name;
                let what = format!("drop {} into the quarantine, from where it can be brought back", shown(name));
                findings.instead("sqlite_drop_table", json!({ "table": name }), what)
            }
        })
    }

    async fn apply(
        _args: &Args,
        Seen { whole, kept, .. }: Seen,
        _agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let (site, conn) = tx.tables()?;
        let Whole { table, contents } = whole;
        let purge = || {
            conn.execute_batch(&format!("DROP TABLE main.{}", quote(&table.name)))?;
            kept.iter().try_for_each(|kept| quarantine::forget(conn, kept))
        };
        purge().map_err(|error| site.explain(&error))?;
        Ok(Applied::new(Output { purged: table.name, rows: contents.rows, rows_truncated: contents.truncated }, None))
    }

    async fn took_effect(args: &Args, _agreed: &Preflight, tx: &mut Tx<'_>) -> Result<bool, ToolError> {
        let (site, conn) = tx.tables()?;
        let gone = gone(conn, &args.table).map_err(|error| site.explain(&error))?;
        Ok(gone.is_some_and(|kept| kept.is_empty()))
    }
}

/// The table, and what the quarantine knows of it where it lies there.
fn purgeable(conn: &Connection, site: &Site, name: &str) -> Result<(Table, Option<Kept>), ToolError> {
    let table = schema::plain_table(conn, site, name)?;
    if table.name.eq_ignore_ascii_case(TRASH) {
        return Err(ToolError::refused(format!("`{TRASH}` is the quarantine's own list"))
            .with_next("purge the tables in it one by one, by their names there"));
    }
    if !schema::is_trash(&table.name) {
        return Ok((table, None));
    }
    let all = quarantine::kept(conn).map_err(|error| site.explain(&error))?;
    match all.into_iter().find(|kept| kept.trash == table.name) {
        Some(kept) => Ok((table, Some(kept))),
        None => Err(ToolError::refused(format!("`{}` is not on the quarantine's list", shown(&table.name)))),
    }
}
