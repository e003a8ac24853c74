//! Removing what is old: of each stream its first records, and with them the calls, questions and approvals they tell of.
//!
//! A row goes with the record that tells of its beginning, and a record goes only where every row it speaks of is gone or
//! goes as well: what is left tells one story. Where that does not hold, the stream is cut before it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use mollyguard_tools::contract::{Digest, Timestamp};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::grants;
use super::operator_rows;
use super::rows::{CallRow, ConfirmationRow};
use super::schema::failed;
use super::writing::Writing;
use crate::audit::chain::{digest, genesis};
use crate::audit::{AuditEvent, AuditRecord, Enrolled, Mark};
use crate::store::rules::confirmations;
use crate::store::rules::people::NOBODY;
use crate::store::{Pruned, StoreError};

/// How many records are looked at in one transaction: other processes wait for it.
const AT_ONCE: usize = 2_048;

/// The most, where nothing of fewer can go: a question may be answered and used many records later.
const AT_MOST: usize = 32_768;

/// How long one transaction looks at records.
const LOOKING: Duration = Duration::from_millis(500);

/// A row that records tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    Call(Uuid),
    Question(Uuid),
    Grant(Uuid),
}

/// The first records of a stream, the oldest first, and how many of them can go.
struct Old {
    stream: Uuid,
    first: u64,
    records: Vec<AuditRecord>,
    cut: usize,
}

/// See [`crate::store::Records::prune`].
pub(super) fn prune(writing: &mut Writing<'_>, before: Timestamp) -> Result<Pruned, StoreError> {
    let until = Instant::now() + LOOKING;
    let marks = believed(writing)?;
    let streams = not_held_up(writing, before, &marks)?;
    let mut at_once = AT_ONCE;
    loop {
        let (mut old, all) = read_old(writing.connection, &streams, before, at_once, until)?;
        let going = cut(writing, before, &mut old)?;
        if old.iter().any(|old| old.cut > 0) {
            return remove(writing, Pruned { more: !all, ..Pruned::none(before) }, &old, &going, marks);
        }
        if all || at_once >= AT_MOST || Instant::now() >= until {
            return Ok(Pruned::none(before));
        }
        at_once *= 4;
    }
}

/// A stream and where it begins: its name, the place of its first record, and what that follows.
struct Begun {
    name: String,
    stream: Uuid,
    first: u64,
    previous: Digest,
}

/// The streams whose first record is older than what is kept, and not held up by what is newer: however many stand behind it,
/// none of those can go before it.
fn not_held_up(
    writing: &Writing<'_>,
    before: Timestamp,
    marks: &HashMap<Uuid, Mark>,
) -> Result<Vec<Begun>, StoreError> {
    let mut streams =
        writing.connection.prepare_cached("SELECT stream, seq FROM heads ORDER BY stream").map_err(failed)?;
    let streams = streams
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(failed)?;
    let mut rows = Rows::new(writing, before);
    let mut free = Vec::new();
    for (name, last) in streams {
        let stream = super::rows::read_id("a stream", &name)?;
        let mark = marks.get(&stream);
        let (first, previous) = mark.map_or_else(|| (0, genesis(stream)), |mark| (mark.first, mark.previous));
        if first > last.cast_unsigned() {
            continue;
        }
        let begun = Begun { name, stream, first, previous };
        if let [record] = read_stream(writing.connection, &begun, before, 1)?.as_slice()
            && !rows.is_held_up(record)?
        {
            free.push(begun);
        }
    }
    Ok(free)
}

/// Where streams begin that were pruned, by stream, each with its seal.
pub(super) fn marks(connection: &Connection) -> Result<Vec<(Mark, String)>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT stream, first, previous, pruning, seal FROM marks ORDER BY stream")
        .map_err(failed)?;
    let mut rows = query.query([]).map_err(failed)?;
    let mut marks = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let (stream, previous): (String, String) = (row.get(0).map_err(failed)?, row.get(2).map_err(failed)?);
        let (first, pruning): (i64, i64) = (row.get(1).map_err(failed)?, row.get(3).map_err(failed)?);
        let (Ok(id), Some(previous)) = (stream.parse(), Digest::parse(&previous)) else {
            return Err(StoreError::Corrupt(format!("where stream `{stream}` begins cannot be read")));
        };
        let mark = Mark { stream: id, first: first.cast_unsigned(), previous, pruning: pruning.cast_unsigned() };
        marks.push((mark, row.get(4).map_err(failed)?));
    }
    Ok(marks)
}

/// The marks as they were left, or an error: a mark that is not ours would hide what it stands for.
fn believed(writing: &Writing<'_>) -> Result<HashMap<Uuid, Mark>, StoreError> {
    let mut believed = HashMap::new();
    for (mark, seal) in marks(writing.connection)? {
        if writing.seals.seal(Mark::SEALED, &mark.columns()).to_string() != seal {
            return Err(not_sound(mark.stream, mark.first));
        }
        believed.insert(mark.stream, mark);
    }
    Ok(believed)
}

fn not_sound(stream: Uuid, seq: u64) -> StoreError {
    StoreError::Corrupt(format!(
        "record {seq} of stream {stream} is not as it was written, so nothing is pruned: see `mollyguard audit verify`"
    ))
}

/// The first records of these streams that were made before then, each with its share of `at_once`; and whether that is all
/// of them.
fn read_old(
    connection: &Connection,
    streams: &[Begun],
    before: Timestamp,
    at_once: usize,
    until: Instant,
) -> Result<(Vec<Old>, bool), StoreError> {
    let share = (at_once / streams.len().max(1)).max(64);
    let (mut old, mut all) = (Vec::new(), true);
    for begun in streams {
        if Instant::now() >= until && !old.is_empty() {
            return Ok((old, false));
        }
        let records = read_stream(connection, begun, before, share)?;
        all &= records.len() < share;
        old.push(Old { stream: begun.stream, first: begun.first, cut: records.len(), records });
    }
    Ok((old, all))
}

fn read_stream(
    connection: &Connection,
    begun: &Begun,
    before: Timestamp,
    most: usize,
) -> Result<Vec<AuditRecord>, StoreError> {
    let (name, stream, first, mut previous) = (&begun.name, begun.stream, begun.first, begun.previous);
    let mut query = connection
        .prepare_cached("SELECT record FROM records WHERE stream = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3")
        .map_err(failed)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = query.query(params![name, first.cast_signed(), most]).map_err(failed)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let seq = first + records.len() as u64;
        let text: String = row.get(0).map_err(failed)?;
        let record: AuditRecord = serde_json::from_str(&text).map_err(|_| not_sound(stream, seq))?;
        // What was edited is evidence: it stays until somebody has looked.
        let sound = (record.stream, record.seq, record.previous) == (stream, seq, previous);
        if !sound || digest(&record) != record.digest {
            return Err(not_sound(stream, seq));
        }
        if record.at >= before {
            break;
        }
        previous = record.digest;
        records.push(record);
    }
    Ok(records)
}

/// Cuts every stream before the first record that has to stay. Gives the rows that go.
fn cut(writing: &Writing<'_>, before: Timestamp, old: &mut [Old]) -> Result<HashSet<Told>, StoreError> {
    let mut rows = Rows::new(writing, before);
    loop {
        let going: HashSet<Told> =
            old.iter().flat_map(|old| old.records.iter().take(old.cut)).filter_map(begins).collect();
        let mut changed = false;
        for old in old.iter_mut() {
            for (at, record) in old.records.iter().take(old.cut).enumerate() {
                if !rows.can_go(record, &going)? {
                    (old.cut, changed) = (at, true);
                    break;
                }
            }
        }
        if !changed {
            return Ok(going);
        }
    }
}

/// The row that begins with this record.
const fn begins(record: &AuditRecord) -> Option<Told> {
    match (&record.event, record.subject.call) {
        (AuditEvent::Started { .. }, Some(call)) => Some(Told::Call(call)),
        (AuditEvent::Asked { confirmation, .. }, _) => Some(Told::Question(*confirmation)),
        (AuditEvent::Granted { grant, .. }, _) => Some(Told::Grant(*grant)),
        _ => None,
    }
}

/// The rows this record says something of that they say as well.
fn speaks_of(record: &AuditRecord) -> Vec<Told> {
    match (&record.event, record.subject.call) {
        (AuditEvent::Started { confirmation, undoes, .. }, Some(call)) => {
            let others = confirmation.map(Told::Question).into_iter().chain(undoes.map(Told::Call));
            std::iter::once(Told::Call(call)).chain(others).collect()
        }
        (AuditEvent::Finished { .. } | AuditEvent::Undone { .. }, Some(call)) => vec![Told::Call(call)],
        (AuditEvent::Asked { confirmation, .. } | AuditEvent::Answered { confirmation, .. }, _) => {
            vec![Told::Question(*confirmation)]
        }
        (AuditEvent::Granted { grant, .. } | AuditEvent::GrantEnded { grant, .. }, _) => vec![Told::Grant(*grant)],
        _ => Vec::new(),
    }
}

/// What is asked of the tables, each once.
struct Rows<'a> {
    writing: &'a Writing<'a>,
    before: Timestamp,
    is_there: HashMap<Told, bool>,
    is_over: HashMap<Told, bool>,
    rests: HashMap<Told, Vec<Told>>,
}

impl<'a> Rows<'a> {
    fn new(writing: &'a Writing<'a>, before: Timestamp) -> Self {
        Self { writing, before, is_there: HashMap::new(), is_over: HashMap::new(), rests: HashMap::new() }
    }

    /// Whether it has to stay whatever else can go: something it tells of, or that rests on that, is newer or in use.
    fn is_held_up(&mut self, record: &AuditRecord) -> Result<bool, StoreError> {
        let mut told = speaks_of(record);
        if let Some(row) = begins(record) {
            told.extend_from_slice(self.rest_on(row)?);
        }
        for row in told {
            if self.is_there(row)? && !self.is_over(row)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn can_go(&mut self, record: &AuditRecord, going: &HashSet<Told>) -> Result<bool, StoreError> {
        for told in speaks_of(record) {
            if !going.contains(&told) && self.is_there(told)? {
                return Ok(false);
            }
        }
        let Some(row) = begins(record) else { return Ok(true) };
        if !self.is_over(row)? {
            return Ok(false);
        }
        Ok(self.rest_on(row)?.iter().all(|other| going.contains(other)))
    }

    fn is_there(&mut self, told: Told) -> Result<bool, StoreError> {
        if let Some(known) = self.is_there.get(&told) {
            return Ok(*known);
        }
        let (table, id) = match told {
            Told::Call(id) => ("calls", id),
            Told::Question(id) => ("confirmations", id),
            Told::Grant(id) => ("grants", id),
        };
        let is_there = ids(self.writing.connection, &format!("SELECT id FROM {table} WHERE id = ?1"), id)?.len() == 1;
        self.is_there.insert(told, is_there);
        Ok(is_there)
    }

    /// Whether it is older than what is kept, and nothing comes of it any more. A row that is gone, though its record is
    /// there, is evidence, and stays as it is.
    fn is_over(&mut self, told: Told) -> Result<bool, StoreError> {
        if let Some(known) = self.is_over.get(&told) {
            return Ok(*known);
        }
        let Writing { connection, seals, .. } = *self.writing;
        let is_over = match told {
            Told::Call(id) => CallRow::find(connection, id, seals)?
                .is_some_and(|row| row.finished_at.is_some_and(|at| at < self.before.as_millisecond())),
            Told::Question(id) => ConfirmationRow::find(connection, id, seals)?
                .is_some_and(|(question, state)| confirmations::is_over(&question, &state, self.before)),
            Told::Grant(id) => grants::is_over(connection, id, self.before, seals)?,
        };
        self.is_over.insert(told, is_over);
        Ok(is_over)
    }

    /// The rows that refer to this one.
    fn rest_on(&mut self, told: Told) -> Result<&[Told], StoreError> {
        if !self.rests.contains_key(&told) {
            let connection = self.writing.connection;
            let rests = match told {
                Told::Call(id) => {
                    ids(connection, "SELECT id FROM calls WHERE undoes = ?1", id)?.into_iter().map(Told::Call).collect()
                }
                Told::Question(id) => {
                    let calls = ids(connection, "SELECT id FROM calls WHERE confirmation = ?1", id)?;
                    let grants = ids(connection, "SELECT id FROM grants WHERE confirmation = ?1", id)?;
                    calls.into_iter().map(Told::Call).chain(grants.into_iter().map(Told::Grant)).collect()
                }
                Told::Grant(id) => ids(connection, "SELECT call FROM granted_calls WHERE granted = ?1", id)?
                    .into_iter()
                    .map(Told::Call)
                    .collect(),
            };
            self.rests.insert(told, rests);
        }
        Ok(self.rests.get(&told).map_or(&[], Vec::as_slice))
    }
}

fn ids(connection: &Connection, sql: &str, of: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let mut query = connection.prepare_cached(sql).map_err(failed)?;
    let found = query
        .query_map([of.to_string()], |row| row.get::<_, String>(0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(failed)?;
    found.iter().map(|id| super::rows::read_id("a row", id)).collect()
}

/// Removes what is to go, and writes down that it went: what is known of it so far, the streams and the rows, and where
/// streams began before.
fn remove(
    writing: &mut Writing<'_>,
    mut pruned: Pruned,
    old: &[Old],
    going: &HashSet<Told>,
    mut marks: HashMap<Uuid, Mark>,
) -> Result<Pruned, StoreError> {
    let connection = writing.connection;
    let run = |sql: &str, with: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).and_then(|mut run| run.execute(with)).map_err(failed)
    };
    // Rows of one table refer to each other, and all of them go.
    connection.pragma_update(None, "defer_foreign_keys", true).map_err(failed)?;
    for row in going {
        match row {
            Told::Call(id) => {
                run("DELETE FROM granted_calls WHERE call = ?1", &[&id.to_string()])?;
                run("DELETE FROM calls WHERE id = ?1", &[&id.to_string()])?;
                pruned.calls += 1;
            }
            Told::Question(id) => {
                run("DELETE FROM aims WHERE confirmation = ?1", &[&id.to_string()])?;
                run("DELETE FROM confirmations WHERE id = ?1", &[&id.to_string()])?;
                pruned.questions += 1;
            }
            Told::Grant(id) => {
                run("DELETE FROM grants WHERE id = ?1", &[&id.to_string()])?;
                pruned.grants += 1;
            }
        }
    }
    let pruning = 1 + marks.values().map(|mark| mark.pruning).max().unwrap_or(0);
    for old in old {
        let Some(last) = old.cut.checked_sub(1).and_then(|last| old.records.get(last)) else { continue };
        let mark = Mark { stream: old.stream, first: last.seq + 1, previous: last.digest, pruning };
        let (stream, first) = (mark.stream.to_string(), mark.first.cast_signed());
        run("DELETE FROM records WHERE stream = ?1 AND seq < ?2", &[&stream, &first])?;
        let seal = writing.seals.seal(Mark::SEALED, &mark.columns()).to_string();
        run(
            "INSERT INTO marks (stream, first, previous, pruning, seal) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (stream) DO UPDATE SET first = ?2, previous = ?3, pruning = ?4, seal = ?5",
            &[&stream, &first, &mark.previous.to_string(), &pruning.cast_signed(), &seal],
        )?;
        pruned.records += mark.first - old.first;
        marks.insert(mark.stream, mark);
    }
    let marks: Vec<Mark> = marks.into_values().collect();
    let Pruned { before, records, calls, questions, grants, .. } = pruned;
    let (marks, passkeys) = (Mark::digest_of(&marks), enrolled(writing)?);
    let event = AuditEvent::Pruned { pruning, before, records, calls, questions, grants, marks, passkeys };
    writing.append(NOBODY, event)?;
    Ok(pruned)
}

fn enrolled(writing: &Writing<'_>) -> Result<Vec<Enrolled>, StoreError> {
    let operators = operator_rows::all(writing.connection, writing.seals)?.into_iter();
    let each = |operator: crate::model::Operator| {
        let id = operator.id;
        operator.passkeys.into_iter().map(move |passkey| Enrolled { operator: id, passkey })
    };
    Ok(operators.flat_map(each).collect())
}
