//! Whose code a statement would run, or a mere look at a relation: everything that can be reached is resolved by id before
//! anything is tried, read or as much as planned.
//!
//! Planning already executes what is declared immutable, and analysing a row literal executes a domain's CHECK, so these
//! questions come first in a transaction. They ask the catalogue alone, never a relation of somebody's, and under PostgreSQL's
//! own search path.

mod edges;
mod judge;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::json;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::catalog::cell;
use super::session::Tx;
use crate::contract::{About, Digest, Evidence, Preflight, Reversibility, ToolError};
use crate::sql::{Uses, is_known_function};
use crate::text::{shown, shown_sentence};

pub(super) use judge::{EXTENSIONS, Vouched, plain};

/// Operators that SQL's own syntax looks up by name: `CASE x WHEN`, `IN`, `BETWEEN`, `LIKE`, `USING`, `NULLIF`.
const IMPLIED: [&str; 12] = ["=", "<>", "<", "<=", ">", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~"];

/// More things than this are not looked through.
const MOST: usize = 4_000;

/// What is done with a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    /// Its rows are read, counted, or searched.
    Reading,
    /// Its rows are computed anew by a change of schema, or put back without firing a trigger.
    Rebuilding,
    /// Its rows are written.
    Writing,
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Code {
    /// What would run that is not known to be harmless, in words for people; the nearest first.
    pub acts: Vec<String>,
    /// How an operator may vouch for what the first of them is.
    pub next: Option<String>,
    /// The relations that the text names as changed.
    pub changed: Vec<u32>,
    /// The sequences that may be drawn from.
    pub draws: BTreeSet<u32>,
    /// Moves when what is reached, or a body of it, changes.
    pub digest: Digest,
}

impl Code {
    /// The first of what would run, if any.
    pub(super) fn first(&self) -> Option<&str> {
        self.acts.first().map(String::as_str)
    }

    fn also(&mut self, other: Self) {
        self.digest = Digest::of(&json!([self.digest, other.digest]));
        self.acts.extend(other.acts);
        self.next = self.next.take().or(other.next);
    }

    /// Makes a look of what it is where something would run that nobody can take back.
    pub(super) fn weigh(&self, preflight: &mut Preflight) {
        let Some(first) = self.first() else { return };
        preflight.reversibility = Reversibility::Irreversible;
        let what = format!("cannot be taken back: it runs {first}, which is not known to be harmless");
        preflight.evidence.push(Evidence::seen(About::Undo, what, "pg_proc"));
        if let Some(next) = &self.next {
            preflight.evidence.push(Evidence::seen(About::Undo, next.clone(), "the configuration"));
        }
    }

    /// An error where something would run that the look knew nothing of.
    pub(super) fn as_seen(&self, seen: &Preflight) -> Result<(), ToolError> {
        match self.first() {
            Some(first) if seen.reversibility < Reversibility::Irreversible => {
                Err(ToolError::changed(format!("by now it would run {first}, which is not known to be harmless")))
            }
            _ => Ok(()),
        }
    }

    /// An error where something would run that is not known to be harmless.
    pub(super) fn refuse(&self, what: &str) -> Result<(), ToolError> {
        let Some(first) = self.first() else { return Ok(()) };
        let error = ToolError::refused(format!("{what}: it would run {first}, which is not known to be harmless"));
        Err(match &self.next {
            Some(next) => error.with_next(next.clone()),
            None => error.with_next("read the tables behind it, and call built-in functions only"),
        })
    }
}

/// What a statement of that text would run. `changed` are the tables it changes, by their last names.
pub(super) async fn of_statement(tx: &Tx<'_>, uses: &Uses, changed: &[String]) -> Result<Code, ToolError> {
    let mut walk = Walk::new(tx, if changed.is_empty() { Doing::Reading } else { Doing::Writing }).await?;
    walk.everywhere().await?;
    if !changed.is_empty() {
        // A try holds sequences and disables triggers, which are changes of schema.
        walk.ask(edges::EVENTS, &[(&["ALTER SEQUENCE", "ALTER TABLE"].as_slice(), Type::TEXT_ARRAY)]).await?;
    }
    let text = Text { uses: uses.clone(), changed: changed.to_vec(), draws: Vec::new(), everywhere: false };
    walk.names(&text, "").await?;
    walk.roots = walk.next.written.keys().copied().collect();
    walk.finish().await
}

/// What is run by reading, rebuilding or writing these relations, whatever the statement.
pub(super) async fn of_relations(tx: &Tx<'_>, oids: &[u32], doing: Doing) -> Result<Code, ToolError> {
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

/// What a change of schema with this text runs: it may compute the rows of these relations anew. Event triggers fire.
pub(super) async fn of_change(tx: &Tx<'_>, uses: &Uses, oids: &[u32]) -> Result<Code, ToolError> {
    let mut walk = Walk::new(tx, Doing::Reading).await?;
    walk.everywhere().await?;
    let text = Text { uses: uses.clone(), changed: Vec::new(), draws: Vec::new(), everywhere: false };
    walk.names(&text, "").await?;
    for oid in oids {
        walk.relation(*oid, Doing::Rebuilding, "");
    }
    let mut code = walk.finish().await?;
    code.also(of_events(tx).await?);
    Ok(code)
}

/// What a change of schema runs that computes no row: the event triggers.
pub(super) async fn of_events(tx: &Tx<'_>) -> Result<Code, ToolError> {
    let mut walk = Walk::new(tx, Doing::Writing).await?;
    let any: &[&str] = &[];
    walk.ask(edges::EVENTS, &[(&any, Type::TEXT_ARRAY)]).await?;
    if walk.next.is_empty() {
        return walk.finish().await;
    }
    walk.everywhere().await?;
    walk.finish().await
}

/// What names mean in this session, kept while PostgreSQL's own search path is in force.
struct Names {
    /// The schemas that are searched, in their order.
    path: Vec<String>,
    /// The setting.
    setting: String,
}

impl Names {
    /// Before anything else is asked: the questions themselves use operators and functions by name.
    async fn own(tx: &Tx<'_>) -> Result<Self, ToolError> {
        let rows = tx.rows(OWN, &[]).await?;
        let row = rows.first().ok_or_else(|| ToolError::failed("the server gave no row where one is certain"))?;
        let (path, setting): (Vec<String>, String) = (cell(row, 0)?, cell(row, 1)?);
        match path.iter().find(|schema| !schema.starts_with("pg_temp_")) {
            Some(first) if first == "pg_catalog" => {}
            first => {
                return Err(ToolError::refused(format!(
                    "not run: the role's `search_path` looks for functions in `{}` before PostgreSQL's own",
                    shown(first.map_or("", String::as_str)),
                ))
                .with_next("a person takes `pg_catalog` out of the role's or database's `search_path`"));
            }
        }
        // Compiling the questions would take two hundred times as long as answering them.
        tx.run("SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL jit = off").await?;
        Ok(Self { path, setting })
    }

    /// Puts the session's own path into force again.
    async fn back(&self, tx: &Tx<'_>) -> Result<(), ToolError> {
        let sql = "SELECT pg_catalog.set_config('search_path', $1, true)";
        tx.rows(sql, &[(&self.setting, Type::TEXT)]).await.map(drop)
    }
}

/// No operator, and no function but by its full name.
const OWN: &str =
    "SELECT pg_catalog.current_schemas(true)::pg_catalog.text[], pg_catalog.current_setting('search_path')";

/// A text that names things: the statement, or the body of a function.
struct Text {
    uses: Uses,
    /// The last names of the tables it changes.
    changed: Vec<String>,
    /// The last names of the sequences it draws from by a literal.
    draws: Vec<String>,
    /// It may run under another path than the session's.
    everywhere: bool,
}

/// Where something was found, by its id.
type Places = std::collections::BTreeMap<u32, String>;

/// What is still to be looked at.
#[derive(Default)]
struct Frontier {
    read: Places,
    rebuilt: Places,
    written: Places,
    functions: Places,
    operators: Places,
    types: Places,
    classes: Places,
}

impl Frontier {
    fn is_empty(&self) -> bool {
        let Self { read, rebuilt, written, functions, operators, types, classes } = self;
        [read, rebuilt, written, functions, operators, types, classes].iter().all(|places| places.is_empty())
    }
}

struct Walk<'a, 'tx> {
    tx: &'a Tx<'tx>,
    own: Names,
    doing: Doing,
    seen: BTreeSet<(&'static str, u32)>,
    next: Frontier,
    roots: Vec<u32>,
    acts: Vec<String>,
    vouch: Option<String>,
    draws: BTreeSet<u32>,
    bodies: Vec<(u32, Digest)>,
}

impl<'a, 'tx> Walk<'a, 'tx> {
    async fn new(tx: &'a Tx<'tx>, doing: Doing) -> Result<Self, ToolError> {
        let own = Names::own(tx).await?;
        Ok(Self {
            tx,
            own,
            doing,
            seen: BTreeSet::new(),
            next: Frontier::default(),
            roots: Vec::new(),
            acts: Vec::new(),
            vouch: None,
            draws: BTreeSet::new(),
            bodies: Vec::new(),
        })
    }

    async fn everywhere(&mut self) -> Result<(), ToolError> {
        self.ask(edges::EVERYWHERE, &[]).await
    }

    fn act(&mut self, what: &str, place: &str) {
        let text = if place.is_empty() { what.to_owned() } else { format!("{what} ({place})") };
        if !self.acts.contains(&text) && self.acts.len() < 20 {
            self.acts.push(text);
        }
    }

    fn relation(&mut self, oid: u32, doing: Doing, place: &str) {
        let (covered, places): (&[&'static str], _) = match doing {
            Doing::Reading => (&["read", "rebuilt", "written"], &mut self.next.read),
            Doing::Rebuilding => (&["rebuilt", "written"], &mut self.next.rebuilt),
            Doing::Writing => (&["written"], &mut self.next.written),
        };
        let known = covered.iter().any(|kind| self.seen.contains(&(*kind, oid)));
        if oid >= tree::FIRST_OWN && !known {
            self.seen.extend(covered.first().map(|kind| (*kind, oid)));
            places.insert(oid, place.to_owned());
        }
    }

    fn function(&mut self, oid: u32, place: &str) {
        if oid != 0 && self.seen.insert(("function", oid)) {
            self.next.functions.insert(oid, place.to_owned());
        }
    }

    fn operator(&mut self, oid: u32, place: &str) {
        if oid >= tree::FIRST_OWN && self.seen.insert(("operator", oid)) {
            self.next.operators.insert(oid, place.to_owned());
        }
    }

    fn kind(&mut self, oid: u32, place: &str) {
        if oid >= tree::FIRST_OWN && self.seen.insert(("type", oid)) {
            self.next.types.insert(oid, place.to_owned());
        }
    }

    fn class(&mut self, oid: u32, place: &str) {
        if oid >= tree::FIRST_OWN && self.seen.insert(("class", oid)) {
            self.next.classes.insert(oid, place.to_owned());
        }
    }

    fn tree(&mut self, text: &str, doing: Doing, place: &str) {
        let named = tree::read(text);
        if let Some(unknown) = &named.unknown {
            self.act(unknown, place);
        }
        if named.writes && self.doing == Doing::Reading {
            self.act("a change of rows", place);
        }
        let doing = if named.writes { Doing::Writing } else { doing };
        for oid in named.functions {
            self.function(oid, place);
        }
        for oid in named.operators {
            self.operator(oid, place);
        }
        for oid in named.classes {
            self.class(oid, place);
        }
        for oid in named.types {
            self.kind(oid, place);
        }
        for oid in named.relations {
            self.relation(oid, doing.min(self.doing), place);
        }
        for oid in named.draws {
            self.draw(oid, place);
        }
    }

    fn draw(&mut self, oid: u32, place: &str) {
        match self.doing {
            Doing::Reading => self.act("`nextval`", place),
            Doing::Rebuilding | Doing::Writing => drop(self.draws.insert(oid)),
        }
    }

    /// Asks one question and takes up what the answers name.
    async fn ask(&mut self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<(), ToolError> {
        for row in &self.tx.rows(sql, params).await? {
            let text: Option<String> = cell(row, 2)?;
            self.edge(
                &cell::<String>(row, 0)?,
                cell(row, 1)?,
                text.as_deref(),
                &shown_sentence(&cell::<String>(row, 3)?),
            );
        }
        Ok(())
    }

    fn edge(&mut self, what: &str, oid: u32, text: Option<&str>, place: &str) {
        let text = text.unwrap_or_default();
        match what {
            "read" => self.relation(oid, Doing::Reading, place),
            "rebuild" => self.relation(oid, Doing::Rebuilding, place),
            "write" => self.relation(oid, Doing::Writing, place),
            "function" | "trigger" => self.function(oid, place),
            "operator" => self.operator(oid, place),
            "type" => self.kind(oid, place),
            "class" => self.class(oid, place),
            "draw" => self.draw(oid, place),
            "tree" => self.tree(text, Doing::Reading, place),
            "tree_write" => self.tree(text, Doing::Writing, place),
            "input" => self.act("code of its own", place),
            _ => self.act(text, place),
        }
    }

    /// Looks up what a text names.
    async fn names(&mut self, text: &Text, place: &str) -> Result<(), ToolError> {
        let uses = &text.uses;
        let all = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
        let (call_schemas, call_names): (Vec<String>, Vec<String>) = uses.qualified.iter().cloned().unzip();
        let mut operators = all(&uses.operators);
        operators.extend(IMPLIED.iter().map(|&name| name.to_owned()));
        let (schemas, names): (Vec<String>, Vec<String>) = uses.dotted.iter().flat_map(|name| meanings(name)).unzip();
        let calls = all(&uses.calls);
        let harmless: Vec<String> = calls.iter().chain(&call_names).filter(|name| is_harmless(name)).cloned().collect();
        let attributes = all(&uses.names);
        let path = self.own.path.clone();
        let params: [(&(dyn ToSql + Sync), Type); 11] = [
            (&calls, Type::TEXT_ARRAY),
            (&call_schemas, Type::TEXT_ARRAY),
            (&call_names, Type::TEXT_ARRAY),
            (&attributes, Type::TEXT_ARRAY),
            (&operators, Type::TEXT_ARRAY),
            (&schemas, Type::TEXT_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&text.draws, Type::TEXT_ARRAY),
            (&text.everywhere, Type::BOOL),
            (&harmless, Type::TEXT_ARRAY),
            (&path, Type::TEXT_ARRAY),
        ];
        for row in &self.tx.rows(edges::NAMES, &params).await? {
            let (what, oid): (String, u32) = (cell(row, 0)?, cell(row, 1)?);
            let name: Option<String> = cell(row, 2)?;
            if what != "relation" {
                self.edge(&what, oid, None, place);
                continue;
            }
            let is = |changed: &String| name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(changed));
            let doing = if text.changed.iter().any(is) { Doing::Writing } else { Doing::Reading };
            self.relation(oid, doing.min(self.doing), place);
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Code, ToolError> {
        while !self.next.is_empty() {
            if self.seen.len() > MOST {
                self.act("more than can be looked through", "");
                break;
            }
            let now = std::mem::take(&mut self.next);
            self.round(now).await?;
        }
        self.own.back(self.tx).await?;
        let Self { acts, vouch, roots, draws, bodies, .. } = self;
        let digest = Digest::of(&json!([acts, bodies]));
        Ok(Code { acts, next: vouch, changed: roots, draws, digest })
    }

    async fn round(&mut self, now: Frontier) -> Result<(), ToolError> {
        let Frontier { read, rebuilt, written, functions, operators, types, classes } = now;
        let oids = |places: &Places| places.keys().copied().collect::<Vec<u32>>();
        let known: Vec<&str> = EXTENSIONS.to_vec();
        let (rebuilt, written) = (oids(&rebuilt), oids(&written));
        let relations: Vec<u32> = [oids(&read).as_slice(), &rebuilt, &written].concat();
        if !relations.is_empty() {
            let params: [(&(dyn ToSql + Sync), Type); 4] = [
                (&relations, Type::OID_ARRAY),
                (&written, Type::OID_ARRAY),
                (&known, Type::TEXT_ARRAY),
                (&rebuilt, Type::OID_ARRAY),
            ];
            self.ask(edges::RELATIONS, &params).await?;
        }
        if !types.is_empty() {
            self.ask(edges::TYPES, &[(&oids(&types), Type::OID_ARRAY), (&known, Type::TEXT_ARRAY)]).await?;
        }
        if !classes.is_empty() {
            self.ask(edges::CLASSES, &[(&oids(&classes), Type::OID_ARRAY)]).await?;
        }
        if !operators.is_empty() {
            self.ask(edges::OPERATORS, &[(&oids(&operators), Type::OID_ARRAY)]).await?;
        }
        if !functions.is_empty() {
            let rows: Vec<Row> = self
                .tx
                .rows(edges::FUNCTIONS, &[(&oids(&functions), Type::OID_ARRAY), (&known, Type::TEXT_ARRAY)])
                .await?;
            for row in &rows {
                self.judge(row, &functions).await?;
            }
        }
        Ok(())
    }
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
