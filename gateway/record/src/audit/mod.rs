//! The record nobody can quietly edit: what is written down, how the records are linked, and the signed checkpoints
//! that are shipped elsewhere.

pub mod chain;
pub mod checkpoint;
mod head;
mod keyed;
pub(crate) mod ledger;
mod pruned;
mod record;
mod signed;

pub use chain::{Finding, Report, Wrong};
pub use checkpoint::{AuditKey, Checkpoint, PublicKey};
pub use head::Head;
pub use keyed::ArgsKey;
pub(crate) use ledger::Ledger;
pub use pruned::{Enrolled, Mark, Pruning};
pub use record::{AuditEvent, AuditRecord, End, Subject};
pub(crate) use signed::Signatures;
