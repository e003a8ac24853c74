//! Calls that were never made: the facts of a case, of an explanation, and of whatever a look might still find.

use std::collections::BTreeMap;

use mollyguard_record::model::{Need, Principal};
use mollyguard_tools::contract::{
    BlastRadius, Declaration, Environment, Reversibility, Scope, Target, TargetPath, Tier,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::{Facts, Retention};

pub(super) const TIERS: [Tier; 3] = [Tier::Development, Tier::Staging, Tier::Production];
pub(super) const CLASSES: [Reversibility; 4] =
    [Reversibility::ReadOnly, Reversibility::Reversible, Reversibility::Compensable, Reversibility::Irreversible];
pub(super) const SCOPES: [Scope; 4] = [Scope::Resource, Scope::Group, Scope::Environment, Scope::Account];

/// What a look at a call would have found. Every field has a default: one thing in production, as the tool declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Situation {
    /// The target's path, starting with the configured target's name.
    pub target: String,
    /// The target's kind; the tool's own where it is left out.
    pub kind: Option<String>,
    /// Its environment; named as the tier where it is left out.
    pub environment: Option<String>,
    /// What the environment is worth.
    pub tier: Tier,
    /// How many different environments the call's targets lie in, all of that tier.
    #[serde(deserialize_with = "few")]
    pub environments: u32,
    /// The settled reversibility; the declared one where it is left out.
    pub reversibility: Option<Reversibility>,
    /// How wide the call reaches; one resource where it is left out.
    pub scope: Scope,
    /// Whether it destroys what others rely on to recover.
    pub destroys_recovery: bool,
    /// Why the gateway removes it, where the gateway itself makes the call.
    pub retention: Option<Retention>,
    /// How many things it acts on directly.
    pub resources: u64,
    /// How many other things hang on those.
    pub dependents: u64,
    /// Rows touched.
    pub rows: Option<u64>,
    /// Bytes touched.
    pub bytes: Option<u64>,
    /// Counting stopped at a limit.
    pub truncated: bool,
}

impl Default for Situation {
    fn default() -> Self {
        Self {
            target: "example/thing".to_owned(),
            kind: None,
            environment: None,
            tier: Tier::Production,
            environments: 1,
            reversibility: None,
            scope: Scope::Resource,
            destroys_recovery: false,
            retention: None,
            resources: 1,
            dependents: 0,
            rows: None,
            bytes: None,
            truncated: false,
        }
    }
}

/// Each becomes a target that is decided on.
const MOST_ENVIRONMENTS: u32 = 100;

fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let count = u32::deserialize(deserializer)?;
    if count > MOST_ENVIRONMENTS {
        return Err(D::Error::custom(format!("a case has at most {MOST_ENVIRONMENTS} environments")));
    }
    Ok(count)
}

impl Situation {
    pub(super) fn imagine(&self, declaration: &Declaration) -> Imagined {
        let environment = self.environment.clone().unwrap_or_else(|| self.tier.as_str().to_owned());
        let target = |name| Target {
            kind: self.kind.clone().unwrap_or_else(|| declaration.kind.to_string()),
            path: TargetPath::as_shown(self.target.as_str()),
            uid: None,
            environment: Environment { name, tier: self.tier },
        };
        let others = (2..=self.environments.max(1)).map(|n| format!("{environment}-{n}"));
        Imagined {
            targets: std::iter::once(environment.clone()).chain(others).map(target).collect(),
            blast_radius: BlastRadius {
                scope: self.scope,
                resources: self.resources,
                dependents: self.dependents,
                rows: self.rows,
                bytes: self.bytes,
                parts: BTreeMap::new(),
                truncated: self.truncated,
            },
            reversibility: self.reversibility.unwrap_or(declaration.reversibility),
            destroys_recovery: self.destroys_recovery,
            retention: self.retention,
        }
    }
}

/// The owned part of a call's facts.
#[derive(Clone, Debug)]
pub(super) struct Imagined {
    targets: Vec<Target>,
    blast_radius: BlastRadius,
    reversibility: Reversibility,
    destroys_recovery: bool,
    retention: Option<Retention>,
}

impl Imagined {
    pub(super) fn facts<'a>(
        &'a self,
        principal: &'a Principal,
        declaration: &'a Declaration,
        approval: Option<Need>,
    ) -> Facts<'a> {
        Facts {
            call: Uuid::nil(),
            principal,
            declaration,
            targets: &self.targets,
            reversibility: self.reversibility,
            blast_radius: &self.blast_radius,
            destroys_recovery: self.destroys_recovery,
            retention: self.retention,
            approval,
        }
    }
}

/// The mildest that a call of the tool may be found to be.
pub(super) fn mildest(declaration: &Declaration) -> Reversibility {
    let softest = declaration.softened_by.iter().map(|condition| condition.to).min();
    softest.map_or(declaration.reversibility, |softest| softest.min(declaration.reversibility))
}

/// What a look at `target` might find, mildest first, as far as it comes in kinds rather than numbers and names.
pub(super) fn possible_findings(
    declaration: &Declaration,
    target: &Target,
    retention: Option<Retention>,
) -> impl Iterator<Item = Imagined> {
    let mildest = mildest(declaration);
    let (own, widest) = (target.environment.tier, declaration.scope);
    // Alone, or with something in another environment, which may be of a worse tier.
    let elsewhere = TIERS.into_iter().filter(move |tier| *tier >= own).map(Some);
    let reaches = std::iter::once(None).chain(elsewhere);
    reaches.flat_map(move |elsewhere| {
        let classes = CLASSES.into_iter().filter(move |class| *class >= mildest);
        classes.flat_map(move |reversibility| {
            let scopes = SCOPES.into_iter().filter(move |scope| *scope <= widest);
            scopes.flat_map(move |scope| {
                [false, true].map(|destroys_recovery| {
                    let mut targets = vec![target.clone()];
                    targets.extend(elsewhere.map(|tier| other_environment(target, tier)));
                    let blast_radius = BlastRadius::one(scope);
                    Imagined { targets, blast_radius, reversibility, destroys_recovery, retention }
                })
            })
        })
    })
}

fn other_environment(target: &Target, tier: Tier) -> Target {
    let name = format!("{} and another", target.environment.name);
    Target { environment: Environment { name, tier }, ..target.clone() }
}
