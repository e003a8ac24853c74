//! Runs one row-changing statement in a transaction and finds out what it changes, within bounds. A look does the same as a
//! change and rolls it back; it also tries to put the rows back, for only that shows that it can be done.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};

use super::answer;
use super::catalog::cell;
use super::code::{self, Code};
use super::involved::{self, Involved};
use super::layout::{self, Layout};
use super::named::{self, LOCKED};
use super::params::{self, Text};
use super::put_back::{self, Paths};
use super::rows::{Images, RowImage, TableImage};
use super::sequences::{self, SequenceImage};
use super::types;
use super::value;
use super::watch::{Counts, Found, Touched, Watch};
use crate::contract::{Digest, ToolError};
use crate::sql::{Uses, Verb, Write};
use crate::text::{shown, size};
use crate::toolsets::postgres::connect::Tx;

/// What is to be run.
pub(crate) struct Asked<'a> {
    pub sql: &'a str,
    pub params: &'a [Value],
    pub write: &'a Write,
    pub uses: &'a Uses,
}

/// What a statement changed, or why it was not tried out.
pub(crate) struct Effects {
    /// The tables the statement names.
    pub named: Vec<Layout>,
    /// Rows by table, as the server counts them.
    pub counts: Vec<(Layout, Counts)>,
    /// The changed rows as they were and as they are now; `None` where they cannot be kept or put back.
    pub images: Option<(Images, Images)>,
    /// Why not.
    pub obstacles: Vec<String>,
    /// What else a person should know.
    pub notes: Vec<String>,
    /// The rows of a RETURNING clause.
    pub returned: Option<answer::Output>,
    /// Why it was not tried out.
    pub untried: Option<String>,
    /// How many rows the server says the statement itself changed, or gave back.
    pub told: Option<u64>,
    /// It draws from a sequence that lies in the quarantine.
    pub draws_kept: bool,
    /// Digest of what it changed.
    pub fingerprint: Digest,
}

/// How a run ended.
pub(crate) enum Ran {
    Done(Box<Effects>),
    /// It touched tables that nobody watched: they are to be watched from the start.
    Again(Vec<u32>),
}

/// Runs it in this transaction. `seen` is the fingerprint that a yes was given to; there is none in a look: everything is
/// rolled back after that. What is not tried in a look runs only as what it was seen as: a rollback may come too late.
pub(crate) async fn run(tx: &Tx<'_>, asked: &Asked<'_>, also: &[u32], seen: Option<Digest>) -> Result<Ran, ToolError> {
    let paths = Paths::of(tx).await?;
    // Before the statement is as much as analysed: that already runs a domain's CHECK for a row.
    let code = code::of_statement(tx, asked.uses, &asked.write.tables).await?;
    if !code.acts.is_empty() {
        named::resolved(&code)?;
        return Ok(Ran::Done(Box::new(unsafe_to_try(tx, &paths, asked, &code, seen).await?)));
    }
    let statement = tx.prepare(asked.sql).await?;
    let given = params::of_call(asked.params, statement.params())?;
    readable(&statement)?;
    paths.own(tx).await?;
    let named = named::named(tx, asked.write, &code).await?;
    let roots: Vec<u32> = named.iter().map(|layout| layout.oid).chain(also.iter().copied()).collect();
    // An INSERT draws from sequences wherever in the statement it stands.
    let verb = if asked.write.inserts() { Verb::Insert } else { asked.write.verb };
    let reach = involved::involved(tx, &roots, verb, asked.sql).await?;
    let tables: Vec<u32> = reach.tables.iter().copied().collect();
    let layouts = layout::layouts(tx, &tables).await?;
    // Told of a try that is given up: gathered while it is in nobody's way.
    let given_up = match seen {
        Some(_) => None,
        None => {
            let (note, draws_kept) = (named::beside(&named, &layouts), sequences::are_kept(tx, &code.draws).await?);
            Some(Effects::untried(tx, asked, named.clone(), note, draws_kept))
        }
    };
    let attempt = Attempt { tx, paths, asked, statement, given, named, reach, layouts, draws: code.draws, seen };
    let ran = attempt.run().await;
    if let (Err(_), Some(given_up), Some(why)) = (&ran, given_up, tx.gave_up()) {
        let reason = format!("trying it out {why}, so the try was rolled back");
        return Ok(Ran::Done(Box::new(Effects { untried: Some(reason), ..given_up })));
    }
    ran
}

/// A statement about to be run and watched.
struct Attempt<'a, 'tx> {
    tx: &'a Tx<'tx>,
    paths: Paths,
    asked: &'a Asked<'a>,
    statement: Statement,
    given: Vec<Text>,
    named: Vec<Layout>,
    reach: Involved,
    layouts: Vec<Layout>,
    /// The sequences that the statement draws from by itself.
    draws: BTreeSet<u32>,
    seen: Option<Digest>,
}

impl Attempt<'_, '_> {
    async fn run(self) -> Result<Ran, ToolError> {
        let Self { tx, paths, asked, statement, given, named, reach, layouts, draws, seen } = self;
        let drawn: BTreeSet<u32> = reach.sequences.iter().copied().chain(draws.iter().copied()).collect();
        if !drawn.is_empty() {
            tx.holds_locks().await?;
        }
        let held = match sequences::hold(tx, &drawn.into_iter().collect::<Vec<_>>()).await? {
            Ok(held) => held,
            Err(reason) => {
                let effects = untried(tx, asked, named, &draws, reason).await?;
                let Some(seen) = seen else { return Ok(Ran::Done(Box::new(effects))) };
                as_seen(&effects, seen)?;
                let Performed { returned, told, .. } = perform(tx, &paths, &statement, &given, None).await?;
                return Ok(Ran::Done(Box::new(Effects { returned, told, ..effects })));
            }
        };
        let watch = Watch::begin(tx, layouts).await?;
        let Performed { returned, told, touched } = perform(tx, &paths, &statement, &given, Some(watch)).await?;
        let touched = touched.ok_or_else(|| ToolError::failed("nobody watched"))?;
        nothing_beyond(tx, &touched).await?;
        let unknown: Vec<u32> = touched.unwatched.iter().filter(|oid| !reach.tables.contains(oid)).copied().collect();
        if !unknown.is_empty() {
            return Ok(Ran::Again(unknown));
        }
        let now = sequences::again(tx, &held).await?;
        let gathering = Gathering { tx, reach: &reach, touched, named, was: held, is: now };
        let mut effects = gathering.effects().await?;
        effects.returned = returned;
        effects.told = told;
        if let (None, Some((was, _))) = (seen, &effects.images)
            && let Err(reason) = proven(tx, &paths, was).await?
        {
            effects.obstacles.push(format!("putting the rows back was tried, and failed: {reason}"));
            effects.images = None;
        }
        Ok(Ran::Done(Box::new(effects)))
    }
}

async fn proven(tx: &Tx<'_>, paths: &Paths, was: &Images) -> Result<Result<(), String>, ToolError> {
    let layouts = match put_back::tables(tx, was).await {
        Ok(layouts) => layouts,
        Err(error) => return Ok(Err(error.to_string())),
    };
    put_back::put_back(tx, paths, &layouts, was).await
}

/// What runs code that is not known to be harmless is not tried: neither rolling back nor a read-only transaction stops what
/// such code may do. Once a person has said yes it runs as it is.
async fn unsafe_to_try(
    tx: &Tx<'_>,
    paths: &Paths,
    asked: &Asked<'_>,
    code: &Code,
    seen: Option<Digest>,
) -> Result<Effects, ToolError> {
    paths.own(tx).await?;
    let named = named::writable(tx, layout::layouts(tx, &code.changed).await?, asked.write).await?;
    let first = code.first().unwrap_or_default();
    let reason = format!("it would run {first}, which is not known to be harmless");
    let mut effects = untried(tx, asked, named, &code.draws, reason).await?;
    effects.fingerprint = Digest::of(&json!([effects.fingerprint, code.digest]));
    effects.notes.extend(code.acts.iter().skip(1).map(|act| format!("it would also run {act}")));
    effects.notes.extend(code.next.clone());
    if let Some(seen) = seen {
        as_seen(&effects, seen)?;
        paths.role(tx).await?;
        let statement = tx.prepare(asked.sql).await?;
        let given = params::of_call(asked.params, statement.params())?;
        readable(&statement)?;
        paths.own(tx).await?;
        named::named(tx, asked.write, code).await?;
        Performed { returned: effects.returned, told: effects.told, .. } =
            perform(tx, paths, &statement, &given, None).await?;
    }
    Ok(effects)
}

/// Refuses what is not tried, before anything of it runs, unless it is what the yes was given to.
fn as_seen(effects: &Effects, seen: Digest) -> Result<(), ToolError> {
    match effects.fingerprint == seen {
        true => Ok(()),
        false => {
            Err(ToolError::changed("what this would run, or the tables it names, are not those that were looked at"))
        }
    }
}

/// RETURNING can show what has a decoder.
fn readable(statement: &Statement) -> Result<(), ToolError> {
    match statement.columns().iter().find(|column| !value::is_known(column.type_())) {
        None => Ok(()),
        Some(column) => {
            let reason = format!("RETURNING cannot show `{}` of type {}", shown(column.name()), column.type_().name());
            Err(ToolError::refused(reason).with_next(format!("write `{}::text`", shown(column.name()))))
        }
    }
}

/// What came of running the statement.
struct Performed {
    returned: Option<answer::Output>,
    told: Option<u64>,
    touched: Option<Touched>,
}

/// Runs the statement under the role's search path, with everything that was put off to the commit.
async fn perform(
    tx: &Tx<'_>,
    paths: &Paths,
    statement: &Statement,
    given: &[Text],
    watch: Option<Watch>,
) -> Result<Performed, ToolError> {
    paths.role(tx).await?;
    tx.holds_locks().await?;
    let (returned, told) = match statement.columns().is_empty() {
        true => {
            let given: Vec<&(dyn ToSql + Sync)> = given.iter().map(|text| text as _).collect();
            (None, Some(tx.execute(statement, &given).await?))
        }
        false => {
            let returned = answer::returned(tx, statement, given, tx.site().limits.output_rows).await?;
            let told = (!returned.truncated).then_some(returned.row_count);
            (Some(returned), told)
        }
    };
    tx.run("SET CONSTRAINTS ALL IMMEDIATE").await?;
    paths.own(tx).await?;
    let touched = match watch {
        Some(watch) => Some(watch.end(tx).await?),
        None => None,
    };
    Ok(Performed { returned, told, touched })
}

/// Refuses what changes more than rows.
async fn nothing_beyond(tx: &Tx<'_>, touched: &Touched) -> Result<(), ToolError> {
    let refuse = |what: &str| {
        let reason = format!("not run: a trigger on the way {what}, which is no change of rows");
        Err(ToolError::refused(reason))
    };
    if !tx.rows(LOCKED, &[(&"AccessExclusiveLock" as _, Type::TEXT)]).await?.is_empty() {
        return refuse("truncates, creates or alters a table");
    }
    if touched.catalogue {
        return refuse("changes the schema or large objects");
    }
    let foreign = "SELECT count(*) FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation \
        WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.mode = 'RowExclusiveLock' AND c.relkind = 'f'";
    match tx.value::<i64>(foreign, &[]).await? {
        0 => Ok(()),
        _ => refuse("writes to a foreign table"),
    }
}

/// The fingerprint of a statement that was not tried out.
pub(crate) fn untried_fingerprint(tx: &Tx<'_>, asked: &Asked<'_>, named: &[Layout]) -> Digest {
    let tables: Vec<_> = named
        .iter()
        .map(|layout| {
            let columns: Vec<_> = layout.columns.iter().map(|column| json!([column.name, column.kind])).collect();
            json!([layout.oid, layout.schema, layout.name, columns, layout.triggers.len()])
        })
        .collect();
    Digest::of(&json!({ "in": tx.server.identity(), "sql": asked.sql, "params": asked.params, "tables": tables }))
}

/// What is told of one, for this reason; `draws` are the sequences that it names, or that what it fills in draws from.
async fn untried(
    tx: &Tx<'_>,
    asked: &Asked<'_>,
    named: Vec<Layout>,
    draws: &BTreeSet<u32>,
    reason: String,
) -> Result<Effects, ToolError> {
    let note = named::reached(tx, &named, asked.write, asked.sql).await?;
    let effects = Effects::untried(tx, asked, named, note, sequences::are_kept(tx, draws).await?);
    Ok(Effects { untried: Some(reason), ..effects })
}

impl Effects {
    /// Nothing of it ran, for a reason that is yet to be said.
    fn untried(tx: &Tx<'_>, asked: &Asked<'_>, named: Vec<Layout>, note: Option<String>, draws_kept: bool) -> Self {
        Self {
            fingerprint: untried_fingerprint(tx, asked, &named),
            named,
            counts: Vec::new(),
            images: None,
            obstacles: Vec::new(),
            notes: note.into_iter().collect(),
            returned: None,
            untried: None,
            told: None,
            draws_kept,
        }
    }
}

/// Turning what was touched into what is told, kept and bound.
struct Gathering<'a, 'tx> {
    tx: &'a Tx<'tx>,
    reach: &'a Involved,
    touched: Touched,
    named: Vec<Layout>,
    was: Vec<SequenceImage>,
    is: Vec<SequenceImage>,
}

impl Gathering<'_, '_> {
    async fn effects(self) -> Result<Effects, ToolError> {
        let Self { tx, reach, touched, named, was, is } = self;
        let mut obstacles = touched.obstacles.clone();
        let mut counts = Vec::new();
        let touched_tables: Vec<u32> = touched.counts.keys().copied().collect();
        for layout in layout::layouts(tx, &touched_tables).await? {
            obstacles.extend(layout.obstacle());
            if layout.schema.starts_with("mollyguard_") {
                obstacles.push(format!(
                    "{} lies in the quarantine: what was dropped could not come back whole",
                    layout.shown()
                ));
            }
            let of = touched.counts.get(&layout.oid).copied().unwrap_or_default();
            counts.push((layout, of));
        }
        let mut images = (Images::default(), Images::default());
        let in_quarantine = |sequence: &&SequenceImage| sequence.schema.starts_with("mollyguard_");
        let moved = was.iter().zip(&is).filter(|(was, is)| was != is).map(|(was, _)| was);
        let kept: Vec<&SequenceImage> = moved.filter(in_quarantine).collect();
        let draws_kept = !kept.is_empty();
        obstacles.extend(kept.iter().map(|sequence| {
            let name = shown(&format!("{}.{}", sequence.schema, sequence.name));
            format!("it draws from {name}, which lies in the quarantine: what was dropped could not come back whole")
        }));
        (images.0.sequences, images.1.sequences) = was.iter().cloned().zip(is).filter(|(was, is)| was != is).unzip();
        let digests: BTreeMap<u32, Value> =
            touched.found.iter().map(|found| (found.layout.oid, digest(found, reach.unsteady))).collect();
        for found in touched.found {
            let Found { layout, was, is } = found;
            let (was, is): (Vec<RowImage>, Vec<RowImage>) =
                was.into_iter().zip(is).filter(|(was, is)| was != is).unzip();
            if !was.is_empty() {
                images.0.tables.push(TableImage::of(&layout, was));
                images.1.tables.push(TableImage::of(&layout, is));
            }
        }
        if !images.0.tables.is_empty() {
            images.0.types = types::images(tx, &images.0.oids()).await?;
            images.1.types.clone_from(&images.0.types);
        }
        let (weight, most) = (images.0.weight() + images.1.weight(), tx.site().limits.undo_bytes);
        if weight > most {
            obstacles.push(format!(
                "the rows before and after take {}, more than the {} kept",
                size(weight),
                size(most)
            ));
        }
        let mut notes = Vec::new();
        let held: BTreeSet<u32> = was.iter().map(|sequence| sequence.oid).collect();
        for row in &tx.rows(DRAWN, &[]).await? {
            let (oid, name): (u32, String) = (cell(row, 0)?, cell(row, 1)?);
            if !held.contains(&oid) {
                obstacles.push(format!("it draws from the sequence {}, which could not be foreseen", shown(&name)));
            }
        }
        if reach.unsteady {
            notes.push(
                "a trigger, rule or default on the way may give other values each time, so new values may differ"
                    .into(),
            );
        }
        let parts: Vec<Value> = counts
            .iter()
            .map(|(layout, of)| json!([layout.oid, of.inserted, of.updated, of.deleted, digests.get(&layout.oid)]))
            .collect();
        let fingerprint = Digest::of(&json!({ "in": tx.server.identity(), "tables": parts }));
        let images = obstacles.is_empty().then_some(images);
        let (returned, untried, told) = (None, None, None);
        Ok(Effects { named, counts, images, obstacles, notes, returned, untried, told, draws_kept, fingerprint })
    }
}

const DRAWN: &str = "SELECT DISTINCT c.oid, c.relname::text FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c \
    ON c.oid = l.relation WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND c.relkind = 'S' \
    AND l.mode = 'RowExclusiveLock' ORDER BY 1";

/// The rows as they were, and as they would be. A new row's number counts from its sequence, so that somebody else's
/// insert does not move it, and what the clock or chance decides is left out.
fn digest(found: &Found, unsteady: bool) -> Value {
    let stored: Vec<_> = found.layout.stored().collect();
    let mut before = Vec::new();
    let mut after: Vec<Digest> = Vec::new();
    for (was, is) in found.was.iter().zip(&found.is) {
        if was.row.is_some() {
            before.push(json!([was.key, was.row, was.bytes]));
        }
        if unsteady {
            continue;
        }
        let new = was.row.is_none();
        let row = is.row.as_ref().map(|row| {
            let steady = stored.iter().zip(row).filter(|(field, _)| !(new && field.unsteady));
            steady.map(|(_, value)| value).collect::<Vec<_>>()
        });
        after.push(Digest::of(&json!([(!new).then_some(&is.key), row])));
    }
    after.sort();
    json!([Digest::of(&before), Digest::of(&after)])
}
