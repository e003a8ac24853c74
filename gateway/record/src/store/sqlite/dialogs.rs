//! Which questions are shown in a client at the moment, by whichever process: each in one dialog at a time. Written down in the
//! transaction that counts the dialog.

use mollyguard_tools::contract::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use uuid::Uuid;

use super::lease;
use super::schema::failed;
use super::writing::Writing;
use crate::model::{Channel, Confirmation, UNHEARD};
use crate::store::StoreError;

/// Whether another living process shows the question. What this one shows it knows itself.
pub(super) fn is_elsewhere(writing: &Writing<'_>, question: Uuid, at: Timestamp) -> Result<bool, StoreError> {
    let found: Option<(String, i64)> = writing
        .connection
        .prepare_cached("SELECT stream, until FROM dialogs WHERE confirmation = ?1")
        .and_then(|mut find| find.query_row([question.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(failed)?;
    let Some((stream, _)) = found.filter(|(_, until)| *until > at.as_millisecond()) else { return Ok(false) };
    // One that cannot be read is nobody's.
    let Ok(stream) = stream.parse() else { return Ok(false) };
    Ok(stream != writing.stream && !lease::is_dead(writing.directory, stream))
}

/// This process shows the question from now on: until it has its answer, or, where the dialog went out with a result, until
/// nothing was heard of it for so long.
pub(super) fn open(
    writing: &Writing<'_>,
    question: &Confirmation,
    channel: Channel,
    at: Timestamp,
) -> Result<(), StoreError> {
    let until = match channel {
        Channel::InputRequired => question.expires_at.min(at.saturating_add(UNHEARD).unwrap_or(Timestamp::MAX)),
        _ => question.expires_at,
    };
    let run = |sql: &str, with: &[&dyn rusqlite::ToSql]| {
        writing.connection.prepare_cached(sql).and_then(|mut run| run.execute(with)).map_err(failed)
    };
    run("DELETE FROM dialogs WHERE until <= ?1", params![at.as_millisecond()])?;
    run(
        "INSERT INTO dialogs (confirmation, stream, until) VALUES (?1, ?2, ?3)
         ON CONFLICT (confirmation) DO UPDATE SET stream = ?2, until = ?3",
        params![question.id.to_string(), writing.name, until.as_millisecond()],
    )?;
    Ok(())
}

/// The dialog of this process has come to something.
pub(super) fn close(writing: &Writing<'_>, question: Uuid, channel: Channel) -> Result<(), StoreError> {
    if !matches!(channel, Channel::Elicitation | Channel::InputRequired) {
        return Ok(());
    }
    writing
        .connection
        .prepare_cached("DELETE FROM dialogs WHERE confirmation = ?1 AND stream = ?2")
        .and_then(|mut run| run.execute(params![question.to_string(), writing.name]))
        .map_err(failed)?;
    Ok(())
}
