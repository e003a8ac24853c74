//! What is bounded for the whole process, whoever calls.

mod bulk;
mod refusals;
mod settling;
mod slots;

pub(crate) use bulk::{Bulk, weight_of};
pub(crate) use refusals::Refusals;
pub(crate) use settling::Settling;
pub(crate) use slots::{slot, slots};
