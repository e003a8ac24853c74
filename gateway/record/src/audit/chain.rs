//! The links between records, and whether they still hold.
//!
//! Without a key or a copy elsewhere the links prove little: whoever can write the whole file can make them anew. Heads,
//! sealed with a key of the installation, find a chain that was cut short; an exported checkpoint, signed with another,
//! finds what was rewritten whole, a stream that is gone with its head, and an old copy put in place of the new one.

use std::collections::{BTreeMap, HashMap};

use mollyguard_tools::contract::{Digest, Timestamp, now};
use mollyguard_tools::text::visible_json;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::checkpoint::Checkpoint;
use super::{ArgsKey, AuditEvent, AuditRecord, Head, Mark, Pruning, PublicKey, Subject};

/// More findings than this are counted, not listed.
const LISTED: usize = 1_000;

/// What the first record of a stream follows: the digest of the stream's id.
#[must_use]
pub fn genesis(stream: Uuid) -> Digest {
    Digest::of_bytes(stream.to_string().as_bytes())
}

/// The digest a record should have: SHA-256 over the canonical JSON of all its other fields.
#[must_use]
pub fn digest(record: &AuditRecord) -> Digest {
    let AuditRecord { stream, seq, at, subject, event, previous, digest: _ } = record;
    Digest::of(&Undigested { stream, seq, at, subject, event, previous })
}

/// A record without its digest.
#[derive(Serialize)]
struct Undigested<'a> {
    stream: &'a Uuid,
    seq: &'a u64,
    at: &'a Timestamp,
    #[serde(flatten)]
    subject: &'a Subject,
    event: &'a AuditEvent,
    previous: &'a Digest,
}

/// A record's digest, whatever stood in its place, and the text it is stored as, with that digest in it.
pub(crate) fn written(mut record: AuditRecord) -> serde_json::Result<(Digest, String)> {
    record.digest = digest(&record);
    Ok((record.digest, serde_json::to_string(&record)?))
}

/// Taken from the text's own fields, so that a field this version does not know cannot be slipped in.
fn digest_of_fields(mut record: Value) -> Digest {
    if let Some(fields) = record.as_object_mut() {
        fields.remove("digest");
    }
    Digest::of_value(&record)
}

/// A head with the seal stored beside it (`ArgsKey::seal_head`): nobody without the installation's keys can make one. It is
/// only ever checked in the directory that holds those, so it need not be a signature, which costs many times as much with
/// every commit.
#[derive(Clone, Debug)]
pub(crate) struct SealedHead {
    pub(crate) head: Head,
    pub(crate) seal: Vec<u8>,
}

impl SealedHead {
    /// Whether the seal is this installation's. The first versions signed heads instead.
    pub(crate) fn is_sealed(&self, key: &PublicKey, seals: Option<&ArgsKey>) -> bool {
        let sealed = |seals: &ArgsKey| seals.seal_head(key, &self.head).as_slice() == self.seal;
        seals.is_some_and(sealed) || key.verifies_head(&self.head, &self.seal)
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// A record is not what its digest says.
    Edited,
    /// A record does not follow the one before it.
    Unlinked,
    /// Records are gone from within a stream.
    Missing,
    /// A record stands twice, or in another place than its own.
    Misplaced,
    /// A record cannot be read.
    Unreadable,
    /// Records are gone from a stream's end.
    CutShort,
    /// A stream, its head or the seal of it is gone or does not fit.
    Head,
    /// A checkpoint is not in the chain, or is not to be trusted.
    Checkpoint,
    /// The tables beside the chain say something else than the chain.
    Table,
    /// What a passkey signed is not the call it is said to approve.
    Signature,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub wrong: Wrong,
    /// In which stream.
    pub stream: Option<Uuid>,
    /// At which place of it.
    pub seq: Option<u64>,
    /// A sentence for people.
    pub what: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// How many streams were read.
    pub streams: u64,
    /// How many records.
    pub records: u64,
    /// How many checkpoints they were held against.
    pub checkpoints: u64,
    /// How many calls were compared with the records.
    pub calls: u64,
    /// How many answers that passkeys signed were verified.
    pub signed: u64,
    /// Whether signatures were looked at.
    pub signatures: bool,
    /// The last pruning: what went with it cannot be verified any more.
    pub pruned: Option<Pruning>,
    /// What is wrong; empty when nothing is.
    pub findings: Vec<Finding>,
    /// How many findings were left off the list.
    pub left_off: u64,
    /// What this verification could not tell, one sentence each.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.left_off == 0
    }

    pub(crate) fn found(&mut self, wrong: Wrong, place: Option<(Uuid, u64)>, what: impl Into<String>) {
        if self.findings.len() >= LISTED {
            self.left_off += 1;
            return;
        }
        let (stream, seq) = place.unzip();
        self.findings.push(Finding { wrong, stream, seq, what: what.into() });
    }
}

/// How far a stream was read.
struct Reached {
    /// Where it begins, and what its first record follows.
    begins: (u64, Digest),
    next: u64,
    last: Digest,
}

impl Reached {
    const fn from(first: u64, previous: Digest) -> Self {
        Self { begins: (first, previous), next: first, last: previous }
    }
}

/// Reads records one by one, in the order of stream and place, and says what is wrong with them.
pub(crate) struct Verifier {
    pub(crate) report: Report,
    reached: BTreeMap<Uuid, Reached>,
    last: Option<(Uuid, u64)>,
    /// Where streams begin whose first records were pruned.
    marks: HashMap<Uuid, Mark>,
    /// The places that checkpoints speak of, with the digest found there.
    watched: HashMap<(Uuid, u64), Option<Digest>>,
}

impl Verifier {
    /// A verifier that remembers what it needs for these checkpoints.
    pub(crate) fn new(checkpoints: &[Checkpoint]) -> Self {
        let heads = checkpoints.iter().flat_map(|checkpoint| &checkpoint.heads);
        Self {
            report: Report::default(),
            reached: BTreeMap::new(),
            last: None,
            marks: HashMap::new(),
            watched: heads.map(|head| ((head.stream, head.seq), None)).collect(),
        }
    }

    /// The next record. `stored` is the place it is stored under, where that is kept apart from the text.
    pub(crate) fn record(&mut self, stored: Option<(Uuid, u64)>, text: &str) -> Option<AuditRecord> {
        self.report.records += 1;
        let parsed = serde_json::from_str::<Value>(text)
            .and_then(|value| serde_json::from_value::<AuditRecord>(value.clone()).map(|record| (value, record)));
        let (value, record) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                let count = self.report.records;
                self.report.found(Wrong::Unreadable, stored, format!("record {count} cannot be read: {error}"));
                return None;
            }
        };
        let place = (record.stream, record.seq);
        let seq = record.seq;
        if stored.is_some_and(|stored| stored != place) {
            let what = format!("the record stored here says it is {seq} of stream {}", record.stream);
            self.report.found(Wrong::Misplaced, stored, what);
        }
        // A key written twice, or other white space, is not in the digest: two readers could see two things.
        let rewritten = value.to_string();
        let exported = || stored.is_none() && visible_json(&rewritten) == text;
        if rewritten != text && !exported() {
            self.report.found(
                Wrong::Edited,
                Some(place),
                format!("record {seq} is not written as it was written first"),
            );
        }
        let stated = value.get("digest").and_then(Value::as_str).map(str::to_owned);
        if stated != Some(digest_of_fields(value).to_string()) {
            self.report.found(Wrong::Edited, Some(place), format!("record {seq} is not what its digest says"));
        }
        self.link(&record);
        if let Some(found) = self.watched.get_mut(&place) {
            *found = Some(record.digest);
        }
        Some(record)
    }

    fn link(&mut self, record: &AuditRecord) {
        let place = (record.stream, record.seq);
        let seq = record.seq;
        let wrong = &mut self.report;
        if self.last.is_some_and(|last| last >= place) {
            wrong.found(Wrong::Misplaced, Some(place), format!("record {seq} stands after one that should follow it"));
        }
        self.last = Some(place);
        // Whether a later beginning is one that a pruning left is seen at the end.
        let first = || match seq {
            0 => Reached::from(0, genesis(record.stream)),
            _ => Reached::from(seq, record.previous),
        };
        let reached = self.reached.entry(record.stream).or_insert_with(first);
        if seq > reached.next {
            let what = match seq - reached.next {
                1 => format!("record {} is missing", reached.next),
                _ => format!("records {} to {} are missing", reached.next, seq - 1),
            };
            wrong.found(Wrong::Missing, Some((record.stream, reached.next)), what);
        } else if seq < reached.next {
            wrong.found(Wrong::Misplaced, Some(place), format!("record {seq} stands here a second time"));
        } else if record.previous != reached.last {
            wrong.found(Wrong::Unlinked, Some(place), format!("record {seq} does not follow the record before it"));
        }
        if (seq == 0) != matches!(record.event, AuditEvent::Configured { .. }) {
            let what = format!("record {seq} is not of the kind that stands at this place");
            wrong.found(Wrong::Misplaced, Some(place), what);
        }
        reached.next = reached.next.max(seq.saturating_add(1));
        reached.last = record.digest;
        if let AuditEvent::Pruned { pruning, before, marks, .. } = &record.event {
            let this = Pruning { pruning: *pruning, at: record.at, before: *before, marks: *marks };
            if let Some(what) = this.is_impossible(now()) {
                self.report.found(Wrong::Misplaced, Some(place), format!("record {seq} {what}"));
            }
            let newest = self.report.pruned.is_none_or(|known| known.pruning < this.pruning);
            self.report.pruned = if newest { Some(this) } else { self.report.pruned };
        }
    }

    /// The marks of what was pruned, which are all there may be: every stream must begin at its own, or at 0. Comes after
    /// the records, and before heads and checkpoints.
    pub(crate) fn begins(&mut self, marks: &[Mark]) {
        match self.report.pruned {
            Some(newest) if newest.marks != Mark::digest_of(marks) => {
                let what = "where streams begin is not what the last pruning has left";
                self.report.found(Wrong::Head, None, what);
            }
            None if !marks.is_empty() => {
                self.report.found(
                    Wrong::Missing,
                    None,
                    "streams begin later, and no record says that they were pruned",
                );
            }
            _ => {}
        }
        self.marks = marks.iter().map(|mark| (mark.stream, *mark)).collect();
        for mark in marks {
            let pruned = || Reached::from(mark.first, mark.previous);
            let reached = self.reached.entry(mark.stream).or_insert_with(pruned);
            if reached.begins.0 < mark.first {
                let what = format!("records before {} were pruned, and some are here", mark.first);
                self.report.found(Wrong::Misplaced, Some((mark.stream, reached.begins.0)), what);
            } else if reached.begins.0 == mark.first && reached.begins.1 != mark.previous {
                let what = format!("record {} does not follow the one before it, which was pruned", mark.first);
                self.report.found(Wrong::Unlinked, Some((mark.stream, mark.first)), what);
            }
        }
        for (stream, reached) in &self.reached {
            let (from, first) = (self.marks.get(stream).map_or(0, |mark| mark.first), reached.begins.0);
            if first > from {
                let what = match first - from {
                    1 => format!("record {from} is missing"),
                    _ => format!("records {from} to {} are missing", first - 1),
                };
                self.report.found(Wrong::Missing, Some((*stream, from)), what);
            }
        }
    }

    /// The heads kept beside the records: every stream must end at its own.
    pub(crate) fn heads(&mut self, heads: &[SealedHead], is_ours: impl Fn(&SealedHead) -> bool) {
        for sealed in heads {
            let head = &sealed.head;
            if !is_ours(sealed) {
                let place = Some((head.stream, head.seq));
                self.report.found(Wrong::Head, place, "the head's seal is not by this installation's key");
            }
            self.ends_at(head);
        }
        let known: Vec<Head> = heads.iter().map(|sealed| sealed.head).collect();
        self.no_others_than(&known);
    }

    /// The heads a closing checkpoint lists: the same, without seals of their own.
    pub(crate) fn ends(&mut self, heads: &[Head]) {
        for head in heads {
            self.ends_at(head);
        }
        self.no_others_than(heads);
    }

    fn ends_at(&mut self, head: &Head) {
        let Head { stream, seq, digest } = *head;
        let Some(reached) = self.reached.get(&stream) else {
            let what = format!("stream {stream} is gone: it had {} records", seq.saturating_add(1));
            self.report.found(Wrong::CutShort, Some((stream, 0)), what);
            return;
        };
        if reached.next <= seq {
            let what = format!("the stream ends here, but its head is at {seq}");
            self.report.found(Wrong::CutShort, Some((stream, reached.next)), what);
        } else if reached.next - 1 > seq {
            let what = format!("the stream goes on to {}, but its head is here", reached.next - 1);
            self.report.found(Wrong::Head, Some((stream, seq)), what);
        } else if reached.last != digest {
            self.report.found(Wrong::Head, Some((stream, seq)), "the last record is not the one its head names");
        }
    }

    fn no_others_than(&mut self, heads: &[Head]) {
        let strangers: Vec<Uuid> =
            self.reached.keys().filter(|stream| !heads.iter().any(|head| head.stream == **stream)).copied().collect();
        for stream in strangers {
            self.report.found(Wrong::Head, Some((stream, 0)), format!("stream {stream} has no head"));
        }
    }

    /// Every head of every checkpoint must still be in the chain, with that digest at that place.
    pub(crate) fn checkpoints(&mut self, checkpoints: &[Checkpoint]) {
        // A head may stand in several checkpoints: each is reported once.
        let mut told = std::collections::HashSet::new();
        let mut pruned = 0_u64;
        for checkpoint in checkpoints {
            self.report.checkpoints += 1;
            for head in &checkpoint.heads {
                let place = (head.stream, head.seq);
                let found = match self.marks.get(&head.stream) {
                    Some(mark) if head.seq.checked_add(1) == Some(mark.first) => Some(mark.previous),
                    Some(mark) if head.seq < mark.first => {
                        pruned += 1;
                        continue;
                    }
                    _ => self.watched.get(&place).copied().flatten(),
                };
                if found == Some(head.digest) || !told.insert((place, head.digest)) {
                    continue;
                }
                let what = match found {
                    Some(_) => format!("record {} is another one than the checkpoint has signed", head.seq),
                    None => format!("record {} is gone: the checkpoint has signed it", head.seq),
                };
                self.report.found(Wrong::Checkpoint, Some(place), what);
            }
        }
        if pruned > 0 {
            let what = "of what the checkpoints have signed is of records that were pruned, and could not be compared";
            self.report.notes.push(format!("{pruned} {what}"));
        }
    }

    /// What was found.
    pub(crate) fn finish(mut self) -> Report {
        self.report.streams = self.reached.values().filter(|stream| stream.next > stream.begins.0).count() as u64;
        if let Some(Pruning { at, before, .. }) = self.report.pruned {
            let gone = self.marks.values().fold(0_u64, |sum, mark| sum.saturating_add(mark.first));
            self.report.notes.push(format!(
                "{gone} records from before {before} were pruned, last at {at}: what they said is in no record here"
            ));
        }
        self.report
    }
}
