//! What a call would do if it ran now, found by looking.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Declaration, Digest, Reversibility, Scope, Target, Timestamp, ToolError, now};

/// How much a call would touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlastRadius {
    /// How wide it reaches.
    pub scope: Scope,
    /// How many things it acts on directly.
    pub resources: u64,
    /// How many other things depend on those.
    pub dependents: u64,
    /// Rows touched, where there are rows.
    pub rows: Option<u64>,
    /// Bytes touched, where they can be told.
    pub bytes: Option<u64>,
    /// The count by part (a table, a folder): rows, or files where there are no rows.
    pub parts: BTreeMap<String, u64>,
    /// Counting stopped at a limit: the true numbers are at least these.
    pub truncated: bool,
}

impl BlastRadius {
    /// One thing, nothing counted yet.
    #[must_use]
    pub fn one(scope: Scope) -> Self {
        Self { scope, resources: 1, dependents: 0, rows: None, bytes: None, parts: BTreeMap::new(), truncated: false }
    }
}

/// What a piece of evidence is about; the question groups by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The state of the target itself.
    State,
    /// Backups, versions, quarantines: what could bring it back.
    Backups,
    /// What else hangs on it.
    Dependents,
    /// Whether and how it can be taken back.
    Undo,
    /// Where the target ends: mounts, links, other environments.
    Boundary,
}

/// A fact observed in a preflight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What it is about.
    pub about: About,
    /// The fact, as a sentence fragment for people: `3 backups lie inside the folder`.
    pub what: String,
    /// Where it was read: `sqlite_master`, `fstat`.
    pub source: String,
    /// When it was read.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The softening condition of the declaration this proves, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proves: Option<Cow<'static, str>>,
}

impl Evidence {
    /// A fact observed just now.
    #[must_use]
    pub fn seen(about: About, what: impl Into<String>, source: impl Into<String>) -> Self {
        Self { about, what: what.into(), source: source.into(), at: now(), proves: None }
    }

    /// The same fact, as proof of the named softening condition.
    #[must_use]
    pub fn proving(mut self, condition: &'static str) -> Self {
        self.proves = Some(Cow::Borrowed(condition));
        self
    }
}

/// The reversible way to the same end: a call an agent could make instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// The tool's name.
    pub tool: String,
    /// Its arguments, complete.
    pub args: Value,
    /// What it does, in a few words for people.
    pub summary: String,
}

/// What a call would do if it ran now; found by looking, never by changing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preflight {
    /// What it would act on. Never empty for a call that changes something.
    pub targets: Vec<Target>,
    /// How much it would touch.
    pub blast_radius: BlastRadius,
    /// What the look found; see [`Preflight::class`] for what is believed.
    pub reversibility: Reversibility,
    /// The call destroys what others rely on for recovery: a backup, version history, a quarantine, a journal entry.
    pub destroys_recovery: bool,
    /// What was observed.
    pub evidence: Vec<Evidence>,
    /// The reversible way to the same end, where one exists.
    pub alternative: Option<Alternative>,
    /// Digest of the observed state. Read again before executing: a difference voids the approval.
    pub fingerprint: Digest,
    /// One line for people: `delete 3 rows of bookings`. Holds no secret.
    pub summary: String,
    /// State captured by the look that the store keeps with the record of the start; never shown.
    pub pre_image: Option<Value>,
}

impl Preflight {
    /// The things it acts on, each by the provider's own id, or by its path where it has none: what is left of how they
    /// were spelled. For [`super::Tool::effect`].
    #[must_use]
    pub fn whole(&self) -> Value {
        let ids = self
            .targets
            .iter()
            .map(|target| target.uid.clone().unwrap_or_else(|| target.path.lowercased().to_string()));
        ids.collect()
    }

    /// The things it acts on, by every name they have. For [`super::Tool::aim`].
    #[must_use]
    pub fn aim(&self) -> Vec<Value> {
        self.targets.iter().flat_map(Target::names).collect()
    }

    /// Asked by a tool before it makes a change last: what was looked at and decided as reversible is changed only with its
    /// undo in hand.
    ///
    /// # Errors
    /// It was found reversible, and no undo can be offered any more.
    pub fn keeps_its_undo(&self, has_undo: bool) -> Result<(), ToolError> {
        if self.reversibility == Reversibility::Reversible && !has_undo {
            return Err(ToolError::changed(
                "what this would change can no longer be kept for undoing, as it could before",
            ));
        }
        Ok(())
    }

    /// The reversibility the gateway goes by: what the look found, unless that is milder than declared without evidence
    /// that proves a condition the declaration names; then the declared worst.
    #[must_use]
    pub fn class(&self, declaration: &Declaration) -> Reversibility {
        let declared = declaration.reversibility;
        if self.destroys_recovery && declared > Reversibility::ReadOnly {
            return Reversibility::Irreversible;
        }
        if self.reversibility >= declared {
            return self.reversibility;
        }
        let proven = self
            .evidence
            .iter()
            .filter_map(|evidence| declaration.condition(evidence.proves.as_deref()?))
            .any(|condition| condition.to <= self.reversibility);
        if proven { self.reversibility } else { declared }
    }
}
