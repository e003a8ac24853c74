//! The parts of a gateway, put together once and shared by every call, and the steps of a call that use several of them.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mollyguard_tools::contract::{Declaration, Lease, Outcome, Preflight, Reversibility, Target, ToolError, Toolset};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::audit::{ArgsKey, AuditEvent, Subject};
use crate::config::Config;
use crate::confirm::Need;
use crate::credentials::{Broker, SecretError};
use crate::identity::Principal;
use crate::journal::Errand;
use crate::own::UndoArgs;
use crate::policy::{Because, LoadError, Policies, Sources};
use crate::registry::{Registry, RegistryError};
use crate::reply::{About, ReasonCode, Refusal, Reply, Request};
use crate::store::keys::KeyError;
use crate::store::{Configured, OpenStore, SqliteStore, Store, StoreError};

/// Everything a call needs.
pub struct Gateway {
    /// The configuration.
    pub config: Arc<Config>,
    /// Every tool by name.
    pub registry: Registry,
    /// The policies in force.
    pub policies: Policies,
    /// The credentials, and redaction.
    pub broker: Broker,
    /// Calls, questions, undo entries and the audit chain.
    pub store: Arc<dyn Store>,
    /// Digests arguments for the record.
    pub args_key: ArgsKey,
    /// The toolsets the configuration was read with.
    pub toolsets: Vec<Arc<dyn Toolset>>,
    pub(crate) slots: Slots,
    /// Calls that have been written down and run on, whether or not their client still listens.
    pub(crate) running: TaskTracker,
}

/// One permit a running call, and a bounded number that wait for one.
pub(crate) struct Slots {
    free: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
}

impl Slots {
    pub(crate) const fn new(concurrent: usize, most_waiting: usize) -> Self {
        Self { free: Semaphore::const_new(concurrent), waiting: AtomicUsize::new(0), most_waiting }
    }
}

/// Counts a waiting call for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a gateway cannot be put together. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The tools do not fit together.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The policies cannot be put in force.
    #[error("the policies cannot be put in force:\n{0}")]
    Policies(#[from] LoadError),
    /// A secret is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The state directory cannot be used.
    #[error("the state directory `{0}` cannot be used: {1}")]
    Store(PathBuf, StoreError),
    /// A key in the state directory cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The declarations of everything there is, whatever is configured: what policies may speak of.
#[must_use]
pub fn declarations(toolsets: &[Arc<dyn Toolset>]) -> Vec<Declaration> {
    toolsets.iter().flat_map(|toolset| toolset.tools()).map(|tool| tool.declaration().clone()).collect()
}

impl Gateway {
    /// Puts the parts together. Cheap, and without effect beyond the state directory: some editors start a second process
    /// only to see whether it starts.
    ///
    /// # Errors
    /// Which part cannot be had, and why.
    pub fn open(config: Config, toolsets: Vec<Arc<dyn Toolset>>) -> Result<Self, OpenError> {
        let broker = Broker::open(&config)?;
        let registry = Registry::new(&toolsets, broker.targets())?;
        let sources = Sources { defaults: config.default_policies, directories: config.policy_directories.clone() };
        let policies = Policies::load(&sources, &declarations(&toolsets), Need::IN_CLIENT)?;
        let configured = Configured {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            configuration: config.digest,
            policies: policies.digest(),
        };
        let checkpoint = config.checkpoint.clone();
        let store = SqliteStore::open(OpenStore { checkpoint, ..OpenStore::new(config.state.clone(), configured) })
            .map_err(|error| OpenError::Store(config.state.clone(), error))?;
        Ok(Self {
            args_key: ArgsKey::open(&config.state)?,
            slots: Slots::new(config.concurrent_calls, config.waiting_calls),
            running: TaskTracker::new(),
            store: Arc::new(store),
            config: Arc::new(config),
            registry,
            policies,
            broker,
            toolsets,
        })
    }

    /// Waits for calls that are written down and still run, for as long as that may take.
    pub async fn settle_down(&self, patience: Duration) {
        self.running.close();
        if tokio::time::timeout(patience, self.running.wait()).await.is_err() {
            tracing::error!("calls still run; the next start settles them by looking");
        }
    }

    /// Writes what is waiting and signs the heads.
    ///
    /// # Errors
    /// The store failed.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }

    /// A turn to run, in order of arrival; refused at once when too many wait.
    pub(crate) async fn slot(&self, request: &Request) -> Result<SemaphorePermit<'_>, Box<Refusal>> {
        if let Ok(permit) = self.slots.free.try_acquire() {
            return Ok(permit);
        }
        let about = || About::unseen(Uuid::now_v7(), Reversibility::Irreversible);
        let busy = |message: &str| {
            Box::new(Refusal::new(
                ReasonCode::Unavailable,
                message,
                "Wait for your other calls, then try again.",
                about(),
            ))
        };
        if self.slots.waiting.fetch_add(1, Ordering::Relaxed) >= self.slots.most_waiting {
            self.slots.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(busy("too many calls are waiting for their turn"));
        }
        let _waiting = Waiting(&self.slots.waiting);
        tokio::select! {
            permit = self.slots.free.acquire() => permit.map_err(|_| busy("the gateway is closing")),
            () = request.cancel.cancelled() => Err(Box::new(Refusal::cancelled(about()))),
        }
    }

    /// The errand of an `undo_call`.
    pub(crate) async fn undo(&self, request: &Request) -> Result<Errand, Box<Refusal>> {
        let about = || About::unseen(Uuid::now_v7(), Reversibility::Irreversible);
        let args: UndoArgs = serde_json::from_value(request.args.clone())
            .map_err(|error| Refusal::of_arguments(&request.tool, &[error.to_string()]))?;
        Errand::undo(self.store.as_ref(), &self.registry, args.call_id, &request.principal)
            .await
            .map_err(|error| Box::new(Refusal::of_journal(&error, about())))
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
        self.refused(request, errand, None, refusal).await
    }

    /// Records a refusal and hands it on; a refusal that cannot be recorded is one still.
    pub(crate) async fn refused<T>(
        &self,
        request: &Request,
        errand: &Errand,
        seen: Option<&Preflight>,
        refusal: Refusal,
    ) -> Result<T, Box<Refusal>> {
        let name = &errand.tool.declaration.name;
        let mut subject = self.subject_unseen(refusal.about.id, &request.principal, name, &errand.args);
        subject.targets = seen.map(|seen| self.redacted_targets(&seen.targets)).unwrap_or_default();
        let event = AuditEvent::Denied {
            reason_code: refusal.reason_code.as_str().to_owned(),
            because: refusal.because.clone(),
        };
        if let Err(error) = self.store.record(subject, event).await {
            tracing::error!(call = %refusal.about.id, %error, "a refusal could not be recorded");
        }
        Err(Box::new(refusal))
    }

    async fn try_look(&self, request: &Request, errand: &Errand) -> Result<Preflight, ToolError> {
        let lease = self.lend_read(&errand.target)?;
        if errand.tool.declaration.mutates() {
            self.same_identity(&lease).await?;
        }
        let look = errand.tool.tool.preflight(&errand.args, &lease);
        heeding(request, lease.limits().deadline, look).await
    }

    /// Reads: within the deadline, and for as long as the client listens.
    pub(crate) async fn read(
        &self,
        request: &Request,
        errand: &Errand,
        seen: &Preflight,
    ) -> Result<Outcome, ToolError> {
        let lease = self.lend_read(&errand.target)?;
        heeding(request, lease.limits().deadline, errand.tool.tool.execute(&errand.args, seen, &lease)).await
    }

    fn lend_read(&self, target: &str) -> Result<Lease, ToolError> {
        self.broker.lend_read(target).map_err(|error| ToolError::refused(error.to_string()))
    }

    /// A pinned target must still be what it was pinned to: another database behind the name is refused.
    async fn same_identity(&self, lease: &Lease) -> Result<(), ToolError> {
        let target = lease.target();
        let Some(pinned) = self.broker.identity(&target.name) else { return Ok(()) };
        let toolset = self.toolsets.iter().find(|toolset| toolset.name() == target.kind);
        let toolset = toolset.ok_or_else(|| ToolError::refused(format!("there is no kind `{}`", target.kind)))?;
        let found = toolset.check(lease).await?.identity;
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
            None => {
                "No approval would change this. Ask the people who keep the policies, or do it another way.".to_owned()
            }
        };
        let mut refusal = Refusal::new(ReasonCode::Denied, message, next, about);
        refusal.because = because;
        refusal.alternative = alternative.map(crate::reply::way_of);
        match self.refused::<()>(request, errand, seen, refusal).await {
            Err(refusal) => refusal,
            // `refused` always is one.
            Ok(()) => Box::new(Refusal::lost("a refusal was lost", About::unseen(id, declaration.reversibility))),
        }
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
        let targets = self.redacted_targets(&seen.targets);
        Subject { targets, ..self.subject_unseen(id, principal, tool, args) }
    }

    fn subject_unseen(&self, id: Uuid, principal: &Principal, tool: &str, args: &Value) -> Subject {
        Subject {
            call: Some(id),
            principal: Some(principal.clone()),
            tool: Some(tool.to_owned()),
            targets: Vec::new(),
            arguments: Some(self.args_key.digest(args)),
        }
    }

    /// A text without held secrets.
    pub(crate) fn redacted_text(&self, text: &str) -> String {
        self.broker.redactor().text(text).into_owned()
    }

    /// A value without held secrets.
    pub(crate) fn redacted_value(&self, mut value: Value) -> Value {
        self.broker.redactor().value(&mut value);
        value
    }

    fn redacted_targets(&self, targets: &[Target]) -> Vec<Target> {
        let mut targets = targets.to_vec();
        targets.iter_mut().for_each(|target| self.broker.redactor().string(&mut target.path));
        targets
    }

    /// What was seen, without held secrets but for the pre-image: that is the target's own data, to be put back as it was.
    pub(crate) fn redacted_sight(&self, seen: &Preflight) -> Preflight {
        let redactor = self.broker.redactor();
        let mut seen = Preflight { targets: self.redacted_targets(&seen.targets), ..seen.clone() };
        redactor.string(&mut seen.summary);
        seen.evidence.iter_mut().for_each(|evidence| redactor.string(&mut evidence.what));
        redactor.parts(&mut seen.blast_radius);
        if let Some(way) = &mut seen.alternative {
            redactor.value(&mut way.args);
            redactor.string(&mut way.summary);
        }
        seen
    }

    /// A reply without held secrets.
    pub(crate) fn redacted(&self, reply: Reply) -> Reply {
        let redactor = self.broker.redactor();
        if redactor.is_idle() { reply } else { reply.redacted(redactor) }
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
