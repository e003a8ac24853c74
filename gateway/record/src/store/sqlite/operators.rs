//! The people who may answer, as rows.

use mollyguard_tools::contract::{Digest, now};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;
use uuid::Uuid;

use super::apart::check_apart;
use super::grants;
use super::rows::{read, read_id, read_time, text};
use super::schema::{self, failed};
use super::writes::Writing;
use crate::audit::{ArgsKey, AuditEvent, Subject};
use crate::model::{Ended, Enrolment, Entry, Invitation, MOST_PASSKEYS, Operator, Passkey};
use crate::store::{Given, StoreError};

/// A row of `operators`.
struct OperatorRow {
    id: String,
    name: String,
    enrolled_at: i64,
    code: Option<String>,
    removed_at: Option<i64>,
    user: Option<String>,
    seal: String,
}

impl OperatorRow {
    const COLUMNS: &str = "id, name, enrolled_at, code, removed_at, user, seal";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            enrolled_at: row.get(2)?,
            code: row.get(3)?,
            removed_at: row.get(4)?,
            user: row.get(5)?,
            seal: row.get(6)?,
        })
    }

    /// Who is linked to nobody has the seal that all had before there were links.
    fn sealed(&self, seals: &ArgsKey) -> String {
        let columns = json!([self.id, self.name, self.enrolled_at, self.code, self.removed_at]);
        match &self.user {
            None => seals.seal("operator", &columns).to_string(),
            Some(user) => seals.seal("linked operator", &json!([columns, user])).to_string(),
        }
    }

    fn put(&mut self, writing: &Writing<'_>) -> Result<(), StoreError> {
        self.seal = self.sealed(writing.seals);
        let taken = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => {
                StoreError::NotEnrolled(format!("somebody is enrolled as `{}` already", self.name))
            }
            _ => failed(error),
        };
        writing
            .connection
            .prepare_cached(
                "INSERT INTO operators (id, name, enrolled_at, code, removed_at, user, seal)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (id) DO UPDATE SET code = ?4, removed_at = ?5, user = ?6, seal = ?7",
            )
            .and_then(|mut put| {
                let (id, name, user) = (&self.id, &self.name, &self.user);
                put.execute(params![id, name, self.enrolled_at, self.code, self.removed_at, user, self.seal])
            })
            .map(drop)
            .map_err(taken)
    }

    /// The operator, where the seals hold.
    fn operator(self, connection: &Connection, seals: &ArgsKey) -> Result<Operator, StoreError> {
        let what = format!("operator `{}`", self.id);
        if self.seal != self.sealed(seals) {
            return Err(edited(&what));
        }
        Ok(Operator {
            id: read_id(&what, &self.id)?,
            passkeys: passkeys(connection, &self.id, seals)?,
            name: self.name,
            user: self.user,
            enrolled_at: read_time(&what, self.enrolled_at)?,
            has_code: self.code.is_some(),
        })
    }
}

pub(super) fn edited(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} was edited in the database"))
}

fn find_where(
    connection: &Connection,
    condition: &str,
    value: &str,
    seals: &ArgsKey,
) -> Result<Option<Operator>, StoreError> {
    let columns = OperatorRow::COLUMNS;
    let sql = format!("SELECT {columns} FROM operators WHERE {condition} = ?1 AND removed_at IS NULL");
    let row = connection
        .prepare_cached(&sql)
        .and_then(|mut find| find.query_row([value], OperatorRow::read).optional())
        .map_err(failed)?;
    row.map(|row| row.operator(connection, seals)).transpose()
}

/// Somebody who is enrolled.
pub(super) fn find(connection: &Connection, id: Uuid, seals: &ArgsKey) -> Result<Option<Operator>, StoreError> {
    find_where(connection, "id", &id.to_string(), seals)
}

/// See [`crate::store::Store::with_code`].
pub(super) fn with_code(
    connection: &Connection,
    code: Digest,
    seals: &ArgsKey,
) -> Result<Option<Operator>, StoreError> {
    find_where(connection, "code", &code.to_string(), seals)
}

/// See [`crate::store::Store::operators`]. A damaged row is an error: who may answer is not to be guessed.
pub(super) fn all(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Operator>, StoreError> {
    let columns = OperatorRow::COLUMNS;
    let sql = format!("SELECT {columns} FROM operators WHERE removed_at IS NULL ORDER BY name, id");
    let mut query = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = query.query_map([], OperatorRow::read).map_err(failed)?;
    rows.map(|row| row.map_err(failed)?.operator(connection, seals)).collect()
}

fn passkeys(connection: &Connection, operator: &str, seals: &ArgsKey) -> Result<Vec<Passkey>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT id, passkey, seal FROM passkeys WHERE operator = ?1 ORDER BY id")
        .map_err(failed)?;
    let rows = query
        .query_map([operator], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))
        .map_err(failed)?;
    rows.map(|row| {
        let (id, passkey, seal) = row.map_err(failed)?;
        let what = format!("passkey `{id}`");
        if seal != sealed_passkey(&id, operator, &passkey, seals) {
            return Err(edited(&what));
        }
        read(&what, &passkey)
    })
    .collect()
}

fn sealed_passkey(id: &str, operator: &str, passkey: &str, seals: &ArgsKey) -> String {
    seals.seal("passkey", &json!([id, operator, passkey])).to_string()
}

fn put_passkey(writing: &Writing<'_>, operator: Uuid, passkey: &Passkey, is_new: bool) -> Result<(), StoreError> {
    let (id, operator, words) = (passkey.id(), operator.to_string(), text(passkey)?);
    let seal = sealed_passkey(&id, &operator, &words, writing.seals);
    let sql = if is_new {
        "INSERT INTO passkeys (id, operator, passkey, seal) VALUES (?1, ?2, ?3, ?4)"
    } else {
        "UPDATE passkeys SET passkey = ?3, seal = ?4 WHERE id = ?1 AND operator = ?2"
    };
    let put =
        writing.connection.prepare_cached(sql).and_then(|mut put| put.execute(params![id, operator, words, seal]));
    match put {
        Ok(1) => Ok(()),
        Ok(_) => Err(StoreError::NotEnrolled("the passkey is not enrolled any more".into())),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
            Err(StoreError::NotEnrolled("this passkey is enrolled already".into()))
        }
        Err(error) => Err(failed(error)),
    }
}

pub(super) fn still_enrolled(writing: &Writing<'_>, id: Uuid) -> Result<Operator, StoreError> {
    let found = find(writing.connection, id, writing.seals)?;
    found.ok_or_else(|| StoreError::NotEnrolled(format!("operator `{id}` is not enrolled any more")))
}

/// Moves a passkey's counter along. One that went back shows a copy of the key, or an assertion shown a second time.
pub(super) fn count(writing: &Writing<'_>, operator: &Operator, id: &str, count: u32) -> Result<(), StoreError> {
    let Some(passkey) = operator.passkeys.iter().find(|passkey| passkey.id() == id) else {
        return Err(StoreError::NotEnrolled("the passkey is not enrolled any more".into()));
    };
    let known = passkey.credential.count;
    if (count, known) != (0, 0) && count <= known {
        return Err(StoreError::NotEnrolled("the passkey's counter went back: it may have been copied".into()));
    }
    let mut passkey = passkey.clone();
    passkey.credential.count = count;
    put_passkey(writing, operator.id, &passkey, false)
}

/// Whether who answers is enrolled still; with a passkey, its counter is moved along.
pub(super) fn check_answering(writing: &Writing<'_>, given: &Given) -> Result<(), StoreError> {
    let Some(operator) = given.operator else { return Ok(()) };
    let operator = still_enrolled(writing, operator)?;
    match &given.signed {
        Some((assertion, new)) => count(writing, &operator, &assertion.credential.to_string(), *new),
        None => Ok(()),
    }
}

pub(super) const fn about_nobody() -> Subject {
    Subject { call: None, principal: None, tool: None, targets: Vec::new(), arguments: None }
}

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

pub(super) fn forget(writing: &Writing<'_>, sql: &str, given: impl rusqlite::Params) -> Result<(), StoreError> {
    writing.connection.prepare_cached(sql).and_then(|mut delete| delete.execute(given)).map(drop).map_err(failed)
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
