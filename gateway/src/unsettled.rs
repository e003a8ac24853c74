//! Calls that have begun, with which nothing goes on, and whose end is not on record: until it is, nothing else may change
//! their targets. Calls that simply run, here or in another living process, are none of these.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as Turn;
use uuid::Uuid;

use crate::reply::{About, ReasonCode, Refusal};
use crate::store::StoredCall;

/// Why a call has no end on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It ended, and that could not be written down. It is tried again until it can.
    Unwritten,
    /// Its process is gone. Recovery looks at what it did.
    CutOff,
}

/// What this process knows of them.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    calls: Mutex<HashMap<Uuid, (String, Why)>>,
    looked: AtomicBool,
    /// Held by whoever settles: one at a time.
    pub(crate) settling: Turn<()>,
}

impl Unsettled {
    /// Whether this process has looked for calls of processes that are gone.
    pub(crate) fn has_looked(&self) -> bool {
        self.looked.load(Ordering::Acquire)
    }

    /// What a look for calls of processes that are gone found: all there are.
    pub(crate) fn found(&self, cut_off: &[StoredCall]) {
        let mut calls = self.calls();
        calls.retain(|_, (_, why)| *why != Why::CutOff);
        calls.extend(cut_off.iter().map(|call| (call.id, (call.target.clone(), Why::CutOff))));
        self.looked.store(true, Ordering::Release);
    }

    /// The end of a call of this process could not be written down.
    pub(crate) fn unwritten(&self, call: Uuid, target: &str) {
        self.calls().insert(call, (target.to_owned(), Why::Unwritten));
    }

    /// A call has its end on record now.
    pub(crate) fn settled(&self, call: Uuid) {
        self.calls().remove(&call);
    }

    /// Such a call on this configured target.
    pub(crate) fn on(&self, target: &str) -> Option<(Uuid, Why)> {
        self.calls().iter().find(|(_, (on, _))| on == target).map(|(call, (_, why))| (*call, *why))
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Uuid, (String, Why)>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The refusal of a change that must wait for such a call.
pub(crate) fn must_wait(target: &str, (call, why): (Uuid, Why), about: About) -> Refusal {
    let what = match why {
        Why::Unwritten => "has ended, and how cannot be written down yet",
        Why::CutOff => "was cut off with its gateway, and what became of it could not be settled yet",
    };
    let message = format!("call `{call}` on `{target}` {what}, so no other change of `{target}` begins");
    let next = "Reads go on. The gateway keeps trying: call again once `list_calls` shows how that call ended. If it stays \
                without an end, have a person look at the gateway's log and state directory.";
    Refusal::new(ReasonCode::Unavailable, message, next, about)
}
