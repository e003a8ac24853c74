//! `sqlite_restore_rows`: puts rows back as they were before a write. Reached through the journal only.

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::contract::{
    About, Applied, BlastRadius, Change, Digest, Findings, Fingerprint, Preflight, Probe, Scope, Spec, TakesBack as _,
    Target, ToolError,
};
use crate::text::{count, grouped, shown};
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::model::effects::explain;
use crate::toolsets::sqlite::model::images::{self, Images, RowImage};
use crate::toolsets::sqlite::model::kind::{DatabaseFiles, Tx};
use crate::toolsets::sqlite::model::orphans::Orphans;
use crate::toolsets::sqlite::model::put_back::put_back;
use crate::toolsets::sqlite::model::undo::{Args, fingerprint, involved, plan_from, probe, room};

pub(crate) struct SqliteRestoreRows;

/// What was put back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Rows put back, those taken away again included.
    rows_restored: u64,
}

/// The rows as they are now.
pub(crate) struct Seen {
    now: Images,
    fingerprint: Digest,
}

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn moved(&self) -> String {
        "the rows are no longer as they were left".to_owned()
    }
}

#[async_trait]
impl Change for SqliteRestoreRows {
    type Kind = DatabaseFiles;
    type Args = Args;
    type Output = Output;
    type Seen = Seen;
    const SPEC: Spec = Spec::undo(
        Args::TOOL,
        "Put rows of a SQLite database back",
        "Puts rows back exactly as they were before a change, without running triggers. The other half of sqlite_write.",
    )
    .idempotent();

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        let (site, conn) = tx.rows(open)?;
        let now = images::current(conn, &args.rows, room(site)).map_err(|error| explain(site, &error))?;
        Ok(Seen { fingerprint: fingerprint(site, &now), now })
    }

    async fn describe(args: &Args, Seen { now, .. }: &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let mut targets: Vec<Target> = args.rows.tables.iter().map(|table| tx.table(&table.table)).collect();
        if targets.is_empty() {
            targets.push(tx.database());
        }
        let differs = |(now, then): &(&RowImage, &RowImage)| now.row != then.row;
        let mut radius = BlastRadius::one(Scope::Resource);
        for (now, then) in now.tables.iter().zip(&args.rows.tables) {
            let rows = now.rows.iter().zip(&then.rows).filter(differs).count() as u64;
            radius.parts.insert(then.table.clone(), rows);
        }
        let rows: u64 = radius.parts.values().sum();
        (radius.resources, radius.rows, radius.bytes) = (targets.len() as u64, Some(rows), Some(now.weight()));
        let parts: Vec<String> =
            radius.parts.iter().map(|(table, rows)| format!("{} of {}", grouped(*rows), shown(table))).collect();
        let of = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        Ok(Findings::on(targets, format!("put back {}{of}", count(rows, "row")))
            .radius(radius)
            .fact(About::Undo, "the rows as they are now are kept for undoing", "the tables")
            .keeps(json!({ "before": now, "after": args.rows })))
    }

    async fn apply(
        args: &Args,
        Seen { now, .. }: Seen,
        _agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let (site, conn) = tx.rows(open)?;
        let tables = involved(conn, &args.rows).map_err(|error| site.explain(&error))?;
        let orphans = Orphans::of(conn, &tables, None).map_err(|error| site.explain(&error))?;
        let (back_to, then) = unmoved(now, args);
        put_back(conn, &back_to, &then).map_err(|error| explain(site, &error))?;
        let left = Orphans::of(conn, &tables, None).map_err(|error| site.explain(&error))?;
        left.were_there(&orphans, &args.orphans)?;
        let rows_restored = args.rows.tables.iter().map(|table| table.rows.len() as u64).sum();
        Ok(Applied::new(Output { rows_restored }, plan_from(site, &back_to, &then, &orphans)?))
    }

    async fn probe(_args: &Args, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<Probe, ToolError> {
        probe(tx, agreed)
    }
}

/// A transaction in which nothing happens but what is written: no triggers, no cascades, no checks of values that were
/// there before.
fn open(site: &Site) -> Result<Connection, ToolError> {
    site.wait_for_rows()?;
    let conn = site.open_to_write()?;
    let quiet = || {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; BEGIN IMMEDIATE")
    };
    quiet().map_err(|error| site.explain(&error))?;
    Ok(conn)
}

/// What there is now and what is to be, both without the sequences that somebody has moved since.
fn unmoved(now: Images, args: &Args) -> (Images, Images) {
    let (mut now, mut then) = (now, args.rows.clone());
    now.sequences.retain(|sequence| args.left.contains(sequence));
    then.sequences.retain(|kept| now.sequences.iter().any(|sequence| sequence.table == kept.table));
    (now, then)
}
