//! Showing the users nobody is asked for any more.

use mollyguard_record::store::Quarantine;

use super::paint::Paint;
use super::{Done, print, print_json};

/// `mollyguard approvals quarantined`.
pub(super) fn list(quarantined: &[Quarantine], json: bool) -> Done {
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
    text.push_str("\n`mollyguard approvals lift USER`, or the page under People, has people asked for them again.\n");
    print(&text)
}
