//! A held secret under the name it is known by.

use std::sync::Arc;

use mollyguard_tools::contract::Secret;

/// Secrets shorter than this are refused: redacting them would mangle ordinary text.
pub(super) const SHORTEST: usize = 6;

/// A secret to be taken out, and what it is called.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its reference, such as `env:NAME`.
    pub reference: String,
    /// The secret.
    pub secret: Arc<Secret>,
}
