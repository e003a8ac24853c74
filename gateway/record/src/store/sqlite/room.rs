//! How much of the disk calls take, as it is read for the rules.

use rusqlite::params;

use super::rows::CallRow;
use super::schema::failed;
use super::writing::Writing;
use crate::store::StoreError;
use crate::store::rules::quotas::{self, Takes};

/// What is kept of the calls of one user on one target, those of more than [`quotas::SMALL`]. As the index `calls_large` has it.
const KEPT: &str = "SELECT ifnull(sum(octet_length(args) + ifnull(octet_length(pre_image), 0) \
                    + ifnull(octet_length(undo_args), 0)), 0) FROM calls INDEXED BY calls_large \
                    WHERE user = ?1 AND target = ?2 AND octet_length(args) + ifnull(octet_length(pre_image), 0) \
                    + ifnull(octet_length(undo_args), 0) > 4096";

/// Whether there is room for what is kept of a call, as far as that matters for it.
pub(super) fn check(writing: &Writing<'_>, row: &CallRow) -> Result<(), StoreError> {
    let takes = Takes {
        target: &row.target,
        bytes: (row.args.iter().chain(&row.pre_image)).map(|text| text.len() as u64).sum(),
        is_confirmed: row.confirmation.is_some(),
        is_undo: row.undoes.is_some(),
    };
    let free = takes.asks_for_disk(writing.room).then(|| free(writing)).transpose()?;
    let kept = takes.asks_for_kept().then(|| kept(writing, row)).transpose()?;
    quotas::fits(takes, writing.room, free, kept)
}

fn free(writing: &Writing<'_>) -> Result<u64, StoreError> {
    let disk = rustix::fs::statvfs(writing.directory)
        .map_err(|error| StoreError::Failed(format!("how full the disk is cannot be told: {error}")))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn kept(writing: &Writing<'_>, row: &CallRow) -> Result<u64, StoreError> {
    let kept: i64 = writing
        .connection
        .prepare_cached(KEPT)
        .and_then(|mut sum| sum.query_row(params![row.user, row.target], |row| row.get(0)))
        .map_err(failed)?;
    Ok(u64::try_from(kept).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
