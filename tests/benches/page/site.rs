//! The gateway with its page, the people who may answer there, and the agents whose calls they are asked about.

use mollyguard_tests::{Line, Raw, Result, Served, World, codes, first_code, header, http, until};
use mollyguard_tools::contract::Digest;
use serde_json::json;
use toml::{Table, Value};

/// So many users, each with their share of the open questions.
pub(crate) const USERS: usize = 40;

pub(crate) struct Site {
    pub(crate) served: Served,
    pub(crate) origin: String,
    /// The session of the person who may answer.
    pub(crate) cookie: String,
    /// Their code.
    code: String,
    // Its folder is removed with it.
    _world: World,
}

impl Site {
    pub(crate) async fn new() -> Result<Self> {
        let mut world = World::rental()?;
        world.set("confirm.page", true).set("confirm.page_port", 0).set("confirm.wait_s", 60);
        world.set("http.requests_per_minute", 60_000_000).set("limits.waiting_calls", 1_000);
        let token = |n: usize| {
            let digest = Digest::of_bytes(token(n).as_bytes()).to_string();
            Value::Table(Table::from_iter([
                ("user".to_owned(), Value::String(format!("user{n}"))),
                ("digest".to_owned(), Value::String(digest)),
            ]))
        };
        world.set("http.tokens", (0..USERS).map(token).collect::<Vec<_>>());
        let served = world.serve().await?;
        let origin = until("the page", || Ok(mollyguard_record::state::where_page_is(&world.state()))).await?;
        let mut site = Self { served, origin, cookie: String::new(), code: String::new(), _world: world };
        let code = first_code(&site._world, "operator").await?;
        site.enrol(&code).await?;
        Ok(site)
    }

    async fn enrol(&mut self, code: &str) -> Result {
        let headers = [("Origin", self.origin.as_str()), ("Content-Type", FORM)];
        let enrolled = http("POST", &format!("{}/enroll/code", self.origin), &headers, &format!("code={code}")).await?;
        let cookie = enrolled.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.ok_or_else(|| format!("not enrolled: {} {}", enrolled.status, enrolled.body))?;
        cookie.clone_into(&mut self.cookie);
        self.code = codes(&enrolled.body).next().ok_or("no code of their own")?;
        Ok(())
    }

    /// Connects to the page as the operator.
    pub(crate) async fn visitor(&self) -> Result<Visitor> {
        let authority = self.origin.strip_prefix("http://").ok_or("not an URL")?;
        let cookie = &self.cookie;
        let head = format!("HTTP/1.1\r\nHost: {authority}\r\nCookie: {cookie}\r\n");
        Ok(Visitor { line: Line::open(authority).await?, head, origin: self.origin.clone(), code: self.code.clone() })
    }

    /// Connects to the gateway as one of the users' agents.
    pub(crate) async fn agent(&self, n: usize) -> Result<Agent> {
        Agent::open(self.served.url(), &token(n % USERS)).await
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn token(n: usize) -> String {
    format!("token-{n:02}-of-the-bench")
}

/// Somebody at the page, in a session.
pub(crate) struct Visitor {
    pub(crate) line: Line,
    head: String,
    origin: String,
    code: String,
}

impl Visitor {
    /// The same, over another connection.
    pub(crate) async fn again(self) -> Result<Self> {
        let authority = self.origin.strip_prefix("http://").ok_or("not an URL")?;
        Ok(Self { line: Line::open(authority).await?, ..self })
    }

    /// A page.
    pub(crate) async fn get(&mut self, path: &str) -> Result<String> {
        let (headers, body) = self.line.exchange(&self.request("GET", path)).await?;
        if headers.starts_with("http/1.1 200") { Ok(body) } else { Err(format!("{path}: {headers}").into()) }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Vec<u8> {
        format!("{method} {path} {}\r\n", self.head).into_bytes()
    }

    /// Answers a question as the page's form does.
    pub(crate) async fn answer(&mut self, question: &str, decision: &str) -> Result {
        let code = if decision == "approve" { format!("&code={}", self.code) } else { String::new() };
        let body = format!("decision={decision}{code}");
        let head = format!(
            "POST /questions/{question}/answer {}Origin: {}\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{body}",
            self.head,
            self.origin,
            body.len()
        );
        let (headers, body) = self.line.exchange(head.as_bytes()).await?;
        if headers.starts_with("http/1.1 303") { Ok(()) } else { Err(format!("no answer: {headers}\n{body}").into()) }
    }
}

/// An agent's connection, in MCP 2026-07-28, with a client that can ask nobody.
pub(crate) struct Agent {
    line: Line,
    head: String,
}

impl Agent {
    async fn open(url: &str, token: &str) -> Result<Self> {
        let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).ok_or("not an URL")?;
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nAuthorization: Bearer {token}\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: sqlite_write\r\n"
        );
        Ok(Self { line: Line::open(authority).await?, head })
    }

    /// A change in production, like no other.
    async fn write(&mut self, n: usize) -> Result<String> {
        let mut meta = Raw::meta();
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let sql = format!("UPDATE bookings SET price_cents = {n} WHERE id = 3");
        let params = json!({"name": "sqlite_write", "arguments": {"target": "fleet", "sql": sql}, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let request = format!("{}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        let (headers, body) = self.line.exchange(request.as_bytes()).await?;
        let is_ok = headers.starts_with("http/1.1 200") && header(&headers, "content-type").is_some();
        if is_ok { Ok(body) } else { Err(format!("no reply: {headers}\n{body}").into()) }
    }

    /// Makes a call that a person must be asked about; the question's id.
    pub(crate) async fn ask(&mut self, n: usize) -> Result<String> {
        let body = self.write(n).await?;
        let id = body.split("/questions/").nth(1).and_then(|rest| rest.get(..36));
        Ok(id.ok_or_else(|| format!("nobody was asked: {body}"))?.to_owned())
    }

    /// Makes the same call again, which waits for the answer and then runs.
    pub(crate) async fn repeat(&mut self, n: usize) -> Result {
        let body = self.write(n).await?;
        if body.contains("\"isError\":true") { Err(format!("it did not run: {body}").into()) } else { Ok(()) }
    }
}
