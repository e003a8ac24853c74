//! Goes from what is named to what hangs on that, round by round, until nothing new is found.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::known::EXTENSIONS;
use super::{Code, Doing, edges, is_harmless, meanings, tree};
use crate::contract::{Digest, ToolError};
use crate::sql::Uses;
use crate::text::{shown, shown_sentence};
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::catalog::cell;

/// Operators that SQL's own syntax looks up by name: `CASE x WHEN`, `IN`, `BETWEEN`, `LIKE`, `USING`, `NULLIF`.
const IMPLIED: [&str; 12] = ["=", "<>", "<", "<=", ">", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~"];

/// More things than this are not looked through.
const MOST: usize = 20_000;

/// What names mean in this session, kept while PostgreSQL's own search path is in force.
pub(super) struct Names {
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

/// Those of the names `$1` that the server reads otherwise than they are written, when they stand without quotes.
const FOLDED: &str = "SELECT w.n FROM pg_catalog.unnest($1) AS w (n) \
    WHERE (pg_catalog.parse_ident(w.n))[1] IS DISTINCT FROM w.n LIMIT 1";

/// Those of the names `$1` that the server cuts.
const CUT: &str = "SELECT w.n FROM pg_catalog.unnest($1) AS w (n) WHERE pg_catalog.octet_length(w.n) > 63 LIMIT 1";

/// A text that names things: the statement, or the body of a function.
pub(super) struct Text {
    pub(super) uses: Uses,
    /// The last names of the tables it changes.
    pub(super) changed: Vec<String>,
    /// The last names of the sequences it draws from by a literal.
    pub(super) draws: Vec<String>,
    /// It may run under another path than the session's.
    pub(super) everywhere: bool,
    /// Functions of the server's own that are harmless as this text calls them: `nextval` of the sequences above.
    pub(super) exempt: Vec<&'static str>,
}

/// Where something was found, by its id.
pub(super) type Places = BTreeMap<u32, String>;

/// What is still to be looked at.
#[derive(Default)]
pub(super) struct Frontier {
    pub(super) read: Places,
    pub(super) rebuilt: Places,
    pub(super) written: Places,
    pub(super) functions: Places,
    /// The server's own that only a body names which an operator vouches for.
    pub(super) vouched: Places,
    pub(super) operators: Places,
    pub(super) types: Places,
    pub(super) classes: Places,
}

impl Frontier {
    pub(super) fn is_empty(&self) -> bool {
        let Self { read, rebuilt, written, functions, vouched, operators, types, classes } = self;
        let all = [read, rebuilt, written, functions, vouched, operators, types, classes];
        all.iter().all(|places| places.is_empty())
    }
}

pub(super) struct Walk<'a, 'tx> {
    pub(super) tx: &'a Tx<'tx>,
    pub(super) own: Names,
    pub(super) doing: Doing,
    pub(super) seen: BTreeSet<(&'static str, u32)>,
    pub(super) next: Frontier,
    pub(super) roots: Vec<u32>,
    pub(super) missing: Vec<String>,
    pub(super) acts: Vec<String>,
    pub(super) vouch: Option<String>,
    pub(super) draws: BTreeSet<u32>,
    pub(super) bodies: Vec<(u32, Digest)>,
    /// What is found now stands in a body that an operator vouches for: what the body itself does is not held against it.
    pub(super) vouching: bool,
}

impl<'a, 'tx> Walk<'a, 'tx> {
    pub(super) async fn new(tx: &'a Tx<'tx>, doing: Doing) -> Result<Self, ToolError> {
        let own = Names::own(tx).await?;
        Ok(Self {
            tx,
            own,
            doing,
            seen: BTreeSet::new(),
            next: Frontier::default(),
            roots: Vec::new(),
            missing: Vec::new(),
            acts: Vec::new(),
            vouch: None,
            draws: BTreeSet::new(),
            bodies: Vec::new(),
            vouching: false,
        })
    }

    pub(super) async fn everywhere(&mut self) -> Result<(), ToolError> {
        self.ask(edges::EVERYWHERE, &[]).await
    }

    pub(super) fn act(&mut self, what: &str, place: &str) {
        if self.vouching {
            return;
        }
        let text = if place.is_empty() { what.to_owned() } else { format!("{what} ({place})") };
        if !self.acts.contains(&text) && self.acts.len() < 20 {
            self.acts.push(text);
        }
    }

    pub(super) fn relation(&mut self, oid: u32, doing: Doing, place: &str) {
        let (covered, places): (&[&'static str], _) = match doing {
            Doing::Reading => (&["read", "rebuilt", "written"], &mut self.next.read),
            Doing::Rebuilding => (&["rebuilt", "written"], &mut self.next.rebuilt),
            Doing::Writing => (&["written"], &mut self.next.written),
        };
        let known = covered.iter().any(|kind| self.seen.contains(&(*kind, oid)));
        if oid != 0 && !known {
            self.seen.extend(covered.first().map(|kind| (*kind, oid)));
            places.insert(oid, place.to_owned());
        }
    }

    pub(super) fn function(&mut self, oid: u32, place: &str) {
        if self.vouching && oid < tree::FIRST_OWN {
            if oid != 0 && self.seen.insert(("vouched", oid)) {
                self.next.vouched.insert(oid, place.to_owned());
            }
            return;
        }
        if oid != 0 && self.seen.insert(("function", oid)) {
            self.next.functions.insert(oid, place.to_owned());
        }
    }

    pub(super) fn operator(&mut self, oid: u32, place: &str) {
        if oid >= tree::FIRST_OWN && self.seen.insert(("operator", oid)) {
            self.next.operators.insert(oid, place.to_owned());
        }
    }

    pub(super) fn kind(&mut self, oid: u32, place: &str) {
        if oid >= tree::FIRST_OWN && self.seen.insert(("type", oid)) {
            self.next.types.insert(oid, place.to_owned());
        }
    }

    pub(super) fn class(&mut self, oid: u32, place: &str) {
        if oid >= tree::FIRST_OWN && self.seen.insert(("class", oid)) {
            self.next.classes.insert(oid, place.to_owned());
        }
    }

    pub(super) fn tree(&mut self, text: &str, doing: Doing, place: &str) {
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

    pub(super) fn draw(&mut self, oid: u32, place: &str) {
        match self.doing {
            Doing::Reading => self.act("`nextval`", place),
            Doing::Rebuilding | Doing::Writing => drop(self.draws.insert(oid)),
        }
    }

    /// Asks one question and takes up what the answers name.
    pub(super) async fn ask(&mut self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<(), ToolError> {
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

    pub(super) fn edge(&mut self, what: &str, oid: u32, text: Option<&str>, place: &str) {
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
    pub(super) async fn names(&mut self, text: &Text, place: &str) -> Result<(), ToolError> {
        let uses = &text.uses;
        let all = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
        let (call_schemas, call_names): (Vec<String>, Vec<String>) = uses.qualified.iter().cloned().unzip();
        let mut operators = all(&uses.operators);
        operators.extend(IMPLIED.iter().map(|&name| name.to_owned()));
        let (schemas, names): (Vec<String>, Vec<String>) = uses.dotted.iter().flat_map(|name| meanings(name)).unzip();
        let calls = all(&uses.calls);
        let exempt = |name: &String| is_harmless(name) || text.exempt.contains(&name.as_str());
        let harmless: Vec<String> = calls.iter().chain(&call_names).filter(|name| exempt(name)).cloned().collect();
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
        self.reads_otherwise(&uses.bare, place).await?;
        self.cuts(&uses.names, place).await?;
        let mut missing: BTreeSet<&String> = text.draws.iter().collect();
        let mut relations: Vec<(u32, String)> = Vec::new();
        for row in &self.tx.rows(edges::NAMES, &params).await? {
            let (what, oid): (String, u32) = (cell(row, 0)?, cell(row, 1)?);
            let name: Option<String> = cell(row, 2)?;
            if what == "draw" {
                missing.retain(|drawn| Some(*drawn) != name.as_ref());
            }
            match name.filter(|_| what == "relation") {
                // No text changes what is the server's own.
                Some(_) if oid < tree::FIRST_OWN => self.relation(oid, Doing::Reading, place),
                Some(name) => relations.push((oid, name)),
                None => self.edge(&what, oid, None, place),
            }
        }
        self.relations(&text.changed, &relations, place);
        if !missing.is_empty() {
            self.act("`nextval` of what is no sequence's name", place);
        }
        Ok(())
    }

    /// Takes up the relations that a text names, those it changes as written. Where one of these is none of them, the text may
    /// mean any of them.
    fn relations(&mut self, changed: &[String], relations: &[(u32, String)], place: &str) {
        let none = |changed: &&String| !relations.iter().any(|(_, name)| name.eq_ignore_ascii_case(changed));
        let missing: Vec<String> = changed.iter().filter(none).cloned().collect();
        for (oid, name) in relations {
            let is = |changed: &String| name.eq_ignore_ascii_case(changed);
            let written = !missing.is_empty() || changed.iter().any(is);
            let doing = if written { Doing::Writing } else { Doing::Reading };
            self.relation(*oid, doing.min(self.doing), place);
        }
        if !missing.is_empty() && !place.is_empty() {
            self.act("a change of what is nobody's table", place);
        }
        self.missing.extend(missing.into_iter().filter(|_| place.is_empty()));
    }

    /// A database of single bytes may fold more than ASCII in names without quotes, as its locale says. Only the server knows.
    async fn reads_otherwise(&mut self, bare: &BTreeSet<String>, place: &str) -> Result<(), ToolError> {
        if bare.is_empty() {
            return Ok(());
        }
        let bare: Vec<&String> = bare.iter().collect();
        let rows = self.tx.rows(FOLDED, &[(&bare, Type::TEXT_ARRAY)]).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let name: String = cell(row, 0)?;
        if !place.is_empty() {
            self.act("a name without quotes that this database reads in lower case", place);
            return Ok(());
        }
        let what = format!("not run: without quotes this database reads the name {} in lower case", shown(&name));
        Err(ToolError::refused(what).with_next("write the name in double quotes, exactly as the thing is called"))
    }

    /// The server cuts names by their bytes in the database's own encoding, which may take more than UTF-8 does.
    async fn cuts(&mut self, names: &BTreeSet<String>, place: &str) -> Result<(), ToolError> {
        let long: Vec<&String> = names.iter().filter(|name| !name.is_ascii() && name.chars().count() > 15).collect();
        if long.is_empty() {
            return Ok(());
        }
        let rows = self.tx.rows(CUT, &[(&long, Type::TEXT_ARRAY)]).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        if !place.is_empty() {
            self.act("a name longer than the server keeps", place);
            return Ok(());
        }
        let what = format!("not run: this database keeps no name as long as {}", shown(&cell::<String>(row, 0)?));
        Err(ToolError::refused(what).with_next("write the name as the database has it, cut where it cuts it"))
    }

    pub(super) async fn finish(mut self) -> Result<Code, ToolError> {
        let mut whole = true;
        while !self.next.is_empty() {
            if self.seen.len() > MOST {
                self.act("more than can be looked through", "");
                whole = false;
                break;
            }
            let now = std::mem::take(&mut self.next);
            self.round(now).await?;
        }
        self.own.back(self.tx).await?;
        let Self { acts, vouch, roots, missing, draws, bodies, seen, .. } = self;
        let digest = Digest::of(&json!([acts, bodies]));
        let written = seen.into_iter().filter(|(kind, _)| *kind == "written").map(|(_, oid)| oid).collect();
        Ok(Code { acts, next: vouch, changed: roots, missing, written: whole.then_some(written), draws, digest })
    }

    pub(super) async fn round(&mut self, now: Frontier) -> Result<(), ToolError> {
        let Frontier { read, rebuilt, written, mut functions, vouched, operators, types, classes } = now;
        for (oid, place) in vouched {
            functions.entry(oid).or_insert(place);
        }
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
