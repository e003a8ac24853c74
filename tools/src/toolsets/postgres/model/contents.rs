//! What relations hold, looked at up to a bound, as a count and a digest that moves with their rows. Beyond the bound a count
//! says *more than*, and the digest goes by what moves with the rows that were not read.

use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::catalog::{Relation, cell};
use super::code::{self, Doing};
use crate::contract::{Digest, ToolError};
use crate::text;
use crate::toolsets::postgres::connect::Tx;

/// How many pages of a table that is not read as a whole are read all over it.
const SAMPLE: i64 = 1_024;

/// The size of a page, unless the server was built with another one: then other pages are read.
const PAGE: i64 = 8_192;

/// What relations hold.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    /// How many rows, where they may be seen; there are more than these if `truncated`.
    pub rows: Option<u64>,
    /// With indexes and out-of-line values.
    pub bytes: u64,
    /// There is more than was looked at.
    pub truncated: bool,
    /// Each relation with rows of its own.
    pub parts: Vec<Part>,
    /// Row security hides rows from the role, or looking at them would run code.
    pub hidden: bool,
    /// What code looking at the rows would run, so that nobody did.
    pub runs: Option<String>,
    /// Moves when a row is written. Beyond the bound: when a row among the first or the sample is written, when the file
    /// grows or is written anew, and when the server has counted a row as inserted, updated or deleted.
    pub digest: Digest,
}

/// What one relation holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Its id.
    pub oid: u32,
    /// How many rows were counted.
    pub rows: u64,
    /// There are more.
    pub stopped: bool,
    /// How many the server thought there were when it last analysed it.
    estimate: u64,
    /// Moves when one of the counted rows is written; none where they were not read.
    pub digest: Option<Digest>,
    /// How many writes of rows the server has counted.
    pub writes: i64,
}

impl Part {
    /// For people: `3 rows`, `more than 100,000 rows`.
    pub(crate) fn shown(&self) -> String {
        let counted = counted(self.rows, self.stopped);
        match self.stopped && self.estimate > self.rows {
            true => format!("{counted} (the server's estimate is {})", text::grouped(self.estimate)),
            false => counted,
        }
    }
}

/// A count for people, and whether it stopped before the end.
pub(crate) fn counted(rows: u64, stopped: bool) -> String {
    match (rows, stopped) {
        (_, false) => text::count(rows, "row"),
        (0, true) => "rows that were not counted".into(),
        (_, true) => format!("more than {}", text::count(rows, "row")),
    }
}

impl Contents {
    /// For people, where the rows may be seen.
    pub(crate) fn shown(&self) -> Option<String> {
        match (self.rows?, self.parts.as_slice()) {
            (_, [part]) => Some(part.shown()),
            (rows, _) => Some(counted(rows, self.truncated)),
        }
    }

    /// The count for a reply: how many rows exactly, or else more than how many.
    pub(crate) fn told(&self) -> (Option<u64>, Option<u64>) {
        match self.truncated {
            false => (self.rows, None),
            true => (None, self.rows),
        }
    }
}

/// Looks at what tables, materialized views and sequences hold: at most `most` rows of all of them together.
pub(crate) async fn contents(tx: &Tx<'_>, relations: &[Relation], most: u64) -> Result<Contents, ToolError> {
    let mut all = Contents {
        rows: Some(0),
        bytes: 0,
        truncated: false,
        parts: Vec::new(),
        hidden: false,
        runs: None,
        digest: Digest::of(&json!([])),
    };
    // Even planning a count evaluates what indexes, checks and statistics declare immutable.
    let counted = |relation: &&Relation| matches!(relation.kind, 'r' | 'm');
    let oids: Vec<u32> = relations.iter().filter(counted).map(|relation| relation.oid).collect();
    let code = code::of_relations(tx, &oids, Doing::Reading).await?;
    all.runs = code.first().map(str::to_owned);
    let mut seen: Vec<Value> = Vec::new();
    let mut left = most;
    for relation in relations {
        match relation.kind {
            'r' | 'm' => {
                let (part, said) = one(tx, relation, left, &mut all).await?;
                all.rows = all.rows.map(|before| before.saturating_add(part.rows));
                all.parts.push(part);
                left = left.saturating_sub(part.rows);
                seen.push(said);
            }
            'S' => {
                let sql =
                    format!("SELECT s.last_value::text || ' ' || s.is_called::text FROM {} AS s", relation.quoted());
                seen.push(json!([relation.oid, tx.value::<String>(&sql, &[]).await?]));
            }
            _ => {}
        }
    }
    if all.hidden || all.parts.is_empty() {
        all.rows = None;
    }
    all.digest = Digest::of(&seen);
    Ok(all)
}

/// What the server knows without reading a row: sizes, its estimate, whether the rows may be read, and what moves when they do.
const KNOWN: &str = "SELECT pg_catalog.pg_total_relation_size(c.oid), pg_catalog.pg_relation_size(c.oid), c.reltuples::float8, \
    c.relkind = 'r' AND c.relrowsecurity AND (SELECT NOT r.rolsuper AND NOT r.rolbypassrls AND \
        (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')) \
        FROM pg_catalog.pg_roles r WHERE r.rolname = current_user), \
    pg_catalog.has_table_privilege(c.oid, 'SELECT') AND c.relispopulated, \
    pg_catalog.jsonb_build_array(c.oid, pg_catalog.pg_relation_filenode(c.oid), pg_catalog.pg_relation_size(c.oid), \
        pg_catalog.pg_stat_get_tuples_inserted(c.oid), pg_catalog.pg_stat_get_tuples_updated(c.oid), \
        pg_catalog.pg_stat_get_tuples_deleted(c.oid))::text, \
    pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid) \
        + pg_catalog.pg_stat_get_tuples_deleted(c.oid) \
    FROM pg_catalog.pg_class c WHERE c.oid = $1";

async fn one(tx: &Tx<'_>, relation: &Relation, left: u64, all: &mut Contents) -> Result<(Part, Value), ToolError> {
    let rows = tx.rows(KNOWN, &[(&relation.oid, Type::OID)]).await?;
    let row = rows.first().ok_or_else(|| ToolError::changed(format!("{} is gone", relation.shown())))?;
    let (total, heap): (i64, i64) = (cell(row, 0)?, cell(row, 1)?);
    let estimate: f64 = cell(row, 2)?;
    let (hidden, readable): (bool, bool) = (cell(row, 3)?, cell(row, 4)?);
    let known: String = cell(row, 5)?;
    let writes = cell::<Option<i64>>(row, 6)?.unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, and never below zero")]
    let estimate = estimate.max(0.0) as u64;
    all.bytes = all.bytes.saturating_add(total.unsigned_abs());
    let part = |rows, stopped, digest| Part { oid: relation.oid, rows, stopped, estimate, digest, writes };
    if hidden || !readable || all.runs.is_some() {
        all.hidden = true;
        all.truncated = true;
        return Ok((part(0, true, None), json!([relation.oid, known])));
    }
    let bound = i64::try_from(left.saturating_add(1)).unwrap_or(i64::MAX);
    let sql = format!("{DIGEST} FROM ONLY {} AS t LIMIT $1) AS q", relation.quoted());
    let rows = tx.rows(&sql, &[(&bound, Type::INT8)]).await?;
    let row = rows.first().ok_or_else(|| ToolError::failed("a count gave no row"))?;
    let (counted, hash): (i64, Option<String>) = (cell(row, 0)?, cell(row, 1)?);
    let counted = counted.unsigned_abs();
    if counted <= left {
        let read = json!([relation.oid, counted, hash]);
        return Ok((part(counted, false, Some(Digest::of(&read))), read));
    }
    all.truncated = true;
    let read = Some(Digest::of(&json!([relation.oid, counted, hash])));
    Ok((part(left, true, read), json!([relation.oid, hash, known, sample(tx, relation, heap).await?])))
}

/// Which transactions wrote the rows, and how many of them each: a row that is written belongs to another one from then on,
/// one that is gone is missing. Where it lies is left out, since maintenance moves rows without writing them.
const DIGEST: &str = "SELECT count(*), pg_catalog.sum(pg_catalog.hashtextextended(q.wrote, 0))::text FROM \
    (SELECT t.xmin::text AS wrote";

/// A digest of the rows on pages all over a table, the same ones each time. The server's counters notice any write, but only
/// once its session has handed them in, up to some seconds after the commit and not before the end of a longer transaction;
/// the size notices growth at once, and the sample writes in bulk. All of them together are cheap for a table of any size.
async fn sample(tx: &Tx<'_>, relation: &Relation, heap: i64) -> Result<Value, ToolError> {
    let pages = (heap / PAGE).max(1);
    // In millionths of a hundredth, so that no number is written with an exponent.
    let share = (SAMPLE.saturating_mul(100_000_000) / pages).clamp(1, 100_000_000);
    let percent = format!("{}.{:06}", share / 1_000_000, share % 1_000_000);
    let sql =
        format!("{DIGEST} FROM ONLY {} AS t TABLESAMPLE SYSTEM ({percent}) REPEATABLE (0)) AS q", relation.quoted());
    let rows = tx.rows(&sql, &[]).await?;
    let row = rows.first().ok_or_else(|| ToolError::failed("a sample gave no row"))?;
    Ok(json!([cell::<i64>(row, 0)?, cell::<Option<String>>(row, 1)?]))
}
