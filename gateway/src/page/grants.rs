//! Approvals for a while: offered beneath a yes, listed with what waits, and revoked there.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maud::{Markup, html};
use mollyguard_record::model::{Confirmation, LONGEST, challenge};
use mollyguard_record::store::Granted;
use mollyguard_tools::text::name;

use super::Page;
use super::session::Here;
use super::shell::{Id, Trouble, until};
use super::words::plain;
use crate::confirm::clean;

/// For how long a yes may stand: seconds, and as people read it. The first is what a yes is unless somebody chooses.
const OFFERED: [(u64, &str); 3] = [(0, "this call only"), (15 * 60, "15 minutes"), (LONGEST.as_secs(), "1 hour")];

/// The choice beneath a yes.
pub(super) fn offer(confirmation: &Confirmation) -> Markup {
    html! {
        @if confirmation.may_last {
            div.lasting {
                label for="for" { "Approve for" }
                select #for name="for" form="approve" autocomplete="off" aria-describedby="for-hint" {
                    @for (seconds, words) in OFFERED {
                        option value=(seconds) selected[seconds == 0] data-challenge=(signed(confirmation, seconds)) { (words) }
                    }
                }
                p.hint #for-hint {
                    "Longer than this call: until then, " (clean(&confirmation.principal.user)) " may call "
                    (confirmation.tool) " on exactly "
                    @match confirmation.covers.as_ref().map_or(1, |covers| covers.targets.len()) {
                        1 => { "this target" }
                        n => { "these " (n) " targets" }
                    }
                    " again without asking, with other arguments as well, as long as it can be undone."
                }
            }
        }
    }
}

/// What a passkey signs for a yes that stands for so long.
fn signed(confirmation: &Confirmation, seconds: u64) -> String {
    let seconds = Some(seconds).filter(|seconds| *seconds > 0);
    URL_SAFE_NO_PAD.encode(challenge(confirmation.call, seconds).as_bytes())
}

/// What was chosen there; `None` for this call only.
pub(super) fn chosen(seconds: Option<u64>) -> Result<Option<Duration>, Trouble> {
    match seconds.unwrap_or(0) {
        0 => Ok(None),
        some if OFFERED.iter().any(|(offered, _)| *offered == some) => Ok(Some(Duration::from_secs(some))),
        _ => Err(Trouble::conflict("Nothing is approved for so long: an hour is the most. Nothing was changed.")),
    }
}

/// Those in force.
pub(super) fn list(page: &Page, granted: &[Granted]) -> Markup {
    html! {
        @if !granted.is_empty() {
            h2 { "Approved for a while" }
            ul.grants {
                @for granted in granted { li.call { (item(page, granted)) } }
            }
        }
    }
}

fn item(page: &Page, granted: &Granted) -> Markup {
    let grant = &granted.grant;
    html! {
        strong { (grant.tool) " for " (clean(&grant.principal.user)) }
        @for target in &grant.covers.targets {
            span.where { (name(target.path.shown())) " (" (clean(&target.environment.name)) ")" }
        }
        span.meta {
            "approved by " (clean(&grant.by)) " (" (plain(grant.strength.assurance.as_str())) ") · until "
            (until(grant.expires_at)) " · " (granted.used())
        }
        @if grant.covers.policies != page.0.gateway.policies.digest() {
            span.end { "The policies have changed since, so it covers nothing now." }
        }
        form method="post" action={ "/grants/" (grant.id) "/revoke" } {
            button type="submit" {
                "Revoke" span.hidden { " " (grant.tool) " for " (clean(&grant.principal.user)) }
            }
        }
    }
}

/// `POST /grants/{id}/revoke`: it only makes less possible, so being here is enough.
pub(super) async fn revoke(State(page): State<Page>, here: Here, Id(id): Id) -> Result<Response, Trouble> {
    page.0.gateway.store.revoke(id, Some(here.operator.id)).await?;
    Ok(Redirect::to("/").into_response())
}
