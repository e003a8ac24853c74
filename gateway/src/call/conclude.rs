//! The end of every call: a refusal is put on record, and no held secret leaves. Refusals that are about a call and what it would
//! do are all written down; of those that name no tool, do not fit its arguments or may not begin, only so many of one user a
//! minute: an agent that repeats a mistake does not fill the record, which says how many were left out.

use std::time::Instant;

use mollyguard_record::audit::{AuditEvent, Subject};
use mollyguard_record::model::Principal;
use mollyguard_record::store::StoreError;
use mollyguard_tools::failpoint;
use serde_json::Value;
use uuid::Uuid;

use super::context::subject;
use crate::confirm::clean;
use crate::gateway::Gateway;
use crate::limits::Refusals;
use crate::registry::UnknownTool;
use crate::reply::{OnRecord, Refusal, Reply, Request, redacted_principal};

/// How much of the name of a tool that nobody knows is kept.
const NAME_CHARS: usize = 128;

/// What a call comes to, on record and without held secrets.
pub(super) async fn conclude(gateway: &Gateway, request: &Request, done: Result<Reply, Box<Refusal>>) -> Reply {
    let reply = match done {
        Ok(reply) => reply,
        Err(refusal) => Reply::Refused(Box::new(on_record(gateway, request, *refusal).await)),
    };
    let redactor = gateway.broker.redactor();
    let reply = if redactor.is_idle() { reply } else { reply.redacted(redactor) };
    match &reply {
        Reply::Ask(_) => failpoint::reach("asking"),
        _ => failpoint::reach("replying"),
    }
    reply
}

/// Writes down a refusal that is not on record yet, so that every one is.
pub(super) async fn on_record(gateway: &Gateway, request: &Request, mut refusal: Refusal) -> Refusal {
    let reason_code = refusal.reason_code.as_str();
    let written = match std::mem::replace(&mut refusal.on_record, OnRecord::Done) {
        OnRecord::Done => return refusal,
        OnRecord::Always(subject) => {
            let (reason_code, because) = (reason_code.to_owned(), refusal.because.clone());
            Refusals::write_down(&*gateway.store, *subject, AuditEvent::Denied { reason_code, because, left_out: 0 })
                .await
        }
        OnRecord::Counted => {
            let (id, what) = (refusal.about.id, (&*request.tool, &*request.args));
            let subject = subject(gateway, id, &request.principal, what, &refusal.about.targets);
            note(gateway, subject, reason_code).await
        }
    };
    refusal.written(written)
}

/// Writes down that a call named a tool nobody knows; what its client is told.
pub(super) async fn unknown(gateway: &Gateway, request: &Request, tool: UnknownTool) -> UnknownTool {
    let redactor = gateway.broker.redactor();
    let name: String = clean(&redactor.text(&request.tool)).chars().take(NAME_CHARS).collect();
    let subject = subject(gateway, Uuid::now_v7(), &request.principal, (&name, &request.args), &[]);
    let _logged = note(gateway, subject, "unknown_tool").await;
    UnknownTool { name: redactor.text(&tool.name).into_owned(), ..tool }
}

/// Writes down that something was to call a tool and was malformed. Nothing of what it held is kept.
pub(crate) async fn malformed(gateway: &Gateway, principal: &Principal) {
    let principal = Some(redacted_principal(principal, gateway.broker.redactor()));
    let call = Some(Uuid::now_v7());
    let subject = Subject { call, principal, tool: None, targets: Vec::new(), arguments: None };
    let _logged = note(gateway, subject, "malformed").await;
}

/// Writes down that a call was turned away before it was looked into.
pub(crate) async fn turned_away(gateway: &Gateway, principal: &Principal, refusal: Refusal, tool: &str) -> Refusal {
    let subject = subject(gateway, refusal.about.id, principal, (tool, &Value::Null), &[]);
    let subject = Subject { arguments: None, ..subject };
    let written = note(gateway, subject, refusal.reason_code.as_str()).await;
    refusal.written(written)
}

async fn note(gateway: &Gateway, subject: Subject, reason_code: &str) -> Result<(), StoreError> {
    let Some(left_out) = gateway.refusals.take(&subject, reason_code, Instant::now()) else { return Ok(()) };
    let event = AuditEvent::Denied { reason_code: reason_code.to_owned(), because: Vec::new(), left_out };
    Refusals::write_down(&*gateway.store, subject, event).await
}
