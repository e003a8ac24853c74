//! The store in one SQLite file, shared by every gateway process of an installation.
//!
//! Opening touches nothing but the file: the process's own stream of records begins with its first record. One thread at a
//! time writes (see `writer`); reads use a connection of their own.

mod answers;
mod apart;
mod askings;
mod begun;
mod bell;
mod dialogs;
mod grants;
#[cfg(any(test, feature = "laws"))]
pub mod harness;
mod here;
mod inspect;
mod lease;
mod open;
mod operator_rows;
mod operators;
mod options;
mod prune;
mod pulse;
mod quarantines;
mod questions;
mod reads;
mod room;
mod rows;
mod schema;
mod sessions;
mod shipper;
#[cfg(test)]
mod tests;
mod unsettled;
mod work;
mod writer;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use mollyguard_tools::contract::{Digest, Timestamp};
use rusqlite::Connection;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{
    Asking, Bounds, CallFilter, Ending, Given, Granted, Intent, Like, NoEnd, NotHere, OpenQuestions, Pruned,
    Quarantine, Showing, Start, Store, StoreError, StoredCall, Unfinished,
};
use crate::audit::{ArgsKey, AuditEvent, AuditRecord, Subject};
use crate::model::{
    Channel, Confirmation, Enrolment, Entry, Grant, Invitation, Operator, Principal, Session, Standing,
};
use open::Kept;
use pulse::Pulse;
use rows::{CallRow, ConfirmationRow, Depth};
use unsettled::{Looker, Unwritten};
use work::{Task, Work};
use writer::{Message, Writer};
use writing::{Writing, by_itself};

pub use bell::Changes;
pub(crate) use inspect::Inspection;
pub use inspect::enrolled;
pub use options::{Configured, OpenStore, Room};
pub use pulse::Health;

/// The store in one SQLite file.
pub struct SqliteStore {
    directory: PathBuf,
    stream: Uuid,
    installation: Uuid,
    queue: Option<mpsc::Sender<Message>>,
    writer: Arc<Mutex<Writer>>,
    patience: Duration,
    reader: Arc<Mutex<Connection>>,
    open: Arc<Mutex<Kept>>,
    keys: Arc<ArgsKey>,
    pulse: Arc<Pulse>,
    unwritten: Arc<Unwritten>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the store, and makes it where there is none.
    ///
    /// # Errors
    /// The directory or a file in it is unsafe, unreadable, damaged, or from a newer version.
    pub fn open(open: OpenStore) -> Result<Self, StoreError> {
        let OpenStore { directory, configured, checkpoint, checkpoint_delay, queue, patience, room } = open;
        let connection = schema::open(&directory, patience)?;
        let reader = schema::open_to_read(&directory, patience)?;
        let installation = schema::installation(&reader)?;
        let mut sealed = false;
        for table in ["calls", "confirmations", "heads"] {
            sealed |= schema::has_rows(&reader, table)?;
        }
        let seals = ArgsKey::open_for(&directory, sealed).map_err(|error| StoreError::Failed(error.to_string()))?;
        let seals = Arc::new(seals);
        let pulse = Arc::new(Pulse::default());
        let mut writer = Writer::new(
            directory.clone(),
            connection,
            installation,
            configured,
            Arc::clone(&seals),
            Arc::clone(&pulse),
            checkpoint.map(|path| (path, checkpoint_delay)),
        );
        writer.room = room;
        let (stream, unwritten) = (writer.id, Arc::clone(&writer.unwritten));
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let writer = Arc::new(Mutex::new(writer));
        let writing = Arc::clone(&writer);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || Writer::run(&writing, receiver))
            .map_err(|error| StoreError::Failed(format!("no thread to write with: {error}")))?;
        Ok(Self {
            directory,
            stream,
            installation,
            queue: Some(sender),
            writer,
            patience,
            reader: Arc::new(Mutex::new(reader)),
            open: Arc::default(),
            keys: seals,
            pulse,
            unwritten,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The keyed digest of a call's arguments, for [`Subject::arguments`].
    #[must_use]
    pub fn args_digest(&self, args: &Value) -> Digest {
        self.keys.digest(args)
    }

    /// The state directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The id of this installation.
    #[must_use]
    pub const fn installation(&self) -> Uuid {
        self.installation
    }

    /// The stream of this process; it has records once something was recorded.
    #[must_use]
    pub const fn stream(&self) -> Uuid {
        self.stream
    }

    /// Who may answer, read on the caller's thread.
    ///
    /// # Errors
    /// The store is damaged, or cannot be read.
    pub fn enrolled(&self) -> Result<Vec<Operator>, StoreError> {
        operator_rows::all(&self.reader.lock().unwrap_or_else(PoisonError::into_inner), &self.keys)
    }

    async fn write<T, F>(&self, durable: bool, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { durable, run: Some(Box::new(run)), result: None, reply: Some(reply), lost: None };
        self.send(Box::new(task), answer).await
    }

    async fn send<T>(
        &self,
        work: Box<dyn Work>,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        use mpsc::error::SendTimeoutError;
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send_timeout(Message::Work(work), self.patience).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => StoreError::Full,
            SendTimeoutError::Closed(_) => closed(),
        })?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Before whoever made the call hears of it: from then on, no other process begins a change of its target.
    async fn tell_unwritten(&self, call: Uuid) {
        let (unwritten, patience) = (Arc::clone(&self.unwritten), self.patience);
        if let Err(error) = tokio::task::spawn_blocking(move || unwritten.add(call, patience)).await {
            tracing::error!(%call, %error, "the telling of an end that is not written was cut off");
        }
    }

    async fn read<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &ArgsKey) -> Result<T, StoreError> + Send + 'static,
    {
        let (reader, seals) = (Arc::clone(&self.reader), Arc::clone(&self.keys));
        let work = move || run(&reader.lock().unwrap_or_else(PoisonError::into_inner), &seals);
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(StoreError::Failed(format!("a read was cut off: {error}"))))
    }
}

fn closed() -> StoreError {
    StoreError::Failed("the store is closed".into())
}

impl Drop for SqliteStore {
    /// Writes what is waiting, as [`Store::close`] does, and waits for it.
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer was cut off");
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self, start: Start) -> Result<Intent, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            durable: true,
            run: Some(Box::new(move |writing: &mut Writing<'_>| begun::begin(writing, start))),
            result: None,
            reply: Some(reply),
            lost: Some(Box::new(begun::never_ran)),
        };
        self.send(Box::new(task), answer).await.map(Intent::written)
    }

    async fn finish(&self, intent: Intent, ending: Ending) -> Result<(), Box<Unfinished>> {
        let call = intent.call;
        let ending = Arc::new(ending);
        let given = Arc::clone(&ending);
        let error = match self.write(true, move |writing| begun::end(writing, call, &given)).await {
            Ok(true) => {
                self.unwritten.remove(call);
                return Ok(());
            }
            Ok(false) => {
                self.unwritten.remove(call);
                StoreError::AlreadyEnded(call)
            }
            Err(error) => {
                self.tell_unwritten(call).await;
                error
            }
        };
        Err(Box::new(Unfinished { intent, ending: Arc::unwrap_or_clone(ending), error }))
    }

    async fn hold_open(&self, call: Uuid) {
        self.tell_unwritten(call).await;
    }

    async fn record(&self, subject: Subject, event: AuditEvent) -> Result<(), StoreError> {
        let durable = by_itself(&event)?;
        self.write(durable, move |writing| writing.append(subject, event)).await
    }

    fn record_here(&self, record: (Subject, AuditEvent)) -> Result<(), NotHere> {
        self.record_on_this_thread(record)
    }

    async fn ask(
        &self,
        subject: Subject,
        confirmation: Confirmation,
        channel: Option<Channel>,
        bounds: Bounds,
    ) -> Result<Asking, StoreError> {
        self.write(true, move |writing| askings::ask(writing, subject, &confirmation, channel, bounds)).await
    }

    async fn shown(&self, call: Uuid, question: Uuid, channel: Channel, flood: u32) -> Result<Showing, StoreError> {
        self.write(true, move |writing| askings::shown(writing, call, question, channel, flood)).await
    }

    async fn answer(&self, subject: Subject, given: Given) -> Result<(), StoreError> {
        self.write(true, move |writing| answers::answer(writing, subject, given)).await
    }

    async fn reject(&self, id: Uuid, channel: Channel, operator: Option<Uuid>, why: String) -> Result<(), StoreError> {
        self.write(true, move |writing| answers::reject(writing, id, channel, operator, why)).await
    }

    async fn confirmation(&self, id: Uuid) -> Result<Option<(Confirmation, Standing)>, StoreError> {
        self.read(move |connection, seals| ConfirmationRow::find(connection, id, seals)).await
    }

    async fn asked_before(&self, like: Like) -> Result<Vec<(Confirmation, Standing)>, StoreError> {
        self.read(move |connection, seals| reads::asked_before(connection, &like, seals)).await
    }

    async fn quarantine(&self, principal: Principal, why: String) -> Result<Quarantine, StoreError> {
        self.write(true, move |writing| askings::quarantine(writing, &principal, why)).await
    }

    async fn lift(&self, user: String, by: Option<Uuid>) -> Result<(), StoreError> {
        self.write(true, move |writing| askings::lift(writing, &user, by)).await
    }

    async fn granted(&self, about: Digest) -> Result<Vec<Grant>, StoreError> {
        let (good, over) = self.read(move |connection, seals| grants::granted(connection, about, seals)).await?;
        if !over.is_empty() {
            self.write(true, move |writing| grants::run_out(writing, &over)).await?;
        }
        Ok(good)
    }

    async fn grants(&self) -> Result<Vec<Granted>, StoreError> {
        self.read(grants::in_force).await
    }

    async fn revoke(&self, grant: Uuid, by: Option<Uuid>) -> Result<(), StoreError> {
        self.write(true, move |writing| grants::revoke(writing, grant, by)).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantine>, StoreError> {
        self.read(quarantines::all).await
    }

    async fn open_questions(&self) -> Result<OpenQuestions, StoreError> {
        let open = Arc::clone(&self.open);
        self.read(move |connection, seals| {
            open.lock().unwrap_or_else(PoisonError::into_inner).open_questions(connection, seals)
        })
        .await
    }

    async fn call(&self, id: Uuid) -> Result<Option<StoredCall>, StoreError> {
        self.read(move |connection, seals| {
            CallRow::find(connection, id, seals)?.map(|row| row.call(seals, Depth::Whole)).transpose()
        })
        .await
    }

    async fn calls(&self, filter: CallFilter) -> Result<Vec<StoredCall>, StoreError> {
        self.read(move |connection, seals| reads::calls(connection, &filter, seals)).await
    }

    async fn unfinished(&self) -> Result<Vec<StoredCall>, StoreError> {
        let (directory, own) = (self.directory.clone(), self.stream);
        self.read(move |connection, seals| reads::unfinished(connection, &directory, own, seals)).await
    }

    async fn unsettled(&self, target: &str) -> Result<Option<(Uuid, NoEnd)>, StoreError> {
        let (directory, own, target) = (self.directory.clone(), self.stream, target.to_owned());
        let unwritten = Arc::clone(&self.unwritten);
        self.read(move |connection, seals| {
            let looker = Looker { directory: &directory, own, unwritten: &unwritten, seals };
            unsettled::on(connection, &target, &looker)
        })
        .await
    }

    async fn settle(&self, call: Uuid, ending: Ending) -> Result<bool, StoreError> {
        let ended = self.write(true, move |writing| begun::end(writing, call, &ending)).await?;
        self.unwritten.remove(call);
        Ok(ended)
    }

    async fn records(&self, after: Option<(Uuid, u64)>, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |connection, _| reads::records(connection, after, limit)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<Pruned, StoreError> {
        self.write(true, move |writing| prune::prune(writing, before)).await
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.read(operator_rows::all).await
    }

    async fn invite(&self, invitation: Invitation) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::invite(writing, invitation)).await
    }

    async fn invitation(&self, code: Digest) -> Result<Option<Invitation>, StoreError> {
        self.read(move |connection, seals| operators::invitation(connection, code, seals)).await
    }

    async fn enroll(&self, enrolment: Enrolment) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::enroll(writing, enrolment)).await
    }

    async fn link(&self, operator: Uuid, user: String) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::link(writing, operator, user)).await
    }

    async fn remove(&self, operator: Uuid, by: Option<Uuid>) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::remove(writing, operator, by)).await
    }

    async fn not_let_in(&self, operator: Option<Uuid>, entry: Entry, why: String) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::not_let_in(writing, operator, entry, why)).await
    }

    async fn with_code(&self, code: Digest) -> Result<Option<Operator>, StoreError> {
        self.read(move |connection, seals| operator_rows::with_code(connection, code, seals)).await
    }

    async fn sign_in(&self, session: Session, count: Option<u32>) -> Result<(), StoreError> {
        self.write(true, move |writing| sessions::sign_in(writing, session, count)).await
    }

    async fn session(&self, token: Digest) -> Result<Option<(Session, Operator)>, StoreError> {
        self.read(move |connection, seals| sessions::session(connection, token, seals)).await
    }

    async fn sign_out(&self, token: Digest) -> Result<(), StoreError> {
        self.write(true, move |writing| sessions::sign_out(writing, token)).await
    }

    fn health(&self) -> Health {
        self.pulse.health()
    }

    fn changes(&self) -> Changes {
        self.pulse.bell.changes(&self.reader)
    }

    async fn close(&self) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        let (done, closing) = oneshot::channel();
        queue.send(Message::Close(done)).await.map_err(|_| closed())?;
        closing.await.unwrap_or_else(|_| Err(closed()))
    }
}
