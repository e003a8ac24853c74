//! Whether one function is known to be harmless: by the list of built-in ones, by an operator's word for its exact body, or
//! by its body, whose parts are looked up in turn. An operator's word holds for the body alone: what that names is looked up
//! as well, since somebody else can replace it.

use serde_json::json;
use tokio_postgres::Row;

use super::known::{ACTING, OF_VIEWS, ROLLED_BACK, STATISTICS, TRIGGERS};
use super::tree::FIRST_OWN;
use super::visible::visible;
use super::walk::{Places, Text, Walk};
use super::{Doing, is_harmless};
use crate::contract::{Digest, ToolError};
use crate::sql::body::{self, Body, Unread};
use crate::sql::{Class, Uses, examine_body};
use crate::text::{shown, shown_sentence};
use crate::toolsets::postgres::model::catalog::cell;

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
            if !self.vouches_for(&function) && !self.is_harmless_builtin(&function) {
                self.act(&format!("`{}`", shown(&function.name)), &place);
            }
            return Ok(());
        }
        self.bodies.push((function.oid, function.digest));
        for kind in cell::<Vec<u32>>(row, 12)? {
            self.kind(kind, &place);
        }
        let vouched = self.is_vouched(&function);
        self.vouching = vouched;
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
        match self.follow(&function, &here).await? {
            Err(_) if vouched && function.language != "c" => {
                let text = self.seen_in(&function.source);
                self.names(&text, &here).await?;
            }
            Err(why) if !vouched => self.opaque(&function, &why, &place),
            Ok(()) | Err(_) => {}
        }
        self.vouching = false;
        Ok(())
    }

    /// All that a text may name which nobody can read.
    fn seen_in(&self, source: &str) -> Text {
        let uses = visible(source);
        let changed = match self.doing {
            Doing::Reading => Vec::new(),
            // Any of the tables may be the one it changes, and with that fire triggers.
            Doing::Rebuilding | Doing::Writing => uses.names.iter().cloned().collect(),
        };
        let draws = literals(source, "nextval").filter_map(sequence).collect();
        Text { uses, changed, draws, everywhere: true, exempt: Vec::new() }
    }

    /// Whether all that led to this built-in function were bodies that an operator vouches for: which built-in ones those
    /// call was read with them, and nobody can replace one.
    fn vouches_for(&self, function: &Function) -> bool {
        !self.seen.contains(&("function", function.oid))
    }

    fn is_harmless_builtin(&self, function: &Function) -> bool {
        let name = function.name.as_str();
        let rolled_back = self.doing != Doing::Reading && ROLLED_BACK.contains(&name);
        function.immutable
            || function.implied
            || is_harmless(name)
            || rolled_back
            || TRIGGERS.contains(&name)
            || OF_VIEWS.contains(&name)
            || name.starts_with(STATISTICS)
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
        let (uses, changed) = (Uses::default(), Vec::new());
        let mut text = Text { uses, changed, draws: Vec::new(), everywhere: true, exempt: Vec::new() };
        let (mut set, mut said) = (0, [0, 0]);
        for kind in &body.types {
            match declared(kind) {
                Declared::Nothing => {}
                Declared::Type(part) => text.uses.extend(examine_body(&part).map_err(|refusal| refusal.to_string())?.1),
                Declared::Like(names) => {
                    text.uses.bare.extend(names.iter().flatten().filter(|name| !name.is_ascii()).cloned());
                    text.uses.dotted.extend(names);
                }
            }
        }
        for fragment in &body.fragments {
            let (class, uses) = examine_body(&fragment.sql).map_err(|refusal| refusal.to_string())?;
            match class {
                Class::Read => {}
                Class::Write(write) if self.doing != Doing::Reading => text.changed.extend(write.tables),
                Class::Write(_) => return Err("changes rows".into()),
                Class::Schema { what, .. } => return Err(format!("runs {what}")),
                Class::Other { what } => return Err(format!("runs {what}")),
            }
            let drawn: Vec<String> = literals(&fragment.sql, "nextval").filter_map(sequence).collect();
            text.uses.bare.extend(drawn.iter().filter(|name| !name.is_ascii()).cloned());
            text.draws.extend(drawn);
            let lower = fragment.sql.to_ascii_lowercase();
            said[0] += lower.matches("nextval").count();
            said[1] += lower.matches("set_config").count();
            set += literals(&fragment.sql, "set_config").filter(|setting| setting.contains('.')).count();
            text.uses.extend(uses);
        }
        // A call is exempt where each one of that name was found with such a literal, and the name stands nowhere else, such
        // as in a text or comment that would count for another call; whose function it is, is looked up.
        if [text.draws.len(), said[0]] == [text.uses.draws; 2] && self.doing != Doing::Reading {
            text.exempt.push("nextval");
        } else {
            text.draws.clear();
        }
        if [set, said[1]] == [text.uses.settings; 2] {
            text.exempt.push("set_config");
        }
        Ok(text)
    }
}

fn why(unread: &Unread) -> String {
    let text = unread.to_string();
    text.strip_prefix("it ").map_or_else(|| text.clone(), str::to_owned)
}

/// What a declaration names.
enum Declared {
    Nothing,
    /// A type, in a statement that names it.
    Type(String),
    /// `t.a%TYPE`, `t%ROWTYPE`: what may be a relation, a type or a column there.
    Like(Vec<Vec<String>>),
}

fn declared(kind: &str) -> Declared {
    let plain = kind.trim();
    let named = plain.to_ascii_lowercase();
    match named.find('%') {
        Some(at) => {
            let parts = parts(plain.get(..at).unwrap_or_default());
            Declared::Like((1..=parts.len()).map(|count| parts.iter().take(count).cloned().collect()).collect())
        }
        None if matches!(named.as_str(), "record" | "refcursor" | "trigger") => Declared::Nothing,
        None => Declared::Type(format!("SELECT NULL::{plain}")),
    }
}

/// The parts of a dotted name, folded as the server folds them.
fn parts(dotted: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    for c in dotted.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            c if c.is_whitespace() && !quoted => {}
            c => part.push(if quoted { c } else { c.to_ascii_lowercase() }),
        }
    }
    parts.push(part);
    parts
}

/// The first arguments of what is called by this name, where they are plain literals: letters, digits, `_`, `.` and `"`. It
/// reads the text and not its lexemes, so it may find more calls than there are, and never fewer that are so written.
fn literals<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lower = text.to_ascii_lowercase();
    let found: Vec<usize> = lower.match_indices(name).map(|(at, _)| at + name.len()).collect();
    found.into_iter().filter_map(move |at| {
        let inner = text.get(at..)?.trim_start().strip_prefix('(')?.trim_start().strip_prefix('\'')?;
        let (literal, rest) = inner.split_at(inner.find('\'')?);
        let plain = literal.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"'));
        let rest = rest.strip_prefix('\'')?;
        let ends = ends_there(rest) || name != "nextval";
        (plain && !literal.is_empty() && ends).then_some(literal)
    })
}

/// Whether the call ends behind its literal: `)` or `::regclass)`.
fn ends_there(rest: &str) -> bool {
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix("::") {
        Some(cast) => {
            let cast = cast.trim_start();
            match cast.get(..8).filter(|word| word.eq_ignore_ascii_case("regclass")) {
                Some(word) => cast.get(word.len()..).unwrap_or_default().trim_start(),
                None => return false,
            }
        }
        None => rest,
    };
    rest.starts_with(')')
}

/// The last name of a sequence; none where the literal is an id.
fn sequence(literal: &str) -> Option<String> {
    parts(literal).pop().filter(|name| !name.bytes().all(|byte| byte.is_ascii_digit()))
}
