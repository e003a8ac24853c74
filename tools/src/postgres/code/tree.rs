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
    /// Relations that somebody made.
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
    reader.all();
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

struct Reader<'a> {
    rest: &'a str,
    named: Named,
    drawing: Drawing,
}

impl<'a> Reader<'a> {
    fn all(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            match first {
                '{' => {
                    self.skip(1);
                    let tag = self.word();
                    self.node(tag);
                }
                ':' => {
                    self.skip(1);
                    let field = self.word();
                    self.field(field);
                }
                '"' => self.quoted(),
                '\\' => {
                    self.skip(1);
                    let escaped = self.rest.chars().next().map_or(0, char::len_utf8);
                    self.skip(escaped);
                }
                other => self.skip(other.len_utf8()),
            }
        }
    }

    fn node(&mut self, tag: &str) {
        if !NODES.contains(&tag) && self.named.unknown.is_none() {
            let tag: String = tag.chars().take(40).collect();
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

    fn field(&mut self, field: &str) {
        let kind = field.to_ascii_lowercase();
        self.spaces();
        match kind.as_str() {
            "funcid" | "aggfnoid" | "winfnoid" | "hashfuncid" | "negfuncid" | "opfuncid" | "tsmhandler"
            | "startinrangefunc" | "endinrangefunc" => match self.number() {
                Some(NEXTVAL) if kind == "funcid" => {
                    if self.drawing != Drawing::No {
                        self.named.functions.insert(NEXTVAL);
                    }
                    self.drawing = Drawing::Called;
                }
                Some(oid) if oid > 0 => drop(self.named.functions.insert(oid)),
                _ => {}
            },
            "opno" | "eqop" | "sortop" | "cycle_mark_neop" => {
                let oid = self.number();
                self.named.operators.extend(oid);
            }
            "opnos" => {
                let oids = self.list();
                self.named.operators.extend(oids);
            }
            "inferopclass" => {
                let oid = self.number();
                self.named.classes.extend(oid.filter(|oid| *oid >= FIRST_OWN));
            }
            "relid" => {
                let oid = self.number();
                self.named.relations.extend(oid.filter(|oid| *oid >= FIRST_OWN));
            }
            "seqid" => {
                let oid = self.number();
                self.named.draws.extend(oid);
            }
            // 1 is a query. What is no number is another node's field of that name.
            "commandtype" => self.named.writes |= self.number().is_some_and(|kind| kind != 1),
            "utilitystmt" if !self.rest.starts_with("<>") => {
                self.named.unknown.get_or_insert_with(|| "a command that is no query".into());
            }
            "constvalue" => self.constant(),
            _ if ["type", "typeid", "typid"].iter().any(|end| kind.ends_with(end)) => {
                let oid = self.number();
                self.named.types.extend(oid.filter(|oid| *oid >= FIRST_OWN));
            }
            _ if kind.ends_with("types") => {
                let oids = self.list();
                self.named.types.extend(oids.into_iter().filter(|oid| *oid >= FIRST_OWN));
            }
            _ => {}
        }
    }

    /// `4 [ 57 64 0 0 0 0 0 0 ]`: a length and the bytes, as the server's processor orders them.
    fn constant(&mut self) {
        if self.rest.starts_with("<>") {
            return;
        }
        let Some(end) = self.rest.find(']') else {
            self.named.unknown.get_or_insert_with(|| "a constant without an end".into());
            return;
        };
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        if self.drawing != Drawing::Constant {
            return;
        }
        self.drawing = Drawing::No;
        let bytes: Vec<u8> = value
            .split_once('[')
            .map(|(_, bytes)| bytes.split_ascii_whitespace().filter_map(|byte| byte.parse::<i16>().ok()))
            .into_iter()
            .flatten()
            .map(|byte| byte.to_le_bytes()[0])
            .take(4)
            .collect();
        match <[u8; 4]>::try_from(bytes) {
            Ok(bytes) => drop(self.named.draws.insert(u32::from_le_bytes(bytes))),
            Err(_) => drop(self.named.functions.insert(NEXTVAL)),
        }
    }

    fn quoted(&mut self) {
        self.skip(1);
        while let Some(at) = self.rest.find(['"', '\\']) {
            let escape = self.rest.as_bytes().get(at) == Some(&b'\\');
            self.skip(at + 1);
            if !escape {
                return;
            }
            let escaped = self.rest.chars().next().map_or(0, char::len_utf8);
            self.skip(escaped);
        }
        self.rest = "";
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn word(&mut self) -> &'a str {
        let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn number(&mut self) -> Option<u32> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let number = self.rest.get(..end)?.parse().ok()?;
        self.skip(end);
        Some(number)
    }

    /// `(o 96 97)`.
    fn list(&mut self) -> Vec<u32> {
        let Some(inner) = self.rest.strip_prefix("(o ") else { return Vec::new() };
        let end = inner.find(')').unwrap_or(inner.len());
        inner.get(..end).unwrap_or_default().split_ascii_whitespace().filter_map(|oid| oid.parse().ok()).collect()
    }
}
