//! What waits for an answer, and what needs none for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use mollyguard_record::model::{Confirmation, ConfirmationState, Label};
use mollyguard_record::store::OpenQuestions;

use super::session::Here;
use super::shell::{Trouble, document, until};
use super::words::plain;
use super::{Page, grants};
use crate::confirm::clean;

/// How many questions are shown at a time.
const SHOWN: usize = 100;

/// What everybody sees of the same questions, laid out once: whoever watches fetches it again at the same moment.
#[derive(Default)]
pub(super) struct Inbox(Mutex<LaidOut>);

#[derive(Default)]
struct LaidOut {
    open: OpenQuestions,
    /// By which hundred they are.
    parts: BTreeMap<usize, Markup>,
}

impl Inbox {
    /// These questions as they are shown: those of now, which the store has just given.
    fn of(&self, open: &OpenQuestions, part: usize) -> Markup {
        let mut laid_out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&laid_out.open, open) {
            *laid_out = LaidOut { open: Arc::clone(open), parts: BTreeMap::new() };
        }
        // Under the lock: whoever comes at the same time takes what this makes.
        laid_out.parts.entry(part).or_insert_with(|| questions(open, part)).clone()
    }
}

/// `GET /`; `?part=2` for the second hundred, and so on.
pub(super) async fn inbox(
    State(page): State<Page>,
    here: Here,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let open = page.0.gateway.store.open_questions().await?;
    let asked = query.as_deref().and_then(|query| query.strip_prefix("part=")).and_then(|part| part.parse().ok());
    // Questions go while somebody looks at the last of them.
    let part = asked.unwrap_or(1_usize).clamp(1, parts(&open)) - 1;
    let granted = page.0.gateway.store.grants().await?;
    let main = html! {
        div data-live {
            (unshipped(&page))
            (page.0.inbox.of(&open, part))
            (grants::list(&page, &granted))
        }
    };
    Ok(document("Waiting", Some(&here.operator), &main).into_response())
}

/// No call waits for a checkpoint, so whoever can see to it that one is written has to be told.
fn unshipped(page: &Page) -> Markup {
    let failed = page.0.gateway.store.health().checkpoint_failed;
    html! {
        @if let Some(why) = failed {
            p.error role="alert" {
                "The record's checkpoint could not be written, and until it is, nothing outside of this machine proves what is \
                 recorded: " (clean(&why))
            }
        }
    }
}

fn parts(open: &OpenQuestions) -> usize {
    open.len().div_ceil(SHOWN).max(1)
}

fn questions(open: &OpenQuestions, part: usize) -> Markup {
    let first = part * SHOWN;
    let shown = open.iter().skip(first).take(SHOWN);
    html! {
        h1 { "Waiting for an answer" }
        p.count.state {
            @match open.len() {
                0 => { "Nothing waits." }
                1 => { "One question." }
                n => { (n) " questions." }
            }
            @if parts(open) > 1 { " Here are " (first + 1) " to " (first + shown.len()) ", newest first." }
        }
        ul.questions {
            @for (confirmation, standing) in shown.map(|open| &**open) {
                li { (item(confirmation, standing)) }
            }
        }
        @if parts(open) > 1 {
            nav.parts aria-label="All questions" {
                @for other in 0..parts(open) {
                    a href={ "/?part=" (other + 1) } aria-current=[(other == part).then_some("page")] {
                        (other * SHOWN + 1) "–" (open.len().min((other + 1) * SHOWN))
                    }
                }
            }
        }
    }
}

fn item(confirmation: &Confirmation, standing: &ConfirmationState) -> Markup {
    let told = |label| Some(confirmation.told()?.first(label)?.line());
    html! {
        a.question href={ "/questions/" (confirmation.id) } {
            strong { (told(Label::What).unwrap_or_else(|| confirmation.tool.clone())) }
            span.where { (told(Label::Where).unwrap_or_default()) }
            span.meta {
                "for " (clean(&confirmation.principal.user)) " · needs "
                (plain(&confirmation.need.to_string())) " · until " (until(confirmation.expires_at))
                @if let ConfirmationState::Open { approvals, .. } = standing {
                    @if !approvals.is_empty() { " · " (approvals.len()) " of " (confirmation.need.approvers) " said yes" }
                }
            }
        }
    }
}
