//! Puts rows back exactly, or not at all: triggers are kept from running, foreign keys stay in force, and afterwards it is
//! looked at whether every row is as it was and nothing else moved.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;

use super::catalog::cell;
use super::involved;
use super::layout::{self, Layout};
use super::quarantine::TRASH;
use super::rows::{self, Images, RowImage, TableImage};
use super::sequences;
use super::types;
use super::watch::{Touched, Watch};
use crate::contract::ToolError;
use crate::sql::Verb;
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;

/// What is done to the rows of the tables.
#[derive(Clone, Copy)]
enum Step {
    /// Rows whose key changed are changed in place.
    Move,
    /// Rows that are gone are put in, first those that others refer to.
    Insert,
    /// Rows that differ are set back.
    Update,
    /// Rows that were not there are taken away, last those that others refer to.
    Delete,
}

/// No order suits every combination of foreign keys and unique columns: the first that comes out right is taken.
const WAYS: [&[Step]; 4] = [
    &[Step::Insert, Step::Update, Step::Delete],
    &[Step::Delete, Step::Update, Step::Insert],
    &[Step::Move, Step::Insert, Step::Update, Step::Delete],
    &[Step::Update, Step::Delete, Step::Insert],
];

/// Names and types are read under PostgreSQL's own search path and in one form, and code of the database runs under the
/// role's settings.
pub(crate) struct Paths {
    role: Vec<String>,
}

/// What decides how values read and write as text, besides what every transaction of ours sets.
const FORMATS: [(&str, &str); 4] =
    [("lc_monetary", "C"), ("xmloption", "content"), ("array_nulls", "on"), ("quote_all_identifiers", "off")];

impl Paths {
    pub(crate) async fn of(tx: &Tx<'_>) -> Result<Self, ToolError> {
        let setting = |name: &str| format!("pg_catalog.current_setting('{name}')");
        let formats = FORMATS.map(|(name, _)| setting(name)).join(", ");
        Ok(Self { role: tx.value(&format!("SELECT ARRAY[{}, {formats}]", setting("search_path")), &[]).await? })
    }

    /// Everything as the role has it: what it sends runs like this.
    pub(crate) async fn role(&self, tx: &Tx<'_>) -> Result<(), ToolError> {
        let names = std::iter::once("search_path").chain(FORMATS.map(|(name, _)| name));
        let set = names.enumerate().map(|(at, name)| format!("pg_catalog.set_config('{name}', $1[{}], true)", at + 1));
        let sql = format!("SELECT {}", set.collect::<Vec<_>>().join(", "));
        tx.rows(&sql, &[(&self.role as _, Type::TEXT_ARRAY)]).await.map(drop)
    }

    /// The role's search path, and our forms: rows are written like this.
    async fn rows(&self, tx: &Tx<'_>) -> Result<(), ToolError> {
        let path = self.role.first().cloned().unwrap_or_default();
        let sql = "SELECT pg_catalog.set_config('search_path', $1, true)";
        tx.rows(sql, &[(&path as _, Type::TEXT)]).await.map(drop)
    }

    pub(crate) async fn own(&self, tx: &Tx<'_>) -> Result<(), ToolError> {
        let formats = FORMATS.map(|(name, value)| format!("; SET LOCAL {name} = '{value}'")).concat();
        tx.run(&format!("SET LOCAL search_path = pg_catalog, pg_temp{formats}")).await
    }
}

/// The tables of these images as they are now, in the images' order; or why the rows do not fit them any more.
pub(crate) async fn tables(tx: &Tx<'_>, images: &Images) -> Result<Vec<Layout>, ToolError> {
    let mut found: BTreeMap<u32, Layout> =
        layout::layouts(tx, &images.oids()).await?.into_iter().map(|layout| (layout.oid, layout)).collect();
    let mut tables = Vec::new();
    for image in &images.tables {
        let name = format!("{}.{}", shown(&image.schema), shown(&image.table));
        let layout = found.remove(&image.oid);
        let layout = layout.ok_or_else(|| ToolError::not_found(format!("the table {name} is not there any more")))?;
        if layout.schema.starts_with(TRASH) {
            return Err(ToolError::refused(format!(
                "the rows cannot be put back: {name} was dropped, and what lies in the quarantine is to come back whole"
            ))
            .with_next("undo the call that dropped it first, then this one"));
        }
        match image.misfit(&layout).or_else(|| layout.obstacle()) {
            Some(reason) => return Err(ToolError::refused(format!("the rows cannot be put back: {reason}"))),
            None => tables.push(layout),
        }
    }
    let types = match images.types.is_empty() {
        true => Vec::new(),
        false => types::images(tx, &images.oids()).await?,
    };
    if let Some(other) = images.types.iter().find(|then| !then.holds_in(&types)) {
        let what = format!("the type {} is no longer as it was", shown(&other.name));
        return Err(ToolError::refused(format!("the rows cannot be put back: {what}")));
    }
    Ok(tables)
}

/// The rows of these images as they are now.
pub(crate) async fn now(tx: &Tx<'_>, layouts: &[Layout], images: &Images) -> Result<Images, ToolError> {
    let mut tables = Vec::new();
    for (layout, image) in layouts.iter().zip(&images.tables) {
        let keys: Vec<Vec<String>> = image.rows.iter().map(|row| row.key.clone()).collect();
        let mut now = TableImage::of(layout, rows::current(tx, layout, &keys).await?);
        if image.numbers.is_empty() {
            now.numbers.clear();
        }
        tables.push(now);
    }
    let types = types::images(tx, &images.oids()).await?;
    Ok(Images { tables, sequences: sequences::again(tx, &images.sequences).await?, types })
}

/// Puts rows and sequences back, and leaves the transaction as it was where that does not come out right: why. The
/// sequences are held already.
pub(crate) async fn put_back(
    tx: &Tx<'_>,
    paths: &Paths,
    layouts: &[Layout],
    then: &Images,
) -> Result<Result<(), String>, ToolError> {
    tx.run("SAVEPOINT mollyguard_back").await?;
    let done = quietly(tx, paths, layouts, then).await;
    paths.own(tx).await.ok();
    match done {
        Ok(()) => tx.run("RELEASE SAVEPOINT mollyguard_back").await.map(Ok),
        Err(error) => {
            tx.run("ROLLBACK TO SAVEPOINT mollyguard_back").await?;
            paths.own(tx).await?;
            Ok(Err(error.to_string()))
        }
    }
}

async fn quietly(tx: &Tx<'_>, paths: &Paths, layouts: &[Layout], then: &Images) -> Result<(), ToolError> {
    let (off, on): (String, String) = layouts.iter().map(layout::without_triggers).unzip();
    if !off.is_empty() {
        tx.run(&off).await?;
    }
    let order = parents_first(tx, layouts).await?;
    // What a foreign key may change on the way is watched as well.
    let reached = involved::involved(tx, &then.oids(), Verb::Update, "").await?;
    let reached: Vec<u32> = reached.tables.into_iter().collect();
    let mut last = ToolError::refused("there is no way to put the rows back");
    for way in WAYS {
        tx.run("SAVEPOINT mollyguard_way").await?;
        let work = Work { tx, paths, layouts, then, order: &order };
        match work.go(way, &reached).await {
            Ok(()) => {
                for sequence in &then.sequences {
                    sequences::set(tx, sequence).await?;
                }
                return match on.is_empty() {
                    true => Ok(()),
                    false => tx.run(&on).await,
                };
            }
            Err(error) => last = error,
        }
        tx.run("ROLLBACK TO SAVEPOINT mollyguard_way").await?;
        paths.own(tx).await?;
    }
    Err(last)
}

/// Places in `layouts`, first those that others refer to.
async fn parents_first(tx: &Tx<'_>, layouts: &[Layout]) -> Result<Vec<usize>, ToolError> {
    let oids: Vec<u32> = layouts.iter().map(|layout| layout.oid).collect();
    // A partition's foreign keys, and those that point to it, are its parent's.
    let sql = "WITH RECURSIVE f (leaf, rel) AS (SELECT o, o FROM unnest($1) AS o UNION \
          SELECT f.leaf, i.inhparent FROM f JOIN pg_catalog.pg_inherits i ON i.inhrelid = f.rel) \
        SELECT DISTINCT c.leaf, p.leaf FROM pg_catalog.pg_constraint k JOIN f c ON c.rel = k.conrelid \
        JOIN f p ON p.rel = k.confrelid WHERE k.contype = 'f' AND c.leaf <> p.leaf";
    let mut refers: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for row in &tx.rows(sql, &[(&oids as _, Type::OID_ARRAY)]).await? {
        refers.entry(cell(row, 0)?).or_default().insert(cell(row, 1)?);
    }
    let mut left: Vec<usize> = (0..layouts.len()).collect();
    let mut order: Vec<usize> = Vec::new();
    while !left.is_empty() {
        let waits = |at: &usize| {
            let parents = oids.get(*at).and_then(|oid| refers.get(oid));
            parents.is_some_and(|parents| left.iter().any(|at| oids.get(*at).is_some_and(|oid| parents.contains(oid))))
        };
        // In a circle one of them has to be first.
        let next = left.iter().position(|at| !waits(at)).unwrap_or(0);
        order.push(left.remove(next));
    }
    Ok(order)
}

struct Work<'a, 'tx> {
    tx: &'a Tx<'tx>,
    paths: &'a Paths,
    layouts: &'a [Layout],
    then: &'a Images,
    order: &'a [usize],
}

impl Work<'_, '_> {
    async fn go(&self, way: &[Step], reached: &[u32]) -> Result<(), ToolError> {
        let watch = Watch::begin(self.tx, layout::layouts(self.tx, reached).await?).await?;
        for step in way {
            match step {
                Step::Delete => {
                    for at in self.order.iter().rev() {
                        self.step(*step, *at).await?;
                    }
                }
                Step::Move | Step::Insert | Step::Update => {
                    for at in self.order {
                        self.step(*step, *at).await?;
                    }
                }
            }
        }
        self.tx.run("SET CONSTRAINTS ALL IMMEDIATE").await?;
        let touched = watch.end(self.tx).await?;
        self.came_out(&touched).await
    }

    async fn step(&self, step: Step, at: usize) -> Result<(), ToolError> {
        let (Some(layout), Some(image)) = (self.layouts.get(at), self.then.tables.get(at)) else { return Ok(()) };
        let keys: Vec<Vec<String>> = image.rows.iter().map(|row| row.key.clone()).collect();
        // A foreign key may have put some of them back already.
        let now = rows::current(self.tx, layout, &keys).await?;
        let pairs: Vec<(&RowImage, &RowImage)> =
            now.iter().zip(&image.rows).filter(|(now, then)| now != then).collect();
        let missing = || pairs.iter().filter(|(now, _)| now.row.is_none()).map(|(_, then)| *then);
        let extra = || pairs.iter().filter(|(_, then)| then.row.is_none()).map(|(now, _)| *now);
        self.paths.rows(self.tx).await?;
        match step {
            Step::Insert => {
                let rows: Vec<_> = missing().collect();
                if !rows.is_empty() {
                    rows::insert(self.tx, layout, &rows).await?;
                }
            }
            Step::Delete => {
                let rows: Vec<_> = extra().collect();
                if !rows.is_empty() {
                    rows::delete(self.tx, layout, &rows).await?;
                }
            }
            Step::Update => {
                let both = |(now, then): &&(&RowImage, &RowImage)| now.row.is_some() && then.row.is_some();
                let rows: Vec<_> = pairs.iter().filter(both).copied().collect();
                if !rows.is_empty() {
                    rows::update(self.tx, layout, &rows).await?;
                }
            }
            Step::Move => {
                let rows: Vec<_> = extra().zip(missing()).collect();
                if !rows.is_empty() {
                    rows::update(self.tx, layout, &rows).await?;
                }
            }
        }
        self.paths.own(self.tx).await
    }

    /// Whether every row is as it is to be, and no other one was changed.
    async fn came_out(&self, touched: &Touched) -> Result<(), ToolError> {
        let wrong = |what: String| Err(ToolError::refused(format!("putting the rows back would {what}")));
        if let Some(reason) = touched.obstacles.first() {
            return wrong(format!("do more than can be looked at: {reason}"));
        }
        if !touched.unwatched.is_empty() {
            return wrong("change rows of other tables".into());
        }
        for found in &touched.found {
            let image = self.then.tables.iter().find(|image| image.oid == found.layout.oid);
            let keys: BTreeSet<&Vec<String>> = image.iter().flat_map(|image| &image.rows).map(|row| &row.key).collect();
            let other = found.was.iter().zip(&found.is).find(|(was, is)| was != is && !keys.contains(&was.key));
            if other.is_some() {
                return wrong(format!("change other rows of {} as well", found.layout.shown()));
            }
        }
        for (layout, image) in self.layouts.iter().zip(&self.then.tables) {
            let keys: Vec<Vec<String>> = image.rows.iter().map(|row| row.key.clone()).collect();
            if rows::current(self.tx, layout, &keys).await? != image.rows {
                return wrong(format!("leave rows of {} otherwise than they were", layout.shown()));
            }
        }
        Ok(())
    }
}
