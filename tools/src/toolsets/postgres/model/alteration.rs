//! What a change of schema finds, makes, and is taken back by.

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::types::Type;

use super::catalog::{self, Relation, cell};
use super::code::{self, Code};
use super::contents::contents;
use super::ddl::{self, Asked, Change};
use super::exact::{self, Meant};
use super::footprint::Thing;
use super::inverse::{self, Before, Step};
use super::{quarantine, shape, subject};
use crate::contract::{About, BlastRadius, Digest, Findings, Reversibility, Scope, TakesBack, ToolError, Undo};
use crate::text::{count, size};
use crate::toolsets::postgres::connect::Tx;

/// What has to be so for a change of schema to be undone exactly.
pub(crate) const EXACT: &str = "inverse_is_exact";

/// The way back, as `postgres_alter` found it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WayBack {
    /// The steps, in their order.
    pub(crate) steps: Vec<Step>,
    /// The digest of the table's definition before the change.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) was: Option<Digest>,
    /// The statement that is taken back, for making the change again.
    pub(crate) sql: String,
    /// What it added, with all that referred to it right after.
    #[serde(default)]
    pub(crate) things: BTreeSet<Thing>,
}

impl TakesBack for WayBack {
    const TOOL: &'static str = "postgres_unalter";
}

/// The same change again, after it was taken back.
#[derive(Serialize)]
struct Again<'a> {
    sql: &'a str,
}

impl TakesBack for Again<'_> {
    const TOOL: &'static str = "postgres_alter";
}

/// The call that makes the same change again.
pub(crate) async fn again(tx: &Tx<'_>, sql: &str) -> Result<Undo, ToolError> {
    Undo::with(&Again { sql }, State::find(tx, &ddl::read(sql)?).await?.fingerprint)
}

/// What a change finds.
pub(crate) struct State {
    /// The role's own search path, which the statement runs under.
    pub(crate) path: String,
    /// The table it alters or indexes.
    pub(crate) relation: Option<Relation>,
    pub(crate) before: Option<Before>,
    pub(crate) bytes: u64,
    pub(crate) estimate: u64,
    /// Or why it cannot be undone.
    pub(crate) exact: Result<(), Cow<'static, str>>,
    /// What it would run, and what it makes would run later.
    pub(crate) code: Code,
    pub(crate) fingerprint: Digest,
}

impl State {
    pub(crate) async fn find(tx: &Tx<'_>, asked: &Asked) -> Result<Self, ToolError> {
        let Asked { sql, change, uses, draws_in_defaults } = asked;
        let relation = match change {
            Change::Index(name) | Change::Table { name, .. } => Some(catalog::relation(tx, name).await?),
            Change::Schema(_) | Change::Relation { .. } | Change::Type(_) => None,
        };
        let oids: Vec<u32> = relation.iter().map(|relation| relation.oid).collect();
        let code = code::of_change(tx, uses, &oids, *draws_in_defaults).await?;
        let meant = Meant::of(tx, change).await?;
        let path = shape::harden(tx).await?;
        let displaces = meant.displaces(tx, change, relation.as_ref()).await?;
        let there = meant.there(tx, change).await?;
        let mut state = Self {
            path,
            relation,
            before: None,
            bytes: 0,
            estimate: 0,
            exact: displaces.map_err(Cow::Borrowed),
            fingerprint: match there {
                None => Digest::of(&json!([sql, displaces.is_ok(), code.first().map(|_| code.digest)])),
                there => Digest::of(&json!([sql, displaces.is_ok(), code.first().map(|_| code.digest), there])),
            },
            code,
        };
        if let Some(first) = state.code.first() {
            let what = format!("it runs, or makes something that runs, {first}, which is not known to be harmless");
            state.exact = Err(what.into());
        }
        if let Some(relation) = state.relation.clone() {
            alterable(tx, &relation).await?;
            let before = Before::of(tx, relation.oid).await?;
            let rows = tx.rows(SIZE, &[(&relation.oid, Type::OID)]).await?;
            let row = rows.first().ok_or_else(|| ToolError::changed("the table is gone"))?;
            state.bytes = cell::<i64>(row, 0)?.unsigned_abs();
            state.estimate = cell::<i64>(row, 1)?.unsigned_abs();
            let kin: bool = cell(row, 2)?;
            let one = contents(tx, std::slice::from_ref(&relation), 0).await?;
            let empty = !one.truncated && relation.kind == 'r';
            let fills = meant.fills(tx).await?;
            let known = exact::inverse(change, kin || relation.kind != 'r', empty, fills).map_err(Cow::Borrowed);
            state.exact = state.exact.and(known);
            if tx.server.version >= 180_000 && matches!(change, Change::Table { .. }) {
                state.exact = Err("this version names the constraints behind NOT NULL".into());
            }
            state.fingerprint = Digest::of(&json!([
                sql,
                relation.oid,
                relation.schema,
                relation.name,
                before.shape,
                state.exact.is_ok(),
                state.code.first().map(|_| state.code.digest)
            ]));
            state.before = Some(before);
        }
        Ok(state)
    }

    /// How a change is taken back that was just made, after trying that where it costs nothing.
    pub(crate) async fn undo(&self, tx: &Tx<'_>, sql: &str, steps: Vec<Step>) -> Result<Undo, ToolError> {
        let was = self.before.as_ref().map(|before| before.shape);
        inverse::prove(tx, &steps, was).await?;
        let left = inverse::left(tx, &steps).await?;
        Undo::with(&WayBack { steps, was, sql: sql.to_owned(), things: left.things }, left.digest)
    }

    pub(crate) async fn findings(&self, tx: &Tx<'_>, change: &Change) -> Result<Findings, ToolError> {
        let target = self.relation.as_ref().map_or_else(|| tx.database(), |relation| relation.target(tx));
        let name = self.relation.as_ref().map(Relation::shown).unwrap_or_default();
        let mut findings = Findings::on([target], change.summary(&name));
        if let Some(relation) = &self.relation {
            let what = format!("{name} holds {}, {}", self.rows(tx, relation).await?, size(self.bytes));
            findings = findings
                .radius(BlastRadius { bytes: Some(self.bytes), ..BlastRadius::one(Scope::Resource) })
                .fact(About::State, what, "pg_class")
                .fact(About::State, change.locks(), "the statement");
        }
        Ok(match &self.exact {
            Ok(()) => {
                let what = "it is taken back by its inverse, as long as nothing was written into what it adds";
                findings.class(Reversibility::Reversible).proves(EXACT, what, "the statement")
            }
            Err(why) => findings.fact(About::Undo, format!("it cannot be taken back: {why}"), "the statement"),
        })
    }

    /// How many rows there are, for people: what the server estimates, or else what can be counted.
    pub(crate) async fn rows(&self, tx: &Tx<'_>, relation: &Relation) -> Result<String, ToolError> {
        if self.estimate > 0 {
            return Ok(format!("about {}", count(self.estimate, "row")));
        }
        // Nobody has analysed it: that says nothing of how many there are.
        let mut parts = Vec::new();
        for row in tx.rows(PARTS, &[(&relation.oid, Type::OID)]).await? {
            parts.push(cell::<u32>(&row, 0)?);
        }
        let parts = shape::relations(tx, &parts).await?;
        let held = contents(tx, &parts, tx.site().limits.count).await?;
        let all = parts.iter().all(|part| matches!(part.kind, 'r' | 'm'));
        Ok(held.shown().filter(|_| all).unwrap_or_else(|| "an unknown number of rows".into()))
    }

    /// Whether it runs at all.
    pub(crate) async fn tried(&self, tx: &Tx<'_>, sql: &str) -> Result<(), ToolError> {
        shape::soften(tx, &self.path).await?;
        tx.holds_locks().await?;
        let statement = tx.prepare(sql).await?;
        tx.execute(&statement, &[]).await.map(drop)
    }

    /// Runs the statement and finds out what it changed.
    pub(crate) async fn apply(&self, tx: &Tx<'_>, asked: &Asked) -> Result<Vec<Step>, ToolError> {
        let Asked { sql, change, .. } = asked;
        shape::soften(tx, &self.path).await?;
        let statement = tx.prepare(sql).await?;
        tx.execute(&statement, &[]).await?;
        let made = match change {
            Change::Schema(name) => {
                let oid = new(
                    tx,
                    "SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1::text::pg_catalog.name \
                               AND n.xmin = pg_catalog.pg_current_xact_id()::xid",
                    name,
                )
                .await?;
                vec![Step::Schema { oid }]
            }
            Change::Relation { name, .. } => {
                let oid = new(
                    tx,
                    "SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1) \
                               AND c.xmin = pg_catalog.pg_current_xact_id()::xid",
                    name,
                )
                .await?;
                vec![Step::Relation { oid }]
            }
            Change::Type(name) => {
                let oid = new(
                    tx,
                    "SELECT t.oid FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.to_regtype($1) \
                               AND t.xmin = pg_catalog.pg_current_xact_id()::xid",
                    name,
                )
                .await?;
                vec![Step::Type { oid }]
            }
            Change::Index(_) => {
                let table = self.relation.as_ref().map_or(0, |relation| relation.oid).to_string();
                let oid = new(
                    tx,
                    "SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = $1::text::oid \
                               AND i.xmin = pg_catalog.pg_current_xact_id()::xid",
                    &table,
                )
                .await?;
                vec![Step::Relation { oid }]
            }
            Change::Table { .. } => Vec::new(),
        };
        shape::harden(tx).await?;
        let (Change::Table { .. }, Some(before)) = (change, &self.before) else { return Ok(made) };
        let oid = self.relation.as_ref().map_or(0, |relation| relation.oid);
        let after = Before::of(tx, oid).await?;
        let steps = before.steps(&after);
        if steps.is_empty() && self.exact.is_ok() {
            return Err(ToolError::refused("it changes nothing on the table that was looked at, so it was taken back"));
        }
        Ok(steps)
    }
}

/// The id of the one thing that this transaction made.
pub(crate) async fn new(tx: &Tx<'_>, sql: &str, name: &str) -> Result<u32, ToolError> {
    let name = name.to_owned();
    let rows = tx.rows(sql, &[(&name, Type::TEXT)]).await?;
    match rows.as_slice() {
        [row] => cell(row, 0),
        _ => Err(ToolError::changed("it made something else than its text says, so it was taken back")),
    }
}

pub(crate) const SIZE: &str = "SELECT pg_catalog.pg_total_relation_size(c.oid), greatest(c.reltuples, 0)::int8, \
    EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)) \
    FROM pg_catalog.pg_class c WHERE c.oid = $1";

/// It, or the parts its rows lie in.
pub(crate) const PARTS: &str = "SELECT t.relid::oid FROM pg_catalog.pg_partition_tree($1::oid::pg_catalog.regclass) t WHERE t.isleaf \
    UNION SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid = $1 AND c.relkind <> 'p' ORDER BY 1";

pub(crate) async fn alterable(tx: &Tx<'_>, relation: &Relation) -> Result<(), ToolError> {
    let shown_name = relation.shown();
    if !matches!(relation.kind, 'r' | 'p' | 'm') {
        return Err(ToolError::refused(format!("{shown_name} is a {}, not a table", relation.word())));
    }
    if subject::is_of_the_server(&relation.schema) || relation.persistence == 't' {
        return Err(ToolError::refused(format!("{shown_name} belongs to the server, or to one session alone")));
    }
    if relation.schema == quarantine::TRASH || quarantine::id_in(&relation.schema).is_some() {
        return Err(ToolError::refused(format!("{shown_name} belongs to the quarantine")));
    }
    let sql = "SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') FROM pg_catalog.pg_class c WHERE c.oid = $1";
    match tx.value::<bool>(sql, &[(&relation.oid, Type::OID)]).await? {
        true => Ok(()),
        false => Err(subject::foreign_owner(tx, &shown_name, &relation.owner)),
    }
}
