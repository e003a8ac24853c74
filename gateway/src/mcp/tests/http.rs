//! Streamable HTTP over real sockets: callers, sessions, limits, both eras.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::parts::SESAME;
use super::*;
use crate::mcp::{Access, Http, HttpError, Limits, Token, Tokens, serve_http};

pub(super) struct Site {
    address: SocketAddr,
    leave: CancellationToken,
    server: JoinHandle<Result<(), HttpError>>,
}

/// SHA-256 of `other`.
const OTHER: &str = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";

pub(super) fn tokens() -> Access {
    let token = |digest: &str, user: &str| Token::new(digest, user, vec!["dev".to_owned()]).unwrap();
    Access::Tokens(Tokens::new(vec![token(SESAME, "alice"), token(OTHER, "bob")]).unwrap())
}

async fn site(fake: &Arc<Fake>, access: Access, limits: Limits) -> Site {
    site_of(wire(fake), access, limits).await
}

pub(super) async fn site_of(wire: Wire, access: Access, limits: Limits) -> Site {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Http { access, hosts: vec!["gate.example".to_owned()], origins: Vec::new(), limits, beside: None };
    let leave = CancellationToken::new();
    let server = tokio::spawn(serve_http(listener, wire, settings, leave.clone()));
    Site { address, leave, server }
}

/// A reply whose body may still be coming.
pub(super) struct Got {
    pub(super) status: u16,
    head: String,
    rest: BufReader<TcpStream>,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }

    async fn text(mut self) -> String {
        let mut text = String::new();
        timeout(TIMEOUT, self.rest.read_to_string(&mut text)).await.unwrap().unwrap();
        text
    }

    pub(super) async fn json(self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not json: {text:?}"))
    }

    /// The next message of an event stream, or the one that is the whole body.
    pub(super) async fn event(&mut self) -> Value {
        loop {
            let mut line = String::new();
            let read = timeout(TIMEOUT, self.rest.read_line(&mut line)).await.unwrap().unwrap();
            assert_ne!(read, 0, "the stream ended");
            let line = line.trim_end();
            // Chunks say how long they are on lines of their own.
            if let Ok(message @ Value::Object(_)) = serde_json::from_str(line.strip_prefix("data: ").unwrap_or(line)) {
                return message;
            }
        }
    }
}

impl Site {
    async fn raw(&self, request: &[u8]) -> Got {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may answer and close before it read all of it.
        let _ = stream.write_all(request).await;
        let mut rest = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = timeout(TIMEOUT, rest.read_line(&mut head)).await.unwrap().unwrap();
            assert_ne!(read, 0, "no reply: {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Got { status, head, rest }
    }

    async fn send(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let mut request = format!("{method} /mcp HTTP/1.0\r\nContent-Length: {}\r\n", body.len());
        let defaults = [
            ("Host", "localhost"),
            ("Accept", "application/json, text/event-stream"),
            ("Content-Type", "application/json"),
        ];
        let missing = defaults.iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        for (name, value) in missing.chain(headers) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.raw(request.as_bytes()).await
    }

    /// A call under 2026-07-28.
    pub(super) async fn call(&self, tool: &str, params: &Value, token: Option<&str>) -> Got {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers =
            vec![("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        self.send("POST", &headers, &body).await
    }

    /// Opens a session of an older revision.
    pub(super) async fn open(&self, token: &str) -> Got {
        let info = json!({"name": "raw", "version": "1"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": info});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string();
        self.send("POST", &[("Authorization", &format!("Bearer {token}"))], &body).await
    }

    /// A message within such a session.
    pub(super) async fn within(&self, session: &str, token: &str, message: &Value) -> Got {
        let bearer = format!("Bearer {token}");
        let headers =
            [("Authorization", bearer.as_str()), ("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25")];
        self.send("POST", &headers, &message.to_string()).await
    }
}

fn call(id: u64, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {"target": "x"}}})
}

#[tokio::test]
async fn the_newest_revision_gets_plain_json() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits::default()).await;
    let reply = site.call("ok", &newest("ok", &json!({})), Some("open sesame")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.json().await["result"]["structuredContent"], json!({"echo": {}}));
    assert_eq!(fake.seen()[0].principal, Principal { client: Some("raw 1".to_owned()), ..principal("alice") });

    // A name in the header that is not the body's is refused.
    let reply = site.call("refuse", &newest("ok", &json!({})), Some("open sesame")).await;
    assert_eq!((reply.status, reply.json().await["error"]["code"].clone()), (400, json!(-32020)));
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn without_a_known_token_nothing_is_said() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits::default()).await;
    let params = newest("ok", &json!({}));
    let reply = site.call("ok", &params, None).await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer realm=\"mollyguard\"")));
    let reply = site.call("ok", &params, Some("open sesam")).await;
    let challenge = Some("Bearer realm=\"mollyguard\", error=\"invalid_token\"");
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, challenge));
    assert_eq!(reply.text().await, "a valid bearer token is needed\n");
    for method in ["GET", "DELETE", "PUT"] {
        assert_eq!(site.send(method, &[], "").await.status, 401);
    }
    assert!(fake.seen().is_empty());
    let health = site.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!((health.status, health.text().await.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn guessing_tokens_is_slowed_down() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits::default()).await;
    let params = newest("ok", &json!({}));
    let mut last = 0;
    for _ in 0..40 {
        last = site.call("ok", &params, Some("guess")).await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn a_caller_has_a_rate() {
    let fake = Arc::new(Fake::new());
    let limits = Limits { rate: 1, burst: 2, ..Limits::default() };
    let site = site(&fake, tokens(), limits).await;
    let params = newest("ok", &json!({}));
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(site.call("ok", &params, Some("open sesame")).await);
    }
    assert_eq!(seen.iter().map(|reply| reply.status).collect::<Vec<_>>(), [200, 200, 429]);
    assert_eq!(seen[2].header("retry-after"), Some("1"));
    assert_eq!(site.call("ok", &params, Some("other")).await.status, 200);
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let fake = Arc::new(Fake::new());
    let local = Access::Local(principal("local"));
    let site = site(&fake, local, Limits::default()).await;
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": newest("ok", &json!({}))}).to_string();
    let own = format!("http://localhost:{}", site.address.port());
    let with = |extra: (&'static str, &str)| {
        let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "ok"), extra];
        let (site, body) = (&site, &body);
        let headers = headers.map(|(name, value)| (name, value.to_owned()));
        async move { site.send("POST", &headers.each_ref().map(|(name, value)| (*name, value.as_str())), body).await.status }
    };
    for origin in ["https://evil.example", "http://localhost", "null"] {
        assert_eq!(with(("Origin", origin)).await, 403, "{origin}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example"] {
        assert_eq!(with(("Host", host)).await, 403, "{host}");
    }
    assert!(fake.seen().is_empty());
    for host in ["gate.example", "127.0.0.1:1234", "[::1]"] {
        assert_eq!(with(("Host", host)).await, 200, "{host}");
    }
    assert_eq!(with(("Origin", &own)).await, 200);
    assert_eq!(fake.seen()[0].principal.user, "local");
}

#[tokio::test]
async fn long_and_slow_requests_are_cut() {
    let fake = Arc::new(Fake::new());
    let limits = Limits {
        body_bytes: 1000,
        body_time: Duration::from_millis(50),
        head_time: Duration::from_millis(50),
        ..Limits::default()
    };
    let site = site(&fake, Access::Local(principal("local")), limits).await;
    let reply = site.call("ok", &newest("ok", &json!({"target": "x".repeat(2000)})), None).await;
    assert_eq!(reply.status, 413);
    let endless = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":";
    assert_eq!(site.raw(endless).await.status, 408);
    // A head that does not end is not even answered, or with no more than an error.
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut left = String::new();
    timeout(TIMEOUT, stream.read_to_string(&mut left)).await.unwrap().unwrap();
    assert!(left.is_empty() || left.starts_with("HTTP/1.1 408"), "{left}");
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_never_forwarded() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, Access::Local(principal("local")), Limits::default()).await;
    let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "ok")];
    let meta = meta(&json!({}));
    let twice = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"ok","name":"ok","_meta":{meta}}}}}"#
    );
    for body in
        ["{", "[]", "", "7", twice.as_str(), r#"{"jsonrpc":"2.0","id":1,"method":"initialize","method":"tools/call"}"#]
    {
        let reply = site.send("POST", &headers, body).await;
        let status = reply.status;
        let text = reply.text().await;
        assert!((400..500).contains(&status) || text.contains("\"error\""), "{body} got {status} {text}");
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn the_newest_revision_is_asked_over_http_and_bound_to_the_caller() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits::default()).await;
    let mut params = newest("ask", &json!({"target": "x"}));
    let asked = site.call("ask", &params, Some("open sesame")).await.json().await;
    assert_eq!(asked["result"]["resultType"], "input_required");
    params["requestState"] = asked["result"]["requestState"].clone();
    params["inputResponses"] = json!({"confirm": {"action": "accept", "content": {"name": "orders"}}});
    let confirmation = *fake.asked.lock().unwrap();
    let stolen = site.call("ask", &params, Some("other")).await.json().await;
    assert_eq!(code(&stolen), "confirmation_invalid");
    assert_eq!(fake.answers()[0].confirmation, Uuid::nil());
    *fake.asked.lock().unwrap() = confirmation;
    let done = site.call("ask", &params, Some("open sesame")).await.json().await;
    assert_eq!(done["result"]["isError"], false);
}

#[tokio::test]
async fn older_revisions_are_asked_on_the_calls_own_stream() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits::default()).await;
    let opened = site.open("open sesame").await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let mut stream = site.within(&session, "open sesame", &call(2, "ask")).await;
    let question = stream.event().await;
    assert_eq!(question["method"], "elicitation/create");
    let yes = json!({"action": "accept", "content": {"name": "orders"}});
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": yes});
    // Nobody else can answer it.
    assert_eq!(site.within(&session, "other", &answer).await.status, 404);
    assert_eq!(site.within(&session, "open sesame", &answer).await.status, 202);
    let reply = stream.event().await;
    assert_eq!((&reply["id"], &reply["result"]["isError"]), (&json!(2), &json!(false)));
    assert_eq!(fake.seen()[0].channel, Some(Channel::Elicitation));
}

#[tokio::test]
async fn a_session_is_its_owners() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits::default()).await;
    let session = site.open("open sesame").await.header("mcp-session-id").unwrap().to_owned();
    for (token, session) in [("other", session.as_str()), ("open sesame", "made-up")] {
        let reply = site.within(session, token, &call(2, "ok")).await;
        assert_eq!((reply.status, reply.text().await.as_str()), (404, "there is no such session\n"));
        let bearer = format!("Bearer {token}");
        for method in ["GET", "DELETE"] {
            let headers = [("Authorization", bearer.as_str()), ("Mcp-Session-Id", session)];
            assert_eq!(site.send(method, &headers, "").await.status, 404, "{method}");
        }
    }
    assert!(fake.seen().is_empty());
    let mut reply = site.within(&session, "open sesame", &call(2, "ok")).await;
    assert_eq!(reply.event().await["result"]["isError"], false);
    let headers = [("Authorization", "Bearer open sesame"), ("Mcp-Session-Id", session.as_str())];
    assert_eq!(site.send("DELETE", &headers, "").await.status, 204);
    assert_eq!(site.within(&session, "open sesame", &call(3, "ok")).await.status, 404);
}

#[tokio::test]
async fn only_a_call_that_asks_or_reports_gets_a_stream_in_a_session() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits::default()).await;
    let opened = site.open("open sesame").await;
    assert_eq!(opened.header("content-type"), Some("application/json"));
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    assert_eq!(opened.json().await["result"]["protocolVersion"], "2025-11-25");
    let plain = site.within(&session, "open sesame", &call(2, "ok")).await;
    assert_eq!(plain.header("content-type"), Some("application/json"));
    let reply = plain.json().await;
    assert_eq!((&reply["id"], &reply["result"]["isError"]), (&json!(2), &json!(false)));
    let mut asked = site.within(&session, "open sesame", &call(3, "ask")).await;
    assert_eq!(asked.header("content-type"), Some("text/event-stream"));
    let question = asked.event().await;
    assert_eq!(question["method"], "elicitation/create");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}});
    assert_eq!(site.within(&session, "open sesame", &answer).await.status, 202);
    assert_eq!(asked.event().await["id"], 3);
}

#[tokio::test]
async fn sessions_are_limited_in_all_and_for_each() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits { sessions: 3, sessions_each: 2, ..Limits::default() }).await;
    let mut got = Vec::new();
    for token in ["open sesame", "open sesame", "open sesame", "other", "other"] {
        got.push(site.open(token).await.status);
    }
    assert_eq!(got, [200, 200, 503, 200, 503]);
}

#[tokio::test]
async fn a_session_that_sleeps_goes_on_where_it_was() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits { sessions_awake: 1, ..Limits::default() }).await;
    let asleep = site.open("open sesame").await.header("mcp-session-id").unwrap().to_owned();
    // One that waits for an answer stays awake however many come after it.
    let asking = site.open("open sesame").await.header("mcp-session-id").unwrap().to_owned();
    let mut asked = site.within(&asking, "open sesame", &call(2, "ask")).await;
    let question = asked.event().await;
    for _ in 0..4 {
        assert_eq!(site.open("other").await.status, 200);
    }
    assert_eq!(site.within(&asleep, "other", &call(3, "ok")).await.status, 404);
    // What its client can do was said when it opened the session: without that it would not be asked.
    let mut woken = site.within(&asleep, "open sesame", &call(3, "ask")).await;
    assert_eq!(woken.event().await["method"], "elicitation/create");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}});
    assert_eq!(site.within(&asking, "open sesame", &answer).await.status, 202);
    assert_eq!(asked.event().await["id"], 2);
}

#[tokio::test]
async fn hanging_up_reaches_the_call() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, Access::Local(principal("local")), Limits::default()).await;
    let params = newest("hang", &json!({}));
    {
        let call = site.call("hang", &params, None);
        tokio::select! {
            _ = call => panic!("it hangs"),
            () = fake.hanging.notified() => {}
        }
    }
    timeout(TIMEOUT, fake.cancelled.notified()).await.unwrap();
}

#[tokio::test]
async fn more_requests_than_fit_are_refused() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, Access::Local(principal("local")), Limits { requests: 1, ..Limits::default() }).await;
    let params = newest("hang", &json!({}));
    let other = async {
        fake.hanging.notified().await;
        site.call("ok", &newest("ok", &json!({})), None).await.status
    };
    tokio::select! {
        _ = site.call("hang", &params, None) => panic!("it hangs"),
        status = other => assert_eq!(status, 503),
    }
}

#[tokio::test]
async fn leaving_lets_open_calls_end_and_closes_questions() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, tokens(), Limits::default()).await;
    let session = site.open("open sesame").await.header("mcp-session-id").unwrap().to_owned();
    let mut asked = site.within(&session, "open sesame", &call(2, "ask")).await;
    assert_eq!(asked.event().await["method"], "elicitation/create");
    let mut staged = site.within(&session, "open sesame", &call(3, "stages")).await;
    timeout(TIMEOUT, fake.hanging.notified()).await.unwrap();
    let begun = std::time::Instant::now();
    site.leave.cancel();
    let reply = loop {
        let event = asked.event().await;
        if event["id"] == 2 {
            break event;
        }
    };
    assert_eq!(code(&reply), "confirmation_cancelled");
    // One permit is kept at a time, so each is given until it is taken.
    let done = async {
        loop {
            fake.go_on.notify_one();
            tokio::task::yield_now().await;
        }
    };
    let reply = tokio::select! {
        reply = staged.event() => reply,
        () = done => unreachable!(),
    };
    assert_eq!(reply["result"]["isError"], false);
    timeout(TIMEOUT, site.server).await.unwrap().unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "took {:?}", begun.elapsed());
    assert!(TcpStream::connect(site.address).await.is_err());
}

#[tokio::test]
async fn an_open_address_without_tokens_is_not_served() {
    let fake = Arc::new(Fake::new());
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let access = Access::Tokens(Tokens::default());
    let settings = Http { access, hosts: Vec::new(), origins: Vec::new(), limits: Limits::default(), beside: None };
    let served = serve_http(listener, wire(&fake), settings, CancellationToken::new());
    assert!(matches!(timeout(TIMEOUT, served).await.unwrap(), Err(HttpError::Open { .. })));
}

#[tokio::test]
async fn requests_that_are_too_large_together_are_refused() {
    let fake = Arc::new(Fake::new());
    let limits = Limits { body_bytes: 3 << 10, bodies_bytes: 4 << 10, ..Limits::default() };
    let site = site(&fake, Access::Local(principal("local")), limits).await;
    let large = json!({"target": "x".repeat(2 << 10)});
    let hanging = newest("hang", &large);
    let others = async {
        fake.hanging.notified().await;
        let refused = site.call("ok", &newest("ok", &large), None).await.status;
        // One whose length is not said beforehand counts for as long as it may be.
        let unsaid = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let unsaid = site.raw(unsaid).await.status;
        (refused, unsaid, site.call("ok", &newest("ok", &json!({})), None).await.status)
    };
    tokio::select! {
        _ = site.call("hang", &hanging, None) => panic!("it hangs"),
        statuses = others => assert_eq!(statuses, (503, 503, 200)),
    }
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_request_of_too_many_values_is_not_parsed() {
    let fake = Arc::new(Fake::new());
    let site = site(&fake, Access::Local(principal("local")), Limits::default()).await;
    let many = newest("ok", &json!({"rows": vec![0; crate::mcp::message::MOST_VALUES]}));
    assert_eq!(site.call("ok", &many, None).await.status, 413);
    assert!(fake.seen().is_empty());
    assert_eq!(site.call("ok", &newest("ok", &json!({"rows": vec![0; 1_000]})), None).await.status, 200);
}
