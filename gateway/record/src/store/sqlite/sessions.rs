//! The sessions of the page, as rows.

use mollyguard_tools::contract::{Digest, now};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;

use super::applied::apply;
use super::operator_rows::{edited, find, forget, those};
use super::rows::{read, text};
use super::schema::failed;
use super::writing::Writing;
use crate::audit::{ArgsKey, AuditEvent};
use crate::model::{Operator, Session};
use crate::store::StoreError;
use crate::store::rules::Transition;
use crate::store::rules::people::{self, NOBODY};

/// See [`crate::store::Sessions::sign_in`].
pub(super) fn sign_in(writing: &mut Writing<'_>, session: Session, new: Option<u32>) -> Result<(), StoreError> {
    let operators = those(writing, &[session.operator])?;
    let writes = people::sign_in(&session, new, &operators)?.into_iter().collect();
    apply(writing, Transition { told: (), writes })?;
    forget(writing, "DELETE FROM sessions WHERE expires_at <= ?1", params![now().as_millisecond()])?;
    let words = text(&session)?;
    let seal = writing.seals.seal("session", &json!(words)).to_string();
    let (token, operator, expires_at) = (session.token, session.operator, session.expires_at);
    writing
        .connection
        .prepare_cached("INSERT INTO sessions (token, operator, expires_at, session, seal) VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut put| {
            put.execute(params![token.to_string(), operator.to_string(), expires_at.as_millisecond(), words, seal])
        })
        .map_err(failed)?;
    writing.append(NOBODY, AuditEvent::SignedIn { operator, means: session.means })
}

/// See [`crate::store::Sessions::session`].
pub(super) fn session(
    connection: &Connection,
    token: Digest,
    seals: &ArgsKey,
) -> Result<Option<(Session, Operator)>, StoreError> {
    let row = connection
        .prepare_cached("SELECT session, seal FROM sessions WHERE token = ?1")
        .and_then(|mut find| {
            find.query_row([token.to_string()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
                .optional()
        })
        .map_err(failed)?;
    let Some((words, seal)) = row else { return Ok(None) };
    if seal != seals.seal("session", &json!(words)).to_string() {
        return Err(edited("a session"));
    }
    let session: Session = read("a session", &words)?;
    let operator = find(connection, session.operator, seals)?.filter(|_| people::is_open(&session, token, now()));
    Ok(operator.map(|operator| (session, operator)))
}

/// See [`crate::store::Sessions::sign_out`].
pub(super) fn sign_out(writing: &mut Writing<'_>, token: Digest) -> Result<(), StoreError> {
    let Some((session, _)) = session(writing.connection, token, writing.seals)? else { return Ok(()) };
    forget(writing, "DELETE FROM sessions WHERE token = ?1", params![token.to_string()])?;
    writing.append(NOBODY, AuditEvent::SignedOut { operator: session.operator })
}
