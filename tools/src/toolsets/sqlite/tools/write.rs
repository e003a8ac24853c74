//! `sqlite_write`: one INSERT, UPDATE or DELETE, shown row by row before it runs and taken back row by row after.
//!
//! The fingerprint covers the changed rows as they were and as they would be; rows the statement does not touch do not
//! move it. Beyond `Limits::count` rows it covers the changed tables with all their rows. A statement that
//! cannot be tried out to its end within the bounds of a look has the fingerprint of the whole database as it stands: any
//! change by anybody voids what was approved.

use std::cmp::Reverse;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Audience, BlastRadius, Condition, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope,
    Target, ToolError, TypedTool,
};
use crate::sql::{Class, Dialect, Write, classify, effect_of};
use crate::text::{count, shown};
use crate::toolsets::sqlite::connect::{Site, work};
use crate::toolsets::sqlite::model::schema;
use crate::toolsets::sqlite::model::trial::Purpose;
use crate::toolsets::sqlite::model::{answer, undo};
use crate::toolsets::sqlite::model::{effect::Effects, effects};

/// The condition that makes a write reversible.
const FITS: &str = "prior_state_fits_journal";

pub(crate) struct SqliteWrite;

/// What to change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// Exactly one INSERT, UPDATE, DELETE or REPLACE with its values written out.
    sql: String,
}

/// What was changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Rows changed, triggers and foreign keys included.
    rows_changed: u64,
    /// By table.
    tables: Vec<Changed>,
    /// The rows of a RETURNING clause.
    #[serde(skip_serializing_if = "Option::is_none")]
    returned: Option<answer::Output>,
}

/// What was changed in one table.
#[derive(Debug, Serialize, JsonSchema)]
struct Changed {
    table: String,
    inserted: u64,
    updated: u64,
    deleted: u64,
}

#[async_trait]
impl TypedTool for SqliteWrite {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "sqlite_write",
            kind: "sqlite",
            title: "Change rows of a SQLite database",
            description: "Runs exactly one INSERT, UPDATE, DELETE or REPLACE. It is first tried out and rolled back to find \
                          every row it would change, cascades and triggers included; where the rows as they were fit the \
                          journal the call can be undone exactly. Write values out instead of datetime('now') or random(). \
                          To remove a table use sqlite_drop_table.",
            reversibility: Reversibility::Irreversible,
            softened_by: vec![Condition {
                name: FITS.into(),
                to: Reversibility::Reversible,
                means: "every changed row is known as it was before, and all of them fit the journal".into(),
            }],
            scope: Scope::Resource,
            idempotent: false,
            open_world: false,
            credential: None,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let (write, sql) = (only_a_write(&args.sql)?, args.sql.clone());
        work(lease, move |site| {
            let (conn, effects) = effects::run(site, &sql, &write, Purpose::Look)?;
            preflight(site, &conn, &write, &effects)
        })
        .await
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let (write, sql, target) = (only_a_write(&args.sql)?, args.sql.clone(), args.target.clone());
        let (expected, reversible) = (seen.fingerprint, seen.reversibility == Reversibility::Reversible);
        let seen = seen.clone();
        work(lease, move |site| {
            let (mut conn, effects) = effects::run(site, &sql, &write, Purpose::Change(expected))?;
            if effects.fingerprint != Some(expected) {
                return Err(ToolError::changed("the rows this would change are no longer those that were looked at"));
            }
            // Without a look that found the rows can be put back, nothing is offered; with one, nothing lasts without it.
            let undo = match &effects.images {
                Some((was, _)) if reversible => Some(undo::plan(site, &conn, &target, was)?),
                _ => None,
            };
            seen.keeps_its_undo(undo.is_some())?;
            site.commit(&mut conn)?;
            Ok(Done { output: output(effects), undo })
        })
        .await
    }

    fn effect(&self, args: &Args, seen: &Preflight) -> Value {
        effect_of(seen, &args.sql, &(), Dialect::Sqlite)
    }

    fn aim(&self, args: &Args, seen: &Preflight) -> Vec<Value> {
        match only_a_write(&args.sql) {
            Ok(write) => write.aim(|table| vec![json!(table.to_ascii_lowercase())]),
            Err(_) => schema::aim(seen),
        }
    }

    async fn probe(&self, _args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        undo::probe(seen, lease).await
    }
}

/// The statement's class, or why this tool does not run it.
fn only_a_write(sql: &str) -> Result<Write, ToolError> {
    let class = classify(sql, Dialect::Sqlite).map_err(|refusal| {
        ToolError::refused(format!("not run: {refusal}")).with_next("send exactly one INSERT, UPDATE or DELETE")
    })?;
    let write = match class {
        Class::Write(write) => write,
        Class::Read => {
            return Err(ToolError::refused("it only reads").with_next("use `sqlite_query`"));
        }
        Class::Schema { what: "DROP TABLE", .. } => {
            return Err(ToolError::refused("not run: a DROP TABLE is no change of rows")
                .with_next("use `sqlite_drop_table`: it keeps the table in a quarantine and can be undone"));
        }
        Class::Schema { what, .. } => {
            return Err(ToolError::refused(format!("not run: a {what} changes the schema, not rows"))
                .with_next("schema changes other than `sqlite_drop_table` are not offered"));
        }
        Class::Other { what } => return Err(ToolError::refused(format!("not run: {what} is no change of rows"))),
    };
    if let Some(call) = write.volatile.first() {
        let reason =
            format!("not run: `{call}` gives another value each time, so what is shown would not be what is done");
        return Err(ToolError::refused(reason).with_next("pass the value itself, such as '2026-01-31 12:00:00'"));
    }
    if let Some(table) = write.tables.iter().find(|table| schema::is_trash(table) || schema::is_internal(table)) {
        return Err(ToolError::refused(format!(
            "`{}` is not for writing: it belongs to the quarantine or to SQLite",
            shown(table)
        )));
    }
    Ok(write)
}

fn preflight(
    site: &Site,
    conn: &rusqlite::Connection,
    write: &Write,
    effects: &Effects,
) -> Result<Preflight, ToolError> {
    let named = named_table(site, conn, write)?;
    let parts = parts(write, &named, effects);
    // The name a person types is the first one's: that of the table which loses the most.
    let mut touched: Vec<&str> = Vec::new();
    for table in parts.iter().map(|part| part.table).chain(effects.writable.iter().map(String::as_str)) {
        if !touched.contains(&table) {
            touched.push(table);
        }
    }
    let targets: Vec<Target> = touched.into_iter().map(|table| site.table(table)).collect();
    let mut blast_radius = BlastRadius::one(Scope::Resource);
    blast_radius.resources = targets.len() as u64;
    blast_radius.rows = Some(effects.all());
    blast_radius.bytes = effects.images.is_some().then_some(effects.bytes);
    blast_radius.parts = effects.counts.iter().map(|(table, counts)| (table.clone(), counts.all())).collect();
    blast_radius.truncated = effects.truncated;
    let mut evidence = vec![site.whereabouts()];
    if let Some(why) = &effects.stopped {
        let what = format!("counting stopped: {why}; it changes at least {}", count(effects.changed, "row"));
        evidence.push(Evidence::seen(About::State, what, "a try in a transaction"));
    }
    if effects.volatile {
        let what = "a default or trigger on the way gives another value each time, so new values may differ from a try";
        evidence.push(Evidence::seen(About::State, what, "sqlite_master"));
    }
    let (reversibility, pre_image) = match &effects.images {
        Some((was, is)) => {
            let what = format!(
                "the {} of changed rows, before and after, fit the journal",
                count(was.weight() + is.weight(), "byte")
            );
            evidence.push(Evidence::seen(About::Undo, what, "a try in a transaction").proving(FITS));
            (Reversibility::Reversible, Some(json!({ "before": was, "after": is })))
        }
        None => {
            if let Some(why) = &effects.untested {
                let what = format!("no undo is offered: {why}, so putting the rows back was not tried to its end");
                evidence.push(Evidence::seen(About::Undo, what, "a try in a transaction"));
            }
            for obstacle in &effects.obstacles {
                let what = format!("cannot be taken back: {obstacle}");
                evidence.push(Evidence::seen(About::Undo, what, "a try in a transaction"));
            }
            (Reversibility::Irreversible, None)
        }
    };
    let fingerprint = effects.fingerprint.ok_or_else(|| ToolError::failed("the try gave no fingerprint"))?;
    Ok(Preflight {
        targets,
        blast_radius,
        reversibility,
        destroys_recovery: false,
        evidence,
        alternative: None,
        fingerprint,
        summary: summary(&parts, effects.truncated),
        pre_image,
    })
}

/// The table the statement names, as the schema spells it.
fn named_table(site: &Site, conn: &rusqlite::Connection, write: &Write) -> Result<String, ToolError> {
    let named = write.tables.first().map(String::as_str).unwrap_or_default();
    let table = schema::find(conn, named).map_err(|error| site.explain(&error))?;
    table.map(|table| table.name).ok_or_else(|| schema::missing(conn, site, named))
}

/// What is done to one table, by one verb.
struct Part<'a> {
    verb: &'static str,
    rows: u64,
    table: &'a str,
}

/// What is done to each table, the worst first: rows that go, rows that change, rows that come; then the most rows.
fn parts<'a>(write: &Write, named: &'a str, effects: &'a Effects) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for (table, counts) in &effects.counts {
        for (verb, rows) in [("delete", counts.deleted), ("update", counts.updated), ("insert", counts.inserted)] {
            if rows > 0 {
                parts.push(Part { verb, rows, table });
            }
        }
    }
    // Of a table without rowids that is too large to be compared, SQLite only says how many rows changed.
    let known: u64 = parts.iter().map(|part| part.rows).sum();
    if parts.is_empty() || (effects.changed > known && !effects.counts.contains_key(named)) {
        parts.push(Part { verb: write.verb.as_str(), rows: effects.changed.saturating_sub(known), table: named });
    }
    let rank = |verb| ["delete", "update", "insert"].iter().position(|known| *known == verb);
    parts.sort_by_key(|part| (rank(part.verb), Reverse(part.rows), part.table));
    parts
}

/// `delete 3 rows of bookings; update 1 row of staff`.
fn summary(parts: &[Part<'_>], truncated: bool) -> String {
    let at_least = if truncated { "at least " } else { "" };
    let said =
        |part: &Part<'_>| format!("{} {at_least}{} of {}", part.verb, count(part.rows, "row"), shown(part.table));
    parts.iter().map(said).collect::<Vec<_>>().join("; ")
}

fn output(effects: Effects) -> Output {
    let tables = effects.counts.iter().map(|(table, counts)| Changed {
        table: table.clone(),
        inserted: counts.inserted,
        updated: counts.updated,
        deleted: counts.deleted,
    });
    let rows_changed = if effects.changed > 0 { effects.changed } else { effects.all() };
    Output { rows_changed, tables: tables.collect(), returned: effects.returned }
}
