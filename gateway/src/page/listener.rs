//! Where the page is served. Several gateways share one store, and so one page: whoever holds the lock listens, the others
//! wait to take over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mollyguard_record::state::PagePlace;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Page, router};
use crate::config::{PageAt, USUAL_PORT};
use crate::gateway::Gateway;

/// How often those who do not hold the page look whether they can: it is free within this after its holder is gone.
const LOOK: Duration = Duration::from_millis(500);
const _: () = assert!(LOOK.as_millis() < 1_000, "somebody who answers must not wait two seconds for another holder");
/// How long a browser may take over a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// How many connections are open at a time; more wait to be accepted.
const CONNECTIONS: usize = 512;
/// How long accepting pauses when the system has no descriptor left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The page, ready to be served: nobody else can be it any more.
pub struct Begun {
    held: PagePlace,
    listeners: Vec<TcpListener>,
}

/// Takes the page's place. `None` where another gateway on this state directory has it.
///
/// # Errors
/// Somebody else listens on the port, or the lock cannot be had.
pub async fn begin(gateway: &Gateway, port: u16) -> std::io::Result<Option<Begun>> {
    let Some(held) = PagePlace::take(&gateway.config.state)? else { return Ok(None) };
    Ok(Some(Begun { held, listeners: bind(port).await? }))
}

/// Serves the page for as long as this process is the one to, until `leave`. Port 0 takes any free one.
///
/// Another configuration's gateway may have the usual port already: then any free one, where `elsewhere` says so. Where the
/// page is, people are told with the question.
pub async fn keep_serving(
    gateway: Arc<Gateway>,
    port: u16,
    mut begun: Option<Begun>,
    elsewhere: bool,
    leave: CancellationToken,
) {
    let mut told = None;
    loop {
        let found = match begun.take() {
            Some(begun) => Ok(Some(begun)),
            None => match begin(&gateway, port).await {
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && elsewhere && port == USUAL_PORT => {
                    begin(&gateway, 0).await
                }
                found => found,
            },
        };
        match found {
            Ok(Some(Begun { held, listeners })) => return serve(&gateway, held, listeners, &leave).await,
            Ok(None) => told = None,
            Err(error) => tell(&mut told, format!("port {port}: {error}")),
        }
        tokio::select! {
            () = leave.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// The page as a part of a gateway's own HTTP listener at this address; and for as long as nobody else on this state
/// directory serves one, written down as where it is. `None` where no browser could reach it by a name.
///
/// # Errors
/// Somebody else listens at the other loopback address: to a browser that tries that one first, they would be the page.
pub(crate) async fn on_http(
    gateway: &Arc<Gateway>,
    address: SocketAddr,
    leave: &CancellationToken,
) -> std::io::Result<Option<Router>> {
    let Some(page) = &gateway.config.page else { return Ok(None) };
    let is_here = address.ip().to_canonical().is_loopback();
    let own = || is_here.then(|| PageAt::local(address.port()));
    let Some(at) = page.url.clone().or_else(own) else { return Ok(None) };
    let router = router(Page::new(Arc::clone(gateway), &at));
    if page.url.is_none()
        && let Some(other) = twin(address).await?
    {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        tokio::spawn(accept(other, router.clone(), room, leave.clone()));
    }
    tracing::info!(page = at.origin(), "the confirmation page is served");
    // Questions of this gateway are answered here, whatever else there is.
    let _first = gateway.page.set(at.origin());
    tokio::spawn(write_down(gateway.config.state.clone(), at.origin(), leave.clone()));
    Ok(Some(router))
}

/// Holds the lock with this address in it, once it is free, until `leave`.
async fn write_down(state: std::path::PathBuf, origin: String, leave: CancellationToken) {
    loop {
        if let Ok(Some(mut held)) = PagePlace::take(&state) {
            if let Err(error) = held.write(&origin) {
                tracing::warn!(%error, "where the page is cannot be written down");
            }
            leave.cancelled().await;
            return;
        }
        tokio::select! {
            () = leave.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Once, not at every look.
fn tell(told: &mut Option<String>, why: String) {
    if told.as_ref() != Some(&why) {
        tracing::warn!(why, "the confirmation page is not served; `[confirm] page_port` sets another port");
        *told = Some(why);
    }
}

/// Both loopback addresses, since `localhost` may be either; where the machine has only one, that.
async fn bind(port: u16) -> std::io::Result<Vec<TcpListener>> {
    let first = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let second = twin(first.local_addr()?).await?;
    Ok(std::iter::once(first).chain(second).collect())
}

/// The same port at the loopback address of the other family, if the machine has one.
async fn twin(address: SocketAddr) -> std::io::Result<Option<TcpListener>> {
    let other = match address.ip().to_canonical() {
        IpAddr::V4(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    match TcpListener::bind(SocketAddr::new(other, address.port())).await {
        Ok(listener) => Ok(Some(listener)),
        // Somebody else there would be the page to a browser that tries that address first.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(std::io::Error::new(
            error.kind(),
            format!("somebody else listens on {other}, and would be the page to a browser that tries that first"),
        )),
        Err(error) => {
            tracing::debug!(%error, "no page on the other loopback address");
            Ok(None)
        }
    }
}

async fn serve(gateway: &Arc<Gateway>, mut held: PagePlace, listeners: Vec<TcpListener>, leave: &CancellationToken) {
    let Some(address) = listeners.first().and_then(|listener| listener.local_addr().ok()) else { return };
    let at = PageAt::local(address.port());
    let router = router(Page::new(Arc::clone(gateway), &at));
    if let Err(error) = held.write(&at.origin()) {
        tracing::warn!(%error, "where the page is cannot be written down");
    }
    tracing::info!(page = at.origin(), "the confirmation page is served");
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, router.clone(), Arc::clone(&room), leave.clone()));
    }
    leave.cancelled().await;
    accepting.shutdown().await;
}

async fn accept(listener: TcpListener, router: Router, room: Arc<Semaphore>, leave: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = leave.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            continue;
        };
        // An event would otherwise wait for the browser's delayed acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection of the page ended early");
            }
            drop(place);
        });
    }
}
