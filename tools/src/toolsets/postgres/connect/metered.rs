//! A stream that counts what a call reads, so that no answer of a server can fill the gateway's memory: each call has its share,
//! and only few calls of the process at once may come near it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The most bytes one call reads from a server. Its answer to the agent is far smaller; a single value can be larger.
pub(crate) const MOST_READ: u64 = 64 << 20;

/// What any call reads without waiting for its turn. Nearly every answer is smaller.
const SMALL: u64 = 4 << 20;

/// How many calls of the process may read more than that at once, whatever their targets: what they read is in memory more
/// than once for a moment. The others wait, within their deadlines, and meanwhile the server waits for them.
const LARGE_AT_ONCE: usize = 2;

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LARGE_AT_ONCE)));

/// Counts what a call reads.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<State>);

#[derive(Default)]
struct State {
    read: AtomicU64,
    turn: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Meter {
    /// Lets the next call read its share.
    pub(crate) fn reset(&self) {
        self.0.read.store(0, Ordering::Relaxed);
        self.turn().take();
    }

    /// Whether a call read more than its share, which ends the connection.
    pub(crate) fn is_full(&self) -> bool {
        self.0.read.load(Ordering::Relaxed) > MOST_READ
    }

    fn is_small(&self) -> bool {
        self.0.read.load(Ordering::Relaxed) <= SMALL
    }

    fn turn(&self) -> std::sync::MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

type Turn = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// A stream that waits for its turn before a call reads much, and ends with an error once it has read more than its share.
pub(crate) struct Metered {
    inner: Stream,
    meter: Meter,
    waits: Option<Turn>,
}

impl Metered {
    pub(crate) fn over(inner: Stream, meter: Meter) -> Self {
        Self { inner, meter, waits: None }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.meter.is_small() || self.meter.turn().is_some() {
            self.waits = None;
            return Poll::Ready(Ok(()));
        }
        let waits = self.waits.get_or_insert_with(|| Box::pin(Arc::clone(&TURNS).acquire_owned()));
        let turn = ready!(waits.as_mut().poll(cx)).map_err(io::Error::other)?;
        self.waits = None;
        *self.meter.turn() = Some(turn);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(cx))?;
        let before = buffer.filled().len();
        let read = match &mut self.inner {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        let more = (buffer.filled().len() - before) as u64;
        if self.meter.0.read.fetch_add(more, Ordering::Relaxed) + more > MOST_READ {
            return Poll::Ready(Err(io::Error::other("the server sent more than a call may read")));
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
