//! Why policy says what it says: one call rung by rung, all tools in a table, and whether the policies are sound at all.
//! Nothing here decides a call that runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mollyguard_record::model::{Because, Need, Principal};
use mollyguard_tools::contract::{Declaration, Digest, Reversibility, Tier};
use serde::Serialize;

use super::problem::LoadError;
use super::situation::{Situation, TIERS};
use super::{Ceiling, Decision, LADDER, Policies, Problem, Sources, closed, cube};

/// What `policy check` has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// How many policies would be in force.
    pub policies: usize,
    /// Their digest; absent where they cannot be loaded.
    pub digest: Option<Digest>,
    /// What is wrong. Empty: they are sound.
    pub problems: Vec<Problem>,
}

/// Loads the policies and, beyond what loading proves, tries every tool in every kind of situation.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn check<'a>(
    sources: &Sources,
    declarations: impl IntoIterator<Item = &'a Declaration> + Clone,
    ceiling: impl Into<Ceiling>,
) -> Result<Check, LoadError> {
    match Policies::load(sources, declarations.clone(), ceiling) {
        Ok(policies) => Ok(Check {
            policies: policies.count(),
            digest: Some(policies.digest()),
            problems: cube::counterexamples(&policies, declarations),
        }),
        Err(LoadError::Problems(problems)) => Ok(Check { policies: 0, digest: None, problems }),
        Err(unreadable) => Err(unreadable),
    }
}

/// The policies that ask for more than this installation can prove in some kind of situation, each with the least of it.
#[must_use]
pub fn out_of_reach<'a>(
    policies: &Policies,
    declarations: impl IntoIterator<Item = &'a Declaration>,
    principal: &Principal,
) -> BTreeMap<String, Need> {
    let mut beyond = BTreeMap::new();
    for declaration in declarations {
        for (tier, destroys_recovery) in TIERS.into_iter().flat_map(|tier| [(tier, false), (tier, true)]) {
            let situation = Situation { tier, destroys_recovery, ..Situation::default() };
            let imagined = situation.imagine(declaration);
            let Ok(prepared) = policies.prepare(&imagined.facts(principal, declaration, None)) else { continue };
            let Some(need) = policies.weakest_enough(&prepared, None).filter(|need| !policies.ceiling().covers(need))
            else {
                continue;
            };
            for because in policies.because(&policies.verdicts(&prepared, Some(policies.ceiling().need))) {
                let least = beyond.entry(because.policy).or_insert(need);
                *least = need.min(*least);
            }
        }
    }
    beyond
}

/// One call, and what policy would say to it with each approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The tool.
    pub tool: String,
    /// `allow`, `confirm …` or `deny`.
    pub decision: String,
    /// The policies that decided: those that ask or forbid, or those that permit.
    pub because: Vec<Because>,
    /// The strongest approval this installation can prove.
    pub ceiling: String,
    /// As it is, then with ever stronger approvals.
    pub rungs: Vec<Rung>,
}

/// What policy says to one call with one approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rung {
    /// The approval supposed: `none`, or its strength.
    pub approval: String,
    /// Whether this installation can prove it.
    pub within_reach: bool,
    /// Whether the call would be allowed.
    pub passes: bool,
    /// The policies that permit, where it passes.
    pub permitted_by: Vec<Because>,
    /// The policies that stand against it, where it does not.
    pub refused_by: Vec<Because>,
}

/// Explains one call that was not made.
#[must_use]
pub fn explain(
    policies: &Policies,
    principal: &Principal,
    declaration: &Declaration,
    situation: &Situation,
    approval: Option<Need>,
) -> Explanation {
    let imagined = situation.imagine(declaration);
    let facts = imagined.facts(principal, declaration, approval);
    let (decision, because) = policies.told(&policies.decide(&facts));
    let mut rungs = Vec::new();
    match policies.prepare(&facts) {
        Ok(prepared) => {
            for supposed in std::iter::once(None).chain(LADDER.into_iter().map(Some)) {
                let verdicts = policies.verdicts(&prepared, supposed);
                let passes = verdicts.pass();
                rungs.push(Rung {
                    approval: supposed.map_or_else(|| "none".to_owned(), |need| need.to_string()),
                    within_reach: supposed.is_none_or(|need| policies.ceiling().covers(&need)),
                    passes,
                    permitted_by: match passes {
                        true => verdicts.permitted_by.iter().map(|id| policies.named(id)).collect(),
                        false => Vec::new(),
                    },
                    refused_by: policies.because(&verdicts),
                });
            }
        }
        Err(error) => rungs.push(Rung {
            approval: "none".to_owned(),
            within_reach: true,
            passes: false,
            permitted_by: Vec::new(),
            refused_by: vec![closed(&error)],
        }),
    }
    Explanation {
        tool: declaration.name.to_string(),
        decision,
        because,
        ceiling: policies.ceiling().to_string(),
        rungs,
    }
}

impl Policies {
    /// What stands against even the strongest approval there can be, and that it does.
    pub(super) fn beyond_ceiling(&self, mut because: Vec<Because>, need: Need) -> Vec<Because> {
        for Because { reason, .. } in &mut because {
            // Writing to a `String` cannot fail.
            let _ = write!(reason, " It needs {need}, and this installation can prove at most {}.", self.ceiling());
        }
        because
    }

    /// A decision in words, and the policies behind it.
    pub(super) fn told(&self, decision: &Decision) -> (String, Vec<Because>) {
        match decision {
            Decision::Allow(permit) => {
                ("allow".to_owned(), permit.policies().iter().map(|id| self.named(id)).collect())
            }
            Decision::Confirm { need, because } => (format!("confirm {need}"), because.clone()),
            Decision::Deny { because } => ("deny".to_owned(), because.clone()),
        }
    }
}

/// What each tool comes to in each tier, for a user without roles acting on one thing: as declared, as softened by each
/// condition, and where it destroys what others recover from. Text in columns.
#[must_use]
pub fn decisions_table<'a>(declarations: impl IntoIterator<Item = &'a Declaration>, policies: &Policies) -> String {
    let header = ["tool", "reversibility"].into_iter().chain(TIERS.map(Tier::as_str));
    let mut rows = vec![header.map(str::to_owned).collect::<Vec<_>>()];
    let principal = Principal { user: "someone".to_owned(), client: None, roles: Vec::new() };
    for declaration in declarations {
        for (index, (label, reversibility, destroys_recovery)) in variants(declaration).into_iter().enumerate() {
            let name = if index == 0 { declaration.name.to_string() } else { String::new() };
            let cells = TIERS.map(|tier| {
                let scope = declaration.scope;
                let reversibility = Some(reversibility);
                let situation = Situation { tier, reversibility, scope, destroys_recovery, ..Situation::default() };
                let imagined = situation.imagine(declaration);
                let decision = policies.decide(&imagined.facts(&principal, declaration, None));
                policies.told(&decision).0.trim_start_matches("confirm ").to_owned()
            });
            rows.push([name, label].into_iter().chain(cells).collect());
        }
    }
    columns(&rows)
}

/// How a tool's calls can turn out: a label, the reversibility, and whether recovery is destroyed.
fn variants(declaration: &Declaration) -> Vec<(String, Reversibility, bool)> {
    let declared = declaration.reversibility;
    let mut variants = vec![(declared.as_str().to_owned(), declared, false)];
    for condition in &declaration.softened_by {
        variants.push((format!("{} if {}", condition.to.as_str(), condition.name), condition.to, false));
    }
    if declaration.mutates() {
        // As a preflight settles it: destroying recovery is always irreversible.
        variants.push(("destroys recovery".to_owned(), Reversibility::Irreversible, true));
    }
    variants
}

fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..count).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a `String` cannot fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
