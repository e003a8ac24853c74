//! Looks for held secrets in what a database holds, bounded in rows, bytes and time.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::contract::{HeldSecrets, Search, ToolError};
use crate::text::shown;
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::model::schema::{self, Kind};

/// How much is read at most, shared among the tables.
const MOST_READ: usize = 128 << 20;
/// How many rows of one table.
const MOST_ROWS: usize = 100_000;

/// Looks into every table.
pub(crate) fn search(site: &Site, held: &dyn HeldSecrets) -> Result<Search, ToolError> {
    let conn = site.open_to_read()?;
    let mut search = Search::default();
    let tables = schema::list(&conn).map_err(|error| site.explain(&error))?;
    let tables: Vec<&str> = tables.iter().filter(|(_, kind)| *kind == Kind::Table).map(|(name, _)| &**name).collect();
    let share = MOST_READ / tables.len().max(1);
    for table in tables {
        // One that cannot be read does not keep the others from it.
        if look(&conn, table, share, held, &mut search).is_err() {
            search.partial = true;
        }
    }
    Ok(search)
}

fn look(
    conn: &Connection,
    table: &str,
    mut share: usize,
    held: &dyn HeldSecrets,
    search: &mut Search,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(&format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")))?;
    let (width, place) = (statement.column_count(), format!("table {}", shown(table)));
    let (mut rows, mut left) = (statement.query([])?, MOST_ROWS);
    while let Some(row) = rows.next()? {
        for at in 0..width {
            let number;
            let bytes = match row.get_ref(at)? {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
                ValueRef::Integer(whole) => {
                    number = whole.to_string();
                    number.as_bytes()
                }
                ValueRef::Real(real) => {
                    number = real.to_string();
                    number.as_bytes()
                }
                ValueRef::Null => continue,
            };
            search.look(held, bytes, &place);
            share = share.saturating_sub(bytes.len().max(1));
        }
        left -= 1;
        if share == 0 || left == 0 {
            search.partial = true;
            return Ok(());
        }
    }
    Ok(())
}
