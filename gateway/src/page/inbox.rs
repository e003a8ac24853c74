//! What waits for an answer, and what needs none for a while.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::question::{laid_out, plain};
use super::session::Here;
use super::shell::{Trouble, document, until};
use super::{Page, grants};
use crate::confirm::{Confirmation, Standing, clean};

/// `GET /`
pub(super) async fn inbox(State(page): State<Page>, here: Here) -> Result<Response, Trouble> {
    let open = page.0.gateway.store.open_questions().await?;
    let granted = page.0.gateway.store.grants().await?;
    let count = open.len();
    let main = html! {
        div data-live {
            h1 { "Waiting for an answer" }
            p.count.state {
                @match count {
                    0 => { "Nothing waits." }
                    1 => { "One question." }
                    n => { (n) " questions." }
                }
            }
            ul.questions {
                @for (confirmation, standing) in &open {
                    li { (item(confirmation, standing)) }
                }
            }
            (grants::list(&page, &granted))
        }
    };
    Ok(document("Waiting", Some(&here.operator), &main).into_response())
}

fn item(confirmation: &Confirmation, standing: &Standing) -> Markup {
    let lines = laid_out(&confirmation.text);
    let first =
        |label: &str| lines.facts.iter().find(|(name, _)| *name == label).and_then(|(_, words)| words.first().copied());
    html! {
        a.question href={ "/questions/" (confirmation.id) } {
            strong { (first("WHAT").unwrap_or(&confirmation.tool)) }
            span.where { (first("WHERE").unwrap_or_default()) }
            span.meta {
                "for " (clean(&confirmation.principal.user)) " · needs "
                (plain(&confirmation.need.to_string())) " · until " (until(confirmation.expires_at))
                @if let Standing::Open { approvals } = standing {
                    @if !approvals.is_empty() { " · " (approvals.len()) " of " (confirmation.need.approvers) " said yes" }
                }
            }
        }
    }
}
