//! The state directory, and the installation's keys in it.

pub mod directory;
mod keys;

pub use keys::{KeyError, seal_key};
pub(crate) use keys::{read, read_or_make, read_or_make_unless};
