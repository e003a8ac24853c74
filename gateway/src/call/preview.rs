//! `preview_call`: steps 2 to 6 of a call, and nothing after them.

use std::sync::Arc;

use mollyguard_record::audit::AuditEvent;
use mollyguard_record::model::{Grant, Need};
use mollyguard_tools::contract::Preflight;
use serde_json::{Value, json};
use uuid::Uuid;

use super::approval;
use super::plan::Errand;
use crate::gateway::Gateway;
use crate::policy::{Decision, Facts};
use crate::registry::{Entry, Own, PreviewArgs};
use crate::reply::{About, ReasonCode, Receipt, Refusal, Reply, Request, Under};

/// Looks, decides, and tells both.
pub(crate) async fn preview(gateway: &Arc<Gateway>, request: &Request) -> Result<Reply, Box<Refusal>> {
    let args: PreviewArgs = serde_json::from_value(request.args.clone())
        .map_err(|error| Refusal::of_arguments(&request.tool, &[error.to_string()]))?;
    let inner = inner(request, &args);
    let errand = errand(gateway, &inner).await?;
    let id = Uuid::now_v7();
    gateway.could_allow(id, &inner, &errand).await?;
    let seen = gateway.look(id, &inner, &errand).await?;
    let declaration = &errand.tool.declaration;
    let reversibility = seen.settle(declaration);
    let decide = |approval| gateway.policies.decide(&Facts::seen(id, &inner.principal, declaration, &seen, approval));
    let decision = decide(None);
    let grant = match &decision {
        Decision::Confirm { need, .. } => covering(gateway, &inner, &errand, &seen, need).await?,
        _ => None,
    };
    // What an approval for a while covers asks nobody, unless policy still says otherwise.
    let grant = grant.filter(|grant| matches!(decide(Some(grant.strength)), Decision::Allow(_)));
    let (word, need, because) = match decision {
        Decision::Allow(permit) => ("allow", None, gateway.policies.words(permit.policies())),
        Decision::Confirm { need, because } => {
            (if grant.is_some() { "granted" } else { "confirm" }, Some(need), because)
        }
        Decision::Deny { because } => ("deny", None, because),
    };
    let mut output = json!({
        "decision": word,
        "need": need,
        "because": because,
        "summary": seen.summary,
        "targets": seen.targets,
        "blast_radius": seen.blast_radius,
        "reversibility": reversibility,
        "destroys_recovery": seen.destroys_recovery,
        "evidence": seen.evidence,
        "alternative": seen.alternative.as_ref().map(crate::reply::way_of),
    });
    if let Some(grant) = &grant {
        output["grant"] = json!(Under::from(grant));
    }
    let about = About { policies: because, ..About::seen(id, "allow", reversibility, &seen) };
    let subject = gateway.subject(id, &request.principal, &request.tool, &request.args, &seen);
    let event = AuditEvent::Read { policies: Vec::new(), failed: None };
    gateway.store.record(subject, event).await.map_err(|error| Refusal::of_store(&error, about.clone()))?;
    Ok(Reply::Done(Box::new(Receipt { output, about })))
}

/// The approval for a while that covers the call, where it would be asked about.
async fn covering(
    gateway: &Gateway,
    inner: &Request,
    errand: &Errand,
    seen: &Preflight,
    need: &Need,
) -> Result<Option<Grant>, Box<Refusal>> {
    let declaration = &errand.tool.declaration;
    let facts = gateway.call_facts(&inner.principal, errand, seen);
    let reversibility = seen.settle(declaration);
    let found = approval::covering(gateway, &facts, seen, reversibility, need).await;
    found.map_err(|error| Box::new(Refusal::of_store(&error, About::unseen(Uuid::now_v7(), reversibility))))
}

/// The call that is looked at, made by the same principal.
fn inner(request: &Request, args: &PreviewArgs) -> Request {
    Request {
        tool: args.tool.clone(),
        args: Value::Object(args.arguments.clone()),
        principal: request.principal.clone(),
        channel: None,
        page: None,
        answered: None,
        stage: request.stage.clone(),
        cancel: request.cancel.clone(),
        by_owner: request.by_owner,
    }
}

async fn errand(gateway: &Gateway, inner: &Request) -> Result<Errand, Box<Refusal>> {
    let wrong = |message: String| Refusal::of_arguments("preview_call", &[message]);
    let entry = gateway.registry.find(&inner.tool).map_err(|unknown| wrong(format!("/tool: {unknown}")))?;
    gateway.registry.check(&entry, &inner.args).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(|error| format!("/arguments{error}")).collect();
        Refusal::of_arguments("preview_call", &errors)
    })?;
    match entry {
        Entry::Native(tool) => Ok(Errand::ordinary(tool, &inner.args)),
        Entry::Own(Own::Undo) => gateway.undo(inner).await,
        Entry::Own(_) => Err(Box::new(Refusal::new(
            ReasonCode::InvalidArguments,
            format!("`{}` changes nothing, so there is nothing to preview", inner.tool),
            "Call it.",
            About::unseen(Uuid::now_v7(), mollyguard_tools::contract::Reversibility::ReadOnly),
        ))),
    }
}
