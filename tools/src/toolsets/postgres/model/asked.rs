//! What a statement's text was read as, kept beside it: it is read once a call.

use std::sync::OnceLock;

use crate::contract::ToolError;

/// What was read, once it was.
#[derive(Debug)]
pub(crate) struct Known<T>(OnceLock<T>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Known<T> {
    /// What is known, or what reading it now tells.
    pub(crate) fn or(&self, read: impl FnOnce() -> Result<T, ToolError>) -> Result<&T, ToolError> {
        match self.0.get() {
            Some(known) => Ok(known),
            None => read().map(|read| self.0.get_or_init(|| read)),
        }
    }
}
