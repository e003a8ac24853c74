//! The wire against a scripted gateway: raw messages where the shape on the wire matters, rmcp's own client where a whole
//! session does.

mod asking;
mod calls;
mod client;
#[cfg(feature = "sqlite")]
mod granted;
mod http;
#[cfg(feature = "sqlite")]
mod parallel;
mod parts;
#[cfg(feature = "sqlite")]
mod spelling;
mod strays;
mod twice;
#[cfg(feature = "sqlite")]
mod waiting;
#[cfg(feature = "sqlite")]
mod world;

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mollyguard_record::model::{Answer, Assurance, Because, Channel, Need, Principal};
use mollyguard_tools::contract::{Audience, Condition, Declaration, Reversibility, Scope, Timestamp, now};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Calls, Seal, StdioError, Timing, Wire, serve_streams};
use crate::registry::UnknownTool;
use crate::reply::{About, Answered, Delivery, Question, ReasonCode, Receipt, Refusal, Reply, Request, Stage};

/// Longer than anything here takes; only a test that fails waits for it.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A gateway that does what the tool's name says.
#[derive(Default)]
struct Fake {
    declarations: Vec<Declaration>,
    /// What came, in order.
    seen: Mutex<Vec<Seen>>,
    /// The question last asked.
    asked: Mutex<Option<Uuid>>,
    /// How long questions live.
    life: Option<Duration>,
    /// Told when `hang` or `stages` runs, and when `hang` was cancelled.
    hanging: Notify,
    cancelled: Notify,
    /// Told when a question is answered elsewhere.
    elsewhere: Notify,
    /// How many malformed calls were to be written down.
    malformed: AtomicUsize,
    /// `stages` goes on one stage a permit.
    go_on: Notify,
}

#[derive(Clone, Debug)]
struct Seen {
    args: Value,
    principal: Principal,
    channel: Option<Channel>,
    answered: Option<Answered>,
}

impl Fake {
    fn new() -> Self {
        let declarations = vec![
            declaration("ok", Reversibility::ReadOnly),
            declaration("refuse", Reversibility::Reversible),
            declaration("ask", Reversibility::Irreversible),
            declaration("ask_ack", Reversibility::Compensable),
            declaration("ask_always", Reversibility::Irreversible),
            declaration("hang", Reversibility::Reversible),
            declaration("stages", Reversibility::Reversible),
        ];
        Self { declarations, ..Self::default() }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn answers(&self) -> Vec<Answered> {
        self.seen().into_iter().filter_map(|seen| seen.answered).collect()
    }

    fn ask(&self, request: &Request, assurance: Assurance) -> Reply {
        let id = Uuid::now_v7();
        *self.asked.lock().unwrap() = Some(id);
        let life = self.life.unwrap_or(Duration::from_secs(300));
        Reply::Ask(Box::new(Question {
            confirmation: id,
            need: Need::of(assurance, 1),
            typed_name: "orders".to_owned(),
            text: "Drop the table orders?".to_owned(),
            facts: None,
            expires_at: later(life),
            put: if request.channel.is_some() { Delivery::Form } else { Delivery::Elsewhere },
            page: None,
            is_new: true,
            alternative: None,
            about: about("confirm", Reversibility::Irreversible),
        }))
    }

    fn settle(&self, answered: &Answered) -> Reply {
        let is_asked = self.asked.lock().unwrap().take() == Some(answered.confirmation);
        let code = match &answered.answer {
            _ if !is_asked => ReasonCode::ConfirmationInvalid,
            None => return receipt(json!({})),
            Some(Answer::Accept { typed: Some(typed) }) if typed == "orders" || typed == "approve" => {
                return receipt(json!({}));
            }
            Some(Answer::Accept { typed: Some(word) }) if word == "decline" => ReasonCode::ConfirmationDeclined,
            Some(Answer::Accept { .. }) => ReasonCode::ConfirmationMismatch,
            Some(Answer::Decline) => ReasonCode::ConfirmationDeclined,
            Some(Answer::Cancel) => ReasonCode::ConfirmationCancelled,
            Some(Answer::Timeout) => ReasonCode::ConfirmationExpired,
            Some(Answer::Failed) => ReasonCode::ConfirmationRequired,
        };
        refusal(code)
    }

    async fn stages(&self, request: &Request) -> Reply {
        self.hanging.notify_one();
        for stage in [Stage::Deciding, Stage::Executing] {
            self.go_on.notified().await;
            request.stage.send_replace(stage);
        }
        self.go_on.notified().await;
        receipt(json!({}))
    }
}

#[async_trait]
impl Calls for Fake {
    async fn call(&self, request: Request) -> Result<Reply, UnknownTool> {
        self.seen.lock().unwrap().push(Seen {
            args: Value::clone(&request.args),
            principal: request.principal.clone(),
            channel: request.channel,
            answered: request.answered.clone(),
        });
        Ok(match (request.tool.as_str(), &request.answered) {
            ("ok", _) => receipt(json!({"echo": *request.args})),
            ("refuse", _) => refusal(ReasonCode::Denied),
            ("ask", None) | ("ask_always", _) => self.ask(&request, Assurance::Typed),
            ("ask_ack", None) => self.ask(&request, Assurance::Acknowledged),
            ("ask" | "ask_ack", Some(answered)) => self.settle(answered),
            ("hang", _) => {
                self.hanging.notify_one();
                request.cancel.cancelled().await;
                self.cancelled.notify_one();
                refusal(ReasonCode::Unavailable)
            }
            ("stages", _) => self.stages(&request).await,
            ("panic", _) => panic!("on purpose"),
            _ => return Err(UnknownTool { name: request.tool, nearest: Some("ok".to_owned()) }),
        })
    }

    fn listing(&self) -> Vec<&Declaration> {
        self.declarations.iter().collect()
    }

    fn declaration(&self, name: &str) -> Option<&Declaration> {
        self.declarations.iter().find(|declaration| declaration.name == name)
    }

    async fn malformed(&self, _: &Principal) {
        self.malformed.fetch_add(1, Ordering::SeqCst);
    }

    async fn answered(&self, _: Uuid) {
        self.elsewhere.notified().await;
    }
}

/// Both hold the one fake: the server, and the test that looks at it.
#[async_trait]
impl Calls for Arc<Fake> {
    async fn call(&self, request: Request) -> Result<Reply, UnknownTool> {
        self.as_ref().call(request).await
    }

    fn listing(&self) -> Vec<&Declaration> {
        self.as_ref().listing()
    }

    fn declaration(&self, name: &str) -> Option<&Declaration> {
        self.as_ref().declaration(name)
    }

    async fn malformed(&self, principal: &Principal) {
        self.as_ref().malformed(principal).await;
    }

    async fn answered(&self, confirmation: Uuid) {
        self.as_ref().answered(confirmation).await;
    }
}

fn declaration(name: &'static str, reversibility: Reversibility) -> Declaration {
    Declaration {
        name: Cow::Borrowed(name),
        kind: "fake".into(),
        title: "A tool".into(),
        description: "Does what its name says.".into(),
        reversibility,
        softened_by: vec![Condition {
            name: "prior_state_fits_journal".into(),
            to: Reversibility::Reversible,
            means: "The prior state fits.".into(),
        }],
        scope: Scope::Resource,
        idempotent: false,
        open_world: false,
        credential: Some("a connection URL".into()),
        audience: Audience::Agents,
        input_schema: json!({"type": "object", "properties": {"target": {"type": "string"}}}),
        output_schema: json!({"type": "object", "properties": {"echo": {}}}),
    }
}

fn about(decision: &'static str, reversibility: Reversibility) -> About {
    About { decision, ..About::unseen(Uuid::nil(), reversibility) }
}

fn receipt(output: Value) -> Reply {
    Reply::Done(Box::new(Receipt { output, about: about("allow", Reversibility::ReadOnly) }))
}

fn refusal(code: ReasonCode) -> Reply {
    let mut refusal = Refusal::new(code, "no", "Do something else.", about("deny", Reversibility::Reversible));
    refusal.because = vec![Because { policy: "p".to_owned(), reason: "r".to_owned() }];
    Reply::Refused(Box::new(refusal))
}

fn later(life: Duration) -> Timestamp {
    now().checked_add(life).unwrap()
}

fn principal(user: &str) -> Principal {
    Principal { user: user.to_owned(), client: None, roles: vec!["dev".to_owned()] }
}

fn wire(fake: &Arc<Fake>) -> Wire {
    let timing = Timing { progress_after: Duration::ZERO, ..Timing::default() };
    Wire { calls: Arc::new(Arc::clone(fake)), seal: Seal::new(&[7; 32]).unwrap(), timing }
}

/// A client that writes and reads raw messages.
struct Raw {
    input: BufReader<ReadHalf<DuplexStream>>,
    output: WriteHalf<DuplexStream>,
    server: JoinHandle<Result<(), StdioError>>,
    leave: CancellationToken,
    next: u64,
}

impl Raw {
    fn new(wire: Wire) -> Self {
        let (ours, theirs) = duplex(1 << 20);
        let (input, output) = split(theirs);
        let leave = CancellationToken::new();
        let server = tokio::spawn(serve_streams(wire, principal("alice"), input, output, leave.clone()));
        let (input, output) = split(ours);
        Self { input: BufReader::new(input), output, server, leave, next: 0 }
    }

    /// A client of an older revision, past its handshake.
    async fn older(wire: Wire, version: &str, capabilities: Value) -> Self {
        let mut raw = Self::new(wire);
        let info = json!({"name": "raw", "version": "1"});
        let params = json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": info});
        let reply = raw.ask("initialize", params).await;
        assert_eq!(reply["result"]["protocolVersion"], version);
        raw.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        raw
    }

    async fn send(&mut self, message: &Value) {
        self.line(&message.to_string()).await;
    }

    async fn line(&mut self, line: &str) {
        self.output.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn receive(&mut self) -> Value {
        let mut line = String::new();
        timeout(TIMEOUT, self.input.read_line(&mut line)).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a message: {line:?}"))
    }

    /// Sends a request; its id comes back.
    async fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params})).await;
        self.next
    }

    /// Sends a request and returns the reply, which must be the next message.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        let reply = self.receive().await;
        assert_eq!(reply["id"], id, "{reply}");
        reply
    }

    /// Closes the client's end of the input, and waits for the server to leave.
    async fn hang_up(mut self) {
        self.output.shutdown().await.unwrap();
        timeout(TIMEOUT, self.server).await.unwrap().unwrap().unwrap();
    }
}

/// The parameters of a call under 2026-07-28 by a client that can show forms.
fn newest(tool: &str, args: &Value) -> Value {
    newest_with(tool, args, &json!({"elicitation": {}}))
}

fn newest_with(tool: &str, args: &Value, capabilities: &Value) -> Value {
    json!({"name": tool, "arguments": args, "_meta": meta(capabilities)})
}

fn meta(capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

fn code(reply: &Value) -> &str {
    reply["result"]["structuredContent"]["reason_code"].as_str().unwrap_or_else(|| panic!("no refusal: {reply}"))
}
