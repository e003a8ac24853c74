//! The way of a call.
use std::sync::Arc;

use crate::gateway::Gateway;
use crate::reply::{Reply, Request, UnknownTool};

/// The way of one call.
///
/// # Errors
/// The tool is not known.
pub async fn call(_gateway: &Arc<Gateway>, request: Request) -> Result<Reply, UnknownTool> {
    Err(UnknownTool { name: request.tool, nearest: None })
}
