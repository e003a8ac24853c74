//! `sqlite_drop_table`: takes a table away into the quarantine, from where it can be brought back exactly.

use async_trait::async_trait;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Site, work};
use super::contents::{Contents, contents};
use super::probe::{find_out, gone, is_newer};
use super::quarantine;
use super::restore_table;
use super::schema::{self, Table};
use super::text;
use crate::contract::{
    About, Audience, BlastRadius, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError,
    TypedTool, UndoPlan,
};
use crate::text::{count, grouped, shown};

pub(super) struct SqliteDropTable;

/// Which table to take away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// The configured database.
    target: String,
    /// The table.
    table: String,
}

/// Where the table is now.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The table that was dropped.
    dropped: String,
    /// What `sqlite_restore_table` brings it back by.
    quarantine_id: String,
    /// What it is called in the quarantine.
    quarantined_as: String,
}

#[async_trait]
impl TypedTool for SqliteDropTable {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "sqlite_drop_table",
            kind: "sqlite",
            title: "Drop a table into the quarantine",
            description: "Removes a table with its indexes and triggers. Its rows stay in the same file, in a quarantine, and \
                          sqlite_restore_table brings everything back exactly. This is the way to drop a table; to destroy \
                          one for good there is sqlite_purge_table.",
            reversibility: Reversibility::Reversible,
            softened_by: Vec::new(),
            scope: Scope::Resource,
            idempotent: false,
            open_world: false,
            credential: None,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let name = args.table.clone();
        work(lease, move |site| {
            site.wait_for_rows()?;
            let conn = site.open_to_read()?;
            let table = droppable(&conn, site, &name)?;
            let contents = contents(&conn, site, &table)?;
            let mut preflight = preflight(site, &conn, &table, &contents, ["move", " into the quarantine"])?;
            let what = "its rows stay in the same file, in the quarantine; that is no backup of the file";
            preflight.evidence.push(Evidence::seen(About::Backups, what, "the quarantine"));
            Ok(preflight)
        })
        .await
    }

    fn effect(&self, _args: &Args, seen: &Preflight) -> Value {
        // By name: its id is the file's, and every table of it has the same.
        seen.targets.iter().map(|table| table.path.clone()).collect()
    }

    fn aim(&self, _args: &Args, seen: &Preflight) -> Vec<Value> {
        schema::aim(seen)
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let (name, target, expected) = (args.table.clone(), args.target.clone(), seen.fingerprint);
        work(lease, move |site| {
            let mut conn = quarantine::open(site)?;
            let table = droppable(&conn, site, &name)?;
            if contents(&conn, site, &table)?.fingerprint != expected {
                return Err(ToolError::changed(format!("`{}` is no longer as it was looked at", shown(&table.name))));
            }
            let kept = quarantine::put_away(&conn, site, &table)?;
            let undo = UndoPlan {
                tool: "sqlite_restore_table".into(),
                args: json!({ "target": target, "id": kept.id }),
                expects: restore_table::fingerprint(&conn, site, &kept)?,
                until: None,
                lossy: Vec::new(),
            };
            site.commit(&mut conn)?;
            let output = Output { dropped: table.name, quarantine_id: kept.id, quarantined_as: kept.trash };
            Ok(Done { output, undo: Some(undo) })
        })
        .await
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        let (again, name) = (self.look(args, lease).await, args.table.clone());
        let looked = seen.evidence.first().map(|evidence| evidence.at);
        find_out(again, seen, lease, move |conn| {
            Ok(gone(conn, &name)?.is_some_and(|kept| kept.iter().any(|kept| is_newer(kept, looked))))
        })
        .await
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

/// What taking a table away means, for good or not: how much is in it, what hangs on it, what would bring it back.
pub(super) fn preflight(
    site: &Site,
    conn: &Connection,
    table: &Table,
    contents: &Contents,
    [before, after]: [&str; 2],
) -> Result<Preflight, ToolError> {
    let name = &table.name;
    let dependents = dependents(conn, site, table)?;
    let mut blast_radius = BlastRadius::one(Scope::Resource);
    blast_radius.dependents = dependents.len() as u64;
    blast_radius.rows = Some(contents.rows);
    blast_radius.bytes = Some(contents.bytes);
    blast_radius.parts.insert(name.clone(), contents.rows);
    blast_radius.truncated = contents.truncated;
    let rows = contents.counted();
    let last = contents.last.map(|last| format!(", the highest rowid is {last}")).unwrap_or_default();
    let holds = format!("`{}` holds {rows}, {}{last}", shown(name), about(contents));
    let mut evidence = vec![site.whereabouts(), Evidence::seen(About::State, holds, "the table")];
    evidence.extend(dependents.into_iter().map(|what| Evidence::seen(About::Dependents, what, "sqlite_master")));
    let backups = "the gateway knows of no backup of this file";
    evidence.push(Evidence::seen(About::Backups, backups, "the configuration"));
    Ok(Preflight {
        targets: vec![site.table(name)],
        blast_radius,
        reversibility: Reversibility::Reversible,
        destroys_recovery: false,
        evidence,
        alternative: None,
        fingerprint: contents.fingerprint,
        summary: format!("{before} the table {} with {rows}{after}", shown(name)),
        pre_image: None,
    })
}

fn about(contents: &Contents) -> String {
    let about = if contents.truncated { "more than" } else { "about" };
    format!("{about} {}", count(contents.bytes, "byte"))
}

/// What else mentions a table: foreign keys, views, triggers of other tables.
fn dependents(conn: &Connection, site: &Site, table: &Table) -> Result<Vec<String>, ToolError> {
    let find = || -> rusqlite::Result<Vec<String>> {
        let mut found = Vec::new();
        for key in schema::references_to(conn, &table.name)? {
            let set: Vec<String> =
                key.from.iter().map(|column| format!("{} IS NOT NULL", text::quote(column))).collect();
            let filter = format!("WHERE {}", set.join(" AND "));
            let (rows, more) = schema::count(conn, &key.child, &filter, site.limits.count)?;
            let more = if more { "more than " } else { "" };
            let (child, rows) = (shown(&key.child), grouped(rows));
            found.push(format!("`{child}` refers to it by a foreign key, from {more}{rows} rows"));
        }
        let sql = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('view', 'trigger') AND sql IS NOT NULL \
                   AND tbl_name <> ?1 COLLATE NOCASE ORDER BY name";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([&table.name])?;
        while let Some(row) = rows.next()? {
            let (kind, name, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if text::mentions(&sql, &table.name) {
                found.push(format!("the {kind} `{}` mentions it", shown(&name)));
            }
        }
        Ok(found)
    };
    find().map_err(|error| site.explain(&error))
}
