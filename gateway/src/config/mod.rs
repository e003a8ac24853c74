//! `mollyguard.toml`: every key, its default and its unit. Unknown keys are errors, and every error names its place.

mod confirm;
mod file;
mod find;
mod notify;
mod page_address;
mod paths;
mod reading;
mod secret_source;
mod template;
mod trusted;
mod webhook_address;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use mollyguard_record::store::Room;
use mollyguard_tools::contract::{Configured, Digest, Environment, Limits};

pub(crate) use file::SHORTEST_DAYS;
#[cfg(all(test, feature = "files"))]
pub(crate) use file::TARGET_KEYS;
pub use file::{Defaults, defaults_toml};
pub use find::{Found, OwnState, find};
pub use notify::{Notify, Url, Webhook};
pub use page_address::{PageAt, USUAL_PORT};
pub use secret_source::SecretSource;
pub(crate) use template::Place as TemplatePlace;
pub use template::Template;
pub use trusted::{Names, Place, Trusted};
pub use webhook_address::Address;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file where one was looked for.
    #[error("there is no configuration: looked for {}", .0.iter().map(|p| format!("`{}`", p.display())).collect::<Vec<_>>().join(", "))]
    Missing(Vec<PathBuf>),
    /// The file cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// It is not the TOML that is expected.
    #[error("`{path}` is not a configuration: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        reason: String,
    },
    /// A value makes no sense.
    #[error("in `{path}`, `{key}`: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, such as `targets.fleet.environment`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A bearer token, known only by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the token.
    pub digest: Digest,
    /// The user it authenticates.
    pub user: String,
    /// That user's roles.
    pub roles: Vec<String>,
}

/// How the gateway listens on HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Bearer tokens; without any, only loopback is listened on.
    pub tokens: Vec<Token>,
    /// `Host` values accepted besides loopback's.
    pub allowed_hosts: Vec<String>,
    /// `Origin` values accepted besides none.
    pub allowed_origins: Vec<String>,
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// Requests a minute for one principal.
    pub requests_per_minute: u32,
    /// Most sessions at once.
    pub sessions: usize,
}

/// How the gateway listens on a socket for other users of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Most connections at once.
    pub connections: usize,
    /// Most connections of one user.
    pub connections_each: usize,
    /// The roles of users by name, or by `uid:1000` where the system knows no name; all others have none.
    pub roles: BTreeMap<String, Vec<String>>,
}

/// One `[targets.NAME]`.
#[derive(Clone, Debug)]
pub struct Target {
    /// What tools are lent.
    pub configured: Arc<Configured>,
    /// Where its secrets come from, by their keys.
    pub secrets: BTreeMap<String, SecretSource>,
    /// The identity it was pinned to.
    pub identity: Option<String>,
}

/// How people are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// How long a question waits for its answer.
    pub expires: std::time::Duration,
    /// How long a call waits for an answer that is given elsewhere than in its client.
    pub wait: std::time::Duration,
    /// How long nobody is asked again for what a person declined.
    pub denial: std::time::Duration,
    /// How many questions of one user may be open at a time.
    pub open_questions: u32,
    /// How many questions of one user within 10 minutes are a flood, if it is more.
    pub flood: u32,
}

/// For how long, and how much, lies in the quarantine of a database or the trash of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// What is older is removed for good; nothing is for its age where this is `None`.
    pub age: Option<std::time::Duration>,
    /// While one target keeps more, its oldest is removed for good; nothing is for its size where this is `None`.
    pub bytes: Option<u64>,
}

impl Quarantine {
    /// Whether anything is ever removed.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        self.age.is_some() || self.bytes.is_some()
    }
}

/// Where the confirmation page is.
#[derive(Clone, Debug)]
pub struct Page {
    /// The port of its own listener, at the loopback addresses; 0 takes any free one.
    pub port: u16,
    /// Where browsers reach the HTTP listener, if not by this machine's own name.
    pub url: Option<PageAt>,
}

/// The configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Digest of the file's bytes.
    pub digest: Digest,
    /// Where calls, questions, undo entries and the audit chain are kept.
    pub state: PathBuf,
    /// The same with whose it is, where the file does not say where.
    pub own_state: Option<OwnState>,
    /// The principal on stdio, and on HTTP without tokens.
    pub user: String,
    /// That user's roles.
    pub roles: Vec<String>,
    /// Whether the shipped policies are in force.
    pub default_policies: bool,
    /// Folders with more policies.
    pub policy_directories: Vec<PathBuf>,
    /// How much one call may take.
    pub limits: Limits,
    /// Calls that may run at once; beside them a quarter as many of users who have none running.
    pub concurrent_calls: usize,
    /// Calls that may wait for their turn.
    pub waiting_calls: usize,
    /// How much of the disk calls may take.
    pub room: Room,
    /// How people are asked.
    pub confirm: Confirm,
    /// Where the confirmation page is, if there is one.
    pub page: Option<Page>,
    /// Who is told that a question waits.
    pub notify: Notify,
    /// Where signed heads of the audit chain are appended.
    pub checkpoint: Option<PathBuf>,
    /// How long calls, questions and records are kept; `None` for ever.
    pub keep: Option<std::time::Duration>,
    /// How long what was dropped or deleted stays where it was put away in its target.
    pub quarantine: Quarantine,
    /// How the gateway listens on HTTP.
    pub http: Http,
    /// How the gateway listens on a socket for other users of the machine.
    pub socket: Socket,
    /// Secrets that are redacted though no target holds them.
    pub redact: Vec<SecretSource>,
    /// The environments by name.
    pub environments: BTreeMap<String, Environment>,
    /// The targets by name.
    pub targets: BTreeMap<String, Target>,
    /// Everything of this that the gateway opens or runs: no target may reach it.
    pub trusted: Vec<Trusted>,
}
