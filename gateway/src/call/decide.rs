//! What policy says of what was found, with the first approval that is enough.

use mollyguard_record::model::{CallFacts, Need};
use mollyguard_tools::contract::Preflight;

use super::approval::{self, Approved};
use super::context::CallContext;
use crate::policy::{Decision, Facts};
use crate::reply::{Refusal, Stage};

/// What policy says, and the approval it says that of. Only what needs a yes looks for one that did not come along with the
/// call: most calls need none.
pub(super) async fn decide(
    cx: &CallContext,
    seen: &Preflight,
    facts: &CallFacts<'_>,
) -> Result<(Decision, Option<Approved>), Box<Refusal>> {
    let attached = match &cx.request.answered {
        Some(answered) => approval::attached(cx, seen, facts, answered).await?,
        None => None,
    };
    cx.reach(Stage::Deciding);
    let decision = by_policy(cx, seen, attached.as_ref().map(|approved| approved.strength));
    let Decision::Confirm { need, .. } = &decision else { return Ok((decision, attached)) };
    // Nobody is asked, and no yes to something else is used, where the gateway removes what has been kept long enough.
    if cx.request.retention.is_some() {
        return Ok((decision, None));
    }
    for candidate in approval::candidates(cx, seen, facts, need).await? {
        if let allowed @ Decision::Allow(_) = by_policy(cx, seen, Some(candidate.strength)) {
            return Ok((allowed, Some(candidate)));
        }
    }
    Ok((decision, attached))
}

/// What policy says of the call, approved so strongly.
pub(super) fn by_policy(cx: &CallContext, seen: &Preflight, approved: Option<Need>) -> Decision {
    // What the look does not find in a quarantine is judged as any other call.
    let retention = cx.request.retention.filter(|_| seen.destroys_recovery);
    let facts = Facts::seen(cx.id, &cx.request.principal, cx.declaration(), seen, approved);
    cx.gateway.policies.decide(&Facts { retention, ..facts })
}
