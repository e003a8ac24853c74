//! What a request passes before it reaches MCP: room, a caller, the caller's rate, a body of bounded size and time, and
//! that a session belongs to the caller.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use http_body::Body as _;
use mollyguard_record::model::Principal;
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use super::super::auth::bearer;
use super::super::limits::{Buckets, Limits, peer_key};
use super::super::message::{has_too_many_values, is_batch};
use super::Access;
use super::plain::plain;
use super::refused::{Person, Refused};
use super::sessions::Sessions;

/// Names the session of an older revision.
const SESSION: &str = "mcp-session-id";

/// How many callers' rates are remembered.
const CALLERS: usize = 4096;

const KIB: usize = 1024;

/// How often a peer may show a wrong token: this many, and one more a second.
const WRONG_TOKENS: u32 = 20;

/// What all requests pass.
pub(super) struct Guard {
    access: Access,
    limits: Limits,
    room: Semaphore,
    /// One permit a KiB of a body.
    bodies: Semaphore,
    rates: Buckets<Person>,
    wrong: Buckets<IpAddr>,
    sessions: Arc<Sessions>,
    opening: Mutex<()>,
}

impl Guard {
    pub(super) fn new(access: Access, limits: Limits, sessions: Arc<Sessions>) -> Self {
        Self {
            access,
            room: Semaphore::new(limits.requests),
            bodies: Semaphore::new(limits.bodies_bytes.div_ceil(KIB).min(Semaphore::MAX_PERMITS)),
            rates: Buckets::new(limits.rate, limits.burst, CALLERS),
            wrong: Buckets::new(1, WRONG_TOKENS, CALLERS),
            sessions,
            opening: Mutex::new(()),
            limits,
        }
    }

    /// Who calls.
    fn caller(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Principal, Refused> {
        let tokens = match &self.access {
            Access::Local(principal) => return Ok(principal.clone()),
            Access::Tokens(tokens) => tokens,
        };
        let (peer, now) = (peer_key(peer), Instant::now());
        // Only failures count against a peer: many callers may share its address.
        self.wrong.has(&peer, now).map_err(Refused::TooFast)?;
        let shown = bearer(headers);
        if let Some(principal) = shown.and_then(|token| tokens.principal(token)) {
            return Ok(principal);
        }
        let _ = self.wrong.take(&peer, now);
        Err(Refused::Unknown { shown: shown.is_some() })
    }

    /// Runs a request that opens a session, if there is room for one, and notes whose it is.
    async fn open_session(&self, request: Request, person: Person, next: Next) -> Result<Response, Refused> {
        // Held over the request, which is answered at once: so two cannot take the last place.
        let _alone = self.opening.lock().await;
        self.sessions.check_room(&person)?;
        let response = next.run(request).await;
        if let Some(id) = response.headers().get(SESSION).and_then(|id| id.to_str().ok()) {
            self.sessions.opened(id, person);
        }
        Ok(response)
    }
}

/// Lets a request through to MCP, or answers it here.
pub(super) async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match pass(&guard, request, next).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn pass(guard: &Guard, request: Request, next: Next) -> Result<Response, Refused> {
    let Ok(_room) = guard.room.try_acquire() else {
        return Err(Refused::Full("too many requests are open"));
    };
    // A request without an address counts as one unknown peer rather than as none.
    let peer = request.extensions().get::<SocketAddr>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SocketAddr::ip);
    let principal = guard.caller(request.headers(), peer)?;
    let person = (principal.user.clone(), principal.roles.clone());
    guard.rates.take(&person, Instant::now()).map_err(Refused::TooFast)?;
    let session = request.headers().get(SESSION).map(|id| id.to_str().map(str::to_owned));
    let session = session.transpose().map_err(|_| Refused::NoSession)?;
    let busy = session.as_deref().map(|id| guard.sessions.enter(id, &person)).transpose()?;

    let (mut head, body) = request.into_parts();
    let expected = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    let expected = expected.unwrap_or(guard.limits.body_bytes);
    if expected > guard.limits.body_bytes {
        return Err(Refused::TooLong);
    }
    let permits = u32::try_from(expected.div_ceil(KIB)).unwrap_or(u32::MAX);
    let Ok(_bodies) = guard.bodies.try_acquire_many(permits) else {
        return Err(Refused::Full("the requests that are open are too large together"));
    };
    let bytes = match timeout(guard.limits.body_time, to_bytes(body, guard.limits.body_bytes)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(Refused::TooLong),
        Err(_) => return Err(Refused::TooSlow),
    };
    if has_too_many_values(&bytes) {
        return Err(Refused::TooManyValues);
    }
    if is_batch(&bytes) {
        return Err(Refused::Batch);
    }
    let opens_session = !head.headers.contains_key(SESSION) && is_opening(&bytes);
    // The token has done its part; nothing behind this needs it.
    head.headers.remove(header::AUTHORIZATION);
    head.extensions.insert(principal);
    let request = Request::from_parts(head, Body::from(bytes));
    if opens_session {
        let response = guard.open_session(request, person, next).await?;
        guard.sessions.close_ended().await;
        return Ok(plain(response).await);
    }
    let (is_post, closes_session) = (request.method() == Method::POST, request.method() == Method::DELETE);
    let mut response = next.run(request).await;
    // rmcp answers 202, which the Python SDK (2.3) reports as a session that could not be ended.
    if closes_session && response.status() == StatusCode::ACCEPTED {
        *response.status_mut() = StatusCode::NO_CONTENT;
        session.iter().for_each(|id| guard.sessions.closed(id));
    }
    let Some(busy) = busy else { return Ok(response) };
    // Its request may have woken it.
    guard.sessions.close_ended().await;
    let response = if is_post { plain(response).await } else { response };
    Ok(busy.until_sent(response, is_post))
}

/// Whether this body asks for a session. One that names its method twice does not parse here, and counts as one that may, unless it
/// holds no such word at all.
fn is_opening(body: &[u8]) -> bool {
    const OPENING: &str = "initialize";
    // Written plainly, or with an escape.
    if std::str::from_utf8(body).is_ok_and(|text| !text.contains(OPENING) && !text.contains('\\')) {
        return false;
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        method: Option<std::borrow::Cow<'a, str>>,
    }
    match serde_json::from_slice::<Message<'_>>(body) {
        Ok(message) => message.method.as_deref() == Some(OPENING),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_may_open_a_session_is_known_however_it_is_written() {
        let may = [
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#,
            r#"{"method":"\u0069nitialize"}"#,
            r#"{"method":"tools/call","method":"initialize"}"#,
            r#"{"method":"initialize""#,
        ];
        for body in may {
            assert!(is_opening(body.as_bytes()), "{body}");
        }
        let others = [
            r#"{"method":"tools/call","params":{"name":"initialize"}}"#,
            r#"{"method":"tools/call","params":{"name":"\"initialize"}}"#,
            r#"{"method":"tools/call"}"#,
        ];
        for body in others {
            assert!(!is_opening(body.as_bytes()), "{body}");
        }
        assert!(is_opening(b"\xff"), "no text");
    }
}
