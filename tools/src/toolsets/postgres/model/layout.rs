//! What it takes to tell a table's rows apart, to keep them and to put them back: columns, key, privileges, triggers.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::catalog::{cell, quote};
use super::types::{self, Form, Makeup};
use crate::contract::{Target, ToolError};
use crate::text::shown;
use crate::toolsets::postgres::connect::{Tx, dotted};

/// Tables that take more are not searched for the rows a statement changed: it reads all of them.
pub(crate) const SEARCHED: u64 = 1 << 30;

/// A table as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Its schema's name.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: char,
    /// What its rows take on disk.
    pub bytes: u64,
    /// The role may read all of it.
    pub readable: bool,
    /// The role may insert, update and delete.
    pub writable: bool,
    /// The role owns it.
    pub owned: bool,
    /// Row security hides rows from the role.
    pub veiled: bool,
    /// The enabled triggers that somebody wrote, by name, with `pg_trigger.tgenabled`.
    pub triggers: Vec<(String, char)>,
    /// Its columns in order.
    pub columns: Vec<Field>,
    /// The places of the columns that tell its rows apart; empty where nothing does.
    pub key: Vec<usize>,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// `pg_attribute.attnum`: what it is known by, whatever it is called.
    pub number: i16,
    /// Its name.
    pub name: String,
    /// Its type as SQL writes it wherever it is read.
    pub kind: String,
    /// Its type is one of PostgreSQL's own.
    pub builtin: bool,
    /// It is generated from other columns.
    pub generated: bool,
    /// Its default draws from a sequence, or gives another value each time.
    pub unsteady: bool,
    /// What its type is made of.
    makeup: Makeup,
}

impl Field {
    /// The column's value as text, exactly.
    pub(crate) fn text(&self) -> String {
        let value = format!("t.{}", quote(&self.name));
        match self.makeup.form {
            Form::Cast => format!("{value}::pg_catalog.text"),
            // A row of nothing but nulls is null to IS NULL, and still a row.
            Form::Printed => {
                format!("CASE WHEN pg_catalog.num_nulls({value}) = 0 THEN pg_catalog.concat({value}) END")
            }
            Form::Id => format!("{value}::pg_catalog.oid::pg_catalog.text"),
            Form::Ids => format!("{value}::pg_catalog.oid[]::pg_catalog.text"),
            Form::Number => format!("{value}::pg_catalog.int4::pg_catalog.text"),
        }
    }

    /// Text as the column's value.
    pub(crate) fn value(&self, text: &str) -> String {
        let kind = &self.kind;
        match self.makeup.form {
            // It is read by the type's own input function: a cast from text may be somebody's.
            Form::Printed if !self.makeup.own => format!(
                "(SELECT x.v FROM pg_catalog.json_to_record(pg_catalog.json_build_object('v', {text})) AS x (v {kind}))"
            ),
            Form::Cast | Form::Printed => format!("{text}::{kind}"),
            Form::Id => format!("{text}::pg_catalog.oid::{kind}"),
            Form::Ids => format!("{text}::pg_catalog.oid[]::{kind}"),
            Form::Number => format!("{text}::pg_catalog.int4::{kind}"),
        }
    }
}

impl Layout {
    /// Schema and name, quoted.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// Schema and name for people.
    pub(crate) fn shown(&self) -> String {
        format!("{}.{}", shown(&self.schema), shown(&self.name))
    }

    /// It as a target of the call.
    pub(crate) fn target(&self, tx: &Tx<'_>) -> Target {
        let uid = format!("{}#{}", tx.server.identity(), self.oid);
        tx.site().target("postgres_table", &dotted(&[&self.schema, &self.name]), uid)
    }

    /// The columns that hold values of their own, in order.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Field> {
        self.columns.iter().filter(|column| !column.generated)
    }

    /// A digest of the row's bytes, whatever its values look like as text.
    pub(crate) fn bytes(&self) -> String {
        let sent =
            self.stored().filter(|column| column.makeup.sends).map(|column| format!("t.{}", quote(&column.name)));
        let sent = sent.collect::<Vec<_>>().join(", ");
        format!("pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.record_send(ROW({sent}))), 'hex'), 32)")
    }

    /// The columns that tell its rows apart.
    pub(crate) fn key(&self) -> impl Iterator<Item = &Field> {
        self.key.iter().filter_map(|at| self.columns.get(*at))
    }

    /// Why its rows cannot be kept or put back; `None` where they can.
    pub(crate) fn obstacle(&self) -> Option<String> {
        let name = self.shown();
        let reason = if self.kind != 'r' {
            "is no plain table"
        } else if self.key.is_empty() {
            "has no primary key, nor another key without nulls: its rows cannot be told apart"
        } else if !self.readable {
            "cannot be read by the role"
        } else if self.veiled {
            "has row security, which hides rows from the role"
        } else if !self.writable {
            "cannot be inserted into, updated and deleted from by the role"
        } else if self.bytes > SEARCHED {
            "is too large to be searched for the changed rows"
        } else if !self.triggers.is_empty() && !self.owned {
            "has triggers, which only its owner can keep from running when rows are put back"
        } else {
            return self.stored().find_map(|column| {
                let reason = column.makeup.obstacle?;
                Some(format!("{name} has the column {}, which {reason}", shown(&column.name)))
            });
        };
        Some(format!("{name} {reason}"))
    }

    /// That a row of this table is the one of a key whose values stand in these places.
    pub(crate) fn matches(&self, values: &[String]) -> String {
        let one = |(column, value): (&Field, &String)| {
            // Two keys can be equal without being the same (`1.0` and `1.00`, `a` and `A`): only the text is exact, but
            // only the value finds an index.
            let same = format!("{} COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) {value}", column.text());
            match column.builtin {
                true => {
                    format!("{same} AND t.{} OPERATOR(pg_catalog.=) {}", quote(&column.name), column.value(value))
                }
                false => same,
            }
        };
        self.key().zip(values).map(one).collect::<Vec<_>>().join(" AND ")
    }
}

const TABLES: &str = "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, \
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END, \
    pg_catalog.has_table_privilege(c.oid, 'SELECT'), \
    pg_catalog.has_table_privilege(c.oid, 'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') \
    AND pg_catalog.has_table_privilege(c.oid, 'DELETE') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'), \
    pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.row_security_active(c.oid) \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.oid = ANY ($1) ORDER BY 2, 3";

const COLUMNS: &str = "SELECT a.attrelid, a.attnum, a.attname::text, \
    pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid < 16384, a.attgenerated::text <> '', \
    a.attidentity::text <> '' OR EXISTS (SELECT FROM pg_catalog.pg_depend p \
      JOIN pg_catalog.pg_class s ON s.oid = p.refobjid AND s.relkind = 'S' \
      WHERE p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND p.objid = d.oid \
      AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass), \
    coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), (SELECT t.typdefault FROM pg_catalog.pg_type t \
      WHERE t.oid = a.atttypid AND t.typtype = 'd'), '') \
    FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2";

/// The primary key first, then the narrowest of the others.
const KEYS: &str = "SELECT DISTINCT ON (i.indrelid) i.indrelid, ARRAY(SELECT k.n \
      FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (n, at) \
      WHERE k.at <= i.indnkeyatts ORDER BY k.at) \
    FROM pg_catalog.pg_index i WHERE i.indrelid = ANY ($1) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL \
    AND i.indexprs IS NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid \
      AND a.attnum = ANY (i.indkey::pg_catalog.int2[]) AND NOT a.attnotnull) \
    ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid";

const TRIGGERS: &str = "SELECT t.tgrelid, t.tgname::text, t.tgenabled::text FROM pg_catalog.pg_trigger t \
    WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND t.tgenabled::text IN ('O', 'A') ORDER BY 1, 2";

/// The tables of these ids, by schema and name. To be read under PostgreSQL's own search path: types are named by it.
pub(crate) async fn layouts(tx: &Tx<'_>, oids: &[u32]) -> Result<Vec<Layout>, ToolError> {
    let param = [(&oids as _, Type::OID_ARRAY)];
    let mut makeups = types::makeups(tx, oids).await?;
    let mut columns: BTreeMap<u32, Vec<Field>> = BTreeMap::new();
    for row in &tx.rows(COLUMNS, &param).await? {
        let default: String = cell(row, 7)?;
        let draws: bool = cell(row, 6)?;
        let (oid, number): (u32, i16) = (cell(row, 0)?, cell(row, 1)?);
        let makeup =
            makeups.remove(&(oid, number)).ok_or_else(|| ToolError::changed("the columns changed meanwhile"))?;
        columns.entry(oid).or_default().push(Field {
            number,
            makeup,
            name: cell(row, 2)?,
            kind: cell(row, 3)?,
            builtin: cell(row, 4)?,
            generated: cell(row, 5)?,
            unsteady: draws || is_unsteady(&default),
        });
    }
    let mut keys: BTreeMap<u32, Vec<i16>> = BTreeMap::new();
    for row in &tx.rows(KEYS, &param).await? {
        keys.insert(cell(row, 0)?, cell(row, 1)?);
    }
    let mut triggers: BTreeMap<u32, Vec<(String, char)>> = BTreeMap::new();
    for row in &tx.rows(TRIGGERS, &param).await? {
        let mode: String = cell(row, 2)?;
        triggers.entry(cell(row, 0)?).or_default().push((cell(row, 1)?, mode.chars().next().unwrap_or('O')));
    }
    let mut found = Vec::new();
    for row in &tx.rows(TABLES, &param).await? {
        let oid: u32 = cell(row, 0)?;
        let columns = columns.remove(&oid).unwrap_or_default();
        let key = keys.remove(&oid).unwrap_or_default();
        let key = key.iter().filter_map(|number| columns.iter().position(|column| column.number == *number)).collect();
        let (kind, bytes): (String, i64) = (cell(row, 3)?, cell(row, 4)?);
        found.push(Layout {
            oid,
            schema: cell(row, 1)?,
            name: cell(row, 2)?,
            kind: kind.chars().next().unwrap_or('r'),
            bytes: bytes.unsigned_abs(),
            readable: cell(row, 5)?,
            writable: cell(row, 6)?,
            owned: cell(row, 7)?,
            veiled: cell(row, 8)?,
            triggers: triggers.remove(&oid).unwrap_or_default(),
            columns,
            key,
        });
    }
    Ok(found)
}

/// Whether an expression or a function's text may give another value each time. Told from words, too often rather than
/// too seldom.
pub(crate) fn is_unsteady(text: &str) -> bool {
    const WORDS: [&str; 14] = [
        "now",
        "current_",
        "clock",
        "_timestamp",
        "localtime",
        "random",
        "uuid",
        "nextval",
        "txid",
        "xact_id",
        "timeofday",
        "backend",
        "today",
        "execute",
    ];
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

/// The statements that keep a table's triggers from running, and that put them back as they were.
pub(crate) fn without_triggers(layout: &Layout) -> (String, String) {
    let (mut off, mut on) = (String::new(), String::new());
    for (name, mode) in &layout.triggers {
        let always = if *mode == 'A' { "ALWAYS " } else { "" };
        let (table, name) = (layout.quoted(), quote(name));
        off.push_str(&format!("ALTER TABLE {table} DISABLE TRIGGER {name}; "));
        on.push_str(&format!("ALTER TABLE {table} ENABLE {always}TRIGGER {name}; "));
    }
    (off, on)
}
