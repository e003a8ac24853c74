//! What targets said they were.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What targets said they were when they last answered. Only what does not answer now is held to it.
#[derive(Default)]
pub(crate) struct AliasGuard(Mutex<HashMap<String, String>>);

impl AliasGuard {
    pub(crate) fn known(&self, target: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(target).cloned()
    }

    pub(crate) fn learn(&self, target: &str, identity: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(target.to_owned(), identity.to_owned());
    }
}
