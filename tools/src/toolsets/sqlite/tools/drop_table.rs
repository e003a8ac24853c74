//! `sqlite_drop_table`: takes a table away into the quarantine, from where it can be brought back exactly.

use async_trait::async_trait;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Audience, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError, TypedTool,
    UndoPlan,
};
use crate::text::shown;
use crate::toolsets::sqlite::connect::{Site, work};
use crate::toolsets::sqlite::model::contents::{contents, kept_fingerprint};
use crate::toolsets::sqlite::model::probe::{find_out, gone, is_newer};
use crate::toolsets::sqlite::model::quarantine;
use crate::toolsets::sqlite::model::removal::preflight;
use crate::toolsets::sqlite::model::schema::{self, Table};

pub(crate) struct SqliteDropTable;

/// Which table to take away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// The table.
    table: String,
}

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
        schema::effect(seen)
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
            let undo = UndoPlan::exact(
                "sqlite_restore_table",
                json!({ "target": target, "id": kept.id }),
                kept_fingerprint(&conn, site, &kept)?,
            );
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
