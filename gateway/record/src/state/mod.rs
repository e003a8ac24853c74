//! The state directory, and the installation's keys in it.

pub mod directory;
mod keys;
mod page;

pub use keys::{KeyError, seal_key};
pub(crate) use keys::{read, read_or_make, read_or_make_unless};
pub use page::{PagePlace, where_page_is};
