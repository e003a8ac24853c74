//! What a call is asked with and what it answers, before any wire format.

use mollyguard_tools::contract::{
    Alternative, BlastRadius, Cause, Evidence, Preflight, Reversibility, Target, Timestamp, ToolError, UndoPlan,
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::confirm::{Answer, Channel, Confirmation, Need};
use crate::credentials::Redactor;
use crate::identity::Principal;
use crate::journal::JournalError;
use crate::policy::Because;
use crate::store::StoreError;

/// One call as the wire hands it over.
#[derive(Debug)]
pub struct Request {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub args: Value,
    /// For whom.
    pub principal: Principal,
    /// How this client can be asked, if it can at all.
    pub channel: Option<Channel>,
    /// The answer to a question asked before, if one came along.
    pub answered: Option<Answered>,
    /// How far the call has come, for progress notifications.
    pub stage: watch::Sender<Stage>,
    /// Set when the client cancels or is gone. Heeded until the call is written down, never after.
    pub cancel: CancellationToken,
}

impl Request {
    /// A call with nobody watching it and no way to be asked.
    #[must_use]
    pub fn new(tool: impl Into<String>, args: Value, principal: Principal) -> Self {
        let (stage, _) = watch::channel(Stage::Looking);
        Self {
            tool: tool.into(),
            args,
            principal,
            channel: None,
            answered: None,
            stage,
            cancel: CancellationToken::new(),
        }
    }
}

/// The answer to a question asked before.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The confirmation it answers.
    pub confirmation: Uuid,
    /// The answer.
    pub answer: Answer,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Finding out what it would do.
    Looking,
    /// Asking policy.
    Deciding,
    /// Running, written down and detached from the client.
    Executing,
    /// Writing down how it ended.
    Recording,
}

impl Stage {
    /// A word for progress notifications.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Looking => "looking",
            Self::Deciding => "deciding",
            Self::Executing => "executing",
            Self::Recording => "recording",
        }
    }
}

/// What a call answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It ran.
    Done(Box<Receipt>),
    /// It did not run, or nobody knows; a result the model must read.
    Refused(Box<Refusal>),
    /// A person must be asked through the channel the request named. Nothing has changed.
    Ask(Box<Question>),
}

/// The tool is not known: JSON-RPC error -32602, as the protocol wants it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no tool `{name}`{}", .nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
pub struct UnknownTool {
    /// The name as it came.
    pub name: String,
    /// The known name nearest to it, if one is near.
    pub nearest: Option<String>,
}

/// A question to put to a person through the client. The same facts as its [`Confirmation`], which is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The confirmation.
    pub confirmation: Uuid,
    /// What policy asks for.
    pub need: Need,
    /// The name to type where `need.assurance` is typed or more; otherwise the field takes `approve` or `decline`.
    pub typed_name: String,
    /// The text to show, rendered by the gateway.
    pub text: String,
    /// After this an answer is worth nothing.
    pub expires_at: Timestamp,
    /// About the call, for `_meta`.
    pub about: About,
}

/// A call that ran.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The output, as the tool's output schema describes it; redacted.
    pub output: Value,
    /// About the call.
    pub about: About,
}

/// `_meta["dev.mollyguard/call"]`: what the gateway saw and decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct About {
    /// The call's id.
    pub id: Uuid,
    /// `allow`, `confirmed`, `confirm` or `deny`.
    pub decision: &'static str,
    /// The settled reversibility, once looked at; before that the declared one.
    pub reversibility: Reversibility,
    /// What it acts on.
    pub targets: Vec<Target>,
    /// How much it touches.
    pub blast_radius: Option<BlastRadius>,
    /// What was observed.
    pub evidence: Vec<Evidence>,
    /// The policies that had a say.
    pub policies: Vec<Because>,
    /// How to take it back: `{"tool": "undo_call", "arguments": {"call_id": …}, "until": …, "lossy": […]}`.
    pub undo: Option<UndoHint>,
}

/// How a caller takes a call back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UndoHint {
    /// Always `undo_call`.
    pub tool: &'static str,
    /// `{"call_id": …}`.
    pub arguments: Value,
    /// After this it cannot be taken back any more.
    pub until: Option<Timestamp>,
    /// What does not come back.
    pub lossy: Vec<String>,
}

impl UndoHint {
    /// The hint for a call with this plan.
    #[must_use]
    pub fn new(call: Uuid, plan: &UndoPlan) -> Self {
        Self {
            tool: "undo_call",
            arguments: serde_json::json!({"call_id": call}),
            until: plan.until,
            lossy: plan.lossy.clone(),
        }
    }
}

impl About {
    /// About a call that was looked at.
    #[must_use]
    pub fn seen(id: Uuid, decision: &'static str, reversibility: Reversibility, preflight: &Preflight) -> Self {
        Self {
            id,
            decision,
            reversibility,
            targets: preflight.targets.clone(),
            blast_radius: Some(preflight.blast_radius.clone()),
            evidence: preflight.evidence.clone(),
            policies: Vec::new(),
            undo: None,
        }
    }

    /// About a call that was not looked at.
    #[must_use]
    pub fn unseen(id: Uuid, reversibility: Reversibility) -> Self {
        Self {
            id,
            decision: "deny",
            reversibility,
            targets: Vec::new(),
            blast_radius: None,
            evidence: Vec::new(),
            policies: Vec::new(),
            undo: None,
        }
    }
}

/// Why a call was refused, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// Policy says no.
    Denied,
    /// A person must answer first, and this client cannot ask them.
    ConfirmationRequired,
    /// A person said no.
    ConfirmationDeclined,
    /// The question was closed without an answer.
    ConfirmationCancelled,
    /// What was typed is not what was asked for.
    ConfirmationMismatch,
    /// The answer came too late, or never.
    ConfirmationExpired,
    /// The approval was used already.
    ConfirmationSpent,
    /// The answer belongs to another call, another principal, or to nothing the gateway asked.
    ConfirmationInvalid,
    /// The target changed after it was looked at.
    TargetChanged,
    /// The arguments do not fit the tool's schema.
    InvalidArguments,
    /// The tool could not do it; nothing changed.
    Untouched,
    /// The target may have been changed.
    Uncertain,
    /// Something the call needs is not there: the store, the target, a free slot.
    Unavailable,
}

impl ReasonCode {
    /// As on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::ConfirmationRequired => "confirmation_required",
            Self::ConfirmationDeclined => "confirmation_declined",
            Self::ConfirmationCancelled => "confirmation_cancelled",
            Self::ConfirmationMismatch => "confirmation_mismatch",
            Self::ConfirmationExpired => "confirmation_expired",
            Self::ConfirmationSpent => "confirmation_spent",
            Self::ConfirmationInvalid => "confirmation_invalid",
            Self::TargetChanged => "target_changed",
            Self::InvalidArguments => "invalid_arguments",
            Self::Untouched => "untouched",
            Self::Uncertain => "uncertain",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Whether the world changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It did not.
    No,
    /// Nobody knows yet.
    Unknown,
}

impl Serialize for Changed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Unknown => serializer.serialize_str("unknown"),
        }
    }
}

/// A call that did not run, or of which nobody knows. Its serialised form is a refusal's `structuredContent`.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// Why, for programs.
    pub reason_code: ReasonCode,
    /// Whether the world changed.
    pub changed: Changed,
    /// What happened, for people and models.
    pub message: String,
    /// The policies that had a say.
    pub because: Vec<Because>,
    /// What would help.
    pub next: String,
    /// The pending question, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Pending>,
    /// The reversible way to the same end, where there is one: `{"tool", "arguments", "summary"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<Value>,
    /// About the call, for `_meta`.
    #[serde(skip)]
    pub about: About,
}

/// A question that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pending {
    /// The confirmation.
    pub id: Uuid,
    /// The question's text.
    pub question: String,
    /// What policy asks for.
    pub need: Need,
    /// After this an answer is worth nothing.
    pub expires_at: Timestamp,
}

impl From<&Confirmation> for Pending {
    fn from(confirmation: &Confirmation) -> Self {
        Self {
            id: confirmation.id,
            question: confirmation.text.clone(),
            need: confirmation.need,
            expires_at: confirmation.expires_at,
        }
    }
}

impl Refusal {
    /// A refusal that changed nothing.
    #[must_use]
    pub fn new(code: ReasonCode, message: impl Into<String>, next: impl Into<String>, about: About) -> Self {
        Self {
            reason_code: code,
            changed: if code == ReasonCode::Uncertain { Changed::Unknown } else { Changed::No },
            message: message.into(),
            because: Vec::new(),
            next: next.into(),
            confirmation: None,
            alternative: None,
            about,
        }
    }

    /// The refusal a tool's own error amounts to.
    #[must_use]
    pub fn of_tool(error: &ToolError, about: About) -> Self {
        match error {
            ToolError::Untouched { cause, reason, next } => {
                let (code, advice) = match cause {
                    Cause::Changed => (ReasonCode::TargetChanged, "Look again, then call again."),
                    Cause::Unavailable => (ReasonCode::Unavailable, "Try again later."),
                    Cause::NotFound => (ReasonCode::Untouched, "Look up what is there, then call again."),
                    Cause::Refused | Cause::Failed => (ReasonCode::Untouched, "Correct the call."),
                };
                Self::new(code, reason.clone(), next.clone().unwrap_or_else(|| advice.to_owned()), about)
            }
            ToolError::Uncertain { reason } => Self::new(
                ReasonCode::Uncertain,
                reason.clone(),
                "Do not repeat it. Look at the target to see what happened; `list_calls` shows how the gateway settles it.",
                about,
            ),
        }
    }

    /// The text a model reads: what happened, that nothing changed (or that it is unknown), which policy, what to do.
    #[must_use]
    pub fn text(&self) -> String {
        let changed = match self.changed {
            Changed::No => "Nothing was changed.",
            Changed::Unknown => "It is unknown whether anything was changed.",
        };
        let message = self.message.trim_end_matches('.');
        let mut text = format!("{}: {message}. {changed}", self.reason_code.as_str());
        for because in &self.because {
            text.push_str(&format!("\nPolicy {}: {}", because.policy, because.reason));
        }
        if let Some(pending) = &self.confirmation {
            text.push_str(&format!("\nConfirmation {} waits until {}.", pending.id, pending.expires_at));
        }
        text.push_str(&format!("\nNext: {}", self.next));
        text
    }
}

impl Refusal {
    /// Arguments that do not fit.
    #[must_use]
    pub(crate) fn of_arguments(tool: &str, errors: &[String]) -> Box<Self> {
        let about = About::unseen(Uuid::now_v7(), Reversibility::ReadOnly);
        let message = format!("the arguments of `{tool}` do not fit: {}", errors.join("; "));
        Box::new(Self::new(
            ReasonCode::InvalidArguments,
            message,
            "Correct the arguments; `tools/list` has the schema.",
            about,
        ))
    }

    /// The store said no before anything ran.
    #[must_use]
    pub(crate) fn of_store(error: &StoreError, about: About) -> Self {
        match error {
            StoreError::NotApproved(..) => Self::new(
                ReasonCode::ConfirmationSpent,
                error.to_string(),
                "Make the call again to be asked anew.",
                about,
            ),
            StoreError::AlreadyUndone(..) => {
                Self::new(ReasonCode::Untouched, error.to_string(), "Nothing more to do.", about)
            }
            _ => Self::new(
                ReasonCode::Unavailable,
                format!("nothing runs that cannot be written down, and {error}"),
                "Have a person look at the gateway's state directory, then try again.",
                about,
            ),
        }
    }

    /// It ran, but its end could not be written down.
    #[must_use]
    pub(crate) fn unrecorded(error: &StoreError, about: About) -> Self {
        tracing::error!(call = %about.id, %error, "a call ran and its end could not be recorded");
        let next =
            "Do not repeat it. Look at the target: the gateway settles the call by looking when its store is back.";
        Self::new(
            ReasonCode::Uncertain,
            format!("the call ran, but its end could not be written down: {error}"),
            next,
            about,
        )
    }

    /// The journal has no way back.
    #[must_use]
    pub(crate) fn of_journal(error: &JournalError, about: About) -> Self {
        let (code, next) = match error {
            JournalError::Store(_) => (ReasonCode::Unavailable, "Try again later."),
            JournalError::NotFound(_) => {
                (ReasonCode::Untouched, "`list_calls` shows your calls and which can be undone.")
            }
            _ => (ReasonCode::Untouched, "`list_calls` shows what can be undone."),
        };
        Self::new(code, error.to_string(), next, about)
    }

    /// The client cancelled before anything was written down.
    #[must_use]
    pub(crate) fn cancelled(about: About) -> Self {
        Self::new(ReasonCode::Untouched, "the client cancelled the call before it ran", "Nothing more to do.", about)
    }

    /// A part of the gateway broke while the call ran.
    #[must_use]
    pub(crate) fn lost(what: &str, about: About) -> Self {
        let next = "Do not repeat it. Look at the target, and have a person look at the gateway's log.";
        Self::new(ReasonCode::Uncertain, format!("the gateway lost track of the call: {what}"), next, about)
    }
}

/// An alternative as replies show it.
#[must_use]
pub(crate) fn way_of(way: &Alternative) -> Value {
    serde_json::json!({"tool": way.tool, "arguments": way.args, "summary": way.summary})
}

impl Reply {
    /// The same reply without held secrets.
    #[must_use]
    pub(crate) fn redacted(mut self, redactor: &Redactor) -> Self {
        match &mut self {
            Self::Done(receipt) => {
                redactor.value(&mut receipt.output);
                receipt.about.redact(redactor);
            }
            Self::Refused(refusal) => {
                redactor.string(&mut refusal.message);
                redactor.string(&mut refusal.next);
                refusal.because.iter_mut().for_each(|because| redactor.string(&mut because.reason));
                if let Some(way) = &mut refusal.alternative {
                    redactor.value(way);
                }
                refusal.about.redact(redactor);
            }
            // The question's text was redacted before its digest was recorded.
            Self::Ask(question) => question.about.redact(redactor),
        }
        self
    }
}

impl About {
    fn redact(&mut self, redactor: &Redactor) {
        for target in &mut self.targets {
            redactor.string(&mut target.path);
        }
        for evidence in &mut self.evidence {
            redactor.string(&mut evidence.what);
        }
        if let Some(radius) = &mut self.blast_radius {
            redactor.parts(radius);
        }
    }
}
