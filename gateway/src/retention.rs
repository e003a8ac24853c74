//! How long what was recorded, and what was put away in the targets, is kept where the configuration says so; and until when a
//! call can be taken back because of that. Nothing is removed here.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::store::StoredCall;
use mollyguard_tools::contract::{Preflight, Timestamp, Toolset, UndoPlan, now};
use mollyguard_tools::text::{count, size};

use crate::config::{Config, SHORTEST_DAYS};
use crate::gateway::Gateway;

/// What was made before then is not kept; `None` where everything is.
#[must_use]
pub fn limit(keep: Option<Duration>) -> Option<Timestamp> {
    now().checked_sub(keep?).ok()
}

/// A way to take a call back, for as long as the call is kept.
#[must_use]
pub fn kept_until(mut plan: UndoPlan, keep: Option<Duration>) -> UndoPlan {
    plan.until = earlier(plan.until, after(now(), keep));
    plan
}

/// Until when a call that was just made, or would be made now, can be taken back at the latest: for as long as it is kept
/// itself, and what it puts away. That may be removed earlier where it is too much (`quarantine_bytes`). `planned` is what its
/// tool says itself.
#[must_use]
pub fn from_now(gateway: &Gateway, tool: &str, seen: &Preflight, planned: Option<Timestamp>) -> Option<Timestamp> {
    let (now, config) = (now(), &gateway.config);
    let recorded = earlier(planned, after(now, config.keep));
    earlier(recorded, put_away_until(&gateway.toolsets, config, (tool, seen), now))
}

/// The same of a call that was made.
#[must_use]
pub fn of_call(gateway: &Gateway, call: &StoredCall) -> Option<Timestamp> {
    let (at, what) = (call.finished_at.unwrap_or(call.started_at), (call.tool.as_str(), &call.preflight));
    let recorded = call.undo.as_ref().and_then(|plan| plan.until);
    earlier(recorded, put_away_until(&gateway.toolsets, &gateway.config, what, at))
}

/// Whether what the call took away was kept in its target, and is removed from there some day.
#[must_use]
pub fn was_put_away(gateway: &Gateway, call: &StoredCall) -> bool {
    gateway.config.quarantine.is_bounded() && keeps(&gateway.toolsets, (&call.tool, &call.preflight))
}

fn keeps(toolsets: &[Arc<dyn Toolset>], (tool, seen): (&str, &Preflight)) -> bool {
    toolsets.iter().any(|toolset| toolset.keeps(tool, seen))
}

/// When it may go, where the tool keeps what it takes away in the target.
fn put_away_until(
    toolsets: &[Arc<dyn Toolset>],
    config: &Config,
    what: (&str, &Preflight),
    at: Timestamp,
) -> Option<Timestamp> {
    let until = after(at, config.quarantine.age)?;
    keeps(toolsets, what).then_some(until)
}

fn after(at: Timestamp, keep: Option<Duration>) -> Option<Timestamp> {
    at.checked_add(keep?).ok()
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

/// How people are told.
#[must_use]
pub fn at_the_latest(until: Timestamp) -> String {
    format!("until {} at the latest", until.strftime("%Y-%m-%d"))
}

/// Why what was put away may not be there any more; `None` where it is kept for ever.
#[must_use]
pub fn why_gone(config: &Config) -> Option<String> {
    let quarantine = config.quarantine;
    let days = |age: Duration| count(age.as_secs() / 86_400, "day");
    let aged = quarantine.age.map(|age| format!("after {}", days(age)));
    let large = quarantine.bytes.map(|bytes| {
        format!("after {SHORTEST_DAYS} days while more than {} of a target are kept, the oldest first", size(bytes))
    });
    let when: Vec<_> = [aged, large].into_iter().flatten().collect();
    (!when.is_empty()).then(|| {
        format!(
            "`[retention]` in the configuration has what was dropped or deleted removed for good {}, and then nothing brings \
             it back",
            when.join(", and ")
        )
    })
}
