//! The record nobody can quietly edit: what is written down, how the records are linked, and the signed heads that are
//! shipped elsewhere.

mod keyed;
mod record;

pub use keyed::ArgsKey;

pub use record::{AuditEvent, AuditRecord, End, Subject};
