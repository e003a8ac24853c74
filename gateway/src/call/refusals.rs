//! Refusals that no step of a call has written down itself: of calls that name no tool, do not fit its arguments, or may not
//! begin. Each is a record, but only so many of one user a minute: an agent that repeats a mistake does not fill the record,
//! which says how many were left out.

use std::time::Instant;

use mollyguard_record::audit::{AuditEvent, Subject};
use mollyguard_record::model::Principal;
use mollyguard_record::store::StoreError;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::reply::{Refusal, Request};

/// How much of the name of a tool that nobody knows is kept.
const NAME_CHARS: usize = 128;

impl Gateway {
    /// Writes a refusal down, and hands it on.
    pub(crate) async fn on_record(&self, subject: Subject, refusal: Refusal) -> Box<Refusal> {
        let (reason_code, because) = (refusal.reason_code.as_str().to_owned(), refusal.because.clone());
        let written = self.write_down(subject, AuditEvent::Denied { reason_code, because, left_out: 0 }).await;
        Box::new(refusal.written(written))
    }

    /// Writes down a refusal that is not on record yet, so that every one is.
    pub(crate) async fn conclude(&self, request: &Request, refusal: Box<Refusal>) -> Box<Refusal> {
        if refusal.is_recorded {
            return refusal;
        }
        let mut subject = self.subject_unseen(refusal.about.id, &request.principal, &request.tool, &request.args);
        subject.targets.clone_from(&refusal.about.targets);
        crate::reply::redact_targets(&mut subject.targets, self.broker.redactor());
        let written = self.note(subject, refusal.reason_code.as_str()).await;
        Box::new(refusal.written(written))
    }

    /// Writes down that a call named a tool nobody knows.
    pub(crate) async fn unknown(&self, request: &Request) {
        let name = self.broker.redactor().text(&request.tool).into_owned();
        let name: String = crate::confirm::clean(&name).chars().take(NAME_CHARS).collect();
        let subject = self.subject_unseen(Uuid::now_v7(), &request.principal, &name, &request.args);
        let _logged = self.note(subject, "unknown_tool").await;
    }

    /// Writes down that something was to call a tool and was malformed. Nothing of what it held is kept.
    pub(crate) async fn malformed(&self, principal: &Principal) {
        let principal = Some(self.redacted_principal(principal));
        let call = Some(Uuid::now_v7());
        let subject = Subject { call, principal, tool: None, targets: Vec::new(), arguments: None };
        let _logged = self.note(subject, "malformed").await;
    }

    /// Writes down that a call was turned away before it was looked into.
    pub(crate) async fn turned_away(&self, principal: &Principal, refusal: Refusal, tool: &str) -> Refusal {
        let subject = self.subject_unseen(refusal.about.id, principal, tool, &serde_json::Value::Null);
        let subject = Subject { arguments: None, ..subject };
        let written = self.note(subject, refusal.reason_code.as_str()).await;
        refusal.written(written)
    }

    async fn note(&self, subject: Subject, reason_code: &str) -> Result<(), StoreError> {
        let Some(left_out) = self.refusals.take(&subject, reason_code, Instant::now()) else { return Ok(()) };
        let reason_code = reason_code.to_owned();
        self.write_down(subject, AuditEvent::Denied { reason_code, because: Vec::new(), left_out }).await
    }

    /// Writes down how many refusals were left out and not told of since.
    pub(crate) async fn account_for_refusals(&self) {
        for (subject, reason_code, left_out) in self.refusals.owed() {
            let event = AuditEvent::Denied { reason_code, because: Vec::new(), left_out };
            let _logged = self.write_down(subject, event).await;
        }
    }

    /// The one place where refusals are written down.
    async fn write_down(&self, subject: Subject, event: AuditEvent) -> Result<(), StoreError> {
        let call = subject.call;
        let written = self.store.record(subject, event).await;
        written.inspect_err(|error| tracing::error!(?call, %error, "a refusal could not be recorded"))
    }
}
