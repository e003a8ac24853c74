//! The transaction that is being written, and the stream of records it appends to.

use std::path::Path;
use std::sync::Arc;

use mollyguard_tools::contract::{Digest, now};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::options::{Configured, Room};
use super::schema::failed;
use super::unsettled::Unwritten;
use crate::audit::{ArgsKey, AuditEvent, AuditRecord, Subject, chain};
use crate::store::StoreError;

/// Where a stream ends: the place of its next record, and the digest that one will follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) next: u64,
    pub(super) last: Digest,
}

/// How much was written in a transaction so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    records: u64,
    rows: u64,
}

impl Written {
    /// Whether what was written since this is told of in the record: where rows have changed, a record was appended.
    pub(super) const fn is_on_record(self, then: Self) -> bool {
        then.rows == self.rows || then.records > self.records
    }
}

/// The transaction being written, and the stream it appends to.
pub(super) struct Writing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) directory: &'a Path,
    pub(super) unwritten: &'a Unwritten,
    pub(super) stream: Uuid,
    /// The stream's id, as it is stored.
    pub(super) name: &'a str,
    pub(super) tail: Tail,
    pub(super) configured: &'a Configured,
    pub(super) room: Room,
    pub(super) seals: &'a Arc<ArgsKey>,
    /// How many rows went that held for a moment and told nothing of a call: those need no record.
    pub(super) let_go: u64,
}

impl Writing<'_> {
    /// How much was written so far.
    pub(super) fn written(&self) -> Written {
        Written { records: self.tail.next, rows: self.connection.total_changes() - self.let_go }
    }

    /// Appends a record; before the first, what the process is configured with.
    pub(super) fn append(&mut self, subject: Subject, event: AuditEvent) -> Result<(), StoreError> {
        if self.tail.next == 0 {
            let nobody = Subject { call: None, principal: None, tool: None, targets: Vec::new(), arguments: None };
            let Configured { version, configuration, policies } = self.configured.clone();
            self.link(nobody, AuditEvent::Configured { version, configuration, policies })?;
        }
        self.link(subject, event)
    }

    fn link(&mut self, subject: Subject, event: AuditEvent) -> Result<(), StoreError> {
        let Tail { next, last } = self.tail;
        let record = AuditRecord {
            stream: self.stream,
            seq: next,
            at: now(),
            subject,
            event,
            previous: last,
            digest: Digest::from_bytes([0; 32]),
        };
        let (digest, text) = chain::written(record).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.connection
            .prepare_cached("INSERT INTO records (stream, seq, record) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![self.name, next.cast_signed(), text]))
            .map_err(failed)?;
        self.tail = Tail { next: next + 1, last: digest };
        Ok(())
    }
}

/// Whether a record that belongs to no other work must be on disk before it is answered.
pub(super) fn by_itself(event: &AuditEvent) -> Result<bool, StoreError> {
    match event {
        AuditEvent::Read { .. } => Ok(false),
        AuditEvent::Denied { .. } => Ok(true),
        _ => Err(StoreError::Failed("only reads and refusals are recorded by themselves".into())),
    }
}
