//! Whose code a statement would run, or a mere look at a relation: everything that can be reached is resolved by id before
//! anything is tried, read or as much as planned.
//!
//! Planning already executes what is declared immutable, and analysing a row literal executes a domain's CHECK, so these
//! questions come first in a transaction. They ask the catalogue alone, never a relation of somebody's, and under PostgreSQL's
//! own search path.

mod edges;
mod judge;
mod known;
mod tree;
mod visible;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::json;
use tokio_postgres::types::Type;

use crate::contract::{About, Digest, Evidence, Findings, Preflight, Reversibility, ToolError};
use crate::sql::{Uses, is_known_function};
use crate::toolsets::postgres::connect::Tx;
use walk::{Text, Walk};

/// What is done with a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doing {
    /// Its rows are read, counted, or searched.
    Reading,
    /// Its rows are computed anew by a change of schema, or put back without firing a trigger.
    Rebuilding,
    /// Its rows are written.
    Writing,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    /// What would run that is not known to be harmless, in words for people; the nearest first.
    pub acts: Vec<String>,
    /// How an operator may vouch for what the first of them is.
    pub next: Option<String>,
    /// The relations that the text names as changed.
    pub changed: Vec<u32>,
    /// The tables that the text says it changes and that no name in it means, as far as they are somebody's own.
    pub missing: Vec<String>,
    /// Every relation that was looked through as one that is written; `None` where there were too many.
    pub written: Option<BTreeSet<u32>>,
    /// The sequences that may be drawn from.
    pub draws: BTreeSet<u32>,
    /// Moves when what is reached, or a body of it, changes.
    pub digest: Digest,
}

impl Code {
    /// The first of what would run, if any.
    pub(crate) fn first(&self) -> Option<&str> {
        self.acts.first().map(String::as_str)
    }

    fn also(&mut self, other: Self) {
        self.digest = Digest::of(&json!([self.digest, other.digest]));
        self.acts.extend(other.acts);
        self.next = self.next.take().or(other.next);
    }

    /// Makes of what a look found what it is where something would run that nobody can take back.
    pub(crate) fn escalate(&self, findings: Findings) -> Findings {
        let Some(first) = self.first() else { return findings };
        let what = format!("cannot be taken back: it runs {first}, which is not known to be harmless");
        let next = self.next.iter().map(|next| Evidence::seen(About::Undo, next.clone(), "the configuration"));
        findings.class(Reversibility::Irreversible).fact(About::Undo, what, "pg_proc").facts(next)
    }

    /// An error where something would run that the look knew nothing of.
    pub(crate) fn as_seen(&self, seen: &Preflight) -> Result<(), ToolError> {
        match self.first() {
            Some(first) if seen.reversibility < Reversibility::Irreversible => {
                Err(ToolError::changed(format!("by now it would run {first}, which is not known to be harmless")))
            }
            _ => Ok(()),
        }
    }

    /// An error where something would run that is not known to be harmless.
    pub(crate) fn refuse(&self, what: &str) -> Result<(), ToolError> {
        let Some(first) = self.first() else { return Ok(()) };
        let error = ToolError::refused(format!("{what}: it would run {first}, which is not known to be harmless"));
        Err(match &self.next {
            Some(next) => error.with_next(next.clone()),
            None => error.with_next("read the tables behind it, and call built-in functions only"),
        })
    }
}

/// What a statement of that text would run. `changed` are the tables it changes, by their last names.
pub(crate) async fn of_statement(tx: &Tx<'_>, uses: &Uses, changed: &[String]) -> Result<Code, ToolError> {
    let mut walk = Walk::new(tx, if changed.is_empty() { Doing::Reading } else { Doing::Writing }).await?;
    walk.everywhere().await?;
    if !changed.is_empty() {
        // A try holds sequences and disables triggers, which are changes of schema.
        walk.ask(edges::EVENTS, &[(&["ALTER SEQUENCE", "ALTER TABLE"].as_slice(), Type::TEXT_ARRAY)]).await?;
    }
    let text = Text {
        uses: uses.clone(),
        changed: changed.to_vec(),
        draws: Vec::new(),
        everywhere: false,
        exempt: Vec::new(),
    };
    walk.names(&text, "").await?;
    walk.roots = walk.next.written.keys().copied().collect();
    walk.finish().await
}

/// What is run by reading, rebuilding or writing these relations, whatever the statement.
pub(crate) async fn of_relations(tx: &Tx<'_>, oids: &[u32], doing: Doing) -> Result<Code, ToolError> {
    // What computes rows anew must change no others; what a trigger changes is watched.
    let mut walk = Walk::new(tx, if doing == Doing::Writing { doing } else { Doing::Reading }).await?;
    walk.everywhere().await?;
    for oid in oids {
        walk.relation(*oid, doing, "");
    }
    let mut code = walk.finish().await?;
    if doing != Doing::Reading {
        code.also(of_events(tx).await?);
    }
    Ok(code)
}

/// What a change of schema with this text runs, or makes that runs: it may compute the rows of these relations anew. Event
/// triggers fire. `defaults` says that `nextval` stands only in defaults, which are computed by those who insert.
pub(crate) async fn of_change(tx: &Tx<'_>, uses: &Uses, oids: &[u32], defaults: bool) -> Result<Code, ToolError> {
    let mut walk = Walk::new(tx, Doing::Reading).await?;
    walk.everywhere().await?;
    let exempt = if defaults { vec!["nextval"] } else { Vec::new() };
    let text = Text { uses: uses.clone(), changed: Vec::new(), draws: Vec::new(), everywhere: false, exempt };
    walk.names(&text, "").await?;
    for oid in oids {
        walk.relation(*oid, Doing::Rebuilding, "");
    }
    let mut code = walk.finish().await?;
    code.also(of_events(tx).await?);
    Ok(code)
}

/// What a change of schema runs that computes no row: the event triggers.
pub(crate) async fn of_events(tx: &Tx<'_>) -> Result<Code, ToolError> {
    let mut walk = Walk::new(tx, Doing::Writing).await?;
    let any: &[&str] = &[];
    walk.ask(edges::EVENTS, &[(&any, Type::TEXT_ARRAY)]).await?;
    if walk.next.is_empty() {
        return walk.finish().await;
    }
    walk.everywhere().await?;
    walk.finish().await
}

/// Whether the server's own functions of that name change nothing.
fn is_harmless(name: &str) -> bool {
    is_known_function(name, crate::sql::Dialect::Postgres) || matches!(name, "bernoulli" | "system")
}

/// What a dotted name can mean as a relation or type: schema (empty for any on the path) and name.
fn meanings(name: &[String]) -> Vec<(String, String)> {
    let pair = |schema: &str, name: &str| (schema.to_owned(), name.to_owned());
    match name {
        [name] => vec![pair("", name)],
        [schema, name] => vec![pair(schema, name)],
        [first, second, third] => vec![pair(first, second), pair(second, third)],
        [_, second, third, ..] => vec![pair(second, third)],
        [] => Vec::new(),
    }
}
