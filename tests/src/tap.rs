//! Everything a process wrote, kept while it is read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::sync::watch;

use crate::{Result, within};

/// What was written so far. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tap {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// All of it, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Whether `needle` was written: for looking for secrets in everything that left the process.
    #[must_use]
    pub fn contains(&self, needle: &str) -> bool {
        self.text().contains(needle)
    }

    fn write(&self, bytes: &[u8]) {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
}

/// A reader that keeps what passes through it.
pub(crate) struct Tapped<R> {
    reader: R,
    tap: Tap,
}

impl<R> Tapped<R> {
    pub(crate) fn new(reader: R, tap: &Tap) -> Self {
        Self { reader, tap: tap.clone() }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Tapped<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.reader).poll_read(cx, buf);
        if let Some(new) = buf.filled().get(before..) {
            self.tap.write(new);
        }
        polled
    }
}

/// A stream that is read to its end in the background.
#[derive(Clone, Debug)]
pub(crate) struct Drained {
    pub(crate) tap: Tap,
    /// Ticks with every read; closed at the end.
    more: watch::Receiver<()>,
}

impl Drained {
    pub(crate) fn new(mut reader: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let tap = Tap::default();
        let (tick, more) = watch::channel(());
        let into = tap.clone();
        tokio::spawn(async move {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut chunk).await {
                into.write(chunk.get(..read).unwrap_or_default());
                tick.send_replace(());
            }
        });
        Self { tap, more }
    }

    /// Waits until `find` finds something in what was written.
    pub(crate) async fn wait_for<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut more = self.more.clone();
        let found = within(what, async {
            loop {
                if let Some(found) = find(&self.tap.text()) {
                    return Some(found);
                }
                if more.changed().await.is_err() {
                    // The last words may have come between the look and the end.
                    return find(&self.tap.text());
                }
            }
        });
        found
            .await?
            .ok_or_else(|| format!("{what}: the process ended without it. It wrote:\n{}", self.tap.text()).into())
    }

    /// Waits for the end of the stream.
    pub(crate) async fn end(&self) -> Result {
        let mut more = self.more.clone();
        within("the end of a stream", async { while more.changed().await.is_ok() {} }).await
    }
}
