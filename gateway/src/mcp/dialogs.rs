//! Which questions the clients of this process show at the moment: one dialog for each, however many calls wait for its answer.
//! What those of other processes show, the store knows (`store/sqlite/dialogs.rs`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mollyguard_record::model::UNHEARD;
use uuid::Uuid;

/// How many are known at a time. One more is not shown: it waits for an answer given elsewhere.
const MOST: usize = 4096;

/// The dialogs that are open.
#[derive(Debug, Default)]
pub(super) struct Dialogs(Mutex<HashMap<Uuid, Open>>);

#[derive(Clone, Copy, Debug)]
enum Open {
    /// For as long as a call holds it.
    Held,
    /// Handed out with a result.
    Until(Instant),
}

/// The right to show one question.
#[derive(Debug)]
pub(super) struct Dialog<'a> {
    dialogs: &'a Dialogs,
    confirmation: Uuid,
    /// Since when its client has it.
    handed_out: Option<Instant>,
}

impl Dialogs {
    /// The right to show this question, unless it is shown already.
    pub(super) fn open(&self, confirmation: Uuid, now: Instant) -> Option<Dialog<'_>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |open: &Open| match open {
            Open::Held => true,
            Open::Until(end) => now < *end,
        };
        if open.len() >= MOST {
            open.retain(|_, one| is_open(one));
        }
        if open.len() >= MOST || open.get(&confirmation).is_some_and(is_open) {
            return None;
        }
        open.insert(confirmation, Open::Held);
        Some(Dialog { dialogs: self, confirmation, handed_out: None })
    }

    /// The dialog that was handed out: the call came again, with whatever that came to.
    pub(super) fn take_back(&self, confirmation: Uuid) -> Option<Dialog<'_>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(handed_out @ Open::Until(_)) = open.get_mut(&confirmation) else { return None };
        *handed_out = Open::Held;
        Some(Dialog { dialogs: self, confirmation, handed_out: None })
    }
}

impl Dialog<'_> {
    /// What it shows.
    pub(super) const fn confirmation(&self) -> Uuid {
        self.confirmation
    }

    /// The call ends and leaves the dialog to its client.
    pub(super) fn hand_out(mut self, now: Instant) {
        self.handed_out = Some(now);
    }
}

impl Drop for Dialog<'_> {
    fn drop(&mut self) {
        let mut open = self.dialogs.0.lock().unwrap_or_else(PoisonError::into_inner);
        match self.handed_out {
            Some(since) => open.insert(self.confirmation, Open::Until(since + UNHEARD)),
            None => open.remove(&self.confirmation),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_shown_once_at_a_time() {
        let (dialogs, now) = (Dialogs::default(), Instant::now());
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let held = dialogs.open(one, now).unwrap();
        assert!(dialogs.open(one, now).is_none() && dialogs.open(other, now).is_some());
        assert!(dialogs.take_back(one).is_none() && dialogs.take_back(other).is_none(), "nothing was handed out");
        assert!(dialogs.open(one, now + UNHEARD).is_none(), "the call that holds it is not over");
        drop(held);
        dialogs.open(one, now).unwrap().hand_out(now);
        assert!(dialogs.open(one, now).is_none());
        let back = dialogs.take_back(one).unwrap();
        assert!(back.confirmation() == one && dialogs.open(one, now + UNHEARD).is_none(), "it is not over yet");
        drop(back);
        dialogs.open(one, now).unwrap().hand_out(now);
        assert!(dialogs.open(one, now + UNHEARD).is_some(), "nothing was heard of it");
        assert!(dialogs.0.lock().unwrap().is_empty());
    }

    #[test]
    fn no_more_are_remembered_than_fit() {
        let (dialogs, now) = (Dialogs::default(), Instant::now());
        for n in 0..MOST {
            dialogs.open(Uuid::from_u128(n as u128), now).unwrap().hand_out(now);
        }
        assert!(dialogs.open(Uuid::nil(), now).is_none() && dialogs.open(Uuid::max(), now).is_none());
        assert!(dialogs.open(Uuid::max(), now + UNHEARD).is_some());
        assert!(dialogs.0.lock().unwrap().is_empty());
    }
}
