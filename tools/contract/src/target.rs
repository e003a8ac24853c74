//! What a call acts on, and where that stands.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::TargetPath;

/// What an environment is worth. Unknown counts as production, so there is no unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Losing it costs one person an afternoon.
    Development,
    /// Losing it costs a team its work.
    Staging,
    /// Losing it costs customers.
    Production,
}

impl Tier {
    /// `development`, `staging` or `production`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// A named environment of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// The name given in the configuration.
    pub name: String,
    /// What it is worth.
    pub tier: Tier,
}

/// One existing thing a call would act on, as the provider knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// What it is, such as `sqlite_table` or `file`.
    pub kind: String,
    /// Where it is, starting with the configured target's name: `fleet/bookings`.
    pub path: TargetPath,
    /// The provider's own id, where it has one.
    pub uid: Option<String>,
    /// The environment the configured target belongs to.
    pub environment: Environment,
}

impl Target {
    /// Every name of this thing: its path, which stays when something else is put in its place, and the provider's id, which
    /// stays when it is moved.
    #[must_use]
    pub fn names(&self) -> Vec<Value> {
        let id = self.uid.iter().map(|uid| json!({ "id": uid }));
        std::iter::once(json!({ "path": self.path })).chain(id).collect()
    }

    /// The name a person types to confirm: the last segment of the path.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        self.path.name()
    }
}
