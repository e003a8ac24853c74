//! Two targets of different environments that turn out to be one thing: a change of the one would change the other's
//! environment, so it is refused. Names and addresses do not tell, so the targets themselves are asked who they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mollyguard_tools::contract::{Configured, Declaration, Environment, Lease, ToolError, Toolset};
use tokio::task::JoinSet;

use crate::gateway::Gateway;

/// How long the others may take to say who they are, all together.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long what one said is believed.
const BELIEVED: Duration = Duration::from_secs(60);

/// What targets said they are.
#[derive(Default)]
pub(crate) struct Twins(Mutex<HashMap<String, (Instant, String)>>);

impl Twins {
    fn known(&self, target: &str) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(target).filter(|(at, _)| at.elapsed() < BELIEVED).map(|(_, identity)| identity.clone())
    }

    fn learn(&self, target: &str, identity: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(target.to_owned(), (Instant::now(), identity.to_owned()));
    }
}

/// A target that answers like another one does.
struct Twin {
    name: String,
    environment: Environment,
}

impl Gateway {
    /// Refuses a change of a target that is the same thing as a target of another environment. Paths are compared when the
    /// gateway starts; this is for what is reached with a credential. A target that cannot be asked holds nothing up.
    ///
    /// # Errors
    /// `Untouched`: there is such a target, or the one to be changed does not say who it is.
    pub(crate) async fn no_twin(&self, lease: &Lease, declaration: &Declaration) -> Result<(), ToolError> {
        if !declaration.mutates() || declaration.credential.is_none() {
            return Ok(());
        }
        let target = lease.target();
        let others: Vec<&Configured> = self.broker.targets().filter(|other| elsewhere(target, other)).collect();
        if others.is_empty() {
            return Ok(());
        }
        let toolset = self.toolsets.iter().find(|toolset| toolset.name() == target.kind);
        let toolset = toolset.ok_or_else(|| ToolError::refused(format!("there is no kind `{}`", target.kind)))?;
        let (identity, twins) = tokio::join!(toolset.identity(lease), self.identities(toolset, &others));
        let identity = identity?;
        match twins.into_iter().find(|(_, other)| *other == identity) {
            Some((twin, _)) => Err(refusal(target, &twin, &identity)),
            None => Ok(()),
        }
    }

    /// What the others are, as far as they say so in time. Where their changes would go is what counts.
    async fn identities(&self, toolset: &Arc<dyn Toolset>, others: &[&Configured]) -> Vec<(Twin, String)> {
        let mut asked = JoinSet::new();
        let mut found = HashMap::new();
        for other in others {
            if let Some(identity) = self.twins.known(&other.name) {
                found.insert(other.name.clone(), identity);
            } else if let Ok(lease) = self.broker.lend_trial(&other.name) {
                let (toolset, name) = (Arc::clone(toolset), other.name.clone());
                asked.spawn(async move { (name, toolset.identity(&lease).await) });
            }
        }
        let ends = tokio::time::Instant::now() + PATIENCE;
        while let Ok(Some(answer)) = tokio::time::timeout_at(ends, asked.join_next()).await {
            match answer {
                Ok((name, Ok(identity))) => {
                    self.twins.learn(&name, &identity);
                    found.insert(name, identity);
                }
                Ok((name, Err(error))) => tracing::debug!(target = %name, %error, "a target does not say who it is"),
                Err(error) => tracing::warn!(%error, "asking a target who it is broke off"),
            }
        }
        let twin = |other: &&Configured| Twin { name: other.name.clone(), environment: other.environment.clone() };
        others.iter().filter_map(|other| found.remove(&other.name).map(|identity| (twin(other), identity))).collect()
    }
}

fn elsewhere(target: &Configured, other: &Configured) -> bool {
    other.kind == target.kind && other.name != target.name && other.environment != target.environment
}

fn refusal(target: &Configured, twin: &Twin, identity: &str) -> ToolError {
    let place = |environment: &Environment| format!("{} ({})", environment.name, environment.tier.as_str());
    ToolError::refused(format!(
        "target `{}` in {} is the same as target `{}` in {}: both answer as `{identity}`, so they are one and the same, or one \
         is a physical copy of the other, and a change of the one could change the other's environment",
        target.name,
        place(&target.environment),
        twin.name,
        place(&twin.environment),
    ))
    .with_next(
        "Have a person run `mollyguard targets check` and correct the configuration: each target's secret opens the database \
         of its own environment, or both targets belong to one environment.",
    )
}
