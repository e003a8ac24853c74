//! What a tool promises of every call, before any call is made.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest::Digest;

/// How far a call's effect can be taken back, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reversibility {
    /// Nothing changes.
    ReadOnly,
    /// The prior state was captured before the call and can be put back exactly.
    Reversible,
    /// A further call offsets the effect but does not restore what was (ids, timestamps, side effects differ).
    Compensable,
    /// Nothing brings it back: data destroyed, a message sent, a secret shown.
    Irreversible,
}

impl Reversibility {
    /// The name used on the wire, in policies and in records: `read_only`, `reversible`, `compensable`, `irreversible`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Reversible => "reversible",
            Self::Compensable => "compensable",
            Self::Irreversible => "irreversible",
        }
    }
}

/// How wide a call can reach, narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One thing: a table's rows, a file.
    Resource,
    /// Several things of one kind: a folder, a schema.
    Group,
    /// Everything in one environment.
    Environment,
    /// More than one environment.
    Account,
}

impl Scope {
    /// The name used on the wire, in policies and in records: `resource`, `group`, `environment`, `account`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Group => "group",
            Self::Environment => "environment",
            Self::Account => "account",
        }
    }
}

/// A named condition under which a preflight may find a call milder than it was declared, given [`super::Evidence`] that
/// proves it (see [`super::Evidence::proves`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// The name evidence refers to, such as `prior_state_fits_journal`.
    pub name: Cow<'static, str>,
    /// The mildest reversibility this condition can prove.
    pub to: Reversibility,
    /// One sentence for people: what has to be so.
    pub means: Cow<'static, str>,
}

/// Who may name a tool in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Listed to clients and callable by agents.
    Agents,
    /// Reached only through the journal: the other half of a tool that can be undone. Never listed.
    Undo,
}

/// What a tool promises of every call. Reversibility and scope are declared at their worst.
#[derive(Clone, Debug, Serialize)]
pub struct Declaration {
    /// `<toolset>_<verb>[_<object>]`, only `[a-z0-9_]`: clients rewrite anything else.
    pub name: Cow<'static, str>,
    /// The kind of configured target this tool works on, such as `sqlite`; the argument `target` names one of them.
    pub kind: Cow<'static, str>,
    /// A short title for people.
    pub title: Cow<'static, str>,
    /// What an agent reads to choose the tool.
    pub description: Cow<'static, str>,
    /// The worst this tool can do.
    pub reversibility: Reversibility,
    /// The conditions under which a preflight may find it milder.
    pub softened_by: Vec<Condition>,
    /// The widest this tool can reach.
    pub scope: Scope,
    /// Whether repeating a finished call changes nothing more.
    pub idempotent: bool,
    /// Whether the call reaches things beyond the configured target.
    pub open_world: bool,
    /// What is lent for a call, such as `a connection URL`; `None` where the target needs no secret.
    pub credential: Option<Cow<'static, str>>,
    /// Who may name it.
    pub audience: Audience,
    /// JSON Schema (2020-12) of the arguments.
    pub input_schema: Value,
    /// JSON Schema (2020-12) of the output.
    pub output_schema: Value,
}

impl Declaration {
    /// The digest an approval is bound to: another declaration under the same name is another tool.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }

    /// Whether a call may change anything at all.
    #[must_use]
    pub fn mutates(&self) -> bool {
        self.reversibility > Reversibility::ReadOnly
    }

    /// The condition of that name, if this declaration has it.
    #[must_use]
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        self.softened_by.iter().find(|condition| condition.name == name)
    }
}
