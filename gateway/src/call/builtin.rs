//! Answers of the gateway's own tools that look back. `preview_call` is in `preview`; `undo_call` is turned into a call of
//! another tool, which goes the ordinary way.

use std::sync::Arc;

use mollyguard_record::audit::AuditEvent;
use mollyguard_record::model::{Approval, Confirmation, ConfirmationState, strength};
use mollyguard_record::store::{CallFilter, StoredCall};
use mollyguard_tools::contract::Reversibility;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::approval;
use super::context::subject;
use crate::gateway::Gateway;
use crate::registry::{BuiltinTool, CallsArgs, ConfirmationArgs};
use crate::reply::{About, ReasonCode, Receipt, Refusal, Reply, Request, Under};
use crate::retention;

/// Answers `list_calls` and `confirmation_status`, and records that it did.
pub(crate) async fn answer(gateway: &Arc<Gateway>, own: BuiltinTool, request: &Request) -> Result<Reply, Box<Refusal>> {
    let call = Uuid::now_v7();
    let about = || About::unseen(call, Reversibility::ReadOnly);
    let output = match own {
        BuiltinTool::Calls => calls(gateway, request, about()).await?,
        BuiltinTool::Confirmation => confirmation(gateway, request, about()).await?,
        BuiltinTool::Preview | BuiltinTool::Undo => {
            Err(Refusal::new(ReasonCode::Untouched, "not answered here", "Call it.", about()))?
        }
    };
    let subject = subject(gateway, call, &request.principal, (&request.tool, &request.args), &[]);
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
    /// Until when, at the latest, where that is known to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    undo_until: Option<String>,
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
            undo_until: retention::of_call(gateway, &call)
                .filter(|_| call.is_undoable())
                .map(|until| until.to_string()),
            targets: call.preflight.targets.iter().map(|target| target.path.to_string()).collect(),
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
        ConfirmationState::Spent { .. } => ("spent", None),
        ConfirmationState::Refused { .. } => ("refused", None),
        ConfirmationState::Open { approvals, .. } | ConfirmationState::Approved { approvals } if expired => {
            ("expired", Some(approvals))
        }
        ConfirmationState::Open { approvals, .. } => ("open", Some(approvals)),
        ConfirmationState::Approved { approvals } => ("approved", Some(approvals)),
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
    if let ConfirmationState::Refused { how, by, at } = &standing {
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
