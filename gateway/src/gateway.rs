//! The parts of a gateway, put together once and shared by every call, and the steps of a call that use several of them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mollyguard_record::audit::ArgsKey;
use mollyguard_record::model::Operator;
use mollyguard_record::state::{KeyError, directory, where_page_is};
use mollyguard_record::store::{Configured, OpenStore, SqliteStore, Store, StoreError};
use mollyguard_tools::contract::{Declaration, Toolset};
use mollyguard_tools::turns::Turns;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::Config;
use crate::credentials::{Broker, SecretError};
use crate::limits::{Bulk, Recovering, Refusals, slots};
use crate::notify::{Notices, NotifyError};
use crate::operators::{Code, Facts, People, Separation, Tries, ceiling};
use crate::platform::is_dumpable;
use crate::policy::{LoadError, Policies, Sources};
use crate::registry::{Registry, RegistryError};
use crate::targets::AliasGuard;
use crate::targets::overlap::{Overlap, Reaches};

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
    /// What the targets reach, and what they must not.
    pub reaches: Arc<Reaches>,
    /// The toolsets the configuration was read with.
    pub toolsets: Vec<Arc<dyn Toolset>>,
    /// Where the confirmation page is, such as `http://localhost:7420`, where that is not wherever one of the gateways on
    /// this state directory serves it.
    pub page: OnceLock<String>,
    /// What stands between the agents and this gateway.
    pub separation: Separation,
    /// Other processes of the gateway's user can read its memory.
    pub dumpable: bool,
    /// How often codes may still be tried.
    pub(crate) tries: Tries,
    /// Tells people that a question waits.
    pub(crate) notices: Notices,
    pub(crate) slots: Turns,
    pub(crate) bulk: Bulk,
    pub(crate) aliases: AliasGuard,
    /// Calls that have been written down and run on, whether or not their client still listens.
    pub(crate) running: TaskTracker,
    /// What is being settled: one at a time on each target.
    pub(crate) recovering: Recovering,
    /// How many refusals were written down of late.
    pub(crate) refusals: Refusals,
    /// Set when the gateway closes: what could not be written down is tried once more, and no longer.
    pub(crate) closing: CancellationToken,
}

/// How many wrong codes may be tried a minute, by everybody together. A code has 100 bits: this only keeps the noise down.
const TRIES: u32 = 20;

/// Why a gateway cannot be put together. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Targets reach what they must not.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// The tools do not fit together.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The policies cannot be put in force.
    #[error("the policies cannot be put in force:\n{0}")]
    Policies(#[from] LoadError),
    /// A secret is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Nobody could be told of questions.
    #[error(transparent)]
    Notify(#[from] NotifyError),
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
        Self::open_for(config, toolsets, false)
    }

    /// The same for agents that run as other users of the system than this process, where `apart`: then an approval can
    /// prove more.
    ///
    /// # Errors
    /// As [`Gateway::open`].
    pub fn open_for(config: Config, toolsets: Vec<Arc<dyn Toolset>>, apart: bool) -> Result<Self, OpenError> {
        let reaches = Arc::new(Reaches::check(&config, &toolsets)?);
        let broker = Broker::open(&config, &toolsets, &reaches)?;
        let notices = Notices::open(&config, &broker, &reaches)?;
        let registry = Registry::new(&toolsets, broker.targets())?;
        let sources = Sources { defaults: config.default_policies, directories: config.policy_directories.clone() };
        let separation = Separation::of(apart);
        let mut facts = Facts { separation, dumpable: is_dumpable(), people: People::default() };
        let policies = Policies::load(&sources, &declarations(&toolsets), ceiling(&facts))?;
        let configured = Configured {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            configuration: config.digest,
            policies: policies.digest(),
        };
        if let Some(own) = &config.own_state {
            directory::claim(&own.path, &own.owner)
                .map_err(|why| OpenError::Store(own.path.clone(), StoreError::Failed(why)))?;
        }
        let checkpoint = config.checkpoint.clone();
        let room = config.room;
        let open = OpenStore { checkpoint, room, ..OpenStore::new(config.state.clone(), configured) };
        let store = SqliteStore::open(open).map_err(|error| OpenError::Store(config.state.clone(), error))?;
        let operators = store.enrolled().map_err(|error| OpenError::Store(config.state.clone(), error))?;
        facts.people = People::of(&operators);
        policies.set_ceiling(ceiling(&facts));
        Ok(Self {
            args_key: ArgsKey::open(&config.state)?,
            page: OnceLock::new(),
            separation,
            dumpable: facts.dumpable,
            notices,
            tries: Tries::new(TRIES),
            slots: slots(config.concurrent_calls, config.waiting_calls),
            bulk: Bulk::default(),
            aliases: AliasGuard::default(),
            running: TaskTracker::new(),
            recovering: Recovering::default(),
            refusals: Refusals::default(),
            closing: CancellationToken::new(),
            store: Arc::new(store),
            config: Arc::new(config),
            registry,
            policies,
            broker,
            reaches,
            toolsets,
        })
    }

    /// Where a question can be answered in a browser. The address opens nothing by itself: who answers shows there who
    /// they are.
    #[must_use]
    pub fn page_of(&self, confirmation: Uuid) -> Option<String> {
        let page = self.page.get().cloned().or_else(|| where_page_is(&self.config.state))?;
        Some(format!("{}/questions/{confirmation}", page.trim_end_matches('/')))
    }

    /// Reads anew who may answer, so that policies know what can be proven.
    pub(crate) async fn people_changed(&self) {
        let operators = self.store.operators().await.unwrap_or_else(|error| {
            // Nobody is known to be able to answer then.
            tracing::error!(%error, "who may answer cannot be read");
            Vec::new()
        });
        let (separation, dumpable) = (self.separation, self.dumpable);
        self.policies.set_ceiling(ceiling(&Facts { separation, dumpable, people: People::of(&operators) }));
    }

    /// Whose code this is. Nobody's, too, where too many were tried of late.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn with_code(&self, typed: &str) -> Result<Option<Operator>, StoreError> {
        let Some(code) = Code::parse(typed).filter(|_| self.tries.take()) else { return Ok(None) };
        let found = self.store.with_code(code.digest(&self.args_key)).await?;
        if found.is_some() {
            self.tries.give_back();
        }
        Ok(found)
    }

    /// Waits for calls that are written down and still run, for as long as that may take.
    pub async fn finish_calls(&self, patience: Duration) {
        self.running.close();
        self.closing.cancel();
        if tokio::time::timeout(patience, self.running.wait()).await.is_err() {
            tracing::error!("calls still run; the next start recovers them by looking");
        }
    }

    /// Writes what is waiting, and the last checkpoint.
    ///
    /// # Errors
    /// The store failed.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.refusals.account_for(&*self.store).await;
        self.store.close().await
    }
}
