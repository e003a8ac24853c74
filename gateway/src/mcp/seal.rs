//! The `requestState` a client carries between a question and the repeated call: signed, bound to the caller and to the
//! exact call, and short-lived. It is not encrypted, and single use is the store's doing.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::model::Principal;
use mollyguard_tools::contract::{Digest, Timestamp, now};
use rmcp::model::{RequestStateCodec, SealOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

/// The only method that asks.
const METHOD: &str = "tools/call";

/// How long a seal outlives its question: a late answer is then known for what it is, and refused as late.
const LATE: Duration = Duration::from_secs(60 * 60);

/// Seals and opens `requestState`.
#[derive(Clone, Debug)]
pub struct Seal(Arc<RequestStateCodec>);

/// Why something could not be sealed. There is no error for opening: whatever is wrong, the answer is worth nothing.
#[derive(Debug, Error)]
pub enum SealError {
    /// The key cannot be used.
    #[error("the key for sealing questions cannot be used")]
    Key,
    /// The content cannot be written.
    #[error("the question cannot be sealed")]
    Content,
}

/// What is sealed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The confirmation that was asked for.
    pub confirmation: Uuid,
    /// The form's one field; `None` where the person was sent to a page.
    pub field: Option<String>,
    /// When the confirmation expires.
    pub until: Timestamp,
}

/// The call a seal is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The caller.
    pub principal: &'a Principal,
    /// The tool.
    pub tool: &'a str,
    /// Its arguments.
    pub args: &'a Value,
}

impl Bound<'_> {
    /// What is signed along without being carried. The client program is left out: it is never identity.
    fn bytes(&self) -> [u8; 32] {
        let principal = (&self.principal.user, &self.principal.roles);
        *Digest::of(&(principal, METHOD, self.tool, Digest::of(self.args))).as_bytes()
    }
}

impl Seal {
    /// A seal with this key. Processes that share calls share the key.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        let codec = RequestStateCodec::new_with_keyring("k1", [("k1", key.to_vec())]).map_err(|_| SealError::Key)?;
        Ok(Self(Arc::new(codec)))
    }

    /// Seals until some time after the confirmation expires. That it expires is the store's doing, too.
    ///
    /// # Errors
    /// The content cannot be written.
    pub fn close(&self, sealed: &Sealed, bound: &Bound<'_>) -> Result<String, SealError> {
        let aad = bound.bytes();
        let options = SealOptions::new().associated_data(&aad).ttl(left(sealed.until) + LATE);
        self.0.seal_json_with(sealed, &options).map_err(|_| SealError::Content)
    }

    /// What was sealed for this very call, if it is ours and whole. Whether the question has expired is for the store to
    /// say, which also tells the person so.
    #[must_use]
    pub fn open(&self, state: &str, bound: &Bound<'_>) -> Option<Sealed> {
        self.0.open_json_with(state, &bound.bytes()).ok()
    }
}

/// How long it is until then.
pub(super) fn left(until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now())).unwrap_or_default()
}
