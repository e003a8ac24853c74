//! MCP over standard input and output, for one client that started this process.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use mollyguard_record::model::Principal;
use rmcp::service::{ServerInitializeError, serve_server_with_ct};
use rmcp::transport::stdio_pipes;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::Wire;
use super::lines::{Lines, Told};
use super::server::{Caller, Server};

/// The longest message that is read: far beyond what a call needs. The answer to a longer one has no id, since that was never
/// seen.
const LINE_BYTES: usize = 16 * 1024 * 1024;

/// Why a client could not be served. What it sent is left out: it may hold arguments.
#[derive(Debug, Error)]
pub enum StdioError {
    /// The first message was no opening.
    #[error("the client did not open the session as the protocol wants it")]
    Opening,
    /// The transport failed.
    #[error("the connection failed")]
    Broken,
}

/// Serves the client on standard input and output, until it closes its end or `leave` is cancelled.
///
/// Questions that wait for a person end with the input, since nobody can answer them any more; calls get a few seconds to
/// be answered. Calls that are written down run on: waiting for those is the caller's part. So is leaving the process
/// without waiting for standard input, which cannot be interrupted where it is no pipe.
///
/// # Errors
/// The client does not speak the protocol, or the streams fail.
pub async fn serve_stdio(wire: Wire, principal: Principal, leave: CancellationToken) -> Result<(), StdioError> {
    let (input, output) = stdio_pipes();
    serve_streams(wire, principal, input, output, leave).await
}

/// Serves a client on any two streams, as [`serve_stdio`] does.
///
/// # Errors
/// The client does not speak the protocol, or the streams fail.
pub async fn serve_streams<R, W>(
    wire: Wire,
    principal: Principal,
    input: R,
    output: W,
    leave: CancellationToken,
) -> Result<(), StdioError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let server = |gone| Server::new(wire, Caller::Fixed(principal), gone);
    session(server, input, output, LINE_BYTES, &leave).await
}

/// One session on two streams. The server is told when no client can be asked any more.
pub(super) async fn session<R, W>(
    server: impl FnOnce(CancellationToken) -> Server,
    input: R,
    output: W,
    line_bytes: usize,
    leave: &CancellationToken,
) -> Result<(), StdioError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    // A child, so that `leave` ends the questions and the input's end does not end the caller's other work.
    let gone = leave.child_token();
    let input = Ending { input, ended: gone.clone() };
    let server = server(gone);
    let of = server.clone();
    let told: Told = Box::new(move || {
        let server = of.clone();
        Box::pin(async move { server.malformed().await })
    });
    let transport = Lines::new(input, output, line_bytes, told);
    // Also a child: rmcp cancels the token it is given when it is done.
    let session = match serve_server_with_ct(server, transport, leave.child_token()).await {
        Ok(session) => session,
        // A client that only looks whether this process starts.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => return Ok(()),
        Err(ServerInitializeError::TransportError { .. }) => return Err(StdioError::Broken),
        Err(_) => return Err(StdioError::Opening),
    };
    session.waiting().await.map_err(|_| StdioError::Broken)?;
    Ok(())
}

/// An input that tells when it ends. rmcp waits five seconds for open calls then, and a question nobody can answer any
/// more would take all of them.
struct Ending<R> {
    input: R,
    ended: CancellationToken,
}

impl<R: AsyncRead + Unpin> AsyncRead for Ending<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.input).poll_read(cx, buf);
        let is_over = match &polled {
            Poll::Ready(Ok(())) => buf.filled().len() == before && buf.remaining() > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if is_over {
            this.ended.cancel();
        }
        polled
    }
}
