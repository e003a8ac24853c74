//! Putting the gateway's question to a person through the client, in both eras, and reading the answer. What an answer is
//! worth is not decided here.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, ElicitationSchema, EnumSchema, InputRequest, InputRequests, InputRequiredResult,
    PrimitiveSchemaDefinition, ProtocolVersion, ServerRequest, StringSchema,
};
use rmcp::service::{PeerRequestOptions, RequestContext, RequestHandle, RoleServer, ServiceError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::seal::{Bound, Seal, SealError, Sealed, left};
use crate::confirm::{Answer, Assurance, Channel, quoted};
use crate::reply::{Answered, Question};

/// The one input request of an `input_required` result.
const CONFIRM: &str = "confirm";
/// The form's field where a name is typed.
const NAME: &str = "name";
/// The form's field where one of two words is chosen.
const DECISION: &str = "decision";
/// How long telling a client to close its dialog may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Whether the request was made under 2026-07-28 or newer.
pub(super) fn is_newest(ctx: &RequestContext<RoleServer>) -> bool {
    ctx.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// How this client can be asked: only ever in a way it declared.
pub(super) fn channel(ctx: &RequestContext<RoleServer>) -> Option<Channel> {
    if is_newest(ctx) {
        let declared = ctx.client_capabilities()?.elicitation?;
        return has_forms(&declared).then_some(Channel::InputRequired);
    }
    // What a request says of its own capabilities counts only in 2026-07-28; elicitation is there since 2025-06-18.
    let declared = ctx.peer.peer_info()?;
    let is_asked = ctx.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2025_06_18);
    (is_asked && declared.capabilities.elicitation.as_ref().is_some_and(has_forms)).then_some(Channel::Elicitation)
}

/// A bare `{}` means forms, as it did before there were modes.
fn has_forms(declared: &ElicitationCapability) -> bool {
    declared.form.is_some() || declared.url.is_none()
}

/// The question as an `input_required` result.
pub(super) fn input_required(
    question: &Question,
    bound: &Bound<'_>,
    seal: &Seal,
) -> Result<InputRequiredResult, SealError> {
    let (field, form) = form(question);
    let sealed = Sealed { confirmation: question.confirmation, field: field.to_owned(), until: question.expires_at };
    let state = seal.close(&sealed, bound)?;
    let ask = InputRequest::Elicitation(ElicitRequest::new(form));
    Ok(InputRequiredResult::new(Some(InputRequests::from([(CONFIRM.to_owned(), ask)])), Some(state)))
}

/// The answer a repeated call brings along; `None` where the call is a first one.
///
/// Whatever is wrong with the seal, the answer becomes one to a question that was never asked, which the gateway refuses.
pub(super) fn brought(
    params: &CallToolRequestParams,
    bound: &Bound<'_>,
    channel: Option<Channel>,
    seal: &Seal,
) -> Option<Answered> {
    if params.request_state.is_none() && params.input_responses.is_none() {
        return None;
    }
    let opened = match (channel, &params.request_state) {
        (Some(Channel::InputRequired), Some(state)) => seal.open(state, bound),
        _ => None,
    };
    let Some(sealed) = opened else {
        return Some(Answered { confirmation: Uuid::nil(), answer: Answer::Failed });
    };
    let response = params.input_responses.as_ref().and_then(|responses| responses.get(CONFIRM));
    let answer = match response.map(|response| serde_json::from_value::<ElicitResult>(response.clone())) {
        Some(Ok(result)) => read(&result, &sealed.field),
        Some(Err(_)) | None => Answer::Failed,
    };
    Some(Answered { confirmation: sealed.confirmation, answer })
}

/// How asking while the call is open ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Elicited {
    /// With an answer, or with what counts as one.
    Answered(Answer),
    /// The call, or its client, is gone; the question is closed without an answer.
    Gone,
    /// The call is not held any longer, though the question is still open.
    Held,
}

/// Asks while the call is open.
///
/// Not through rmcp's convenience call: dropping that leaves the dialog open in the client. And not from another task: a
/// task-local of rmcp ties the question to the call's own stream.
pub(super) async fn elicit(
    ctx: &RequestContext<RoleServer>,
    question: &Question,
    hold: Option<Duration>,
    gone: &CancellationToken,
) -> Elicited {
    let (field, form) = form(question);
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(form));
    let left = left(question.expires_at);
    let wait = hold.map_or(left, |hold| hold.min(left));
    let Ok(mut asked) = ctx.peer.send_request_with_option(request, PeerRequestOptions::no_options()).await else {
        return Elicited::Answered(Answer::Failed);
    };
    // Biased: an answer that comes with the cancellation or after the deadline is late.
    let (ended, why) = tokio::select! {
        biased;
        () = gone.cancelled() => return Elicited::Gone,
        () = ctx.ct.cancelled() => (Elicited::Gone, "the call was cancelled"),
        () = sleep(wait) => {
            let ended = if wait < left { Elicited::Held } else { Elicited::Answered(Answer::Timeout) };
            (ended, "nobody answered in time")
        }
        answer = &mut asked.rx => return Elicited::Answered(match answer {
            Ok(Ok(ClientResult::ElicitResult(result))) => read(&result, field),
            Ok(Ok(_) | Err(ServiceError::McpError(_))) => Answer::Failed,
            Ok(Err(_)) | Err(_) => return Elicited::Gone,
        }),
    };
    close(asked, why, gone).await;
    ended
}

/// Has the client close its dialog. While the connection closes nobody sends this any more, so it is not waited for.
async fn close(asked: RequestHandle<RoleServer>, why: &str, gone: &CancellationToken) {
    tokio::select! {
        () = gone.cancelled() => {}
        _ = timeout(CLOSING, asked.cancel(Some(why.to_owned()))) => {}
    }
}

/// The form: exactly one required field, never a default, never empty. Some clients accept an empty form by themselves,
/// others hang on one; titled enums render badly, so the words are plain.
fn form(question: &Question) -> (&'static str, ElicitRequestParams) {
    let (field, definition) = if question.need.assurance >= Assurance::Typed {
        let title = format!("Type {} to approve", quoted(&question.typed_name));
        (NAME, PrimitiveSchemaDefinition::String(StringSchema::new().title(title)))
    } else {
        let words = vec!["decline".to_owned(), "approve".to_owned()];
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
