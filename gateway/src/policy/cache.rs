//! What the policies said before. They are fixed for the life of a process and see nothing but what [`Asked`] holds, so the
//! same question has the same answer; what goes by the strongest approval there is, is forgotten when that changes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::request::Asked;

/// The most answers that are kept. When there are more, all are forgotten and asked for anew.
const KEPT: usize = 512;

/// Answers to exactly these questions.
#[derive(Debug)]
pub(super) struct DecisionCache<T>(Mutex<HashMap<Asked, T>>);

impl<T> Default for DecisionCache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> DecisionCache<T> {
    pub(super) fn find(&self, asked: &Asked) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(asked).cloned()
    }

    /// What was said under other circumstances.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn keep(&self, asked: Asked, answer: T) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(asked, answer);
    }
}
