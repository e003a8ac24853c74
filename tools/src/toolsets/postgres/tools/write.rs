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
    About, Applied, BlastRadius, Change, Digest, Evidence, Findings, Fingerprint, Preflight, Probe, Purpose,
    Reversibility, Scope, Softening, Spec, Target, ToolError,
};
use crate::sql::{Class, Dialect, Uses, Write as Statement, effect_of, examine_text};
use crate::text::{shown, size};
use crate::toolsets::postgres::connect::{Manner, Session, Tx, dotted_part};
use crate::toolsets::postgres::model::asked::Known;
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::trial::{self, Asked, Effects, Ran};
use crate::toolsets::postgres::model::{answer, told, undo, watch};

/// The condition that makes a write reversible.
const FITS: &str = "prior_state_fits_journal";

/// How often a try starts anew because a trigger wrote to a table that nobody could foresee.
const TRIES: usize = 4;

/// What the server's own count of a statement leaves out.
const NOT_COUNTED: &str =
    "rows changed by common table expressions, cascades and triggers: the statement was not tried out";

const TRY: &str = "a try in a transaction";

/// Changes rows.
pub(crate) struct Write;

/// What to change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// Exactly one INSERT, UPDATE, DELETE or MERGE.
    sql: String,
    /// The values of `$1`, `$2` … in order, as JSON; numbers, text and timestamps may be strings.
    #[serde(default)]
    params: Vec<Value>,
    #[serde(skip)]
    read: Known<(Statement, Uses)>,
}

impl Args {
    fn read(&self) -> Result<&(Statement, Uses), ToolError> {
        self.read.or(|| only_a_write(&self.sql))
    }
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

/// What it changed.
pub(crate) struct Seen(Box<Effects>);

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.0.fingerprint
    }

    fn moved(&self) -> String {
        "the rows this would change are no longer those that were looked at".into()
    }
}

#[async_trait]
impl Change for Write {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Seen;
    const SPEC: Spec = Spec::change(
        "postgres_write",
        "Change rows of a PostgreSQL database",
        "Runs exactly one INSERT, UPDATE, DELETE or MERGE. It is first tried out and rolled back to find \
         every row it would change, cascades and triggers included; where the rows as they were fit the \
         journal the call can be undone exactly. Write values out instead of now() or random(). To \
         remove a table use postgres_drop.",
        Reversibility::Irreversible,
    )
    .softened_by(&[Softening {
        name: FITS,
        to: Reversibility::Reversible,
        means: "every changed row is known as it was before, all of them fit the journal, and a try has put them back",
    }]);

    fn check(args: &Args) -> Result<(), ToolError> {
        args.read().map(drop)
    }

    async fn prepare(_args: &Args, purpose: Purpose<'_>, session: &mut Session) -> Result<(), ToolError> {
        // What is known of rows is known of one state of everything.
        session.manner = if let Purpose::Probe = purpose { Manner::ReadOnly } else { Manner::Isolated };
        if let Purpose::Trial = purpose { session.take_turn().await } else { Ok(()) }
    }

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        let (write, uses) = args.read()?;
        let asked = Asked { sql: &args.sql, params: &args.params, write, uses };
        let mut also = Vec::new();
        for _ in 0..TRIES {
            watch::numbered(tx).await?;
            let mut effects = match trial::run(tx, &asked, &also, tx.agreed()).await? {
                Ran::Done(effects) => effects,
                Ran::Again(more) => {
                    also.extend(more);
                    tx.restart().await?;
                    continue;
                }
            };
            // Where a try took too long, the yes was to its text, and to whatever rows that changes by now.
            let untried = || trial::untried_fingerprint(tx, &asked, &effects.named);
            if let Some(agreed) = tx.agreed().filter(|agreed| effects.untried.is_none() && untried() == *agreed) {
                effects.fingerprint = agreed;
            }
            return Ok(Seen(effects));
        }
        let reason = "not run: its triggers write to other tables each time, so nobody can say what it would change";
        Err(ToolError::refused(reason))
    }

    async fn describe(args: &Args, Seen(effects): &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        Ok(findings(tx, &args.read()?.0, effects))
    }

    async fn apply(
        args: &Args,
        Seen(effects): Seen,
        agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let reversible = agreed.reversibility == Reversibility::Reversible;
        let undo = match &effects.images {
            Some((was, is)) if reversible => Some(undo::undo(tx.server, was, is)?),
            _ => None,
        };
        Ok(Applied::new(output(&args.read()?.0, *effects), undo))
    }

    fn effect(args: &Args, seen: &Preflight) -> Value {
        effect_of(seen, &args.sql, &args.params, Dialect::Postgres)
    }

    fn aim(args: &Args, seen: &Preflight) -> Vec<Value> {
        let Ok((write, _)) = args.read() else { return seen.aim() };
        write.aim(|table| {
            let end = format!(".{}", dotted_part(table).to_lowercase());
            let meant = seen.targets.iter().filter(|target| target.name().to_lowercase().ends_with(&end));
            let names: Vec<Value> = meant.flat_map(Target::names).collect();
            if names.is_empty() { seen.aim() } else { names }
        })
    }

    async fn probe(_args: &Args, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<Probe, ToolError> {
        Ok(undo::probe(agreed, tx).await)
    }
}

/// The statement's class, or why this tool does not run it.
fn only_a_write(sql: &str) -> Result<(Statement, Uses), ToolError> {
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

fn findings(tx: &Tx<'_>, write: &Statement, effects: &Effects) -> Findings {
    let Effects { counts, images, notes, obstacles, untried, .. } = effects;
    let changes = told::changes(write, effects);
    let targets: Vec<Target> = changes.iter().map(|(layout, _)| layout.target(tx)).collect();
    let parts = counts.iter().map(|(layout, counts)| (format!("{}.{}", layout.schema, layout.name), counts.all()));
    let radius = BlastRadius {
        resources: targets.len() as u64,
        parts: parts.collect(),
        rows: untried.is_none().then(|| counts.iter().map(|(_, counts)| counts.all()).sum()),
        bytes: images.as_ref().map(|(was, _)| was.weight()),
        truncated: untried.is_some(),
        ..BlastRadius::one(Scope::Resource)
    };
    let destroys = effects.draws_kept || counts.iter().any(|(layout, _)| layout.schema.starts_with("mollyguard_"));
    let why = untried.as_ref().map(|reason| {
        let what = format!("it was not tried out: {reason}; nobody can say how many rows it changes");
        Evidence::seen(About::Undo, what, "pg_depend")
    });
    let findings = Findings::on(targets, told::summary(write, effects, changes))
        .radius(radius)
        .destroys_recovery(destroys)
        .facts(notes.iter().map(|note| Evidence::seen(About::State, note, TRY)))
        .facts(why);
    let Some((was, is)) = images else {
        let lines = obstacles.iter().map(|obstacle| format!("cannot be taken back: {obstacle}"));
        return findings.facts(lines.map(|line| Evidence::seen(About::Undo, line, TRY)));
    };
    let weight = size(was.weight() + is.weight());
    let what =
        format!("the changed rows, before and after, fit the journal with {weight}, and a try has put them back");
    let moved = was.sequences.iter().zip(&is.sequences).map(|(was, is)| {
        let (name, from, to) = (shown(&was.name), &was.last, &is.last);
        let what = format!(
            "the sequence {name} moves from {from} to {to}; undoing sets it back unless somebody else drew from it"
        );
        Evidence::seen(About::State, what, TRY)
    });
    findings
        .class(Reversibility::Reversible)
        .proves(FITS, what, TRY)
        .facts(moved)
        .keeps(json!({ "before": was, "after": is }))
}

fn output(write: &Statement, effects: Effects) -> Output {
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
