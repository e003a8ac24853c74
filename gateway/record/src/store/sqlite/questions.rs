//! Questions and how they stand, as rows.

use rusqlite::params;

use super::rows::ConfirmationRow;
use super::schema::failed;
use super::writing::Writing;
use crate::model::{Confirmation, ConfirmationState};
use crate::store::StoreError;

/// A question nobody has answered yet.
pub(super) fn put(writing: &Writing<'_>, confirmation: &Confirmation) -> Result<(), StoreError> {
    let row = ConfirmationRow::of(confirmation, &ConfirmationState::unanswered(), writing.seals)?;
    writing
        .connection
        .prepare_cached(
            "INSERT INTO confirmations (id, request, state, confirmation, standing, seal, effect, stands)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .and_then(|mut insert| {
            let ConfirmationRow { id, request, state, confirmation, standing, seal, effect, stands } = &row;
            insert.execute(params![id, request, state, confirmation, standing, seal, effect, stands])
        })
        .map_err(failed)?;
    for name in confirmation.aim.names() {
        writing
            .connection
            .prepare_cached("INSERT OR IGNORE INTO aims (name, confirmation) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute(params![name.to_string(), row.id]))
            .map_err(failed)?;
    }
    Ok(())
}

/// How a question stands from now on.
pub(super) fn stand(
    writing: &Writing<'_>,
    confirmation: &Confirmation,
    standing: &ConfirmationState,
) -> Result<(), StoreError> {
    let row = ConfirmationRow::of(confirmation, standing, writing.seals)?;
    writing
        .connection
        .prepare_cached("UPDATE confirmations SET standing = ?2, seal = ?3, stands = ?4 WHERE id = ?1")
        .and_then(|mut update| update.execute(params![row.id, row.standing, row.seal, row.stands]))
        .map_err(failed)?;
    Ok(())
}
