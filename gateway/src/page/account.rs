//! Becoming somebody who may answer, and who does.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Form, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;
use jiff::SignedDuration;
use maud::html;
use mollyguard_record::model::{Enrolment, Entry, Invitation, Means, Operator, Passkey, check_name, check_user};
use mollyguard_record::store::StoreError;
use mollyguard_record::webauthn::{ALGORITHMS, ATTESTATION_OBJECT_BYTES, Base64Url, CLIENT_DATA_BYTES, register};
use mollyguard_tools::contract::{Timestamp, now};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ceremony::Purpose;
use super::entry::not_let_in;
use super::session::{Here, NO_CHALLENGE, Typed, open};
use super::shell::{Id, Trouble, document, moment, needs_script, until};
use super::{Page, proof};
use crate::confirm::clean;
use crate::operators::{Code, Separation};

/// How long an invitation may be used.
pub(crate) const INVITED_FOR: SignedDuration = SignedDuration::from_mins(15);

/// `GET /enroll`
pub(super) async fn enroll(State(page): State<Page>) -> Response {
    let main = html! {
        h1 { "Be enrolled" }
        p { "Type the one-time code that you were given. It works once, for a quarter of an hour." }
        form.card method="post" action="/enroll/code" data-enroll {
            label for="code" { "One-time code" }
            input #code name="code" autocomplete="off" autocapitalize="characters" spellcheck="false" required maxlength="40";
            (needs_script())
            p.error role="alert" hidden data-error {}
            // The first is what the Enter key presses.
            button.primary type="submit" disabled data-passkey { "Enrol with a passkey" }
            button type="submit" { "Enrol without one" }
            p.hint {
                "A passkey proves most: what you sign names the exact call. Without one you get a code of your own, which "
                "proves less"
                @if page.0.separation == Separation::SameUser { ", and with which nobody can be invited here" } "."
            }
            p.hint {
                "A code that was made for somebody who is enrolled adds a passkey to them, and is of no use without one."
            }
        }
    };
    document("Be enrolled", None, &main).into_response()
}

/// The invitation of a code that somebody typed.
async fn invited(page: &Page, typed: &str) -> Result<Invitation, Trouble> {
    let found = match Code::parse(typed).filter(|_| page.0.gateway.tries.take()) {
        Some(code) => page.0.gateway.store.invitation(code.digest(&page.0.gateway.args_key)).await?,
        None => None,
    };
    found.ok_or_else(|| {
        Trouble::forbidden("That code is nobody's, was used, has expired, or too many were tried. Ask for a new one.")
    })
}

/// `POST /enroll/start`: what `navigator.credentials.create` is called with.
pub(super) async fn start(State(page): State<Page>, Json(typed): Json<Typed>) -> Result<Json<Value>, Trouble> {
    let invitation = invited(&page, &typed.code).await?;
    let (ticket, challenge) = page.0.ceremonies.begin(Purpose::Enroll(invitation.code)).map_err(Trouble::broken)?;
    let algorithms: Vec<_> = ALGORITHMS.iter().map(|alg| json!({"type": "public-key", "alg": alg})).collect();
    Ok(Json(json!({
        "ticket": ticket,
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "rp": {"id": page.0.relying_party.id, "name": "Mollyguard"},
        "user": {
            "id": URL_SAFE_NO_PAD.encode(invitation.id.as_bytes()),
            "name": invitation.name,
            "displayName": invitation.name,
        },
        "pubKeyCredParams": algorithms,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Created {
    code: String,
    ticket: Uuid,
    client_data_json: Base64Url<CLIENT_DATA_BYTES>,
    attestation_object: Base64Url<ATTESTATION_OBJECT_BYTES>,
}

/// `POST /enroll/passkey`
pub(super) async fn with_passkey(State(page): State<Page>, Json(created): Json<Created>) -> Result<Response, Trouble> {
    let invitation = invited(&page, &created.code).await?;
    let adds_to = invitation.adds_to;
    let Some(challenge) = page.0.ceremonies.end(created.ticket, &Purpose::Enroll(invitation.code)) else {
        let told = "It took too long. Nobody was enrolled: try again.";
        return Err(not_let_in(&page, Entry::Enrolment, adds_to, NO_CHALLENGE, told).await);
    };
    let rp = &page.0.relying_party;
    let credential = match register(rp, &challenge, &created.client_data_json, &created.attestation_object) {
        Ok(credential) => credential,
        Err(wrong) => {
            let told = format!("The passkey cannot be enrolled: {wrong}.");
            return Err(not_let_in(&page, Entry::Enrolment, adds_to, wrong.to_string(), told).await);
        }
    };
    let passkey = Passkey { relying_party: rp.id.clone(), credential };
    let means = Means::Passkey { id: passkey.id() };
    let invited = invitation.id;
    let (id, enrolment) = match adds_to {
        Some(operator) => (operator, Enrolment::Another { invitation: invited, operator, passkey }),
        None => {
            let (id, name, user) = (Uuid::now_v7(), invitation.name, invitation.user);
            let operator = Operator { id, name, user, enrolled_at: now(), passkeys: vec![passkey], has_code: false };
            (id, Enrolment::New { invitation: invited, operator, code: None })
        }
    };
    match page.0.gateway.store.enroll(enrolment).await {
        Err(StoreError::NotEnrolled(why)) => {
            let told = format!("Nothing was changed: {why}.");
            return Err(not_let_in(&page, Entry::Enrolment, adds_to, why, told).await);
        }
        enrolled => enrolled?,
    }
    page.0.gateway.people_changed().await;
    // They are enrolled, whatever comes of the session.
    let Ok(cookie) = open(&page, id, means, None).await else {
        return Ok(Json(json!({"next": "/sign-in"})).into_response());
    };
    // Who adds a passkey is shown that they have it.
    let next = if adds_to.is_some() { "/people" } else { "/" };
    Ok(([(header::SET_COOKIE, cookie)], Json(json!({"next": next}))).into_response())
}

/// `POST /enroll/code`: without a passkey; the code they answer with from now on is shown once.
pub(super) async fn with_code(State(page): State<Page>, Form(typed): Form<Typed>) -> Result<Response, Trouble> {
    let invitation = invited(&page, &typed.code).await?;
    if invitation.adds_to.is_some() {
        let name = &invitation.name;
        return Err(Trouble::conflict(format!("That code adds a passkey to {name}, and is of no use without one.")));
    }
    let code = Code::new().map_err(Trouble::broken)?;
    let id = Uuid::now_v7();
    let (name, user) = (invitation.name, invitation.user);
    let operator = Operator { id, name, user, enrolled_at: now(), passkeys: Vec::new(), has_code: true };
    let digest = Some(code.digest(&page.0.gateway.args_key));
    let enrolment = Enrolment::New { invitation: invitation.id, operator: operator.clone(), code: digest };
    page.0.gateway.store.enroll(enrolment).await?;
    page.0.gateway.people_changed().await;
    // They are enrolled and must be told their code, whatever comes of the session.
    let cookie = open(&page, id, Means::Code, None).await.ok();
    let main = html! {
        h1 { "You are enrolled" }
        p { "This is your code. It is shown once and kept nowhere: write it down where no program reads it." }
        pre.code { code { (code.shown().as_str()) } }
        p { a.button href="/" { "I have written it down" } }
    };
    let mut response = document("You are enrolled", Some(&operator), &main).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /people`
pub(super) async fn people(State(page): State<Page>, here: Here) -> Result<Response, Trouble> {
    let operators = page.0.gateway.store.operators().await?;
    let quarantined = page.0.gateway.store.quarantined().await?;
    let may_change = here.may_change_people(&page);
    let main = html! {
        @if !quarantined.is_empty() {
            h1 { "In quarantine" }
            p { "Nobody is asked for them: whatever needs a person is refused." }
            ul.people {
                @for quarantine in &quarantined {
                    li.person {
                        strong { (clean(&quarantine.user)) }
                        span.meta { "since " (moment(quarantine.since)) ": " (clean(&quarantine.why)) }
                        form method="post" action="/people/lift" data-prove="lift" data-whom=(quarantine.user) {
                            input type="hidden" name="name" value=(quarantine.user);
                            (proof::fields(&page, &here.operator, &quarantine.user))
                            button type="submit" { "Ask for " (clean(&quarantine.user)) " again" }
                        }
                    }
                }
            }
        }
        h1 { "Who may answer" }
        ul.people {
            @for operator in &operators {
                li.person {
                    strong { (operator.name) @if operator.id == here.operator.id { " (you)" } }
                    span.meta { "since " (moment(operator.enrolled_at)) }
                    span.meta {
                        @if let Some(user) = &operator.user { "calls of the user " (clean(user)) " are theirs" }
                        @else { "linked to no user: their yes does not count as somebody else's" }
                    }
                    @for passkey in &operator.passkeys {
                        span.meta { "passkey: " (passkey.credential.kept()) @if passkey.credential.backup_eligible { "; may be synced" } }
                    }
                    @if operator.has_code { span.meta { "code" } }
                    @if may_change && operators.len() > 1 {
                        details {
                            summary { "Remove" span.hidden { " " (operator.name) } " …" }
                            form method="post" action={ "/people/" (operator.id) "/remove" } data-prove="remove" data-whom=(operator.id) {
                                p { "Their passkeys, code and sessions are worth nothing any more." }
                                (proof::fields(&page, &here.operator, &operator.id.to_string()))
                                button type="submit" { "Remove " (operator.name) }
                            }
                        }
                    }
                }
            }
        }
        @if may_change {
            form.card method="post" action="/people/invite" data-prove="invite" {
                label for="name" { "Invite somebody, by their name" }
                input #name name="name" autocomplete="off" required maxlength="64";
                label for="user" { "The user whose calls are made for them" }
                input #user name="user" autocomplete="off" maxlength="256" aria-describedby="user-hint";
                p.hint #user-hint { "Without one, their yes never counts as somebody else's." }
                p.hint { "The name of somebody above makes a code that adds a passkey to them." }
                (proof::fields(&page, &here.operator, "invite"))
                button type="submit" { "Make a one-time code" }
            }
        } @else {
            p { (TOO_WEAK) }
        }
    };
    Ok(document("People", Some(&here.operator), &main).into_response())
}

/// Why a session may not say who may answer.
const TOO_WEAK: &str = "Inviting and removing people needs more than a code here: this gateway runs as the agent's own user, \
                        and what is typed into a page a program of that user can read and type as well. Sign in with a \
                        passkey, or run the gateway as a user of its own.";

fn too_weak() -> Trouble {
    Trouble::forbidden(format!("Nothing was changed. {TOO_WEAK}"))
}

/// A new invitation and its code.
pub(crate) fn invitation(
    name: &str,
    user: Option<&str>,
    by: Option<Uuid>,
    adds_to: Option<Uuid>,
    key: &mollyguard_record::audit::ArgsKey,
) -> Result<(Invitation, Code), getrandom::Error> {
    let code = Code::new()?;
    let expires_at: Timestamp = now().saturating_add(INVITED_FOR).unwrap_or_else(|_| now());
    let (id, name, user) = (Uuid::now_v7(), name.to_owned(), user.map(ToOwned::to_owned));
    Ok((Invitation { id, name, user, by, adds_to, code: code.digest(key), expires_at }, code))
}

/// `POST /people/invite`
pub(super) async fn invite(
    State(page): State<Page>,
    here: Here,
    Form(sent): Form<proof::Sent>,
) -> Result<Response, Trouble> {
    let name = check_name(&sent.name).map_err(Trouble::conflict)?;
    let gateway = &page.0.gateway;
    if !here.may_change_people(&page) {
        return Err(too_weak());
    }
    let user = Some(sent.user.trim()).filter(|user| !user.is_empty());
    let user = user.map(check_user).transpose().map_err(Trouble::conflict)?;
    // Who they are is signed for with whom it is about.
    let whom = user.map_or_else(|| name.to_owned(), |user| format!("{name}\n{user}"));
    let means = proof::of(&page, &here.operator, "invite", &whom, &sent).await?;
    let operators = gateway.store.operators().await?;
    let adds_to = operators.iter().find(|operator| operator.name == name).map(|operator| operator.id);
    if adds_to == Some(here.operator.id) && means == Means::Code {
        return Err(Trouble::forbidden(
            "Who signed in with a code cannot give themselves a passkey: whoever has read the code could. Nothing was changed. \
             Sign in with a passkey you have, or ask another operator to invite you.",
        ));
    }
    let invitation = invitation(name, user, Some(here.operator.id), adds_to, &gateway.args_key);
    let (invitation, code) = invitation.map_err(Trouble::broken)?;
    let expires_at = invitation.expires_at;
    gateway.store.invite(invitation).await?;
    let main = html! {
        h1 { "A one-time code for " (name) }
        @if let Some(user) = user { p { "Calls of the user " (user) " will be theirs." } }
        @if adds_to.is_some() { p { "It adds a passkey to " (name) ", who is enrolled already: whoever uses it answers as " (name) "." } }
        pre.code { code { (code.shown().as_str()) } }
        p { "Tell it to them, and to nobody else. They open " code { (page.0.origin) "/enroll" } " before " (until(expires_at)) "." }
        p { a.button href="/people" { "Done" } }
    };
    Ok(document("A one-time code", Some(&here.operator), &main).into_response())
}

/// `POST /people/{id}/remove`
pub(super) async fn remove(
    State(page): State<Page>,
    here: Here,
    Id(id): Id,
    Form(sent): Form<proof::Sent>,
) -> Result<Response, Trouble> {
    if !here.may_change_people(&page) {
        return Err(too_weak());
    }
    proof::of(&page, &here.operator, "remove", &id.to_string(), &sent).await?;
    page.0.gateway.store.remove(id, Some(here.operator.id)).await?;
    page.0.gateway.people_changed().await;
    Ok(Redirect::to("/people").into_response())
}

/// `POST /people/lift`
pub(super) async fn lift(
    State(page): State<Page>,
    here: Here,
    Form(sent): Form<proof::Sent>,
) -> Result<Response, Trouble> {
    proof::of(&page, &here.operator, "lift", &sent.name, &sent).await?;
    page.0.gateway.store.lift(sent.name, Some(here.operator.id)).await?;
    Ok(Redirect::to("/people").into_response())
}
