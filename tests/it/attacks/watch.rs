//! A browser's watching of the page, without a browser: the stream of events, read one by one.

use mollyguard_tests::{Result, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::page::Visitor;

/// One stream of events.
pub(crate) struct Watcher {
    stream: TcpStream,
    seen: String,
    has_ended: bool,
}

impl Watcher {
    /// Watches as this visitor.
    pub(crate) async fn start(visitor: &Visitor) -> Result<Self> {
        let authority = visitor.origin.trim_start_matches("http://");
        let mut stream = TcpStream::connect(authority).await?;
        let head = format!("GET /live HTTP/1.1\r\nHost: {authority}\r\nCookie: {}\r\n\r\n", visitor.cookie);
        stream.write_all(head.as_bytes()).await?;
        let mut watcher = Self { stream, seen: String::new(), has_ended: false };
        while !watcher.seen.contains("\r\n\r\n") {
            assert!(!watcher.has_ended, "no answer: {}", watcher.seen);
            watcher.more().await?;
        }
        assert!(watcher.seen.starts_with("HTTP/1.1 200"), "{}", watcher.seen);
        Ok(watcher)
    }

    /// Waits for the next event; false where the stream has ended instead.
    pub(crate) async fn next(&mut self) -> Result<bool> {
        loop {
            if let Some((_, rest)) = self.seen.split_once("event: changed\n") {
                self.seen = rest.to_owned();
                return Ok(true);
            }
            if self.has_ended {
                return Ok(false);
            }
            self.more().await?;
        }
    }

    /// Reads on, to the end, which a killed gateway does not announce.
    async fn more(&mut self) -> Result {
        let mut bytes = [0; 4096];
        let read = within("an event, or the end", self.stream.read(&mut bytes)).await?.unwrap_or(0);
        let text = String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned();
        self.seen.push_str(&text);
        // An ordinary end is a last, empty chunk, and the connection may stay.
        self.has_ended = read == 0 || text.ends_with("0\r\n\r\n");
        Ok(())
    }
}
