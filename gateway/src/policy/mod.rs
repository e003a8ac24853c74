//! What policy says about a call. Only this module names Cedar, and only [`Policies::decide`] makes a [`Permit`].

mod analysis;
mod cache;
mod cases;
mod ceiling;
mod cube;
mod explain;
mod load;
mod permit;
mod problem;
mod request;
mod retention;
mod schema;
mod situation;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{AuthorizationError, Authorizer, Decision as Verdict, PolicySet};
use mollyguard_record::model::{Assurance, Because, Need, Principal};
use mollyguard_tools::contract::{BlastRadius, Declaration, Digest, Reversibility, Target};
use uuid::Uuid;

pub use cases::{CaseOutcome, run_cases};
pub use ceiling::Ceiling;
pub use explain::{Check, Explanation, Rung, check, decisions_table, explain, out_of_reach};
pub use load::{SourceFiles, Sources};
pub use permit::Permit;
pub use problem::{LoadError, Problem, SourceFile};
pub use retention::Retention;
pub use situation::Situation;

use cache::{DecisionCache, Hopes};
use request::{Asked, Prepared, RequestError};
use schema::Vocabulary;

/// Named where no policy permits.
const DEFAULT_DENY: &str = "default-deny";
/// Named where the policies could not be asked at all.
const CLOSED: &str = "closed";

/// The approvals a person is asked for, weakest first. What no rung of it can lift, no approval lifts.
pub const LADDER: [Need; 10] = [
    Need::of(Assurance::Acknowledged, 1),
    Need::of(Assurance::Typed, 1),
    Need::of(Assurance::OutOfBand, 1),
    Need::of(Assurance::OutOfBand, 1).by_others(),
    Need::of(Assurance::Passkey, 1),
    Need::of(Assurance::Passkey, 1).by_others(),
    Need::of(Assurance::OutOfBand, 2),
    Need::of(Assurance::OutOfBand, 2).by_others(),
    Need::of(Assurance::Passkey, 2),
    Need::of(Assurance::Passkey, 2).by_others(),
];

/// What is known of a call when it is decided.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The call's id.
    pub call: Uuid,
    /// For whom.
    pub principal: &'a Principal,
    /// The tool's promise.
    pub declaration: &'a Declaration,
    /// What it would act on. Several: each is decided, the strictest wins. Never empty.
    pub targets: &'a [Target],
    /// The settled reversibility.
    pub reversibility: Reversibility,
    /// How much it would touch.
    pub blast_radius: &'a BlastRadius,
    /// Whether it destroys what others rely on for recovery.
    pub destroys_recovery: bool,
    /// Why the gateway removes it, where it is the gateway's own call that removes what has been kept.
    pub retention: Option<Retention>,
    /// The approval that came along, if one did and holds.
    pub approval: Option<Need>,
}

/// What policy says.
#[derive(Debug)]
pub enum Decision {
    /// Go on.
    Allow(Permit),
    /// Ask a person first.
    Confirm {
        /// The weakest approval that would do.
        need: Need,
        /// The policies that ask.
        because: Vec<Because>,
    },
    /// No, and no approval this installation can prove would change that.
    Deny {
        /// The policies that forbid.
        because: Vec<Because>,
    },
}

/// The policies in force.
pub struct Policies {
    loaded: Loaded,
    ceiling: RwLock<Arc<Ceiling>>,
    authorizer: Authorizer,
    /// No policy tells things within one configured target apart, so one of them stands for all.
    targets_alike: bool,
    /// Calls that need no approval, and the policies that permit them.
    allowed: DecisionCache<Vec<String>>,
    /// Findings with which a call is not hopeless, and the calls for which there is one.
    hopeful: DecisionCache<()>,
    hopes: Hopes,
}

/// What the files came to.
#[derive(Debug)]
struct Loaded {
    vocabulary: Vocabulary,
    set: PolicySet,
    policies: BTreeMap<String, Words>,
    digest: Digest,
}

/// What is known of a policy beside its Cedar form.
#[derive(Debug)]
struct Words {
    reason: String,
    permits: bool,
    /// It goes by something only a look at the target tells.
    depends_on_look: bool,
    /// It tells apart things within one configured target.
    names_resource: bool,
    /// The roles it names.
    roles: Vec<String>,
    file: String,
    line: usize,
}

/// What all policies together say about all targets, given one approval.
#[derive(Debug, Default)]
struct Verdicts {
    permitted_by: BTreeSet<String>,
    forbidden_by: BTreeSet<String>,
    /// Some target is permitted by nothing.
    unpermitted: bool,
    /// What went wrong while asking; anything here is a no.
    failed: Vec<Because>,
}

impl Verdicts {
    fn pass(&self) -> bool {
        self.forbidden_by.is_empty() && !self.unpermitted && self.failed.is_empty()
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("digest", &self.loaded.digest)
            .field("ceiling", &self.ceiling().need)
            .field("policies", &self.loaded.policies.keys())
            .finish_non_exhaustive()
    }
}

impl Policies {
    /// Reads the sources and puts them in force for these tools. `ceiling` is the strongest approval this installation can
    /// prove: what needs more is refused.
    ///
    /// # Errors
    /// Everything that is wrong with the policies. Then none of them is in force.
    pub fn load<'a>(
        sources: &Sources,
        declarations: impl IntoIterator<Item = &'a Declaration>,
        ceiling: impl Into<Ceiling>,
    ) -> Result<Self, LoadError> {
        Self::from_files(&sources.read()?.policies, declarations, ceiling)
    }

    /// The same from files already read.
    ///
    /// # Errors
    /// As [`Policies::load`].
    pub fn from_files<'a>(
        files: &[SourceFile],
        declarations: impl IntoIterator<Item = &'a Declaration>,
        ceiling: impl Into<Ceiling>,
    ) -> Result<Self, LoadError> {
        let loaded = load::load(files, declarations)?;
        let targets_alike = !loaded.policies.values().any(|words| words.names_resource);
        let (allowed, hopeful, hopes) = Default::default();
        let (ceiling, authorizer) = (RwLock::new(Arc::new(ceiling.into())), Authorizer::new());
        Ok(Self { loaded, ceiling, authorizer, targets_alike, allowed, hopeful, hopes })
    }

    /// Digest of the policies and schema in force; part of every approval.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.loaded.digest
    }

    /// The strongest approval this installation can prove.
    #[must_use]
    pub fn ceiling(&self) -> Arc<Ceiling> {
        Arc::clone(&self.ceiling.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who may answer has changed, and with that the strongest approval this installation can prove.
    pub fn set_ceiling(&self, ceiling: Ceiling) {
        let mut now = self.ceiling.write().unwrap_or_else(PoisonError::into_inner);
        if **now != ceiling {
            *now = Arc::new(ceiling);
            self.hopeful.forget();
            self.hopes.forget();
        }
    }

    /// How many policies are in force.
    #[must_use]
    pub fn count(&self) -> usize {
        self.loaded.policies.len()
    }

    /// The policies of these ids, with their words.
    #[must_use]
    pub fn words(&self, ids: &[String]) -> Vec<Because> {
        ids.iter().map(|id| self.named(id)).collect()
    }

    /// Decides one call on the facts.
    #[must_use]
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        let permit = |policies| Permit::new(facts.call, facts.declaration.name.to_string(), policies);
        let asked = self.asked(facts);
        if facts.approval.is_none()
            && let Some(policies) = self.allowed.find(&asked)
        {
            return Decision::Allow(permit(policies));
        }
        let prepared = match Prepared::new(&self.loaded.vocabulary, &asked) {
            Ok(prepared) => prepared,
            Err(error) => return Decision::Deny { because: vec![closed(&error)] },
        };
        let now = self.verdicts(&prepared, facts.approval);
        if now.pass() {
            let policies: Vec<_> = now.permitted_by.into_iter().collect();
            if facts.approval.is_none() {
                self.allowed.keep(asked, policies.clone());
            }
            return Decision::Allow(permit(policies));
        }
        if !now.failed.is_empty() {
            return Decision::Deny { because: now.failed };
        }
        match self.weakest_enough(&prepared, facts.approval) {
            Some(need) if self.ceiling().covers(&need) => Decision::Confirm { need, because: self.because(&now) },
            Some(need) => self.out_of_reach(&prepared, need),
            None => {
                // What stands against even the strongest approval is why nobody is asked.
                let strongest = self.verdicts(&prepared, LADDER.last().copied());
                Decision::Deny { because: self.because(&strongest) }
            }
        }
    }

    /// Before anything is looked at: is there any outcome of the look, and any approval, with which this call could be
    /// allowed? `retention` is why the gateway makes it, where it does.
    ///
    /// # Errors
    /// The policies that forbid it whatever is found.
    pub fn could_allow(
        &self,
        principal: &Principal,
        declaration: &Declaration,
        target: &Target,
        retention: Option<Retention>,
    ) -> Result<(), Vec<Because>> {
        // What the gateway removes for its retention is rare, and decided by itself.
        let is_usual = retention.is_none();
        if is_usual && self.hopes.has(principal, declaration, target) {
            return Ok(());
        }
        let (mut hopeless, ceiling) = (None, self.ceiling());
        for possible in situation::possible_findings(declaration, target, retention) {
            // The strongest approvals there are stand for all: a weaker one never passes where none of them does.
            for most in ceiling.each() {
                match self.hope(&possible.facts(principal, declaration, Some(most)), &ceiling) {
                    Ok(()) => {
                        if is_usual {
                            self.hopes.keep(principal, declaration, target);
                            // What was found under another ceiling than the present one is not known any more.
                            if !Arc::ptr_eq(&ceiling, &self.ceiling()) {
                                self.hopes.forget();
                            }
                        }
                        return Ok(());
                    }
                    Err(because) => hopeless.get_or_insert(because),
                };
            }
        }
        hopeless.map_or(Ok(()), Err)
    }

    /// Whether this finding with this approval could be allowed.
    fn hope(&self, facts: &Facts<'_>, ceiling: &Ceiling) -> Result<(), Vec<Because>> {
        let asked = self.asked(facts);
        if self.hopeful.find(&asked).is_some() {
            return Ok(());
        }
        let prepared = Prepared::new(&self.loaded.vocabulary, &asked).map_err(|error| vec![closed(&error)])?;
        let Some(because) = self.certain(&self.verdicts(&prepared, facts.approval)) else {
            self.hopeful.keep(asked, ());
            return Ok(());
        };
        match self.weakest_enough(&prepared, None) {
            Some(need) if !ceiling.covers(&need) => Err(self.beyond_ceiling(because, need)),
            _ => Err(because),
        }
    }

    fn prepare<'a>(&'a self, facts: &Facts<'_>) -> Result<Prepared<'a>, RequestError> {
        Prepared::new(&self.loaded.vocabulary, &self.asked(facts))
    }

    /// What the policies would see.
    fn asked(&self, facts: &Facts<'_>) -> Asked {
        let mut targets: Vec<_> = facts.targets.iter().collect();
        if self.targets_alike {
            let mut seen = BTreeSet::new();
            targets.retain(|target| {
                seen.insert((target.path.configured(), target.environment.name.as_str(), target.environment.tier))
            });
        }
        Asked::of(facts, &targets)
    }

    /// The weakest rung above `given` that every target passes on.
    fn weakest_enough(&self, prepared: &Prepared<'_>, given: Option<Need>) -> Option<Need> {
        LADDER
            .into_iter()
            .filter(|rung| !given.is_some_and(|given| given.covers(rung)))
            .find(|rung| self.passes(prepared, *rung))
    }

    /// Policies need more than this installation can prove: a no that names them and says so.
    fn out_of_reach(&self, prepared: &Prepared<'_>, need: Need) -> Decision {
        let ceiling = self.ceiling();
        // A ceiling that is no rung of the ladder, such as typed by two.
        if let Some(need) = ceiling.each().find(|most| self.passes(prepared, *most)) {
            return Decision::Confirm { need, because: self.because(&self.verdicts(prepared, None)) };
        }
        let best = self.verdicts(prepared, Some(ceiling.need));
        Decision::Deny { because: self.beyond_ceiling(self.because(&best), need) }
    }

    fn passes(&self, prepared: &Prepared<'_>, approval: Need) -> bool {
        let Ok(requests) = prepared.requests(Some(approval)) else { return false };
        requests.into_iter().all(|request| {
            request.is_ok_and(|(request, entities)| {
                let response = self.authorizer.is_authorized(&request, &self.loaded.set, entities);
                response.decision() == Verdict::Allow && response.diagnostics().errors().next().is_none()
            })
        })
    }

    fn verdicts(&self, prepared: &Prepared<'_>, approval: Option<Need>) -> Verdicts {
        let mut verdicts = Verdicts::default();
        let requests = match prepared.requests(approval) {
            Ok(requests) => requests,
            Err(error) => {
                verdicts.failed.push(closed(&error));
                return verdicts;
            }
        };
        for request in requests {
            let (request, entities) = match request {
                Ok(request) => request,
                Err(error) => {
                    verdicts.failed.push(closed(&error));
                    continue;
                }
            };
            let response = self.authorizer.is_authorized(&request, &self.loaded.set, entities);
            let ids = response.diagnostics().reason().map(ToString::to_string);
            match response.decision() {
                Verdict::Allow => verdicts.permitted_by.extend(ids),
                Verdict::Deny => {
                    let mut forbids = ids.peekable();
                    verdicts.unpermitted |= forbids.peek().is_none();
                    verdicts.forbidden_by.extend(forbids);
                }
            }
            // Cedar skips a policy that fails; here it is a no, because it may have been a forbid.
            verdicts.failed.extend(response.diagnostics().errors().map(|error| self.failure(error)));
        }
        verdicts.failed.sort();
        verdicts.failed.dedup();
        verdicts
    }

    fn because(&self, verdicts: &Verdicts) -> Vec<Because> {
        let mut because = verdicts.failed.clone();
        because.extend(verdicts.forbidden_by.iter().map(|id| self.named(id)));
        if verdicts.unpermitted {
            because.push(Because { policy: DEFAULT_DENY.to_owned(), reason: "No policy permits it.".to_owned() });
        }
        because
    }

    /// Why these verdicts would be a no whatever a look finds; `None` if that is not certain.
    fn certain(&self, verdicts: &Verdicts) -> Option<Vec<Because>> {
        let policies = &self.loaded.policies;
        let open = |id: &String| policies.get(id).is_none_or(|words| words.depends_on_look);
        let certain: Vec<_> = verdicts.forbidden_by.iter().filter(|id| !open(id)).map(|id| self.named(id)).collect();
        if !certain.is_empty() {
            return Some(certain);
        }
        let may_permit = policies.values().any(|words| words.permits && words.depends_on_look);
        let nothing_permits = verdicts.unpermitted && verdicts.forbidden_by.is_empty() && !may_permit;
        (nothing_permits && verdicts.failed.is_empty()).then(|| self.because(verdicts))
    }

    fn named(&self, id: &str) -> Because {
        let reason = self.loaded.policies.get(id).map(|words| words.reason.clone()).unwrap_or_default();
        Because { policy: id.to_owned(), reason }
    }

    fn failure(&self, error: &AuthorizationError) -> Because {
        match error {
            AuthorizationError::PolicyEvaluationError(error) => Because {
                policy: error.policy_id().to_string(),
                reason: format!("This policy failed while deciding, so the answer is no: {}.", error.inner()),
            },
        }
    }
}

fn closed(error: &RequestError) -> Because {
    Because {
        policy: CLOSED.to_owned(),
        reason: format!("The policies could not be asked, so the answer is no: {error}."),
    }
}

#[cfg(test)]
mod tests;
