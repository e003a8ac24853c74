//! Whether a call may begin where another one is not settled or has claimed what it takes back, and what its end does.

use mollyguard_tools::contract::{Probe, Reversibility};
use uuid::Uuid;

use crate::audit::{AuditEvent, End};
use crate::store::{Ending, NoEnd, Start, StoreError};

/// Whether a call has to wait until whatever changed its target before is settled.
pub(crate) fn waits_for_others(start: &Start) -> bool {
    start.reversibility > Reversibility::ReadOnly
}

/// Refuses a call that waits where something on its target is not settled.
pub(crate) fn is_settled(start: &Start, unsettled: Option<(Uuid, NoEnd)>) -> Result<(), StoreError> {
    match unsettled.filter(|_| waits_for_others(start)) {
        None => Ok(()),
        Some((call, why)) => Err(StoreError::Unsettled { call, target: start.target.clone(), why }),
    }
}

/// Whether a call may be taken back: it is there, and nothing has done so, is at it, or may have.
pub(crate) fn may_take_back(undone: Uuid, is_there: bool, claimed_by: Option<Uuid>) -> Result<(), StoreError> {
    match (is_there, claimed_by) {
        (false, _) => Err(StoreError::NotFound("call", undone)),
        (true, Some(holder)) => Err(StoreError::AlreadyUndone(undone, holder)),
        (true, None) => Ok(()),
    }
}

/// The record of a call that starts.
pub(crate) fn started(start: &Start) -> AuditEvent {
    AuditEvent::Started {
        reversibility: start.reversibility,
        blast_radius: start.preflight.blast_radius.clone(),
        fingerprint: start.preflight.fingerprint,
        policies: start.policies.clone(),
        confirmation: start.confirmation,
        grant: start.grant,
        undoes: start.undoes,
    }
}

/// What an end does to what is kept of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// What was there before is kept.
    pub(crate) pre_image: bool,
    /// Nothing else may take back what this one takes back.
    pub(crate) claim: bool,
    /// What it takes back is taken back.
    pub(crate) undone: bool,
}

/// See [`Kept`].
pub(crate) fn kept(ending: &Ending) -> Kept {
    // An undo that changed nothing may be tried again.
    let is_unchanged = ending.end == End::Uncertain && ending.probe == Some(Probe::Unchanged);
    Kept {
        // What takes the call back is in the plan now; of an uncertain end the image is all that is known.
        pre_image: ending.end == End::Uncertain,
        claim: ending.end != End::Untouched && !is_unchanged,
        undone: ending.end == End::Succeeded,
    }
}

/// The record of a call that ended.
pub(crate) fn finished(ending: &Ending) -> AuditEvent {
    let Ending { end, ref undo, ref note, probe } = *ending;
    AuditEvent::Finished { end, undoable: undo.is_some(), note: note.clone(), probe }
}
