//! Everything that the catalogue holds about things that were made: their own rows, what goes along with them, and whatever
//! refers to them or is said of them. Removing them destroys all of it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::types::Type;

use super::catalog::cell;
use super::shape::DISPLAYED;
use crate::contract::{Digest, ToolError};
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;

/// A thing of the catalogue: its catalogue, its own id, and the number of a column or 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Thing {
    /// The id of the catalogue it is a row of.
    pub class: u32,
    /// Its id there.
    pub id: u32,
    /// A column's number.
    pub part: i32,
}

/// What there is about some things at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Footprint {
    /// What goes along when they are removed, and what refers to that.
    pub things: BTreeSet<Thing>,
    /// Moves when anything of it does.
    pub digest: Digest,
}

/// The id of a catalogue.
pub(crate) async fn class(tx: &Tx<'_>, name: &str) -> Result<u32, ToolError> {
    let name = format!("pg_catalog.{name}");
    tx.value("SELECT pg_catalog.to_regclass($1)::oid", &[(&name, Type::TEXT)]).await
}

/// What goes along (`a`, `i`, `P`, `S`). Where values are stored out of line is the server's own business: it changes when a
/// table is written anew. A default has another id when it was put back, so it is told by its column and its text.
const MADE: &str = "WITH RECURSIVE closure (class, id, part) AS ( \
      SELECT r.class, r.id, r.part FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) \
        AS r (class, id, part) \
      UNION SELECT d.classid, d.objid, d.objsubid FROM closure c JOIN pg_catalog.pg_depend d \
        ON d.refclassid = c.class AND d.refobjid = c.id AND (c.part = 0 OR d.refobjsubid = c.part) \
        WHERE d.deptype IN ('a', 'i', 'P', 'S')), \
    made AS MATERIALIZED (SELECT c.*, c.class = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AS sets FROM closure c \
      WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class t WHERE t.oid = c.id AND t.relnamespace = 'pg_toast'::regnamespace \
        AND c.class = 'pg_catalog.pg_class'::pg_catalog.regclass)), \
    refers AS MATERIALIZED (SELECT CASE WHEN a.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass::oid END AS classid, \
        coalesce(a.adrelid, d.objid) AS objid, coalesce(a.adnum, d.objsubid)::int4 AS objsubid, \
        d.refclassid, d.refobjid, d.refobjsubid, d.deptype FROM made m JOIN pg_catalog.pg_depend d ON d.refclassid = m.class \
      AND d.refobjid = m.id AND (m.part = 0 OR d.refobjsubid = m.part) LEFT JOIN pg_catalog.pg_attrdef a \
        ON a.oid = d.objid AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
      WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class t WHERE t.oid = d.objid \
        AND t.relnamespace = 'pg_toast'::regnamespace AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)) ";

/// Those, and all that refers to them.
const THINGS: &str = "SELECT m.class, m.id, m.part FROM made m WHERE NOT m.sets \
    UNION SELECT r.classid, r.objid, r.objsubid FROM refers r";

/// Who refers to what, in both directions and among the things that all databases share; and what is said of them.
const LINKS: &str = "SELECT pg_catalog.to_jsonb(r.*)::text FROM refers r \
    UNION SELECT pg_catalog.to_jsonb(d.*)::text FROM made m JOIN pg_catalog.pg_depend d ON d.classid = m.class \
      AND d.objid = m.id AND (m.part = 0 OR d.objsubid = m.part) WHERE NOT m.sets \
    UNION SELECT pg_catalog.to_jsonb(d.*)::text FROM made m JOIN pg_catalog.pg_shdepend d ON d.classid = m.class \
      AND d.objid = m.id AND (m.part = 0 OR d.objsubid = m.part) AND d.dbid = (SELECT b.oid FROM pg_catalog.pg_database b \
      WHERE b.datname = pg_catalog.current_database()) \
    UNION SELECT pg_catalog.to_jsonb(d.*)::text FROM made m JOIN pg_catalog.pg_description d ON d.classoid = m.class \
      AND d.objoid = m.id AND (m.part = 0 OR d.objsubid = m.part) \
    UNION SELECT pg_catalog.to_jsonb(d.*)::text FROM made m JOIN pg_catalog.pg_seclabel d ON d.classoid = m.class \
      AND d.objoid = m.id AND (m.part = 0 OR d.objsubid = m.part) \
    UNION SELECT pg_catalog.to_jsonb(d.*)::text FROM made m JOIN pg_catalog.pg_init_privs d ON d.classoid = m.class \
      AND d.objoid = m.id AND (m.part = 0 OR d.objsubid = m.part)";

/// Catalogues whose rows belong to a relation or a type without being things by themselves: by which column, and the one
/// that says which of its columns a row is about.
const PARTS: [(&str, &str, Option<&str>, &str); 10] = [
    ("pg_attribute", "attrelid", Some("attnum"), "pg_class"),
    ("pg_index", "indexrelid", None, "pg_class"),
    ("pg_sequence", "seqrelid", None, "pg_class"),
    ("pg_partitioned_table", "partrelid", None, "pg_class"),
    ("pg_foreign_table", "ftrelid", None, "pg_class"),
    ("pg_inherits", "inhrelid", None, "pg_class"),
    ("pg_inherits", "inhparent", None, "pg_class"),
    ("pg_enum", "enumtypid", None, "pg_type"),
    ("pg_range", "rngtypid", None, "pg_type"),
    // By no dependency: who subscribes to it.
    ("pg_subscription_rel", "srrelid", None, "pg_class"),
];

/// What the server keeps for itself, and changes when it likes.
const VOLATILE: [&str; 20] = [
    "relnatts",
    "relpages",
    "reltuples",
    "relallvisible",
    "relallfrozen",
    "relfilenode",
    "relfrozenxid",
    "relminmxid",
    "relhasindex",
    "relhasrules",
    "relhastriggers",
    "relhassubclass",
    "relrewrite",
    "reltoastrelid",
    "atthasmissing",
    "attmissingval",
    "attcacheoff",
    "indcheckxmin",
    "srsublsn",
    "srsubstate",
];

/// What there is about these things now.
pub(crate) async fn of(tx: &Tx<'_>, roots: &[Thing]) -> Result<Footprint, ToolError> {
    let classes: Vec<u32> = roots.iter().map(|thing| thing.class).collect();
    let ids: Vec<u32> = roots.iter().map(|thing| thing.id).collect();
    let parts: Vec<i32> = roots.iter().map(|thing| thing.part).collect();
    let params = [(&classes as _, Type::OID_ARRAY), (&ids as _, Type::OID_ARRAY), (&parts as _, Type::INT4_ARRAY)];
    let mut things = BTreeSet::new();
    for row in &tx.rows(&format!("{MADE}{THINGS}"), &params).await? {
        things.insert(Thing { class: cell(row, 0)?, id: cell(row, 1)?, part: cell(row, 2)? });
    }
    let classes: BTreeSet<u32> = things.iter().map(|thing| thing.class).collect();
    let classes: Vec<u32> = classes.into_iter().collect();
    let mut facts = BTreeSet::new();
    for row in &tx.rows(&format!("{MADE}{LINKS} UNION {}", own_rows(tx, &classes).await?), &params).await? {
        facts.insert(cell::<String>(row, 0)?);
    }
    Ok(Footprint { digest: Digest::of(&json!([things, facts])), things })
}

/// The rows of the things themselves, in the catalogues that they are rows of.
async fn own_rows(tx: &Tx<'_>, classes: &[u32]) -> Result<String, ToolError> {
    let sql = "SELECT c.relname::text FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) \
        AND c.relnamespace = 'pg_catalog'::regnamespace AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY 1";
    let volatile = VOLATILE.join(",");
    let row = |catalogue: &str| {
        format!(
            "SELECT pg_catalog.concat('{catalogue} ', pg_catalog.to_jsonb(x.*) - '{{{volatile}}}'::text[]) FROM made m"
        )
    };
    let mut all = Vec::new();
    for found in &tx.rows(sql, &[(&classes as _, Type::OID_ARRAY)]).await? {
        let name: String = cell(found, 0)?;
        all.push(format!(
            "{} JOIN pg_catalog.{name} x ON x.oid = m.id WHERE m.part = 0 AND m.class = 'pg_catalog.{name}'::regclass",
            row(&name)
        ));
    }
    for (name, by, number, class) in PARTS {
        let part = number.map_or_else(|| "m.part = 0".into(), |number| format!("m.part IN (0, x.{number})"));
        let there = if name == "pg_attribute" { " AND x.attnum > 0 AND NOT x.attisdropped" } else { "" };
        all.push(format!(
            "{} JOIN pg_catalog.{name} x ON x.{by} = m.id \
             WHERE {part}{there} AND m.class = 'pg_catalog.{class}'::regclass",
            row(name)
        ));
    }
    all.push(format!(
        "SELECT pg_catalog.concat('default ', x.adrelid, ' ', x.adnum, \
             pg_catalog.regexp_replace(x.adbin::text, '{DISPLAYED}', '', 'g')) \
             FROM made m JOIN pg_catalog.pg_attrdef x ON x.oid = m.id WHERE m.sets"
    ));
    // Of the out-of-line storage only what somebody has set.
    all.push(
        "SELECT pg_catalog.concat('storage ', c.oid, t.reloptions::text) FROM made m JOIN pg_catalog.pg_class c \
         ON c.oid = m.id JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid WHERE t.reloptions IS NOT NULL \
         AND m.part = 0 AND m.class = 'pg_catalog.pg_class'::regclass"
            .into(),
    );
    Ok(all.join(" UNION "))
}

/// What a thing is called, for people: `the view public.v`.
pub(crate) async fn told(tx: &Tx<'_>, thing: &Thing) -> Result<String, ToolError> {
    let sql = "SELECT coalesce(i.type, 'object'), coalesce(i.identity, '') \
        FROM pg_catalog.pg_identify_object($1, $2, $3) AS i";
    let params = [(&thing.class as _, Type::OID), (&thing.id as _, Type::OID), (&thing.part as _, Type::INT4)];
    let rows = tx.rows(sql, &params).await?;
    let row = rows.first().ok_or_else(|| ToolError::changed("it is gone already"))?;
    let (kind, name): (String, String) = (cell(row, 0)?, cell(row, 1)?);
    Ok(format!("the {kind} {}", shown(&name)))
}
