//! Approvals for a while: which calls they can be about, and which one covers a call that a person would be asked about.

use mollyguard_record::model::{CallFacts, Confirmation, Coverage, Grant, Need};
use mollyguard_record::store::StoreError;
use mollyguard_tools::contract::{Preflight, Reversibility};

use super::{Approved, Basis};
use crate::call::context::CallContext;
use crate::gateway::Gateway;
use crate::reply::Under;

/// Whether a yes to this call can stand for others: it can be put back exactly, destroys nothing that others recover by, and
/// takes nothing back.
pub(super) fn may_last(facts: &CallFacts<'_>, seen: &Preflight, reversibility: Reversibility) -> bool {
    reversibility == Reversibility::Reversible && !seen.destroys_recovery && facts.undoes.is_none()
}

/// The approval for a while that covers this call, where a person would be asked for `need`.
pub(super) async fn covering(
    cx: &CallContext,
    seen: &Preflight,
    facts: &CallFacts<'_>,
    need: &Need,
) -> Result<Option<Grant>, StoreError> {
    let gateway = &cx.gateway;
    let reversibility = seen.class(cx.declaration());
    if !may_last(facts, seen, reversibility) || is_quarantined(gateway, &facts.principal.user).await? {
        return Ok(None);
    }
    let about = Coverage::of(facts, Vec::new()).about(facts.tool, facts.principal);
    let granted = gateway.store.granted(about).await?;
    Ok(granted.into_iter().find(|grant| grant.strength.covers(need)))
}

/// The approval for a while that covers what a question is about, under the policies that are in force now.
pub(in crate::call) async fn covering_question(
    gateway: &Gateway,
    asked: &Confirmation,
) -> Result<Option<Grant>, StoreError> {
    let Some(covers) = asked.covers.as_ref().filter(|_| asked.may_last) else { return Ok(None) };
    if covers.policies != gateway.policies.digest() || is_quarantined(gateway, &asked.principal.user).await? {
        return Ok(None);
    }
    let granted = gateway.store.granted(covers.about(&asked.tool, &asked.principal)).await?;
    Ok(granted.into_iter().find(|grant| grant.strength.covers(&asked.need)))
}

async fn is_quarantined(gateway: &Gateway, user: &str) -> Result<bool, StoreError> {
    Ok(gateway.store.quarantined().await?.iter().any(|quarantine| quarantine.user == user))
}

impl From<Grant> for Approved {
    fn from(grant: Grant) -> Self {
        Self { strength: grant.strength, basis: Basis::Grant(Under::from(&grant)) }
    }
}
