//! The proof that policy said yes to one call.

use uuid::Uuid;

/// The proof that policy said yes to one call. Only [`super::Policies::decide`] makes one.
#[derive(Debug)]
pub struct Permit {
    call: Uuid,
    tool: String,
    policies: Vec<String>,
}

impl Permit {
    pub(super) const fn new(call: Uuid, tool: String, policies: Vec<String>) -> Self {
        Self { call, tool, policies }
    }

    /// The call it is for.
    #[must_use]
    pub const fn call(&self) -> Uuid {
        self.call
    }

    /// The tool it is for.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The policies that permit it.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }
}
