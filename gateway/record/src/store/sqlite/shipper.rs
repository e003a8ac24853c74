//! Writes signed checkpoints to the configured file, soon after a change and when the store closes.
//!
//! A checkpoint names the streams that changed since the one before, so that the file grows with what happens and not with
//! the number of streams there ever were. A process's first names those that changed since the newest in the file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mollyguard_tools::contract::{Timestamp, now};
use uuid::Uuid;

use super::{Inspection, Pulse};
use crate::audit::checkpoint::parse_notes;
use crate::audit::{ArgsKey, AuditKey, Head, PublicKey};

/// How long a failed attempt waits for the next, at least.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How far from the file's end its newest checkpoint is looked for.
const TAIL: u64 = 1 << 20;

/// How long before the newest checkpoint a record may say it was made, and still have been committed after it.
const LATE: Duration = Duration::from_secs(60);

/// The thread that writes checkpoints: its disk may be slow or far away, and no call waits for it.
pub(super) struct Shipper {
    changes: Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Shipper {
    pub(super) fn start(
        directory: PathBuf,
        installation: Uuid,
        path: PathBuf,
        delay: Duration,
        pulse: Arc<Pulse>,
    ) -> Self {
        let (changes, heard) = channel();
        let thread = std::thread::spawn(move || {
            let mut notes = Notes { directory, installation, path: path.clone(), named: None };
            let ship = || {
                let shipped = notes.append();
                if let Err(why) = &shipped {
                    tracing::error!(path = %path.display(), why, "the audit's checkpoint could not be written");
                }
                pulse.shipped(&shipped);
                shipped
            };
            ship_until_closed(&heard, delay, ship)
        });
        Self { changes, thread }
    }

    /// Something was written.
    pub(super) fn changed(&self) {
        // Fails only when the thread is gone, which `close` reports.
        let _ = self.changes.send(());
    }

    /// Writes what is still to be written, and says whether the last attempt held.
    pub(super) fn close(self) -> Result<(), String> {
        drop(self.changes);
        self.thread.join().unwrap_or_else(|_| Err("the thread that writes checkpoints is gone".into()))
    }
}

fn ship_until_closed(
    heard: &Receiver<()>,
    delay: Duration,
    mut ship: impl FnMut() -> Result<(), String>,
) -> Result<(), String> {
    let mut due: Option<Instant> = None;
    loop {
        let message = match due {
            None => heard.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => heard.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match message {
            // Counted from the first change: a steady stream of them cannot put it off for ever.
            Ok(()) => due = due.or_else(|| Some(Instant::now() + delay)),
            Err(RecvTimeoutError::Timeout) => {
                due = ship().err().map(|_| Instant::now() + delay.max(TIMEOUT));
            }
            Err(RecvTimeoutError::Disconnected) => return if due.is_some() { ship() } else { Ok(()) },
        }
    }
}

/// The file of checkpoints, and the heads this process has named in it.
struct Notes {
    directory: PathBuf,
    installation: Uuid,
    path: PathBuf,
    named: Option<HashMap<Uuid, Head>>,
}

impl Notes {
    /// Appends a checkpoint of the streams that changed, and waits for the disk.
    fn append(&mut self) -> Result<(), String> {
        let store = Inspection::open(&self.directory).map_err(|error| error.to_string())?;
        let sealed = store.heads().map_err(|error| error.to_string())?;
        let key = AuditKey::open_for(&self.directory, self.installation, !sealed.is_empty())
            .map_err(|error| error.to_string())?;
        let seals = ArgsKey::existing(&self.directory).map_err(|error| error.to_string())?;
        // What somebody else has put there is not signed.
        if let Some(other) = sealed.iter().find(|head| !head.is_sealed(&key.public(), seals.as_ref())) {
            let stream = other.head.stream;
            return Err(format!(
                "the end of stream {stream} is not sealed by this installation: see `mollyguard audit verify`"
            ));
        }
        let heads: Vec<Head> = sealed.into_iter().map(|sealed| sealed.head).collect();
        let changed: Vec<Head> = match &self.named {
            Some(named) => heads.iter().filter(|head| named.get(&head.stream) != Some(head)).copied().collect(),
            None => match self.newest(&store, &key.public()) {
                Some(since) => newer(&store, &heads, since),
                None => heads.clone(),
            },
        };
        if !changed.is_empty() {
            self.write(key.sign(changed)).map_err(|error| error.to_string())?;
        }
        self.named = Some(heads.into_iter().map(|head| (head.stream, head)).collect());
        Ok(())
    }

    /// When the newest checkpoint in the file was made: the moment of the last record it names. `None` where there is
    /// none, or it cannot be believed.
    fn newest(&self, store: &Inspection, key: &PublicKey) -> Option<Timestamp> {
        let mut file = File::open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail).ok()?;
        let notes = parse_notes(&String::from_utf8_lossy(&tail), Some(key));
        // The first may have been cut where the tail begins; of any other, nothing may be wrong.
        if notes.wrong.len() > usize::from(length > TAIL) {
            return None;
        }
        let newest = notes.checkpoints.last()?;
        let times: Option<Vec<Timestamp>> = newest.heads.iter().map(|head| store.made_at(head)).collect();
        times?.into_iter().max().filter(|newest| *newest <= now())
    }

    fn write(&self, mut note: String) -> std::io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        // A note cut off by a full disk does not take this one with it.
        if file.metadata()?.len() > 0 {
            let mut last = [0_u8];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            note.insert_str(0, if last == *b"\n" { "" } else { "\n" });
        }
        // In one write, so that those of several processes do not mix.
        file.write_all(note.as_bytes())?;
        file.sync_all()
    }
}

/// The heads whose last record is newer, or may be.
fn newer(store: &Inspection, heads: &[Head], since: Timestamp) -> Vec<Head> {
    let since = since - LATE;
    let is_newer = |head: &&Head| store.made_at(head).is_none_or(|at| at > since);
    heads.iter().filter(is_newer).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::audit::{AuditEvent, End};
    use crate::store::harness::open;
    use crate::store::laws::{ran, start, subject};
    use crate::store::{Records as _, SqliteStore};
    use crate::verify::verify_store;

    async fn read(store: &SqliteStore) {
        let read = AuditEvent::Read { policies: Vec::new(), failed: None };
        store.record(subject(Uuid::now_v7()), read).await.unwrap();
    }

    fn notes(store: &SqliteStore, path: PathBuf) -> Notes {
        Notes { directory: store.directory().to_owned(), installation: store.installation(), path, named: None }
    }

    #[tokio::test]
    async fn a_checkpoint_names_what_changed_and_the_file_as_a_whole_finds_what_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("checkpoint");
        let (one, two) = (open(place.path()), open(place.path()));
        let mut notes = notes(&one, path.clone());
        let named = |count: usize| {
            let text = fs::read_to_string(&path).unwrap();
            let last = text.rsplit(crate::audit::checkpoint::ORIGIN).nth(1).map(str::to_owned).unwrap();
            assert_eq!(last.matches("\nstream ").count(), count, "{last}");
            last
        };
        read(&one).await;
        ran(&two, start(), End::Succeeded).await;
        notes.append().unwrap();
        named(2);
        read(&two).await;
        notes.append().unwrap();
        assert!(named(1).contains(&two.stream().to_string()));
        read(&one).await;
        notes.append().unwrap();
        assert!(named(1).contains(&one.stream().to_string()));
        let before = fs::read(&path).unwrap();
        notes.append().unwrap();
        assert_eq!(fs::read(&path).unwrap(), before, "nothing has changed");
        let report = verify_store(place.path(), Some(&path)).unwrap();
        assert!(report.is_sound() && report.checkpoints == 3, "{report:#?}");

        // The newest checkpoint does not name this stream; the file still does.
        let editor = rusqlite::Connection::open(place.path().join("mollyguard.db")).unwrap();
        for table in ["calls", "heads", "records"] {
            let gone = format!("DELETE FROM {table} WHERE stream = ?1");
            editor.execute(&gone, [two.stream().to_string()]).unwrap();
        }
        assert!(verify_store(place.path(), None).unwrap().is_sound());
        let report = verify_store(place.path(), Some(&path)).unwrap();
        assert_eq!(report.findings.len(), 2, "both heads that were signed: {report:#?}");
    }

    #[tokio::test]
    async fn a_first_checkpoint_names_what_is_newer_than_the_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("checkpoint");
        let store = open(place.path());
        read(&store).await;
        notes(&store, path.clone()).append().unwrap();
        let inspection = Inspection::open(place.path()).unwrap();
        let heads: Vec<Head> = inspection.heads().unwrap().into_iter().map(|sealed| sealed.head).collect();
        let key = AuditKey::open_for(place.path(), store.installation(), true).unwrap();
        let newest = || notes(&store, path.clone()).newest(&inspection, &key.public());
        let at = newest().unwrap();
        assert_eq!(inspection.made_at(&heads[0]), Some(at));
        assert_eq!(newer(&inspection, &heads, at), heads, "it may have been committed later");
        assert_eq!(newer(&inspection, &heads, now() + LATE * 2), []);

        let sound = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{}\n{sound}", &sound[..sound.len() / 2])).unwrap();
        assert_eq!(newest(), None, "where anything is wrong, all streams are named");
        fs::write(&path, sound.replace("stream ", "stream  ")).unwrap();
        assert_eq!(newest(), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(newest(), None);
    }
}
