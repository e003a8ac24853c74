//! The wire: MCP over stdio and streamable HTTP, in the initialize-based revisions and in 2026-07-28. It decides nothing:
//! it hands calls over, puts the gateway's questions to the client, and brings answers back.
//!
//! Only this module and `upstream` name rmcp.

mod agent;
mod auth;
mod confirm;
mod dialogs;
mod error;
mod http;
mod in_flight;
mod limits;
mod lines;
mod listing;
mod message;
mod progress;
mod room;
mod seal;
mod server;
mod socket;
mod stdio;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mollyguard_record::model::{Channel, Principal};
use mollyguard_tools::contract::Declaration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::call;
use crate::call::approval;
use crate::gateway::Gateway;
use crate::registry::UnknownTool;
use crate::reply::{Question, Refusal, Reply, Request};

pub use agent::{Agent, AgentError, Called, Person};
pub use auth::{Token, TokenError, Tokens};
#[doc(hidden)]
pub use http::serve_http_over;
pub use http::{Access, Http, HttpError, may_listen, serve_http};
pub use limits::Limits;
#[doc(hidden)]
pub use seal::{Bound, Sealed};
pub use seal::{Seal, SealError};
#[doc(hidden)]
pub use server::Server;
pub use socket::{Socket, serve_socket};
pub use stdio::{StdioError, serve_stdio, serve_streams};

/// What the wire needs of a gateway.
#[async_trait]
pub trait Calls: Send + Sync + 'static {
    /// The way of one call.
    async fn call(&self, request: Request) -> Result<Reply, UnknownTool>;

    /// What clients are shown, in a stable order.
    fn listing(&self) -> Vec<&Declaration>;

    /// The declaration of a listed tool.
    fn declaration(&self, name: &str) -> Option<&Declaration>;

    /// Writes down that a call of this principal was refused before it came to the gateway.
    async fn turned_away(&self, _principal: &Principal, refusal: Refusal, _tool: &str) -> Refusal {
        refusal
    }

    /// Writes down that something of this principal was to call a tool and was malformed: it names no tool that is known, or
    /// does not have the shape of a call.
    async fn malformed(&self, _principal: &Principal) {}

    /// Counts that a question is shown in a client, by this channel; a refusal where that is once too often. The first time was
    /// counted when it was asked. `false` where another process shows it, and nothing is counted.
    async fn shown(&self, _question: &Question, _channel: Channel) -> Result<bool, Box<Refusal>> {
        Ok(true)
    }

    /// The dialog in which a client was shown a question is over: other processes may show it.
    async fn shown_no_more(&self, _confirmation: Uuid) {}

    /// Returns once a question is not open any more, however it was answered, or its time is over.
    async fn answered(&self, confirmation: Uuid);
}

#[async_trait]
impl Calls for Arc<Gateway> {
    async fn call(&self, request: Request) -> Result<Reply, UnknownTool> {
        call::call(self, request).await
    }

    fn listing(&self) -> Vec<&Declaration> {
        self.registry.listing().collect()
    }

    fn declaration(&self, name: &str) -> Option<&Declaration> {
        self.registry.declaration(name)
    }

    async fn turned_away(&self, principal: &Principal, refusal: Refusal, tool: &str) -> Refusal {
        call::turned_away(self, principal, refusal, tool).await
    }

    async fn malformed(&self, principal: &Principal) {
        call::malformed(self, principal).await;
    }

    async fn shown(&self, question: &Question, channel: Channel) -> Result<bool, Box<Refusal>> {
        approval::shown(self, question, channel).await
    }

    async fn shown_no_more(&self, confirmation: Uuid) {
        approval::shown_no_more(self, confirmation).await;
    }

    async fn answered(&self, confirmation: Uuid) {
        approval::answered(self, confirmation).await;
    }
}

/// What both transports serve.
#[derive(Clone)]
pub struct Wire {
    /// The gateway.
    pub calls: Arc<dyn Calls>,
    /// Seals what a client carries between the question and the repeated call.
    pub seal: Seal,
    /// How long things take.
    pub timing: Timing,
}

/// How long the wire waits, and how often it says so.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a call waits for an answer that is not given in its client, at most; then it says what it waits for, and
    /// is to be repeated. Less than the patience of common clients, 60 seconds.
    pub wait: Duration,
    /// How long a call is held open while its client asks a person, at most; `None` holds it until the confirmation
    /// expires. Only older revisions hold a call: in 2026-07-28 the call returns and is repeated.
    pub hold: Option<Duration>,
    /// A call that is over sooner reports no progress, so that quick calls get one plain reply.
    pub progress_after: Duration,
    /// After that a call reports at every stage, and at least this often.
    pub progress_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(45),
            hold: None,
            progress_after: Duration::from_millis(100),
            progress_every: Duration::from_secs(5),
        }
    }
}

/// A token that is cancelled when this process is told to leave: SIGTERM or SIGINT.
///
/// # Errors
/// The signals cannot be listened for.
pub fn told_to_leave() -> io::Result<CancellationToken> {
    let leave = CancellationToken::new();
    let told = leave.clone();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            told.cancel();
        });
    }
    #[cfg(not(unix))]
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            told.cancel();
        }
    });
    Ok(leave)
}
