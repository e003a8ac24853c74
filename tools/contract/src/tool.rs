//! The traits a tool and a toolset implement.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Declaration, HeldSecrets, Kept, Lease, Outcome, Preflight, Probe, Search, SecretKey, Settings, ToolError};

/// One thing that can be done.
///
/// Arguments reach a tool only after the gateway has checked them against the declaration's input schema, which requires
/// the argument `target`; the lease is for the configured target of that name.
#[async_trait]
pub trait Tool: Send + Sync {
    /// What it promises of every call.
    fn declaration(&self) -> &Declaration;

    /// What the call would do if it ran now. Changes nothing.
    async fn preflight(&self, args: &Value, lease: &Lease) -> Result<Preflight, ToolError>;

    /// Does it, after reading the fingerprint of `seen` again: if the state moved, [`ToolError::changed`].
    async fn execute(&self, args: &Value, seen: &Preflight, lease: &Lease) -> Result<Outcome, ToolError>;

    /// Whether its look and what it does block, in [`blocking_until`](super::blocking_until) work: then a read is best made on one thread
    /// ([`on_one_thread`](super::on_one_thread)).
    fn blocks(&self) -> bool {
        false
    }

    /// What would come of the call, however its arguments are spelled: of two calls of one tool on one configured target for
    /// which this is the same, people are asked about one at a time. `seen` is what the look found.
    ///
    /// The default goes by the things it acts on and by the observed state. A tool that acts on whole things goes by those
    /// alone.
    fn effect(&self, _args: &Value, seen: &Preflight) -> Value {
        effect_on(seen)
    }

    /// What the call is aimed at, by every name of that: a person's no to it holds for each call of the tool that shares one
    /// of these, on the same configured target. `seen` is what the look found.
    ///
    /// It holds nothing that changes while nobody is asked, and nothing that the words of a call can vary without end: whole
    /// things go by path and by id, statements by what they do to which tables. Else a no would hold until the next
    /// respelling, or the next change by anybody. The default is the things it acts on.
    fn aim(&self, _args: &Value, seen: &Preflight) -> Vec<Value> {
        seen.aim()
    }

    /// Finds out whether a call that was started took effect. Changes nothing. Asked only once [`Toolset::is_over`] has
    /// said that it can no longer take effect: before that, a state that is still the same proves nothing.
    ///
    /// The default looks again: the same fingerprint means that nothing happened, anything else is unknown.
    async fn probe(&self, args: &Value, seen: &Preflight, lease: &Lease) -> Probe {
        match self.preflight(args, lease).await {
            Ok(again) if again.fingerprint == seen.fingerprint => Probe::Unchanged,
            Ok(_) | Err(_) => Probe::Unknown,
        }
    }
}

/// What [`Tool::effect`] says of a tool that is not about whole things.
pub(super) fn effect_on(seen: &Preflight) -> Value {
    json!({ "on": seen.targets, "state": seen.fingerprint })
}

/// Why a target's settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SettingsError {
    /// The key at fault, where it is one key.
    pub key: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// What `targets check` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetReport {
    /// What the target says it is: a digest or id that another database behind the same name would not have.
    pub identity: String,
    /// A line about it for people: version, size, tables.
    pub summary: String,
    /// What a careful operator should know, one sentence each.
    pub warnings: Vec<String>,
}

/// A family of tools over one kind of target.
#[async_trait]
pub trait Toolset: Send + Sync {
    /// Its name: the target kind, and the prefix of its tools' names.
    fn name(&self) -> &str;

    /// One sentence for `mollyguard tools`.
    fn about(&self) -> &str;

    /// Its tools, in the order they are listed.
    fn tools(&self) -> Vec<Arc<dyn Tool>>;

    /// The secrets its targets are configured with.
    fn secrets(&self) -> &[SecretKey] {
        &[]
    }

    /// Whether one target holds several environments of its provider's, which `[targets.NAME.environments]` maps to ours; what
    /// is not mapped there counts as production.
    fn spans_environments(&self) -> bool {
        false
    }

    /// Parses a target's own keys (what is left of `[targets.NAME]` after those of every target and the secrets).
    /// Relative paths are taken from `base`, the configuration file's folder. Unknown keys are errors.
    ///
    /// # Errors
    /// The key at fault and why.
    fn settings(&self, table: toml::Table, base: &Path) -> Result<Settings, SettingsError>;

    /// The local paths a target of these settings can reach, everything below them included; the target's own path first,
    /// which leads to the others. The gateway keeps what it trusts, and targets of different environments, out of each
    /// other's reach.
    fn reach(&self, _settings: &Settings) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The local files that only the calls of such a target may change, whatever others reach them: a database, and what
    /// its engine keeps beside it.
    fn reserves(&self, _settings: &Settings) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The local files that the lease's secret names and that its target is reached by, such as certificates and sockets,
    /// each with what it is. No target may reach them.
    fn trusts(&self, _lease: &Lease) -> Vec<(&'static str, PathBuf)> {
        Vec::new()
    }

    /// What the target says it is: [`TargetReport::identity`] without the rest of the look, since a pinned target is asked
    /// before every call.
    async fn identity(&self, lease: &Lease) -> Result<String, ToolError>;

    /// Where the target is looked for, as far as its settings and secret tell without asking it: another target with one
    /// of these is taken for the same thing where it cannot be asked. Holds no secret.
    fn addresses(&self, _lease: &Lease) -> Vec<String> {
        Vec::new()
    }

    /// Whether a call that was begun, and with which no tool of a living process goes on, can no longer take effect:
    /// everything that was sent for it has been carried out or given up. Each kind says so with evidence, or that it
    /// cannot tell yet; until then the call has no end and its target waits. What a program does in its own process is
    /// over once the process is gone or the tool has come back; what was sent to a server is over when the server says so.
    async fn is_over(&self, seen: &Preflight, lease: &Lease) -> bool;

    /// Looks at a target as a whole.
    async fn check(&self, lease: &Lease) -> Result<TargetReport, ToolError>;

    /// Looks for held secrets in what calls could read of a target; bounded, and told where it stopped.
    async fn search(&self, _lease: &Lease, _held: &Arc<dyn HeldSecrets>) -> Result<Search, ToolError> {
        Ok(Search::default())
    }

    /// What lies in the target's quarantine or trash and can be removed for good, the oldest first, at most
    /// [`KEPT_AT_ONCE`](super::KEPT_AT_ONCE). What does not say since when it lies there is not among it. Changes nothing.
    async fn kept(&self, _lease: &Lease) -> Result<Vec<Kept>, ToolError> {
        Ok(Vec::new())
    }

    /// Whether what [`Toolset::kept`] told of is still what lies there: asked right before it is removed. By default it is, as
    /// long as it is there, since nothing else gets its arguments.
    async fn is_kept(&self, _lease: &Lease, _kept: &Kept) -> Result<bool, ToolError> {
        Ok(true)
    }

    /// Whether a call of this tool is taken back with what [`Toolset::kept`] then tells of: for no longer than that is
    /// there. `seen` is what the look found.
    fn keeps(&self, _tool: &str, _seen: &Preflight) -> bool {
        false
    }
}
