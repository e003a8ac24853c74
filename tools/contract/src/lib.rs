//! The contract between the gateway and whatever acts on the world: the words, the types, and nothing that acts.

mod declaration;
mod digest;
mod held;
mod kept;
pub mod laws;
mod lease;
mod outcome;
mod preflight;
mod target;
mod tool;
mod typed;

pub use declaration::{Audience, Condition, Declaration, Reversibility, Scope};
pub use digest::{Digest, canonical_json};
pub use held::{Exposed, HeldSecrets, MARK, Search};
pub use kept::{KEPT_AT_ONCE, Kept, oldest_first};
pub use lease::{Access, Configured, Lease, Limits, Reserved, Secret, Settings};
pub use outcome::{Cause, Outcome, Probe, ToolError, UndoPlan};
pub use preflight::{About, Alternative, BlastRadius, Evidence, Preflight};
pub use target::{Environment, Target, Tier};
pub use tool::{MayRead, Read, SettingsError, TargetReport, Tool, Toolset, WasRead, blocking};
pub use typed::{Done, Promise, Typed, TypedTool, schema_of};

/// A moment, written in RFC 3339 with milliseconds and `Z`.
pub type Timestamp = jiff::Timestamp;

/// The present moment, cut to milliseconds so that what is stored equals what is read back.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
