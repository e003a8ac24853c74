//! `sqlite_restore_rows`: puts rows back as they were before a write. Reached through the journal only.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{Site, work};
use super::effects::explain;
use super::images::{self, Images, RowImage, SequenceImage};
use super::orphans::Orphans;
use super::put_back::put_back;
use super::schema;
use crate::contract::{
    About, Audience, BlastRadius, Digest, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope,
    Target, ToolError, TypedTool, UndoPlan,
};
use crate::text::{count, grouped, shown};

pub(super) struct SqliteRestoreRows;

/// Tables of more rows are not searched for rows that point to nothing when a write runs: it takes about a second. If such
/// a table had some, and the write mended them, undoing is refused rather than breaking them again unasked.
const CHECKED: u64 = 1_000_000;

/// What to put back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// The configured database.
    target: String,
    /// The rows as they are to be.
    rows: Images,
    /// What AUTOINCREMENT remembered when the rows were changed: it is put back only where it is still so.
    left: Vec<SequenceImage>,
    /// Which rows pointed to nothing when the rows were like this, by foreign key: these may do so again.
    orphans: BTreeMap<String, Vec<String>>,
}

/// What was put back.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
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

/// Tells from the images a look kept whether the call they belong to took effect.
pub(super) async fn probe(seen: &Preflight, lease: &Lease) -> Probe {
    let kept = seen.pre_image.clone().and_then(|kept| serde_json::from_value::<Kept>(kept).ok());
    // Without images there is nothing to compare: a new row's rowid is not part of a fingerprint.
    let Some(kept) = kept else { return Probe::Unknown };
    let now = work(lease, move |site| {
        site.wait_for_rows()?;
        let conn = site.open_to_read()?;
        let now = images::current(&conn, &kept.before, room(site)).map_err(|error| explain(site, &error))?;
        Ok(match now.tables {
            now if now == kept.before.tables => Probe::Unchanged,
            now if now == kept.after.tables => Probe::Changed,
            _ => Probe::Unknown,
        })
    });
    now.await.unwrap_or(Probe::Unknown)
}

/// What a look keeps with the record of the start.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// The rows as they were.
    pub before: Images,
    /// The rows as the call would leave them.
    pub after: Images,
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

/// What the rows there are now may take: those kept took less.
fn room(site: &Site) -> u64 {
    site.limits.undo_bytes.saturating_mul(8).max(64 << 20)
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

fn fingerprint(site: &Site, now: &Images) -> Digest {
    // AUTOINCREMENT moves with every insert of anybody: it is no reason to refuse.
    Digest::of(&json!({ "uid": site.uid, "rows": now.tables }))
}

/// What there is now and what is to be, both without the sequences that somebody has moved since.
fn unmoved(now: Images, args: &Args) -> (Images, Images) {
    let (mut now, mut then) = (now, args.rows.clone());
    now.sequences.retain(|sequence| args.left.contains(sequence));
    then.sequences.retain(|kept| now.sequences.iter().any(|sequence| sequence.table == kept.table));
    (now, then)
}

/// The plan that puts `was` back, made in the transaction that changed it.
pub(super) fn plan(site: &Site, conn: &Connection, target: &str, was: &Images) -> Result<UndoPlan, ToolError> {
    // What pointed to nothing before is asked of a connection that still sees it.
    let before = site.open_to_read()?;
    let tables = involved(&before, was).map_err(|error| site.explain(&error))?;
    let orphans = Orphans::of(&before, &tables, Some(CHECKED)).map_err(|error| site.explain(&error))?;
    drop(before);
    let now = images::current(conn, was, room(site)).map_err(|error| explain(site, &error))?;
    plan_from(site, target, was, &now, &orphans)
}

fn plan_from(
    site: &Site,
    target: &str,
    back_to: &Images,
    now: &Images,
    orphans: &Orphans,
) -> Result<UndoPlan, ToolError> {
    let (left, orphans) = (now.sequences.clone(), orphans.kept());
    let args = Args { target: target.to_owned(), rows: back_to.clone(), left, orphans };
    let args = serde_json::to_value(args).map_err(|error| ToolError::failed(error.to_string()))?;
    let expects = fingerprint(site, now);
    Ok(UndoPlan { tool: "sqlite_restore_rows".into(), args, expects, until: None, lossy: Vec::new() })
}

/// The tables whose foreign keys a change of these rows can break: their own, and those that refer to them.
fn involved(conn: &Connection, rows: &Images) -> rusqlite::Result<Vec<String>> {
    let mut tables = Vec::new();
    for image in &rows.tables {
        let mut names = vec![image.table.clone()];
        names.extend(schema::references_to(conn, &image.table)?.into_iter().map(|key| key.child));
        for name in names {
            if !tables.contains(&name) && !schema::foreign_keys_of(conn, &name)?.is_empty() {
                tables.push(name);
            }
        }
    }
    Ok(tables)
}
