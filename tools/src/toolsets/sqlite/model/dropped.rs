//! Dropping a table and bringing it back, which take each other back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::TakesBack;

/// Which table to take away.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drop {
    /// The table.
    pub(crate) table: String,
}

impl TakesBack for Drop {
    const TOOL: &'static str = "sqlite_drop_table";
}

/// What to bring back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restore {
    /// The id in the quarantine, as `sqlite_drop_table` gave it and `sqlite_describe` lists it.
    pub(crate) id: String,
}

impl TakesBack for Restore {
    const TOOL: &'static str = "sqlite_restore_table";
}
