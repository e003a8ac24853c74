//! Lists read from the catalogue for people: each row becomes a typed value, and no list is longer than a call may answer.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::catalog::cell;
use crate::contract::ToolError;
use crate::toolsets::postgres::connect::{Param, Tx};

/// What our own sessions call themselves.
pub(crate) const OURSELVES: &str = "mollyguard";

/// Makes names and operators mean the server's own for the rest of the transaction, and definitions name every schema,
/// whatever path the role brings along. Names that a call gives are looked up before.
pub(crate) async fn plain_path(tx: &Tx<'_>) -> Result<(), ToolError> {
    tx.run("SET LOCAL search_path = pg_catalog, pg_temp").await
}

/// How much of an answer is left to fill.
pub(crate) struct Room {
    rows: u64,
    bytes: u64,
    /// Something did not fit.
    pub truncated: bool,
}

impl Room {
    /// As much as the call may answer.
    pub(crate) fn of(tx: &Tx<'_>) -> Self {
        let limits = &tx.site().limits;
        Self { rows: limits.output_rows, bytes: limits.output_bytes, truncated: false }
    }

    /// The rows of a SELECT of ours as values, as many as fit. Its columns are the fields, by name; it ends where
    /// `LIMIT` may follow.
    pub(crate) async fn list<T>(&mut self, tx: &Tx<'_>, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, ToolError>
    where
        T: DeserializeOwned + Serialize,
    {
        let more = self.rows.saturating_add(1);
        let sql = format!("SELECT pg_catalog.row_to_json(q)::text FROM ({sql} LIMIT {more}) AS q");
        let rows = tx.rows(&sql, params).await?;
        let mut list = Vec::new();
        for row in rows {
            let text: &str = cell(&row, 0)?;
            let length = text.len() as u64;
            if list.len() as u64 >= self.rows || length > self.bytes {
                self.truncated = true;
                break;
            }
            self.bytes -= length;
            let value = serde_json::from_str(text);
            list.push(
                value
                    .map_err(|error| ToolError::failed(format!("the catalogue holds something unexpected: {error}")))?,
            );
        }
        Ok(list)
    }

    /// The first row of such a SELECT.
    pub(crate) async fn first<T>(
        &mut self,
        tx: &Tx<'_>,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Option<T>, ToolError>
    where
        T: DeserializeOwned + Serialize,
    {
        Ok(self.list(tx, sql, params).await?.into_iter().next())
    }
}
