//! What hangs on a thing: what a DROP would take along, and what a DROP without CASCADE would stop at.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::catalog::cell;
use crate::contract::{About, Evidence, ToolError};
use crate::text::{count, shown};
use crate::toolsets::postgres::connect::Tx;

/// How many dependents are named one by one.
const NAMED: usize = 20;

/// How many are looked at.
const MOST: i64 = 5_000;

/// What hangs on something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependents {
    /// What goes where it goes, counted by kind: `index`, `trigger`, `sequence`.
    pub along: BTreeMap<String, u64>,
    /// What stands by itself and needs it, in the order of their names.
    pub others: Vec<Other>,
    /// There are more.
    pub truncated: bool,
}

/// Something that needs what is dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Other {
    /// PostgreSQL's word for what it is: `view`, `table constraint`.
    pub kind: String,
    /// Its full name.
    pub name: String,
}

/// An address in `pg_depend`: the catalogue's name, the object, and the column or 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// `pg_class` or `pg_namespace`.
    pub catalogue: &'static str,
    /// The object's id.
    pub oid: u32,
    /// The column's number, or 0 for all of it.
    pub column: i16,
}

/// What hangs on this.
pub(crate) async fn find(tx: &Tx<'_>, place: Place) -> Result<Dependents, ToolError> {
    let (catalogue, column) = (format!("pg_catalog.{}", place.catalogue), i32::from(place.column));
    let bound = MOST + 1;
    let params: [crate::toolsets::postgres::connect::Param<'_>; 4] =
        [(&catalogue, Type::TEXT), (&place.oid, Type::OID), (&column, Type::INT4), (&bound, Type::INT8)];
    let mut found = Dependents::default();
    for row in tx.rows(DEPENDENTS, &params).await? {
        let (stands, kind, name): (bool, String, String) = (cell(&row, 0)?, cell(&row, 1)?, cell(&row, 2)?);
        if stands {
            found.others.push(Other { kind, name });
        } else {
            *found.along.entry(kind).or_default() += 1;
        }
    }
    found.truncated = found.others.len() + found.along.len() > usize::try_from(MOST).unwrap_or(usize::MAX);
    found.others.sort();
    found.others.dedup();
    Ok(found)
}

/// The closure over what goes along (`a`, `i`, `P`, `S`), then what leans on any of that normally. A view leans through its
/// rule, so the rule is told as its view.
const DEPENDENTS: &str = "\
    WITH RECURSIVE gone (classid, objid, objsubid) AS ( \
        SELECT $1::text::pg_catalog.regclass::oid, $2::oid, $3::int4 \
      UNION SELECT d.classid, d.objid, d.objsubid FROM gone g JOIN pg_catalog.pg_depend d \
        ON d.refclassid = g.classid AND d.refobjid = g.objid AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid) \
        WHERE d.deptype IN ('a', 'i', 'P', 'S')), \
    others AS (SELECT DISTINCT d.classid, d.objid, d.objsubid FROM gone g JOIN pg_catalog.pg_depend d \
        ON d.refclassid = g.classid AND d.refobjid = g.objid AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid) \
        WHERE d.deptype = 'n' AND NOT EXISTS (SELECT FROM gone h WHERE h.classid = d.classid AND h.objid = d.objid \
            AND h.objsubid IN (0, d.objsubid)) \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite r JOIN gone h ON h.objid = r.ev_class \
            AND h.classid = 'pg_catalog.pg_class'::pg_catalog.regclass WHERE r.oid = d.objid \
            AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass)), \
    every (stands, classid, objid, objsubid) AS (SELECT true, * FROM others UNION ALL \
        SELECT DISTINCT false, g.classid, g.objid, g.objsubid FROM gone g \
        WHERE (g.classid, g.objid) <> ($1::text::pg_catalog.regclass::oid, $2::oid) \
        AND g.classid NOT IN ('pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_attrdef'::pg_catalog.regclass)) \
    SELECT DISTINCT e.stands, coalesce(v.type, i.type, 'object'), coalesce(v.identity, i.identity, '') \
    FROM every e CROSS JOIN LATERAL pg_catalog.pg_identify_object(e.classid, e.objid, e.objsubid) AS i \
    LEFT JOIN pg_catalog.pg_rewrite r ON e.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = e.objid \
    LEFT JOIN LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class, 0) AS v \
        ON r.oid IS NOT NULL AND e.stands \
    WHERE NOT (e.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_trigger t \
        WHERE t.oid = e.objid AND t.tgisinternal)) ORDER BY 1 DESC, 2, 3 LIMIT $4";

impl Dependents {
    /// How many things stand by themselves.
    pub(crate) fn len(&self) -> u64 {
        self.others.len() as u64
    }

    /// What goes along, in a few words: `2 indexes, 1 trigger`.
    pub(crate) fn companions(&self) -> String {
        let plural = |(kind, n): (&String, &u64)| match kind.strip_suffix("x").filter(|_| *n > 1) {
            Some(stem) => format!("{} {stem}xes", crate::text::grouped(*n)),
            None => count(*n, kind),
        };
        self.along.iter().map(plural).collect::<Vec<_>>().join(", ")
    }

    /// Those that stand by themselves, for people.
    pub(crate) fn named(&self) -> Vec<String> {
        let mut named: Vec<String> =
            self.others.iter().take(NAMED).map(|other| format!("the {} {}", other.kind, shown(&other.name))).collect();
        if self.others.len() > NAMED || self.truncated {
            named.push(format!("{} more", self.others.len().saturating_sub(NAMED)));
        }
        named
    }

    /// One piece of evidence for each that stands by itself, ended with what that means for it.
    pub(crate) fn evidence(&self, means: impl Fn(&Other) -> &'static str) -> Vec<Evidence> {
        let mut evidence: Vec<Evidence> = self
            .others
            .iter()
            .take(NAMED)
            .map(|other| {
                let what = format!("the {} {} {}", other.kind, shown(&other.name), means(other));
                Evidence::seen(About::Dependents, what, "pg_depend")
            })
            .collect();
        if self.others.len() > NAMED || self.truncated {
            let what = format!("{} more depend on it", self.others.len().saturating_sub(NAMED));
            evidence.push(Evidence::seen(About::Dependents, what, "pg_depend"));
        }
        evidence
    }
}
