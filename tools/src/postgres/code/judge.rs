//! Whether one function is known to be harmless: by the list of built-in ones, by an operator's word for its exact body, or
//! by its body, whose parts are looked up in turn.

use serde_json::json;
use tokio_postgres::Row;

use super::tree::FIRST_OWN;
use super::walk::{Places, Text, Walk};
use super::{Doing, is_harmless};
use crate::contract::{Digest, ToolError};
use crate::postgres::catalog::cell;
use crate::sql::body::{self, Body, Unread};
use crate::sql::{Class, Uses, examine_body};
use crate::text::{shown, shown_sentence};

/// Extensions whose own C code, types and views change nothing but for [`ACTING`]. Only what a superuser owns counts as
/// theirs: whoever created an extension can add functions to it. Their functions in SQL and PL/pgSQL are read like others.
pub(in crate::postgres) const EXTENSIONS: &[&str] = &[
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_stat_statements",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "postgis",
    "seg",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// Functions of those extensions that act: they forget statistics, or set what holds for the session.
const ACTING: &[&str] = &["pg_stat_statements_reset", "set_limit", "isn_weak", "accept_weak_input"];

/// Built-in functions of triggers, and those that only event triggers call. They change the row at hand, or nothing.
const TRIGGERS: &[&str] = &[
    "pg_event_trigger_ddl_commands",
    "pg_event_trigger_dropped_objects",
    "pg_event_trigger_table_rewrite_oid",
    "pg_event_trigger_table_rewrite_reason",
    "suppress_redundant_updates_trigger",
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
    "unique_key_recheck",
];

/// Built-in functions whose effect a rollback takes back: a notification that is not sent, a lock that ends with the
/// transaction, the transaction's own number. Harmless in a change, which is tried and rolled back; not in a read.
const ROLLED_BACK: &[&str] = &[
    "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
    "pg_current_xact_id",
    "pg_notify",
    "pg_try_advisory_xact_lock",
    "pg_try_advisory_xact_lock_shared",
    "txid_current",
];

/// A function whose body an operator has read and takes for harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::postgres) struct Vouched {
    /// Schema, name and argument types: `public.touch()`.
    pub signature: String,
    /// Of the definition that was read.
    pub digest: String,
}

impl Vouched {
    /// Reads `public.touch() sha256:1f2e…`.
    pub(in crate::postgres) fn parse(text: &str) -> Option<Self> {
        let (signature, digest) = text.trim().rsplit_once(char::is_whitespace)?;
        let signature = signature.trim();
        let hex = digest.strip_prefix("sha256:")?;
        let whole = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let named = signature.contains('.') && signature.contains('(') && signature.ends_with(')');
        (whole && named).then(|| Self { signature: signature.into(), digest: digest.into() })
    }
}

/// A function, as the catalogue has it.
struct Function {
    oid: u32,
    signature: String,
    name: String,
    language: String,
    immutable: bool,
    aggregate: bool,
    source: String,
    body: Option<String>,
    /// A known extension's own.
    known: bool,
    /// The function of a built-in cast or operator.
    implied: bool,
    digest: Digest,
}

impl Function {
    fn read(row: &Row) -> Result<Self, ToolError> {
        let (schema, name, arguments): (String, String, String) = (cell(row, 1)?, cell(row, 2)?, cell(row, 3)?);
        let (language, source, body): (String, String, Option<String>) = (cell(row, 4)?, cell(row, 7)?, cell(row, 8)?);
        let (defaults, secdef): (Option<String>, bool) = (cell(row, 9)?, cell(row, 15)?);
        let (config, binary): (String, String) = (cell(row, 16)?, cell(row, 17)?);
        let definition = json!([language, source, body, defaults, secdef, config, binary]);
        Ok(Self {
            oid: cell(row, 0)?,
            signature: format!("{schema}.{name}({arguments})"),
            immutable: cell::<String>(row, 5)? == "i",
            aggregate: cell::<String>(row, 6)? == "a",
            known: cell(row, 10)?,
            implied: cell(row, 11)?,
            digest: Digest::of(&definition),
            name,
            language,
            source,
            body,
        })
    }

    /// The ranges' constructors are made with their types, and run only what the type itself does.
    fn constructs_a_range(&self) -> bool {
        let source = self.source.strip_prefix("multi").unwrap_or(&self.source);
        self.language == "internal"
            && source.strip_prefix("range_constructor").is_some_and(|rest| matches!(rest, "0" | "1" | "2" | "3"))
    }
}

impl Walk<'_, '_> {
    /// Takes up one function and what it leads to.
    pub(super) async fn judge(&mut self, row: &Row, places: &Places) -> Result<(), ToolError> {
        let function = Function::read(row)?;
        let place = places.get(&function.oid).cloned().unwrap_or_default();
        // What the server brings along in SQL keeps its id when somebody replaces it: its body counts, as with any other.
        if function.oid < FIRST_OWN && matches!(function.language.as_str(), "internal" | "c") {
            if !self.is_harmless_builtin(&function) {
                self.act(&format!("`{}`", shown(&function.name)), &place);
            }
            return Ok(());
        }
        self.bodies.push((function.oid, function.digest));
        for kind in cell::<Vec<u32>>(row, 12)? {
            self.kind(kind, &place);
        }
        if self.is_vouched(&function) {
            return Ok(());
        }
        let here = format!("the function {}", shown_sentence(&function.signature));
        if let Some(defaults) = cell::<Option<String>>(row, 9)? {
            self.tree(&defaults, Doing::Reading, &here);
        }
        for part in cell::<Vec<u32>>(row, 13)? {
            self.function(part, &here);
        }
        for operator in cell::<Vec<u32>>(row, 14)? {
            self.operator(operator, &here);
        }
        if let Err(why) = self.follow(&function, &here).await? {
            self.opaque(&function, &why, &place);
        }
        Ok(())
    }

    fn is_harmless_builtin(&self, function: &Function) -> bool {
        let name = function.name.as_str();
        let rolled_back = self.doing != Doing::Reading && ROLLED_BACK.contains(&name);
        function.immutable
            || function.implied
            || is_harmless(name)
            || rolled_back
            || TRIGGERS.contains(&name)
            || name.starts_with("RI_FKey_")
    }

    fn is_vouched(&self, function: &Function) -> bool {
        let digest = function.digest.to_string();
        self.tx.site().vouched.iter().any(|one| one.signature == function.signature && one.digest == digest)
    }

    fn opaque(&mut self, function: &Function, why: &str, place: &str) {
        let signature = shown_sentence(&function.signature);
        if self.vouch.is_none() {
            self.vouch = Some(format!(
                "an operator who has read the function can vouch for it in the target's settings: vouched_functions = \
                 [\"{signature} {}\"]",
                function.digest
            ));
        }
        self.act(&format!("the function {signature}, which {why}"), place);
    }

    /// Looks at a body, or says why it cannot be told what it does.
    async fn follow(&mut self, function: &Function, here: &str) -> Result<Result<(), String>, ToolError> {
        if function.aggregate || function.constructs_a_range() {
            return Ok(Ok(()));
        }
        if let Some(tree) = &function.body {
            self.tree(tree, Doing::Reading, here);
            return Ok(Ok(()));
        }
        let read = match function.language.as_str() {
            "c" | "internal" if function.known && !ACTING.contains(&function.name.as_str()) => return Ok(Ok(())),
            "sql" => body::sql(&function.source),
            "plpgsql" => body::plpgsql(&function.source),
            other => return Ok(Err(format!("is written in {}", shown(other)))),
        };
        let text = match read.map_err(|unread| why(&unread)).and_then(|body| self.text(&body)) {
            Ok(text) => text,
            Err(reason) => return Ok(Err(reason)),
        };
        self.names(&text, here).await.map(Ok)
    }

    /// All that the parts of a body name.
    fn text(&self, body: &Body) -> Result<Text, String> {
        let mut text = Text { uses: Uses::default(), changed: Vec::new(), draws: Vec::new(), everywhere: true };
        let declared = body.types.iter().filter_map(|kind| declaration(kind));
        let parts = body.fragments.iter().map(|fragment| fragment.sql.clone()).chain(declared);
        for part in parts {
            let (part, drawn) = without_literals(&part);
            if !drawn.is_empty() && self.doing == Doing::Reading {
                return Err("calls `nextval`".into());
            }
            let (class, uses) = examine_body(&part).map_err(|refusal| refusal.to_string())?;
            match class {
                Class::Read => {}
                Class::Write(write) if self.doing != Doing::Reading => text.changed.extend(write.tables),
                Class::Write(_) => return Err("changes rows".into()),
                Class::Schema { what, .. } => return Err(format!("runs {what}")),
                Class::Other { what } => return Err(format!("runs {what}")),
            }
            text.draws.extend(drawn);
            text.uses.extend(uses);
        }
        Ok(text)
    }
}

fn why(unread: &Unread) -> String {
    let text = unread.to_string();
    text.strip_prefix("it ").map_or_else(|| text.clone(), str::to_owned)
}

/// A declared type as a statement that names it.
fn declaration(kind: &str) -> Option<String> {
    let plain = kind.trim();
    let named = plain.to_ascii_lowercase();
    match named.find('%') {
        Some(at) => {
            // `t.a%TYPE`: the relation is what counts.
            let name = plain.get(..at)?.trim();
            let relation =
                if named.ends_with("%rowtype") { name } else { name.rsplit_once('.').map_or(name, |(r, _)| r) };
            Some(format!("SELECT {relation}.x"))
        }
        None if matches!(named.as_str(), "record" | "refcursor" | "trigger") => None,
        None => Some(format!("SELECT NULL::{plain}")),
    }
}

/// A statement's text as far as what it names counts: `nextval` and `set_config` of literals are ordinary in a default.
pub(in crate::postgres) fn plain(sql: &str) -> String {
    without_literals(sql).0
}

/// A body's text with `nextval('a_sequence')` taken out, and the names of those sequences; likewise `set_config` of a
/// setting that somebody made up, which only holds what is put into it. With anything but a literal both stay where they
/// are, on no list of harmless functions.
fn without_literals(text: &str) -> (String, Vec<String>) {
    let (mut plain, mut drawn, mut rest) = (String::new(), Vec::new(), text);
    loop {
        let lower = rest.to_ascii_lowercase();
        let found = ["nextval", "set_config"].iter().filter_map(|name| lower.find(name).map(|at| (at, *name))).min();
        let Some((at, name)) = found else { break };
        let (before, from) = rest.split_at(at);
        let after = from.get(name.len()..).unwrap_or_default();
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '"' | '.');
        let whole = !before.ends_with(word) || before.ends_with("pg_catalog.");
        let literal = whole.then(|| first_literal(after)).flatten();
        match (name, literal) {
            ("nextval", Some((sequence, behind))) if behind_sequence(behind).is_some() => {
                plain.push_str(before);
                // A name that is harmless, in its place: the call itself stays a call.
                plain.push_str("lastval()");
                drawn.push(last_name(sequence));
                rest = behind_sequence(behind).unwrap_or_default();
            }
            ("set_config", Some((setting, behind))) if setting.contains('.') => {
                plain.push_str(before);
                plain.push_str("concat('',");
                let behind = behind.trim_start();
                rest = behind.strip_prefix(',').unwrap_or(behind);
            }
            _ => {
                plain.push_str(before);
                plain.push_str(from.get(..name.len()).unwrap_or_default());
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    (plain, drawn)
}

/// The literal behind an opening parenthesis, and what is behind that. Only letters, digits, `_`, `.` and `"` are read.
fn first_literal(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_start().strip_prefix('(')?.trim_start().strip_prefix('\'')?;
    let end = inner.find('\'')?;
    let (literal, rest) = inner.split_at(end);
    let plain = literal.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"'));
    let rest = rest.strip_prefix('\'')?;
    (plain && !literal.is_empty() && !rest.starts_with('\'')).then_some((literal, rest))
}

/// What is behind `::regclass)`.
fn behind_sequence(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let text = match text.strip_prefix("::") {
        Some(cast) => {
            let cast = cast.trim_start();
            let word = cast.get(..8).filter(|word| word.eq_ignore_ascii_case("regclass"))?;
            cast.get(word.len()..)?.trim_start()
        }
        None => text,
    };
    text.strip_prefix(')')
}

/// The last name of a dotted one, folded as the server folds it.
fn last_name(dotted: &str) -> String {
    match dotted.strip_suffix('"').and_then(|quoted| quoted.rsplit_once('"')) {
        Some((_, name)) => name.to_owned(),
        None => dotted.rsplit('.').next().unwrap_or(dotted).to_ascii_lowercase(),
    }
}
