//! What records tell of, and what the rows of that say: whether they are still in use, and what rests on them.

use std::collections::{HashMap, HashSet};

use mollyguard_tools::contract::Timestamp;
use rusqlite::Connection;
use uuid::Uuid;

use super::super::grants;
use super::super::rows::{CallRow, ConfirmationRow, read_id};
use super::super::schema::failed;
use crate::audit::{ArgsKey, AuditEvent, AuditRecord};
use crate::store::StoreError;
use crate::store::rules::confirmations;

/// A row that records tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Told {
    Call(Uuid),
    Question(Uuid),
    Grant(Uuid),
}

/// What one record tells of.
#[derive(Clone, Debug)]
pub(super) struct Tells {
    /// The row that begins with it.
    pub(super) begins: Option<Told>,
    /// The rows it says something of that they say as well.
    speaks_of: Vec<Told>,
}

impl Tells {
    pub(super) fn of(record: &AuditRecord) -> Self {
        Self { begins: begins(record), speaks_of: speaks_of(record) }
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
pub(super) struct Rows<'a> {
    connection: &'a Connection,
    seals: &'a ArgsKey,
    before: Timestamp,
    /// Rows that are taken to be gone already.
    gone: &'a HashSet<Told>,
    is_there: HashMap<Told, bool>,
    is_over: HashMap<Told, bool>,
    rests: HashMap<Told, Vec<Told>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        (connection, seals): (&'a Connection, &'a ArgsKey),
        before: Timestamp,
        gone: &'a HashSet<Told>,
    ) -> Self {
        let (is_there, is_over, rests) = Default::default();
        Self { connection, seals, before, gone, is_there, is_over, rests }
    }

    /// Whether it has to stay whatever else can go: something it tells of, or that rests on that, is newer or in use.
    pub(super) fn is_held_up(&mut self, record: &Tells) -> Result<bool, StoreError> {
        let mut told = record.speaks_of.clone();
        if let Some(row) = record.begins {
            told.extend_from_slice(self.rest_on(row)?);
        }
        for row in told {
            if self.is_there(row)? && !self.is_over(row)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn can_go(&mut self, record: &Tells, going: &HashSet<Told>) -> Result<bool, StoreError> {
        for &told in &record.speaks_of {
            if !going.contains(&told) && self.is_there(told)? {
                return Ok(false);
            }
        }
        let Some(row) = record.begins else { return Ok(true) };
        if !self.is_over(row)? {
            return Ok(false);
        }
        Ok(self.rest_on(row)?.iter().all(|other| going.contains(other)))
    }

    fn is_there(&mut self, told: Told) -> Result<bool, StoreError> {
        if self.gone.contains(&told) {
            return Ok(false);
        }
        if let Some(known) = self.is_there.get(&told) {
            return Ok(*known);
        }
        let (table, id) = match told {
            Told::Call(id) => ("calls", id),
            Told::Question(id) => ("confirmations", id),
            Told::Grant(id) => ("grants", id),
        };
        let is_there = ids(self.connection, &format!("SELECT id FROM {table} WHERE id = ?1"), id)?.len() == 1;
        self.is_there.insert(told, is_there);
        Ok(is_there)
    }

    /// Whether it is older than what is kept, and nothing comes of it any more. A row that is gone, though its record is
    /// there, is evidence, and stays as it is.
    fn is_over(&mut self, told: Told) -> Result<bool, StoreError> {
        if let Some(known) = self.is_over.get(&told) {
            return Ok(*known);
        }
        let (connection, seals) = (self.connection, self.seals);
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
            let connection = self.connection;
            let mut rests: Vec<_> = match told {
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
            rests.retain(|row| !self.gone.contains(row));
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
    found.iter().map(|id| read_id("a row", id)).collect()
}
