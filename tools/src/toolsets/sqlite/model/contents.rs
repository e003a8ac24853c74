//! What a table holds, and a digest that moves when it does.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::schema::{Key, Table, plain_table};
use super::stands::as_it_stands;
use super::{images, quarantine};
use crate::contract::{Digest, ToolError};
use crate::text::count;
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::connect::budget;
use crate::toolsets::sqlite::connect::text::quote;

/// What a table holds.
#[derive(Debug)]
pub(crate) struct Contents {
    /// How many rows, at most `Limits::count`.
    pub rows: u64,
    /// About how many bytes they take.
    pub bytes: u64,
    /// There are more rows than were counted.
    pub truncated: bool,
    /// The highest rowid, where there are rowids.
    pub last: Option<i64>,
    /// Every row is in the fingerprint. Where not, of the rows behind [`DIGESTED`] only the highest rowid is.
    pub whole: bool,
    /// Moves when the schema of the table or its rows change.
    pub fingerprint: Digest,
}

/// How many bytes of rows a fingerprint covers: reading them takes a second or two. Each row counts for some bytes more.
const DIGESTED: u64 = 256 << 20;
const PER_ROW: u64 = 32;

impl Contents {
    /// `3 rows`, or `more than 100,000 rows`.
    pub(crate) fn counted(&self) -> String {
        let more_than = if self.truncated { "more than " } else { "" };
        format!("{more_than}{}", count(self.rows, "row"))
    }

    /// What an approval to destroy the table is bound to: every row of it, or, where that is too much to read, the whole
    /// file as it stands, which any change by anybody moves.
    pub(crate) fn binding(&self, conn: &Connection, site: &Site, table: &Table) -> Result<Digest, ToolError> {
        if self.whole {
            return Ok(self.fingerprint);
        }
        let stands = as_it_stands(site, conn, &table.name)?;
        Ok(Digest::of(&json!({ "seen": self.fingerprint, "stands": stands })))
    }
}

/// Looks at what a table holds.
pub(crate) fn contents(conn: &Connection, site: &Site, table: &Table) -> Result<Contents, ToolError> {
    let looked = look(conn, site, table, DIGESTED).and_then(|contents| budget::usual(conn).map(|()| contents));
    looked.map_err(|error| site.explain(&error))
}

/// The same with another bound on what the fingerprint covers.
pub(crate) fn look(conn: &Connection, site: &Site, table: &Table, digested: u64) -> rusqlite::Result<Contents> {
    let (mut rows, mut bytes, mut read, mut truncated, mut whole) = (0, 0, 0, false, true);
    let mut digest = Sha256::new();
    budget::reading(conn, table.columns.len())?;
    let mut statement = conn.prepare(&images::in_order(table))?;
    let width = statement.column_count();
    let mut found = statement.query([])?;
    loop {
        let row = match found.next() {
            Ok(Some(row)) if read < digested => row,
            Ok(None) => break,
            // There is more, or a row that is too long to be held.
            Ok(Some(_)) => {
                (truncated, whole) = (true, false);
                break;
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::TooBig) => {
                (truncated, whole) = (true, false);
                break;
            }
            Err(error) => return Err(error),
        };
        let mut weight = 0;
        for at in 0..width {
            let bytes = feed(&mut digest, row.get_ref(at)?);
            // A text and its bytes are one value.
            weight += if at < images::width(table) { bytes } else { 0 };
        }
        read += weight + PER_ROW;
        if rows < site.limits.count {
            rows += 1;
            bytes += weight;
        } else {
            truncated = true;
        }
    }
    let last = match &table.key {
        Key::Rowid(name) => {
            let name = if table.rowid_column().is_some() { quote(name) } else { name.clone() };
            conn.query_row(&format!("SELECT max({name}) FROM {}", quote(&table.name)), [], |row| row.get(0))?
        }
        Key::Columns(_) | Key::Hidden => None,
    };
    let entries = quarantine::entries(conn, &table.name)?;
    let schema: Vec<_> = entries.into_iter().map(|e| json!([e.kind, e.name, e.sql])).collect();
    let sequence = images::sequence(conn, &table.name)?.rows;
    let digest: [u8; 32] = digest.finalize().into();
    let seen = json!({
        "uid": site.uid, "rows": Digest::from_bytes(digest), "whole": whole, "last": last, "schema": schema,
        "sequence": sequence,
    });
    Ok(Contents { rows, bytes, truncated, last, whole, fingerprint: Digest::of(&seen) })
}

/// Adds a value, by type and bytes, and returns about how many bytes it takes.
fn feed(digest: &mut Sha256, value: ValueRef<'_>) -> u64 {
    let number;
    let (kind, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(integer) => {
            number = integer.to_le_bytes();
            (1, &number)
        }
        ValueRef::Real(real) => {
            number = real.to_bits().to_le_bytes();
            (2, &number)
        }
        ValueRef::Text(bytes) => (3, bytes),
        ValueRef::Blob(bytes) => (4, bytes),
    };
    digest.update([kind]);
    digest.update((bytes.len() as u64).to_le_bytes());
    digest.update(bytes);
    bytes.len() as u64 + 4
}

/// Moves when what lies in the quarantine under this id does.
pub(crate) fn kept_fingerprint(conn: &Connection, site: &Site, kept: &quarantine::Kept) -> Result<Digest, ToolError> {
    let table = plain_table(conn, site, &kept.trash)?;
    let contents = contents(conn, site, &table)?;
    Ok(Digest::of(&json!({ "id": kept.id, "name": kept.name, "at": kept.at, "holds": contents.fingerprint })))
}
