//! The rule that a stronger approval never turns a yes into a no, tried out call by call. [`super::analysis`] proves it
//! for all requests when policies are loaded; this looks for a counterexample, for `policy check` and for the tests.

use mollyguard_record::model::{Need, Principal};
use mollyguard_tools::contract::Declaration;

use super::problem::Problem;
use super::situation::{CLASSES, SCOPES, Situation, TIERS};
use super::{LADDER, Policies, Retention};

/// Tries every tool, tier, reversibility, scope, destruction of recovery and span of environments, for a user with no role
/// and one with every role the policies name.
pub(super) fn counterexamples<'a>(
    policies: &Policies,
    declarations: impl IntoIterator<Item = &'a Declaration>,
) -> Vec<Problem> {
    let mut roles: Vec<_> = policies.loaded.policies.values().flat_map(|words| words.roles.clone()).collect();
    roles.sort();
    roles.dedup();
    let mut principals = vec![Principal { user: "someone".to_owned(), client: None, roles: Vec::new() }];
    if !roles.is_empty() {
        principals.push(Principal { user: "someone".to_owned(), client: None, roles });
    }
    let mut problems = Vec::new();
    for declaration in declarations {
        for principal in &principals {
            for situation in corners() {
                problems.extend(descent(policies, declaration, principal, &situation));
            }
        }
    }
    problems.sort();
    problems.dedup();
    problems
}

/// Every combination of what comes in kinds.
pub(super) fn corners() -> impl Iterator<Item = Situation> {
    TIERS.into_iter().flat_map(|tier| {
        CLASSES.into_iter().flat_map(move |reversibility| {
            SCOPES.into_iter().flat_map(move |scope| {
                let kept = Retention { age_days: 1, over_age: true, over_size: true };
                let kinds =
                    [(false, 1, None), (false, 2, None), (true, 1, None), (true, 2, None), (true, 1, Some(kept))];
                kinds.map(|(destroys_recovery, environments, retention)| Situation {
                    tier,
                    environments,
                    reversibility: Some(reversibility),
                    scope,
                    destroys_recovery,
                    retention,
                    ..Situation::default()
                })
            })
        })
    })
}

/// A step up the ladder at which a yes became a no.
pub(super) fn descent(
    policies: &Policies,
    declaration: &Declaration,
    principal: &Principal,
    situation: &Situation,
) -> Option<Problem> {
    let imagined = situation.imagine(declaration);
    let prepared = policies.prepare(&imagined.facts(principal, declaration, None)).ok()?;
    let passing: Vec<(Option<Need>, bool)> = std::iter::once(None)
        .chain(LADDER.into_iter().map(Some))
        .map(|approval| (approval, policies.verdicts(&prepared, approval).pass()))
        .collect();
    for (weak, _) in passing.iter().filter(|(_, pass)| *pass) {
        for (strong, _) in passing.iter().filter(|(_, pass)| !pass) {
            let covers = strong.is_some_and(|strong| weak.is_none_or(|weak| strong.covers(&weak)));
            if !covers {
                continue;
            }
            let culprits = policies.verdicts(&prepared, *strong);
            let culprit = policies.because(&culprits).into_iter().next()?;
            let words = policies.loaded.policies.get(&culprit.policy);
            return Some(Problem {
                file: words.map(|words| words.file.clone()).unwrap_or_default(),
                line: words.map_or(0, |words| words.line),
                column: 0,
                policy: Some(culprit.policy),
                message: format!(
                    "a stronger approval turns a yes into a no: `{}`, {}, {}",
                    declaration.name,
                    imagined.facts(principal, declaration, None).reversibility.as_str(),
                    situation.tier.as_str(),
                ),
            });
        }
    }
    None
}
