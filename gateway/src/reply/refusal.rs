//! Why a call did not run, or that nobody knows: told so that a program, a model and a person can go on from it.

use mollyguard_record::audit::Subject;
use mollyguard_record::model::{Because, Need};
use mollyguard_record::store::{NoRoom, StoreError};
use mollyguard_tools::contract::{Cause, Reversibility, Timestamp, ToolError};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{About, Question};

/// Why a call was refused, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// Policy says no.
    Denied,
    /// A person must answer first, and has not.
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
    /// Whether it is on record.
    #[serde(skip)]
    pub(crate) on_record: OnRecord,
}

/// Whether a refusal is on record, and how it gets there.
#[derive(Clone, Debug)]
pub(crate) enum OnRecord {
    /// Not yet: so many of one user are written down, and the others are counted.
    Counted,
    /// Not yet: it is written down whatever else was, as being about this.
    Always(Box<Subject>),
    /// What happened is, or cannot be.
    Done,
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
    /// Where it can be answered in a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
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
            on_record: OnRecord::Counted,
        }
    }

    /// The same, once what happened is on record.
    #[must_use]
    pub(crate) fn recorded(self) -> Self {
        Self { on_record: OnRecord::Done, ..self }
    }

    /// The same, to be written down as being about this.
    #[must_use]
    pub(crate) fn recorded_as(self, subject: Subject) -> Self {
        Self { on_record: OnRecord::Always(Box::new(subject)), ..self }
    }

    /// The same, after it was to be written down: one that is not on record is a refusal still, and says so.
    #[must_use]
    pub(crate) fn written(mut self, written: Result<(), StoreError>) -> Self {
        if let Err(error) = written {
            let message = self.message.trim_end_matches('.');
            self.message =
                format!("{message}; and this refusal is not on record, since it could not be written: {error}");
        }
        self.recorded()
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
            if let Some(page) = &pending.page {
                text.push_str(&format!("\nIt is answered at {page}"));
            }
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
        let errors: Vec<String> = errors.iter().map(|error| crate::confirm::clean(error)).collect();
        let message = format!("the arguments of `{tool}` do not fit: {}", errors.join("; "));
        Box::new(Self::new(
            ReasonCode::InvalidArguments,
            message,
            "Correct the arguments; `tools/list` has the schema.",
            about,
        ))
    }

    /// A person must answer first, and has not: what to tell them, and that the call is to be repeated.
    #[must_use]
    pub(crate) fn pending(question: Question) -> Self {
        let Question { confirmation, need, text, expires_at, page, alternative, about, .. } = question;
        let tell = match &page {
            Some(page) => format!("Tell the person to answer at {page}"),
            None if Need::IN_CLIENT.covers(&need) => {
                format!(
                    "Tell the person: `mollyguard approvals approve {confirmation}` shows the question on their terminal \
                     and takes their answer"
                )
            }
            None => format!(
                "Tell the person: it needs {need}, and no gateway serves the page where that is given; an operator of a \
                 separate gateway answers with `mollyguard approvals approve {confirmation} --operators PATH`"
            ),
        };
        let mut next = format!(
            "{tell}. Then repeat the identical call: it asks nobody anew, waits for the answer for a while, and runs once \
             the answer is a yes."
        );
        if let Some(way) = &alternative {
            let [tool, summary] = ["tool", "summary"].map(|key| way[key].as_str().unwrap_or_default());
            next = format!("Use `{tool}` instead: {summary}. Or: {next}");
        }
        let message = "a person must confirm this call first, and has not yet";
        let mut refusal = Self::new(ReasonCode::ConfirmationRequired, message, next, about);
        refusal.because.clone_from(&refusal.about.policies);
        refusal.confirmation = Some(Pending { id: confirmation, question: text, need, expires_at, page });
        refusal.alternative = alternative;
        refusal
    }

    /// The store said no before anything ran.
    #[must_use]
    pub(crate) fn of_store(error: &StoreError, about: About) -> Self {
        match error {
            StoreError::NotApproved(..) | StoreError::NotGranted(..) => Self::new(
                ReasonCode::ConfirmationSpent,
                error.to_string(),
                "Make the call again to be asked anew.",
                about,
            ),
            StoreError::AlreadyUndone(..) => {
                Self::new(ReasonCode::Untouched, error.to_string(), "`list_calls` shows how that call ended.", about)
            }
            StoreError::Unsettled { .. } => Self::new(
                ReasonCode::Unavailable,
                error.to_string(),
                "Reads go on. The gateway keeps trying: call again once `list_calls` shows how that call ended. If it \
                 stays without an end, have a person look at the gateway's log and state directory.",
                about,
            ),
            StoreError::NoRoom { why, .. } => {
                let (first, key) = match why {
                    NoRoom::Kept { .. } => ("Change fewer rows at a time", "raise `kept_bytes` in `[limits]`"),
                    NoRoom::Disk { .. } => ("Reads and undos go on", "make room on the disk"),
                };
                let next = format!(
                    "{first}. Or have the person who runs the gateway let old calls go (`keep_days` in `[retention]` and \
                     `mollyguard prune`), or {key}."
                );
                Self::new(ReasonCode::Unavailable, error.to_string(), next, about)
            }
            _ => Self::new(
                ReasonCode::Unavailable,
                format!("nothing runs that cannot be written down, and {error}"),
                "Have a person look at the gateway's state directory, then try again.",
                about,
            )
            // Nothing can be written down.
            .recorded(),
        }
    }

    /// It ran, but its end is not written down yet.
    #[must_use]
    pub(crate) fn unrecorded(error: &StoreError, about: About) -> Self {
        let next = "Do not repeat it. The gateway goes on trying to write it down: once `list_calls` shows that the call \
                    has succeeded, it can be taken back as usual.";
        Self::new(
            ReasonCode::Uncertain,
            format!("the call ran and succeeded, but its end is not written down yet: {error}"),
            next,
            about,
        )
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
