//! How much of the disk calls may take that nobody was asked about: small statements can touch large rows, and what those were
//! is kept for taking them back.

use rusqlite::params;

use super::options::Room;
use super::rows::CallRow;
use super::schema::failed;
use super::writing::Writing;
use crate::store::{NoRoom, StoreError};

/// What a call may take that is not added up: no more than its records do. As the index `calls_large` has it.
const SMALL: u64 = 4 << 10;

/// What is kept of the calls of one user on one target, those that count.
const KEPT: &str = "SELECT ifnull(sum(octet_length(args) + ifnull(octet_length(pre_image), 0) \
                    + ifnull(octet_length(undo_args), 0)), 0) FROM calls INDEXED BY calls_large \
                    WHERE user = ?1 AND target = ?2 AND octet_length(args) + ifnull(octet_length(pre_image), 0) \
                    + ifnull(octet_length(undo_args), 0) > 4096";

/// Lets a call begin only where there is room for what is kept of it. Some of the disk stays free whatever begins, since what
/// runs must be written down to its end; undos may use half of that, so that there is a way back. What a person has approved
/// by itself takes whatever room is on the disk; an undo may take as much again as all that can be taken back.
pub(super) fn check(writing: &Writing<'_>, row: &CallRow) -> Result<(), StoreError> {
    let Room { kept: bound, free: floor } = writing.room;
    let takes = (row.args.iter().chain(&row.pre_image)).map(|text| text.len() as u64).sum::<u64>();
    let no = |why| Err(StoreError::NoRoom { target: row.target.clone(), takes, why });
    let floor = if row.undoes.is_some() { floor / 2 } else { floor };
    if floor > 0 {
        let disk = rustix::fs::statvfs(writing.directory)
            .map_err(|error| StoreError::Failed(format!("how full the disk is cannot be told: {error}")))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < floor.saturating_add(takes) {
            return no(NoRoom::Disk { free, floor });
        }
    }
    if row.confirmation.is_some() || takes <= SMALL {
        return Ok(());
    }
    let bound = if row.undoes.is_some() { bound.saturating_mul(2) } else { bound };
    let kept: i64 = writing
        .connection
        .prepare_cached(KEPT)
        .and_then(|mut sum| sum.query_row(params![row.user, row.target], |row| row.get(0)))
        .map_err(failed)?;
    let kept = u64::try_from(kept).unwrap_or(u64::MAX);
    if kept.saturating_add(takes) > bound { no(NoRoom::Kept { kept, bound }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
