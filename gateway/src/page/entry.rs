//! Passkeys that were shown and do not hold: written down, but not so often that they fill the disk.

use mollyguard_record::model::Entry;
use uuid::Uuid;

use super::Page;
use super::shell::Trouble;
use crate::operators::Tries;

/// So many records a minute, of each kind.
const RECORDS: u32 = 20;

/// What may still be written down. Two counts: whoever makes up passkeys does not use up what is kept for those that are
/// somebody's.
#[derive(Debug)]
pub(super) struct NotLetIn {
    of_operators: Tries,
    of_strangers: Tries,
}

impl Default for NotLetIn {
    fn default() -> Self {
        Self { of_operators: Tries::new(RECORDS), of_strangers: Tries::new(RECORDS) }
    }
}

/// Writes down why a passkey does not hold; the words are for whoever showed it.
pub(super) async fn not_let_in(
    page: &Page,
    entry: Entry,
    operator: Option<Uuid>,
    why: impl Into<String>,
    told: impl Into<String>,
) -> Trouble {
    let left = &page.0.not_let_in;
    let left = if operator.is_some() { &left.of_operators } else { &left.of_strangers };
    if !left.take() {
        tracing::warn!("too many passkeys that do not hold: not each is written down");
        return Trouble::forbidden(told);
    }
    match page.0.gateway.store.not_let_in(operator, entry, why.into()).await {
        Ok(()) => Trouble::forbidden(told),
        Err(error) => Trouble::from(error),
    }
}
