//! Whose turn it is to run: so many calls at a time, and beside every few of these one for a user who has none running.

use mollyguard_tools::contract::Reversibility;
use mollyguard_tools::turns::{Place, Turns};
use uuid::Uuid;

use crate::reply::{About, ReasonCode, Refusal, Request};

/// Beside every so many places one is kept for a user who has no call running.
const KEPT: usize = 4;

/// Places for so many calls at a time, and a bounded number of calls that wait for one.
pub(crate) fn slots(concurrent: usize, most_waiting: usize) -> Turns {
    Turns::new(concurrent.max(1), (concurrent / KEPT).max(1), most_waiting)
}

/// A turn for a call to run; refused at once when too many wait.
pub(crate) async fn slot(slots: &Turns, request: &Request) -> Result<Place, Box<Refusal>> {
    let about = || About::unseen(Uuid::now_v7(), Reversibility::Irreversible);
    let busy = |message: &str| {
        let next = "Wait for your other calls, then try again.";
        Box::new(Refusal::new(ReasonCode::Unavailable, message, next, about()))
    };
    let Ok(turn) = slots.line_up(&request.principal.user) else {
        return Err(busy("too many calls are waiting for their turn"));
    };
    tokio::select! {
        slot = turn.come() => slot.ok_or_else(|| busy("the gateway is closing")),
        () = request.cancel.cancelled() => Err(Box::new(Refusal::cancelled(about()))),
    }
}
