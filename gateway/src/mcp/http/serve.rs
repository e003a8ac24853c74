//! Connections: HTTP/1.1 only, so many at a time, with a limit on how long a request's head may take.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::super::limits::Limits;
use super::super::server::Server;

/// How long accepting pauses when the system has no descriptor left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);
/// How long replies that are written already may take to leave.
const FLUSH: Duration = Duration::from_millis(500);

/// Accepts connections until `leave`; then lets open calls end, cuts the streams, and returns.
pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    server: Server,
    limits: &Limits,
    leave: &CancellationToken,
    end: &CancellationToken,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = leave.cancelled() => break,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, peer, place) = accepted;
        let (router, head_time, leave) = (router.clone(), limits.head_time, leave.clone());
        connections.spawn(async move {
            connection(stream, peer, router, head_time, &leave).await;
            drop(place);
        });
    }
    drop(listener);
    let _ = timeout(limits.leave_time, server.finished()).await;
    let _ = timeout(FLUSH, all(&mut connections)).await;
    end.cancel();
    let _ = timeout(FLUSH, all(&mut connections)).await;
    connections.shutdown().await;
}

async fn all(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<tokio::sync::OwnedSemaphorePermit>) {
    let place = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

/// One connection, until it ends, or until the requests on it end after `leave`.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head_time: Duration,
    leave: &CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request.map(Body::new))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_time);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = leave.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}
