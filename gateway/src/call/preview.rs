//! `preview_call`: the way of a call as far as the decision, and telling what was found.

use std::sync::Arc;

use mollyguard_record::audit::AuditEvent;
use mollyguard_tools::contract::{Preflight, Reversibility};
use serde::Deserialize as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::approval::{Approved, Basis};
use super::context::{CallContext, subject};
use super::decide::by_policy;
use super::plan::{self, CallPlan};
use crate::gateway::Gateway;
use crate::policy::Decision;
use crate::registry::{BuiltinTool, Entry, PreviewArgs};
use crate::reply::{About, ReasonCode, Receipt, Refusal, Reply, Request, way_of};

/// The call that is looked at, made by the same principal.
pub(super) async fn plan(gateway: &Arc<Gateway>, request: &Request) -> Result<(Request, CallPlan), Box<Refusal>> {
    let args = PreviewArgs::deserialize(&*request.args)
        .map_err(|error| Refusal::of_arguments(&request.tool, &[error.to_string()]))?;
    let previewed = Request {
        tool: args.tool,
        args: Arc::new(Value::Object(args.arguments)),
        principal: request.principal.clone(),
        channel: None,
        page: None,
        answered: None,
        stage: request.stage.clone(),
        cancel: request.cancel.clone(),
        by_owner: request.by_owner,
        retention: None,
    };
    let wrong = |message: String| Refusal::of_arguments("preview_call", &[message]);
    let entry = gateway.registry.find(&previewed.tool).map_err(|unknown| wrong(format!("/tool: {unknown}")))?;
    gateway.registry.check(&entry, &previewed.args).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(|error| format!("/arguments{error}")).collect();
        Refusal::of_arguments("preview_call", &errors)
    })?;
    let plan = match entry {
        Entry::Native(tool) => CallPlan::ordinary(tool, &previewed.args),
        Entry::Builtin(BuiltinTool::Undo) => plan::undo(gateway, &previewed).await?,
        Entry::Builtin(_) => {
            let message = format!("`{}` changes nothing, so there is nothing to preview", previewed.tool);
            let about = About::unseen(Uuid::now_v7(), Reversibility::ReadOnly);
            return Err(Box::new(Refusal::new(ReasonCode::InvalidArguments, message, "Call it.", about)));
        }
    };
    Ok((previewed, plan))
}

/// What a look found and what policy says of it. `request` is the preview itself; an approval for a while asks nobody, unless
/// policy still says otherwise.
pub(super) async fn answer(
    cx: &CallContext,
    request: &Request,
    seen: &Preflight,
    decision: Decision,
    approval: Option<Approved>,
) -> Result<Reply, Box<Refusal>> {
    let grant = approval.and_then(|approval| match approval.basis {
        Basis::Grant(under) => Some(under),
        Basis::Confirmation(_) => None,
    });
    // What is asked for where no approval for a while covers it is told as well.
    let unapproved = if grant.is_some() { by_policy(cx, seen, None) } else { decision };
    let (word, need, because) = match unapproved {
        Decision::Allow(permit) => ("allow", None, cx.gateway.policies.words(permit.policies())),
        Decision::Confirm { need, because } => {
            (if grant.is_some() { "granted" } else { "confirm" }, Some(need), because)
        }
        Decision::Deny { because } => ("deny", None, because),
    };
    let mut about = cx.seen("allow", seen);
    let mut output = json!({
        "decision": word,
        "need": need,
        "because": because,
        "summary": seen.summary,
        "targets": seen.targets,
        "blast_radius": seen.blast_radius,
        "reversibility": about.reversibility,
        "destroys_recovery": seen.destroys_recovery,
        "evidence": seen.evidence,
        "alternative": seen.alternative.as_ref().map(way_of),
    });
    if let Some(grant) = &grant {
        output["grant"] = json!(grant);
    }
    about.policies = because;
    let subject = subject(&cx.gateway, cx.id, &request.principal, (&request.tool, &request.args), &seen.targets);
    let event = AuditEvent::Read { policies: Vec::new(), failed: None };
    cx.gateway.store.record(subject, event).await.map_err(|error| Refusal::of_store(&error, about.clone()))?;
    Ok(Reply::Done(Box::new(Receipt { output, about })))
}
