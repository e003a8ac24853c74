//! Putting the gateway's question to a person, in both eras: through a form in the client, by sending them to a page, or not
//! through the client at all; and waiting for what becomes of it. What an answer is worth is not decided here.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mollyguard_record::model::{Answer, Channel};
use mollyguard_tools::text::quoted;
use rmcp::model::{
    CallToolRequestParams, ClientResult, CustomNotification, ElicitRequest, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationSchema, EnumSchema, InputRequest, InputRequests, InputRequiredResult,
    PrimitiveSchemaDefinition, ProtocolVersion, ServerNotification, ServerRequest, StringSchema,
};
use rmcp::service::{PeerRequestOptions, RequestContext, RequestHandle, RoleServer, ServiceError};
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Timing;
use super::seal::{Bound, Seal, SealError, Sealed, left};
use crate::confirm::{APPROVE, DECLINE, is_typed};
use crate::reply::{Answered, Delivery, Question};

/// The one input request of an `input_required` result.
const CONFIRM: &str = "confirm";
/// The form's field where a name is typed.
const NAME: &str = "name";
/// The form's field where one of two words is chosen.
const DECISION: &str = "decision";
/// How long telling a client something about its dialog may take.
const CLOSING: Duration = Duration::from_secs(1);
/// How many pages that were opened are remembered.
const OPENED: usize = 1024;

/// Whether the request was made under 2026-07-28 or newer.
pub(super) fn is_newest(ctx: &RequestContext<RoleServer>) -> bool {
    ctx.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// How a client can be asked: only ever in a way it declared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reach {
    /// With a form.
    pub(super) form: Option<Channel>,
    /// By sending the person to a page.
    pub(super) page: Option<Channel>,
}

impl Reach {
    /// The reach of the client behind a request.
    pub(super) fn of(ctx: &RequestContext<RoleServer>) -> Self {
        // What a request says of its own capabilities counts only in 2026-07-28; elicitation is there since 2025-06-18, and
        // pages since 2025-11-25.
        let version = ctx.protocol_version();
        let since = |first: ProtocolVersion| version.as_ref().is_some_and(|version| *version >= first);
        let (channel, declared) = if since(ProtocolVersion::V_2026_07_28) {
            (Channel::InputRequired, ctx.client_capabilities().and_then(|declared| declared.elicitation))
        } else {
            let info = ctx.peer.peer_info();
            (Channel::Elicitation, info.and_then(|info| info.capabilities.elicitation.clone()))
        };
        let Some(declared) = declared else { return Self::default() };
        // A bare `{}` means forms, as it did before there were modes.
        let has_forms = declared.form.is_some() || declared.url.is_none();
        let form = has_forms && since(ProtocolVersion::V_2025_06_18);
        let page = declared.url.is_some() && since(ProtocolVersion::V_2025_11_25);
        Self { form: form.then_some(channel), page: page.then_some(channel) }
    }

    fn is_asked_by_results(self) -> bool {
        self.form.or(self.page) == Some(Channel::InputRequired)
    }
}

/// The questions whose page was opened through this server: they are waited for, and not shown again.
#[derive(Debug, Default)]
pub(super) struct Opened(Mutex<VecDeque<Uuid>>);

impl Opened {
    pub(super) fn add(&self, confirmation: Uuid) {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !opened.contains(&confirmation) {
            if opened.len() >= OPENED {
                opened.pop_front();
            }
            opened.push_back(confirmation);
        }
    }

    pub(super) fn has(&self, confirmation: Uuid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&confirmation)
    }
}

/// The question as an `input_required` result; `None` where this client cannot be shown it.
pub(super) fn input_required(
    question: &Question,
    bound: &Bound<'_>,
    seal: &Seal,
) -> Result<Option<InputRequiredResult>, SealError> {
    let Some(Dialog { field, params }) = dialog(question) else { return Ok(None) };
    let field = field.map(ToOwned::to_owned);
    let sealed = Sealed { confirmation: question.confirmation, field, until: question.expires_at };
    let state = seal.close(&sealed, bound)?;
    let ask = InputRequest::Elicitation(ElicitRequest::new(params));
    Ok(Some(InputRequiredResult::new(Some(InputRequests::from([(CONFIRM.to_owned(), ask)])), Some(state))))
}

/// Whether a call repeats another: it brings an answer along.
pub(super) fn comes_again(params: &CallToolRequestParams) -> bool {
    params.request_state.is_some() || params.input_responses.is_some()
}

/// The answer a repeated call brings along.
///
/// Whatever is wrong with the seal, the answer becomes one to a question that was never asked, which the gateway refuses.
pub(super) fn attached_answer(
    params: &CallToolRequestParams,
    bound: &Bound<'_>,
    reach: Reach,
    seal: &Seal,
) -> Answered {
    let state = params.request_state.as_ref().filter(|_| reach.is_asked_by_results());
    let Some(sealed) = state.and_then(|state| seal.open(state, bound)) else {
        return Answered { confirmation: Uuid::nil(), answer: Some(Answer::Failed) };
    };
    let response = params.input_responses.as_ref().and_then(|responses| responses.get(CONFIRM));
    let result = response.and_then(|response| serde_json::from_value::<ElicitResult>(response.clone()).ok());
    let answer = match (sealed.field, result) {
        (Some(field), Some(result)) => Some(read(&result, &field)),
        (Some(_), None) => Some(Answer::Failed),
        (None, result) => result.and_then(|result| declined(&result)),
    };
    Answered { confirmation: sealed.confirmation, answer }
}

/// How waiting for a person ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// With an answer in the client, or with what counts as one.
    Answered(Answer),
    /// The question is not open any more: it was answered elsewhere, or its time is over.
    Settled,
    /// The call, or its client, is gone.
    Gone,
    /// The call waits no longer, though the question is still open.
    Held,
}

/// Whether this client is shown something for a question: a page that was opened is not shown again.
pub(super) fn is_shown(question: &Question, opened: &Opened) -> bool {
    match question.put {
        Delivery::Form => true,
        Delivery::Page => question.page.is_some() && !opened.has(question.confirmation),
        Delivery::Elsewhere => false,
    }
}

/// Puts the question while the call is open, if it is this call that shows it, and waits.
///
/// Not through rmcp's convenience call: dropping that leaves the dialog open in the client. And not from another task: a
/// task-local of rmcp ties the question to the call's own stream.
pub(super) async fn put(
    ctx: &RequestContext<RoleServer>,
    question: &Question,
    shows: Option<&Opened>,
    settled: impl Future<Output = ()>,
    timing: &Timing,
    gone: &CancellationToken,
) -> Waited {
    let (left, begun) = (left(question.expires_at), Instant::now());
    let is_form = question.put == Delivery::Form && shows.is_some();
    let wait = if is_form { timing.hold.map_or(left, |hold| hold.min(left)) } else { timing.wait.min(left) };
    let shown = dialog(question).filter(|_| shows.is_some());
    let (field, mut asked) = match shown {
        None => (None, None),
        Some(Dialog { field, params }) => {
            let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
            match ctx.peer.send_request_with_option(request, PeerRequestOptions::no_options()).await {
                Ok(asked) => (field, Some(asked)),
                Err(_) if is_form => return Waited::Answered(Answer::Failed),
                Err(_) => (field, None),
            }
        }
    };
    let mut settled = pin!(settled);
    let (waited, why) = loop {
        // Biased: an answer that comes with the cancellation or after the deadline is late.
        let answer = tokio::select! {
            biased;
            () = gone.cancelled() => return Waited::Gone,
            () = ctx.ct.cancelled() => break (Waited::Gone, "the call was cancelled"),
            () = sleep_until(begun + wait) => {
                let late = if is_form { Waited::Answered(Answer::Timeout) } else { Waited::Settled };
                break (if wait < left { Waited::Held } else { late }, "nobody answered in time");
            }
            () = &mut settled => break (Waited::Settled, "it was answered elsewhere"),
            answer = answer_of(&mut asked) => answer,
        };
        asked = None;
        match (answer, field) {
            (Ok(Ok(ClientResult::ElicitResult(result))), Some(field)) => return Waited::Answered(read(&result, field)),
            (Ok(Ok(_) | Err(ServiceError::McpError(_))), Some(_)) => return Waited::Answered(Answer::Failed),
            (Ok(Ok(ClientResult::ElicitResult(result))), None) => match declined(&result) {
                Some(no) => return Waited::Answered(no),
                // Opened, which is no answer: that comes from the page.
                None => shows.iter().for_each(|opened| opened.add(question.confirmation)),
            },
            // The page could not be shown here, but it can still be answered there.
            (Ok(Ok(_) | Err(ServiceError::McpError(_))), None) => {}
            (Ok(Err(_)) | Err(_), _) => return Waited::Gone,
        }
    };
    if let Some(asked) = asked {
        close(asked, why, gone).await;
    }
    if waited == Waited::Settled && question.put == Delivery::Page && !is_newest(ctx) {
        complete(ctx, question.confirmation, gone).await;
    }
    waited
}

type Asked = RequestHandle<RoleServer>;

/// The client's answer, if it was asked at all.
async fn answer_of(
    asked: &mut Option<Asked>,
) -> Result<Result<ClientResult, ServiceError>, tokio::sync::oneshot::error::RecvError> {
    match asked {
        Some(asked) => (&mut asked.rx).await,
        None => std::future::pending().await,
    }
}

/// Has the client close its dialog. While the connection closes nobody sends this any more, so it is not waited for.
async fn close(asked: Asked, why: &str, gone: &CancellationToken) {
    tokio::select! {
        () = gone.cancelled() => {}
        _ = timeout(CLOSING, asked.cancel(Some(why.to_owned()))) => {}
    }
}

/// Tells the client that what it sent the person to a page for is done (2025-11-25, elicitation, URL mode).
async fn complete(ctx: &RequestContext<RoleServer>, confirmation: Uuid, gone: &CancellationToken) {
    let params = json!({"elicitationId": confirmation});
    let done = CustomNotification::new("notifications/elicitation/complete", Some(params));
    tokio::select! {
        () = gone.cancelled() => {}
        _ = timeout(CLOSING, ctx.peer.send_notification(ServerNotification::CustomNotification(done))) => {}
    }
}

/// What a client shows for a question.
struct Dialog {
    /// The form's one field; `None` for a page.
    field: Option<&'static str>,
    params: ElicitRequestParams,
}

/// The dialog for a question, if it goes through the client. The words are the same whichever it is.
fn dialog(question: &Question) -> Option<Dialog> {
    match (question.put, &question.page) {
        (Delivery::Form, _) => {
            let (field, params) = form(question);
            Some(Dialog { field: Some(field), params })
        }
        (Delivery::Page, Some(page)) => {
            let params = ElicitRequestParams::UrlElicitationParams {
                meta: None,
                message: question.text.clone(),
                url: page.clone(),
                elicitation_id: question.confirmation.to_string(),
            };
            Some(Dialog { field: None, params })
        }
        (Delivery::Page, None) | (Delivery::Elsewhere, _) => None,
    }
}

/// The form: exactly one required field, never a default, never empty. Some clients accept an empty form by themselves,
/// others hang on one; titled enums render badly, so the words are plain.
fn form(question: &Question) -> (&'static str, ElicitRequestParams) {
    let (field, definition) = if is_typed(&question.need) {
        let title = format!("Type {} to approve", quoted(&question.typed_name));
        (NAME, PrimitiveSchemaDefinition::String(StringSchema::new().title(title)))
    } else {
        let words = vec![DECLINE.to_owned(), APPROVE.to_owned()];
        let definition = EnumSchema::builder(words).title("Decline or approve").build();
        (DECISION, PrimitiveSchemaDefinition::Enum(definition))
    };
    let properties = [(field.to_owned(), definition)].into();
    let form = ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: question.text.clone(),
        requested_schema: ElicitationSchema::new(properties).with_required(vec![field.to_owned()]),
    };
    (field, form)
}

/// What a client's result says. An accept of anything but the one field the form has comes from no form of ours: it stays
/// an accept of nothing, which the gateway refuses.
fn read(result: &ElicitResult, field: &str) -> Answer {
    match result.action {
        ElicitationAction::Accept => {
            let filled = result.content.as_ref().and_then(|content| content.as_object());
            let value = filled.filter(|fields| fields.len() == 1).and_then(|fields| fields.get(field));
            Answer::Accept { typed: value.and_then(|value| value.as_str()).map(ToOwned::to_owned) }
        }
        ElicitationAction::Decline => Answer::Decline,
        ElicitationAction::Cancel => Answer::Cancel,
        _ => Answer::Failed,
    }
}

/// The no that a client's result for a page is, if it is one. An accept only says that the page was opened.
fn declined(result: &ElicitResult) -> Option<Answer> {
    match result.action {
        ElicitationAction::Decline => Some(Answer::Decline),
        ElicitationAction::Cancel => Some(Answer::Cancel),
        _ => None,
    }
}
