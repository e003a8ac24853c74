//! Before anything is looked at: whether the call could be allowed at all, and whether a change of its target may begin.

use mollyguard_record::store::StoreError;
use mollyguard_tools::contract::{Target, TargetPath};

use super::context::CallContext;
use super::recovery;
use crate::reply::{ReasonCode, Refusal};

/// Refuses what no approval and no finding could make allowed, and a change of a target on which something else has no end
/// on record: nobody is to be asked about a change that could not begin. `begin` asks for that again.
pub(super) async fn admit(cx: &CallContext) -> Result<(), Box<Refusal>> {
    let (gateway, declaration) = (&cx.gateway, cx.declaration());
    let wrong = |message: String, next: String| {
        Box::new(Refusal::new(ReasonCode::InvalidArguments, message, next, cx.unseen()))
    };
    let target = gateway.broker.target(&cx.plan.target);
    let target = target.map_err(|error| wrong(error.to_string(), "Name a configured target.".to_owned()))?;
    if target.kind != declaration.kind {
        let message = format!("target `{}` is of kind `{}`, not `{}`", target.name, target.kind, declaration.kind);
        return Err(wrong(message, format!("Use a `{}_…` tool for it.", target.kind)));
    }
    let whole = Target {
        kind: target.kind.clone(),
        path: TargetPath::of(&target.name),
        uid: None,
        environment: target.environment.clone(),
    };
    // Who may answer can change at any moment, through any process.
    if declaration.mutates() {
        gateway.people_changed().await;
    }
    gateway
        .policies
        .could_allow(&cx.request.principal, declaration, &whole, cx.request.retention)
        .map_err(|because| cx.denied(None, because))?;
    if !declaration.mutates() || cx.preview.is_some() {
        return Ok(());
    }
    match recovery::catch_up(gateway, &cx.plan.target).await {
        Ok(()) => Ok(()),
        Err(error @ StoreError::Unsettled { .. }) => Err(cx.refused(None, Refusal::of_store(&error, cx.unseen()))),
        Err(error) => Err(Box::new(Refusal::of_store(&error, cx.unseen()))),
    }
}
