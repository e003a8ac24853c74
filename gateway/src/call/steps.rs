//! The steps of a call that use several parts of the gateway. What comes after what is in `call.rs`.

use std::future::Future;
use std::time::Duration;

use mollyguard_record::audit::Subject;
use mollyguard_record::model::{Aim, Because, CallFacts, Principal, effect_of};
use mollyguard_tools::contract::{Digest, Lease, MayRead, Outcome, Preflight, Read, Reversibility, Target, ToolError};
use serde_json::Value;
use uuid::Uuid;

use super::plan::{self, Errand};
use crate::gateway::Gateway;
use crate::operators::LINK;
use crate::registry::UndoArgs;
use crate::reply::{About, ReasonCode, Refusal, Reply, Request, redact_evidence, redact_targets};

impl Gateway {
    /// The errand of an `undo_call`.
    pub(crate) async fn undo(&self, request: &Request) -> Result<Errand, Box<Refusal>> {
        let about = || About::unseen(Uuid::now_v7(), Reversibility::Irreversible);
        let args: UndoArgs = serde_json::from_value(request.args.clone())
            .map_err(|error| Refusal::of_arguments(&request.tool, &[error.to_string()]))?;
        // Whoever owns the state directory may take back any call recorded in it.
        let whose = (!request.by_owner).then_some(&request.principal);
        Errand::undo(self.store.as_ref(), &self.registry, args.call_id, whose)
            .await
            .map_err(|error| Box::new(plan::refusal(&error, about())))
    }

    /// Refuses, before anything is looked at, what no approval and no finding could make allowed.
    pub(crate) async fn could_allow(&self, id: Uuid, request: &Request, errand: &Errand) -> Result<(), Box<Refusal>> {
        let declaration = &errand.tool.declaration;
        let unseen = || About::unseen(id, declaration.reversibility);
        let target = self.broker.target(&errand.target).map_err(|error| {
            Box::new(Refusal::new(
                ReasonCode::InvalidArguments,
                error.to_string(),
                "Name a configured target.",
                unseen(),
            ))
        })?;
        if target.kind != declaration.kind {
            let message = format!("target `{}` is of kind `{}`, not `{}`", target.name, target.kind, declaration.kind);
            let next = format!("Use a `{}_…` tool for it.", target.kind);
            return Err(Box::new(Refusal::new(ReasonCode::InvalidArguments, message, next, unseen())));
        }
        let whole = Target {
            kind: target.kind.clone(),
            path: target.name.clone(),
            uid: None,
            environment: target.environment.clone(),
        };
        // Who may answer can change at any moment, through any process.
        if declaration.mutates() {
            self.people_changed().await;
        }
        match self.policies.could_allow(&request.principal, declaration, &whole) {
            Ok(()) => Ok(()),
            Err(because) => Err(self.deny(id, request, errand, None, because).await),
        }
    }

    /// Looks: within the deadline, and for as long as the client listens.
    pub(crate) async fn look(&self, id: Uuid, request: &Request, errand: &Errand) -> Result<Preflight, Box<Refusal>> {
        let unseen = || About::unseen(id, errand.tool.declaration.reversibility);
        let looked = self.try_look(request, errand).await;
        let refusal = match looked {
            Ok(seen) if seen.targets.is_empty() && errand.tool.declaration.mutates() => {
                let message = format!("`{}` found no target, so there is nothing to decide on", request.tool);
                Refusal::new(ReasonCode::Untouched, message, "Look up what is there, then call again.", unseen())
            }
            Ok(seen) => match errand.undoes {
                Some((call, expects)) if seen.fingerprint != expects => {
                    let message = format!(
                        "the target has changed since call `{call}`, so taking that back would destroy what came after"
                    );
                    let next = "Look at the target and make the change you want as a call of its own.";
                    Refusal::new(
                        ReasonCode::TargetChanged,
                        message,
                        next,
                        About::seen(id, "deny", seen.reversibility, &seen),
                    )
                }
                _ => return Ok(seen),
            },
            Err(error) => Refusal::of_tool(&error, unseen()),
        };
        Err(self.refused(request, errand, None, refusal).await)
    }

    /// Records a refusal and hands it on.
    pub(crate) async fn refused(
        &self,
        request: &Request,
        errand: &Errand,
        seen: Option<&Preflight>,
        refusal: Refusal,
    ) -> Box<Refusal> {
        let name = &errand.tool.declaration.name;
        let mut subject = self.subject_unseen(refusal.about.id, &request.principal, name, &errand.args);
        subject.targets = seen.map(|seen| self.redacted_targets(seen)).unwrap_or_default();
        self.on_record(subject, refusal).await
    }

    async fn try_look(&self, request: &Request, errand: &Errand) -> Result<Preflight, ToolError> {
        let lease = self.lease_to_look(request, errand)?;
        let look = async {
            self.is_the_one(&lease, errand).await?;
            errand.tool.tool.preflight(&errand.args, &lease).await
        };
        heeding(request, lease.limits().deadline, look).await.map_err(nothing_changed)
    }

    /// As [`Gateway::look`], and reads at once where `judge` says yes to what was found.
    pub(crate) async fn read_at_once(
        &self,
        id: Uuid,
        request: &Request,
        errand: &Errand,
        judge: MayRead,
    ) -> Result<Read<Outcome>, Box<Refusal>> {
        let work = async {
            let lease = self.lease_to_look(request, errand)?;
            let read = async {
                self.is_the_one(&lease, errand).await?;
                errand.tool.tool.read(&errand.args, &lease, judge).await
            };
            heeding(request, lease.limits().deadline, read).await
        };
        match work.await.map_err(nothing_changed) {
            Ok(read) => Ok(read),
            Err(error) => {
                let unseen = About::unseen(id, errand.tool.declaration.reversibility);
                Err(self.refused(request, errand, None, Refusal::of_tool(&error, unseen)).await)
            }
        }
    }

    fn lease_to_look(&self, request: &Request, errand: &Errand) -> Result<Lease, ToolError> {
        let lease = self.broker.lend_look(&errand.target, &errand.tool.declaration);
        let lease = lease.map_err(|error| ToolError::refused(error.to_string()))?;
        Ok(lease.in_turn_of(&request.principal.user))
    }

    /// The target is the one that was configured, and no other target is the same.
    async fn is_the_one(&self, lease: &Lease, errand: &Errand) -> Result<(), ToolError> {
        self.same_identity(lease).await?;
        self.no_twin(lease, &errand.tool.declaration).await
    }

    /// Reads: within the deadline, and for as long as the client listens.
    pub(crate) async fn read(
        &self,
        request: &Request,
        errand: &Errand,
        seen: &Preflight,
    ) -> Result<Outcome, ToolError> {
        let lease = self.broker.lend_read(&errand.target);
        let lease = lease.map_err(|error| ToolError::refused(error.to_string()))?;
        let lease = lease.in_turn_of(&request.principal.user);
        let read = errand.tool.tool.execute(&errand.args, seen, &lease);
        heeding(request, lease.limits().deadline, read).await.map_err(nothing_changed)
    }

    /// A pinned target must still be what it was pinned to: another database behind the name is refused.
    async fn same_identity(&self, lease: &Lease) -> Result<(), ToolError> {
        let target = lease.target();
        let Some(pinned) = self.broker.identity(&target.name) else { return Ok(()) };
        let toolset = self.toolsets.iter().find(|toolset| toolset.name() == target.kind);
        let toolset = toolset.ok_or_else(|| ToolError::refused(format!("there is no kind `{}`", target.kind)))?;
        let found = toolset.identity(lease).await?;
        if found == pinned {
            return Ok(());
        }
        let reason = format!("`{}` is pinned to `{pinned}`, but `{found}` answers", target.name);
        Err(ToolError::refused(reason)
            .with_next("Have a person run `mollyguard targets check` and correct the configuration."))
    }

    /// Records a denial and words it.
    pub(crate) async fn deny(
        &self,
        id: Uuid,
        request: &Request,
        errand: &Errand,
        seen: Option<&Preflight>,
        because: Vec<Because>,
    ) -> Box<Refusal> {
        let declaration = &errand.tool.declaration;
        let mut about = match seen {
            Some(seen) => About::seen(id, "deny", seen.settle(declaration), seen),
            None => About::unseen(id, declaration.reversibility),
        };
        about.policies.clone_from(&because);
        let message = format!("policy does not allow `{}` on `{}`", declaration.name, errand.target);
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
        let mut refusal = Refusal::new(ReasonCode::Denied, message, next, about);
        refusal.because = because;
        refusal.alternative = alternative.map(crate::reply::way_of);
        self.refused(request, errand, seen, refusal).await
    }

    /// What a record about a call says it is about.
    pub(crate) fn subject(
        &self,
        id: Uuid,
        principal: &Principal,
        tool: &str,
        args: &Value,
        seen: &Preflight,
    ) -> Subject {
        Subject { targets: self.redacted_targets(seen), ..self.subject_unseen(id, principal, tool, args) }
    }

    /// All that a yes to a call is bound to.
    pub(crate) fn call_facts<'a>(
        &self,
        principal: &'a Principal,
        errand: &'a Errand,
        seen: &'a Preflight,
    ) -> CallFacts<'a> {
        CallFacts {
            tool: &errand.tool.declaration.name,
            declaration: errand.tool.digest,
            args: &errand.args,
            principal,
            targets: &seen.targets,
            fingerprint: seen.fingerprint,
            effect: self.effect(principal, errand, seen),
            undoes: errand.undoes.map(|(call, _)| call),
            policies: self.policies.digest(),
        }
    }

    fn effect(&self, principal: &Principal, errand: &Errand, seen: &Preflight) -> Digest {
        let declaration = &errand.tool.declaration;
        let effect = errand.tool.tool.effect(&errand.args, seen);
        let undoes = errand.undoes.map(|(call, _)| call);
        effect_of(&declaration.name, &errand.target, principal, undoes, &effect)
    }

    /// What a no to a call holds for.
    pub(crate) fn aim(&self, principal: &Principal, errand: &Errand, seen: &Preflight) -> Aim {
        let tool = &errand.tool;
        let (names, undoes) = (tool.tool.aim(&errand.args, seen), errand.undoes.map(|(call, _)| call));
        Aim::of(&tool.declaration.name, &errand.target, &principal.user, undoes, &names)
    }

    /// What a call acts on, without held secrets.
    pub(crate) fn redacted_targets(&self, seen: &Preflight) -> Vec<Target> {
        let mut targets = seen.targets.clone();
        redact_targets(&mut targets, self.broker.redactor());
        targets
    }

    /// What a look found, as the store keeps it: without held secrets, but for the state kept so that the call can be
    /// taken back, which must be exact.
    pub(crate) fn for_the_store(&self, seen: &Preflight) -> Preflight {
        Preflight { pre_image: seen.pre_image.clone(), ..self.for_people(seen) }
    }

    /// What a look found, as people are told of it: without held secrets, and without the state kept for taking it back.
    pub(crate) fn for_people(&self, seen: &Preflight) -> Preflight {
        let redactor = self.broker.redactor();
        let mut seen = Preflight {
            targets: seen.targets.clone(),
            blast_radius: seen.blast_radius.clone(),
            evidence: seen.evidence.clone(),
            alternative: seen.alternative.clone(),
            summary: seen.summary.clone(),
            pre_image: None,
            ..*seen
        };
        redactor.string(&mut seen.summary);
        redact_targets(&mut seen.targets, redactor);
        redact_evidence(&mut seen.evidence, redactor);
        redactor.parts(&mut seen.blast_radius);
        if let Some(way) = &mut seen.alternative {
            redactor.value(&mut way.args);
            redactor.string(&mut way.summary);
        }
        seen
    }

    pub(crate) fn subject_unseen(&self, id: Uuid, principal: &Principal, tool: &str, args: &Value) -> Subject {
        Subject {
            call: Some(id),
            principal: Some(self.redacted_principal(principal)),
            tool: Some(tool.to_owned()),
            targets: Vec::new(),
            arguments: Some(self.args_key.digest(args)),
        }
    }

    /// The client program names itself, so its name is foreign text.
    pub(crate) fn redacted_principal(&self, principal: &Principal) -> Principal {
        let client = principal.client.as_deref().map(|client| self.broker.redactor().text(client).into_owned());
        Principal { client, ..principal.clone() }
    }

    /// Why a read failed, as its record says it.
    pub(crate) fn failed(&self, error: &ToolError) -> String {
        self.broker.redactor().text(&error.to_string()).into_owned()
    }

    /// A value without held secrets.
    pub(crate) fn redacted_value(&self, mut value: Value) -> Value {
        self.broker.redactor().value(&mut value);
        value
    }

    /// A reply without held secrets.
    pub(crate) fn redacted(&self, reply: Reply) -> Reply {
        let redactor = self.broker.redactor();
        if redactor.is_idle() { reply } else { reply.redacted(redactor) }
    }
}

/// Looks and reads change nothing, so however one of them ends, nothing was changed.
pub(crate) fn nothing_changed(error: ToolError) -> ToolError {
    match error {
        ToolError::Uncertain { reason } => ToolError::failed(reason),
        untouched @ ToolError::Untouched { .. } => untouched,
    }
}

/// Awaits work until it is done, its deadline passes, or the client is gone. Dropping the work stops it: nothing that
/// changes the world is awaited this way.
async fn heeding<T>(
    request: &Request,
    deadline: Duration,
    work: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    tokio::select! {
        result = tokio::time::timeout(deadline, work) => result.unwrap_or_else(|_| {
            Err(ToolError::unavailable(format!("no answer from the target within {deadline:?}")))
        }),
        () = request.cancel.cancelled() => Err(ToolError::unavailable("the client cancelled the call")),
    }
}
