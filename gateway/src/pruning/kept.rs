//! What lies in the targets' quarantines, and how what has been there for long enough goes: by ordinary calls of the tools that
//! purge it, which are looked at, decided by policy and recorded as all calls are, and which nobody is asked about.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::model::Principal;
use mollyguard_tools::contract::{KEPT_AT_ONCE, Kept, Lease, Timestamp, ToolError, Toolset, now};
use serde::Serialize;
use uuid::Uuid;

use crate::call::call;
use crate::config::{Quarantine, SHORTEST_DAYS};
use crate::gateway::Gateway;
use crate::policy::Retention;
use crate::reply::{Reply, Request};

/// What becomes of something that has been kept for long enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// It would be removed.
    WouldGo,
    /// It is gone for good.
    Removed {
        /// The calls that removed it.
        calls: Vec<Uuid>,
    },
    /// It is still there.
    Stays {
        /// Why.
        why: String,
    },
}

/// Something that has been kept for long enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// The configured target.
    pub target: String,
    /// What it was.
    pub what: String,
    /// Since when it was kept.
    pub since: Timestamp,
    /// How much room it takes up, where that is known.
    pub bytes: Option<u64>,
    /// For how many days it was kept.
    pub age_days: u32,
    /// That is as long as the configuration says.
    pub over_age: bool,
    /// More is kept of the target than the configuration says.
    pub over_size: bool,
    /// What becomes of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// A target that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The configured target.
    pub target: String,
    /// Why.
    pub why: String,
}

/// What would be removed now. Changes nothing, and asks no policy.
pub async fn would_go(gateway: &Gateway) -> (Vec<Removal>, Vec<Unread>) {
    let (mut removals, mut unread) = (Vec::new(), Vec::new());
    for target in bounded_targets(gateway) {
        match looked_at(gateway, &target).await {
            Ok(kept) => removals.extend(
                due(&kept, gateway.config.quarantine, now())
                    .into_iter()
                    .map(|(kept, why)| removal(gateway, &target, kept, why, Fate::WouldGo)),
            ),
            Err(error) => unread.push(cannot_look(gateway, target, &error)),
        }
    }
    (removals, unread)
}

/// Removes what has been kept for long enough. What policy or the target refuses stays, and the refusal is on record.
pub async fn put_away(gateway: &Arc<Gateway>, principal: &Principal) -> (Vec<Removal>, Vec<Unread>) {
    let (mut removals, mut unread) = (Vec::new(), Vec::new());
    for target in bounded_targets(gateway) {
        loop {
            let kept = match looked_at(gateway, &target).await {
                Ok(kept) => kept,
                Err(error) => {
                    unread.push(cannot_look(gateway, target, &error));
                    break;
                }
            };
            let mut went = false;
            for (kept, why) in due(&kept, gateway.config.quarantine, now()) {
                let fate = removed(gateway, principal, (&target, kept), why).await;
                went |= matches!(fate, Fate::Removed { .. });
                removals.push(removal(gateway, &target, kept, why, fate));
            }
            // There is more than is told of at once, and what was in front of it is gone.
            if !went || kept.len() < KEPT_AT_ONCE {
                break;
            }
        }
    }
    (removals, unread)
}

fn bounded_targets(gateway: &Gateway) -> Vec<String> {
    let targets = gateway.broker.targets().map(|target| target.name.clone());
    if gateway.config.quarantine.is_bounded() { targets.collect() } else { Vec::new() }
}

/// What lies in a target's quarantine.
async fn looked_at(gateway: &Gateway, target: &str) -> Result<Vec<Kept>, ToolError> {
    let (toolset, lease) = reach(gateway, target)?;
    in_time(&lease, toolset.kept(&lease)).await
}

/// A target with its tools, and the credential that would remove what lies in its quarantine.
fn reach(gateway: &Gateway, target: &str) -> Result<(Arc<dyn Toolset>, Lease), ToolError> {
    let lease = gateway.broker.lend_trial(target).map_err(|error| ToolError::unavailable(error.to_string()))?;
    let kind = &lease.target().kind;
    let toolset = gateway.toolsets.iter().find(|toolset| toolset.name() == kind);
    let none = || ToolError::unavailable(format!("there are no tools for targets of kind `{kind}`"));
    Ok((toolset.map(Arc::clone).ok_or_else(none)?, lease))
}

async fn in_time<T>(lease: &Lease, look: impl Future<Output = Result<T, ToolError>>) -> Result<T, ToolError> {
    let deadline = lease.limits().deadline;
    let looked = tokio::time::timeout(deadline, look).await;
    looked.unwrap_or_else(|_| Err(ToolError::unavailable(format!("no answer from the target within {deadline:?}"))))
}

/// Whether it is still what was listed: it may be another thing under the same name by now.
async fn is_kept(gateway: &Gateway, target: &str, kept: &Kept) -> Result<bool, ToolError> {
    let (toolset, lease) = reach(gateway, target)?;
    in_time(&lease, toolset.is_kept(&lease, kept)).await
}

fn cannot_look(gateway: &Gateway, target: String, error: &ToolError) -> Unread {
    Unread { target, why: why_not(gateway, error) }
}

fn why_not(gateway: &Gateway, error: &ToolError) -> String {
    gateway.broker.redactor().text(&error.to_string()).into_owned()
}

fn removal(gateway: &Gateway, target: &str, kept: &Kept, why: Retention, fate: Fate) -> Removal {
    Removal {
        target: target.to_owned(),
        what: gateway.broker.redactor().text(&kept.what).into_owned(),
        since: kept.since,
        bytes: kept.bytes,
        age_days: why.age_days,
        over_age: why.over_age,
        over_size: why.over_size,
        fate,
    }
}

/// What is due of all that is kept of a target, which comes oldest first: what is as old as the configuration says, and the
/// oldest for as long as what has been there for a week is more together. What is younger does not go for its size, and pushes
/// nothing else out either: whoever fills a quarantine could make room of what somebody has yet to miss. What takes up no room
/// that is known makes none.
pub(super) fn due(kept: &[Kept], quarantine: Quarantine, now: Timestamp) -> Vec<(&Kept, Retention)> {
    let is_older = |kept: &Kept, than: Duration| now.checked_sub(than).is_ok_and(|limit| kept.since <= limit);
    let week = Duration::from_secs(u64::from(SHORTEST_DAYS) * 86_400);
    let counted = kept.iter().filter(|kept| is_older(kept, week)).filter_map(|kept| kept.bytes);
    let mut all: u64 = counted.fold(0, u64::saturating_add);
    let mut due = Vec::new();
    for kept in kept {
        let room = kept.bytes.unwrap_or(0);
        let over_age = quarantine.age.is_some_and(|age| is_older(kept, age));
        let over_size = room > 0 && quarantine.bytes.is_some_and(|most| all > most) && is_older(kept, week);
        if over_age || over_size {
            all = all.saturating_sub(if is_older(kept, week) { room } else { 0 });
            let days = now.duration_since(kept.since).as_hours() / 24;
            let age_days = u32::try_from(days).unwrap_or(0);
            due.push((kept, Retention { age_days, over_age, over_size }));
        }
    }
    due
}

/// Has it removed, unless it is something else by now.
async fn removed(gateway: &Arc<Gateway>, principal: &Principal, (target, kept): (&str, &Kept), why: Retention) -> Fate {
    match is_kept(gateway, target, kept).await {
        Ok(true) => {}
        Ok(false) => return Fate::Stays { why: "it has changed since it was listed".to_owned() },
        Err(error) => return Fate::Stays { why: why_not(gateway, &error) },
    }
    let mut request = Request::new(kept.tool, kept.args.clone(), principal.clone());
    request.retention = Some(why);
    match call(gateway, request).await {
        Ok(Reply::Done(receipt)) => Fate::Removed { calls: vec![receipt.about.id] },
        Ok(Reply::Refused(refusal)) => Fate::Stays { why: refusal.text() },
        Ok(Reply::Ask(question)) => Fate::Stays { why: question.text },
        Err(unknown) => Fate::Stays { why: unknown.to_string() },
    }
}
