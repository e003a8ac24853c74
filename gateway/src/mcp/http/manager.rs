//! rmcp's sessions in memory, with a way to put one to sleep that leaves nothing behind to end what it wakes up as.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::future::Either;
use futures_util::stream::{self, Stream};
use mollyguard_record::model::Principal;
use rmcp::model::{ClientJsonRpcMessage, GetExtensions as _, ServerJsonRpcMessage};
use rmcp::service::RoleServer;
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, LocalSessionWorker, SessionConfig,
};
use rmcp::transport::streamable_http_server::{RestoreOutcome, SessionId, SessionManager};
use rmcp::transport::{Transport, WorkerTransport};

use super::super::Calls;
use super::super::in_flight::InFlight;
use super::super::message::Wrong;

/// rmcp's own manager, but for two things. The task that serves a session closes it by its id when it is over, and a session
/// that was put to sleep may be awake again by then, as another one of the same id. That one is not to be closed. And a
/// request whose id is in use is answered, and gets no further.
#[derive(Default)]
pub(super) struct Manager {
    local: LocalSessionManager,
    /// How many tasks of sessions put to sleep are still to say that they are over.
    ending: Mutex<HashMap<SessionId, u32>>,
    /// What is open in each session that is awake; gone with the task that serves it.
    open: Mutex<HashMap<SessionId, Weak<InFlight>>>,
    /// Where a call that gets no further is written down.
    calls: Option<Arc<dyn Calls>>,
}

/// The messages of one session to its client, and from it.
pub(super) struct Watched {
    inner: WorkerTransport<LocalSessionWorker>,
    in_flight: Arc<InFlight>,
}

impl Transport<RoleServer> for Watched {
    type Error = <WorkerTransport<LocalSessionWorker> as Transport<RoleServer>>::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.in_flight.sent(&item);
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.inner.receive().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

impl Manager {
    pub(super) fn new(config: SessionConfig, calls: Arc<dyn Calls>) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config = config;
        Self { local, calls: Some(calls), ..Self::default() }
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

    /// A session that wakes up, by its transport.
    fn watched(&self, id: &SessionId, inner: WorkerTransport<LocalSessionWorker>) -> Watched {
        let in_flight = Arc::<InFlight>::default();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, in_flight| in_flight.strong_count() > 0);
        open.insert(id.clone(), Arc::downgrade(&in_flight));
        Watched { inner, in_flight }
    }

    /// Takes note of what a session's client sent. What is wrong with it, where it is a request whose id is in use.
    fn received(&self, id: &SessionId, message: &ClientJsonRpcMessage) -> Option<Wrong> {
        let in_flight = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(id).and_then(Weak::upgrade);
        in_flight.and_then(|in_flight| in_flight.received(message))
    }

    /// Writes down that a message which gets no further was to call a tool.
    async fn malformed(&self, message: &ClientJsonRpcMessage) {
        let ClientJsonRpcMessage::Request(request) = message else { return };
        let parts = request.request.extensions().get::<http::request::Parts>();
        let principal = parts.and_then(|parts| parts.extensions.get::<Principal>());
        if let (Some(calls), Some(principal)) = (&self.calls, principal) {
            calls.malformed(principal).await;
        }
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
    type Transport = Watched;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, inner) = self.local.create_session().await?;
        let transport = self.watched(&id, inner);
        Ok((id, transport))
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
        if let Some(Wrong { id, error, is_call }) = self.received(id, &message) {
            if is_call {
                self.malformed(&message).await;
            }
            let answer = ServerJsonRpcMessage::error(error, id);
            return Ok(Either::Left(stream::iter([ServerSseMessage::from_message(answer)])));
        }
        Ok(Either::Right(self.local.create_stream(id, message).await?))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        // No request comes this way, so it is never refused.
        let _passed = self.received(id, &message);
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
        Ok(match self.local.restore_session(id.clone()).await? {
            RestoreOutcome::Restored(inner) => RestoreOutcome::Restored(self.watched(&id, inner)),
            RestoreOutcome::AlreadyPresent => RestoreOutcome::AlreadyPresent,
            _ => RestoreOutcome::NotSupported,
        })
    }
}
