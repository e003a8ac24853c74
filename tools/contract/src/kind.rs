//! A kind of target: how its tools reach it, and what its transactions mean. One a toolset.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::Value;

use super::tool::effect_on;
use super::{Evidence, Lease, Preflight, ToolError};

/// What a transaction is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// Looking: it changes nothing, and could not.
    Look,
    /// Finding out what a change would do, with the credential that would make it. Whatever is tried is rolled back.
    Trial,
    /// Finding out what became of a change that was begun, with that credential. It is rolled back as well.
    Probe,
    /// Making the change that was decided on, of which this is the look.
    Change(&'a Preflight),
}

/// How a commit ended, where it did not succeed.
#[derive(Debug)]
pub enum Unsure {
    /// Nothing was changed, or it is uncertain, as the error says.
    No(ToolError),
    /// The answer was lost after it was asked for. `receipt` is what [`Kind::was_committed`] asks by.
    Lost {
        /// What names the transaction.
        receipt: String,
        /// What happened.
        reason: String,
    },
}

/// Whether whoever waits for a piece of work still does. Work that blocks asks it now and then, and ends without a change.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    gone: Arc<AtomicBool>,
    wake: Arc<OnceLock<fn()>>,
}

impl Waiting {
    /// Set once nobody waits any more.
    #[must_use]
    pub fn gone(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.gone)
    }

    /// Calls this once nobody waits any more, for what sleeps until then.
    pub fn wake(&self, how: fn()) {
        let _once = self.wake.set(how);
    }

    pub(crate) fn end(&self) {
        self.gone.store(true, Ordering::Relaxed);
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }
}

/// How the tools of one set reach a target.
#[async_trait]
pub trait Kind: Send + Sync + 'static {
    /// Its name: that of the toolset.
    const NAME: &'static str;
    /// What is lent for a call, such as `a connection URL`; `None` where no target needs a secret.
    const CREDENTIAL: Option<&'static str> = None;
    /// What the argument `target` names, for people: `The configured database.`
    const TARGET: &'static str;
    /// Its work blocks the thread it runs on and awaits nothing: it gets one of its own.
    const BLOCKS: bool;
    /// What a change does lasts only once it is committed. Without that, whatever fails after it was applied may have changed
    /// something.
    const TRANSACTIONS: bool = true;

    /// A connection to one target, or whatever stands for one. The adapter makes one for each look and each change.
    type Conn: Send;
    /// A transaction on it, or whatever comes nearest: what is observed in it and what is changed in it belong together.
    type Tx<'c>: Send;

    /// Reaches the lease's target.
    async fn connect(lease: &Lease, waiting: Waiting) -> Result<Self::Conn, ToolError>;

    /// Begins. Dropping what it gives must take everything back that was not committed.
    async fn begin<'c>(conn: &'c mut Self::Conn, purpose: Purpose<'_>) -> Result<Self::Tx<'c>, ToolError>;

    /// Where the target really is, for people: a name is not an environment.
    fn whereabouts(tx: &Self::Tx<'_>) -> Evidence;

    /// Takes everything back: also asked for where what was done in it has failed.
    async fn roll_back(_tx: Self::Tx<'_>) -> Result<(), ToolError> {
        Ok(())
    }

    /// Makes everything last. A kind without transactions has done so already, step by step.
    async fn commit(tx: Self::Tx<'_>) -> Result<(), Unsure>;

    /// Asks what became of a commit whose answer was lost; `None` where that cannot be told.
    async fn was_committed(_conn: &mut Self::Conn, _receipt: &str) -> Option<bool> {
        None
    }

    /// What calls of this kind are aimed at, unless a tool says otherwise: see [`super::Tool::aim`].
    fn aim(seen: &Preflight) -> Vec<Value> {
        seen.aim()
    }

    /// What comes of a call about whole things, unless a tool says otherwise: see [`super::Tool::effect`].
    fn whole(seen: &Preflight) -> Value {
        seen.whole()
    }

    /// The same of any other call.
    fn effect(seen: &Preflight) -> Value {
        effect_on(seen)
    }
}
