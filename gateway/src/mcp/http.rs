//! MCP over streamable HTTP at `/mcp`, and `/healthz`. Who calls, how much and from where is settled here, before rmcp
//! sees the request: rmcp neither authenticates nor ties a session to who opened it.

mod guard;
mod manager;
mod plain;
mod refused;
mod serve;
mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use mollyguard_record::model::Principal;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::SessionConfig;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::guard::Guard;
use self::manager::Manager;
use self::sessions::Sessions;
use super::auth::Tokens;
use super::limits::Limits;
use super::server::{Caller, Server};
use super::{Calls, Wire};

/// Who may call over HTTP.
#[derive(Clone, Debug)]
pub enum Access {
    /// Whoever reaches the loopback address; always this principal.
    Local(Principal),
    /// Who has one of these tokens; where there are none, nobody.
    Tokens(Tokens),
}

/// An HTTP server's settings.
#[derive(Clone, Debug)]
pub struct Http {
    /// Who may call.
    pub access: Access,
    /// The names clients reach this server by, beside `localhost` and the loopback addresses: `host` or `host:port`.
    pub hosts: Vec<String>,
    /// The browser origins that may call, such as `https://app.example.com:443`. None by default.
    pub origins: Vec<String>,
    /// The limits.
    pub limits: Limits,
    /// What answers everything else, such as the confirmation page. It guards itself.
    pub beside: Option<Router>,
}

/// Why there is no HTTP server.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Anybody could call.
    #[error(
        "listening on `{address}` without tokens would let anybody in; configure tokens, or listen on 127.0.0.1 or [::1]"
    )]
    Open {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The listener has no address.
    #[error("the listener has no address")]
    Listener(#[source] std::io::Error),
}

/// Whether a server may listen there: without tokens only where nobody else can reach it.
///
/// # Errors
/// There are no tokens, and it is no loopback address.
pub fn may_listen(address: SocketAddr, has_tokens: bool) -> Result<(), HttpError> {
    if has_tokens || address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(HttpError::Open { address }) }
}

/// Serves HTTP until `leave` is cancelled; then open calls get [`Limits::leave_time`]. Calls that are written down run on:
/// waiting for those is the caller's part.
///
/// # Errors
/// It may not listen there.
pub async fn serve_http(
    listener: TcpListener,
    wire: Wire,
    settings: Http,
    leave: CancellationToken,
) -> Result<(), HttpError> {
    serve_http_over(listener, wire, settings, leave, |server| server).await
}

/// Serves as [`serve_http`] does, with another handler laid over the gateway's: the protocol's official suite calls tools
/// by name that no gateway has.
///
/// # Errors
/// It may not listen there.
#[doc(hidden)]
pub async fn serve_http_over<H: ServerHandler + Clone>(
    listener: TcpListener,
    wire: Wire,
    settings: Http,
    leave: CancellationToken,
    over: impl FnOnce(Server) -> H,
) -> Result<(), HttpError> {
    let address = listener.local_addr().map_err(HttpError::Listener)?;
    let has_tokens = matches!(&settings.access, Access::Tokens(tokens) if !tokens.is_empty());
    may_listen(address, has_tokens)?;
    let (limits, calls) = (settings.limits, Arc::clone(&wire.calls));
    let end = CancellationToken::new();
    let server = Server::new(wire, Caller::Authenticated, leave.clone());
    let router = router(over(server.clone()), settings, address, calls, end.clone());
    serve::run(listener, router, server, &limits, &leave, &end).await;
    Ok(())
}

/// The routes. `end` cuts every stream.
fn router<H: ServerHandler + Clone>(
    handler: H,
    mut settings: Http,
    address: SocketAddr,
    calls: Arc<dyn Calls>,
    end: CancellationToken,
) -> Router {
    // Nobody but this server has its own port's origin. Any other port on this machine is somebody else.
    if address.ip().to_canonical().is_loopback() {
        let own = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{}", address.port()));
        settings.origins.extend(own);
    }
    let mut session = SessionConfig::default();
    session.keep_alive = Some(settings.limits.session_idle);
    let manager = Arc::new(Manager::new(session, calls));
    let sessions = Arc::new(Sessions::new(Arc::clone(&manager), settings.limits));

    let mut config = StreamableHttpServerConfig::default()
        // For 2026-07-28; what older revisions get is made plain in `plain.rs`, where their stream is not needed.
        .with_json_response(true)
        .with_cancellation_token(end)
        .with_max_request_body_bytes(settings.limits.body_bytes)
        .with_allowed_origins(settings.origins)
        .enforce_origin_validation();
    config.allowed_hosts.extend(settings.hosts);
    config.session_store = Some(sessions.asleep());

    let service = StreamableHttpService::new(move || Ok(handler.clone()), manager, config);
    let guard = Arc::new(Guard::new(settings.access, settings.limits, sessions));
    let router = Router::new()
        .route_service("/mcp", service)
        .layer(from_fn_with_state(guard, guard::admit))
        .route("/healthz", get(|| async { "ok\n" }));
    match settings.beside {
        Some(beside) => router.fallback_service(beside),
        None => router,
    }
}
