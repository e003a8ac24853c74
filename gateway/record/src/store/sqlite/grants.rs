//! Approvals for a while, as rows: given with an answer, used by `begin`, ended by whatever makes less possible.

use std::time::Duration;

use mollyguard_tools::contract::{Digest, Reversibility, Timestamp, now};
use rusqlite::{Connection, Row, params};
use serde_json::json;
use uuid::Uuid;

use super::rows::{read, text};
use super::schema::failed;
use super::writing::Writing;
use super::{operator_rows, quarantines};
use crate::audit::{ArgsKey, AuditEvent, Subject};
use crate::model::{Approval, Channel, Confirmation, Ended, Grant, GrantEnd, LONGEST, Moment, Need, strength};
use crate::store::{Given, Granted, Start, StoreError};

/// A row of `grants`.
struct GrantRow {
    id: String,
    about: String,
    confirmation: String,
    operator: String,
    words: String,
    ended: Option<String>,
    seal: String,
}

impl GrantRow {
    const COLUMNS: &str = "id, about, confirmation, operator, words, ended, seal";

    fn of(grant: &Grant, end: Option<&GrantEnd>, seals: &ArgsKey) -> Result<Self, StoreError> {
        let mut row = Self {
            id: grant.id.to_string(),
            about: grant.about().to_string(),
            confirmation: grant.confirmation.to_string(),
            operator: grant.operator.to_string(),
            words: text(grant)?,
            ended: end.map(text).transpose()?,
            seal: String::new(),
        };
        row.seal = row.sealed(seals);
        Ok(row)
    }

    fn sealed(&self, seals: &ArgsKey) -> String {
        let columns = json!([self.id, self.about, self.confirmation, self.operator, self.words, self.ended]);
        seals.seal("approval for a while", &columns).to_string()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            about: row.get(1)?,
            confirmation: row.get(2)?,
            operator: row.get(3)?,
            words: row.get(4)?,
            ended: row.get(5)?,
            seal: row.get(6)?,
        })
    }

    /// What it means, where the seal holds.
    fn believed(self, seals: &ArgsKey) -> Result<(Grant, Option<GrantEnd>), StoreError> {
        let what = format!("the approval for a while `{}`", self.id);
        if self.seal != self.sealed(seals) {
            return Err(StoreError::Corrupt(format!("{what} was edited in the database")));
        }
        let end = self.ended.as_deref().map(|end| read(&what, end)).transpose()?;
        Ok((read(&what, &self.words)?, end))
    }
}

type Found = Result<(Grant, Option<GrantEnd>), StoreError>;

fn select(
    connection: &Connection,
    rest: &str,
    given: impl rusqlite::Params,
    seals: &ArgsKey,
) -> Result<Vec<Found>, StoreError> {
    let sql = format!("SELECT {} FROM grants {rest}", GrantRow::COLUMNS);
    let mut query = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = query.query_map(given, GrantRow::read).map_err(failed)?;
    rows.map(|row| Ok(row.map_err(failed)?.believed(seals))).collect()
}

/// All there ever were, as they stand.
pub(super) fn every(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Found>, StoreError> {
    select(connection, "ORDER BY n", [], seals)
}

/// Those that nothing has ended, newest first; a damaged one is reported and stands for nothing.
fn standing(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Grant>, StoreError> {
    Ok(believed(select(connection, "WHERE ended IS NULL ORDER BY n DESC", [], seals)?))
}

fn believed(found: Vec<Found>) -> Vec<Grant> {
    let report = |error: &StoreError| tracing::error!(%error, "an approval for a while is damaged and left out");
    found.into_iter().filter_map(|found| found.inspect_err(report).ok()).map(|(grant, _)| grant).collect()
}

fn find(connection: &Connection, id: Uuid, seals: &ArgsKey) -> Result<Option<(Grant, Option<GrantEnd>)>, StoreError> {
    select(connection, "WHERE id = ?1", [id.to_string()], seals)?.pop().transpose()
}

/// Whether it has ended, or its time was over, before then.
pub(super) fn is_over(
    connection: &Connection,
    id: Uuid,
    before: Timestamp,
    seals: &ArgsKey,
) -> Result<bool, StoreError> {
    Ok(find(connection, id, seals)?.is_some_and(|(grant, _)| grant.expires_at < before))
}

/// See [`crate::store::Store::granted`]; with the ids of those whose time is over.
pub(super) fn granted(
    connection: &Connection,
    about: Digest,
    seals: &ArgsKey,
) -> Result<(Vec<Grant>, Vec<Uuid>), StoreError> {
    let sql = "WHERE about = ?1 AND ended IS NULL ORDER BY n DESC";
    let found = believed(select(connection, sql, [about.to_string()], seals)?);
    let now = Moment::now();
    let (good, over): (Vec<_>, Vec<_>) = found.into_iter().partition(|grant| grant.is_in_time(&now));
    Ok((good, over.into_iter().map(|grant| grant.id).collect()))
}

/// See [`crate::store::Store::grants`].
pub(super) fn in_force(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Granted>, StoreError> {
    let now = Moment::now();
    let used = |grant: Grant| {
        let uses = connection
            .prepare_cached("SELECT count(*) FROM granted_calls WHERE granted = ?1")
            .and_then(|mut count| count.query_row([grant.id.to_string()], |row| row.get(0)))
            .map_err(failed)?;
        Ok(Granted { grant, uses })
    };
    standing(connection, seals)?.into_iter().filter(|grant| grant.is_in_time(&now)).map(used).collect()
}

/// The approval for a while that an answer gives beside its yes: only on the page, by somebody who is enrolled and whose
/// yes alone is enough, to a call that can be undone, for as long as one may last.
pub(super) fn of_answer(
    writing: &Writing<'_>,
    confirmation: &Confirmation,
    given: &Given,
    approvals: &[Approval],
    lasts: Duration,
) -> Result<Grant, StoreError> {
    let refuse = |why: &str| Err(StoreError::NotApproved(confirmation.id, why.to_owned()));
    let (Some(operator), Channel::Page) = (given.operator, given.channel) else {
        return refuse("only an operator approves for a while, and only on the page");
    };
    let Some(covers) = confirmation.covers.clone().filter(|_| confirmation.may_last) else {
        return refuse("only a call that can be undone and needs one person is approved for a while");
    };
    let (1, [only]) = (confirmation.need.approvers, approvals) else {
        return refuse("what needs several people is not approved for a while");
    };
    if lasts.is_zero() || lasts > LONGEST {
        return refuse("nothing is approved for longer than an hour");
    }
    let user = &confirmation.principal.user;
    if quarantines::find(writing.connection, user, writing.seals)?.is_some() {
        return refuse("nobody is asked any more for whom the call is made");
    }
    let Some(strength) = strength(approvals, &confirmation.principal).filter(|_| only.operator == Some(operator))
    else {
        return refuse("the approval is another person's");
    };
    // It stands for what was asked, and not for all that the answer happened to prove.
    let Need { assurance, others, .. } = confirmation.need;
    let strength =
        Need { assurance: strength.assurance.min(assurance), others: strength.others.min(others), ..strength };
    let moment = Moment::now();
    let expires_at = moment.at.saturating_add(lasts).unwrap_or(moment.at);
    Ok(Grant {
        id: Uuid::now_v7(),
        principal: confirmation.principal.clone(),
        tool: confirmation.tool.clone(),
        covers,
        strength,
        operator,
        by: given.by.clone(),
        passkey: given.signed.as_ref().map(|(assertion, _)| assertion.credential.to_string()),
        confirmation: confirmation.id,
        given: moment,
        expires_at,
    })
}

/// Writes down an approval for a while, and its record.
pub(super) fn give(writing: &mut Writing<'_>, grant: &Grant) -> Result<(), StoreError> {
    let row = GrantRow::of(grant, None, writing.seals)?;
    writing
        .connection
        .prepare_cached(
            "INSERT INTO grants (id, about, confirmation, operator, words, ended, seal)
             VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6)",
        )
        .and_then(|mut put| {
            put.execute(params![row.id, row.about, row.confirmation, row.operator, row.words, row.seal])
        })
        .map_err(failed)?;
    let event = AuditEvent::Granted {
        grant: grant.id,
        confirmation: grant.confirmation,
        operator: grant.operator,
        strength: grant.strength,
        about: grant.about(),
        until: grant.expires_at,
    };
    writing.append(subject(grant), event)
}

fn subject(grant: &Grant) -> Subject {
    Subject {
        call: None,
        principal: Some(grant.principal.clone()),
        tool: Some(grant.tool.clone()),
        targets: grant.covers.targets.clone(),
        arguments: None,
    }
}

/// Whether a call that is about to start may do so under this: it stands still, and the call is what it is about.
pub(super) fn check_usable(writing: &Writing<'_>, id: Uuid, start: &Start) -> Result<(), StoreError> {
    let refuse = |why: String| Err(StoreError::NotGranted(id, why));
    let Some((grant, end)) = find(writing.connection, id, writing.seals)? else {
        return refuse("it was never given".into());
    };
    if let Some(GrantEnd { how, at, .. }) = end {
        return refuse(format!("{} at {at}", how.as_str()));
    }
    if !grant.is_in_time(&Moment::now()) {
        return refuse(format!("it expired at {}", grant.expires_at));
    }
    let operator = operator_rows::find(writing.connection, grant.operator, writing.seals)?;
    let shown = |passkey: &String| {
        operator.as_ref().is_some_and(|operator| operator.passkeys.iter().any(|known| known.id() == *passkey))
    };
    if operator.is_none() || grant.passkey.as_ref().is_some_and(|passkey| !shown(passkey)) {
        return refuse(format!("`{}`, who gave it, may not answer any more", grant.by));
    }
    let subject = &start.subject;
    if subject.tool.as_ref() != Some(&grant.tool) {
        return refuse("it is about another tool".into());
    }
    if !subject.principal.as_ref().is_some_and(|principal| grant.principal.is_same_person(principal)) {
        return refuse("it was given for somebody else".into());
    }
    let within = |some: &[_], others: &[_]| some.iter().all(|target| others.contains(target));
    if !within(&subject.targets, &grant.covers.targets) || !within(&grant.covers.targets, &subject.targets) {
        return refuse("it is about other targets".into());
    }
    let can_be_undone = start.reversibility == Reversibility::Reversible && !start.preflight.destroys_recovery;
    if !can_be_undone || start.undoes.is_some() || start.confirmation.is_some() {
        return refuse("it is about calls that can be undone and that take nothing back".into());
    }
    Ok(())
}

/// Writes down that a call runs under this.
pub(super) fn used(writing: &Writing<'_>, id: Uuid, call: Uuid) -> Result<(), StoreError> {
    writing
        .connection
        .prepare_cached("INSERT INTO granted_calls (call, granted) VALUES (?1, ?2)")
        .and_then(|mut put| put.execute(params![call.to_string(), id.to_string()]))
        .map(drop)
        .map_err(failed)
}

fn end(writing: &mut Writing<'_>, grant: &Grant, how: Ended, by: Option<Uuid>) -> Result<(), StoreError> {
    let end = GrantEnd { how, by, at: now() };
    let row = GrantRow::of(grant, Some(&end), writing.seals)?;
    writing
        .connection
        .prepare_cached("UPDATE grants SET ended = ?2, seal = ?3 WHERE id = ?1 AND ended IS NULL")
        .and_then(|mut update| update.execute(params![row.id, row.ended, row.seal]))
        .map_err(failed)?;
    writing.append(subject(grant), AuditEvent::GrantEnded { grant: grant.id, how, by })
}

/// See [`crate::store::Store::revoke`].
pub(super) fn revoke(writing: &mut Writing<'_>, id: Uuid, by: Option<Uuid>) -> Result<(), StoreError> {
    if let Some(by) = by {
        operator_rows::still_enrolled(writing, by)?;
    }
    match find(writing.connection, id, writing.seals)? {
        None => Err(StoreError::NotFound("approval for a while", id)),
        Some((_, Some(GrantEnd { how, at, .. }))) => {
            Err(StoreError::NotGranted(id, format!("{} at {at}", how.as_str())))
        }
        Some((grant, None)) => end(writing, &grant, Ended::Revoked, by),
    }
}

/// Writes down that the time of these is over, whatever becomes of the clock.
pub(super) fn run_out(writing: &mut Writing<'_>, over: &[Uuid]) -> Result<(), StoreError> {
    for id in over {
        if let Some((grant, None)) = find(writing.connection, *id, writing.seals)? {
            end(writing, &grant, Ended::RanOut, None)?;
        }
    }
    Ok(())
}

/// Ends every one that this is true of.
pub(super) fn end_those(
    writing: &mut Writing<'_>,
    how: Ended,
    by: Option<Uuid>,
    meant: impl Fn(&Grant) -> bool,
) -> Result<(), StoreError> {
    for grant in standing(writing.connection, writing.seals)?.iter().filter(|grant| meant(grant)) {
        end(writing, grant, how, by)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
