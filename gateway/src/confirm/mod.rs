//! What a question says to people, and what an answer to it means. What it is bound to, and what answers do to it, is
//! `mollyguard_record::model`; this module asks nobody: the wire does.

mod foreign;
mod verdict;
mod wording;

pub use foreign::{arguments, clean};
pub(crate) use verdict::{APPROVE, Approver, DECLINE, No, Verdict, is_typed, meant, not_counted, not_here, verdict};
pub use wording::{Asked, facts, typed_name};
