//! One recovery at a time on each target.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

/// The targets on which unfinished calls are being settled.
#[derive(Default)]
pub(crate) struct Recovering(std::sync::Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Recovering {
    /// The turn of a target: whoever waited for it finds settled what the other one settled.
    pub(crate) fn of(&self, target: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(target.to_owned()).or_default())
    }
}
