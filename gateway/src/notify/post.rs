//! One POST over HTTP/1.1: over TLS with the system's authorities, or to this machine. It follows no redirect, keeps no
//! connection, and reads no body.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use http::header::{HOST, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::Address;

/// How long one request may take in all. Standard Webhooks advises 15 to 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long one address of a host may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest head of a response.
const HEAD_BYTES: usize = 64 << 10;

/// Why there is no response. Holds nothing of the address.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("no host of that name on this machine")]
    NotHere,
    #[error("TLS: {0}")]
    Tls(String),
    #[error("HTTP: {0}")]
    Http(String),
    #[error("nothing came within {TIMEOUT:?}")]
    Timeout,
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
}

/// Sends requests.
#[derive(Default)]
pub(super) struct Client {
    tls: OnceLock<Result<TlsConnector, String>>,
}

impl Client {
    /// One that trusts these authorities instead of the system's.
    #[cfg(test)]
    pub(super) fn trusting(roots: RootCertStore) -> Self {
        Self { tls: OnceLock::from(connector(roots)) }
    }

    pub(super) async fn post(&self, to: &Address, headers: HeaderMap, body: Vec<u8>) -> Result<Answered, PostError> {
        let exchange = async {
            let stream = connect(to).await?;
            if !to.tls() {
                return exchange(stream, to, headers, body).await;
            }
            let connector = self.tls.get_or_init(|| connector(system())).as_ref();
            let connector = connector.map_err(|error| PostError::Tls(error.clone()))?;
            let name = ServerName::try_from(to.host().to_owned()).map_err(|error| PostError::Tls(error.to_string()))?;
            let stream = connector.connect(name, stream).await;
            exchange(stream.map_err(|error| PostError::Tls(error.to_string()))?, to, headers, body).await
        };
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or(Err(PostError::Timeout))
    }
}

fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, String> {
    if roots.is_empty() {
        return Err("there is no certificate authority to verify the server with".to_owned());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}

async fn connect(to: &Address) -> Result<TcpStream, PostError> {
    let found = tokio::net::lookup_host((to.host(), to.port())).await.map_err(PostError::Connect)?;
    // What goes in the clear stays here, whatever `localhost` was made to mean.
    let addresses: Vec<SocketAddr> = found.filter(|address| to.tls() || address.ip().is_loopback()).collect();
    let mut last = PostError::NotHere;
    for address in addresses {
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = PostError::Connect(error),
            Err(_) => last = PostError::Timeout,
        }
    }
    Err(last)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    to: &Address,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Answered, PostError> {
    let http = |error: hyper::Error| PostError::Http(error.to_string());
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES);
    let (mut sender, connection) = builder.handshake::<_, Body>(TokioIo::new(stream)).await.map_err(http)?;
    let mut request = Request::builder().method(Method::POST).uri(to.path()).header(HOST, to.authority());
    if let Some(all) = request.headers_mut() {
        all.extend(headers);
    }
    let request = request.body(Body::from(body)).map_err(|error| PostError::Http(error.to_string()))?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        // It may end with the response just read.
        _ = connection => answer.await,
    };
    let answered = answered.map_err(http)?;
    let retry_after = answered.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Answered { status: answered.status(), retry_after })
}
