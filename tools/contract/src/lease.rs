//! What is lent to a tool for one call: access to one configured target, its limits, and its secret if it has one.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Environment, HeldSecrets, Tier, ToolError};

/// What a lease allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Looking, with the credential for reading where the target has one of its own.
    Read,
    /// Looking at what a change would do, with the credential for changing: what is tried is rolled back.
    Trial,
    /// Changing.
    Write,
}

/// A toolset's own settings of one target, parsed when the configuration was loaded.
pub type Settings = Arc<dyn Any + Send + Sync>;

/// One `[targets.NAME]` of the configuration.
#[derive(Clone)]
pub struct Configured {
    /// Its name.
    pub name: String,
    /// Its kind: the toolset that works on it.
    pub kind: String,
    /// The environment it belongs to.
    pub environment: Environment,
    /// Where the things in it stand, by the provider's own name for that, for a target that holds several environments.
    pub environments: BTreeMap<String, Environment>,
    /// The toolset's own settings.
    pub settings: Settings,
}

impl Configured {
    /// Where a thing in the target stands that the provider says lies in `key`: what nobody mapped counts as production.
    #[must_use]
    pub fn environment_of(&self, key: &str) -> Environment {
        let unknown = || Environment { name: format!("{key} (not mapped)"), tier: Tier::Production };
        self.environments.get(key).cloned().unwrap_or_else(unknown)
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configured")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// How much one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of prior state kept so that a call can be undone; beyond it a call is not reversible.
    pub undo_bytes: u64,
    /// Bytes of output; beyond it an output is cut and says `truncated`.
    pub output_bytes: u64,
    /// Rows or entries of output; beyond it an output is cut and says `truncated`.
    pub output_rows: u64,
    /// How many things a look counts before it says `truncated`.
    pub count: u64,
    /// How long one look or one execution may take.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            undo_bytes: 8 << 20,
            output_bytes: 256 << 10,
            output_rows: 1_000,
            count: 100_000,
            deadline: Duration::from_secs(30),
        }
    }
}

/// A secret that the targets of a kind are configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKey {
    /// The key in `[targets.NAME]`, such as `read_secret`.
    pub name: Cow<'static, str>,
    /// What it opens: [`Access::Read`] is lent for reads alone, and instead of those that open more.
    pub opens: Access,
    /// A target without it cannot be used.
    pub required: bool,
}

/// A secret: wiped when dropped, never printed, never serialised.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: only for handing to the provider.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A file that another target's calls alone may change, or a name on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The target whose it is.
    pub target: String,
    /// Where it is, by the folders it really lies in; it need not be there.
    pub path: PathBuf,
}

/// The key of the secret of a kind that has one alone.
const SECRET: &str = "secret";

/// A credential lent for one call, with the target it opens. The gateway's broker makes these; a tool only reads them.
pub struct Lease {
    access: Access,
    target: Arc<Configured>,
    secrets: Arc<BTreeMap<String, Arc<Secret>>>,
    limits: Limits,
    held: Option<Arc<dyn HeldSecrets>>,
    user: Option<Arc<str>>,
    reserved: Arc<[Reserved]>,
}

impl Lease {
    /// Lends access to `target`. Write access is lent by the gateway's broker against a policy's permit, and by tests.
    #[must_use]
    pub fn new(access: Access, target: Arc<Configured>, secret: Option<Arc<Secret>>, limits: Limits) -> Self {
        let secrets = secret.into_iter().map(|secret| (SECRET.to_owned(), secret)).collect();
        let secrets = Arc::new(secrets);
        Self { access, target, secrets, limits, held: None, user: None, reserved: Arc::default() }
    }

    /// The same with these secrets, each under its key.
    #[must_use]
    pub fn lending(self, secrets: Arc<BTreeMap<String, Arc<Secret>>>) -> Self {
        Self { secrets, ..self }
    }

    /// The same for a tool that gives out parts of something: it looks for these around the part.
    #[must_use]
    pub fn holding(self, held: Arc<dyn HeldSecrets>) -> Self {
        Self { held: Some(held), ..self }
    }

    /// The same for the calls of one user, whose name it is: where calls wait for each other, the users take turns.
    #[must_use]
    pub fn in_turn_of(self, user: &str) -> Self {
        Self { user: Some(Arc::from(user)), ..self }
    }

    /// The same beside targets whose files may lie in this one's reach: it leaves those as they are.
    #[must_use]
    pub fn reserving(self, reserved: Vec<Reserved>) -> Self {
        Self { reserved: reserved.into(), ..self }
    }

    /// The same lease, for work on it that outlives a borrow.
    pub(crate) fn shared(&self) -> Self {
        Self {
            access: self.access,
            target: Arc::clone(&self.target),
            secrets: Arc::clone(&self.secrets),
            limits: self.limits,
            held: self.held.clone(),
            user: self.user.clone(),
            reserved: Arc::clone(&self.reserved),
        }
    }

    /// What this target reaches and may not change.
    #[must_use]
    pub fn reserved(&self) -> &[Reserved] {
        &self.reserved
    }

    /// Whose turn it is; empty for what the gateway does by itself.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }

    /// What finds the secrets the gateway holds, where it holds any.
    #[must_use]
    pub const fn held(&self) -> Option<&Arc<dyn HeldSecrets>> {
        self.held.as_ref()
    }

    /// The configured target.
    #[must_use]
    pub fn target(&self) -> &Configured {
        &self.target
    }

    /// How much the call may take.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The secret that opens the target for this access, where the kind has one for each access.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        self.secrets.values().next().map(|secret| &**secret)
    }

    /// The secret of that key, where it is lent for this access.
    #[must_use]
    pub fn secret_of(&self, key: &str) -> Option<&Secret> {
        self.secrets.get(key).map(|secret| &**secret)
    }

    /// Whether the call may change the target.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.access
    }

    /// Refuses unless this lease allows changing: the first line of every `execute` that changes something.
    ///
    /// # Errors
    /// `Untouched` when the lease is for looking only.
    pub fn require_write(&self) -> Result<(), ToolError> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read | Access::Trial => {
                Err(ToolError::refused(format!("the lease on `{}` is for looking only", self.target.name)))
            }
        }
    }

    /// The toolset's own settings of this target.
    ///
    /// # Errors
    /// `Untouched` when the target is of another kind.
    pub fn settings<T: Any + Send + Sync>(&self) -> Result<&T, ToolError> {
        self.target.settings.downcast_ref().ok_or_else(|| {
            ToolError::refused(format!("target `{}` is of kind `{}`", self.target.name, self.target.kind))
        })
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("access", &self.access).field("target", &self.target.name).finish_non_exhaustive()
    }
}
