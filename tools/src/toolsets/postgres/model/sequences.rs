//! Sequences under a transaction's control: what is drawn from them is taken back with it.
//!
//! A sequence moves at once and for everybody, whatever becomes of the transaction that drew from it. Since PostgreSQL 10
//! `ALTER SEQUENCE` writes it anew, so that everything after that in the transaction belongs to the new copy, which a
//! rollback throws away; others who draw from it wait meanwhile. It takes ownership.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use super::catalog::{cell, quote};
use crate::contract::ToolError;
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;

/// More sequences than this are not held for one call.
const MOST: usize = 200;

/// Where a sequence stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SequenceImage {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The value drawn last, or the first one to be drawn; a 64-bit integer as text.
    pub last: String,
    /// Whether that has been drawn already.
    pub drawn: bool,
}

impl SequenceImage {
    /// Whether it is the same sequence at the same place, whatever it is called.
    pub(crate) fn stands_like(&self, other: &Self) -> bool {
        (self.oid, &self.last, self.drawn) == (other.oid, &other.last, other.drawn)
    }
}

/// A sequence that may be drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    oid: u32,
    schema: String,
    name: String,
    owned: bool,
    cache: i64,
}

impl Sequence {
    fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

/// Whether one of these lies in the quarantine.
pub(crate) async fn are_kept(tx: &Tx<'_>, oids: &BTreeSet<u32>) -> Result<bool, ToolError> {
    let oids: Vec<u32> = oids.iter().copied().collect();
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.oid = ANY ($1) AND pg_catalog.starts_with(n.nspname::text, 'mollyguard_'))";
    if oids.is_empty() { Ok(false) } else { tx.value(sql, &[(&oids as _, Type::OID_ARRAY)]).await }
}

const SEQUENCES: &str = "SELECT c.oid, n.nspname::text, c.relname::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'), \
    s.seqcache FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid WHERE c.oid = ANY ($1) ORDER BY c.oid";

/// Takes hold of sequences until the transaction ends; where they stand. What cannot be held is the other way: why.
pub(crate) async fn hold(tx: &Tx<'_>, oids: &[u32]) -> Result<Result<Vec<SequenceImage>, String>, ToolError> {
    let mut found = Vec::new();
    for row in &tx.rows(SEQUENCES, &[(&oids as _, Type::OID_ARRAY)]).await? {
        found.push(Sequence {
            oid: cell(row, 0)?,
            schema: cell(row, 1)?,
            name: cell(row, 2)?,
            owned: cell(row, 3)?,
            cache: cell(row, 4)?,
        });
    }
    if let Some(other) = found.iter().find(|sequence| !sequence.owned) {
        return Ok(Err(format!(
            "a try may draw from the sequence {}.{}, and only its owner can take that back",
            shown(&other.schema),
            shown(&other.name)
        )));
    }
    if found.len() > MOST {
        return Ok(Err(format!("a try may draw from any of {} sequences, too many to hold", found.len())));
    }
    // In the order of their ids, so that two calls cannot wait for each other.
    for sequence in &found {
        // Nothing is altered by this, but the sequence is written anew.
        tx.run(&format!("ALTER SEQUENCE {} CACHE {}", sequence.quoted(), sequence.cache)).await?;
    }
    stand(tx, &found).await.map(Ok)
}

async fn stand(tx: &Tx<'_>, sequences: &[Sequence]) -> Result<Vec<SequenceImage>, ToolError> {
    let mut images = Vec::new();
    for sequence in sequences {
        let rows = tx.rows(&format!("SELECT last_value::text, is_called FROM {}", sequence.quoted()), &[]).await?;
        let row = rows.first().ok_or_else(|| ToolError::failed("a sequence has no row"))?;
        images.push(SequenceImage {
            oid: sequence.oid,
            schema: sequence.schema.clone(),
            name: sequence.name.clone(),
            last: cell(row, 0)?,
            drawn: cell(row, 1)?,
        });
    }
    Ok(images)
}

/// Where the sequences of these images stand now.
pub(crate) async fn again(tx: &Tx<'_>, images: &[SequenceImage]) -> Result<Vec<SequenceImage>, ToolError> {
    let mut now = Vec::new();
    for image in images {
        let sql = format!("SELECT last_value::text, is_called FROM {}.{}", quote(&image.schema), quote(&image.name));
        let rows = tx.rows(&sql, &[]).await?;
        let row = rows.first().ok_or_else(|| ToolError::failed("a sequence has no row"))?;
        now.push(SequenceImage { last: cell(row, 0)?, drawn: cell(row, 1)?, ..image.clone() });
    }
    Ok(now)
}

/// Puts a sequence that is held where this image says.
pub(crate) async fn set(tx: &Tx<'_>, image: &SequenceImage) -> Result<(), ToolError> {
    let last: i64 = image.last.parse().map_err(|_| ToolError::refused("a sequence's value is no number"))?;
    let params = [
        (&image.oid as _, Type::OID),
        (&last as &(dyn tokio_postgres::types::ToSql + Sync), Type::INT8),
        (&image.drawn as _, Type::BOOL),
    ];
    tx.rows("SELECT pg_catalog.setval($1::pg_catalog.oid::pg_catalog.regclass, $2, $3)", &params).await?;
    Ok(())
}
