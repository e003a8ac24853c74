//! `sqlite_restore_rows`: puts rows back as they were before a write. Reached through the journal only.

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::contract::{
    About, Audience, BlastRadius, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, Target,
    ToolError, TypedTool,
};
use crate::text::{count, grouped, shown};
use crate::toolsets::sqlite::connect::{Site, work};
use crate::toolsets::sqlite::model::effects::explain;
use crate::toolsets::sqlite::model::images::{self, Images, RowImage};
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

#[async_trait]
impl TypedTool for SqliteRestoreRows {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "sqlite_restore_rows",
            kind: "sqlite",
            title: "Put rows of a SQLite database back",
            description: "Puts rows back exactly as they were before a change, without running triggers. The other half of \
                          sqlite_write.",
            reversibility: Reversibility::Reversible,
            softened_by: Vec::new(),
            scope: Scope::Resource,
            idempotent: true,
            open_world: false,
            credential: None,
            audience: Audience::Undo,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let args = args.clone();
        work(lease, move |site| {
            site.wait_for_rows()?;
            let conn = site.open_to_read()?;
            let now = images::current(&conn, &args.rows, room(site)).map_err(|error| explain(site, &error))?;
            Ok(preflight(site, &args, &now))
        })
        .await
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let (args, expected) = (args.clone(), seen.fingerprint);
        work(lease, move |site| {
            let mut conn = open(site)?;
            let now = images::current(&conn, &args.rows, room(site)).map_err(|error| explain(site, &error))?;
            if fingerprint(site, &now) != expected {
                return Err(ToolError::changed("the rows are no longer as they were left"));
            }
            let tables = involved(&conn, &args.rows).map_err(|error| site.explain(&error))?;
            let orphans = Orphans::of(&conn, &tables, None).map_err(|error| site.explain(&error))?;
            let (back_to, then) = unmoved(now, &args);
            put_back(&mut conn, &back_to, &then).map_err(|error| explain(site, &error))?;
            let left = Orphans::of(&conn, &tables, None).map_err(|error| site.explain(&error))?;
            left.were_there(&orphans, &args.orphans)?;
            let undo = plan_from(site, &args.target, &back_to, &then, &orphans)?;
            let rows_restored = args.rows.tables.iter().map(|table| table.rows.len() as u64).sum();
            site.commit(&mut conn)?;
            Ok(Done { output: Output { rows_restored }, undo: Some(undo) })
        })
        .await
    }

    async fn probe(&self, _args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        probe(seen, lease).await
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

fn preflight(site: &Site, args: &Args, now: &Images) -> Preflight {
    let mut targets: Vec<Target> = args.rows.tables.iter().map(|table| site.table(&table.table)).collect();
    if targets.is_empty() {
        targets.push(site.database());
    }
    let differs = |(now, then): &(&RowImage, &RowImage)| now.row != then.row;
    let mut blast_radius = BlastRadius::one(Scope::Resource);
    for (now, then) in now.tables.iter().zip(&args.rows.tables) {
        let rows = now.rows.iter().zip(&then.rows).filter(differs).count() as u64;
        blast_radius.parts.insert(then.table.clone(), rows);
    }
    let rows: u64 = blast_radius.parts.values().sum();
    blast_radius.resources = targets.len() as u64;
    blast_radius.rows = Some(rows);
    blast_radius.bytes = Some(now.weight());
    let parts: Vec<String> =
        blast_radius.parts.iter().map(|(table, rows)| format!("{} of {}", grouped(*rows), shown(table))).collect();
    let of = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let kept = Evidence::seen(About::Undo, "the rows as they are now are kept for undoing", "the tables");
    Preflight {
        targets,
        blast_radius,
        reversibility: Reversibility::Reversible,
        destroys_recovery: false,
        evidence: vec![site.whereabouts(), kept],
        alternative: None,
        fingerprint: fingerprint(site, now),
        summary: format!("put back {}{of}", count(rows, "row")),
        pre_image: Some(json!({ "before": now, "after": args.rows })),
    }
}

/// What there is now and what is to be, both without the sequences that somebody has moved since.
fn unmoved(now: Images, args: &Args) -> (Images, Images) {
    let (mut now, mut then) = (now, args.rows.clone());
    now.sequences.retain(|sequence| args.left.contains(sequence));
    then.sequences.retain(|kept| now.sequences.iter().any(|sequence| sequence.table == kept.table));
    (now, then)
}
