//! Where the page is: several gateways share one state directory, and so one page. Whoever holds the lock serves it, and
//! writes down in it where.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const LOCK: &str = "page.lock";

/// Where the page of the gateways on this state directory is, if one of them serves it.
#[must_use]
pub fn where_page_is(state: &Path) -> Option<String> {
    let file = File::open(state.join(LOCK)).ok()?;
    // Nobody holds it: what it says is where the page was.
    match file.try_lock_shared() {
        Ok(()) => return None,
        Err(std::fs::TryLockError::WouldBlock) => {}
        Err(std::fs::TryLockError::Error(_)) => return None,
    }
    let mut origin = String::new();
    file.take(256).read_to_string(&mut origin).ok()?;
    let origin = origin.trim_end();
    (!origin.is_empty()).then(|| origin.to_owned())
}

/// The lock of whoever serves the page, in which they write down where.
#[derive(Debug)]
pub struct PagePlace(File);

impl PagePlace {
    /// Takes it; `None` where another gateway has it.
    ///
    /// # Errors
    /// The lock cannot be had.
    pub fn take(state: &Path) -> std::io::Result<Option<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(state.join(LOCK))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Writes down where the page is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, origin: &str) -> std::io::Result<()> {
        self.0.set_len(0)?;
        self.0.seek(SeekFrom::Start(0))?;
        writeln!(self.0, "{origin}")
    }
}
