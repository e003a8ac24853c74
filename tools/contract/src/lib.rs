//! The contract between the gateway and whatever acts on the world: the words, the types, and nothing that acts.

mod adapter;
mod canonical;
mod change;
mod declaration;
mod digest;
mod findings;
mod held;
mod kept;
mod kind;
#[cfg(feature = "laws")]
pub mod laws;
mod lease;
mod outcome;
mod path;
mod preflight;
mod schema;
mod target;
mod thread;
mod tool;
mod undo;

pub use adapter::{change, on_target, read};
pub use canonical::canonical_json;
pub use change::{Applied, Change, ConnOf, Fingerprint, Read, Softening, Spec, TxOf};
pub use declaration::{Audience, Condition, Declaration, Reversibility, Scope};
pub use digest::Digest;
pub use findings::Findings;
pub use held::{Exposed, HeldSecrets, MARK, Search};
pub use kept::{KEPT_AT_ONCE, Kept, oldest_first};
pub use kind::{Kind, Purpose, Unsure, Waiting};
pub use lease::{Access, Configured, Lease, Limits, Reserved, Secret, SecretKey, Settings};
pub use outcome::{Cause, Outcome, Probe, ToolError, UndoPlan};
pub use path::TargetPath;
pub use preflight::{About, Alternative, BlastRadius, Evidence, Preflight};
pub use schema::{schema_of, schema_of_output};
pub use target::{Environment, Target, Tier};
pub use thread::{blocking_until, on_one_thread};
pub use tool::{SettingsError, TargetReport, Tool, Toolset};
pub use undo::{TakesBack, Undo};

/// A moment, written in RFC 3339 with milliseconds and `Z`.
pub type Timestamp = jiff::Timestamp;

/// The present moment, cut to milliseconds so that what is stored equals what is read back.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
