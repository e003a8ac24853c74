//! What a call is asked with and what it answers, before any wire format.

mod redact;
mod refusal;

use std::sync::Arc;

use mollyguard_record::model::{Answer, Because, Channel, Grant, Need, Principal, QuestionFacts};
use mollyguard_tools::contract::{
    Alternative, BlastRadius, Evidence, Preflight, Reversibility, Target, Timestamp, UndoPlan,
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::policy::Retention;

pub(crate) use redact::{for_people, redacted_principal, redacted_targets};
pub(crate) use refusal::OnRecord;
pub use refusal::{Changed, Pending, ReasonCode, Refusal};

/// One call as the wire hands it over.
#[derive(Debug)]
pub struct Request {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub args: Arc<Value>,
    /// For whom.
    pub principal: Principal,
    /// How this client can be asked with a form, if it can at all.
    pub channel: Option<Channel>,
    /// How it can send the person to a page, if it can.
    pub page: Option<Channel>,
    /// The answer to a question asked before, if one came along.
    pub answered: Option<Answered>,
    /// How far the call has come, for progress notifications.
    pub stage: watch::Sender<Stage>,
    /// Set when the client cancels or is gone. Heeded until the call is written down, never after.
    pub cancel: CancellationToken,
    /// Made on the command line by whoever owns the gateway's state directory: they may take back anybody's call.
    pub by_owner: bool,
    /// Why the gateway itself removes what has been kept long enough, where it makes this call for that. Nothing that comes
    /// from outside sets it.
    pub(crate) retention: Option<Retention>,
}

impl Request {
    /// A call with nobody watching it and no way to be asked.
    #[must_use]
    pub fn new(tool: impl Into<String>, args: impl Into<Arc<Value>>, principal: Principal) -> Self {
        let (stage, _) = watch::channel(Stage::Looking);
        Self {
            tool: tool.into(),
            args: args.into(),
            principal,
            channel: None,
            page: None,
            answered: None,
            stage,
            cancel: CancellationToken::new(),
            by_owner: false,
            retention: None,
        }
    }
}

/// The answer to a question asked before.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The confirmation it answers.
    pub confirmation: Uuid,
    /// The answer given in the client; `None` where it was waited for elsewhere: what the store says then counts.
    pub answer: Option<Answer>,
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
    /// A person must answer first. Nothing has changed.
    Ask(Box<Question>),
}

/// How a question reaches a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A form in the client takes the answer.
    Form,
    /// The client sends the person to the page, which takes the answer.
    Page,
    /// Not through this client: who answers is told of it, or looks for it.
    Elsewhere,
}

/// A question to put to a person. The same facts as its [`Confirmation`](mollyguard_record::model::Confirmation), which is stored.
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
    /// What it says, fact by fact, where that is known.
    pub facts: Option<QuestionFacts>,
    /// After this an answer is worth nothing.
    pub expires_at: Timestamp,
    /// How it is to be put.
    pub put: Delivery,
    /// Where it can be answered in a browser.
    pub page: Option<String>,
    /// Whether it was asked just now; else an earlier call asked the same.
    pub is_new: bool,
    /// The reversible way to the same end, where there is one.
    pub alternative: Option<Value>,
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
    /// `allow`, `confirmed`, `granted`, `confirm` or `deny`.
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
    /// The approval for a while it ran under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Under>,
    /// How to take it back: `{"tool": "undo_call", "arguments": {"call_id": …}, "until": …, "lossy": […]}`.
    pub undo: Option<UndoHint>,
}

/// The approval for a while that covers a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Under {
    /// Its id.
    pub id: Uuid,
    /// Who gave it.
    pub by: String,
    /// After this a person is asked again.
    pub until: Timestamp,
}

impl From<&Grant> for Under {
    fn from(grant: &Grant) -> Self {
        Self { id: grant.id, by: grant.by.clone(), until: grant.expires_at }
    }
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
    /// The hint for a call with this plan, which works until then at the latest.
    #[must_use]
    pub fn new(call: Uuid, plan: &UndoPlan, until: Option<Timestamp>) -> Self {
        Self { tool: "undo_call", arguments: serde_json::json!({"call_id": call}), until, lossy: plan.lossy.clone() }
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
            grant: None,
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
            grant: None,
            undo: None,
        }
    }
}

/// An alternative as replies show it.
#[must_use]
pub(crate) fn way_of(way: &Alternative) -> Value {
    serde_json::json!({"tool": way.tool, "arguments": way.args, "summary": way.summary})
}
