//! `postgres_write`: one INSERT, UPDATE, DELETE or MERGE, shown row by row before it runs and taken back row by row after.
//!
//! The fingerprint covers the changed rows as they were and as they would be; rows the statement does not touch do not
//! move it. Beyond what can be kept it covers how many rows change in which tables. A statement that cannot be tried out
//! has the fingerprint of its text and of the tables it names.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Audience, BlastRadius, Condition, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope,
    Target, ToolError, TypedTool,
};
use crate::sql::{Class, Dialect, RowsOf, Uses, Verb, Write, changes_of_rows, effect_of, examine_text};
use crate::text::{shown, size};
use crate::toolsets::postgres::connect::{Mode, Session, Tx, dotted_part};
use crate::toolsets::postgres::model::CREDENTIAL;
use crate::toolsets::postgres::model::layout::Layout;
use crate::toolsets::postgres::model::trial::{self, Asked, Effects, Ran};
use crate::toolsets::postgres::model::watch::{self, Counts};
use crate::toolsets::postgres::model::{answer, undo};

/// The condition that makes a write reversible.
const FITS: &str = "prior_state_fits_journal";

/// How often a try starts anew because a trigger wrote to a table that nobody could foresee.
const TRIES: usize = 4;

/// What the server's own count of a statement leaves out.
const NOT_COUNTED: &str =
    "rows changed by common table expressions, cascades and triggers: the statement was not tried out";

const TRY: &str = "a try in a transaction";

pub(crate) struct PostgresWrite;

/// What to change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// Exactly one INSERT, UPDATE, DELETE or MERGE.
    sql: String,
    /// The values of `$1`, `$2` … in order, as JSON; numbers, text and timestamps may be strings.
    #[serde(default)]
    params: Vec<Value>,
}

/// What was changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Rows changed, triggers and foreign keys included; null where nobody counted them.
    rows_changed: Option<u64>,
    /// What that number leaves out, where something could not be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_counted: Option<&'static str>,
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
impl TypedTool for PostgresWrite {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_write",
            kind: "postgres",
            title: "Change rows of a PostgreSQL database",
            description: "Runs exactly one INSERT, UPDATE, DELETE or MERGE. It is first tried out and rolled back to find \
                          every row it would change, cascades and triggers included; where the rows as they were fit the \
                          journal the call can be undone exactly. Write values out instead of now() or random(). To \
                          remove a table use postgres_drop.",
            reversibility: Reversibility::Irreversible,
            softened_by: vec![Condition {
                name: FITS.into(),
                to: Reversibility::Reversible,
                means:
                    "every changed row is known as it was before, all of them fit the journal, and a try has put them \
                        back"
                        .into(),
            }],
            scope: Scope::Resource,
            idempotent: false,
            open_world: false,
            credential: CREDENTIAL,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let (write, uses) = only_a_write(&args.sql)?;
        let asked = Asked { sql: &args.sql, params: &args.params, write: &write, uses: &uses };
        let (mut session, turn) = Session::open_in_turn(lease).await?;
        let looked = in_turn(&mut session, &asked).await;
        session.count_written(&turn).await;
        match looked? {
            Ok(preflight) => Ok(preflight),
            Err(why) => {
                // Whatever the server still does there ends with it, and somebody else's turn may come.
                drop((session, turn));
                not_tried(&mut Session::open(lease).await?, &asked, &why).await
            }
        }
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let (write, uses) = only_a_write(&args.sql)?;
        let asked = Asked { sql: &args.sql, params: &args.params, write: &write, uses: &uses };
        let mut session = Session::open(lease).await?;
        let mut also = Vec::new();
        for _ in 0..TRIES {
            let tx = session.begin(Mode::Change).await?;
            let begun = async {
                let id = watch::settle(&tx).await?;
                tx.show_under_way(seen).await?;
                Ok((id, trial::run(&tx, &asked, &also, Some(seen.fingerprint)).await?))
            };
            let (id, effects) = match begun.await {
                Ok((id, Ran::Done(effects))) => (id, effects),
                Ok((_, Ran::Again(more))) => {
                    also.extend(more);
                    tx.rollback().await?;
                    continue;
                }
                Err(error) => {
                    tx.rollback().await.ok();
                    return Err(error);
                }
            };
            // Where a try took too long, the yes was to its text, and to whatever rows that changes by now.
            let overran = || {
                effects.untried.is_none() && trial::untried_fingerprint(&tx, &asked, &effects.named) == seen.fingerprint
            };
            if effects.fingerprint != seen.fingerprint && !overran() {
                tx.rollback().await?;
                return Err(ToolError::changed("the rows this would change are no longer those that were looked at"));
            }
            let reversible = seen.reversibility == Reversibility::Reversible;
            let undo = match &effects.images {
                Some((was, is)) if reversible => Some(undo::plan(tx.server, &args.target, was, is)?),
                _ => None,
            };
            if let Err(error) = seen.keeps_its_undo(undo.is_some()) {
                tx.rollback().await?;
                return Err(error);
            }
            let committed = tx.commit().await;
            session.settle(committed, &id).await?;
            return Ok(Done { output: output(&write, *effects), undo });
        }
        Err(never_the_same())
    }

    fn effect(&self, args: &Args, seen: &Preflight) -> Value {
        effect_of(seen, &args.sql, &args.params, Dialect::Postgres)
    }

    fn aim(&self, args: &Args, seen: &Preflight) -> Vec<Value> {
        let Ok((write, _)) = only_a_write(&args.sql) else { return seen.aim() };
        write.aim(|table| {
            let end = format!(".{}", dotted_part(table).to_lowercase());
            let meant = seen.targets.iter().filter(|target| target.name().to_lowercase().ends_with(&end));
            let names: Vec<Value> = meant.flat_map(Target::names).collect();
            if names.is_empty() { seen.targets.iter().flat_map(Target::names).collect() } else { names }
        })
    }

    async fn probe(&self, _args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        undo::probe(seen, lease).await
    }
}

async fn tried(tx: &Tx<'_>, asked: &Asked<'_>, also: &[u32]) -> Result<Ran, ToolError> {
    watch::settle(tx).await?;
    trial::run(tx, asked, also, None).await
}

/// A look in its turn; or why its try was given up.
async fn in_turn(session: &mut Session, asked: &Asked<'_>) -> Result<Result<Preflight, String>, ToolError> {
    let whereabouts = session.whereabouts();
    let mut also = Vec::new();
    for _ in 0..TRIES {
        let tx = session.begin(Mode::Trial).await?;
        let looked = match tried(&tx, asked, &also).await {
            Ok(Ran::Done(effects)) => preflight(&tx, asked.write, &effects, whereabouts.clone()).map(Ok),
            Ok(Ran::Again(more)) => Ok(Err(more)),
            Err(error) => Err(error),
        };
        let gave_up = if looked.is_err() { tx.gave_up() } else { None };
        let ended = tx.rollback().await;
        if let Some(why) = gave_up {
            return Ok(Err(why));
        }
        ended?;
        match looked? {
            Ok(preflight) => return Ok(Ok(preflight)),
            Err(more) => also.extend(more),
        }
    }
    Err(never_the_same())
}

/// What a look tells of a statement whose try was given up: it is asked about as one that was not tried out.
async fn not_tried(session: &mut Session, asked: &Asked<'_>, why: &str) -> Result<Preflight, ToolError> {
    let whereabouts = session.whereabouts();
    let tx = session.begin(Mode::Trial).await?;
    let reason = format!("trying it out {why}, so the try was rolled back");
    let effects = trial::named_only(&tx, asked, reason).await?;
    let looked = preflight(&tx, asked.write, &effects, whereabouts);
    tx.rollback().await?;
    looked
}

fn never_the_same() -> ToolError {
    ToolError::refused("not run: its triggers write to other tables each time, so nobody can say what it would change")
}

/// The statement's class, or why this tool does not run it.
fn only_a_write(sql: &str) -> Result<(Write, Uses), ToolError> {
    let (class, uses) = examine_text(sql).map_err(|refusal| {
        ToolError::refused(format!("not run: {refusal}")).with_next("send exactly one INSERT, UPDATE, DELETE or MERGE")
    })?;
    let write = match class {
        Class::Write(write) => write,
        Class::Read => return Err(ToolError::refused("it only reads").with_next("use `postgres_query`")),
        Class::Schema { what, .. } if what.starts_with("DROP") => {
            return Err(ToolError::refused(format!("not run: a {what} is no change of rows"))
                .with_next("use `postgres_drop`: it moves the thing into a quarantine and can be undone"));
        }
        Class::Schema { what: "TRUNCATE", .. } => {
            return Err(ToolError::refused("not run: a TRUNCATE empties tables as a whole")
                .with_next("use `postgres_truncate`"));
        }
        Class::Schema { what, .. } => {
            return Err(ToolError::refused(format!("not run: a {what} changes the schema, not rows"))
                .with_next("use `postgres_alter` for additions"));
        }
        Class::Other { what } => return Err(ToolError::refused(format!("not run: {what} is no change of rows"))),
    };
    if let Some(name) = uses.names.iter().find(|name| name.starts_with("mollyguard_")) {
        let reason =
            format!("not run: {} lies in the quarantine, and what was dropped is to come back whole", shown(name));
        return Err(ToolError::refused(reason).with_next("undo the call that dropped it first"));
    }
    match write.volatile.first() {
        None => Ok((write, uses)),
        Some(call) => {
            let reason =
                format!("not run: `{call}` gives another value each time, so what is shown would not be what is done");
            Err(ToolError::refused(reason).with_next("pass the value itself, such as '2026-01-31 12:00:00Z'"))
        }
    }
}

fn preflight(tx: &Tx<'_>, write: &Write, effects: &Effects, whereabouts: Evidence) -> Result<Preflight, ToolError> {
    let changes = changes(write, effects);
    let targets: Vec<Target> = changes.iter().map(|(layout, _)| layout.target(tx)).collect();
    let mut blast_radius = BlastRadius::one(Scope::Resource);
    blast_radius.resources = targets.len() as u64;
    blast_radius.parts = effects
        .counts
        .iter()
        .map(|(layout, counts)| (format!("{}.{}", layout.schema, layout.name), counts.all()))
        .collect();
    let mut evidence = vec![whereabouts];
    let seen = |about, what: &str| Evidence::seen(about, what, TRY);
    evidence.extend(effects.notes.iter().map(|note| seen(About::State, note)));
    if let Some(reason) = &effects.untried {
        let what = format!("it was not tried out: {reason}; nobody can say how many rows it changes");
        evidence.push(Evidence::seen(About::Undo, what, "pg_depend"));
        blast_radius.truncated = true;
    } else {
        blast_radius.rows = Some(blast_radius.parts.values().sum());
    }
    let (reversibility, pre_image) = match &effects.images {
        Some((was, is)) => {
            blast_radius.bytes = Some(was.weight());
            let what = format!(
                "the changed rows, before and after, fit the journal with {}, and a try has put them back",
                size(was.weight() + is.weight())
            );
            evidence.push(seen(About::Undo, &what).proving(FITS));
            for (was, is) in was.sequences.iter().zip(&is.sequences) {
                let what = format!(
                    "the sequence {} moves from {} to {}; undoing sets it back unless somebody else drew from it",
                    shown(&was.name),
                    was.last,
                    is.last
                );
                evidence.push(seen(About::State, &what));
            }
            (Reversibility::Reversible, Some(json!({ "before": was, "after": is })))
        }
        None => {
            let lines = effects.obstacles.iter().map(|obstacle| format!("cannot be taken back: {obstacle}"));
            evidence.extend(lines.map(|line| seen(About::Undo, &line)));
            (Reversibility::Irreversible, None)
        }
    };
    Ok(Preflight {
        targets,
        blast_radius,
        reversibility,
        destroys_recovery: effects.draws_kept
            || effects.counts.iter().any(|(layout, _)| layout.schema.starts_with("mollyguard_")),
        evidence,
        alternative: None,
        fingerprint: effects.fingerprint,
        summary: summary(write, effects, changes),
        pre_image,
    })
}

/// Each table with what is done to its rows, the worst first: its name is the one a person types.
fn changes<'a>(write: &Write, effects: &'a Effects) -> Vec<(&'a Layout, RowsOf)> {
    let Effects { named, counts, .. } = effects;
    let is_said = |layout: &Layout| write.rank(&layout.name).is_some();
    // Rows of a partitioned table, or of a view, are counted where they lie.
    let through = match named.iter().find(|layout| is_said(layout) && layout.kind != 'r') {
        Some(layout) => format!("through {}, a cascade or a trigger", layout.shown()),
        None => "by a cascade or trigger".to_owned(),
    };
    let others = counts.iter().map(|(layout, _)| layout).filter(|layout| named.iter().all(|one| one.oid != layout.oid));
    let mut changes: Vec<_> = named
        .iter()
        .map(|layout| (layout, is_said(layout)))
        .chain(others.map(|layout| (layout, false)))
        .map(|(layout, is_said)| {
            let counts = counts.iter().find(|(counted, _)| counted.oid == layout.oid).map(|(_, counts)| *counts);
            let verb = write.rank(&layout.name).and_then(|at| write.changes.get(at)).map(|change| change.verb);
            let through = (!is_said).then(|| through.clone());
            (layout, rows_of(layout, counts.unwrap_or_default(), verb, through))
        })
        .collect();
    changes.sort_by_cached_key(|(_, rows)| rows.weight());
    // What the statement names stands before the parts its rows lie in.
    if let Some(first) = changes.iter().position(|(_, rows)| rows.through.is_some()) {
        let behind = changes.split_off(first);
        let is_whole = |(layout, rows): &(&Layout, RowsOf)| layout.kind != 'r' && rows.through.is_none();
        let (wholes, parts): (Vec<_>, Vec<_>) = behind.into_iter().partition(is_whole);
        changes.extend(wholes.into_iter().chain(parts));
    }
    changes
}

fn rows_of(layout: &Layout, counts: Counts, verb: Option<Verb>, through: Option<String>) -> RowsOf {
    let Counts { inserted, updated, deleted } = counts;
    RowsOf { table: layout.shown(), inserted, updated, deleted, verb, through }
}

/// `delete 3 rows of public.bookings; delete 5 rows of public.payments (by a cascade or trigger)`.
fn summary(write: &Write, effects: &Effects, changes: Vec<(&Layout, RowsOf)>) -> String {
    if effects.untried.is_some() {
        return format!("{}, not tried out", untried(write, &effects.named));
    }
    let is_reached = changes.iter().any(|(_, rows)| rows.through.is_some());
    // What only leads to rows that lie elsewhere is named with those.
    let told = changes.into_iter().filter(|(layout, _)| layout.kind == 'r' || !is_reached);
    changes_of_rows(told.map(|(_, rows)| rows).collect(), false)
}

/// `delete rows of public.payment; update rows of public.staff`: all that the statement's text says, the worst first.
fn untried(write: &Write, named: &[Layout]) -> String {
    let mut said = Vec::new();
    for change in &write.changes {
        let meant = named.iter().filter(|layout| layout.name.eq_ignore_ascii_case(&change.table));
        let mut names: Vec<String> = meant.map(Layout::shown).collect();
        if names.is_empty() {
            names.push(shown(&change.table));
        }
        said.extend(names.into_iter().map(|name| format!("{} rows of {name}", change.verb.as_str())));
    }
    // A view or a rule leads to others, and what it does there the text does not say.
    let others = named.iter().filter(|layout| write.rank(&layout.name).is_none());
    said.extend(others.map(|layout| format!("change rows of {} (through a view or rule)", layout.shown())));
    said.join("; ")
}

fn output(write: &Write, effects: Effects) -> Output {
    let tables: Vec<Changed> = effects
        .counts
        .iter()
        .map(|(layout, counts)| Changed {
            table: format!("{}.{}", layout.schema, layout.name),
            inserted: counts.inserted,
            updated: counts.updated,
            deleted: counts.deleted,
        })
        .collect();
    let (rows_changed, not_counted) = match effects.untried {
        None => (Some(effects.counts.iter().map(|(_, counts)| counts.all()).sum()), None),
        // A SELECT around the changes counts what it gives back.
        Some(_) => (effects.told.filter(|_| !write.selects), Some(NOT_COUNTED)),
    };
    Output { rows_changed, not_counted, tables, returned: effects.returned }
}
