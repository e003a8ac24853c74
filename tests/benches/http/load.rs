//! The load generator: raw HTTP/1.1 over kept-alive connections, one thread, the same bytes for every server.

use std::time::{Duration, Instant};

use mollyguard_tests::{Result, header};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{FOUND, SQL};

/// The revisions that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28: every request by itself.
    Stateless,
    /// 2025-11-25: a session for each connection.
    Session,
}

impl Era {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Stateless => "MCP 2026-07-28, stateless",
            Self::Session => "MCP 2025-11-25, in sessions",
        }
    }
}

/// The call that is made.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) tool: &'static str,
    pub(crate) args: Value,
    /// What its answer holds.
    pub(crate) found: &'static str,
}

impl Call {
    /// The query of every call but where another one is measured.
    pub(crate) fn query() -> Self {
        Self { tool: "sqlite_query", args: json!({"target": "fleet", "sql": SQL}), found: FOUND }
    }
}

/// Connections to one server.
pub(crate) struct Load {
    url: String,
    era: Era,
    token: Option<String>,
    call: Call,
    lines: Vec<Line>,
}

/// What a turn came to.
#[derive(Clone)]
pub(crate) struct Round {
    pub(crate) times: Vec<Duration>,
    pub(crate) took: Duration,
}

/// One connection; in the older era with its session.
struct Line {
    wire: mollyguard_tests::Line,
    session: Option<String>,
    request: Vec<u8>,
    found: &'static str,
}

impl Load {
    pub(crate) async fn open(url: &str, era: Era) -> Result<Self> {
        Self::of(url, era, Call::query()).await
    }

    /// The same with other calls than queries.
    pub(crate) async fn of(url: &str, era: Era, call: Call) -> Result<Self> {
        let mut load = Self { url: url.to_owned(), era, token: None, call, lines: Vec::new() };
        load.grow(1).await?;
        Ok(load)
    }

    /// The same for the holder of a token.
    pub(crate) async fn open_as(url: &str, era: Era, token: &str) -> Result<Self> {
        let (token, call) = (Some(token.to_owned()), Call::query());
        let mut load = Self { url: url.to_owned(), era, token, call, lines: Vec::new() };
        load.grow(1).await?;
        Ok(load)
    }

    /// Opens connections until there are so many.
    pub(crate) async fn grow(&mut self, lines: usize) -> Result {
        while self.lines.len() < lines {
            self.lines.push(Line::open(&self.url, self.era, self.token.as_deref(), &self.call).await?);
        }
        Ok(())
    }

    /// Makes `calls` calls, so many at a time.
    pub(crate) async fn round(&mut self, in_flight: usize, calls: usize) -> Result<Round> {
        self.grow(in_flight).await?;
        let start = Instant::now();
        let mut running = JoinSet::new();
        for mut line in self.lines.drain(..in_flight) {
            running.spawn(async move {
                let mut times = Vec::with_capacity(calls / in_flight);
                for _ in 0..calls / in_flight {
                    let start = Instant::now();
                    line.call().await?;
                    times.push(start.elapsed());
                }
                Result::Ok((line, times))
            });
        }
        let mut times = Vec::with_capacity(calls);
        while let Some(done) = running.join_next().await {
            let (line, of_line) = done??;
            self.lines.push(line);
            times.extend(of_line);
        }
        Ok(Round { times, took: start.elapsed() })
    }
}

impl Line {
    async fn open(url: &str, era: Era, token: Option<&str>, call: &Call) -> Result<Self> {
        let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).ok_or("not an URL")?;
        let wire = mollyguard_tests::Line::open(authority).await?;
        let mut line = Self { wire, session: None, request: Vec::new(), found: call.found };
        let mut head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n"
        );
        if let Some(token) = token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let mut params = json!({"name": call.tool, "arguments": call.args});
        match era {
            Era::Stateless => {
                head.push_str(&format!(
                    "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {}\r\n",
                    call.tool
                ));
                params["_meta"] = mollyguard_tests::Raw::meta();
            }
            Era::Session => {
                line.shake_hands(&head).await?;
                let session = line.session.as_deref().ok_or("no session")?;
                head.push_str(&format!("MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {session}\r\n"));
            }
        }
        line.request = message(&head, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}));
        Ok(line)
    }

    async fn shake_hands(&mut self, head: &str) -> Result {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "load", "version": "0"}});
        let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let (headers, _) = self.wire.exchange(&message(head, &initialize)).await?;
        self.session = header(&headers, "mcp-session-id").map(str::to_owned);
        let session = self.session.as_deref().ok_or("no session was opened")?;
        let head = format!("{head}Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n");
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.wire.exchange(&message(&head, &initialized)).await.map(|_| ())
    }

    async fn call(&mut self) -> Result {
        let (headers, body) = self.wire.exchange(&self.request).await?;
        let ran =
            headers.starts_with("http/1.1 200") && body.contains(self.found) && !body.contains("\"isError\":true");
        if ran { Ok(()) } else { Err(format!("the call did not run:\n{headers}\n{body}").into()) }
    }
}

fn message(head: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
