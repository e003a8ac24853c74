//! How the tools of this set reach a database file: the file, and the one connection that a look or a change works on. It is
//! opened as what the tool is about to do needs it, and holds the transaction that is kept or taken back.

use std::ops::Deref;

use async_trait::async_trait;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::quarantine;
use crate::contract::{Digest, Evidence, Kind, Lease, Preflight, Purpose, ToolError, Unsure, Waiting};
use crate::toolsets::sqlite::connect::Site;

/// SQLite database files.
pub(crate) struct DatabaseFiles;

/// A database file, and the connection to it.
pub(crate) struct Tx<'c> {
    site: &'c mut Site,
    /// The fingerprint that a change was decided on.
    agreed: Option<Digest>,
    conn: Option<Connection>,
}

impl Deref for Tx<'_> {
    type Target = Site;

    fn deref(&self) -> &Site {
        self.site
    }
}

impl Tx<'_> {
    /// The fingerprint that the change being made was decided on; `None` for a look.
    pub(crate) const fn agreed(&self) -> Option<Digest> {
        self.agreed
    }

    /// Goes on with this connection, on which what is to be kept was done.
    pub(crate) fn continue_on(&mut self, conn: Connection) {
        self.conn = Some(conn);
    }

    /// The connection on which a statement was tried or run.
    pub(crate) fn tried(&self) -> Result<(&Site, &Connection), ToolError> {
        let conn = self.conn.as_ref().ok_or_else(|| ToolError::failed("nothing was tried"))?;
        Ok((self.site, conn))
    }

    /// The connection for what goes through whole tables: for a look one that cannot change anything, for a change one that
    /// `open` opened with a transaction.
    pub(crate) fn rows(
        &mut self,
        open: fn(&Site) -> Result<Connection, ToolError>,
    ) -> Result<(&Site, &mut Connection), ToolError> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None if self.agreed.is_some() => open(self.site)?,
            None => {
                self.site.wait_for_rows()?;
                self.site.open_to_read()?
            }
        };
        Ok((self.site, self.conn.insert(conn)))
    }

    /// The same for what moves whole tables into the quarantine and out of it.
    pub(crate) fn tables(&mut self) -> Result<(&Site, &Connection), ToolError> {
        self.rows(quarantine::open).map(|(site, conn)| (site, &*conn))
    }
}

#[async_trait]
impl Kind for DatabaseFiles {
    const NAME: &'static str = "sqlite";
    const TARGET: &'static str = "The configured database.";
    const BLOCKS: bool = true;

    type Conn = Site;
    type Tx<'c> = Tx<'c>;

    async fn connect(lease: &Lease, waiting: Waiting) -> Result<Site, ToolError> {
        Site::of(lease, &waiting)
    }

    async fn begin<'c>(site: &'c mut Site, purpose: Purpose<'_>) -> Result<Tx<'c>, ToolError> {
        let agreed = if let Purpose::Change(agreed) = purpose { Some(agreed.fingerprint) } else { None };
        Ok(Tx { site, agreed, conn: None })
    }

    fn whereabouts(tx: &Tx<'_>) -> Evidence {
        tx.site.whereabouts()
    }

    async fn commit(tx: Tx<'_>) -> Result<(), Unsure> {
        let nothing = || Unsure::No(ToolError::failed("nothing was done that could be kept"));
        let mut conn = tx.conn.ok_or_else(nothing)?;
        tx.site.commit(&mut conn).map_err(Unsure::No)
    }

    /// By name: what goes by the file's id would be every table in it.
    fn aim(seen: &Preflight) -> Vec<Value> {
        seen.targets.iter().map(|table| json!(table.path.lowercased())).collect()
    }

    /// By name as well.
    fn whole(seen: &Preflight) -> Value {
        seen.targets.iter().map(|table| json!(table.path)).collect()
    }
}
