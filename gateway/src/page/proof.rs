//! Proof, with an act, of who acts. A session only shows and takes back: its cookie goes to every other server of this host
//! as well, whoever runs that. What makes more possible is signed for, or a code is typed once more.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maud::{Markup, html};
use mollyguard_record::model::{Means, Operator};
use mollyguard_record::store::StoreError;
use mollyguard_record::webauthn::{Assertion, Known, verify};
use mollyguard_tools::contract::Digest;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Page;
use super::ceremony::Purpose;
use super::question::means_of;
use super::session::Here;
use super::shell::{Trouble, needs_script};
use crate::operators::TypedCode;

/// What a form sends that acts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    /// Whom it is about, where the address does not say.
    #[serde(default)]
    pub(super) name: String,
    /// The user they are to be linked to, where they are.
    #[serde(default)]
    pub(super) user: String,
    #[serde(default)]
    code: Option<TypedCode>,
    #[serde(default)]
    ticket: Option<Uuid>,
    /// JSON.
    #[serde(default)]
    assertion: Option<String>,
}

/// What is done, in a word, and to whom.
fn purpose(act: &str, whom: &str) -> Purpose {
    Purpose::Act(Digest::of(&json!([act, whom])))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    act: String,
    whom: String,
}

/// `POST /proof`: what `navigator.credentials.get` is called with.
pub(super) async fn challenge(
    State(page): State<Page>,
    here: Here,
    Json(Wanted { act, whom }): Json<Wanted>,
) -> Result<Json<Value>, Trouble> {
    let (ticket, challenge) = page.0.ceremonies.begin(purpose(&act, &whom)).map_err(Trouble::broken)?;
    let credentials: Vec<_> = here.operator.passkeys.iter().map(mollyguard_record::model::Passkey::id).collect();
    let rp = &page.0.relying_party.id;
    Ok(Json(json!({
        "ticket": ticket, "challenge": URL_SAFE_NO_PAD.encode(challenge), "rpId": rp, "credentials": credentials,
    })))
}

/// The fields by which a form proves who acts; `form` tells several on one page apart.
pub(super) fn fields(page: &Page, operator: &Operator, form: &str) -> Markup {
    let id = format!("code-{form}");
    html! {
        @if means_of(page, operator).0 {
            (needs_script())
            input type="hidden" name="ticket";
            input type="hidden" name="assertion";
        } @else {
            label for=(id) { "Your code" }
            input id=(id) name="code" type="password" autocomplete="off" spellcheck="false" required maxlength="40";
        }
        p.error role="alert" hidden data-error {}
    }
}

/// With what they have shown, for this very act, that it is they who act.
pub(super) async fn of(page: &Page, operator: &Operator, act: &str, whom: &str, sent: &Sent) -> Result<Means, Trouble> {
    if !means_of(page, operator).0 {
        let is_theirs = is_code_of(page, operator, sent.code.as_ref()).await?;
        return if is_theirs { Ok(Means::Code) } else { Err(unproven("the code is not yours")) };
    }
    let (Some(ticket), Some(assertion)) = (sent.ticket, &sent.assertion) else {
        return Err(unproven("no passkey signed for it"));
    };
    let Ok(assertion) = serde_json::from_str::<Assertion>(assertion) else {
        return Err(unproven("what the passkey signed cannot be read"));
    };
    let Some(challenge) = page.0.ceremonies.end(ticket, &purpose(act, whom)) else {
        return Err(unproven("it was signed for something else, or too long ago"));
    };
    let id = assertion.credential.to_string();
    let passkey = operator.passkeys.iter().find(|passkey| passkey.id() == id);
    let Some(passkey) = passkey else { return Err(unproven("the passkey is not one of yours")) };
    verify(&page.0.relying_party, &challenge, Known::from(&passkey.credential), &assertion)
        .map_err(|wrong| unproven(&wrong.to_string()))?;
    Ok(Means::Passkey { id })
}

/// Whether this is their code.
pub(super) async fn is_code_of(page: &Page, operator: &Operator, code: Option<&TypedCode>) -> Result<bool, StoreError> {
    let Some(code) = code else { return Ok(false) };
    let found = page.0.gateway.with_code(code.as_str()).await?;
    Ok(found.is_some_and(|found| found.id == operator.id))
}

fn unproven(why: &str) -> Trouble {
    Trouble::forbidden(format!("Not done: {why}. Nothing was changed."))
}
