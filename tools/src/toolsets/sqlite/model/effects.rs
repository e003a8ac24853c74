//! Runs one row-changing statement inside a transaction and finds out exactly what it changed.
//!
//! The authorizer tells which tables the statement, its triggers and its foreign keys may write; the update hook tells
//! which rowids they touched; a second connection still sees every row as it was. Where the hook is silent (tables without
//! rowids, rows that REPLACE pushed out, rowids that moved) the whole table is compared instead, up to a bound.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::cut_short::{self, Cut, Ended};
use super::effect::Effects;
use super::images::{self, ImageError, Images, RowImage, SequenceImage, TableImage};
use super::put_back::try_to_put_back;
use super::recorder::{Counts, Record, Recorder};
use super::schema::{self, Key, Kind, Table};
use super::stands::as_it_stands;
use super::trial::{self, Purpose, Ran, Trial};
use super::turns::Turn;
use crate::contract::{Digest, ToolError};
use crate::sql::Write;
use crate::text::{grouped, shown};
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::connect::room::Size;
use crate::toolsets::sqlite::connect::text;

/// Runs `statement` in a transaction of its own, which is left open on the returned connection.
///
/// # Errors
/// What SQLite says; nothing is committed.
pub(crate) fn run(
    site: &Site,
    statement: &str,
    write: &Write,
    purpose: Purpose,
) -> Result<(Connection, Effects), ToolError> {
    let (mut size, mut own_patterns) = (Size::Change, false);
    loop {
        // What the place for its rows holds is enough for most.
        let _place = size.is_longest().then(|| size.wait(site)).transpose()?;
        match attempt(site, statement, write, purpose, (size, own_patterns))? {
            Ended::Whole(ran) => return Ok(*ran),
            Ended::ForMoreRoom => size = size.for_longer(),
            Ended::ForOwnPatterns => own_patterns = true,
        }
        // Whoever tries a change out of the same database may be waiting for it.
        site.leave_rows();
    }
}

fn attempt(
    site: &Site,
    statement: &str,
    write: &Write,
    purpose: Purpose,
    (size, own_patterns): (Size, bool),
) -> Result<Ended, ToolError> {
    let (conn, mut turn) = match purpose {
        Purpose::Look => {
            let turn = Turn::wait(site)?;
            site.wait_for_rows()?;
            (site.open_for_trial()?, Some(turn))
        }
        Purpose::Change(_) => {
            site.wait_for_rows()?;
            (site.open_to_write()?, None)
        }
    };
    trial::begin(site, &conn, "BEGIN IMMEDIATE")?;
    if let Some(turn) = &mut turn {
        turn.holds();
    }
    let stands = as_it_stands(site, &conn, statement)?;
    if let Purpose::Change(approved) = purpose
        && stands == approved
    {
        return cut_short::unfollowed(site, conn, statement, approved, (size, own_patterns));
    }
    let recorder = Recorder::new(statement, site.limits.count);
    recorder.weight.within(size);
    let mut trial = Trial::begin(site, conn, purpose, turn, &recorder.weight)?;
    let ran = trial::perform(site, &mut trial.after, statement, &recorder, own_patterns);
    if let Some(again) = ran.as_ref().err().and_then(|error| Ended::again(&recorder, error, statement, own_patterns)) {
        return Ok(again);
    }
    let hurried = ran.as_ref().is_err_and(|error| recorder.weight.was_hurried(error, statement, own_patterns));
    if let Some(why) = trial.stopped(site, ran.as_ref().err(), hurried)? {
        let cut = Cut { heard: recorder.take(), ran: None, why, hurried };
        return cut_short::stopped(site, trial, statement, cut).map(Ended::whole);
    }
    let Ran { changed, returned } = ran.map_err(|error| trial::refusal(site, &trial.after, &recorder, &error))?;
    trial.reach(site, "reading")?;
    let record = recorder.take();
    let mut effects = if record.overflow {
        Effects { returned, ..too_many(site, &trial.before, record, changed)? }
    } else {
        let heard = Record { counts: record.counts.clone(), writable: record.writable.clone(), ..Record::default() };
        let gathering = Gathering { site, before: &trial.before, after: &trial.after, write, record, changed };
        match gathering.effects() {
            Ok(effects) => Effects { returned, ..effects },
            Err(error) => {
                let Some(why) = trial.stopped_by(site, &error)? else { return Err(explain(site, &error)) };
                let cut = Cut { heard, ran: Some(changed), why, hurried: false };
                return cut_short::stopped(site, trial, statement, cut).map(Ended::whole);
            }
        }
    };
    trial.reach(site, "putting back")?;
    if let (Purpose::Look, Some((was, is))) = (purpose, &effects.images)
        && let Err(error) = try_to_put_back(&mut trial.after, is, was)
    {
        // That time ran out says nothing about the rows.
        match trial.stopped_by(site, &error)? {
            Some(why) => effects.untested = Some(why),
            None => effects.obstacles.push(format!("putting the rows back was tried and failed: {error}")),
        }
        effects.images = None;
    }
    let conn = trial.cover(site, purpose, stands, &mut effects)?;
    Ok(Ended::whole((conn, effects)))
}

/// Counts only: there are more rows than may be kept.
fn too_many(site: &Site, before: &Connection, record: Record, changed: u64) -> Result<Effects, ToolError> {
    let hash: [u8; 32] = record.stream.finalize().into();
    let bound = grouped(site.limits.count);
    let mut uncovered = Vec::new();
    for name in &record.writable {
        let table = schema::find(before, name).map_err(|error| site.explain(&error))?;
        uncovered.extend(table.filter(|table| table.kind == Kind::Table));
    }
    Ok(Effects {
        counts: record.counts,
        changed,
        obstacles: vec![format!("more than {bound} rows change, too many to keep")],
        uncovered,
        fingerprint: Some(Digest::of(&json!({ "uid": site.uid, "rows": Digest::from_bytes(hash) }))),
        ..Effects::default()
    })
}

pub(crate) fn explain(site: &Site, error: &ImageError) -> ToolError {
    match error {
        ImageError::Sqlite(error) => site.explain(error),
        ImageError::Unfit(reason) => ToolError::refused(reason.clone()),
        ImageError::TooLarge => ToolError::refused("the rows there are now are too large to be compared"),
    }
}

/// Turning what the hooks heard into what changed.
struct Gathering<'a> {
    site: &'a Site,
    before: &'a Connection,
    after: &'a Connection,
    write: &'a Write,
    record: Record,
    changed: u64,
}

/// The rows of one table, as they were and as they are.
struct Pair {
    was: Vec<RowImage>,
    is: Vec<RowImage>,
}

impl Gathering<'_> {
    fn effects(mut self) -> Result<Effects, ImageError> {
        let mut effects = Effects { changed: self.changed, ..Effects::default() };
        let (mut was, mut is) = (Images::default(), Images::default());
        let mut digest = Sha256::new();
        let (mut weight, mut elsewhere) = (0, false);
        let tables = self.tables(&mut effects)?;
        let mut replaces = self.write.replaces;
        for table in &tables {
            for text in schema::text_of(self.after, &table.name)? {
                effects.volatile |= text::volatile(&text);
                elsewhere |= !text::only_new_rows(&text);
                replaces |= text::says(&text, "replace");
            }
        }
        // A row that another one replaces is made anew under its key.
        let anywhere = effects.volatile && (elsewhere || replaces);
        let mut compared = false;
        for table in tables.iter().filter(|table| table.kind == Kind::Table) {
            let whole = replaces || self.needs_comparing(table);
            compared |= whole;
            let Some(pair) = (if whole { self.compare(table)? } else { self.by_rowid(table)? }) else {
                let what =
                    if whole { "is too large to be compared as a whole" } else { "changes by too much to be kept" };
                effects.obstacles.push(format!("`{}` {what}", shown(&table.name)));
                effects.truncated |= whole;
                let heard: [u8; 32] = self.record.stream.clone().finalize().into();
                digest.update(heard);
                effects.uncovered.push(table.clone());
                continue;
            };
            if pair.was.is_empty() {
                continue;
            }
            self.count(&table.name, &pair, whole, &mut effects);
            self.feed(&mut digest, table, &pair, (effects.volatile, anywhere))?;
            effects.bytes += pair.was.iter().map(RowImage::weight).sum::<u64>();
            weight += pair.was.iter().chain(&pair.is).map(RowImage::weight).sum::<u64>();
            if weight <= self.site.limits.undo_bytes {
                let columns = table.stored();
                was.tables.push(TableImage { table: table.name.clone(), columns: columns.clone(), rows: pair.was });
                is.tables.push(TableImage { table: table.name.clone(), columns, rows: pair.is });
            }
        }
        for table in tables.iter().filter(|table| table.autoincrement) {
            was.sequences.push(images::sequence(self.before, &table.name)?);
            is.sequences.push(images::sequence(self.after, &table.name)?);
        }
        unchanged_out(&mut was.sequences, &mut is.sequences);
        self.doubt(compared, weight, &mut effects);
        let rows: [u8; 32] = digest.finalize().into();
        let counts: Vec<_> =
            effects.counts.iter().map(|(table, c)| json!([table, c.inserted, c.updated, c.deleted])).collect();
        let seen = json!({ "uid": self.site.uid, "rows": Digest::from_bytes(rows), "counts": counts, "changed": self.changed });
        effects.fingerprint = Some(Digest::of(&seen));
        effects.images = effects.obstacles.is_empty().then_some((was, is));
        Ok(effects)
    }

    /// The tables that may have changed. What is no plain table is an obstacle.
    fn tables(&mut self, effects: &mut Effects) -> Result<Vec<Table>, ImageError> {
        let mut names: BTreeSet<String> = std::mem::take(&mut self.record.writable);
        names.extend(self.record.touched.keys().cloned());
        let mut tables: Vec<Table> = Vec::new();
        for name in names {
            let Some(table) = schema::find(self.after, &name)? else { continue };
            match table.kind {
                Kind::Virtual => {
                    effects.obstacles.push(format!("`{}` is a virtual table, whose storage is its own", shown(&name)));
                }
                Kind::Table if table.key == Key::Hidden => {
                    effects.obstacles.push(format!(
                        "the columns of `{}` hide its rowid, so its rows cannot be told apart",
                        shown(&name)
                    ));
                }
                _ => {}
            }
            if !tables.iter().any(|there| there.name == table.name) {
                tables.push(table);
            }
        }
        Ok(tables)
    }

    /// Whether the update hook cannot be relied on for this table.
    fn needs_comparing(&self, table: &Table) -> bool {
        let moves_rowid = self.record.columns.iter().any(|(of, column)| {
            let is_rowid = table.rowid_column().is_some_and(|rowid| rowid.eq_ignore_ascii_case(column));
            of.eq_ignore_ascii_case(&table.name) && (is_rowid || column.eq_ignore_ascii_case("rowid"))
        });
        moves_rowid || matches!(table.key, Key::Columns(_))
    }

    fn by_rowid(&self, table: &Table) -> Result<Option<Pair>, ImageError> {
        let mut pair = Pair { was: Vec::new(), is: Vec::new() };
        if table.key == Key::Hidden {
            return Ok(Some(pair));
        }
        let mut room = self.site.limits.undo_bytes.saturating_mul(8);
        let mut read = |conn, key: &Value| images::read(conn, table, key, &mut room);
        for rowid in self.record.touched.get(&table.name).into_iter().flatten() {
            let key = Value::from(*rowid);
            let (was, is) = match (read(self.before, &key), read(self.after, &key)) {
                (Err(ImageError::TooLarge), _) | (_, Err(ImageError::TooLarge)) => return Ok(None),
                (was, is) => (was?, is?),
            };
            if was.is_some() || is.is_some() {
                pair.was.push(RowImage { key: key.clone(), row: was });
                pair.is.push(RowImage { key, row: is });
            }
        }
        Ok(Some(pair))
    }

    fn compare(&self, table: &Table) -> Result<Option<Pair>, ImageError> {
        let (rows, bytes) = (self.site.limits.count, self.site.limits.undo_bytes.saturating_mul(8));
        let mut pair = Pair { was: Vec::new(), is: Vec::new() };
        if table.key == Key::Hidden {
            return Ok(Some(pair));
        }
        let Some(mut was) = images::read_all(self.before, table, rows, bytes)? else { return Ok(None) };
        let Some(is) = images::read_all(self.after, table, rows, bytes)? else { return Ok(None) };
        for (text, image) in is {
            let old = was.remove(&text).unwrap_or(RowImage { key: image.key.clone(), row: None });
            if old != image {
                pair.was.push(old);
                pair.is.push(image);
            }
        }
        for old in was.into_values() {
            pair.is.push(RowImage { key: old.key.clone(), row: None });
            pair.was.push(old);
        }
        Ok(Some(pair))
    }

    /// What the hook counted, or what the comparison found where that is more.
    fn count(&self, table: &str, pair: &Pair, whole: bool, effects: &mut Effects) {
        let heard = self.record.counts.get(table).copied().unwrap_or_default();
        let mut found = Counts::default();
        for (was, is) in pair.was.iter().zip(&pair.is) {
            match (&was.row, &is.row) {
                (None, Some(_)) => found.inserted += 1,
                (Some(_), None) => found.deleted += 1,
                _ => found.updated += 1,
            }
        }
        // A row that only got another rowid was updated.
        if heard.deleted == 0 && heard.inserted == 0 {
            let moved = found.deleted.min(found.inserted).min(heard.updated);
            found.deleted -= moved;
            found.inserted -= moved;
            found.updated += moved;
        }
        effects.counts.insert(table.to_owned(), if whole { found } else { heard });
    }

    /// Adds the rows to the digest. A new row's rowid counts from the highest there was before, so that somebody else's
    /// insert does not move it; what the clock or chance decides, in new rows or anywhere, is left out.
    fn feed(
        &self,
        digest: &mut Sha256,
        table: &Table,
        pair: &Pair,
        (in_new_rows, anywhere): (bool, bool),
    ) -> Result<(), ImageError> {
        let highest = self.highest(table)?;
        let alias = table.rowid_column().and_then(|name| table.stored().iter().position(|column| column == name));
        for (was, is) in pair.was.iter().zip(&pair.is) {
            let (mut key, mut after) = (was.key.clone(), is.row.clone());
            if let (None, Some(row), Some(rowid)) = (&was.row, &mut after, key.as_i64())
                && matches!(table.key, Key::Rowid(_))
                && rowid > highest
            {
                key = json!({ "new": i128::from(rowid).saturating_sub(i128::from(highest)).to_string() });
                if let Some(cell) = alias.and_then(|at| row.get_mut(at)) {
                    *cell = key.clone();
                }
            }
            let volatile = anywhere || (in_new_rows && was.row.is_none());
            let after = if volatile { json!(after.is_some()) } else { json!(after) };
            digest.update(Digest::of(&json!([table.name, key, was.row, after])).as_bytes());
        }
        Ok(())
    }

    fn highest(&self, table: &Table) -> Result<i64, ImageError> {
        let Key::Rowid(name) = &table.key else { return Ok(0) };
        let name = if table.rowid_column().is_some() { text::quote(name) } else { name.clone() };
        let sql = format!("SELECT coalesce(max({name}), 0) FROM {}", text::quote(&table.name));
        let highest: i64 = self.before.query_row(&sql, [], |row| row.get(0))?;
        let remembered = images::sequence(self.before, &table.name)?.rows;
        Ok(remembered.iter().filter_map(|(_, seq)| seq.as_i64()).fold(highest, i64::max))
    }

    /// Finds what else speaks against putting the rows back.
    fn doubt(&self, compared: bool, weight: u64, effects: &mut Effects) {
        let heard = self.record.events;
        if !compared && effects.obstacles.is_empty() && heard != self.changed {
            let reason = format!("SQLite counted {} changed rows but named {heard}", self.changed);
            effects.obstacles.push(reason);
        }
        let most = self.site.limits.undo_bytes;
        if weight > most {
            effects.obstacles.push(format!("the rows before and after take {weight} bytes, more than the {most} kept"));
        }
        if !effects.obstacles.is_empty() {
            for (table, heard) in &self.record.counts {
                effects.counts.entry(table.clone()).or_insert(*heard);
            }
        }
    }
}

/// Takes out the sequences that did not move.
fn unchanged_out(was: &mut Vec<SequenceImage>, is: &mut Vec<SequenceImage>) {
    let moved: Vec<bool> = was.iter().zip(is.iter()).map(|(was, is)| was != is).collect();
    let mut at = moved.iter();
    was.retain(|_| at.next().copied().unwrap_or(true));
    let mut at = moved.iter();
    is.retain(|_| at.next().copied().unwrap_or(true));
}
