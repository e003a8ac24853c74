//! `mollyguard serve`: MCP over stdio, streamable HTTP, or a socket for other users of the machine.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mollyguard_record::model::Principal;
use mollyguard_record::state::seal_key;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Done, Failure, load, open_for};
use crate::call::recovery;
use crate::config::{Config, Trusted};
use crate::doctor::is_apart;
use crate::gateway::Gateway;
use crate::local::{Connected, Local, Share};
use crate::mcp::{
    Access, Http, Limits, Seal, Socket, Timing, Token, Tokens, Wire, may_listen, serve_http, serve_socket, serve_stdio,
    told_to_leave,
};
use crate::operator_socket::{Desk, serve_desk};
use crate::page::{Begun, begin, keep_serving, on_http};
use crate::pruning;

/// How long calls that are written down may still run after the client is gone.
pub(super) const LAST_CALLS: Duration = Duration::from_secs(30);

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Serve streamable HTTP at http://ADDR/mcp instead of stdio. Beyond loopback only with bearer tokens configured.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Serve other users of this machine on a socket, through `mollyguard connect`: run this as a user of its own, and
    /// no agent can reach what the gateway keeps. See examples/separate-user.
    #[arg(long, value_name = "PATH", conflicts_with = "http")]
    socket: Option<PathBuf>,
    /// Where operators answer questions, in a folder that agents cannot open. With --socket DIR/NAME, else
    /// DIR-operators/operators.sock.
    #[arg(long, value_name = "PATH", requires = "socket")]
    operators: Option<PathBuf>,
}

impl Serve {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let config = load(config)?;
        let apart = self.socket.as_deref().is_some_and(|socket| is_apart(socket, &config));
        let gateway = open_for(config, apart)?;
        let leave = told_to_leave().map_err(Failure::usage)?;
        let recovering = tokio::spawn(recovery::keep_recovering(Arc::clone(&gateway), leave.clone()));
        let page = match self.own_page(&gateway.config) {
            Some(port) => {
                let begun = self.begun(&gateway, port).await?;
                Some(tokio::spawn(keep_serving(
                    Arc::clone(&gateway),
                    port,
                    begun,
                    self.socket.is_none(),
                    leave.clone(),
                )))
            }
            None => None,
        };
        let pruning = tokio::spawn(pruning::keep_pruning(Arc::clone(&gateway), leave.clone()));
        let page_of = {
            let gateway = Arc::clone(&gateway);
            move |question| gateway.page_of(question)
        };
        let telling = tokio::spawn(gateway.notices.start(Arc::clone(&gateway.store), page_of, leave.clone()));
        let served = match (self.http, self.socket) {
            (Some(address), _) => http(&gateway, address, leave.clone()).await,
            (None, Some(path)) => socket(&gateway, &path, self.operators, &leave).await,
            (None, None) => stdio(&gateway, leave.clone()).await,
        };
        leave.cancel();
        let _settled = recovering.await;
        let _pruned = pruning.await;
        if let Some(page) = page {
            let _left = page.await;
        }
        let _told = telling.await;
        gateway.finish_calls(LAST_CALLS).await;
        gateway.close().await.map_err(Failure::usage)?;
        served
    }
}

impl Serve {
    /// The port of the page's own listener. On HTTP the page is part of that, where browsers reach it by a name.
    fn own_page(&self, config: &Config) -> Option<u16> {
        let page = config.page.as_ref()?;
        let on_http = |address: SocketAddr| page.url.is_some() || address.ip().to_canonical().is_loopback();
        (!self.http.is_some_and(on_http)).then_some(page.port)
    }

    /// Other users of the machine could be where people are told to answer before this gateway is: then it does not start.
    async fn begun(&self, gateway: &Gateway, port: u16) -> Result<Option<Begun>, Failure> {
        if self.socket.is_none() {
            return Ok(None);
        }
        let begun = begin(gateway, port).await;
        begun.map_err(|error| Failure::usage(format!("the confirmation page cannot be served on port {port}: {error}")))
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
        beside: None,
    };
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen on {address}: {error}")))?;
    let address = listener.local_addr().map_err(Failure::usage)?;
    // On standard error and at this level whatever the filter: scripts wait for this line to learn the port.
    eprintln!("mollyguard listens on http://{address}/mcp");
    let page = on_http(gateway, address, &leave).await;
    let page = page.map_err(|error| Failure::usage(format!("the confirmation page cannot be served: {error}")))?;
    let settings = Http { beside: page, ..settings };
    serve_http(listener, wire(gateway)?, settings, leave).await.map_err(Failure::usage)
}

async fn socket(gateway: &Arc<Gateway>, path: &Path, operators: Option<PathBuf>, leave: &CancellationToken) -> Done {
    let path = std::path::absolute(path).map_err(Failure::usage)?;
    let operators = match operators {
        Some(operators) => std::path::absolute(operators).map_err(Failure::usage)?,
        None => beside(&path),
    };
    if path.parent() == operators.parent() {
        return Err(Failure::usage(format!(
            "`{}` and `{}` lie in the same folder: whoever may open the one could open the other",
            path.display(),
            operators.display()
        )));
    }
    let trusted = [("--socket", &path), ("--operators", &operators)];
    let trusted = trusted.map(|(key, path)| Trusted::path("socket", key, path)).to_vec();
    gateway.reaches.trust(trusted).map_err(Failure::usage)?;
    let agents = Local::bind(&path, Share::Group).map_err(Failure::usage)?;
    // Made first and looked at then: the folders may be this process's own, with one group for both.
    let desk = Local::bind(&operators, Share::Nobody).map_err(Failure::usage)?;
    if group(&path) != group(&operators) {
        desk.share().map_err(Failure::usage)?;
    }
    // On standard error and at this level whatever the filter: scripts wait for this line.
    eprintln!("mollyguard listens on {}, and for operators on {}", path.display(), operators.display());
    let connected = Connected::default();
    let socket = Socket { configured: gateway.config.socket.clone(), agents: connected.clone() };
    let at_desk = Desk { gateway: Arc::clone(gateway), agents: connected };
    tokio::join!(
        serve_socket(&agents, wire(gateway)?, socket, leave.clone()),
        serve_desk(&desk, at_desk, leave.clone())
    );
    Ok(())
}

/// Where operators answer when they are told no other place: a folder beside the agents' own.
pub(super) fn beside(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}-operators")).join("operators.sock")
}

/// The group of the folder a path lies in.
fn group(path: &Path) -> Option<u32> {
    path.parent().and_then(|folder| std::fs::metadata(folder).ok()).map(|folder| folder.gid())
}
