//! Writing one record on the caller's thread, where nobody else is writing.

use std::sync::TryLockError;

use tokio::sync::oneshot;

use super::work::Task;
use super::writing::{Writing, by_itself};
use super::{SqliteStore, closed};
use crate::audit::{AuditEvent, Subject};
use crate::store::NotHere;

impl SqliteStore {
    /// See [`crate::store::Records::record_here`].
    pub(super) fn record_on_this_thread(&self, record: (Subject, AuditEvent)) -> Result<(), NotHere> {
        let Some(queue) = &self.queue else { return Err(NotHere::Failed(closed())) };
        let durable = by_itself(&record.1).map_err(NotHere::Failed)?;
        // Where others wait, one transaction for all is quicker.
        if queue.capacity() < queue.max_capacity() {
            return Err(NotHere::Busy(Box::new(record)));
        }
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::WouldBlock) => return Err(NotHere::Busy(Box::new(record))),
            Err(TryLockError::Poisoned(_)) => return Err(NotHere::Failed(closed())),
        };
        let (reply, mut answer) = oneshot::channel();
        let run = move |writing: &mut Writing<'_>| writing.append(record.0, record.1);
        let task = Task { durable, run: Some(Box::new(run)), result: None, reply: Some(reply), lost: None };
        writer.write_here(Box::new(task));
        answer.try_recv().unwrap_or_else(|_| Err(closed())).map_err(NotHere::Failed)
    }
}
