//! How people become those who may answer, and how they cease to be.

use mollyguard_tools::contract::{Digest, now};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;
use uuid::Uuid;

use super::apart::check_apart;
use super::grants;
use super::operator_rows::{OperatorRow, about_nobody, all, edited, forget, put_passkey, still_enrolled};
use super::rows::{read, text};
use super::schema::{self, failed};
use super::writing::Writing;
use crate::audit::{ArgsKey, AuditEvent};
use crate::model::{Ended, Enrolment, Entry, Invitation, MOST_PASSKEYS, Operator, Passkey};
use crate::store::StoreError;

/// See [`crate::store::Store::invite`].
pub(super) fn invite(writing: &mut Writing<'_>, invitation: Invitation) -> Result<(), StoreError> {
    let enrolled = all(writing.connection, writing.seals)?;
    match invitation.by {
        Some(by) => drop(still_enrolled(writing, by)?),
        None if is_fresh(writing)? => {
            forget(writing, "DELETE FROM invitations WHERE json_extract(invitation, '$.by') IS NULL", params![])?;
        }
        None => {
            return Err(StoreError::NotEnrolled(
                "somebody has been enrolled here already, so only an operator can invite another".into(),
            ));
        }
    }
    let named = enrolled.iter().find(|operator| operator.name == invitation.name);
    match (invitation.adds_to, named) {
        (None, _) => check_apart(&enrolled, None, &invitation.name, invitation.user.as_deref())?,
        (Some(_), _) if invitation.user.is_some() => {
            return Err(StoreError::NotEnrolled("a passkey is added to somebody, and links them to no user".into()));
        }
        (Some(id), Some(operator)) if operator.id == id => has_room(operator)?,
        (Some(_), _) => {
            return Err(StoreError::NotEnrolled(format!("nobody is enrolled as `{}` any more", invitation.name)));
        }
    }
    forget(writing, "DELETE FROM invitations WHERE expires_at <= ?1", params![now().as_millisecond()])?;
    let words = text(&invitation)?;
    let Invitation { id, name, user, by, adds_to, code, expires_at } = invitation;
    let seal = writing.seals.seal("invitation", &json!(words)).to_string();
    writing
        .connection
        .prepare_cached("INSERT INTO invitations (id, code, expires_at, invitation, seal) VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut put| {
            put.execute(params![id.to_string(), code.to_string(), expires_at.as_millisecond(), words, seal])
        })
        .map_err(failed)?;
    writing.append(about_nobody(), AuditEvent::Invited { invitation: id, name, by, adds_to, user })
}

fn has_room(operator: &Operator) -> Result<(), StoreError> {
    if operator.passkeys.len() < MOST_PASSKEYS {
        return Ok(());
    }
    Err(StoreError::NotEnrolled(format!("{} has {MOST_PASSKEYS} passkeys, and nobody may have more", operator.name)))
}

/// Whether nobody has ever been enrolled: whoever could remove everybody must not become the first anew.
fn is_fresh(writing: &Writing<'_>) -> Result<bool, StoreError> {
    schema::has_rows(writing.connection, "operators").map(|has| !has)
}

/// See [`crate::store::Store::invitation`].
pub(super) fn invitation(
    connection: &Connection,
    code: Digest,
    seals: &ArgsKey,
) -> Result<Option<Invitation>, StoreError> {
    invitation_where(connection, "code", &code.to_string(), seals)
}

fn invitation_where(
    connection: &Connection,
    column: &str,
    value: &str,
    seals: &ArgsKey,
) -> Result<Option<Invitation>, StoreError> {
    let row = connection
        .prepare_cached(&format!("SELECT invitation, seal FROM invitations WHERE {column} = ?1"))
        .and_then(|mut find| {
            find.query_row([value], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).optional()
        })
        .map_err(failed)?;
    let Some((words, seal)) = row else { return Ok(None) };
    if seal != seals.seal("invitation", &json!(words)).to_string() {
        return Err(edited("an invitation"));
    }
    let invitation: Invitation = read("an invitation", &words)?;
    Ok((invitation.expires_at > now()).then_some(invitation))
}

/// The invitation, unless it was used, has expired, or whoever made it has been removed meanwhile.
fn usable(writing: &Writing<'_>, id: Uuid) -> Result<Invitation, StoreError> {
    let found = invitation_where(writing.connection, "id", &id.to_string(), writing.seals)?;
    let invitation =
        found.ok_or_else(|| StoreError::NotEnrolled("the invitation was used already, or has expired".into()))?;
    match invitation.by {
        Some(by) => drop(still_enrolled(writing, by)?),
        None if is_fresh(writing)? => {}
        None => return Err(StoreError::NotEnrolled("somebody else was enrolled first".into())),
    }
    Ok(invitation)
}

/// See [`crate::store::Store::enroll`].
pub(super) fn enroll(writing: &mut Writing<'_>, enrolment: Enrolment) -> Result<(), StoreError> {
    let for_another = || StoreError::NotEnrolled("the invitation is for somebody or something else".into());
    match enrolment {
        Enrolment::Another { invitation, operator, passkey } => {
            let invited = usable(writing, invitation)?;
            let operator = still_enrolled(writing, operator)?;
            if invited.adds_to != Some(operator.id) {
                return Err(for_another());
            }
            has_room(&operator)?;
            put_passkey(writing, operator.id, &passkey, true)?;
            enrolled(writing, &operator, invitation, Some(passkey))
        }
        Enrolment::New { invitation, operator, code } => {
            let invited = usable(writing, invitation)?;
            if invited.adds_to.is_some() || invited.name != operator.name || invited.user != operator.user {
                return Err(for_another());
            }
            // Somebody else may have been enrolled since they were invited.
            check_apart(&all(writing.connection, writing.seals)?, None, &operator.name, operator.user.as_deref())?;
            if operator.passkeys.is_empty() && code.is_none() {
                return Err(StoreError::NotEnrolled("an operator needs a passkey or a code".into()));
            }
            let mut row = OperatorRow {
                id: operator.id.to_string(),
                name: operator.name.clone(),
                enrolled_at: operator.enrolled_at.as_millisecond(),
                code: code.map(|code| code.to_string()),
                removed_at: None,
                user: operator.user.clone(),
                seal: String::new(),
            };
            row.put(writing)?;
            for passkey in &operator.passkeys {
                put_passkey(writing, operator.id, passkey, true)?;
            }
            enrolled(writing, &operator, invitation, operator.passkeys.first().cloned())
        }
    }
}

/// Uses the invitation up, and writes down what came of it.
fn enrolled(
    writing: &mut Writing<'_>,
    operator: &Operator,
    invitation: Uuid,
    passkey: Option<Passkey>,
) -> Result<(), StoreError> {
    forget(writing, "DELETE FROM invitations WHERE id = ?1", params![invitation.to_string()])?;
    let (name, user, passkey) = (operator.name.clone(), operator.user.clone(), passkey.map(Box::new));
    writing.append(about_nobody(), AuditEvent::Enrolled { operator: operator.id, name, invitation, passkey, user })
}

/// See [`crate::store::Store::link`].
pub(super) fn link(writing: &mut Writing<'_>, id: Uuid, user: String) -> Result<(), StoreError> {
    let operator = still_enrolled(writing, id)?;
    if let Some(already) = &operator.user {
        return Err(StoreError::NotEnrolled(format!(
            "{} is linked to the user `{already}`, and that stays: remove them and enrol them anew to change it",
            operator.name
        )));
    }
    check_apart(&all(writing.connection, writing.seals)?, Some(id), &operator.name, Some(&user))?;
    let columns = OperatorRow::COLUMNS;
    let mut row = writing
        .connection
        .prepare_cached(&format!("SELECT {columns} FROM operators WHERE id = ?1"))
        .and_then(|mut find| find.query_row([id.to_string()], OperatorRow::read))
        .map_err(failed)?;
    row.user = Some(user.clone());
    row.put(writing)?;
    writing.append(about_nobody(), AuditEvent::Linked { operator: id, user })
}

/// See [`crate::store::Store::not_let_in`].
pub(super) fn not_let_in(
    writing: &mut Writing<'_>,
    operator: Option<Uuid>,
    entry: Entry,
    why: String,
) -> Result<(), StoreError> {
    writing.append(about_nobody(), AuditEvent::NotLetIn { operator, entry, why })
}

/// See [`crate::store::Store::remove`].
pub(super) fn remove(writing: &mut Writing<'_>, id: Uuid, by: Option<Uuid>) -> Result<(), StoreError> {
    let operator = still_enrolled(writing, id)?;
    if let Some(by) = by {
        still_enrolled(writing, by)?;
    }
    // In this transaction: of two removals at a time, one finds the other done.
    if all(writing.connection, writing.seals)?.len() < 2 {
        return Err(StoreError::NotEnrolled(format!(
            "{} is the last person who may answer, and nobody else could invite another: enrol another person first. Who has \
             lost every passkey and code begins anew with a new state directory",
            operator.name
        )));
    }
    let mut row = OperatorRow {
        id: id.to_string(),
        name: operator.name,
        enrolled_at: operator.enrolled_at.as_millisecond(),
        code: None,
        removed_at: Some(now().as_millisecond()),
        user: operator.user,
        seal: String::new(),
    };
    row.put(writing)?;
    for table in ["passkeys", "sessions"] {
        forget(writing, &format!("DELETE FROM {table} WHERE operator = ?1"), params![id.to_string()])?;
    }
    grants::end_those(writing, Ended::Removed, by, |grant| grant.operator == id)?;
    writing.append(about_nobody(), AuditEvent::Removed { operator: id, by })
}

#[cfg(test)]
mod tests;
