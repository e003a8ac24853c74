//! The gateway's own tools as agents are shown them.

use std::borrow::Cow;

use mollyguard_tools::contract::{Audience, Declaration, Reversibility, Scope};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// One of the gateway's own tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinTool {
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

impl BuiltinTool {
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
