//! Which questions are shown in a client at the moment, by whichever process: each in one dialog at a time. Written down in the
//! transaction that counts the dialog.

use mollyguard_tools::contract::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use uuid::Uuid;

use super::lease;
use super::rows::read_time;
use super::schema::failed;
use super::writing::Writing;
use crate::store::StoreError;
use crate::store::rules::asking::Dialog;

/// The dialog a question is shown in. One that cannot be read is nobody's.
pub(super) fn of(writing: &Writing<'_>, question: Uuid) -> Result<Option<Dialog>, StoreError> {
    let found: Option<(String, i64)> = writing
        .connection
        .prepare_cached("SELECT stream, until FROM dialogs WHERE confirmation = ?1")
        .and_then(|mut find| find.query_row([question.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(failed)?;
    let read = |(stream, until): (String, i64)| Some((stream.parse().ok()?, read_time("a dialog", until).ok()?));
    Ok(found.and_then(read).map(|(stream, until): (Uuid, Timestamp)| {
        let is_own = stream == writing.stream;
        Dialog { is_own, is_dead: !is_own && lease::is_dead(writing.directory, stream), until }
    }))
}

/// This process shows the question until then.
pub(super) fn open(writing: &Writing<'_>, question: Uuid, until: Timestamp, at: Timestamp) -> Result<(), StoreError> {
    let run = |sql: &str, with: &[&dyn rusqlite::ToSql]| {
        writing.connection.prepare_cached(sql).and_then(|mut run| run.execute(with)).map_err(failed)
    };
    run("DELETE FROM dialogs WHERE until <= ?1", params![at.as_millisecond()])?;
    run(
        "INSERT INTO dialogs (confirmation, stream, until) VALUES (?1, ?2, ?3)
         ON CONFLICT (confirmation) DO UPDATE SET stream = ?2, until = ?3",
        params![question.to_string(), writing.name, until.as_millisecond()],
    )?;
    Ok(())
}

/// The dialog of this process has come to something, or is over. Who shows a question is true for a moment and of no call, so
/// this needs no record.
pub(super) fn close(writing: &mut Writing<'_>, question: Uuid) -> Result<(), StoreError> {
    let gone = writing
        .connection
        .prepare_cached("DELETE FROM dialogs WHERE confirmation = ?1 AND stream = ?2")
        .and_then(|mut run| run.execute(params![question.to_string(), writing.name]))
        .map_err(failed)?;
    writing.let_go += u64::try_from(gone).unwrap_or(0);
    Ok(())
}
