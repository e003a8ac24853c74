//! Looking for what can go: old records, read on and on until some of them can, a bounded number at a time and without keeping
//! anybody from writing. What was read is kept from one step to the next.

use std::collections::{HashMap, HashSet};

use mollyguard_tools::contract::{Digest, Timestamp};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::super::rows::read_id;
use super::super::schema::failed;
use super::rows::{Rows, Tells, Told};
use super::{believed, not_sound};
use crate::audit::chain::{digest, genesis};
use crate::audit::{ArgsKey, AuditRecord, Mark};
use crate::store::StoreError;

/// How many records are read in one step. Tests have fewer of them.
const AT_ONCE: usize = if cfg!(test) { 64 } else { 2_048 };

/// How many are kept at most, where none of fewer can go: a question may be answered and used many records later.
const AT_MOST: usize = 32_768;

/// How many rows are taken to be gone at most, where nothing is removed.
const GONE: usize = 1 << 20;

/// What is known of the old records so far.
pub(in super::super) struct Look {
    before: Timestamp,
    /// Where streams began when it was begun.
    marks: Vec<Mark>,
    streams: Option<Vec<Old>>,
    /// So many are to be read of all streams together before anything is decided.
    wanted: usize,
    /// What is taken to be removed already.
    pub(super) gone: HashSet<Told>,
}

/// The first records of a stream that were made before then, as far as they were read.
pub(in super::super) struct Old {
    pub(super) name: String,
    pub(super) stream: Uuid,
    /// The place of the first, and what that follows.
    pub(super) first: u64,
    pub(super) previous: Digest,
    records: Vec<(Digest, Tells)>,
    /// There are no more.
    whole: bool,
    /// How many of them can go.
    pub(super) cut: usize,
}

/// What a step has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Step {
    /// More has to be read.
    Further,
    /// Some can go; and whether those are all that were made before then.
    Found { all: bool },
    /// None can.
    Nothing,
}

impl Old {
    /// The place and the digest of the last that can go.
    pub(super) fn last(&self) -> Option<(u64, Digest)> {
        let at = self.cut.checked_sub(1)?;
        self.records.get(at).map(|(digest, _)| (self.first + at as u64, *digest))
    }

    /// The rows that begin with those that can go.
    fn going(&self) -> impl Iterator<Item = Told> {
        self.records.iter().take(self.cut).filter_map(|(_, record)| record.begins)
    }

    /// Where the next is to be read, and what it follows.
    fn end(&self) -> (u64, Digest) {
        let last = self.records.last().map_or(self.previous, |(digest, _)| *digest);
        (self.first + self.records.len() as u64, last)
    }

    /// Reads so many more.
    fn read_on(&mut self, connection: &Connection, before: Timestamp, most: usize) -> Result<usize, StoreError> {
        let (next, previous) = self.end();
        let more = read_stream(connection, (&self.name, self.stream), (next, previous), before, most)?;
        self.whole = more.len() < most;
        let read = more.len();
        self.records.extend(more.iter().map(|record| (record.digest, Tells::of(record))));
        Ok(read)
    }

    /// Leaves out those that can go, as if they were gone.
    fn go(&mut self) {
        if let Some((at, digest)) = self.last() {
            (self.first, self.previous) = (at + 1, digest);
            self.records.drain(..self.cut);
            self.cut = 0;
        }
    }
}

impl Look {
    pub(in super::super) fn new(before: Timestamp) -> Self {
        Self { before, marks: Vec::new(), streams: None, wanted: AT_ONCE, gone: HashSet::new() }
    }

    /// Reads a bounded number of records more and, when there are enough, decides which of all that were read can go.
    pub(in super::super) fn step(&mut self, connection: &Connection, seals: &ArgsKey) -> Result<Step, StoreError> {
        // One state of everything.
        let reading = connection.unchecked_transaction().map_err(failed)?;
        let marks = believed(&reading, seals)?;
        let now: Vec<Mark> = marks.values().copied().collect();
        if self.streams.is_some() && !same(&now, &self.marks) {
            // Somebody else has pruned meanwhile.
            *self = Self::new(self.before);
        }
        let before = self.before;
        let streams = match &mut self.streams {
            Some(streams) => streams,
            None => {
                self.marks = now;
                self.streams.insert(not_held_up((&reading, seals), before, &marks)?)
            }
        };
        let share = (self.wanted / streams.len().max(1)).max(64);
        let mut room = AT_ONCE;
        for old in streams.iter_mut() {
            let lacks = if old.whole { 0 } else { share.saturating_sub(old.records.len()) };
            if lacks > room {
                old.read_on(&reading, before, room.max(1))?;
                return Ok(Step::Further);
            }
            if lacks > 0 {
                room = room.saturating_sub(old.read_on(&reading, before, lacks)?);
            }
        }
        cut(&mut Rows::new((&reading, seals), before, &self.gone), streams)?;
        let all = streams.iter().all(|old| old.whole);
        if streams.iter().any(|old| old.cut > 0) {
            return Ok(Step::Found { all });
        }
        if all || streams.iter().map(|old| old.records.len()).sum::<usize>() >= AT_MOST {
            return Ok(Step::Nothing);
        }
        self.wanted = self.wanted.saturating_mul(4);
        Ok(Step::Further)
    }

    /// Looks again at what was found, on the connection that is to remove it: the streams of which records can go, and the
    /// rows that begin with those.
    pub(super) fn confirm(
        &mut self,
        (connection, seals): (&Connection, &ArgsKey),
        marks: &HashMap<Uuid, Mark>,
    ) -> Result<(Vec<Old>, HashSet<Told>), StoreError> {
        let now: Vec<Mark> = marks.values().copied().collect();
        let mut streams = self.streams.take().unwrap_or_default();
        if !same(&now, &self.marks) {
            return Ok((Vec::new(), HashSet::new()));
        }
        for old in &mut streams {
            old.records.truncate(old.cut);
            let found =
                read_stream(connection, (&old.name, old.stream), (old.first, old.previous), self.before, old.cut)?;
            let is_same = found.iter().map(|record| record.digest).eq(old.records.iter().map(|(digest, _)| *digest));
            if !is_same {
                return Err(not_sound(old.stream, old.first));
            }
        }
        cut(&mut Rows::new((connection, seals), self.before, &self.gone), &mut streams)?;
        streams.retain(|old| old.cut > 0);
        let going = streams.iter().flat_map(Old::going).collect();
        Ok((streams, going))
    }

    /// Takes what was found to be gone: how many records, and which rows. More may be found then, if there is room for it.
    pub(super) fn go(&mut self) -> (u64, Vec<Told>, bool) {
        let streams = self.streams.as_deref_mut().unwrap_or_default();
        let records = streams.iter().map(|old| old.cut as u64).sum();
        let going: Vec<_> = streams.iter().flat_map(Old::going).collect();
        streams.iter_mut().for_each(Old::go);
        self.gone.extend(&going);
        self.wanted = AT_ONCE;
        (records, going, self.gone.len() < GONE)
    }
}

fn same(one: &[Mark], other: &[Mark]) -> bool {
    Mark::digest_of(one) == Mark::digest_of(other)
}

/// The streams whose first record is older than what is kept, and not held up by what is newer: however many stand behind it,
/// none of those can go before it.
fn not_held_up(
    (connection, seals): (&Connection, &ArgsKey),
    before: Timestamp,
    marks: &HashMap<Uuid, Mark>,
) -> Result<Vec<Old>, StoreError> {
    let mut streams = connection.prepare_cached("SELECT stream, seq FROM heads ORDER BY stream").map_err(failed)?;
    let streams = streams
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(failed)?;
    let gone = HashSet::new();
    let mut rows = Rows::new((connection, seals), before, &gone);
    let mut free = Vec::new();
    for (name, last) in streams {
        let stream = read_id("a stream", &name)?;
        let mark = marks.get(&stream);
        let (first, previous) = mark.map_or_else(|| (0, genesis(stream)), |mark| (mark.first, mark.previous));
        if first > last.cast_unsigned() {
            continue;
        }
        if let [record] = read_stream(connection, (&name, stream), (first, previous), before, 1)?.as_slice()
            && !rows.is_held_up(&Tells::of(record))?
        {
            free.push(Old { name, stream, first, previous, records: Vec::new(), whole: false, cut: 0 });
        }
    }
    Ok(free)
}

fn read_stream(
    connection: &Connection,
    (name, stream): (&str, Uuid),
    (first, mut previous): (u64, Digest),
    before: Timestamp,
    most: usize,
) -> Result<Vec<AuditRecord>, StoreError> {
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

/// Cuts every stream before the first record that has to stay.
fn cut(rows: &mut Rows<'_>, streams: &mut [Old]) -> Result<(), StoreError> {
    streams.iter_mut().for_each(|old| old.cut = old.records.len());
    loop {
        let going: HashSet<Told> = streams.iter().flat_map(Old::going).collect();
        let mut changed = false;
        for old in streams.iter_mut() {
            for (at, (_, record)) in old.records.iter().take(old.cut).enumerate() {
                if !rows.can_go(record, &going)? {
                    (old.cut, changed) = (at, true);
                    break;
                }
            }
        }
        if !changed {
            return Ok(());
        }
    }
}
