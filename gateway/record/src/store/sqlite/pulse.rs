//! How a store fares, and telling those who wait of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mollyguard_tools::contract::{Timestamp, now};
use serde::Serialize;

use super::change_notifier::ChangeNotifier;

/// How a store fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Transactions committed by this process.
    pub commits: u64,
    /// Of these, the ones that waited for the disk.
    pub durable_commits: u64,
    /// When a checkpoint was written last, by this process.
    pub checkpoint_at: Option<Timestamp>,
    /// Why the last attempt at a checkpoint failed.
    pub checkpoint_failed: Option<String>,
}

/// What the threads tell about themselves.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    pub(super) commits: AtomicU64,
    pub(super) durable: AtomicU64,
    pub(super) checkpoint: Mutex<(Option<Timestamp>, Option<String>)>,
    pub(super) change_notifier: Arc<ChangeNotifier>,
}

impl Pulse {
    pub(super) fn committed(&self, durable: bool) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.durable.fetch_add(durable.into(), Ordering::Relaxed);
        self.change_notifier.ring();
    }

    pub(super) fn health(&self) -> Health {
        let checkpoint = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Health {
            commits: self.commits.load(Ordering::Relaxed),
            durable_commits: self.durable.load(Ordering::Relaxed),
            checkpoint_at: checkpoint.0,
            checkpoint_failed: checkpoint.1,
        }
    }

    pub(super) fn shipped(&self, result: &Result<(), String>) {
        let mut checkpoint = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => *checkpoint = (Some(now()), None),
            Err(why) => checkpoint.1 = Some(why.clone()),
        }
    }
}
