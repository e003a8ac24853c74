//! Approvals for a while: showing those in force, and ending one. Ending only makes less possible, so nobody has to show who
//! they are.

use uuid::Uuid;

use super::paint::Paint;
use super::{Done, Failure, print, print_json};
use crate::confirm::clean;
use crate::gateway::Gateway;
use crate::store::Granted;

/// `mollyguard approvals grants`.
pub(super) async fn list(gateway: &Gateway, json: bool) -> Done {
    let granted = gateway.store.grants().await.map_err(Failure::usage)?;
    if json { print_json(&granted) } else { print(&listed(&granted)) }
}

fn listed(granted: &[Granted]) -> String {
    if granted.is_empty() {
        return "Nothing is approved for a while.\n".to_owned();
    }
    let paint = Paint::stdout();
    let mut text = String::new();
    for granted in granted {
        let grant = &granted.grant;
        text.push_str(&format!(
            "{} {} · for {} · until {} · by {} · {}\n",
            paint.bold(&grant.id.to_string()),
            grant.tool,
            clean(&grant.principal.user),
            grant.expires_at,
            clean(&grant.by),
            granted.used(),
        ));
        for target in &grant.covers.targets {
            text.push_str(&format!("    {} ({})\n", clean(&target.path), clean(&target.environment.name)));
        }
    }
    text.push_str("\n`mollyguard approvals revoke ID` ends one.\n");
    text
}

/// `mollyguard approvals revoke`.
pub(super) async fn revoke(gateway: &Gateway, grant: Uuid) -> Done {
    gateway.store.revoke(grant, None).await.map_err(Failure::found)?;
    gateway.close().await.map_err(Failure::usage)?;
    print("Revoked. Calls like that are asked about again.\n")
}
