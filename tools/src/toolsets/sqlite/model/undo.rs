//! How a change of rows is taken back: the call that does it, and what tells whether the change took effect.

use std::collections::BTreeMap;

use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::effects::explain;
use super::images::{self, Images, SequenceImage};
use super::orphans::Orphans;
use super::schema;
use crate::contract::{Digest, Preflight, Probe, TakesBack, ToolError, Undo};
use crate::toolsets::sqlite::connect::Site;

/// Tables of more rows are not searched for rows that point to nothing when a write runs: it takes about a second. If such
/// a table had some, and the write mended them, undoing is refused rather than breaking them again unasked.
const CHECKED: u64 = 1_000_000;

/// What to put back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The rows as they are to be.
    pub(crate) rows: Images,
    /// What AUTOINCREMENT remembered when the rows were changed: it is put back only where it is still so.
    pub(crate) left: Vec<SequenceImage>,
    /// Which rows pointed to nothing when the rows were like this, by foreign key: these may do so again.
    pub(crate) orphans: BTreeMap<String, Vec<String>>,
}

impl TakesBack for Args {
    const TOOL: &'static str = "sqlite_restore_rows";
}

/// Tells from the images a look kept whether the call they belong to took effect.
pub(crate) fn probe(site: &Site, agreed: &Preflight) -> Result<Probe, ToolError> {
    let kept = agreed.pre_image.clone().and_then(|kept| serde_json::from_value::<Kept>(kept).ok());
    // Without images there is nothing to compare: a new row's rowid is not part of a fingerprint.
    let Some(kept) = kept else { return Ok(Probe::Unknown) };
    site.wait_for_rows()?;
    let conn = site.open_to_read()?;
    let now = images::current(&conn, &kept.before, room(site)).map_err(|error| explain(site, &error))?;
    Ok(match now.tables {
        now if now == kept.before.tables => Probe::Unchanged,
        now if now == kept.after.tables => Probe::Changed,
        _ => Probe::Unknown,
    })
}

/// What a look keeps with the record of the start.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The rows as they were.
    pub before: Images,
    /// The rows as the call would leave them.
    pub after: Images,
}

/// What the rows there are now may take: those kept took less.
pub(crate) fn room(site: &Site) -> u64 {
    site.limits.undo_bytes.saturating_mul(8).max(64 << 20)
}

pub(crate) fn fingerprint(site: &Site, now: &Images) -> Digest {
    // AUTOINCREMENT moves with every insert of anybody: it is no reason to refuse.
    Digest::of(&json!({ "uid": site.uid, "rows": now.tables }))
}

/// The plan that puts `was` back, made in the transaction that changed it.
pub(crate) fn plan(site: &Site, conn: &Connection, was: &Images) -> Result<Undo, ToolError> {
    // What pointed to nothing before is asked of a connection that still sees it.
    let before = site.open_to_read()?;
    let tables = involved(&before, was).map_err(|error| site.explain(&error))?;
    let orphans = Orphans::of(&before, &tables, Some(CHECKED)).map_err(|error| site.explain(&error))?;
    drop(before);
    let now = images::current(conn, was, room(site)).map_err(|error| explain(site, &error))?;
    plan_from(site, was, &now, &orphans)
}

pub(crate) fn plan_from(site: &Site, back_to: &Images, now: &Images, orphans: &Orphans) -> Result<Undo, ToolError> {
    let (left, orphans) = (now.sequences.clone(), orphans.kept());
    Undo::with(&Args { rows: back_to.clone(), left, orphans }, fingerprint(site, now))
}

/// The tables whose foreign keys a change of these rows can break: their own, and those that refer to them.
pub(crate) fn involved(conn: &Connection, rows: &Images) -> rusqlite::Result<Vec<String>> {
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
