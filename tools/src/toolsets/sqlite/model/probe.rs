//! Whether a call that takes a whole table somewhere took effect.

use rusqlite::Connection;

use super::quarantine::{self, Kept};
use super::schema;
use crate::contract::Timestamp;

/// What the quarantine holds of a table that is not in its place; `None` where it is.
pub(crate) fn gone(conn: &Connection, name: &str) -> rusqlite::Result<Option<Vec<Kept>>> {
    if schema::find(conn, name)?.is_some() {
        return Ok(None);
    }
    let kept = quarantine::kept(conn)?.into_iter();
    Ok(Some(kept.filter(|kept| kept.name.eq_ignore_ascii_case(name) || kept.trash == name).collect()))
}

/// Whether it was put away after this look at it: an older one of the same name says nothing.
pub(crate) fn is_newer(kept: &Kept, look: Option<Timestamp>) -> bool {
    kept.at.parse::<Timestamp>().is_ok_and(|at| look.is_some_and(|look| at >= look))
}
