//! Calls that have begun, with which nothing goes on, and whose end is not on record: until it is, nothing else may change
//! their targets. Calls that simply run, here or in another living process, are none of these.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::lease;
use super::reads::select;
use super::rows::{CALL, Depth};
use super::schema::failed;
use crate::audit::ArgsKey;
use crate::store::{NoEnd, StoreError};

/// The calls of this process whose end could not be written. While there are any, it holds its stream's second lock, which
/// takes no room on the disk: other living processes know them by that.
#[derive(Debug, Default)]
pub(super) struct Unwritten(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    held: bool,
    calls: HashSet<Uuid>,
}

impl Unwritten {
    /// The file to lock, made when the stream was opened.
    pub(super) fn with(&self, file: File) {
        self.state().file = Some(file);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contains(&self, call: Uuid) -> bool {
        self.state().calls.contains(&call)
    }

    /// Such a call, told to the other processes within `patience`, for which one that looks may hold the lock.
    pub(super) fn add(&self, call: Uuid, patience: Duration) {
        let begun = Instant::now();
        self.state().calls.insert(call);
        loop {
            let mut state = self.state();
            // Its end may have been written meanwhile.
            if state.held || state.calls.is_empty() {
                return;
            }
            let Some(file) = &state.file else { return };
            match file.try_lock() {
                Ok(()) => {
                    state.held = true;
                    return;
                }
                Err(TryLockError::WouldBlock) if begun.elapsed() < patience => {}
                Err(error) => {
                    tracing::error!(%call, %error, "other processes cannot be told of an end that is not written");
                    return;
                }
            }
            drop(state);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Its end is written.
    pub(super) fn remove(&self, call: Uuid) {
        let mut state = self.state();
        state.calls.remove(&call);
        if !state.calls.is_empty() || !state.held {
            return;
        }
        match state.file.as_ref().map_or(Ok(()), File::unlock) {
            Ok(()) => state.held = false,
            Err(error) => tracing::error!(%error, "other processes cannot be told that every end is written"),
        }
    }
}

/// Where a store looks, and as whom.
pub(super) struct Looker<'a> {
    pub(super) directory: &'a Path,
    pub(super) own: Uuid,
    pub(super) unwritten: &'a Unwritten,
    pub(super) seals: &'a ArgsKey,
}

/// By the index of the few that have not ended, rather than by that of all there ever were on the target.
pub(super) const OPEN: &str = "SELECT id, stream FROM calls INDEXED BY calls_unfinished \
     WHERE ended IS NULL AND target = ?1 AND reversibility <> 'read_only' ORDER BY n";

/// See [`crate::store::Calls::unsettled`]. A call that is running in a process that also holds the lost end of another one
/// counts as lost: the lock is one for all of a stream's calls.
pub(super) fn on(
    connection: &Connection,
    target: &str,
    looker: &Looker<'_>,
) -> Result<Option<(Uuid, NoEnd)>, StoreError> {
    let mut query = connection.prepare_cached(OPEN).map_err(failed)?;
    let mut rows = query.query(params![target]).map_err(failed)?;
    let id = |text: String| text.parse::<Uuid>().ok();
    while let Some(row) = rows.next().map_err(failed)? {
        let (call, stream) = (id(row.get(0).map_err(failed)?), id(row.get(1).map_err(failed)?));
        let (Some(call), Some(stream)) = (call, stream) else { continue };
        let Some(why) = looker.why(call, stream) else { continue };
        // What is damaged is left out here as it is by recovery: nobody would ever settle it.
        let sql = format!("SELECT {CALL} FROM calls c WHERE c.id = ?1");
        if !select(connection, &sql, [call.to_string()], Depth::Whole, looker.seals)?.is_empty() {
            return Ok(Some((call, why)));
        }
    }
    Ok(None)
}

impl Looker<'_> {
    /// Why a call without an end has none; `None` where it runs.
    fn why(&self, call: Uuid, stream: Uuid) -> Option<NoEnd> {
        if stream == self.own {
            return self.unwritten.contains(call).then_some(NoEnd::Unwritten);
        }
        // In this order: a process that dies in between lets go of both locks.
        if lease::has_unwritten(self.directory, stream) {
            return Some(NoEnd::Unwritten);
        }
        lease::is_dead(self.directory, stream).then_some(NoEnd::CutOff)
    }
}

#[cfg(test)]
mod tests;
