//! `sqlite_restore_table`: brings a table back from the quarantine, exactly as it was dropped.

use async_trait::async_trait;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Audience, BlastRadius, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError,
    TypedTool, UndoPlan,
};
use crate::text::shown;
use crate::toolsets::sqlite::connect::{Site, work};
use crate::toolsets::sqlite::model::contents::{contents, kept_fingerprint};
use crate::toolsets::sqlite::model::probe::find_out;
use crate::toolsets::sqlite::model::quarantine::{self, Kept};
use crate::toolsets::sqlite::model::schema;

pub(crate) struct SqliteRestoreTable;

/// What to bring back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// The id in the quarantine, as `sqlite_drop_table` gave it and `sqlite_describe` lists it.
    id: String,
}

/// What was brought back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The table that is there again.
    restored: String,
}

#[async_trait]
impl TypedTool for SqliteRestoreTable {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "sqlite_restore_table",
            kind: "sqlite",
            title: "Bring a dropped table back",
            description: "Brings a table that sqlite_drop_table put into the quarantine back under its old name, with its \
                          rows, indexes and triggers. sqlite_describe lists what is in the quarantine.",
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
        let id = args.id.clone();
        work(lease, move |site| {
            site.wait_for_rows()?;
            let conn = site.open_to_read()?;
            let kept = restorable(&conn, site, &id)?;
            let table = schema::plain_table(&conn, site, &kept.trash)?;
            let contents = contents(&conn, site, &table)?;
            let mut blast_radius = BlastRadius::one(Scope::Resource);
            blast_radius.rows = Some(contents.rows);
            blast_radius.bytes = Some(contents.bytes);
            blast_radius.truncated = contents.truncated;
            let (name, rows) = (shown(&kept.name), contents.counted());
            let what = format!("`{name}` was dropped at {} and holds {rows}", shown(&kept.at));
            Ok(Preflight {
                targets: vec![site.table(&kept.name)],
                blast_radius,
                reversibility: Reversibility::Reversible,
                destroys_recovery: false,
                evidence: vec![site.whereabouts(), Evidence::seen(About::State, what, "the quarantine")],
                alternative: None,
                fingerprint: kept_fingerprint(&conn, site, &kept)?,
                summary: format!("bring the table {name} back from the quarantine"),
                pre_image: None,
            })
        })
        .await
    }

    fn aim(&self, _args: &Args, seen: &Preflight) -> Vec<Value> {
        schema::aim(seen)
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let (id, target, expected) = (args.id.clone(), args.target.clone(), seen.fingerprint);
        work(lease, move |site| {
            let mut conn = quarantine::open(site)?;
            let kept = restorable(&conn, site, &id)?;
            if kept_fingerprint(&conn, site, &kept)? != expected {
                return Err(ToolError::changed("what lies in the quarantine is no longer as it was looked at"));
            }
            quarantine::bring_back(&conn, site, &kept)?;
            let table = schema::plain_table(&conn, site, &kept.name)?;
            let undo = UndoPlan::exact(
                "sqlite_drop_table",
                json!({ "target": target, "table": table.name }),
                contents(&conn, site, &table)?.fingerprint,
            );
            site.commit(&mut conn)?;
            Ok(Done { output: Output { restored: kept.name }, undo: Some(undo) })
        })
        .await
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        let (again, id) = (self.look(args, lease).await, args.id.clone());
        // The look found the name free, and only bringing back or purging takes an id off the quarantine's list.
        let name =
            seen.targets.first().and_then(|target| target.path.split_once('/')).map(|(_, table)| table.to_owned());
        find_out(again, seen, lease, move |conn| {
            let there = name.map(|name| schema::find(conn, &name)).transpose()?.flatten().is_some();
            Ok(there && quarantine::kept(conn)?.iter().all(|kept| kept.id != id))
        })
        .await
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
