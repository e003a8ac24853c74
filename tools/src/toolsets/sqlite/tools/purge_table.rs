//! `sqlite_purge_table`: destroys a table for good, whether in use or in the quarantine.

use async_trait::async_trait;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Alternative, Audience, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError,
    TypedTool,
};
use crate::text::shown;
use crate::toolsets::sqlite::connect::text::quote;
use crate::toolsets::sqlite::connect::{Site, work};
use crate::toolsets::sqlite::model::contents::contents;
use crate::toolsets::sqlite::model::probe::{find_out, gone};
use crate::toolsets::sqlite::model::quarantine::{self, Kept};
use crate::toolsets::sqlite::model::removal;
use crate::toolsets::sqlite::model::schema::{self, TRASH, Table};

pub(crate) struct SqlitePurgeTable;

/// Which table to destroy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
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

#[async_trait]
impl TypedTool for SqlitePurgeTable {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "sqlite_purge_table",
            kind: "sqlite",
            title: "Destroy a table for good",
            description: "Destroys a table with its rows, indexes and triggers: nothing brings them back. Use \
                          sqlite_drop_table instead unless the space or the data itself must be gone.",
            reversibility: Reversibility::Irreversible,
            softened_by: Vec::new(),
            scope: Scope::Resource,
            idempotent: false,
            open_world: false,
            credential: None,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let (name, target) = (args.table.clone(), args.target.clone());
        work(lease, move |site| {
            site.wait_for_rows()?;
            let conn = site.open_to_read()?;
            let (table, kept) = purgeable(&conn, site, &name)?;
            let contents = contents(&conn, site, &table)?;
            let mut preflight = removal::preflight(site, &conn, &table, &contents, ["destroy for good", ""])?;
            preflight.reversibility = Reversibility::Irreversible;
            preflight.fingerprint = contents.binding(&conn, site, &table)?;
            if !contents.whole {
                let what = "it is too large to be compared row by row: any change of the file voids an approval";
                preflight.evidence.push(Evidence::seen(About::State, what, "the table"));
            }
            match kept {
                Some(kept) => {
                    preflight.destroys_recovery = true;
                    let (name, at) = (shown(&kept.name), shown(&kept.at));
                    let what = format!("this is all that is left of `{name}`, dropped at {at}");
                    preflight.evidence.push(Evidence::seen(About::Backups, what, "the quarantine"));
                }
                None => {
                    preflight.alternative = Some(Alternative {
                        tool: "sqlite_drop_table".into(),
                        args: json!({ "target": target, "table": table.name }),
                        summary: format!(
                            "drop {} into the quarantine, from where it can be brought back",
                            shown(&table.name)
                        ),
                    });
                }
            }
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
        let (name, expected) = (args.table.clone(), seen.fingerprint);
        work(lease, move |site| {
            // Foreign keys are off: SQLite would otherwise delete row by row and cascade into other tables.
            let mut conn = quarantine::open(site)?;
            let (table, kept) = purgeable(&conn, site, &name)?;
            let contents = contents(&conn, site, &table)?;
            if contents.binding(&conn, site, &table)? != expected {
                return Err(ToolError::changed(format!("`{}` is no longer as it was looked at", shown(&table.name))));
            }
            let purge = || {
                conn.execute_batch(&format!("DROP TABLE main.{}", quote(&table.name)))?;
                kept.iter().try_for_each(|kept| quarantine::forget(&conn, kept))
            };
            purge().map_err(|error| site.explain(&error))?;
            site.commit(&mut conn)?;
            let (rows, rows_truncated) = (contents.rows, contents.truncated);
            Ok(Done::read(Output { purged: table.name, rows, rows_truncated }))
        })
        .await
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        let (again, name) = (self.look(args, lease).await, args.table.clone());
        find_out(again, seen, lease, move |conn| Ok(gone(conn, &name)?.is_some_and(|kept| kept.is_empty()))).await
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
