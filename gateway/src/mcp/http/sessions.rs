//! The sessions of the initialize-based revisions: whose each is, how many there may be, and which of them are awake.
//!
//! A session that is awake costs rmcp some 80 KiB, for channels that nobody uses most of the time. So only so many are: the
//! one that has rested longest is put to sleep, which leaves what its client said when it opened it, and rmcp wakes it with
//! its next request. Only a session with nothing open is put to sleep; one whose client lost a reply is kept for it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::Frame;
use rmcp::transport::streamable_http_server::session::{SessionState, SessionStore, SessionStoreError};

use super::super::limits::Limits;
use super::manager::Manager;
use super::refused::{Person, Refused};

/// The longest opening that is kept: with a longer one, a session stays awake.
const OPENING_BYTES: usize = 16 * 1024;
/// Who comes back sooner than this was put to sleep too early: then one more may be awake.
const TOO_EARLY: Duration = Duration::from_secs(5);

/// The sessions that are open.
pub(super) struct Sessions {
    manager: Arc<Manager>,
    limits: Limits,
    open: Mutex<HashMap<String, Open>>,
    asleep: Arc<Asleep>,
    awake: Mutex<usize>,
}

/// One session.
struct Open {
    owner: Person,
    used: Instant,
    /// How many requests of it are open.
    busy: u32,
    /// Until when a lost reply may be asked for.
    owed_until: Option<Instant>,
    /// When it was put to sleep, if it was.
    slept: Option<Instant>,
}

impl Open {
    fn is_over(&self, idle: Duration) -> bool {
        self.busy == 0 && self.used.elapsed() >= idle
    }

    fn may_sleep(&self) -> bool {
        self.busy == 0 && self.slept.is_none() && self.owed_until.is_none_or(|until| until <= Instant::now())
    }
}

/// What it takes to wake a session: what its client opened it with.
#[derive(Default)]
pub(super) struct Asleep(Mutex<HashMap<String, SessionState>>);

#[async_trait]
impl SessionStore for Asleep {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        Ok(locked(&self.0).get(id).cloned())
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        if serde_json::to_vec(state)?.len() <= OPENING_BYTES {
            locked(&self.0).insert(id.to_owned(), state.clone());
        }
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        locked(&self.0).remove(id);
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    pub(super) fn new(manager: Arc<Manager>, limits: Limits) -> Self {
        Self {
            manager,
            limits,
            open: Mutex::default(),
            asleep: Arc::default(),
            awake: Mutex::new(limits.sessions_awake),
        }
    }

    /// Where rmcp finds what it wakes sessions with.
    pub(super) fn asleep(&self) -> Arc<Asleep> {
        Arc::clone(&self.asleep)
    }

    /// Whether another session may be opened for this person.
    pub(super) fn check_room(&self, person: &Person) -> Result<(), Refused> {
        let idle = self.limits.session_idle;
        let mut open = locked(&self.open);
        open.retain(|id, session| {
            let over = session.is_over(idle);
            if over {
                locked(&self.asleep.0).remove(id);
            }
            !over
        });
        if open.len() >= self.limits.sessions {
            return Err(Refused::Full("too many sessions are open"));
        }
        if open.values().filter(|session| session.owner == *person).count() >= self.limits.sessions_each {
            return Err(Refused::Full("too many of your sessions are open"));
        }
        Ok(())
    }

    /// Notes whose a new session is.
    pub(super) fn opened(&self, id: &str, owner: Person) {
        let session = Open { owner, used: Instant::now(), busy: 0, owed_until: None, slept: None };
        locked(&self.open).insert(id.to_owned(), session);
    }

    /// A request of this session begins, if it is this person's. One that is not is as good as none.
    pub(super) fn enter(self: &Arc<Self>, id: &str, person: &Person) -> Result<Busy, Refused> {
        let mut open = locked(&self.open);
        let session = open.get_mut(id).filter(|session| session.owner == *person);
        let session = session.filter(|session| !session.is_over(self.limits.session_idle)).ok_or(Refused::NoSession)?;
        session.busy += 1;
        if session.slept.take().is_some_and(|slept| slept.elapsed() < TOO_EARLY) {
            let mut awake = locked(&self.awake);
            *awake = (*awake + 1).min(self.limits.sessions);
        }
        Ok(Busy { sessions: Arc::clone(self), id: id.to_owned(), is_owed: false })
    }

    /// Its client has ended it.
    pub(super) fn closed(&self, id: &str) {
        locked(&self.open).remove(id);
    }

    /// Puts to sleep what is awake beyond the limit, those that have rested longest first.
    pub(super) async fn close_ended(&self) {
        let most = *locked(&self.awake);
        while self.manager.put_to_sleep(most, || self.sleeper()).await {}
    }

    /// The session that has rested longest, marked as asleep.
    fn sleeper(&self) -> Option<String> {
        let mut open = locked(&self.open);
        let asleep = locked(&self.asleep.0);
        let resting = open.iter_mut().filter(|(id, session)| session.may_sleep() && asleep.contains_key(*id));
        let (id, session) = resting.min_by_key(|(_, session)| session.used)?;
        session.slept = Some(Instant::now());
        Some(id.clone())
    }

    fn leave(&self, id: &str, is_owed: bool) {
        if let Some(session) = locked(&self.open).get_mut(id) {
            session.busy = session.busy.saturating_sub(1);
            session.used = Instant::now();
            if is_owed {
                session.owed_until = Some(Instant::now() + self.limits.session_idle);
            }
        }
    }
}

/// A request of a session, for as long as its reply is on the way.
pub(super) struct Busy {
    sessions: Arc<Sessions>,
    id: String,
    is_owed: bool,
}

impl Busy {
    /// Lasts until the response has gone out whole, or its client has hung up. What was cut off of a `call` may be asked
    /// for again.
    pub(super) fn until_sent(mut self, response: Response, is_call: bool) -> Response {
        // Of a body without anything in it, nothing is ever asked for.
        self.is_owed = is_call && !response.body().is_end_stream();
        response.map(|body| Body::new(Sent { body, busy: self }))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.sessions.leave(&self.id, self.is_owed);
    }
}

/// A body that keeps its session busy.
struct Sent {
    body: Body,
    busy: Busy,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.busy.is_owed = false;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::InitializeRequestParams;
    use rmcp::transport::streamable_http_server::{RestoreOutcome, SessionManager as _};

    use super::*;

    struct House {
        sessions: Arc<Sessions>,
        manager: Arc<Manager>,
        /// The other ends: without them a session is over.
        transports: Vec<Box<dyn std::any::Any>>,
    }

    fn ada() -> Person {
        ("ada".to_owned(), Vec::new())
    }

    impl House {
        fn new(sessions_awake: usize) -> Self {
            let manager = Arc::new(Manager::default());
            let limits = Limits { sessions_awake, ..Limits::default() };
            let sessions = Arc::new(Sessions::new(Arc::clone(&manager), limits));
            Self { sessions, manager, transports: Vec::new() }
        }

        async fn open(&mut self, opening: &str) -> String {
            let (id, transport) = self.manager.create_session().await.unwrap();
            self.transports.push(Box::new(transport));
            let params = serde_json::json!({
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": opening, "version": "1"},
            });
            let params: InitializeRequestParams = serde_json::from_value(params).unwrap();
            self.sessions.asleep.store(&id, &SessionState::new(params)).await.unwrap();
            self.sessions.opened(&id, ada());
            id.to_string()
        }

        async fn is_awake(&self, id: &str) -> bool {
            self.manager.has_session(&id.into()).await.unwrap()
        }
    }

    #[tokio::test]
    async fn those_that_rest_longest_sleep_and_those_with_something_open_do_not() {
        let mut house = House::new(2);
        let busy = house.open("client").await;
        let long = house.open(&"x".repeat(OPENING_BYTES)).await;
        let working = house.sessions.enter(&busy, &ada()).unwrap();
        let (first, second) = (house.open("client").await, house.open("client").await);
        house.sessions.close_ended().await;
        let mut awake = Vec::new();
        for id in [&busy, &long, &first, &second] {
            awake.push(house.is_awake(id).await);
        }
        assert_eq!(awake, [true, true, false, false], "what cannot be woken, or works, stays awake");
        assert!(house.sessions.asleep.load(&first).await.unwrap().is_some());
        drop(working);
        house.open("client").await;
        house.sessions.close_ended().await;
        assert!(!house.is_awake(&busy).await, "it rests now");
    }

    #[tokio::test]
    async fn a_reply_that_was_cut_off_keeps_its_session_awake() {
        for (is_call, stays) in [(true, true), (false, false)] {
            let mut house = House::new(0);
            let id = house.open("client").await;
            let busy = house.sessions.enter(&id, &ada()).unwrap();
            drop(busy.until_sent(Response::new(Body::new(Endless)), is_call));
            house.sessions.close_ended().await;
            assert_eq!(house.is_awake(&id).await, stays);
        }
        let mut house = House::new(0);
        let id = house.open("client").await;
        let busy = house.sessions.enter(&id, &ada()).unwrap();
        let response = busy.until_sent(Response::new(Body::from("whole")), true);
        assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap(), "whole");
        // An accepted notification has no reply at all.
        let busy = house.sessions.enter(&id, &ada()).unwrap();
        drop(busy.until_sent(Response::new(Body::empty()), true));
        house.sessions.close_ended().await;
        assert!(!house.is_awake(&id).await, "a reply that went out whole is owed to nobody");
    }

    #[tokio::test]
    async fn who_comes_back_at_once_makes_room() {
        let mut house = House::new(0);
        let id = house.open("client").await;
        house.sessions.close_ended().await;
        drop(house.sessions.enter(&id, &ada()).unwrap());
        assert_eq!(*locked(&house.sessions.awake), 1);
        assert!(house.sessions.enter(&id, &("eve".to_owned(), Vec::new())).is_err());
        house.sessions.closed(&id);
        assert!(house.sessions.enter(&id, &ada()).is_err());
    }

    #[tokio::test]
    async fn the_end_of_what_slept_does_not_close_what_woke() {
        let mut house = House::new(0);
        let id = house.open("client").await;
        house.sessions.close_ended().await;
        let woken = house.manager.restore_session(id.as_str().into()).await.unwrap();
        assert!(matches!(woken, RestoreOutcome::Restored(_)));
        // The task that served it before is over only now.
        house.manager.close_session(&id.as_str().into()).await.unwrap();
        assert!(house.is_awake(&id).await);
        house.manager.close_session(&id.as_str().into()).await.unwrap();
        assert!(!house.is_awake(&id).await, "its client has ended it");
    }

    /// A body that never ends.
    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            Poll::Pending
        }
    }
}
