//! Whose turn it is to run: so many calls at a time, and beside every few of these one for a user who has none running.

use mollyguard_tools::contract::Reversibility;
use mollyguard_tools::turns::Place;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::reply::{About, ReasonCode, Refusal, Request};

impl Gateway {
    /// A turn to run; refused at once when too many wait.
    pub(crate) async fn slot(&self, request: &Request) -> Result<Place, Box<Refusal>> {
        let about = || About::unseen(Uuid::now_v7(), Reversibility::Irreversible);
        let busy = |message: &str| {
            let next = "Wait for your other calls, then try again.";
            Box::new(Refusal::new(ReasonCode::Unavailable, message, next, about()))
        };
        let Ok(turn) = self.slots.line_up(&request.principal.user) else {
            return Err(busy("too many calls are waiting for their turn"));
        };
        tokio::select! {
            slot = turn.come() => slot.ok_or_else(|| busy("the gateway is closing")),
            () = request.cancel.cancelled() => Err(Box::new(Refusal::cancelled(about()))),
        }
    }
}
