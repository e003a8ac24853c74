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
    About, Applied, BlastRadius, Change, Digest, Evidence, Findings, Fingerprint, Kind as _, Preflight, Probe,
    Reversibility, Scope, Softening, Spec, Target, ToolError,
};
use crate::sql::{Class, Dialect, Write, classify, effect_of};
use crate::text::{count, shown};
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::model::effect::Effects;
use crate::toolsets::sqlite::model::kind::{DatabaseFiles, Tx};
use crate::toolsets::sqlite::model::trial::Purpose;
use crate::toolsets::sqlite::model::{answer, effects, schema, undo};

/// The condition that makes a write reversible.
const FITS: &str = "prior_state_fits_journal";

/// Where most of it is read.
const TRY: &str = "a try in a transaction";

pub(crate) struct SqliteWrite;

/// What to change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
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

/// What the statement does, tried out or done.
pub(crate) struct Tried {
    effects: Effects,
    fingerprint: Digest,
}

impl Fingerprint for Tried {
    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn moved(&self) -> String {
        "the rows this would change are no longer those that were looked at".to_owned()
    }
}

#[async_trait]
impl Change for SqliteWrite {
    type Kind = DatabaseFiles;
    type Args = Args;
    type Output = Output;
    type Seen = Tried;
    const SPEC: Spec = Spec::change(
        "sqlite_write",
        "Change rows of a SQLite database",
        "Runs exactly one INSERT, UPDATE, DELETE or REPLACE. It is first tried out and rolled back to find every row it would \
         change, cascades and triggers included; where the rows as they were fit the journal the call can be undone exactly. \
         Write values out instead of datetime('now') or random(). To remove a table use sqlite_drop_table.",
        Reversibility::Irreversible,
    )
    .softened_by(&[Softening {
        name: FITS,
        to: Reversibility::Reversible,
        means: "every changed row is known as it was before, and all of them fit the journal",
    }]);

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Tried, ToolError> {
        let write = only_a_write(&args.sql)?;
        let purpose = tx.agreed().map_or(Purpose::Look, Purpose::Change);
        let (conn, effects) = effects::run(tx, &args.sql, &write, purpose)?;
        tx.continue_on(conn);
        let fingerprint = effects.fingerprint.ok_or_else(|| ToolError::failed("the try gave no fingerprint"))?;
        Ok(Tried { effects, fingerprint })
    }

    async fn describe(args: &Args, Tried { effects, .. }: &Tried, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let (site, conn) = tx.tried()?;
        findings(site, conn, &only_a_write(&args.sql)?, effects)
    }

    async fn apply(
        _args: &Args,
        Tried { effects, .. }: Tried,
        agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let (site, conn) = tx.tried()?;
        // Without a look that found the rows can be put back, nothing is offered.
        let undo = match &effects.images {
            Some((was, _)) if agreed.reversibility == Reversibility::Reversible => Some(undo::plan(site, conn, was)?),
            _ => None,
        };
        Ok(Applied::new(output(effects), undo))
    }

    fn effect(args: &Args, seen: &Preflight) -> Value {
        effect_of(seen, &args.sql, &(), Dialect::Sqlite)
    }

    fn aim(args: &Args, seen: &Preflight) -> Vec<Value> {
        match only_a_write(&args.sql) {
            Ok(write) => write.aim(|table| vec![json!(table.to_ascii_lowercase())]),
            Err(_) => DatabaseFiles::aim(seen),
        }
    }

    async fn probe(_args: &Args, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<Probe, ToolError> {
        undo::probe(tx, agreed)
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

fn findings(site: &Site, conn: &rusqlite::Connection, write: &Write, effects: &Effects) -> Result<Findings, ToolError> {
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
    let radius = BlastRadius {
        resources: targets.len() as u64,
        rows: Some(effects.all()),
        bytes: effects.images.is_some().then_some(effects.bytes),
        parts: effects.counts.iter().map(|(table, counts)| (table.clone(), counts.all())).collect(),
        truncated: effects.truncated,
        ..BlastRadius::one(Scope::Resource)
    };
    let mut findings = Findings::on(targets, summary(&parts, effects.truncated)).radius(radius);
    if let Some(why) = &effects.stopped {
        let what = format!("counting stopped: {why}; it changes at least {}", count(effects.changed, "row"));
        findings = findings.fact(About::State, what, TRY);
    }
    if effects.volatile {
        let what = "a default or trigger on the way gives another value each time, so new values may differ from a try";
        findings = findings.fact(About::State, what, "sqlite_master");
    }
    if let Some((was, is)) = &effects.images {
        let bytes = count(was.weight() + is.weight(), "byte");
        let what = format!("the {bytes} of changed rows, before and after, fit the journal");
        let kept = json!({ "before": was, "after": is });
        return Ok(findings.proves(FITS, what, TRY).class(Reversibility::Reversible).keeps(kept));
    }
    if let Some(why) = &effects.untested {
        let what = format!("no undo is offered: {why}, so putting the rows back was not tried to its end");
        findings = findings.fact(About::Undo, what, TRY);
    }
    let obstacles = effects.obstacles.iter().map(|obstacle| format!("cannot be taken back: {obstacle}"));
    Ok(findings.facts(obstacles.map(|what| Evidence::seen(About::Undo, what, TRY))))
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
