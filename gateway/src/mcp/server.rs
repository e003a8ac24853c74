//! The one MCP server behind both transports: two eras, only tools.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use mollyguard_record::model::{Answer, Channel, Principal};
use mollyguard_tools::contract::Reversibility;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest, CustomResult, Implementation,
    ListToolsResult, MetaObject, PaginatedRequestParams, RequestMetaObject, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData, ServerHandler};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::confirm::{self, Opened, Reach, Waited};
use super::dialogs::{Dialog, Dialogs};
use super::listing::Listing;
use super::message::CALL;
use super::progress::{self, Seen};
use super::room::{OPEN_CALLS, OPEN_CALLS_EACH, Room};
use super::seal::Bound;
use super::{Wire, error};
use crate::limits;
use crate::registry::UnknownTool;
use crate::reply::{About, Answered, Delivery, Question, ReasonCode, Receipt, Refusal, Reply, Request};

/// Where a result carries what the gateway saw and decided.
const META: &str = "dev.mollyguard/call";

/// Told to every agent.
const INSTRUCTIONS: &str = "Mollyguard runs infrastructure tools whose reversibility is declared: see \
`dev.mollyguard/declaration` in each tool's `_meta`. It looks at the real target before it acts, and asks a person before \
what cannot be taken back; you cannot answer for them. Unsure what a call would do? `preview_call` shows its targets, its \
reach and the decision, and runs nothing. A refusal says what happened, that nothing changed, and what would help: follow \
its `next`, and prefer its `alternative`, the reversible way to the same end. With `confirmation_required`, tell the user \
what waits for them and repeat the identical call once they have answered; never look for another way round. A result \
carries the call's id: `undo_call` takes it back where it can be. Never repeat a call that ended `uncertain`: look at the \
target and at `list_calls` first.";

/// Who calls.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Always this principal: whoever holds the other end of the pipe.
    Fixed(Principal),
    /// The principal that the authenticating layer put into the HTTP request.
    Authenticated,
}

/// The server. Cloning it is cheap, and all clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Parts>);

struct Parts {
    wire: Wire,
    caller: Caller,
    listing: Arc<Listing>,
    room: Arc<Room>,
    opened: Opened,
    dialogs: Arc<Dialogs>,
    running: TaskTracker,
    gone: CancellationToken,
}

/// One call as it came, with what is known of its caller.
struct Incoming {
    tool: String,
    args: Arc<Value>,
    principal: Principal,
    reach: Reach,
}

impl Incoming {
    fn bound(&self) -> Bound<'_> {
        Bound { principal: &self.principal, tool: &self.tool, args: &self.args }
    }
}

impl Server {
    /// A server for these callers. `gone` is cancelled when no client can be asked any more.
    pub(super) fn new(wire: Wire, caller: Caller, gone: CancellationToken) -> Self {
        let listing = Arc::new(Listing::new(&wire.calls.listing()));
        let (room, dialogs, running) = (Arc::default(), Arc::default(), TaskTracker::new());
        Self(Arc::new(Parts { wire, caller, listing, room, opened: Opened::default(), dialogs, running, gone }))
    }

    /// A server for one connection of this principal, which shares with all others made from `self` the room for open calls,
    /// and what is shown.
    pub(super) fn for_connection(&self, principal: Principal, gone: CancellationToken) -> Self {
        let Parts { wire, listing, room, dialogs, running, .. } = &*self.0;
        Self(Arc::new(Parts {
            wire: wire.clone(),
            caller: Caller::Fixed(principal),
            listing: Arc::clone(listing),
            room: Arc::clone(room),
            opened: Opened::default(),
            dialogs: Arc::clone(dialogs),
            running: running.clone(),
            gone,
        }))
    }

    /// Returns once no call is open.
    pub(super) async fn finished(&self) {
        self.0.running.close();
        self.0.running.wait().await;
    }

    /// Writes down that a message of the caller was to call a tool and could not be read.
    pub(super) async fn malformed(&self) {
        if let Caller::Fixed(principal) = &self.0.caller {
            self.0.wire.calls.malformed(principal).await;
        }
    }

    fn principal(&self, ctx: &RequestContext<RoleServer>) -> Result<Principal, ErrorData> {
        let mut principal = match &self.0.caller {
            Caller::Fixed(principal) => principal.clone(),
            Caller::Authenticated => {
                let request = ctx.extensions.get::<http::request::Parts>();
                request.and_then(|request| request.extensions.get::<Principal>()).cloned().ok_or_else(error::nobody)?
            }
        };
        principal.client = ctx.client_info().map(|info| error::echo(&format!("{} {}", info.name, info.version)));
        Ok(principal)
    }

    /// The gateway's reply. rmcp would let a client wait for ever for a call that panicked.
    async fn call(&self, request: Request) -> Result<Reply, UnknownTool> {
        let declared = self.0.wire.calls.declaration(&request.tool).map(|declaration| declaration.reversibility);
        let mut call = self.0.wire.calls.call(request);
        // Nothing of a call that panicked is polled, or looked at, again.
        let reply = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        });
        reply.await.unwrap_or_else(|| {
            tracing::error!("a call ended in a defect of the gateway");
            let refusal = Refusal::new(
                ReasonCode::Uncertain,
                "the gateway failed while it worked on this call",
                "Do not repeat it. Look at the target to see what happened; `list_calls` shows what was written down.",
                About::unseen(Uuid::now_v7(), declared.unwrap_or(Reversibility::Irreversible)),
            );
            Ok(Reply::Refused(Box::new(refusal)))
        })
    }

    /// The call, and the end of each dialog it showed. Only once it is over: until its answer is written down a question is
    /// open, and another call would show it again.
    async fn answer(
        &self,
        incoming: &Incoming,
        answered: Option<Answered>,
        seen: &Seen,
        ctx: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut shows = Vec::new();
        let response = self.ask(incoming, answered, seen, ctx, &mut shows).await;
        for dialog in shows {
            self.over(dialog).await;
        }
        response
    }

    /// The end of a dialog: in the store first. Whoever shows the question here after that says so there anew.
    async fn over(&self, dialog: Dialog<'_>) {
        self.0.wire.calls.shown_no_more(dialog.confirmation()).await;
    }

    /// Whether this call is the one here that shows the question; then its dialog is among `shows`.
    async fn opens<'a>(&'a self, question: &Question, shows: &mut Vec<Dialog<'a>>) -> bool {
        let Parts { wire, opened, dialogs, .. } = &*self.0;
        if !confirm::is_shown(question, opened) {
            return false;
        }
        let dialog = dialogs.open(question.confirmation, Instant::now());
        let is_open = dialog.is_some();
        // A new question counts as shown since it was asked, and nobody here shows it.
        if !is_open && question.is_new {
            wire.calls.shown_no_more(question.confirmation).await;
        }
        shows.extend(dialog);
        is_open
    }

    /// The call; and where a person must answer first, the question, the waiting, and the call again.
    async fn ask<'a>(
        &'a self,
        incoming: &Incoming,
        mut answered: Option<Answered>,
        seen: &Seen,
        ctx: &RequestContext<RoleServer>,
        shows: &mut Vec<Dialog<'a>>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Parts { wire, opened, gone, .. } = &*self.0;
        let mut cancel = ctx.ct.clone();
        let mut has_waited = false;
        loop {
            let request = Request {
                tool: incoming.tool.clone(),
                args: Arc::clone(&incoming.args),
                principal: incoming.principal.clone(),
                channel: incoming.reach.form,
                page: incoming.reach.page,
                answered: answered.take(),
                stage: seen.stage.clone(),
                cancel: cancel.clone(),
                by_owner: false,
                retention: None,
            };
            let reply = self.call(request).await.map_err(|unknown| error::unknown_tool(&unknown))?;
            let question = match reply {
                Reply::Done(receipt) => return Ok(done(*receipt).into()),
                Reply::Refused(refusal) => return Ok(refused(&refusal).into()),
                Reply::Ask(question) => question,
            };
            // Where another call shows it, this one waits for the same answer.
            let mut is_here = self.opens(&question, shows).await;
            let is_newest = confirm::is_newest(ctx);
            // A second question within one call means that what was approved changed meanwhile. It is not put again on the
            // spot: the agent should look first.
            let goes_on = |shows| (is_newest && shows) || (!has_waited && self.waits(&question, incoming, shows));
            if is_here && goes_on(true) {
                let channel = incoming.reach.form.or(incoming.reach.page).unwrap_or(Channel::InputRequired);
                match wire.calls.shown(&question, channel).await {
                    Ok(true) => {}
                    Ok(false) => {
                        is_here = false;
                        shows.pop();
                    }
                    Err(flood) => return Ok(refused(&flood).into()),
                }
            }
            if !goes_on(is_here) {
                return Ok(refused(&Refusal::pending(*question)).into());
            }
            if is_newest
                && is_here
                && let Some(asks) = self.ask_to_repeat(&question, incoming)?
            {
                shows.pop().into_iter().for_each(|dialog| dialog.hand_out(Instant::now()));
                return Ok(asks);
            }
            has_waited = true;
            seen.asking.send_replace(Some(waiting_for(&question)));
            let settled = wire.calls.answered(question.confirmation);
            let here = is_here.then_some(opened);
            let waited = Box::pin(confirm::put(ctx, &question, here, settled, &wire.timing, gone)).await;
            seen.asking.send_replace(None);
            let answer = match waited {
                Waited::Answered(answer) => Some(answer),
                Waited::Settled => None,
                Waited::Gone if question.put == Delivery::Form && is_here => {
                    // So that the question is written down as closed although the call itself is cancelled.
                    cancel = CancellationToken::new();
                    Some(Answer::Cancel)
                }
                // It can still be answered where it was put, for whoever makes the same call again.
                Waited::Held | Waited::Gone => return Ok(refused(&Refusal::pending(*question)).into()),
            };
            answered = Some(Answered { confirmation: question.confirmation, answer });
        }
    }

    /// Whether the call is held for an answer. Where nobody was told of a new question, the agent tells them first.
    fn waits(&self, question: &Question, incoming: &Incoming, is_shown: bool) -> bool {
        match question.put {
            Delivery::Form if is_shown => true,
            _ if self.0.wire.timing.wait.is_zero() => false,
            Delivery::Form | Delivery::Page => true,
            Delivery::Elsewhere => incoming.reach.form.is_some() || !question.is_new,
        }
    }

    /// The question as a result; the client repeats the call with the answer. None where there is nothing to show: then the
    /// answer is only waited for.
    fn ask_to_repeat(&self, question: &Question, incoming: &Incoming) -> Result<Option<CallToolResponse>, ErrorData> {
        let result = confirm::input_required(question, &incoming.bound(), &self.0.wire.seal);
        let result = result.map_err(|_| error::unsealed())?;
        Ok(result.map(|result| result.with_meta(meta(&question.about)).into()))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("mollyguard", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        ctx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(self.0.listing.page(confirm::is_newest(&ctx)))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.listing.get(name).cloned()
    }

    async fn call_tool(
        &self,
        mut params: CallToolRequestParams,
        ctx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _running = self.0.running.token();
        let principal = self.principal(&ctx)?;
        let weight = weight(&params, &ctx.meta);
        let args = Arc::new(Value::Object(params.arguments.take().unwrap_or_default()));
        let Some(_place) = self.0.room.take(&principal.user, weight) else {
            return self.too_many(&principal, &params.name).await;
        };
        let incoming = Incoming { tool: params.name.clone().into_owned(), args, principal, reach: Reach::of(&ctx) };
        let attached = || confirm::attached_answer(&params, &incoming.bound(), incoming.reach, &self.0.wire.seal);
        let answered = confirm::comes_again(&params).then(attached);
        let confirmation = answered.as_ref().map(|answered| answered.confirmation);
        if let Some(Answered { confirmation, answer: None }) = answered {
            self.0.opened.add(confirmation);
        }
        let seen = Seen::new();
        // Boxed, since rmcp moves the whole of a call that has not begun, more than once.
        let work = Box::pin(self.answer(&incoming, answered, &seen, &ctx));
        let response = match ctx.meta.get_progress_token() {
            Some(token) => Box::pin(progress::during(work, &seen, &ctx.peer, token, &self.0.wire.timing)).await,
            None => work.await,
        };
        if let Some(dialog) = confirmation.and_then(|confirmation| self.0.dialogs.take_back(confirmation)) {
            self.over(dialog).await;
        }
        response
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        ctx: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if request.method == CALL {
            self.0.wire.calls.malformed(&self.principal(&ctx)?).await;
        }
        Err(error::unreadable(&request.method, confirm::is_newest(&ctx)))
    }
}

impl Server {
    /// The refusal of a call there is no room for.
    async fn too_many(&self, principal: &Principal, name: &str) -> Result<CallToolResponse, ErrorData> {
        let Some(declaration) = self.0.wire.calls.declaration(name) else {
            self.0.wire.calls.malformed(principal).await;
            return Err(error::unknown_tool(&UnknownTool { name: name.to_owned(), nearest: None }));
        };
        let refusal = Refusal::new(
            ReasonCode::Unavailable,
            format!(
                "{OPEN_CALLS_EACH} of your calls, or {OPEN_CALLS} of everybody's, are open already, or their arguments are \
                 too large together"
            ),
            "Wait until some of them are over, then call again.",
            About::unseen(Uuid::now_v7(), declaration.reversibility),
        );
        let refusal = self.0.wire.calls.turned_away(principal, refusal, name).await;
        Ok(refused(&refusal).into())
    }
}

/// About how many bytes a call takes in memory: all that its client wrote.
fn weight(params: &CallToolRequestParams, meta: &RequestMetaObject) -> usize {
    let texts = params.name.len() + params.request_state.as_ref().map_or(0, String::len);
    let metas = params.meta.iter().chain([meta]).map(|meta| limits::weight_of(meta.0.0.iter())).sum::<usize>();
    let args = params.arguments.as_ref().map_or(0, |args| limits::weight_of(args.iter()));
    let responses = params.input_responses.as_ref().map_or(0, |responses| limits::weight_of(responses.iter()));
    size_of::<Value>() + texts + metas + args + responses
}

/// The result of a call that ran.
fn done(receipt: Receipt) -> CallToolResult {
    let mut result =
        CallToolResult::success(vec![ContentBlock::text(serde_json::to_string(&receipt.output).unwrap_or_default())]);
    result.structured_content = Some(receipt.output);
    result.with_meta(Some(meta(&receipt.about)))
}

/// The result of a call that did not run, or of which nobody knows.
fn refused(refusal: &Refusal) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(refusal.text())]);
    result.structured_content = serde_json::to_value(refusal).ok();
    result.with_meta(Some(meta(&refusal.about)))
}

/// What a waiting call says of itself. A client that cannot show the page may show this.
fn waiting_for(question: &Question) -> String {
    match &question.page {
        Some(page) if question.put != Delivery::Form => format!("waiting for a person, who answers at {page}"),
        _ => "waiting for a person".to_owned(),
    }
}

fn meta(about: &About) -> MetaObject {
    let mut meta = MetaObject::new();
    meta.insert(META.to_owned(), serde_json::to_value(about).unwrap_or_default());
    meta
}
