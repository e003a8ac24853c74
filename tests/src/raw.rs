//! Bytes instead of a client: for what no client would send.

use std::process::{ExitStatus, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::tap::Drained;
use crate::{Result, Tap, within};

/// A gateway over stdio, spoken to line by line.
#[derive(Debug)]
pub struct Raw {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: Drained,
}

impl Raw {
    /// Starts `command`.
    ///
    /// # Errors
    /// It could not be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let stderr = Drained::new(child.stderr.take().ok_or("no standard error")?);
        Ok(Self { child, stdin, lines, stderr })
    }

    /// Sends bytes as they are; a line ends with `\n`.
    ///
    /// # Errors
    /// It reads no more.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result {
        let stdin = self.stdin.as_mut().ok_or("standard input was closed")?;
        stdin.write_all(bytes.as_ref()).await?;
        Ok(stdin.flush().await?)
    }

    /// Sends one message.
    ///
    /// # Errors
    /// It reads no more.
    pub async fn message(&mut self, message: &Value) -> Result {
        self.send(format!("{message}\n")).await
    }

    /// The next message it writes.
    ///
    /// # Errors
    /// There is none, or it is not JSON.
    pub async fn next(&mut self) -> Result<Value> {
        let line = within("the next message", self.lines.next_line()).await??;
        let line = line.ok_or_else(|| format!("it ended. It wrote:\n{}", self.stderr.tap.text()))?;
        serde_json::from_str(&line).map_err(|error| format!("not JSON ({error}): {line}").into())
    }

    /// The next message with this id; what comes before is dropped.
    ///
    /// # Errors
    /// It never comes.
    pub async fn response(&mut self, id: &Value) -> Result<Value> {
        loop {
            let message = self.next().await?;
            if message["id"] == *id && message.get("method").is_none() {
                return Ok(message);
            }
        }
    }

    /// Shakes hands as a client of revision 2025-11-25 that can ask.
    ///
    /// # Errors
    /// It does not shake hands.
    pub async fn initialize(&mut self) -> Result<Value> {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "raw", "version": "0"}});
        self.message(&json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params})).await?;
        let answer = self.response(&json!("init")).await?;
        self.message(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(answer)
    }

    /// The `_meta` of a request of revision 2026-07-28 from a client that can ask.
    #[must_use]
    pub fn meta() -> Value {
        json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
            "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "0"},
        })
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> &Tap {
        &self.stderr.tap
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// It would not die.
    pub async fn kill(mut self) -> Result {
        within("the end of a killed gateway", self.child.kill()).await??;
        Ok(())
    }

    /// Closes its standard input and waits until it has ended.
    ///
    /// # Errors
    /// It does not end.
    pub async fn close(mut self) -> Result<ExitStatus> {
        drop(self.stdin.take());
        Ok(within("the end of a gateway whose client hung up", self.child.wait()).await??)
    }
}

/// An HTTP response.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The status code.
    pub status: u16,
    /// The headers, one a line, names in lower case.
    pub headers: String,
    /// The body, with chunking removed.
    pub body: String,
}

impl RawResponse {
    /// The message in the body: the body itself, or the last event of an event stream.
    ///
    /// # Errors
    /// There is none.
    pub fn message(&self) -> Result<Value> {
        let event =
            self.body.lines().rev().find_map(|line| line.strip_prefix("data:").filter(|d| !d.trim().is_empty()));
        serde_json::from_str(event.unwrap_or(&self.body))
            .map_err(|error| format!("{} without a message ({error}): {}", self.status, self.body).into())
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let wanted = name.to_ascii_lowercase();
        self.headers.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| *name == wanted).map(|(_, v)| v))
    }
}

/// Sends one HTTP request with exactly these headers (and `Content-Length`, `Connection: close`, and `Host` unless given).
///
/// # Errors
/// There is no answer that reads as HTTP.
pub async fn http(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Result<RawResponse> {
    let rest = url.strip_prefix("http://").ok_or("not an http:// URL")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut head = format!("{method} /{path} HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {authority}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let exchange = async {
        let mut stream = TcpStream::connect(authority).await?;
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = within(&format!("{method} {url}"), exchange).await??;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("not HTTP: {answer}"))?;
    let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status.split(' ').nth(1).ok_or("a status line without a status")?.parse()?;
    let headers = headers.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}\n", name.to_ascii_lowercase()),
        None => format!("{line}\n"),
    });
    let headers: String = headers.collect();
    let body = if headers.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    Ok(RawResponse { status, headers, body })
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size @ 1..) = usize::from_str_radix(size.trim(), 16) else { break };
        let Some(chunk) = rest.get(..size) else { break };
        whole.push_str(chunk);
        body = rest.get(size..).unwrap_or_default().trim_start_matches("\r\n");
    }
    whole
}
