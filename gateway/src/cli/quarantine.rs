//! Users nobody is asked for any more: showing them, and ending that. Only a person at a terminal can.

use super::paint::Paint;
use super::{Done, Failure, print, print_json, terminal};
use crate::gateway::Gateway;

/// `mollyguard approvals quarantined`.
pub(super) async fn list(gateway: &Gateway, json: bool) -> Done {
    let quarantined = gateway.store.quarantined().await.map_err(Failure::usage)?;
    if json {
        return print_json(&quarantined);
    }
    if quarantined.is_empty() {
        return print("Nobody is in quarantine.\n");
    }
    let paint = Paint::stdout();
    let mut text = String::new();
    for quarantine in quarantined {
        text.push_str(&format!("{} since {}: {}\n", paint.bold(&quarantine.user), quarantine.since, quarantine.why));
    }
    text.push_str("\n`mollyguard approvals lift USER` has people asked for them again.\n");
    print(&text)
}

/// `mollyguard approvals lift`.
pub(super) async fn lift(gateway: &Gateway, user: String) -> Done {
    if terminal::channel().is_none() {
        return Err(Failure::usage("this must be done by a person at a terminal"));
    }
    let named = user.clone();
    gateway.store.lift(user, None).await.map_err(Failure::found)?;
    gateway.close().await.map_err(Failure::usage)?;
    print(&format!("People are asked for `{named}` again.\n"))
}
