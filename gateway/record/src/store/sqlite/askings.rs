//! Putting questions within bounds: how many of one user's are open, how many they asked of late, and who is not asked for
//! any more.

use std::collections::BTreeSet;

use mollyguard_tools::contract::{Digest, Timestamp, now};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::quarantines::{find, sealed};
use super::rows::{ConfirmationRow, text};
use super::schema::failed;
use super::writing::Writing;
use super::{dialogs, grants, questions, reads};
use crate::audit::{ArgsKey, AuditEvent, Subject};
use crate::model::{Channel, Confirmation, Ended, Principal, Standing};
use crate::store::{Asking, Bounds, Quarantine, Showing, StoreError};

/// What counts as of late. Longer than a question lives, so that all open ones are among those.
const OF_LATE: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// See [`crate::store::Store::ask`].
pub(super) fn ask(
    writing: &mut Writing<'_>,
    subject: Subject,
    confirmation: &Confirmation,
    channel: Option<Channel>,
    bounds: Bounds,
) -> Result<Asking, StoreError> {
    let connection = writing.connection;
    let user = confirmation.principal.user.as_str();
    if let Some(quarantine) = find(connection, user, writing.seals)? {
        denied(writing, subject, "denied")?;
        return Ok(Asking::Quarantined(quarantine));
    }
    let same = reads::pending(connection, confirmation.request, confirmation.state, writing.seals)?;
    if let Some((same, standing)) = same {
        if can_be_enough(writing, &same, &standing, confirmation)? {
            return Ok(Asking::Already(Box::new(same), standing));
        }
        // Whoever answered it, or does yet, is not enough any more: nobody waits for that.
        questions::close(writing, &same)?;
    } else if let Some(other) = reads::pending_effect(connection, confirmation, writing.seals)? {
        denied(writing, subject, "confirmation_required")?;
        return Ok(Asking::InOtherWords(Box::new(other)));
    }
    // Looked at once more in here: between the first look and this somebody may have said no.
    for (no, standing) in reads::declined(connection, &confirmation.aim, writing.seals)? {
        if standing.is_a_no_until(bounds.denial).is_some_and(|until| now() < until) {
            denied(writing, subject, "confirmation_declined")?;
            return Ok(Asking::Declined(Box::new(no), standing));
        }
    }
    let at = now();
    let of_late = of_late(connection, user, at)?;
    if of_late.len() >= count(bounds.flood) {
        return flooded(writing, subject, &confirmation.principal, bounds.flood).map(Asking::Quarantined);
    }
    let open: BTreeSet<_> = of_late.iter().flatten().collect();
    let open = open.into_iter().filter(|id| is_open(connection, id, writing.seals)).count();
    let fits = open < count(bounds.open);
    let id = fits.then_some(confirmation.id);
    counted(connection, user, at, id)?;
    if !fits {
        denied(writing, subject, "unavailable")?;
        return Ok(Asking::TooMany { open: bounds.open });
    }
    put(writing, subject, confirmation, channel)?;
    Ok(Asking::Asked)
}

/// See [`crate::store::Store::shown`].
pub(super) fn shown(
    writing: &mut Writing<'_>,
    call: Uuid,
    question: Uuid,
    channel: Channel,
    flood: u32,
) -> Result<Showing, StoreError> {
    let connection = writing.connection;
    let found = ConfirmationRow::find(connection, question, writing.seals)?;
    let (confirmation, _) = found.ok_or(StoreError::NotFound("confirmation", question))?;
    let subject = Subject { call: Some(call), ..Subject::from(&confirmation) };
    let principal = &confirmation.principal;
    if let Some(quarantine) = find(connection, &principal.user, writing.seals)? {
        denied(writing, subject, "denied")?;
        return Ok(Showing::Quarantined(quarantine));
    }
    let at = now();
    if dialogs::is_elsewhere(writing, question, at)? {
        return Ok(Showing::Elsewhere);
    }
    if of_late(connection, &principal.user, at)?.len() >= count(flood) {
        return flooded(writing, subject, principal, flood).map(Showing::Quarantined);
    }
    counted(connection, &principal.user, at, Some(question))?;
    dialogs::open(writing, &confirmation, channel, at)?;
    writing.append(subject, AuditEvent::Shown { confirmation: question })?;
    Ok(Showing::Here)
}

fn flooded(
    writing: &mut Writing<'_>,
    subject: Subject,
    principal: &Principal,
    flood: u32,
) -> Result<Quarantine, StoreError> {
    let why = format!("more than {flood} questions within 10 minutes");
    let quarantine = quarantine(writing, principal, why)?;
    denied(writing, subject, "denied")?;
    Ok(quarantine)
}

/// Counts that a person was asked, or was to be.
fn counted(connection: &Connection, user: &str, at: Timestamp, question: Option<Uuid>) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO askings (user, at, confirmation) VALUES (?1, ?2, ?3)")
        .and_then(|mut insert| insert.execute(params![user, at.as_millisecond(), question.map(|id| id.to_string())]))
        .map_err(failed)?;
    Ok(())
}

/// Whether a question that is pending can still come to what is needed now: it asks for no less, and of an approved one
/// the yeses are enough still.
fn can_be_enough(
    writing: &Writing<'_>,
    pending: &Confirmation,
    standing: &Standing,
    needed: &Confirmation,
) -> Result<bool, StoreError> {
    let is_enough = match standing {
        Standing::Approved { approvals } => questions::is_enough(writing, pending, approvals.clone())?.is_ok(),
        _ => true,
    };
    Ok(is_enough && pending.need.covers(&needed.need))
}

fn count(bound: u32) -> usize {
    usize::try_from(bound).unwrap_or(usize::MAX)
}

fn put(
    writing: &mut Writing<'_>,
    subject: Subject,
    confirmation: &Confirmation,
    channel: Option<Channel>,
) -> Result<(), StoreError> {
    let row = ConfirmationRow::of(confirmation, &Standing::unanswered(), writing.seals)?;
    writing
        .connection
        .prepare_cached(
            "INSERT INTO confirmations (id, request, state, confirmation, standing, seal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut insert| {
            insert.execute(params![row.id, row.request, row.state, row.confirmation, row.standing, row.seal])
        })
        .map_err(failed)?;
    for name in confirmation.aim.names() {
        writing
            .connection
            .prepare_cached("INSERT OR IGNORE INTO aims (name, confirmation) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute(params![name.to_string(), row.id]))
            .map_err(failed)?;
    }
    if let Some(channel) = channel {
        dialogs::open(writing, confirmation, channel, now())?;
    }
    let text = Digest::of_bytes(confirmation.text.as_bytes());
    let Confirmation { id, need, call, .. } = *confirmation;
    writing.append(subject, AuditEvent::Asked { confirmation: id, need, text, call, channel })
}

fn denied(writing: &mut Writing<'_>, subject: Subject, reason_code: &str) -> Result<(), StoreError> {
    writing
        .append(subject, AuditEvent::Denied { reason_code: reason_code.to_owned(), because: Vec::new(), left_out: 0 })
}

/// The user's questions of late, oldest first; those that were one too many without an id.
fn of_late(connection: &Connection, user: &str, at: Timestamp) -> Result<Vec<Option<String>>, StoreError> {
    let since = at.saturating_sub(OF_LATE).unwrap_or(Timestamp::MIN).as_millisecond();
    connection
        .prepare_cached("DELETE FROM askings WHERE user = ?1 AND at <= ?2")
        .and_then(|mut forget| forget.execute(params![user, since]))
        .map_err(failed)?;
    connection
        .prepare_cached("SELECT confirmation FROM askings WHERE user = ?1 ORDER BY n")
        .and_then(|mut find| find.query_map([user], |row| row.get(0))?.collect())
        .map_err(failed)
}

/// Whether a question waits for an answer. One whose row is damaged counts: nobody can tell.
fn is_open(connection: &Connection, id: &str, seals: &ArgsKey) -> bool {
    let Ok(id) = id.parse() else { return true };
    match ConfirmationRow::find(connection, id, seals) {
        Ok(Some((confirmation, Standing::Open { .. }))) => confirmation.is_in_time(now()),
        Ok(_) => false,
        Err(_) => true,
    }
}

/// Whether the question is found by everything it is aimed at.
pub(super) fn is_led_to(connection: &Connection, question: &Confirmation) -> Result<bool, StoreError> {
    let mut find = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM aims WHERE name = ?1 AND confirmation = ?2)")
        .map_err(failed)?;
    for name in question.aim.names() {
        let leads: bool =
            find.query_row([name.to_string(), question.id.to_string()], |row| row.get(0)).map_err(failed)?;
        if !leads {
            return Ok(false);
        }
    }
    Ok(true)
}

/// See [`crate::store::Store::quarantine`].
pub(super) fn quarantine(
    writing: &mut Writing<'_>,
    principal: &Principal,
    why: String,
) -> Result<Quarantine, StoreError> {
    if let Some(already) = find(writing.connection, &principal.user, writing.seals)? {
        return Ok(already);
    }
    let quarantine = Quarantine { user: principal.user.clone(), since: now(), why };
    let words = text(&quarantine)?;
    let seal = sealed(&quarantine.user, &words, writing.seals);
    writing
        .connection
        .prepare_cached("INSERT INTO quarantines (user, quarantine, seal) VALUES (?1, ?2, ?3)")
        .and_then(|mut put| put.execute(params![quarantine.user, words, seal]))
        .map_err(failed)?;
    let why = quarantine.why.clone();
    writing.append(about(principal.clone()), AuditEvent::Quarantined { why })?;
    grants::end_those(writing, Ended::Quarantined, None, |grant| grant.principal.user == principal.user)?;
    Ok(quarantine)
}

/// See [`crate::store::Store::lift`].
pub(super) fn lift(writing: &mut Writing<'_>, user: &str, by: Option<Uuid>) -> Result<(), StoreError> {
    let forget = |sql: &str| {
        writing.connection.prepare_cached(sql).and_then(|mut delete| delete.execute([user])).map_err(failed)
    };
    if forget("DELETE FROM quarantines WHERE user = ?1")? == 0 {
        return Err(StoreError::NotQuarantined(user.to_owned()));
    }
    // Else the next question would be one too many again.
    forget("DELETE FROM askings WHERE user = ?1")?;
    let principal = Principal { user: user.to_owned(), client: None, roles: Vec::new() };
    writing.append(about(principal), AuditEvent::Lifted { by })
}

const fn about(principal: Principal) -> Subject {
    Subject { call: None, principal: Some(principal), tool: None, targets: Vec::new(), arguments: None }
}
