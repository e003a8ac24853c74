//! What a question says to people. What it is bound to, and what answers do to it, is `mollyguard_record::model`; this module
//! asks nobody: the wire does.

mod foreign;
mod wording;

pub use foreign::{arguments, clean};
pub use wording::{Asked, render, typed_name};
