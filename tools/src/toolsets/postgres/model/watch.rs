//! Finds out, inside one transaction, exactly which rows something changed in it: cascades and triggers included.
//!
//! The server counts rows by table as they are written (`pg_stat_xact_*`). Which they are, the rows' own headers say:
//! before anything happens a portal is bound on each table that may be touched, which goes on seeing the rows as they
//! were; opened afterwards, it finds in `xmax` those that this transaction has replaced or deleted, and a second query
//! finds in `xmin` those that it wrote. The transaction is REPEATABLE READ, so that nobody else's rows come in between.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Portal;
use tokio_postgres::types::{ToSql, Type};

use super::catalog::cell;
use super::layout::Layout;
use super::rows::{self, RowImage};
use crate::contract::ToolError;
use crate::text::grouped;
use crate::toolsets::postgres::connect::Tx;

/// Rows of one table, as the server counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

impl Counts {
    pub(crate) const fn all(self) -> u64 {
        self.inserted + self.updated + self.deleted
    }
}

/// The rows of one table that something touched, each as it was and as it is, under the same keys.
pub(crate) struct Found {
    pub layout: Layout,
    pub was: Vec<RowImage>,
    pub is: Vec<RowImage>,
}

/// What was touched.
pub(crate) struct Touched {
    /// By table.
    pub counts: BTreeMap<u32, Counts>,
    /// The rows of the tables that were watched.
    pub found: Vec<Found>,
    /// Why the rows of others are not known.
    pub obstacles: Vec<String>,
    /// Tables that nobody watched.
    pub unwatched: Vec<u32>,
    /// The schema, or another thing of the catalogue, was changed.
    pub catalogue: bool,
}

/// A watch over tables.
pub(crate) struct Watch {
    transaction: i64,
    low: i64,
    multi: i64,
    before: BTreeMap<u32, Counts>,
    watched: Vec<(Layout, Portal)>,
}

/// Begins the work of a transaction in which everything is seen as of now: it has a number after that.
pub(crate) async fn numbered(tx: &Tx<'_>) -> Result<(), ToolError> {
    let counted: String = tx.value("SELECT pg_catalog.current_setting('track_counts')", &[]).await?;
    if counted != "on" {
        return Err(ToolError::refused("the server does not count rows, so nobody can say what would change")
            .with_next("a person who administers the server can set `track_counts = on`"));
    }
    tx.id().await.map(drop)
}

/// A distance between transaction numbers, which wrap around.
fn distance(to: &str, from: i64) -> String {
    format!("(({to})::pg_catalog.text::pg_catalog.int8 - {from} + 4294967296) % 4294967296")
}

impl Watch {
    /// Begins to watch. Under PostgreSQL's own search path, and in a savepoint of its own.
    pub(crate) async fn begin(tx: &Tx<'_>, layouts: Vec<Layout>) -> Result<Self, ToolError> {
        let transaction: i64 = tx.value("SELECT (pg_current_xact_id()::text::numeric % 4294967296)::int8", &[]).await?;
        let low = mark(tx, transaction).await?;
        let multi: i64 = tx.value("SELECT (mxid_age('1'::xid)::int8 + 4294967297) % 4294967296", &[]).await?;
        let mut watched = Vec::new();
        for layout in layouts.into_iter().filter(|layout| layout.kind == 'r' && layout.obstacle().is_none()) {
            let (by_us, by_many) = (distance("t.xmax", transaction), distance("t.xmax", multi));
            let sql = format!(
                "SELECT {by_us}, {by_many}, {} FROM ONLY {} AS t WHERE t.xmax <> '0'::xid \
                 AND ({by_us} < 2147483648 OR {by_many} < 2147483648)",
                rows::selection(&layout),
                layout.quoted()
            );
            let statement = tx.prepare(&sql).await?;
            let portal = tx.bind(&statement, &[]).await?;
            watched.push((layout, portal));
        }
        let before = counts(tx).await?;
        // What comes now has numbers of its own, whatever the transaction did before.
        tx.run("SAVEPOINT mollyguard_watch").await?;
        Ok(Self { transaction, low, multi, before, watched })
    }

    /// Says what happened since. Under PostgreSQL's own search path.
    pub(crate) async fn end(self, tx: &Tx<'_>) -> Result<Touched, ToolError> {
        let Self { transaction, low, multi, before, watched } = self;
        tx.run("RELEASE SAVEPOINT mollyguard_watch").await?;
        let mut touched = Touched {
            counts: BTreeMap::new(),
            found: Vec::new(),
            obstacles: Vec::new(),
            unwatched: Vec::new(),
            catalogue: false,
        };
        for (oid, now) in counts(tx).await? {
            let was = before.get(&oid).copied().unwrap_or_default();
            let since = Counts {
                inserted: now.inserted.saturating_sub(was.inserted),
                updated: now.updated.saturating_sub(was.updated),
                deleted: now.deleted.saturating_sub(was.deleted),
            };
            match since.all() > 0 {
                true if oid < 16_384 => touched.catalogue = true,
                true => drop(touched.counts.insert(oid, since)),
                false => {}
            }
        }
        let high = mark(tx, transaction).await?;
        let next: i64 = tx.value("SELECT (mxid_age('1'::xid)::int8 + 4294967297) % 4294967296", &[]).await?;
        let window = Window { transaction, low, high, many: (next - multi + (1 << 32)) % (1 << 32) };
        let known: BTreeSet<u32> = watched.iter().map(|(layout, _)| layout.oid).collect();
        touched.unwatched = touched.counts.keys().filter(|oid| !known.contains(oid)).copied().collect();
        let mut left = tx.site().limits.undo_bytes.saturating_mul(2);
        for (layout, portal) in watched {
            let Some(counts) = touched.counts.get(&layout.oid).copied() else { continue };
            match window.rows(tx, &layout, &portal, counts, &mut left).await? {
                Ok((was, is)) => touched.found.push(Found { layout, was, is }),
                Err(reason) => touched.obstacles.push(format!("{} {reason}", layout.shown())),
            }
        }
        Ok(touched)
    }
}

/// The numbers of this transaction's parts, as distances from its own number.
struct Window {
    transaction: i64,
    low: i64,
    high: i64,
    many: i64,
}

impl Window {
    async fn rows(
        &self,
        tx: &Tx<'_>,
        layout: &Layout,
        portal: &Portal,
        counts: Counts,
        left: &mut u64,
    ) -> Result<Result<(Vec<RowImage>, Vec<RowImage>), String>, ToolError> {
        let most = tx.site().limits.count;
        if counts.all() > most {
            return Ok(Err(format!("changes by {} rows, too many to keep", grouped(counts.all()))));
        }
        let mut was = BTreeMap::new();
        loop {
            const PAGE: i32 = 500;
            let page = tx.page(portal, PAGE).await?;
            for row in &page {
                let (by_us, by_many): (i64, i64) = (cell(row, 0)?, cell(row, 1)?);
                if (by_us > self.low && by_us < self.high) || by_many < self.many {
                    let image = rows::image(layout, row, 2)?;
                    *left = left.saturating_sub(image.weight());
                    was.insert(image.key.clone(), image);
                }
            }
            if *left == 0 || was.len() as u64 > most {
                return Ok(Err("changes by too much to be kept".into()));
            }
            if page.len() < PAGE.unsigned_abs() as usize {
                break;
            }
        }
        let mut keys: BTreeSet<Vec<String>> = was.keys().cloned().collect();
        let written = self.written(tx, layout, counts, left).await?;
        let Some(written) = written else { return Ok(Err("changes by too much to be kept".into())) };
        keys.extend(written);
        let keys: Vec<Vec<String>> = keys.into_iter().collect();
        let is = rows::current(tx, layout, &keys).await?;
        let was: Vec<RowImage> =
            keys.into_iter().map(|key| was.remove(&key).unwrap_or_else(|| RowImage::none(key))).collect();
        let balance = |images: &[RowImage]| images.iter().filter(|image| image.row.is_some()).count() as u64;
        // A second account of the same thing: the server's own.
        if balance(&was) + counts.inserted != balance(&is) + counts.deleted {
            return Ok(Err("changed in a way that the server's count does not confirm".into()));
        }
        Ok(Ok((was, is)))
    }

    /// The keys of the rows that were written.
    async fn written(
        &self,
        tx: &Tx<'_>,
        layout: &Layout,
        counts: Counts,
        left: &mut u64,
    ) -> Result<Option<Vec<Vec<String>>>, ToolError> {
        if counts.inserted + counts.updated == 0 {
            return Ok(Some(Vec::new()));
        }
        let by_us = distance("t.xmin", self.transaction);
        let keys: Vec<String> = layout.key().map(super::layout::Field::text).collect();
        let sql = format!(
            "SELECT pg_column_size(t.*)::int8, {} FROM ONLY {} AS t WHERE {by_us} > {} AND {by_us} < {} LIMIT {}",
            keys.join(", "),
            layout.quoted(),
            self.low,
            self.high,
            counts.inserted + counts.updated + 1
        );
        let mut found = Vec::new();
        for row in &tx.rows(&sql, &[]).await? {
            *left = left.saturating_sub(cell::<i64>(row, 0)?.unsigned_abs());
            found.push((1..=keys.len()).map(|at| cell(row, at)).collect::<Result<_, _>>()?);
        }
        Ok((*left > 0).then_some(found))
    }
}

/// The number that the next part of the transaction would get, as a distance from its own: taken in a savepoint that is
/// rolled back, by what needs a number and does nothing else.
async fn mark(tx: &Tx<'_>, transaction: i64) -> Result<i64, ToolError> {
    tx.run("SAVEPOINT mollyguard_mark").await?;
    tx.rows("SELECT pg_catalog.pg_logical_emit_message(true, '', '')::text", &[]).await?;
    let sql = "SELECT max((transactionid::text::int8 - $1 + 4294967296) % 4294967296) FROM pg_catalog.pg_locks \
        WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND pid = pg_backend_pid()";
    let mark = tx.value(sql, &[(&transaction as &(dyn ToSql + Sync), Type::INT8)]).await?;
    tx.run("ROLLBACK TO SAVEPOINT mollyguard_mark; RELEASE SAVEPOINT mollyguard_mark").await?;
    Ok(mark)
}

async fn counts(tx: &Tx<'_>) -> Result<BTreeMap<u32, Counts>, ToolError> {
    let sql = "SELECT c.oid, pg_stat_get_xact_tuples_inserted(c.oid), pg_stat_get_xact_tuples_updated(c.oid), \
        pg_stat_get_xact_tuples_deleted(c.oid) FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'm')";
    let mut found = BTreeMap::new();
    for row in &tx.rows(sql, &[]).await? {
        let number = |at| cell::<i64>(row, at).map(i64::unsigned_abs);
        let counts = Counts { inserted: number(1)?, updated: number(2)?, deleted: number(3)? };
        if counts.all() > 0 {
            found.insert(cell(row, 0)?, counts);
        }
    }
    Ok(found)
}
