//! The contract between the gateway and whatever acts on the world: the words, the types, and nothing that acts.

mod canonical;
mod declaration;
mod digest;
mod held;
pub mod laws;
mod lease;
mod outcome;
mod preflight;
mod target;
mod thread;
mod tool;
mod typed;

pub use canonical::canonical_json;
pub use declaration::{Audience, Condition, Declaration, Reversibility, Scope};
pub use digest::Digest;
pub use held::{Exposed, HeldSecrets, MARK, Search};
pub use lease::{Access, Configured, Lease, Limits, Reserved, Secret, Settings};
pub use outcome::{Cause, Outcome, Probe, ToolError, UndoPlan};
pub use preflight::{About, Alternative, BlastRadius, Evidence, Preflight};
pub use target::{Environment, Target, Tier};
pub use thread::{blocking, blocking_until, on_one_thread};
pub use tool::{SettingsError, TargetReport, Tool, Toolset};
pub use typed::{Done, Promise, Typed, TypedTool, schema_of};

/// A moment, written in RFC 3339 with milliseconds and `Z`.
pub type Timestamp = jiff::Timestamp;

/// The present moment, cut to milliseconds so that what is stored equals what is read back.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
