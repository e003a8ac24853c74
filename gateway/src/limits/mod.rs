//! What is bounded for the whole process, whoever calls.

mod bulk;
mod recovering;
mod refusals;
mod slots;

pub(crate) use bulk::{Bulk, weight_of};
pub(crate) use recovering::Recovering;
pub(crate) use refusals::Refusals;
pub(crate) use slots::{slot, slots};
