//! JSON-RPC errors: only for what cannot be told as a result. Clients show them opaquely, so everything a model should
//! read is an isError result instead.

use mollyguard_tools::text::visible;
use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use serde_json::json;

use crate::registry::UnknownTool;

/// How much of a name that a client sent is sent back.
const ECHO: usize = 128;

/// The requests this server answers. One of these that did not parse is malformed rather than unknown.
const METHODS: [&str; 3] = ["server/discover", "tools/list", "tools/call"];
/// Those that revision 2026-07-28 has no more.
const REMOVED: [&str; 2] = ["initialize", "ping"];

/// No tool has that name: -32602, as the protocol wants it.
pub(super) fn unknown_tool(unknown: &UnknownTool) -> ErrorData {
    let shown = UnknownTool { name: echo(&unknown.name), nearest: unknown.nearest.clone() };
    let data = json!({"tool": shown.name, "nearest": shown.nearest});
    ErrorData::invalid_params(shown.to_string(), Some(data))
}

/// A request rmcp could not read: an unknown method, or a known one with parameters of the wrong shape or given twice.
/// It is never guessed at.
pub(super) fn unreadable(method: &str, is_newest: bool) -> ErrorData {
    let shown = echo(method);
    if METHODS.contains(&method) || REMOVED.contains(&method) && !is_newest {
        ErrorData::invalid_params(format!("the parameters of `{shown}` are malformed or given twice"), None)
    } else {
        ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("there is no method `{shown}`"), None)
    }
}

/// A request that reached the server without an authenticated caller. The authenticating layer should have refused it.
pub(super) fn nobody() -> ErrorData {
    ErrorData::internal_error("the request carries no authenticated caller", None)
}

/// A question that could not be sealed. Nothing has run.
pub(super) fn unsealed() -> ErrorData {
    ErrorData::internal_error("the question could not be sealed; nothing was changed", None)
}

/// Text a client sent, short enough to send back.
pub(super) fn echo(text: &str) -> String {
    visible(text).chars().take(ECHO).collect()
}
