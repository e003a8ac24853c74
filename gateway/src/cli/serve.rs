//! `mollyguard serve`: MCP over stdio or streamable HTTP.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Done, Failure, open};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::identity::Principal;
use crate::mcp::{
    Access, Http, Limits, Seal, Timing, Token, Tokens, Wire, may_listen, serve_http, serve_stdio, told_to_leave,
};
use crate::notify;
use crate::page::keep_serving;
use crate::recovery;
use crate::store::keys::seal_key;

/// How long calls that are written down may still run after the client is gone.
pub(super) const LAST_CALLS: Duration = Duration::from_secs(30);

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Serve streamable HTTP at http://ADDR/mcp instead of stdio. Beyond loopback only with bearer tokens configured.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
}

impl Serve {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let gateway = open(config)?;
        let leave = told_to_leave().map_err(Failure::usage)?;
        let settling = tokio::spawn(recovery::keep_settling(Arc::clone(&gateway), leave.clone()));
        gateway.people_changed().await;
        let page =
            gateway.config.page.map(|port| tokio::spawn(keep_serving(Arc::clone(&gateway), port, leave.clone())));
        let telling = tokio::spawn(notify::start(&gateway, leave.clone()));
        let served = match self.http {
            Some(address) => http(&gateway, address, leave.clone()).await,
            None => stdio(&gateway, leave.clone()).await,
        };
        leave.cancel();
        let _settled = settling.await;
        if let Some(page) = page {
            let _left = page.await;
        }
        let _told = telling.await;
        gateway.settle_down(LAST_CALLS).await;
        gateway.close().await.map_err(Failure::usage)?;
        served
    }
}

fn wire(gateway: &Arc<Gateway>) -> Result<Wire, Failure> {
    let key = seal_key(&gateway.config.state).map_err(Failure::usage)?;
    let seal = Seal::new(&key).map_err(Failure::usage)?;
    let timing = Timing { wait: gateway.config.confirm.wait, ..Timing::default() };
    Ok(Wire { calls: Arc::new(Arc::clone(gateway)), seal, timing })
}

fn principal(config: &Config) -> Principal {
    Principal { user: config.user.clone(), client: None, roles: config.roles.clone() }
}

async fn stdio(gateway: &Arc<Gateway>, leave: CancellationToken) -> Done {
    serve_stdio(wire(gateway)?, principal(&gateway.config), leave).await.map_err(Failure::usage)
}

async fn http(gateway: &Arc<Gateway>, address: SocketAddr, leave: CancellationToken) -> Done {
    let configured = &gateway.config.http;
    // Asked before the port is taken: a wrong configuration should not even listen for a moment.
    may_listen(address, !configured.tokens.is_empty()).map_err(Failure::usage)?;
    let access = if configured.tokens.is_empty() {
        Access::Local(principal(&gateway.config))
    } else {
        let tokens = configured.tokens.iter().map(|token| {
            Token::new(&token.digest.to_string(), token.user.clone(), token.roles.clone()).map_err(Failure::usage)
        });
        Access::Tokens(Tokens::new(tokens.collect::<Result<_, _>>()?).map_err(Failure::usage)?)
    };
    let settings = Http {
        access,
        hosts: configured.allowed_hosts.clone(),
        origins: configured.allowed_origins.clone(),
        limits: Limits {
            body_bytes: configured.body_bytes,
            rate: configured.requests_per_minute.div_ceil(60),
            sessions: configured.sessions,
            ..Limits::default()
        },
    };
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen on {address}: {error}")))?;
    let address = listener.local_addr().map_err(Failure::usage)?;
    // On standard error and at this level whatever the filter: scripts wait for this line to learn the port.
    eprintln!("mollyguard listens on http://{address}/mcp");
    serve_http(listener, wire(gateway)?, settings, leave).await.map_err(Failure::usage)
}
