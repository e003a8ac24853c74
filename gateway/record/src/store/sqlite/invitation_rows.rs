//! Invitations, as rows.

use mollyguard_tools::contract::now;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;

use super::operator_rows::{edited, forget};
use super::rows::{read, text};
use super::schema::failed;
use super::writing::Writing;
use crate::audit::ArgsKey;
use crate::model::Invitation;
use crate::store::StoreError;

/// An invitation; those that have expired go.
pub(super) fn put(writing: &Writing<'_>, invitation: &Invitation) -> Result<(), StoreError> {
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

/// The invitation with this value in that column, as it was made.
pub(super) fn find_where(
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
