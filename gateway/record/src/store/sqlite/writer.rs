//! Writing, one batch at a time. The store's thread takes whatever is waiting, runs each piece of work in a savepoint of
//! one transaction, commits once, and only then answers: one wait for the disk is shared by all that came meanwhile. Where
//! nothing waits, whoever has a record to write may do it on its own thread instead ([`Writer::write_here`]), and spares
//! the way to this one and back.
//!
//! A batch with anything but reads in it is committed with `synchronous = FULL`; a batch of reads alone with `NORMAL`,
//! which in write-ahead mode writes the log without waiting for the disk. A later full commit makes earlier reads durable
//! too: it waits for the same log file.
//!
//! Work that fails leaves nothing, and neither does work that changes rows without a record: that fails. What comes of the
//! others in the batch is the same with it and without.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::lease::Lease;
use super::schema::{self, failed};
use super::shipper::Shipper;
use super::unsettled::Unwritten;
use super::work::{Outcome, Work};
use super::writing::{Tail, Writing};
use super::{Configured, Pulse, Room};
use crate::audit::{ArgsKey, AuditKey, Head, PublicKey, chain};
use crate::store::StoreError;

/// The most work of one transaction: what comes after waits for the next.
const BATCH: usize = 256;

/// What is sent to the writer.
pub(super) enum Message {
    Work(Box<dyn Work>),
    /// Write what is waiting and leave.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// This process's stream, once it has records.
struct Stream {
    /// What checkpoints of it are verified with.
    key: PublicKey,
    lease: Lease,
}

/// The writing side of a store.
pub(super) struct Writer {
    pub(super) directory: PathBuf,
    pub(super) connection: Connection,
    pub(super) installation: Uuid,
    pub(super) configured: Configured,
    pub(super) seals: Arc<ArgsKey>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) checkpoint: Option<(PathBuf, Duration)>,
    pub(super) room: Room,
    pub(super) id: Uuid,
    /// The id of this process's stream, as it is stored.
    name: String,
    pub(super) unwritten: Arc<Unwritten>,
    tail: Tail,
    stream: Option<Stream>,
    closed: bool,
    shipper: Option<Shipper>,
    full: bool,
}

impl Writer {
    pub(super) fn new(
        directory: PathBuf,
        connection: Connection,
        installation: Uuid,
        configured: Configured,
        seals: Arc<ArgsKey>,
        pulse: Arc<Pulse>,
        checkpoint: Option<(PathBuf, Duration)>,
    ) -> Self {
        let id = Uuid::now_v7();
        let tail = Tail { next: 0, last: chain::genesis(id) };
        Self {
            directory,
            connection,
            installation,
            configured,
            seals,
            pulse,
            checkpoint,
            room: Room::default(),
            id,
            name: id.to_string(),
            unwritten: Arc::default(),
            tail,
            stream: None,
            closed: false,
            shipper: None,
            full: true,
        }
    }

    /// Writes until the queue is closed.
    pub(super) fn run(this: &Mutex<Self>, mut queue: mpsc::Receiver<Message>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = queue.blocking_recv() else { break };
            // Work that panicked on another thread leaves nobody knows what: then the store is closed for good.
            let Ok(mut writer) = this.lock() else { return };
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next.take() {
                match message {
                    Message::Work(work) => batch.push(work),
                    Message::Close(done) => closing = Some(done),
                }
                if closing.is_none() && batch.len() < BATCH {
                    next = queue.try_recv().ok();
                }
            }
            writer.write_all(batch);
        }
        let closed = this.lock().map_or_else(|_| Err(super::closed()), |mut writer| writer.leave());
        if let Some(done) = closing {
            // Whoever closes may be gone already.
            let _ = done.send(closed);
        }
    }

    /// Writes one piece of work on the caller's thread.
    pub(super) fn write_here(&mut self, work: Box<dyn Work>) {
        if !self.closed {
            self.write_all(vec![work]);
        }
    }

    fn write_all(&mut self, mut batch: Vec<Box<dyn Work>>) {
        while !batch.is_empty() {
            batch = self.write(batch);
        }
    }

    /// Writes a batch and answers it; gives back the work that is left over from answers nobody took.
    fn write(&mut self, mut batch: Vec<Box<dyn Work>>) -> Vec<Box<dyn Work>> {
        batch.retain(|work| !work.abandoned());
        if batch.is_empty() {
            return batch;
        }
        let before = self.tail;
        let failed = self.transact(&mut batch).err().map(|error| error.to_string());
        if let Some(why) = &failed {
            tracing::error!(why, "the store could not write: the calls that waited for it do not run");
            self.give_up(before);
        } else if self.tail != before {
            self.changed();
        }
        batch.into_iter().filter_map(|work| work.answer(failed.as_deref())).collect()
    }

    fn transact(&mut self, batch: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.open_stream()?,
        };
        let stream = self.stream.insert(stream);
        let full = batch.iter().any(|work| work.durable());
        if full != self.full {
            let mode = if full { "full" } else { "normal" };
            self.connection.pragma_update(None, "synchronous", mode).map_err(failed)?;
            self.full = full;
        }
        let run = |sql: &str| self.connection.prepare_cached(sql).and_then(|mut run| run.execute([])).map_err(failed);
        run("BEGIN IMMEDIATE")?;
        let before = self.tail;
        let mut writing = Writing {
            connection: &self.connection,
            directory: &self.directory,
            unwritten: &self.unwritten,
            stream: self.id,
            name: &self.name,
            tail: before,
            configured: &self.configured,
            room: self.room,
            seals: &self.seals,
            let_go: 0,
        };
        if let [work] = batch {
            // What it wrote goes with the transaction, which has no record then.
            if work.run(&mut writing) == Outcome::TakenBack {
                (writing.tail, writing.let_go) = (before, 0);
            }
        } else {
            for work in batch {
                let (tail, let_go) = (writing.tail, writing.let_go);
                run("SAVEPOINT work")?;
                if work.run(&mut writing) == Outcome::TakenBack {
                    // A full disk has taken the whole transaction with it by now: then this fails, and so does the batch.
                    run("ROLLBACK TO work")?;
                    (writing.tail, writing.let_go) = (tail, let_go);
                }
                run("RELEASE work")?;
            }
        }
        let (after, let_go) = (writing.tail, writing.let_go);
        // Work that is kept has appended a record, or changed nothing but what needs none: see `work`.
        if after == before {
            if !self.connection.is_autocommit() {
                run(if let_go == 0 { "ROLLBACK" } else { "COMMIT" })?;
            }
            return Ok(());
        }
        let head = Head { stream: self.id, seq: after.next - 1, digest: after.last };
        let seal = self.seals.seal_head(&stream.key, &head);
        self.connection
            .prepare_cached(
                "INSERT INTO heads (stream, seq, digest, signature) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (stream) DO UPDATE SET seq = ?2, digest = ?3, signature = ?4",
            )
            .and_then(|mut put| {
                put.execute(params![self.name, head.seq.cast_signed(), head.digest.to_string(), seal.as_slice()])
            })
            .map_err(failed)?;
        run("COMMIT")?;
        self.tail = after;
        self.pulse.committed(full);
        Ok(())
    }

    fn open_stream(&self) -> Result<Stream, StoreError> {
        // Checkpoints and exports are signed with this key: nothing is written whose like could not be verified.
        let kept = schema::has_rows(&self.connection, "heads")?;
        let key = AuditKey::open_for(&self.directory, self.installation, kept)
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let (lease, unwritten) = Lease::take(&self.directory, self.id).map_err(StoreError::Failed)?;
        self.unwritten.with(unwritten);
        Ok(Stream { key: key.public(), lease })
    }

    /// After a failed transaction: nothing of it may stay, and the chain goes on from what the database really holds,
    /// since a commit can fail after it was written.
    fn give_up(&mut self, before: Tail) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
        self.tail = before;
        let held = self.connection.query_row("SELECT seq, digest FROM heads WHERE stream = ?1", [&self.name], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        });
        if let Ok((seq, digest)) = held {
            let next = seq.cast_unsigned() + 1;
            // Only ever forward: a head set back by somebody else must show.
            if let Some(last) = mollyguard_tools::contract::Digest::parse(&digest).filter(|_| next > before.next) {
                self.tail = Tail { next, last };
            }
        }
    }

    fn changed(&mut self) {
        let Some((path, delay)) = &self.checkpoint else { return };
        let shipper = self.shipper.get_or_insert_with(|| {
            Shipper::start(self.directory.clone(), self.installation, path.clone(), *delay, Arc::clone(&self.pulse))
        });
        shipper.changed();
    }

    fn leave(&mut self) -> Result<(), StoreError> {
        self.closed = true;
        let shipped = self.shipper.take().map_or(Ok(()), Shipper::close);
        if let Some(stream) = self.stream.take() {
            stream.lease.give_back();
        }
        shipped.map_err(StoreError::Failed)
    }
}
