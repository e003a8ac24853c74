//! What a tool says that its look found. The adapter makes the [`Preflight`] of it: it adds where the target really is, the
//! fingerprint of what was observed and the configured target's name, so no tool can leave them out or get them wrong.

use serde_json::Value;

use super::undo::with_target;
use super::{About, Alternative, BlastRadius, Digest, Evidence, Preflight, Reversibility, Scope, Target, ToolError};

/// What a look found, fact by fact.
#[derive(Debug)]
pub struct Findings {
    targets: Vec<Target>,
    summary: String,
    radius: BlastRadius,
    class: Option<Reversibility>,
    destroys_recovery: bool,
    evidence: Vec<Evidence>,
    instead: Option<Alternative>,
    pre_image: Option<Value>,
}

impl Findings {
    /// A call on these things: `summary` is one line for people, such as `delete 3 rows of bookings`. Until more is said it is
    /// about one thing, and as hard to take back as the tool declares.
    pub fn on(targets: impl Into<Vec<Target>>, summary: impl Into<String>) -> Self {
        Self {
            targets: targets.into(),
            summary: summary.into(),
            radius: BlastRadius::one(Scope::Resource),
            class: None,
            destroys_recovery: false,
            evidence: Vec::new(),
            instead: None,
            pre_image: None,
        }
    }

    /// How much it would touch.
    #[must_use]
    pub fn radius(self, radius: BlastRadius) -> Self {
        Self { radius, ..self }
    }

    /// How hard it is to take back, where that is not what the tool declares at its worst: milder only with
    /// [`Findings::proves`].
    #[must_use]
    pub fn class(self, class: Reversibility) -> Self {
        Self { class: Some(class), ..self }
    }

    /// It destroys what others rely on for recovery, if so: nothing brings it back then.
    #[must_use]
    pub fn destroys_recovery(self, destroys_recovery: bool) -> Self {
        Self { destroys_recovery, ..self }
    }

    /// A fact that was observed: what, and where it was read.
    #[must_use]
    pub fn fact(self, about: About, what: impl Into<String>, source: impl Into<String>) -> Self {
        self.facts([Evidence::seen(about, what, source)])
    }

    /// The same for several.
    #[must_use]
    pub fn facts(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// A fact that proves the named condition of the declaration: the call is as mild as that allows.
    #[must_use]
    pub fn proves(self, condition: &'static str, what: impl Into<String>, source: impl Into<String>) -> Self {
        self.facts([Evidence::seen(About::Undo, what, source).proving(condition)])
    }

    /// The reversible way to the same end: a tool of the same target, and its own arguments.
    #[must_use]
    pub fn instead(self, tool: impl Into<String>, args: Value, summary: impl Into<String>) -> Self {
        let instead = Alternative { tool: tool.into(), args, summary: summary.into() };
        Self { instead: Some(instead), ..self }
    }

    /// The state as it is now, which is kept with the record of the start and never shown.
    #[must_use]
    pub fn keeps(self, pre_image: impl Into<Option<Value>>) -> Self {
        Self { pre_image: pre_image.into(), ..self }
    }

    /// The preflight: `whereabouts` is the first of its evidence.
    pub(crate) fn complete(
        self,
        declared: Reversibility,
        target: &str,
        whereabouts: Evidence,
        fingerprint: Digest,
    ) -> Result<Preflight, ToolError> {
        let Self { targets, summary, radius, class, destroys_recovery, mut evidence, instead, pre_image } = self;
        evidence.insert(0, whereabouts);
        let worst = if destroys_recovery { Reversibility::Irreversible } else { declared };
        let alternative = instead.map(|instead| {
            let args = with_target(instead.args, target)?;
            Ok(Alternative { args, ..instead })
        });
        Ok(Preflight {
            targets,
            blast_radius: radius,
            reversibility: class.filter(|_| !destroys_recovery).unwrap_or(worst),
            destroys_recovery,
            evidence,
            alternative: alternative.transpose()?,
            fingerprint,
            summary,
            pre_image,
        })
    }
}
