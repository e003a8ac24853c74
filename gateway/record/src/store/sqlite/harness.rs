//! A store for tests, and what another program does to it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "only tests are built with it")]

use std::path::Path;

use mollyguard_tools::contract::Digest;
use rusqlite::Connection;
use uuid::Uuid;

use super::rows::ConfirmationRow;
use super::{Configured, OpenStore, SqliteStore, schema};
use crate::model::{Confirmation, ConfirmationState};
use crate::store::{Questions as _, StoreError};

/// How a store in this directory is opened.
pub fn options(directory: &Path) -> OpenStore {
    let configured = Configured {
        version: "0.0.0".into(),
        configuration: Digest::of_bytes(b"configuration"),
        policies: Digest::of_bytes(b"policies"),
    };
    OpenStore::new(directory.to_owned(), configured)
}

/// A store in this directory.
pub fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(options(directory)).unwrap()
}

/// Another program's transaction: while it lives, nothing can be written.
pub struct Held {
    _connection: Connection,
}

/// Begins such a transaction.
pub fn hold(directory: &Path) -> Held {
    let connection = plain(directory);
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    Held { _connection: connection }
}

/// Runs statements on any database, as another program.
pub fn run(database: &Path, sql: &str) {
    Connection::open(database).unwrap().execute_batch(sql).unwrap();
}

/// The one text a query finds there.
pub fn text(database: &Path, sql: &str) -> String {
    Connection::open(database).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The store's database, as another program opens it.
pub fn plain(directory: &Path) -> Connection {
    Connection::open(schema::path(directory)).unwrap()
}

impl SqliteStore {
    /// The questions that are open.
    pub async fn open_confirmations(&self) -> Result<Vec<Confirmation>, StoreError> {
        Ok(self.open_questions().await?.iter().map(|open| open.0.clone()).collect())
    }

    /// Has a question stand like this, sealed, whatever the rules say.
    pub fn stands_as(&self, id: Uuid, standing: &ConfirmationState) -> Result<(), StoreError> {
        let connection = plain(&self.directory);
        let found = ConfirmationRow::find(&connection, id, &self.keys)?.expect("it was asked");
        let row = ConfirmationRow::of(&found.0, standing, &self.keys)?;
        let update = "UPDATE confirmations SET standing = ?2, seal = ?3, stands = ?4 WHERE id = ?1";
        connection.execute(update, [row.id, row.standing, row.seal, row.stands]).map(drop).map_err(schema::failed)
    }
}
