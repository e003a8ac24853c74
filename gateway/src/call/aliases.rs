//! Whether a target is the one that was configured, and no other one as well.
//!
//! Two targets of different environments that turn out to be one thing: a change of the one would change the other's
//! environment, so it is refused. Names and addresses do not tell, so before each change the targets themselves are asked who
//! they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mollyguard_tools::contract::{Configured, Declaration, Environment, Lease, ToolError, Toolset};
use tokio::task::JoinSet;

use crate::gateway::Gateway;

/// How long the others may take to say who they are, all together.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of another target.
enum Answer {
    /// It says so now, or said so when it last answered.
    Is(String),
    /// It has never answered; this is where it is looked for.
    At(Vec<String>),
}

/// Refuses a pinned target that is not what it was pinned to any more: another database behind the name.
///
/// And a change of a target that is the same thing as a target of another environment. Paths are compared when the
/// gateway starts; this is for what is reached with a credential. All others are asked anew, since a secret, a name or
/// an address may lead elsewhere than a moment ago. One that cannot be asked is held to what it said last, or to where
/// it is looked for: another target that is out of reach holds nothing up.
///
/// # Errors
/// `Untouched`: it is so, or the target does not say who it is.
pub(super) async fn is_the_one(gateway: &Gateway, lease: &Lease, declaration: &Declaration) -> Result<(), ToolError> {
    let target = lease.target();
    let toolset = || {
        let toolset = gateway.toolsets.iter().find(|toolset| toolset.name() == target.kind);
        toolset.ok_or_else(|| ToolError::refused(format!("there is no kind `{}`", target.kind)))
    };
    if let Some(pinned) = gateway.broker.identity(&target.name) {
        let found = toolset()?.identity(lease).await?;
        if found != pinned {
            return Err(another(target, pinned, &found));
        }
    }
    if !declaration.mutates() || declaration.credential.is_none() {
        return Ok(());
    }
    let others: Vec<&Configured> = gateway.broker.targets().filter(|other| elsewhere(target, other)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let toolset = toolset()?;
    let (identity, answers) = tokio::join!(toolset.identity(lease), answers(gateway, toolset, &others));
    let (identity, addresses) = (identity?, toolset.addresses(lease));
    for (other, answer) in others.into_iter().zip(answers) {
        match answer {
            Answer::Is(same) if same == identity => return Err(same_thing(target, other, &identity)),
            Answer::At(places) if places.iter().any(|place| addresses.contains(place)) => {
                return Err(same_address(target, other));
            }
            Answer::Is(_) | Answer::At(_) => {}
        }
    }
    Ok(())
}

/// What the others are, in their order, as far as they say so in time. Where their changes would go is what counts.
async fn answers(gateway: &Gateway, toolset: &Arc<dyn Toolset>, others: &[&Configured]) -> Vec<Answer> {
    let mut asked = JoinSet::new();
    let mut places = HashMap::new();
    for other in others {
        // Without its credential nothing can be changed through it either.
        let Ok(lease) = gateway.broker.lend_trial(&other.name) else { continue };
        places.insert(other.name.clone(), toolset.addresses(&lease));
        let (toolset, name) = (Arc::clone(toolset), other.name.clone());
        asked.spawn(async move { (name, toolset.identity(&lease).await) });
    }
    let mut found = HashMap::new();
    let ends = tokio::time::Instant::now() + TIMEOUT;
    while let Ok(Some(answer)) = tokio::time::timeout_at(ends, asked.join_next()).await {
        match answer {
            Ok((name, Ok(identity))) => {
                gateway.aliases.learn(&name, &identity);
                found.insert(name, identity);
            }
            Ok((name, Err(error))) => tracing::debug!(target = %name, %error, "a target does not say who it is"),
            Err(error) => tracing::warn!(%error, "asking a target who it is broke off"),
        }
    }
    let mut answer =
        |other: &&Configured| match found.remove(&other.name).or_else(|| gateway.aliases.known(&other.name)) {
            Some(identity) => Answer::Is(identity),
            None => Answer::At(places.remove(&other.name).unwrap_or_default()),
        };
    others.iter().map(&mut answer).collect()
}

fn another(target: &Configured, pinned: &str, found: &str) -> ToolError {
    ToolError::refused(format!("`{}` is pinned to `{pinned}`, but `{found}` answers", target.name))
        .with_next("Have a person run `mollyguard targets check` and correct the configuration.")
}

fn elsewhere(target: &Configured, other: &Configured) -> bool {
    other.kind == target.kind && other.name != target.name && other.environment != target.environment
}

fn place(environment: &Environment) -> String {
    format!("{} ({})", environment.name, environment.tier.as_str())
}

fn same_thing(target: &Configured, twin: &Configured, identity: &str) -> ToolError {
    ToolError::refused(format!(
        "target `{}` in {} is the same as target `{}` in {}: both answer as `{identity}`, so they are one and the same, or one \
         is a physical copy of the other, and a change of the one could change the other's environment",
        target.name,
        place(&target.environment),
        twin.name,
        place(&twin.environment),
    ))
    .with_next(ADVICE)
}

fn same_address(target: &Configured, twin: &Configured) -> ToolError {
    ToolError::refused(format!(
        "target `{}` in {} has the same address as target `{}` in {}, which does not answer: they may be one and the same, and \
         a change of the one could change the other's environment",
        target.name,
        place(&target.environment),
        twin.name,
        place(&twin.environment),
    ))
    .with_next(ADVICE)
}

const ADVICE: &str = "Have a person run `mollyguard targets check` and correct the configuration: each target's secret opens \
                      the database of its own environment, or both targets belong to one environment.";
