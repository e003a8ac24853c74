//! `postgres_alter`: one change of schema that adds or alters. Its inverse is derived from what it really changed.

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Audience, Condition, Done, Evidence, Lease, Preflight, Promise, Reversibility, Scope, ToolError, TypedTool,
    UndoPlan,
};
use crate::toolsets::postgres::connect::trouble;
use crate::toolsets::postgres::connect::{Mode, Session, Settings, Slow, Turn, Tx};
use crate::toolsets::postgres::model::CREDENTIAL;
use crate::toolsets::postgres::model::alteration::{EXACT, State};
use crate::toolsets::postgres::model::ddl::{self, Asked, Change};
use crate::toolsets::postgres::model::inverse::Step;
use crate::toolsets::postgres::model::shape;

pub(crate) struct PostgresAlter;

/// What to change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    target: String,
    /// Exactly one statement: CREATE SCHEMA, TABLE, VIEW, SEQUENCE, TYPE, INDEX, or ALTER TABLE.
    sql: String,
}

/// What was changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// How many steps take it back; none where it cannot be taken back.
    inverse_steps: u64,
}

#[async_trait]
impl TypedTool for PostgresAlter {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_alter",
            kind: "postgres",
            title: "Add to a schema or alter a table",
            description: "Runs exactly one CREATE SCHEMA, TABLE, VIEW, SEQUENCE, TYPE or INDEX, or one ALTER TABLE that drops \
                          nothing. What only adds, renames, or changes defaults and NOT NULL can be undone exactly. To drop \
                          something use postgres_drop.",
            reversibility: Reversibility::Irreversible,
            softened_by: vec![Condition {
                name: Cow::Borrowed(EXACT),
                to: Reversibility::Reversible,
                means: Cow::Borrowed("the statement only adds, renames, or changes defaults and NOT NULL of one table"),
            }],
            scope: Scope::Resource,
            idempotent: false,
            open_world: false,
            credential: CREDENTIAL,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let asked = ddl::read(&args.sql)?;
        let alone = matches!(asked.change, Change::Schema(_) | Change::Type(_) | Change::Relation { alone: true, .. });
        if !alone {
            return untried(&mut Session::open(lease).await?, &asked, &lease.settings::<Settings>()?.slow).await;
        }
        let (mut session, turn) = Session::open_in_turn(lease).await?;
        let looked = tried(&mut session, &asked).await;
        session.count_written(&turn).await;
        looked
    }

    fn aim(&self, args: &Args, seen: &Preflight) -> Vec<Value> {
        let made = |what: &str, name: &str| vec![json!({ "make": what, "name": name.replace('"', "").to_lowercase() })];
        let on = |what: &str| seen.aim().into_iter().map(|table| json!({ "make": what, "on": table })).collect();
        match ddl::read(&args.sql).map(|asked| asked.change) {
            Ok(Change::Schema(name)) => made("schema", &name),
            Ok(Change::Type(name)) => made("type", &name),
            Ok(Change::Relation { name, word, .. }) => made(word, &name),
            Ok(Change::Index(_)) => on("index"),
            Ok(Change::Table { .. }) => on("alteration"),
            Err(_) => seen.aim(),
        }
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let asked = ddl::read(&args.sql)?;
        // Nobody need have been asked about what can be taken back, so it locks a table only for a moment.
        let unasked = seen.reversibility <= Reversibility::Reversible && asked.change.locks_a_table();
        let mut session = Session::open(lease).await?;
        let turn = if unasked { Some(Turn::wait(lease).await?) } else { None };
        let tx = session.begin_change(seen).await?;
        let changed = change(&tx, args, &asked, seen, turn.as_deref()).await;
        if changed.is_err() && tx.locked_too_long() {
            lease.settings::<Settings>()?.slow.note(seen.fingerprint);
        }
        let (steps, undo, id) = changed?;
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        if let Some(turn) = turn {
            turn.keeps();
        }
        let inverse_steps = if undo.is_some() { steps.len() as u64 } else { 0 };
        Ok(Done { output: Output { inverse_steps }, undo })
    }
}

/// A look at what locks something that exists, or runs what is not known to be harmless: nothing of it is run.
async fn untried(session: &mut Session, asked: &Asked<'_>, slow: &Slow) -> Result<Preflight, ToolError> {
    let (whereabouts, database) = (session.whereabouts(), session.database());
    let tx = session.begin(Mode::Trial).await?;
    let state = State::find(&tx, asked).await?;
    let mut preflight = state.preflight(&tx, &asked.change, database).await?;
    preflight.evidence.insert(0, whereabouts);
    if slow.knows(preflight.fingerprint) && preflight.reversibility < Reversibility::Irreversible {
        let what = format!("it was begun once, and taken back: {}", trouble::locked(tx.site()));
        preflight.evidence.push(Evidence::seen(About::Undo, what, "a transaction"));
        preflight.reversibility = Reversibility::Irreversible;
    }
    tx.rollback().await?;
    Ok(preflight)
}

/// A look that tries it out.
async fn tried(session: &mut Session, asked: &Asked<'_>) -> Result<Preflight, ToolError> {
    let (whereabouts, database) = (session.whereabouts(), session.database());
    let tx = session.begin(Mode::Trial).await?;
    let state = State::find(&tx, asked).await?;
    let mut preflight = state.preflight(&tx, &asked.change, database).await?;
    preflight.evidence.insert(0, whereabouts);
    if state.code.acts.is_empty() {
        let tried = state.tried(&tx, asked.sql).await;
        if let (Err(_), Some(why)) = (&tried, tx.gave_up()) {
            preflight.evidence.push(Evidence::seen(
                About::Undo,
                format!("it was not tried out: that {why}"),
                "a transaction",
            ));
            preflight.reversibility = Reversibility::Irreversible;
            // The session goes with it, and so does whatever the server still does there.
            return Ok(preflight);
        }
        tried?;
        preflight.evidence.push(Evidence::seen(About::State, "it was tried and rolled back", "a transaction"));
    }
    tx.rollback().await?;
    Ok(preflight)
}

/// Makes the change, not yet for good.
async fn change(
    tx: &Tx<'_>,
    args: &Args,
    asked: &Asked<'_>,
    seen: &Preflight,
    unasked: Option<&Turn>,
) -> Result<(Vec<Step>, Option<UndoPlan>, String), ToolError> {
    let first = State::find(tx, asked).await?;
    shape::soften(tx, &first.path).await?;
    if let Some(relation) = first.relation {
        let how = if matches!(asked.change, Change::Index(_)) { "SHARE" } else { "ACCESS EXCLUSIVE" };
        tx.run(&format!("LOCK TABLE ONLY {} IN {how} MODE", relation.quoted())).await?;
    }
    if let Some(turn) = unasked {
        tx.locks_unasked(turn).await?;
    }
    // What waited for the lock may find another table behind the name.
    let state = State::find(tx, asked).await?;
    if state.fingerprint != seen.fingerprint {
        return Err(ToolError::changed("what this changes is no longer as it was looked at"));
    }
    let steps = state.apply(tx, asked).await?;
    let undo = match state.exact {
        Err(_) => None,
        Ok(()) => Some(state.undo(tx, (&args.target, &args.sql), &steps).await?),
    };
    seen.keeps_its_undo(undo.is_some())?;
    Ok((steps, undo, tx.id().await?))
}
