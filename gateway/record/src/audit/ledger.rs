//! Whether the tables beside the chain say what the chain says: calls, their ends, and the questions asked.

use std::collections::{HashMap, HashSet};

use mollyguard_tools::contract::{BlastRadius, Digest, Reversibility, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::chain::{Report, Wrong};
use super::{AuditEvent, AuditRecord, End, Subject};
use crate::model::{Confirmation, ConfirmationState, Ended as GrantEnded, Grant, Need};

/// A call as its table tells it.
#[derive(Debug)]
pub(crate) struct CallRow {
    pub(crate) id: Uuid,
    pub(crate) stream: Uuid,
    pub(crate) subject: Subject,
    pub(crate) reversibility: Reversibility,
    pub(crate) blast_radius: BlastRadius,
    pub(crate) fingerprint: Digest,
    pub(crate) confirmation: Option<Uuid>,
    pub(crate) grant: Option<Uuid>,
    pub(crate) undoes: Option<Uuid>,
    pub(crate) end: Option<Ended>,
    pub(crate) undone_by: Option<Uuid>,
}

/// How a call ended, as far as both sides keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) end: End,
    pub(crate) undoable: bool,
    pub(crate) note: Option<String>,
}

type Place = (Uuid, u64);

struct Asked {
    place: Place,
    text: Digest,
    need: Need,
}

/// What the records say of calls and questions. Holds a few hundred bytes for each call.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Place, digest of what the start says, and the approval it spent.
    started: HashMap<Uuid, (Place, Digest, Option<Uuid>)>,
    finished: HashMap<Uuid, (Place, Ended)>,
    undone: HashMap<Uuid, (Place, Uuid)>,
    asked: HashMap<Uuid, Asked>,
    /// Where a sufficient yes was given, and where a no: which may take a yes back, from another stream as well.
    approved: HashMap<Uuid, Vec<Place>>,
    refused: HashMap<Uuid, Place>,
    spent: HashMap<Uuid, Uuid>,
    /// Approvals for a while: where each was given, and the digest of what that record says; how each ended.
    granted: HashMap<Uuid, (Place, Digest)>,
    grants_ended: HashMap<Uuid, (Place, GrantEnded)>,
    /// The calls that ran under one.
    under: Vec<(Place, Uuid)>,
    stored_grants: HashSet<Uuid>,
    /// The users nobody is asked for, or is again: when that was, and where it is recorded.
    quarantines: HashMap<String, (Timestamp, Place, bool)>,
}

impl Ledger {
    /// Takes down what a record says.
    pub(crate) fn record(&mut self, record: &AuditRecord, report: &mut Report) {
        let place = (record.stream, record.seq);
        let call = record.subject.call;
        let twice = match (&record.event, call) {
            (AuditEvent::Started { confirmation, grant, .. }, Some(call)) => {
                self.under.extend(grant.map(|grant| (place, grant)));
                let approval_reused =
                    confirmation.is_some_and(|confirmation| self.spent.insert(confirmation, call).is_some());
                let facts = (place, facts_of_record(record), *confirmation);
                self.started.insert(call, facts).is_some() || approval_reused
            }
            (AuditEvent::Finished { end, undoable, note, .. }, Some(call)) => {
                let ended = Ended { end: *end, undoable: *undoable, note: note.clone() };
                self.finished.insert(call, (place, ended)).is_some()
            }
            (AuditEvent::Undone { by }, Some(call)) => self.undone.insert(call, (place, *by)).is_some(),
            (AuditEvent::Asked { confirmation, need, text, .. }, _) => {
                self.asked.insert(*confirmation, Asked { place, text: *text, need: *need }).is_some()
            }
            (AuditEvent::Answered { confirmation, sufficient, .. }, _) => {
                if *sufficient {
                    self.approved.entry(*confirmation).or_default().push(place);
                    false
                } else {
                    self.refused.insert(*confirmation, place).is_some()
                }
            }
            (AuditEvent::Granted { grant, confirmation, operator, strength, about, until }, _) => {
                let facts = Digest::of(&json!([confirmation, operator, strength, about, until]));
                self.granted.insert(*grant, (place, facts)).is_some()
            }
            (AuditEvent::GrantEnded { grant, how, .. }, _) => self.grants_ended.insert(*grant, (place, *how)).is_some(),
            (AuditEvent::Quarantined { .. } | AuditEvent::Lifted { .. }, _) => {
                let is_one = matches!(record.event, AuditEvent::Quarantined { .. });
                if let Some(principal) = &record.subject.principal {
                    let last = self.quarantines.entry(principal.user.clone()).or_insert((record.at, place, is_one));
                    // Of two processes, whichever came later; of one, in their order.
                    if (last.0, last.1) <= (record.at, place) {
                        *last = (record.at, place, is_one);
                    }
                }
                false
            }
            (AuditEvent::Started { .. } | AuditEvent::Finished { .. } | AuditEvent::Undone { .. }, None) => true,
            _ => false,
        };
        if twice {
            report.found(Wrong::Misplaced, Some(place), "the record says what can be said only once, or of no call");
        }
    }

    /// Compares a row of the calls with the records about it.
    pub(crate) fn call(&mut self, row: &CallRow, report: &mut Report) {
        report.calls += 1;
        let id = row.id;
        match self.started.remove(&id) {
            None => {
                report.found(Wrong::Table, None, format!("call `{id}` is stored, but no record says that it started"));
            }
            Some((place, facts, _)) => {
                if facts != facts_of_row(row) || place.0 != row.stream {
                    let what = format!("call `{id}` is stored otherwise than its record says it started");
                    report.found(Wrong::Table, Some(place), what);
                }
            }
        }
        let (place, told) = self.finished.remove(&id).unzip();
        if told != row.end {
            report.found(Wrong::Table, place, format!("call `{id}` is stored with another end than the records say"));
        }
        let (place, by) = self.undone.remove(&id).unzip();
        if by != row.undone_by {
            let what = format!("call `{id}` is stored as taken back by another call than the records say");
            report.found(Wrong::Table, place, what);
        }
    }

    /// Compares a stored question with the records about it.
    pub(crate) fn confirmation(&mut self, row: &Confirmation, standing: &ConfirmationState, report: &mut Report) {
        let id = row.id;
        let Some(asked) = self.asked.remove(&id) else {
            report.found(Wrong::Table, None, format!("confirmation `{id}` is stored, but no record says it was asked"));
            return;
        };
        if asked.text != Digest::of_bytes(row.text.as_bytes()) || asked.need != row.need {
            let what = format!("confirmation `{id}` is stored otherwise than its record says it was asked");
            report.found(Wrong::Table, Some(asked.place), what);
        }
        let (approved, refused) = (self.approved.remove(&id).unwrap_or_default(), self.refused.remove(&id));
        let place = refused.or(approved.last().copied());
        let told = (approved.len(), refused.is_some(), self.spent.get(&id).copied());
        let enough = approved.len() >= usize::try_from(row.need.approvers).unwrap_or(usize::MAX);
        let holds = match standing {
            ConfirmationState::Open { approvals, .. } => told == (approvals.len(), false, None),
            ConfirmationState::Approved { approvals } => enough && told == (approvals.len(), false, None),
            ConfirmationState::Refused { .. } => refused.is_some() && told.2.is_none(),
            ConfirmationState::Spent { call } => enough && (told.1, told.2) == (false, Some(*call)),
        };
        if !holds {
            let what = format!("confirmation `{id}` is stored with another answer or use than the records say");
            report.found(Wrong::Table, place.or(Some(asked.place)), what);
        }
    }

    /// Compares a stored approval for a while with the records about it.
    pub(crate) fn grant(&mut self, row: &Grant, end: Option<GrantEnded>, report: &mut Report) {
        let id = row.id;
        self.stored_grants.insert(id);
        let (place, told) = self.granted.remove(&id).unzip();
        let (confirmation, operator, strength, until) = (row.confirmation, row.operator, row.strength, row.expires_at);
        if told != Some(Digest::of(&json!([confirmation, operator, strength, row.about(), until]))) {
            let what = format!("the approval for a while `{id}` is stored otherwise than the records say it was given");
            report.found(Wrong::Table, place, what);
        }
        let (place, told) = self.grants_ended.remove(&id).unzip();
        if told != end {
            let what = format!("the approval for a while `{id}` is stored with another end than the records say");
            report.found(Wrong::Table, place, what);
        }
    }

    /// Compares the users who are in quarantine with the records. Where records were pruned, that of an old one may be gone.
    pub(crate) fn quarantined(&mut self, stored: HashSet<String>, report: &mut Report) {
        let told = std::mem::take(&mut self.quarantines);
        // The record that it was lifted may be gone.
        let is_old = |at: Timestamp| report.pruned.is_some_and(|pruned| at < pruned.before);
        let not_stored =
            told.iter().filter(|(user, (at, _, is_one))| *is_one && !stored.contains(*user) && !is_old(*at));
        let not_stored: Vec<(String, Place)> = not_stored.map(|(user, (_, place, _))| (user.clone(), *place)).collect();
        for (user, place) in not_stored {
            report.found(
                Wrong::Table,
                Some(place),
                format!("`{user}` is in quarantine by the records, and not as stored"),
            );
        }
        let is_told = |user: &String| told.get(user).map_or(report.pruned.is_some(), |(.., is_one)| *is_one);
        let untold: Vec<String> = stored.into_iter().filter(|user| !is_told(user)).collect();
        for user in untold {
            report.found(Wrong::Table, None, format!("`{user}` is in quarantine as stored, and not by the records"));
        }
    }

    /// What the records speak of and no table has. Where records were pruned, those that only go on with something may
    /// speak of what went with its first record.
    pub(crate) fn finish(self, report: &mut Report) {
        let mut gone: Vec<(Place, String)> = Vec::new();
        let pruned = report.pruned.is_some();
        let (started, asked, granted) = (&self.started, &self.asked, &self.granted);
        let told = |is_there: bool| is_there || !pruned;
        for (call, (place, _)) in self.finished.iter().filter(|(call, _)| told(started.contains_key(call))) {
            gone.push((*place, format!("call `{call}` ended, but is not stored")));
        }
        for (call, (place, _)) in self.undone.iter().filter(|(call, _)| told(started.contains_key(call))) {
            gone.push((*place, format!("call `{call}` was taken back, but is not stored")));
        }
        let approved = self.approved.iter().flat_map(|(id, places)| places.iter().map(move |place| (id, place)));
        for (id, place) in approved.chain(&self.refused).filter(|(id, _)| told(asked.contains_key(id))) {
            gone.push((*place, format!("confirmation `{id}` was answered, but is not stored")));
        }
        for (grant, (place, _)) in self.grants_ended.iter().filter(|(grant, _)| told(granted.contains_key(grant))) {
            gone.push((*place, format!("the approval for a while `{grant}` ended, but is not stored")));
        }
        for (call, (place, ..)) in started {
            gone.push((*place, format!("call `{call}` started, but is not stored")));
        }
        for (confirmation, asked) in asked {
            gone.push((asked.place, format!("confirmation `{confirmation}` was asked, but is not stored")));
        }
        for (grant, (place, _)) in granted {
            gone.push((*place, format!("the approval for a while `{grant}` was given, but is not stored")));
        }
        for (place, grant) in &self.under {
            if !self.stored_grants.contains(grant) {
                let what = format!("a call ran under the approval for a while `{grant}`, which is not stored");
                gone.push((*place, what));
            }
        }
        gone.sort();
        for (place, what) in gone {
            report.found(Wrong::Table, Some(place), what);
        }
    }
}

fn facts_of_record(record: &AuditRecord) -> Digest {
    match &record.event {
        AuditEvent::Started { reversibility, blast_radius, fingerprint, confirmation, grant, undoes, .. } => {
            facts(&record.subject, *reversibility, blast_radius, *fingerprint, (*confirmation, *grant), *undoes)
        }
        _ => Digest::of(record),
    }
}

fn facts_of_row(row: &CallRow) -> Digest {
    let approved = (row.confirmation, row.grant);
    facts(&row.subject, row.reversibility, &row.blast_radius, row.fingerprint, approved, row.undoes)
}

fn facts(
    subject: &Subject,
    reversibility: Reversibility,
    blast_radius: &BlastRadius,
    fingerprint: Digest,
    approved: (Option<Uuid>, Option<Uuid>),
    undoes: Option<Uuid>,
) -> Digest {
    Digest::of(&json!([subject, reversibility, blast_radius, fingerprint, approved, undoes]))
}
