//! The people who may answer, as rows.

use mollyguard_tools::contract::Digest;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;
use uuid::Uuid;

use super::rows::{read, read_id, read_time, text};
use super::schema::failed;
use super::writing::Writing;
use crate::audit::ArgsKey;
use crate::model::{Operator, Passkey};
use crate::store::StoreError;

/// A row of `operators`.
pub(super) struct OperatorRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) enrolled_at: i64,
    pub(super) code: Option<String>,
    pub(super) removed_at: Option<i64>,
    pub(super) user: Option<String>,
    pub(super) seal: String,
}

impl OperatorRow {
    pub(super) const COLUMNS: &str = "id, name, enrolled_at, code, removed_at, user, seal";

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
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

    /// Of somebody who is enrolled.
    pub(super) fn of(operator: &Operator, code: Option<Digest>) -> Self {
        Self {
            id: operator.id.to_string(),
            name: operator.name.clone(),
            enrolled_at: operator.enrolled_at.as_millisecond(),
            code: code.map(|code| code.to_string()),
            removed_at: None,
            user: operator.user.clone(),
            seal: String::new(),
        }
    }

    /// Links an operator to a user, and leaves all else as it is.
    pub(super) fn link(writing: &Writing<'_>, id: Uuid, user: String) -> Result<(), StoreError> {
        let columns = Self::COLUMNS;
        let row = writing
            .connection
            .prepare_cached(&format!("SELECT {columns} FROM operators WHERE id = ?1"))
            .and_then(|mut find| find.query_row([id.to_string()], Self::read))
            .map_err(failed)?;
        Self { user: Some(user), ..row }.put(writing)
    }

    pub(super) fn put(mut self, writing: &Writing<'_>) -> Result<(), StoreError> {
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
    pub(super) fn operator(self, connection: &Connection, seals: &ArgsKey) -> Result<Operator, StoreError> {
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

pub(super) fn find_where(
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

/// See [`crate::store::People::with_code`].
pub(super) fn with_code(
    connection: &Connection,
    code: Digest,
    seals: &ArgsKey,
) -> Result<Option<Operator>, StoreError> {
    find_where(connection, "code", &code.to_string(), seals)
}

/// See [`crate::store::People::operators`]. A damaged row is an error: who may answer is not to be guessed.
pub(super) fn all(connection: &Connection, seals: &ArgsKey) -> Result<Vec<Operator>, StoreError> {
    let columns = OperatorRow::COLUMNS;
    let sql = format!("SELECT {columns} FROM operators WHERE removed_at IS NULL ORDER BY name, id");
    let mut query = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = query.query_map([], OperatorRow::read).map_err(failed)?;
    rows.map(|row| row.map_err(failed)?.operator(connection, seals)).collect()
}

pub(super) fn passkeys(connection: &Connection, operator: &str, seals: &ArgsKey) -> Result<Vec<Passkey>, StoreError> {
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

pub(super) fn sealed_passkey(id: &str, operator: &str, passkey: &str, seals: &ArgsKey) -> String {
    seals.seal("passkey", &json!([id, operator, passkey])).to_string()
}

pub(super) fn put_passkey(
    writing: &Writing<'_>,
    operator: Uuid,
    passkey: &Passkey,
    is_new: bool,
) -> Result<(), StoreError> {
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

/// Those of these who are enrolled.
pub(super) fn those(writing: &Writing<'_>, ids: &[Uuid]) -> Result<Vec<Operator>, StoreError> {
    let found = ids.iter().map(|id| find(writing.connection, *id, writing.seals));
    found.filter_map(Result::transpose).collect()
}

pub(super) fn forget(writing: &Writing<'_>, sql: &str, given: impl rusqlite::Params) -> Result<(), StoreError> {
    writing.connection.prepare_cached(sql).and_then(|mut delete| delete.execute(given)).map(drop).map_err(failed)
}
