//! Questions that are to be put or shown, and how often a user asked of late, as they are read for the rules and written down.

use std::collections::BTreeSet;

use mollyguard_tools::contract::{Timestamp, now};
use rusqlite::Connection;
use uuid::Uuid;

use super::applied::apply;
use super::asking_rows::of_late;
use super::quarantines::find;
use super::rows::ConfirmationRow;
use super::writing::Writing;
use super::{dialogs, operator_rows, reads};
use crate::audit::{ArgsKey, Subject};
use crate::model::{Channel, Confirmation, Principal};
use crate::store::rules::asking::{self, Before, Show};
use crate::store::rules::confirmations;
use crate::store::{Asking, Bounds, Quarantine, Showing, StoreError};

/// See [`crate::store::Questions::ask`].
pub(super) fn ask(
    writing: &mut Writing<'_>,
    subject: Subject,
    confirmation: &Confirmation,
    channel: Option<Channel>,
    bounds: Bounds,
) -> Result<Asking, StoreError> {
    let (connection, seals, at) = (writing.connection, writing.seals, now());
    let user = confirmation.principal.user.as_str();
    let same = reads::pending(connection, confirmation, at, seals)?;
    let concerned = same.as_ref().map(|(_, state)| confirmations::concerned(state, None)).unwrap_or_default();
    let of_late = of_late(connection, user, at)?;
    let open: BTreeSet<_> = of_late.iter().flatten().collect();
    let before = Before {
        quarantine: find(connection, user, seals)?,
        same,
        operators: &operator_rows::those(writing, &concerned)?,
        in_other_words: reads::pending_effect(connection, confirmation, at, seals)?,
        declined: reads::declined(connection, &confirmation.aim, seals)?,
        of_late: of_late.len(),
        open: open.into_iter().filter(|id| is_open(connection, id, at, seals)).count(),
    };
    // Looked at in here: between an earlier look and this somebody may have asked, or said no.
    apply(writing, asking::ask(confirmation, (subject, channel), before, bounds, at))
}

/// See [`crate::store::Questions::shown`].
pub(super) fn shown(
    writing: &mut Writing<'_>,
    call: Uuid,
    question: Uuid,
    channel: Channel,
    flood: u32,
) -> Result<Showing, StoreError> {
    let (connection, seals, at) = (writing.connection, writing.seals, now());
    let found = ConfirmationRow::find(connection, question, seals)?;
    let (confirmation, _) = found.ok_or(StoreError::NotFound("confirmation", question))?;
    let user = confirmation.principal.user.as_str();
    let show = Show {
        call,
        channel,
        quarantine: find(connection, user, seals)?,
        dialog: dialogs::of(writing, question)?,
        of_late: of_late(connection, user, at)?.len(),
        flood,
        at,
    };
    apply(writing, asking::show(&confirmation, show))
}

/// See [`crate::store::Questions::shown_no_more`].
pub(super) fn shown_no_more(writing: &mut Writing<'_>, question: Uuid) -> Result<(), StoreError> {
    apply(writing, asking::shown_no_more(question))
}

fn is_open(connection: &Connection, id: &str, at: Timestamp, seals: &ArgsKey) -> bool {
    let id = id.parse().map_err(|_| StoreError::Corrupt(format!("`{id}` is not a uuid")));
    asking::is_open(id.and_then(|id| ConfirmationRow::find(connection, id, seals)), at)
}

/// See [`crate::store::Questions::quarantine`].
pub(super) fn quarantine(
    writing: &mut Writing<'_>,
    principal: &Principal,
    why: String,
) -> Result<Quarantine, StoreError> {
    let already = find(writing.connection, &principal.user, writing.seals)?;
    apply(writing, asking::quarantine(principal, why, already, now()))
}

/// See [`crate::store::Questions::lift`].
pub(super) fn lift(writing: &mut Writing<'_>, user: &str, by: Option<Uuid>) -> Result<(), StoreError> {
    // One that was edited can be lifted as well.
    let is_quarantined = super::quarantines::is_there(writing.connection, user)?;
    apply(writing, asking::lift(user, is_quarantined, by)?)
}
