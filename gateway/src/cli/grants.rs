//! Showing the approvals for a while that are in force.

use mollyguard_record::store::Granted;
use mollyguard_tools::text::name;

use super::paint::Paint;
use super::{Done, print, print_json};
use crate::confirm::clean;

/// `mollyguard approvals grants`.
pub(super) fn list(granted: &[Granted], json: bool) -> Done {
    if json { print_json(&granted) } else { print(&listed(granted)) }
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
            text.push_str(&format!("    {} ({})\n", name(target.path.shown()), clean(&target.environment.name)));
        }
    }
    text.push_str("\n`mollyguard approvals revoke ID` ends one.\n");
    text
}
