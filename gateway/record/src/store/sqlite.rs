//! The store in one SQLite file, shared by every gateway process of an installation.
//!
//! Opening touches nothing but the file: the process's own stream of records begins with its first record. One thread at a
//! time writes (see `writer`); reads use a connection of their own.

mod answers;
mod applied;
mod asking_rows;
mod askings;
mod begun;
mod change_notifier;
mod dialogs;
mod grant_rows;
mod grants;
#[cfg(any(test, feature = "laws"))]
pub mod harness;
mod here;
mod inspect;
mod invitation_rows;
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
mod serving;
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

use mollyguard_tools::contract::Digest;
use rusqlite::Connection;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::StoreError;
use crate::audit::ArgsKey;
use crate::model::Operator;
use open::Kept;
use pulse::Pulse;
use unsettled::Unwritten;
use work::{Task, Work};
use writer::{Message, Writer};
use writing::Writing;

pub use change_notifier::Changes;
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
