//! People who become those who may answer, and who cease to be, as they are read for the rules and written down.

use mollyguard_tools::contract::{Digest, now};
use rusqlite::Connection;
use uuid::Uuid;

use super::applied::apply;
use super::invitation_rows::find_where;
use super::operator_rows::all;
use super::schema;
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

/// See [`crate::store::People::invitation`].
pub(super) fn invitation(
    connection: &Connection,
    code: Digest,
    seals: &ArgsKey,
) -> Result<Option<Invitation>, StoreError> {
    let found = find_where(connection, "code", &code.to_string(), seals)?;
    Ok(found.filter(|invitation| people::is_usable(invitation, now())))
}

/// See [`crate::store::People::enroll`].
pub(super) fn enroll(writing: &mut Writing<'_>, enrolment: Enrolment) -> Result<(), StoreError> {
    let (Enrolment::New { invitation, .. } | Enrolment::Another { invitation, .. }) = enrolment;
    let invited = find_where(writing.connection, "id", &invitation.to_string(), writing.seals)?;
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
