//! What a column's type is made of, and how its values are kept as text so that they come back exactly. A value that stands
//! for a thing of the catalogue is kept by that thing's id: its text is a name, and names move.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use super::catalog::cell;
use crate::contract::ToolError;
use crate::toolsets::postgres::connect::Tx;

/// How a column's values become text and come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By a cast, which for the server's own types is their text, or loses less than it.
    Cast,
    /// By the type's own output function. A cast to text may be somebody's function, and that of `bpchar` loses blanks.
    Printed,
    /// As the id of the thing it stands for.
    Id,
    /// As an array of such ids.
    Ids,
    /// As a number: `"char"` holds bytes that are no text.
    Number,
}

/// What a column's type is made of.
#[derive(Clone, Debug)]
pub(crate) struct Makeup {
    /// How its values are kept.
    pub form: Form,
    /// Below its domains it is one of PostgreSQL's own types.
    pub own: bool,
    /// Its values have a binary form.
    pub sends: bool,
    /// Why its values cannot be kept exactly.
    pub obstacle: Option<&'static str>,
}

/// The parts of a type that its values' text relies on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypeImage {
    /// `pg_type.oid`.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// An enum's labels with their ids, or the numbers and types of a row's columns.
    pub parts: Vec<String>,
}

/// Each column's type, and what is below it: domains (at the same place), elements (1), anything deeper (2).
const MADE: &str = "WITH RECURSIVE made (relation, number, type, place) AS ( \
    SELECT a.attrelid, a.attnum, a.atttypid, 0 FROM pg_catalog.pg_attribute a \
      WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped \
    UNION SELECT m.relation, m.number, part.type, part.place FROM made m \
      JOIN pg_catalog.pg_type t ON t.oid = m.type CROSS JOIN LATERAL ( \
        SELECT t.typbasetype AS type, m.place AS place WHERE t.typtype = 'd' \
        UNION ALL SELECT t.typelem, least(m.place + 1, 2) WHERE t.typtype = 'b' AND t.typelem <> 0 AND t.typlen = -1 \
        UNION ALL SELECT a.atttypid, 2 FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid \
          AND a.attnum > 0 AND NOT a.attisdropped \
        UNION ALL SELECT r.rngsubtype, 2 FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid \
        UNION ALL SELECT r.rngtypid, 2 FROM pg_catalog.pg_range r WHERE t.typtype = 'm' \
          AND (pg_catalog.to_jsonb(r.*) ->> 'rngmultitypid')::oid = t.oid) AS part) ";

const TYPES: &str = "SELECT m.relation, m.number, m.place, t.typname::text, t.typtype::text, t.oid < 16384, t.typsend <> 0 \
    FROM made m JOIN pg_catalog.pg_type t ON t.oid = m.type ORDER BY 1, 2, 3";

const PARTS: &str = "SELECT t.oid, pg_catalog.format_type(t.oid, NULL), ARRAY(\
      SELECT e.oid::text || ' ' || e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) \
    || ARRAY(SELECT pg_catalog.concat_ws(' ', a.attnum, a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a \
      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) \
    FROM pg_catalog.pg_type t WHERE t.typtype IN ('c', 'e') AND (t.oid IN (SELECT m.type FROM made m) \
      OR t.oid IN (SELECT c.reltype FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1))) ORDER BY t.oid";

/// A type somewhere in a column's.
struct Part {
    place: i32,
    name: String,
    kind: char,
    own: bool,
    sends: bool,
}

/// What the columns of these tables are made of, by table and number.
pub(crate) async fn makeups(tx: &Tx<'_>, oids: &[u32]) -> Result<BTreeMap<(u32, i16), Makeup>, ToolError> {
    let mut parts: BTreeMap<(u32, i16), Vec<Part>> = BTreeMap::new();
    for row in &tx.rows(&format!("{MADE}{TYPES}"), &[(&oids as _, Type::OID_ARRAY)]).await? {
        let kind: String = cell(row, 4)?;
        parts.entry((cell(row, 0)?, cell(row, 1)?)).or_default().push(Part {
            place: cell(row, 2)?,
            name: cell(row, 3)?,
            kind: kind.chars().next().unwrap_or('b'),
            own: cell(row, 5)?,
            sends: cell(row, 6)?,
        });
    }
    let version = tx.server.version;
    Ok(parts.into_iter().map(|(column, parts)| (column, Makeup::of(&parts, version))).collect())
}

/// What the text of these tables' values relies on.
pub(crate) async fn images(tx: &Tx<'_>, oids: &[u32]) -> Result<Vec<TypeImage>, ToolError> {
    let rows = tx.rows(&format!("{MADE}{PARTS}"), &[(&oids as _, Type::OID_ARRAY)]).await?;
    rows.iter().map(|row| Ok(TypeImage { oid: cell(row, 0)?, name: cell(row, 1)?, parts: cell(row, 2)? })).collect()
}

impl TypeImage {
    /// What came to it since is nobody's loss; what is gone, or is called otherwise, would be taken for something else.
    pub(crate) fn holds_in(&self, now: &[Self]) -> bool {
        let found = now.iter().find(|now| now.oid == self.oid);
        found.is_some_and(|now| self.parts.iter().all(|part| now.parts.contains(part)))
    }

    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> u64 {
        let parts = self.parts.iter().map(|part| part.len() as u64 + 4);
        16 + self.name.len() as u64 + parts.sum::<u64>()
    }
}

impl Makeup {
    fn of(parts: &[Part], version: i32) -> Self {
        let top = parts.iter().find(|part| part.place == 0 && part.kind != 'd');
        let own = top.is_some_and(|top| top.own);
        let refers = parts.iter().filter(|part| part.is_reference()).map(|part| part.place).max();
        let form = match (refers, top.map(|top| top.name.as_str())) {
            (Some(0), _) => Form::Id,
            (Some(_), _) => Form::Ids,
            (None, Some("char")) if own => Form::Number,
            (None, Some("bpchar")) if own => Form::Printed,
            (None, _) if own => Form::Cast,
            (None, _) => Form::Printed,
        };
        let obstacle = if refers > Some(1) {
            Some(
                "refers to things of the database inside of a composite or range, where it cannot be kept by their ids",
            )
        } else if parts.iter().any(|part| part.own && part.name == "aclitem") {
            Some("names roles, which may be renamed")
        } else if parts.iter().any(|part| part.own && part.kind == 'b' && !part.sends) {
            Some("has values that cannot be compared byte for byte")
        } else if parts.iter().any(|part| part.own && part.name == "xml" && part.place > 0) {
            Some("holds XML inside of another value, whose text leaves its declaration out")
        } else if version < 160_000 && parts.iter().any(|part| part.own && part.name == "char" && part.place > 0) {
            Some("holds single bytes inside of another value, which this version writes as they are")
        } else {
            None
        };
        let sends = parts.iter().all(|part| part.kind != 'b' || part.sends);
        Self { form, own, sends, obstacle }
    }
}

impl Part {
    /// It stands for a thing of the catalogue by its id: `regclass`, `regrole` …
    fn is_reference(&self) -> bool {
        self.own && self.kind == 'b' && self.name.starts_with("reg")
    }
}
