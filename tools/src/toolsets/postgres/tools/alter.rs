//! `postgres_alter`: one change of schema that adds or alters. Its inverse is derived from what it really changed.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Applied, Change, Digest, Findings, Fingerprint, Preflight, Purpose, Reversibility, Softening, Spec,
    ToolError,
};
use crate::toolsets::postgres::connect::{Session, Tx, trouble};
use crate::toolsets::postgres::model::alteration::{EXACT, State};
use crate::toolsets::postgres::model::asked::Known;
use crate::toolsets::postgres::model::ddl::{self, Asked, Change as Ddl};
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::shape;

/// Adds to a schema, or alters a table.
pub(crate) struct Alter;

/// What to change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// Exactly one statement: CREATE SCHEMA, TABLE, VIEW, SEQUENCE, TYPE, INDEX, or ALTER TABLE.
    sql: String,
    #[serde(skip)]
    read: Known<Asked>,
}

impl Args {
    fn read(&self) -> Result<&Asked, ToolError> {
        self.read.or(|| ddl::read(&self.sql))
    }
}

/// What was changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// How many steps take it back; none where it cannot be taken back.
    inverse_steps: u64,
}

/// What the statement finds.
pub(crate) struct Seen {
    state: State,
    /// Whether it was tried out, or why that was given up.
    tried: Option<Result<(), String>>,
}

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.state.fingerprint
    }

    fn moved(&self) -> String {
        "what this changes is no longer as it was looked at".into()
    }
}

#[async_trait]
impl Change for Alter {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Seen;
    const SPEC: Spec = Spec::change(
        "postgres_alter",
        "Add to a schema or alter a table",
        "Runs exactly one CREATE SCHEMA, TABLE, VIEW, SEQUENCE, TYPE or INDEX, or one ALTER TABLE that drops \
         nothing. What only adds, renames, or changes defaults and NOT NULL can be undone exactly. To drop \
         something use postgres_drop.",
        Reversibility::Irreversible,
    )
    .softened_by(&[Softening {
        name: EXACT,
        to: Reversibility::Reversible,
        means: "the statement only adds, renames, or changes defaults and NOT NULL of one table",
    }]);

    fn check(args: &Args) -> Result<(), ToolError> {
        args.read().map(drop)
    }

    async fn prepare(args: &Args, purpose: Purpose<'_>, session: &mut Session) -> Result<(), ToolError> {
        let change = &args.read()?.change;
        let in_turn = match purpose {
            // Nobody need have been asked about what can be taken back, so it locks a table only for a moment.
            Purpose::Change(agreed) => agreed.reversibility <= Reversibility::Reversible && change.locks_a_table(),
            Purpose::Look | Purpose::Trial | Purpose::Probe => change.is_alone(),
        };
        if in_turn { session.take_turn().await } else { Ok(()) }
    }

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        let asked = args.read()?;
        let state = State::find(tx, asked).await?;
        if tx.is_change() {
            shape::soften(tx, &state.path).await?;
            if let Some(relation) = &state.relation {
                let how = if matches!(asked.change, Ddl::Index(_)) { "SHARE" } else { "ACCESS EXCLUSIVE" };
                tx.run(&format!("LOCK TABLE ONLY {} IN {how} MODE", relation.quoted())).await?;
            }
            tx.locks_unasked().await?;
            // What waited for the lock may find another table behind the name.
            return Ok(Seen { state: State::find(tx, asked).await?, tried: None });
        }
        // What locks something that exists, or runs what is not known to be harmless, is not tried.
        if !asked.change.is_alone() || !state.code.acts.is_empty() {
            return Ok(Seen { state, tried: None });
        }
        let tried = match (state.tried(tx, &asked.sql).await, tx.gave_up()) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(why)) => Err(why),
            (Err(error), None) => return Err(error),
        };
        Ok(Seen { state, tried: Some(tried) })
    }

    async fn describe(args: &Args, seen: &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let findings = seen.state.findings(tx, &args.read()?.change).await?;
        Ok(match &seen.tried {
            Some(Ok(())) => findings.fact(About::State, "it was tried and rolled back", "a transaction"),
            Some(Err(why)) => {
                let what = format!("it was not tried out: that {why}");
                findings.class(Reversibility::Irreversible).fact(About::Undo, what, "a transaction")
            }
            None if seen.state.exact.is_ok() && tx.was_slow(seen.state.fingerprint) => {
                let what = format!("it was begun once, and taken back: {}", trouble::locked(tx.site()));
                findings.class(Reversibility::Irreversible).fact(About::Undo, what, "a transaction")
            }
            None => findings,
        })
    }

    async fn apply(
        args: &Args,
        Seen { state, .. }: Seen,
        _agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let asked = args.read()?;
        let steps = state.apply(tx, asked).await?;
        if state.exact.is_err() {
            return Ok(Applied::new(Output { inverse_steps: 0 }, None));
        }
        let inverse_steps = steps.len() as u64;
        Ok(Applied::new(Output { inverse_steps }, state.undo(tx, &asked.sql, steps).await?))
    }

    fn aim(args: &Args, seen: &Preflight) -> Vec<Value> {
        let made = |what: &str, name: &str| vec![json!({ "make": what, "name": name.replace('"', "").to_lowercase() })];
        let on = |what: &str| seen.aim().into_iter().map(|table| json!({ "make": what, "on": table })).collect();
        match args.read().map(|asked| &asked.change) {
            Ok(Ddl::Schema(name)) => made("schema", name),
            Ok(Ddl::Type(name)) => made("type", name),
            Ok(Ddl::Relation { name, word, .. }) => made(word, name),
            Ok(Ddl::Index(_)) => on("index"),
            Ok(Ddl::Table { .. }) => on("alteration"),
            Err(_) => seen.aim(),
        }
    }
}
