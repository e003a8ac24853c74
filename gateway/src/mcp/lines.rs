//! Messages as lines of JSON on two streams. What a client writes is bounded in bytes and in values before it is parsed, what
//! it leaves unread is bounded before more is taken from it, and before the session opens only requests are passed on.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rmcp::model::{ClientJsonRpcMessage, ClientRequest, GetMeta as _, ProtocolVersion, ServerJsonRpcMessage};
use rmcp::service::RoleServer;
use rmcp::transport::Transport;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex, Notify};

use super::in_flight::InFlight;
use super::message::{Read, Wrong, read};

/// How much is read at once, at least.
const CHUNK: usize = 8 << 10;

/// A buffer that had to grow beyond this is given back once it is empty.
const KEPT: usize = 64 << 10;

/// How many bytes of messages may wait for the client to read them before more is taken from it.
const UNREAD: usize = 4 << 20;

/// A client's two streams.
pub(super) struct Lines<R, W> {
    input: R,
    cutter: Cutter,
    output: Arc<Output<W>>,
    is_open: bool,
    /// An error about what was read last, on its way out.
    owed: Option<Sending>,
    told: Told,
    in_flight: InFlight,
}

/// Writes down that a message which cannot be worked on was to call a tool.
pub(super) type Told = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

type Sending = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

struct Output<W> {
    /// None once it is closed.
    stream: Mutex<Option<W>>,
    waiting: AtomicUsize,
    /// Told when less waits.
    less: Notify,
}

/// A message that waits to be written, counted for as long as it lives.
struct Waiting<W> {
    line: Vec<u8>,
    output: Arc<Output<W>>,
}

impl<W> Waiting<W> {
    fn new(line: Vec<u8>, output: Arc<Output<W>>) -> Self {
        output.waiting.fetch_add(line.len(), Ordering::AcqRel);
        Self { line, output }
    }
}

impl<W> Drop for Waiting<W> {
    fn drop(&mut self) {
        self.output.waiting.fetch_sub(self.line.len(), Ordering::AcqRel);
        self.output.less.notify_one();
    }
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Messages of at most so many bytes.
    pub(super) fn new(input: R, output: W, most: usize, told: Told) -> Self {
        let output = Output { stream: Mutex::new(Some(output)), waiting: AtomicUsize::new(0), less: Notify::new() };
        Self {
            input,
            cutter: Cutter::new(most),
            output: Arc::new(output),
            is_open: false,
            owed: None,
            told,
            in_flight: InFlight::default(),
        }
    }

    fn sending(&self, message: &ServerJsonRpcMessage) -> Sending {
        // As text at once: what waits takes no more than that.
        let line = serde_json::to_vec(message).map(|mut line| {
            line.push(b'\n');
            Waiting::new(line, Arc::clone(&self.output))
        });
        Box::pin(async move {
            let waiting = line.map_err(io::Error::from)?;
            let mut stream = waiting.output.stream.lock().await;
            let stream = stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            stream.write_all(&waiting.line).await?;
            stream.flush().await
        })
    }

    /// The next message, whatever it is; `None` once there are no more. Nothing is lost when this is dropped half way.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(owed) = &mut self.owed {
                let sent = owed.as_mut().await;
                self.owed = None;
                sent.ok()?;
            }
            let Some(cut) = self.cutter.next() else {
                // A client that does not read what it asked for does not get more work done.
                while self.output.waiting.load(Ordering::Acquire) > UNREAD {
                    self.output.less.notified().await;
                }
                self.cutter.buffer.reserve(CHUNK);
                match self.input.read_buf(&mut self.cutter.buffer).await {
                    Ok(0) => return None,
                    Ok(_) => continue,
                    Err(error) => {
                        tracing::warn!(%error, "a client's messages cannot be read");
                        return None;
                    }
                }
            };
            let Wrong { id, error, is_call } = match cut.map(|line| read(&self.cutter.buffer[line])) {
                Some(Read::Message(message)) => match self.in_flight.received(&message) {
                    None => return Some(*message),
                    Some(wrong) => wrong,
                },
                Some(Read::Nothing) => continue,
                Some(Read::Wrong(wrong)) => wrong,
                None => Wrong::unread(self.cutter.most),
            };
            tracing::debug!(why = %error.message, "a message was refused");
            let answer = self.sending(&ServerJsonRpcMessage::error(error, id));
            let told = is_call.then(|| (self.told)());
            self.owed = Some(Box::pin(async move {
                if let Some(told) = told {
                    told.await;
                }
                answer.await
            }));
        }
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        self.in_flight.sent(&item);
        self.sending(&item)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let message = self.next().await?;
            match &message {
                ClientJsonRpcMessage::Request(request) => self.is_open |= opens(&request.request),
                // rmcp would end the process over it. It is about nothing that was asked, so nobody waits for an answer.
                _ if !self.is_open => {
                    tracing::debug!("a message before the session was opened is passed over");
                    continue;
                }
                _ => {}
            }
            return Some(message);
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        drop(self.output.stream.lock().await.take());
        Ok(())
    }
}

/// Whether rmcp begins the session with this request. It answers all others before one that does, and waits on.
fn opens(request: &ClientRequest) -> bool {
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        request => {
            let meta = request.get_meta();
            let known = |version| ProtocolVersion::KNOWN_VERSIONS.contains(&version);
            meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
                && meta.protocol_version().is_some_and(known)
        }
    }
}

/// Cuts what is read into lines of bounded length.
struct Cutter {
    most: usize,
    buffer: Vec<u8>,
    /// Where the next line begins.
    from: usize,
    /// Up to where its end was looked for.
    searched: usize,
    /// The rest of a line that is too long is being passed over.
    skips: bool,
}

impl Cutter {
    const fn new(most: usize) -> Self {
        Self { most, buffer: Vec::new(), from: 0, searched: 0, skips: false }
    }

    /// Where the next line is in the buffer, without its end; `Some(None)` for one that is too long, once; `None` where
    /// more must be read.
    fn next(&mut self) -> Option<Option<Range<usize>>> {
        while let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
            let line = self.from..self.searched + at;
            (self.from, self.searched) = (line.end + 1, line.end + 1);
            match (std::mem::take(&mut self.skips), line.len() > self.most) {
                (true, _) => {}
                (false, true) => return Some(None),
                (false, false) => return Some(Some(line)),
            }
        }
        self.buffer.drain(..self.from);
        self.from = 0;
        let is_too_long = self.buffer.len() > self.most;
        if self.skips || is_too_long {
            self.buffer.clear();
        }
        self.searched = self.buffer.len();
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
        let is_news = is_too_long && !self.skips;
        self.skips |= is_too_long;
        is_news.then_some(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a cutter makes of these pieces: the lines, and None for each that is too long.
    fn cut(most: usize, pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let (mut cutter, mut cuts) = (Cutter::new(most), Vec::new());
        for piece in pieces {
            cutter.buffer.extend_from_slice(piece);
            while let Some(cut) = cutter.next() {
                cuts.push(cut.map(|line| cutter.buffer[line].to_vec()));
            }
            assert!(cutter.buffer.len() <= most, "no more is kept than a message may have");
        }
        cuts
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_arrive(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>().prop_filter("", |b| *b != b'\n'), 0..12), 0..8),
            size in 1_usize..9,
        ) {
            let text: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
            let expected: Vec<_> = lines.iter().map(|line| (line.len() <= 6).then(|| line.clone())).collect();
            prop_assert_eq!(cut(6, &text.chunks(size).collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn a_buffer_that_grew_is_given_back() {
        let mut cutter = Cutter::new(1 << 20);
        cutter.buffer.extend_from_slice(&[b'x'; 1 << 20]);
        cutter.buffer.push(b'\n');
        assert_eq!(cutter.next(), Some(Some(0..1 << 20)));
        assert_eq!(cutter.next(), None);
        assert!(cutter.buffer.capacity() <= KEPT);
    }
}
