//! Who is at the page: sessions that belong to an operator, are short, and end with what they were opened with.

use axum::Form;
use axum::extract::{FromRequestParts, Json, State};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use maud::html;
use mollyguard_record::model::{Assurance, Entry, Means, Operator, Session};
use mollyguard_record::store::StoreError;
use mollyguard_record::webauthn::{Assertion, Known, verify};
use mollyguard_tools::contract::{Digest, now};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Page;
use super::ceremony::Purpose;
use super::entry::not_let_in;
use super::shell::{self, Trouble, document};
use crate::operators::assurance_of;

/// The cookie's name. Cookies know no ports: this one is only ever worth something together with what the store knows.
const COOKIE: &str = "mollyguard_session";
/// How long a session lasts.
const LIFE: SignedDuration = SignedDuration::from_mins(30);
/// Why an answer to no challenge does not hold.
pub(super) const NO_CHALLENGE: &str = "no challenge waits for it: it took too long, was answered, or is another's";

/// Somebody who may answer is here. Whoever is not is sent to sign in.
pub(super) struct Here {
    pub(super) operator: Operator,
    pub(super) session: Session,
}

impl Here {
    /// Whether this session says who may answer. One that proves less could be anybody's who has read the code, and they
    /// would be let in for good.
    pub(super) fn may_change_people(&self, page: &Page) -> bool {
        assurance_of(&self.session.means, page.0.separation) >= Assurance::OutOfBand
    }
}

impl FromRequestParts<Page> for Here {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, page: &Page) -> Result<Self, Response> {
        match find(page, &parts.headers).await {
            Ok(Some((session, operator))) => Ok(Self { operator, session }),
            Ok(None) if parts.method == http::Method::GET => Err(Redirect::to("/sign-in").into_response()),
            Ok(None) => {
                Err(Trouble::forbidden("Your session is over. Nothing was changed: sign in again.").into_response())
            }
            Err(error) => Err(Trouble::from(error).into_response()),
        }
    }
}

/// The session the browser's cookie names.
async fn find(page: &Page, headers: &HeaderMap) -> Result<Option<(Session, Operator)>, StoreError> {
    match token(headers) {
        Some(token) => page.0.gateway.store.session(digest(page, token)).await,
        None => Ok(None),
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE && value.len() < 128).then_some(value))
}

fn digest(page: &Page, token: &str) -> Digest {
    page.0.gateway.args_key.seal("session token", &Value::from(token))
}

/// Opens a session: the cookie to set.
pub(super) async fn open(
    page: &Page,
    operator: Uuid,
    means: Means,
    count: Option<u32>,
) -> Result<HeaderValue, Trouble> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(Trouble::broken)?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let opened_at = now();
    let expires_at = opened_at.saturating_add(LIFE).unwrap_or(opened_at);
    let session = Session { token: digest(page, &token), operator, means, opened_at, expires_at };
    let is_passkey = count.is_some();
    match page.0.gateway.store.sign_in(session, count).await {
        // Only the store knows of another sign-in that came first.
        Err(StoreError::NotEnrolled(why)) if is_passkey => {
            let told = format!("Nothing was changed: {why}.");
            return Err(not_let_in(page, Entry::SignIn, Some(operator), why, told).await);
        }
        signed_in => signed_in?,
    }
    let secure = if page.0.at.is_secure() { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}", LIFE.as_secs());
    HeaderValue::from_str(&cookie).map_err(Trouble::broken)
}

/// `GET /sign-in`
pub(super) async fn sign_in(State(page): State<Page>, headers: HeaderMap) -> Result<Response, Trouble> {
    if find(&page, &headers).await?.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let nobody = page.0.gateway.store.operators().await?.is_empty();
    let main = html! {
        h1 { "Sign in" }
        @if nobody {
            p { "Nobody may answer here yet. Whoever runs the gateway enrols the first person from their terminal:" }
            pre { code { "mollyguard operator enroll NAME --for USER" } }
            p { a.button href="/enroll" { "I have a one-time code" } }
        } @else {
            section.card data-needs-passkeys {
                (shell::needs_script())
                p.error role="alert" hidden data-error {}
                button.primary type="button" disabled data-passkey data-sign-in { "Sign in with a passkey" }
            }
            form.card method="post" action="/sign-in/code" {
                label for="code" { "Or your code" }
                input #code name="code" autocomplete="off" autocapitalize="characters" spellcheck="false" required maxlength="40";
                button type="submit" { "Sign in" }
            }
            p { a href="/enroll" { "I was given a one-time code to be enrolled with" } }
        }
    };
    Ok(document("Sign in", None, &main).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    pub(super) code: String,
}

/// `POST /sign-in/code`
pub(super) async fn with_code(State(page): State<Page>, Form(typed): Form<Typed>) -> Result<Response, Trouble> {
    let Some(operator) = page.0.gateway.with_code(&typed.code).await? else {
        return Err(Trouble::forbidden("That is nobody's code, or too many were tried: wait a minute and try again."));
    };
    let cookie = open(&page, operator.id, Means::Code, None).await?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

/// `POST /sign-in/challenge`: what `navigator.credentials.get` is called with.
pub(super) async fn challenge(State(page): State<Page>) -> Result<Json<Value>, Trouble> {
    let (ticket, challenge) = page.0.ceremonies.begin(Purpose::SignIn).map_err(Trouble::broken)?;
    Ok(Json(json!({
        "ticket": ticket,
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "rpId": page.0.relying_party.id,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    ticket: Uuid,
    assertion: Assertion,
}

/// `POST /sign-in/passkey`
pub(super) async fn with_passkey(State(page): State<Page>, Json(signed): Json<Signed>) -> Result<Response, Trouble> {
    let id = signed.assertion.credential.to_string();
    let operators = page.0.gateway.store.operators().await?;
    let known = operators.iter().find_map(|operator| {
        operator.passkeys.iter().find(|passkey| passkey.id() == id).map(|passkey| (operator, passkey))
    });
    let challenge = page.0.ceremonies.end(signed.ticket, &Purpose::SignIn);
    let (operator, passkey, challenge) = match (known, challenge) {
        (Some((operator, passkey)), Some(challenge)) => (operator, passkey, challenge),
        (known, _) => {
            let operator = known.map(|(operator, _)| operator.id);
            let why = if operator.is_some() { NO_CHALLENGE } else { "no such passkey is enrolled" };
            let told = "This passkey is nobody's here, or it took too long.";
            return Err(not_let_in(&page, Entry::SignIn, operator, why, told).await);
        }
    };
    let known = Known::from(&passkey.credential);
    let seen = match verify(&page.0.relying_party, &challenge, known, &signed.assertion) {
        Ok(seen) => seen,
        Err(wrong) => {
            let told = format!("The passkey's answer does not hold: {wrong}.");
            return Err(not_let_in(&page, Entry::SignIn, Some(operator.id), wrong.to_string(), told).await);
        }
    };
    let cookie = open(&page, operator.id, Means::Passkey { id }, Some(seen.count)).await?;
    Ok(([(header::SET_COOKIE, cookie)], Json(json!({"next": "/"}))).into_response())
}

/// `POST /sign-out`
pub(super) async fn sign_out(State(page): State<Page>, here: Here) -> Result<Response, Trouble> {
    page.0.gateway.store.sign_out(here.session.token).await?;
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    let cookie = HeaderValue::from_str(&gone).map_err(Trouble::broken)?;
    Ok((StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie)], shell::to("/sign-in")).into_response())
}
