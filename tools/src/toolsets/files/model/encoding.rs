//! How content is written in the arguments and output of a call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How content is written in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    /// As text.
    #[default]
    Utf8,
    /// In base64, with padding.
    Base64,
}
