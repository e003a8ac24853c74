//! Tells those who wait that something was written, by this process or by another on the same store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

/// How often other processes' commits are looked for while somebody waits. SQLite answers from shared memory.
const EVERY: Duration = Duration::from_millis(20);

/// Rings after every commit.
#[derive(Debug)]
pub(super) struct ChangeNotifier {
    rung: watch::Sender<u64>,
    listening: AtomicBool,
}

/// Changes to what is stored. They are told, not counted: several may be told as one.
#[derive(Clone, Debug)]
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    /// Returns once something has been written since this was made, or since it returned last.
    pub async fn changed(&mut self) {
        // The sender lives as long as the store; without it nothing changes any more.
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Default for ChangeNotifier {
    fn default() -> Self {
        Self { rung: watch::Sender::new(0), listening: AtomicBool::new(false) }
    }
}

impl ChangeNotifier {
    pub(super) fn ring(&self) {
        if self.rung.receiver_count() > 0 {
            self.rung.send_modify(|n| *n = n.wrapping_add(1));
        }
    }

    /// From now on. Other processes are listened for as long as somebody waits, on a task of its own.
    pub(super) fn changes(self: &Arc<Self>, reader: &Arc<Mutex<Connection>>) -> Changes {
        let changes = Changes(self.rung.subscribe());
        if !self.listening.swap(true, Ordering::AcqRel) {
            tokio::spawn(listen(Arc::clone(self), Arc::clone(reader)));
        }
        changes
    }
}

async fn listen(change_notifier: Arc<ChangeNotifier>, reader: Arc<Mutex<Connection>>) {
    let mut seen = None;
    loop {
        let connection = Arc::clone(&reader);
        // Counts the commits of all other connections, those of this process's own writer among them.
        let version = tokio::task::spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0)).ok()
        });
        let version = version.await.ok().flatten();
        // The first time as well: something may have been written between the call for changes and this look.
        if version != seen {
            seen = version;
            change_notifier.ring();
        }
        tokio::time::sleep(EVERY).await;
        if change_notifier.rung.receiver_count() == 0 {
            change_notifier.listening.store(false, Ordering::Release);
            // Somebody who came in between saw it listening still.
            if change_notifier.rung.receiver_count() == 0 || change_notifier.listening.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_written_before_the_first_look_is_told() {
        let place = tempfile::tempdir().unwrap();
        let open = || Connection::open(place.path().join("any.db")).unwrap();
        let (writer, reader) = (open(), Arc::new(Mutex::new(open())));
        writer.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE any (n INTEGER)").unwrap();
        let change_notifier = Arc::new(ChangeNotifier::default());
        let held = reader.lock().unwrap();
        let mut changes = change_notifier.changes(&reader);
        writer.execute_batch("INSERT INTO any VALUES (1)").unwrap();
        drop(held);
        tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.expect("it is told");
    }
}
