//! What was done, and taking it back.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use mollyguard_record::audit::End;
use mollyguard_record::model::{Confirmation, Operator, Principal};
use mollyguard_record::store::{CallFilter, StoredCall};
use serde_json::json;
use uuid::Uuid;

use super::Page;
use super::session::Here;
use super::shell::{Id, Trouble, document, moment};
use crate::call::call;
use crate::confirm::clean;
use crate::reply::{Reply, Request};
use crate::retention;

/// The most calls that are shown.
const SHOWN: u32 = 100;
/// What calls made here call themselves.
const CLIENT: &str = "mollyguard page";

/// `GET /history`
pub(super) async fn history(State(page): State<Page>, here: Here) -> Result<Response, Trouble> {
    let filter = CallFilter { limit: SHOWN, ..CallFilter::default() };
    let calls = page.0.gateway.store.calls(filter).await?;
    let main = html! {
        div data-live {
            h1 { "What was done" }
            @if calls.is_empty() { p { "Nothing has been changed yet." } }
            ul.calls {
                @for call in &calls {
                    li.call {
                        strong { (summary(&page, call)) }
                        span.meta {
                            (call.tool) " on " (clean(&call.target)) " · for " (clean(&call.principal.user)) " · "
                            (moment(call.started_at))
                        }
                        span.end { (ended(call)) }
                        (undo_button(&page, call))
                    }
                }
            }
        }
    };
    Ok(document("History", Some(&here.operator), &main).into_response())
}

fn ended(call: &StoredCall) -> String {
    let end = match call.end {
        None => "running, or cut off",
        Some(End::Succeeded) => "done",
        Some(End::Untouched) => "failed, changed nothing",
        Some(End::Uncertain) => "uncertain",
    };
    match (call.undone_by, call.claimed_by) {
        (Some(_), _) => format!("{end}; taken back"),
        (None, Some(_)) => format!("{end}; being taken back, or uncertain whether it was"),
        (None, None) => end.to_owned(),
    }
}

/// What a call was to do, fit to be shown: names in it are others' words.
fn summary(page: &Page, call: &StoredCall) -> String {
    clean(&page.0.gateway.broker.redactor().text(&call.preflight.summary))
}

/// The way to take a call back, where there is one.
pub(super) fn undo_button(page: &Page, call: &StoredCall) -> Markup {
    html! {
        @if call.is_undoable() {
            @if let Some(until) = retention::of_call(&page.0.gateway, call) {
                span.meta { "can be undone " (retention::at_the_latest(until)) }
            }
            form.undo method="post" action={ "/calls/" (call.id) "/undo" } {
                button type="submit" { "Undo" span.hidden { " " (summary(page, call)) } }
            }
        }
    }
}

/// `POST /calls/{id}/undo`: a call like any other, made for whoever pressed the button; policy may ask about it.
pub(super) async fn undo(State(page): State<Page>, here: Here, Id(id): Id) -> Result<Response, Trouble> {
    Ok(Redirect::to(&take_back(&page, here.operator, id).await?).into_response())
}

/// The call that a question is about taking back, where this person asked for that here: once they have said yes, nobody
/// else will make the call.
pub(super) fn taken_back_here(operator: &Operator, asked: &Confirmation) -> Option<Uuid> {
    let is_ours = asked.principal.user == operator.name && asked.principal.client.as_deref() == Some(CLIENT);
    asked.told()?.undoes.filter(|_| is_ours)
}

/// Takes a call back for this person; where to go next.
pub(super) async fn take_back(page: &Page, operator: Operator, id: Uuid) -> Result<String, Trouble> {
    let gateway = &page.0.gateway;
    let (user, roles) = (operator.name, gateway.config.roles.clone());
    let principal = Principal { user, client: Some(CLIENT.to_owned()), roles };
    let mut request = Request::new("undo_call", json!({"call_id": id}), principal);
    request.by_owner = true;
    match call(gateway, request).await.map_err(Trouble::broken)? {
        Reply::Done(_) => Ok("/history".to_owned()),
        Reply::Ask(question) => Ok(format!("/questions/{}", question.confirmation)),
        Reply::Refused(refusal) => match &refusal.confirmation {
            Some(pending) => Ok(format!("/questions/{}", pending.id)),
            None => Err(Trouble::conflict(refusal.text())),
        },
    }
}
