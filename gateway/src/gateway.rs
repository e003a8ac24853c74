//! The parts of a gateway, put together once and shared by every call.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::credentials::Broker;
use crate::policy::Policies;
use crate::registry::Registry;
use crate::store::Store;

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
    /// One permit a running call.
    pub(crate) slots: Semaphore,
    /// Calls that have been written down and run on, whether or not their client still listens.
    pub(crate) running: TaskTracker,
}
