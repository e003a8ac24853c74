//! One call on its way: what every step needs of it, and what is said of it.

use std::sync::Arc;

use mollyguard_record::audit::Subject;
use mollyguard_record::model::{Aim, Because, CallFacts, Principal, effect_of};
use mollyguard_tools::contract::{Declaration, Preflight, Target};
use mollyguard_tools::turns::Place;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::plan::CallPlan;
use crate::gateway::Gateway;
use crate::operators::LINK;
use crate::reply::{About, ReasonCode, Refusal, Request, Stage, redacted_principal, redacted_targets, way_of};

/// One call on its way, cheap to clone: whoever works on the call has all of it.
#[derive(Clone)]
pub(super) struct CallContext {
    /// Its id, uuid v7.
    pub(super) id: Uuid,
    pub(super) gateway: Arc<Gateway>,
    /// As it was made; for a preview, the call that would be made.
    pub(super) request: Arc<Request>,
    /// What is to be done.
    pub(super) plan: Arc<CallPlan>,
    /// The `preview_call` that this is: then it goes no further than its decision.
    pub(super) preview: Option<Arc<Request>>,
    /// None once it runs no more.
    pub(super) turn: Option<Arc<Turn>>,
}

/// A call's turn to run. Whoever works on the call has it: where its client leaves, that is still the case.
pub(super) struct Turn {
    pub(super) _slot: Place,
    pub(super) _bulk: Option<OwnedSemaphorePermit>,
}

impl CallContext {
    pub(super) fn declaration(&self) -> &Declaration {
        &self.plan.tool.declaration
    }

    /// Says how far the call has come.
    pub(super) fn reach(&self, stage: Stage) {
        if self.preview.is_none() {
            let _nobody_watches = self.request.stage.send(stage);
        }
    }

    /// What is said of it before it is looked at.
    pub(super) fn unseen(&self) -> About {
        About::unseen(self.id, self.declaration().reversibility)
    }

    /// What is said of it afterwards.
    pub(super) fn seen(&self, decision: &'static str, seen: &Preflight) -> About {
        About::seen(self.id, decision, seen.class(self.declaration()), seen)
    }

    /// What a record about it says it is about.
    pub(super) fn subject(&self, seen: Option<&Preflight>) -> Subject {
        let what = (&*self.declaration().name, &*self.plan.args);
        let targets = seen.map(|seen| &*seen.targets).unwrap_or_default();
        subject(&self.gateway, self.id, &self.request.principal, what, targets)
    }

    /// All that a yes to it is bound to.
    pub(super) fn facts<'s>(&'s self, seen: &'s Preflight) -> CallFacts<'s> {
        let CallPlan { tool, args, target, undoes } = &*self.plan;
        let (name, principal) = (&*tool.declaration.name, &self.request.principal);
        let undoes = undoes.map(|(call, _)| call);
        CallFacts {
            tool: name,
            declaration: tool.digest,
            args,
            principal,
            targets: &seen.targets,
            fingerprint: seen.fingerprint,
            effect: effect_of(name, target, principal, undoes, &tool.tool.effect(args, seen)),
            undoes,
            policies: self.gateway.policies.digest(),
        }
    }

    /// What a no to it holds for.
    pub(super) fn aim(&self, seen: &Preflight) -> Aim {
        let CallPlan { tool, args, target, undoes } = &*self.plan;
        let undoes = undoes.map(|(call, _)| call);
        Aim::of(&tool.declaration.name, target, &self.request.principal.user, undoes, &tool.tool.aim(args, seen))
    }

    /// A refusal that is written down as one of this call, whatever else was.
    pub(super) fn refused(&self, seen: Option<&Preflight>, refusal: Refusal) -> Box<Refusal> {
        Box::new(refusal.recorded_as(self.subject(seen)))
    }

    /// The refusal of the gateway's own call where policy would have a person asked.
    pub(super) fn not_asked_about(&self, seen: &Preflight, because: Vec<Because>) -> Box<Refusal> {
        let (tool, target) = (&self.declaration().name, &self.plan.target);
        let message = format!(
            "policy requires a person's approval for `{tool}` on `{target}`, and nobody is asked about what is removed for its \
             age or size"
        );
        let next = format!("It stays where it is. Call `{tool}` to have a person asked, or change the policies.");
        self.refused(Some(seen), self.by_policy(Some(seen), because, message, next))
    }

    /// What policy says no to.
    fn by_policy(&self, seen: Option<&Preflight>, because: Vec<Because>, message: String, next: String) -> Refusal {
        let mut about = seen.map_or_else(|| self.unseen(), |seen| self.seen("deny", seen));
        about.policies.clone_from(&because);
        Refusal { because, ..Refusal::new(ReasonCode::Denied, message, next, about) }
    }

    /// The refusal where policy says no.
    pub(super) fn denied(&self, seen: Option<&Preflight>, because: Vec<Because>) -> Box<Refusal> {
        let message = format!("policy does not allow `{}` on `{}`", self.declaration().name, self.plan.target);
        let alternative = seen.and_then(|seen| seen.alternative.as_ref());
        let next = match alternative {
            Some(way) => format!("Use `{}` instead: {}.", way.tool, way.summary),
            None if because.iter().any(|because| because.reason.contains(LINK)) => {
                format!("Have whoever runs the gateway {LINK}. Then call again.")
            }
            None => {
                "No approval that can be given here would change this. Ask the people who keep the policies, or do it another way.".to_owned()
            }
        };
        let mut refusal = self.by_policy(seen, because, message, next);
        refusal.alternative = alternative.map(way_of);
        self.refused(seen, refusal)
    }
}

/// What a record about a call says it is about: which tool with which arguments, on what.
pub(super) fn subject(
    gateway: &Gateway,
    call: Uuid,
    principal: &Principal,
    (tool, args): (&str, &Value),
    targets: &[Target],
) -> Subject {
    let redactor = gateway.broker.redactor();
    Subject {
        call: Some(call),
        principal: Some(redacted_principal(principal, redactor)),
        tool: Some(tool.to_owned()),
        targets: redacted_targets(targets, redactor),
        arguments: Some(gateway.args_key.digest(args)),
    }
}
