//! What was done, and taking it back.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde_json::json;
use uuid::Uuid;

use super::Page;
use super::session::Here;
use super::shell::{Trouble, document, moment};
use crate::audit::End;
use crate::call::call;
use crate::identity::Principal;
use crate::reply::{Reply, Request};
use crate::store::{CallFilter, StoredCall};

/// The most calls that are shown.
const SHOWN: u32 = 100;

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
                        strong { (call.preflight.summary) }
                        span.meta {
                            (call.tool) " on " (call.target) " · for " (call.principal.user) " · " (moment(call.started_at))
                        }
                        span.end { (ended(call)) }
                        (undo_button(call))
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

/// The way to take a call back, where there is one.
pub(super) fn undo_button(call: &StoredCall) -> Markup {
    html! {
        @if call.is_undoable() {
            form.undo method="post" action={ "/calls/" (call.id) "/undo" } {
                button type="submit" { "Undo" span.hidden { " " (call.preflight.summary) } }
            }
        }
    }
}

/// `POST /calls/{id}/undo`: a call like any other, made for whoever pressed the button; policy may ask about it.
pub(super) async fn undo(State(page): State<Page>, here: Here, Path(id): Path<Uuid>) -> Result<Response, Trouble> {
    let gateway = &page.0.gateway;
    let (user, roles) = (here.operator.name, gateway.config.roles.clone());
    let principal = Principal { user, client: Some("mollyguard page".to_owned()), roles };
    let mut request = Request::new("undo_call", json!({"call_id": id}), principal);
    request.by_owner = true;
    match call(&Arc::clone(gateway), request).await.map_err(Trouble::broken)? {
        Reply::Done(_) => Ok(Redirect::to("/history").into_response()),
        Reply::Ask(question) => Ok(Redirect::to(&format!("/questions/{}", question.confirmation)).into_response()),
        Reply::Refused(refusal) => match &refusal.confirmation {
            Some(pending) => Ok(Redirect::to(&format!("/questions/{}", pending.id)).into_response()),
            None => Err(Trouble::conflict(refusal.text())),
        },
    }
}
