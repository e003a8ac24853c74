//! How to open a store, and as what.

use std::path::PathBuf;
use std::time::Duration;

use mollyguard_tools::contract::Digest;

/// What a gateway process is configured with; the first record of its stream.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The gateway's version.
    pub version: String,
    /// Digest of the configuration file.
    pub configuration: Digest,
    /// Digest of the policies in force.
    pub policies: Digest,
}

/// How much of the disk calls may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The most bytes that are kept of one user's large calls on one target that nobody was asked about, to take them back.
    pub kept: u64,
    /// The bytes that stay free on the file system of the state directory, whatever large call is to begin.
    pub free: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { kept: 2 << 30, free: 256 << 20 }
    }
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct OpenStore {
    /// The state directory: database, keys, locks. Made when it does not exist.
    pub directory: PathBuf,
    /// What this process is configured with.
    pub configured: Configured,
    /// The file signed checkpoints are appended to, best on a disk that this user cannot rewrite.
    pub checkpoint: Option<PathBuf>,
    /// A checkpoint is written this long after a change, at the latest.
    pub checkpoint_delay: Duration,
    /// How much may wait to be written.
    pub queue: usize,
    /// How long a full queue, or another process's transaction, is waited for.
    pub patience: Duration,
    /// How much of the disk calls may take.
    pub room: Room,
}

impl OpenStore {
    /// With the defaults: no checkpoints, 1,024 waiting, 5 seconds.
    #[must_use]
    pub fn new(directory: PathBuf, configured: Configured) -> Self {
        Self {
            directory,
            configured,
            checkpoint: None,
            checkpoint_delay: Duration::from_secs(5),
            queue: 1_024,
            patience: Duration::from_secs(5),
            room: Room::default(),
        }
    }
}
