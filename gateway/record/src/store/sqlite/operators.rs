//! People who become those who may answer, and who cease to be, as they are read for the rules and written down.

use mollyguard_tools::contract::{Digest, now};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;
use uuid::Uuid;

use super::applied::apply;
use super::operator_rows::{all, edited, forget};
use super::rows::{read, text};
use super::schema::{self, failed};
use super::writing::Writing;
use crate::audit::{ArgsKey, AuditEvent};
use crate::model::{Enrolment, Entry, Invitation};
use crate::store::StoreError;
use crate::store::rules::people::{self, NOBODY};

/// See [`crate::store::People::invite`].
pub(super) fn invite(writing: &mut Writing<'_>, invitation: Invitation) -> Result<(), StoreError> {
    let (enrolled, is_fresh) = (all(writing.connection, writing.seals)?, is_fresh(writing)?);
    apply(writing, people::invite(invitation, &enrolled, is_fresh)?)
}

/// Whether nobody has ever been enrolled.
fn is_fresh(writing: &Writing<'_>) -> Result<bool, StoreError> {
    schema::has_rows(writing.connection, "operators").map(|has| !has)
}

/// An invitation; those that have expired go.
pub(super) fn put_invitation(writing: &Writing<'_>, invitation: &Invitation) -> Result<(), StoreError> {
    forget(writing, "DELETE FROM invitations WHERE expires_at <= ?1", params![now().as_millisecond()])?;
    let words = text(invitation)?;
    let Invitation { id, code, expires_at, .. } = invitation;
    let seal = writing.seals.seal("invitation", &json!(words)).to_string();
    writing
        .connection
        .prepare_cached("INSERT INTO invitations (id, code, expires_at, invitation, seal) VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut put| {
            put.execute(params![id.to_string(), code.to_string(), expires_at.as_millisecond(), words, seal])
        })
        .map(drop)
        .map_err(failed)
}

/// See [`crate::store::People::invitation`].
pub(super) fn invitation(
    connection: &Connection,
    code: Digest,
    seals: &ArgsKey,
) -> Result<Option<Invitation>, StoreError> {
    let found = invitation_where(connection, "code", &code.to_string(), seals)?;
    Ok(found.filter(|invitation| people::is_usable(invitation, now())))
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
    Ok(Some(invitation))
}

/// See [`crate::store::People::enroll`].
pub(super) fn enroll(writing: &mut Writing<'_>, enrolment: Enrolment) -> Result<(), StoreError> {
    let (Enrolment::New { invitation, .. } | Enrolment::Another { invitation, .. }) = enrolment;
    let invited = invitation_where(writing.connection, "id", &invitation.to_string(), writing.seals)?;
    let (enrolled, is_fresh) = (all(writing.connection, writing.seals)?, is_fresh(writing)?);
    apply(writing, people::enroll(enrolment, invited, &enrolled, is_fresh, now())?)
}

/// See [`crate::store::People::link`].
pub(super) fn link(writing: &mut Writing<'_>, id: Uuid, user: String) -> Result<(), StoreError> {
    let enrolled = all(writing.connection, writing.seals)?;
    apply(writing, people::link(id, user, &enrolled)?)
}

/// See [`crate::store::People::not_let_in`].
pub(super) fn not_let_in(
    writing: &mut Writing<'_>,
    operator: Option<Uuid>,
    entry: Entry,
    why: String,
) -> Result<(), StoreError> {
    writing.append(NOBODY, AuditEvent::NotLetIn { operator, entry, why })
}

/// See [`crate::store::People::remove`]. In this transaction: of two removals at a time, one finds the other done.
pub(super) fn remove(writing: &mut Writing<'_>, id: Uuid, by: Option<Uuid>) -> Result<(), StoreError> {
    let enrolled = all(writing.connection, writing.seals)?;
    apply(writing, people::remove(id, by, &enrolled, now())?)
}

#[cfg(test)]
mod tests;
