//! Writes signed checkpoints of every stream to the configured file, soon after a change and when the store closes.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{Inspection, Pulse};
use crate::audit::AuditKey;

/// How long a failed attempt waits for the next, at least.
const PATIENCE: Duration = Duration::from_secs(30);

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
            let ship = || {
                let shipped = append(&directory, installation, &path);
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
    ship: impl Fn() -> Result<(), String>,
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
                due = ship().err().map(|_| Instant::now() + delay.max(PATIENCE));
            }
            Err(RecvTimeoutError::Disconnected) => return if due.is_some() { ship() } else { Ok(()) },
        }
    }
}

/// Appends a checkpoint of the streams as they are now, and waits for the disk.
fn append(directory: &Path, installation: Uuid, path: &Path) -> Result<(), String> {
    let heads = Inspection::open(directory).and_then(|store| store.heads()).map_err(|error| error.to_string())?;
    let key = AuditKey::open_for(directory, installation, !heads.is_empty()).map_err(|error| error.to_string())?;
    let mut note = key.sign(heads.into_iter().map(|signed| signed.head).collect());
    let write = || {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
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
    };
    let written: std::io::Result<()> = { write }();
    written.map_err(|error| error.to_string())
}
