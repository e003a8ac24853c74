//! The gateway's own tools: looking ahead, looking back, taking back. `undo_call` is not answered here: the journal turns
//! it into a call of another tool, which goes the ordinary way.

use std::borrow::Cow;
use std::sync::Arc;

use mollyguard_record::audit::{AuditEvent, Subject};
use mollyguard_record::model::{Approval, Confirmation, Standing, strength};
use mollyguard_record::store::{CallFilter, StoredCall};
use mollyguard_tools::contract::{Audience, Declaration, Reversibility, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::approval;
use crate::gateway::Gateway;
use crate::reply::{About, ReasonCode, Receipt, Refusal, Reply, Request, Under};

/// One of the gateway's own tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// `preview_call`.
    Preview,
    /// `list_calls`.
    Calls,
    /// `undo_call`.
    Undo,
    /// `confirmation_status`.
    Confirmation,
}

/// Arguments of `preview_call`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewArgs {
    /// The tool that would be called.
    pub tool: String,
    /// The arguments it would be called with.
    pub arguments: serde_json::Map<String, Value>,
}

/// Arguments of `list_calls`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallsArgs {
    /// Only calls on this target.
    pub target: Option<String>,
    /// Only calls that can still be undone.
    pub undoable: bool,
    /// At most this many, newest first; 20 unless told, at most 100.
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<u32>,
}

/// Arguments of `undo_call`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoArgs {
    /// The id of the call to take back, as its result or `list_calls` told it.
    pub call_id: Uuid,
}

/// Arguments of `confirmation_status`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmationArgs {
    /// The id of the confirmation, as the refused call told it.
    pub confirmation_id: Uuid,
}

impl Own {
    /// All of them, in the order they are listed.
    pub const ALL: [Self; 4] = [Self::Preview, Self::Calls, Self::Undo, Self::Confirmation];

    /// What it promises.
    #[must_use]
    pub fn declaration(self) -> Declaration {
        match self {
            Self::Preview => declaration::<PreviewArgs>(
                "preview_call",
                "Preview a call",
                "What a call would do if it were made now: the targets it resolves to, how much it would touch, how far it \
                 could be taken back, the reversible way to the same end, and what policy would say. Nothing runs.",
                json!({"type": "object", "required": ["decision", "summary", "targets", "reversibility"]}),
            ),
            Self::Calls => declaration::<CallsArgs>(
                "list_calls",
                "List calls",
                "Your calls that changed or may have changed something, newest first, with how each ended and whether it \
                 can still be undone.",
                json!({"type": "object", "required": ["calls"], "properties": {"calls": {"type": "array"}}}),
            ),
            Self::Undo => Declaration {
                // At its worst it overwrites what came after; the journal's own call says what it really is.
                reversibility: Reversibility::Irreversible,
                ..declaration::<UndoArgs>(
                    "undo_call",
                    "Undo a call",
                    "Takes a call back by its id. The undo is a call like any other: looked at, decided, recorded, and \
                     itself undoable. Refused when the target has changed since.",
                    json!({"type": "object"}),
                )
            },
            Self::Confirmation => declaration::<ConfirmationArgs>(
                "confirmation_status",
                "Status of a confirmation",
                "Whether a question has been answered yet, who has said yes so far, how many more must, and which approval \
                 for a while covers such a call by now. It cannot answer it.",
                json!({"type": "object", "required": ["confirmation_id", "state"]}),
            ),
        }
    }
}

fn declaration<A: JsonSchema>(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    output_schema: Value,
) -> Declaration {
    Declaration {
        name: Cow::Borrowed(name),
        kind: Cow::Borrowed("gateway"),
        title: Cow::Borrowed(title),
        description: Cow::Borrowed(description),
        reversibility: Reversibility::ReadOnly,
        softened_by: Vec::new(),
        scope: Scope::Resource,
        idempotent: true,
        open_world: false,
        credential: None,
        audience: Audience::Agents,
        input_schema: mollyguard_tools::contract::schema_of::<A>(),
        output_schema,
    }
}

/// Answers `list_calls` and `confirmation_status`, and records that it did.
pub(crate) async fn answer(gateway: &Arc<Gateway>, own: Own, request: &Request) -> Result<Reply, Box<Refusal>> {
    let call = Uuid::now_v7();
    let about = || About::unseen(call, Reversibility::ReadOnly);
    let output = match own {
        Own::Calls => calls(gateway, request, about()).await?,
        Own::Confirmation => confirmation(gateway, request, about()).await?,
        Own::Preview | Own::Undo => Err(Refusal::new(ReasonCode::Untouched, "not answered here", "Call it.", about()))?,
    };
    let subject = Subject {
        call: Some(call),
        principal: Some(request.principal.clone()),
        tool: Some(request.tool.clone()),
        targets: Vec::new(),
        arguments: Some(gateway.args_key.digest(&request.args)),
    };
    let event = AuditEvent::Read { policies: Vec::new(), failed: None };
    gateway.store.record(subject, event).await.map_err(|error| Refusal::of_store(&error, about()))?;
    Ok(Reply::Done(Box::new(Receipt { output, about: About { decision: "allow", ..about() } })))
}

fn parsed<T: for<'de> Deserialize<'de>>(args: &Value, about: About) -> Result<T, Box<Refusal>> {
    T::deserialize(args).map_err(|error| {
        Box::new(Refusal::new(ReasonCode::InvalidArguments, error.to_string(), "Correct the arguments.", about))
    })
}

/// A call as agents see it.
#[derive(Serialize)]
struct Line {
    call_id: Uuid,
    tool: String,
    targets: Vec<String>,
    summary: String,
    reversibility: Reversibility,
    started_at: String,
    ended: &'static str,
    note: Option<String>,
    undoable: bool,
    undone_by: Option<Uuid>,
    undoes: Option<Uuid>,
}

/// How a stored call ended, in a word: `running` covers calls cut off that recovery has not settled yet.
#[must_use]
pub fn ended(call: &StoredCall) -> &'static str {
    use mollyguard_record::audit::End;
    match call.end {
        None => "running",
        Some(End::Succeeded) => "succeeded",
        Some(End::Untouched) => "untouched",
        Some(End::Uncertain) => "uncertain",
    }
}

async fn calls(gateway: &Gateway, request: &Request, about: About) -> Result<Value, Box<Refusal>> {
    let args: CallsArgs = parsed(&request.args, about.clone())?;
    let filter = CallFilter {
        user: Some(request.principal.user.clone()),
        target: args.target,
        undoable: args.undoable,
        limit: args.limit.unwrap_or(20).min(100),
        before: None,
    };
    let found = gateway.store.calls(filter).await.map_err(|error| Refusal::of_store(&error, about))?;
    let lines: Vec<_> = found
        .into_iter()
        .map(|call| Line {
            call_id: call.id,
            ended: ended(&call),
            undoable: call.is_undoable(),
            targets: call.preflight.targets.iter().map(|target| target.path.clone()).collect(),
            summary: call.preflight.summary,
            tool: call.tool,
            reversibility: call.reversibility,
            started_at: call.started_at.to_string(),
            note: call.note,
            undone_by: call.undone_by,
            undoes: call.undoes,
        })
        .collect();
    Ok(json!({"calls": lines}))
}

async fn confirmation(gateway: &Gateway, request: &Request, about: About) -> Result<Value, Box<Refusal>> {
    let args: ConfirmationArgs = parsed(&request.args, about.clone())?;
    let found = gateway.store.confirmation(args.confirmation_id).await;
    let found = found.map_err(|error| Refusal::of_store(&error, about.clone()))?;
    let Some((confirmation, standing)) = found.filter(|(it, _)| it.principal.is_same_person(&request.principal)) else {
        let message = format!("there is no confirmation `{}` of yours", args.confirmation_id);
        return Err(Box::new(Refusal::new(ReasonCode::Untouched, message, "Call the tool again to be asked.", about)));
    };
    let expired = confirmation.expires_at <= mollyguard_tools::contract::now();
    let (state, approvals) = match &standing {
        Standing::Spent { .. } => ("spent", None),
        Standing::Refused { .. } => ("refused", None),
        Standing::Open { approvals, .. } | Standing::Approved { approvals } if expired => ("expired", Some(approvals)),
        Standing::Open { approvals, .. } => ("open", Some(approvals)),
        Standing::Approved { approvals } => ("approved", Some(approvals)),
    };
    let mut status = json!({
        "confirmation_id": confirmation.id, "state": state, "tool": confirmation.tool,
        "need": confirmation.need, "expires_at": confirmation.expires_at,
    });
    if let Some(approvals) = approvals {
        let yes = |yes: &Approval| json!({"by": yes.approver, "assurance": yes.assurance, "at": yes.at});
        status["approved_by"] = approvals.iter().map(yes).collect();
        status["more_needed"] = more_needed(&confirmation, approvals).into();
    }
    if let Standing::Refused { how, by, at } = &standing {
        status["refused"] = json!({"how": how, "by": by, "at": at});
    }
    let grant = approval::covering_question(gateway, &confirmation).await;
    if let Some(grant) = grant.map_err(|error| Refusal::of_store(&error, about.clone()))? {
        status["grant"] = json!(Under::from(&grant));
    }
    if let Some(page) = gateway.page_of(confirmation.id).filter(|_| state == "open") {
        status["page"] = page.into();
    }
    Ok(status)
}

/// How many more people must say yes.
fn more_needed(confirmation: &Confirmation, approvals: &[Approval]) -> u32 {
    let need = &confirmation.need;
    let (people, others) = strength(approvals, &confirmation.principal).map_or((0, 0), |it| (it.approvers, it.others));
    need.approvers.saturating_sub(people).max(need.others.saturating_sub(others))
}
