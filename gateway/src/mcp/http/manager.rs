//! rmcp's sessions in memory, with a way to put one to sleep that leaves nothing behind to end what it wakes up as.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures_util::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::WorkerTransport;
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, LocalSessionWorker, SessionConfig,
};
use rmcp::transport::streamable_http_server::{RestoreOutcome, SessionId, SessionManager};

/// rmcp's own manager, but for one thing: the task that serves a session closes it by its id when it is over, and a session
/// that was put to sleep may be awake again by then, as another one of the same id. That one is not to be closed.
#[derive(Default)]
pub(super) struct Manager {
    local: LocalSessionManager,
    /// How many tasks of sessions put to sleep are still to say that they are over.
    ending: Mutex<HashMap<SessionId, u32>>,
}

impl Manager {
    pub(super) fn new(config: SessionConfig) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config = config;
        Self { local, ending: Mutex::default() }
    }

    /// Puts the session that `choose` names to sleep, while more than `most` are awake. Nobody finds it awake once it is
    /// chosen, so that no request of it is lost. Whether there may be another to put to sleep.
    pub(super) async fn put_to_sleep(&self, most: usize, choose: impl FnOnce() -> Option<String>) -> bool {
        if self.local.sessions.read().await.len() <= most {
            return false;
        }
        let handle = {
            let mut awake = self.local.sessions.write().await;
            let Some(id) = (awake.len() > most).then(choose).flatten() else { return false };
            let Some((id, handle)) = awake.remove_entry(id.as_str()) else { return true };
            *self.ending.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
            handle
        };
        // An error is that it has ended by itself.
        let _over = handle.close().await;
        true
    }

    /// Whether it is the end of a session put to sleep that is told.
    fn is_of_a_sleeper(&self, id: &SessionId) -> bool {
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = ending.get_mut(id) else { return false };
        *count -= 1;
        if *count == 0 {
            ending.remove(id);
        }
        true
    }
}

impl SessionManager for Manager {
    type Error = LocalSessionManagerError;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        self.local.create_session().await
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.local.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.local.has_session(id).await
    }

    /// Of two that close a session at once, its client and the task of the one before, either may come first: the other
    /// closes what is awake.
    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        if self.is_of_a_sleeper(id) { Ok(()) } else { self.local.close_session(id).await }
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.create_stream(id, message).await
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.local.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.resume(id, last_event_id).await
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        self.local.restore_session(id).await
    }
}
