//! Reads the server's own expression and query trees (`pg_node_tree`), which name by id whatever they call: built-in
//! functions, too, of which `pg_depend` knows nothing. It knows no catalogue and no tool.
//!
//! The format is that of `src/backend/nodes/outfuncs.c`, PostgreSQL 13 to 18. A node that is not known here makes the tree
//! one that nobody can read.

use std::collections::BTreeSet;

/// `nextval(regclass)`. Its id has been the same since PostgreSQL 8.1.
const NEXTVAL: u32 = 1574;

/// The first id of what somebody made.
pub(super) const FIRST_OWN: u32 = 16_384;

/// What a tree names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Functions and aggregates.
    pub functions: BTreeSet<u32>,
    /// Operators.
    pub operators: BTreeSet<u32>,
    /// Operator classes.
    pub classes: BTreeSet<u32>,
    /// Types that somebody made.
    pub types: BTreeSet<u32>,
    /// Relations, the server's own included: somebody may have replaced a view of it.
    pub relations: BTreeSet<u32>,
    /// Sequences that it draws from, named as constants.
    pub draws: BTreeSet<u32>,
    /// It changes rows.
    pub writes: bool,
    /// The first thing in it that cannot be read.
    pub unknown: Option<String>,
}

/// Nodes whose fields are read below, or that name nothing that runs.
#[rustfmt::skip]
const NODES: &[&str] = &[
    "AGGREF", "ALIAS", "ARRAY", "ARRAYCOERCEEXPR", "ARRAYEXPR", "ARRAYREF", "BOOLEANTEST", "BOOLEXPR", "CASE",
    "CASEEXPR", "CASETESTEXPR", "CASEWHEN", "WHEN", "COALESCE", "COALESCEEXPR", "COERCETODOMAIN", "COERCETODOMAINVALUE",
    "COERCEVIAIO", "COLLATE", "COLLATEEXPR", "COMMONTABLEEXPR", "CONST", "CONVERTROWTYPEEXPR", "CTECYCLECLAUSE",
    "CTESEARCHCLAUSE", "DISTINCTEXPR", "FIELDSELECT", "FIELDSTORE", "FROMEXPR", "FUNCEXPR", "GROUPINGFUNC",
    "GROUPINGSET", "INFERENCEELEM", "JOINEXPR", "JSONBEHAVIOR", "JSONCONSTRUCTOREXPR", "JSONEXPR", "JSONFORMAT",
    "JSONISPREDICATE", "JSONRETURNING", "JSONTABLEPATH", "JSONTABLEPATHSCAN", "JSONTABLESIBLINGJOIN", "JSONVALUEEXPR",
    "MERGEACTION", "MERGESUPPORTFUNC", "MINMAX", "MINMAXEXPR", "NAMEDARGEXPR", "NEXTVALUEEXPR", "NULLIFEXPR", "NULLTEST",
    "ONCONFLICTEXPR", "OPEXPR", "PARAM", "PARTITIONBOUNDSPEC", "PARTITIONRANGEDATUM", "QUERY", "RANGETBLENTRY", "RTE",
    "RANGETBLFUNCTION", "RANGETBLREF", "RELABELTYPE", "RETURNINGEXPR", "ROW", "ROWCOMPARE", "ROWCOMPAREEXPR", "ROWEXPR",
    "ROWMARKCLAUSE", "RTEPERMISSIONINFO", "SCALARARRAYOPEXPR", "SETOPERATIONSTMT", "SETTODEFAULT", "SORTGROUPCLAUSE",
    "SQLVALUEFUNCTION", "SUBLINK", "SUBSCRIPTINGREF", "TABLEFUNC", "TABLESAMPLECLAUSE", "TARGETENTRY", "VAR",
    "WINDOWCLAUSE", "WINDOWFUNC", "WITHCHECKOPTION", "XMLEXPR", "GROUPCLAUSE", "CURRENTOFEXPR",
    "RANGETBLGROUP",
];

/// Reads one tree.
pub(super) fn read(tree: &str) -> Named {
    let mut reader = Reader { rest: tree, named: Named::default(), drawing: Drawing::No };
    if let Err(what) = reader.all() {
        reader.named.unknown.get_or_insert(what);
    }
    if reader.drawing != Drawing::No {
        reader.named.functions.insert(NEXTVAL);
    }
    reader.named
}

/// Where a call of `nextval` stands: only with a constant behind it is it known which sequence moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drawing {
    No,
    /// The call was read, its arguments come.
    Called,
    /// Its first argument is a constant whose value comes.
    Constant,
}

/// What is open around a token.
enum Frame {
    /// A node, whose fields come in pairs of a name and a value.
    Node,
    /// The value of a field that is a list; of ids where it began with `o`.
    List { field: String, ids: bool, first: bool },
}

/// Reads tokens as `pg_strtok` does: a name in a tree may hold anything, and only where it stands tells it from a field.
struct Reader<'a> {
    rest: &'a str,
    named: Named,
    drawing: Drawing,
}

impl<'a> Reader<'a> {
    fn all(&mut self) -> Result<(), String> {
        let no_tree = || "text that is no tree".to_owned();
        let mut open: Vec<Frame> = Vec::new();
        let mut field = String::new();
        while let Some(token) = self.token() {
            match (token, open.last_mut()) {
                ("{", Some(Frame::Node)) if field.is_empty() => return Err(no_tree()),
                ("{", _) => {
                    let tag = self.token().ok_or_else(no_tree)?;
                    self.node(tag);
                    field.clear();
                    open.push(Frame::Node);
                }
                ("(", Some(Frame::Node)) if field.is_empty() => return Err(no_tree()),
                ("(", _) => open.push(Frame::List { field: std::mem::take(&mut field), ids: false, first: true }),
                ("}", Some(Frame::Node)) if field.is_empty() => drop(open.pop()),
                (")", Some(Frame::List { .. })) => drop(open.pop()),
                ("}" | ")", _) => return Err(no_tree()),
                (_, Some(Frame::Node)) if field.is_empty() => {
                    field = token.strip_prefix(':').ok_or_else(no_tree)?.to_ascii_lowercase();
                }
                (_, Some(Frame::Node)) => {
                    let name = std::mem::take(&mut field);
                    self.field(&name, token)?;
                }
                (_, Some(Frame::List { field, ids, first })) => {
                    if std::mem::take(first) && token == "o" {
                        *ids = true;
                    } else if *ids {
                        let oid = token.parse().map_err(|_| no_tree())?;
                        let field = field.clone();
                        self.listed(&field, oid);
                    }
                }
                ("<>", None) => {}
                (_, None) => return Err(no_tree()),
            }
        }
        if open.is_empty() { Ok(()) } else { Err(no_tree()) }
    }

    /// A parenthesis or brace, or all up to the next one or to white space; a backslash takes the next character along.
    fn token(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start_matches([' ', '\n', '\t']);
        let first = text.chars().next()?;
        let mut end = first.len_utf8();
        if !matches!(first, '(' | ')' | '{' | '}') {
            let mut escaped = false;
            let stops = |c: char| matches!(c, ' ' | '\n' | '\t' | '(' | ')' | '{' | '}');
            end = text.len();
            for (at, c) in text.char_indices() {
                if !escaped && stops(c) {
                    end = at;
                    break;
                }
                escaped = !escaped && c == '\\';
            }
        }
        let (token, rest) = text.split_at(end);
        self.rest = rest;
        Some(token)
    }

    fn node(&mut self, tag: &str) {
        if !NODES.contains(&tag) && self.named.unknown.is_none() {
            let tag: String = tag.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
            self.named.unknown = Some(format!("a node `{tag}`"));
        }
        if self.drawing == Drawing::Called {
            if tag == "CONST" {
                self.drawing = Drawing::Constant;
            } else {
                self.named.functions.insert(NEXTVAL);
                self.drawing = Drawing::No;
            }
        }
    }

    fn field(&mut self, field: &str, value: &str) -> Result<(), String> {
        let oid = value.parse::<u32>().ok().filter(|oid| *oid > 0);
        let own = oid.filter(|oid| *oid >= FIRST_OWN);
        match field {
            "funcid" if oid == Some(NEXTVAL) => {
                if self.drawing != Drawing::No {
                    self.named.functions.insert(NEXTVAL);
                }
                self.drawing = Drawing::Called;
            }
            "funcid" | "aggfnoid" | "winfnoid" | "hashfuncid" | "negfuncid" | "opfuncid" | "tsmhandler"
            | "startinrangefunc" | "endinrangefunc" => self.named.functions.extend(oid),
            "opno" | "eqop" | "sortop" | "cycle_mark_neop" => self.named.operators.extend(oid),
            "inferopclass" => self.named.classes.extend(own),
            "relid" => self.named.relations.extend(oid),
            "seqid" => self.named.draws.extend(oid),
            // 1 is a query. What is no number is another node's field of that name.
            "commandtype" => self.named.writes |= oid.is_some_and(|kind| kind != 1),
            "constvalue" if value != "<>" => return self.constant(),
            _ if ["type", "typeid", "typid"].iter().any(|end| field.ends_with(end)) => self.named.types.extend(own),
            _ => {}
        }
        Ok(())
    }

    fn listed(&mut self, field: &str, oid: u32) {
        if field == "opnos" {
            self.named.operators.insert(oid);
        } else if field.ends_with("types") && oid >= FIRST_OWN {
            self.named.types.insert(oid);
        }
    }

    /// `4 [ 57 64 0 0 0 0 0 0 ]`: behind the length the bytes, as the server's processor orders them.
    fn constant(&mut self) -> Result<(), String> {
        let lost = || "a constant without an end".to_owned();
        if self.token() != Some("[") {
            return Err(lost());
        }
        let mut bytes = Vec::new();
        loop {
            match self.token().ok_or_else(lost)? {
                "]" => break,
                byte => bytes.push(byte.parse::<i16>().map_err(|_| lost())?.to_le_bytes()[0]),
            }
        }
        if self.drawing == Drawing::Constant {
            self.drawing = Drawing::No;
            match bytes.first_chunk::<4>() {
                Some(oid) => drop(self.named.draws.insert(u32::from_le_bytes(*oid))),
                None => drop(self.named.functions.insert(NEXTVAL)),
            }
        }
        Ok(())
    }
}
