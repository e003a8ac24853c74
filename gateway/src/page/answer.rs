//! An answer given on the page: weighed here against what the question needs and what the person showed; the store has the
//! last word.

use std::time::Duration;

use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Form, Json};
use http::header;
use mollyguard_record::audit::Subject;
use mollyguard_record::model::{Answer, Channel, Confirmation, ConfirmationState, Means, Operator, Passkey, challenge};
use mollyguard_record::store::{AnswerSubmission, StoreError};
use mollyguard_record::webauthn::{Assertion, Known, verify};
use mollyguard_tools::contract::now;
use serde::Deserialize;
use serde_json::json;

use super::Page;
use super::grants::chosen;
use super::history::{take_back, taken_back_here};
use super::proof::is_code_of;
use super::session::Here;
use super::shell::{Id, Trouble};
use crate::call::approval::for_the_record;
use crate::confirm::{APPROVE, Approver, No, Verdict, is_typed, verdict};
use crate::operators::{TypedCode, assurance_of};

/// What the page's form, or its script, sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    decision: Decision,
    #[serde(default)]
    typed: Option<String>,
    #[serde(default)]
    assertion: Option<Assertion>,
    /// Their code, once more, where they have no passkey for this page.
    #[serde(default)]
    code: Option<TypedCode>,
    /// For how many seconds the yes is to stand for other calls as well.
    #[serde(default, rename = "for")]
    lasts: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Approve,
    Decline,
}

/// `POST /questions/{id}/answer`: a form, or JSON where a passkey has signed.
pub(super) async fn answer(
    State(page): State<Page>,
    here: Here,
    Id(id): Id,
    request: Request,
) -> Result<Response, Trouble> {
    let is_json =
        request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/json");
    let unreadable = || Trouble::forbidden("The answer cannot be read. Nothing was changed.");
    let sent: Sent = if is_json {
        Json::from_request(request, &()).await.map_err(|_| unreadable())?.0
    } else {
        Form::from_request(request, &()).await.map_err(|_| unreadable())?.0
    };
    let Some((confirmation, standing)) = page.0.gateway.store.confirmation(id).await? else {
        return Err(Trouble::missing("There is no such question."));
    };
    let mut next = format!("/questions/{id}");
    match sent.decision {
        Decision::Decline => decline(&page, &here.operator, &confirmation).await?,
        Decision::Approve => {
            if !matches!(standing, ConfirmationState::Open { .. }) {
                return Err(Trouble::conflict("It was answered already. Nothing was changed."));
            }
            approve(&page, &here.operator, (&confirmation, &standing), sent).await?;
            if let Some(call) = taken_back_here(&here.operator, &confirmation) {
                next = take_back(&page, here.operator, call).await?;
            }
        }
    }
    Ok(if is_json { Json(json!({"next": next})).into_response() } else { Redirect::to(&next).into_response() })
}

async fn decline(page: &Page, operator: &Operator, confirmation: &Confirmation) -> Result<(), Trouble> {
    let mut given = AnswerSubmission::by(operator.name.clone(), confirmation.id, Answer::Decline, Channel::Page, None);
    given.operator = Some(operator.id);
    Ok(page.0.gateway.store.answer(Subject::from(confirmation), given).await?)
}

async fn approve(
    page: &Page,
    operator: &Operator,
    (confirmation, standing): (&Confirmation, &ConfirmationState),
    sent: Sent,
) -> Result<(), Trouble> {
    let lasts = chosen(sent.lasts)?;
    let shown = match sent.assertion {
        Some(assertion) => signed(page, operator, confirmation, assertion, lasts),
        None => typed(page, operator, sent.code).await?,
    };
    let (means, signed) = match shown {
        Ok(shown) => shown,
        Err(why) => return Err(reject(page, operator, confirmation, why).await),
    };
    let proves = assurance_of(&means, page.0.separation);
    let by = Approver::enrolled(operator, proves, Channel::Page);
    let types = is_typed(&confirmation.need);
    let typed = if types { sent.typed } else { Some(APPROVE.to_owned()) };
    let answer = Answer::Accept { typed: typed.clone() };
    let approval = match verdict((confirmation, standing), &answer, &by, now()) {
        Verdict::Yes(approval) => approval,
        Verdict::No(No::Mistyped { is_last }) => {
            mistyped(page, operator, confirmation, &answer).await?;
            return Err(not_the_name(is_last));
        }
        Verdict::TooWeak(why) => return Err(reject(page, operator, confirmation, why).await),
        Verdict::No(no) => return Err(reject(page, operator, confirmation, no.as_str().to_owned()).await),
    };
    let given = AnswerSubmission {
        confirmation: confirmation.id,
        answer: Answer::Accept { typed: typed.filter(|_| types) },
        channel: Channel::Page,
        by: operator.name.clone(),
        operator: Some(operator.id),
        approval: Some(approval),
        signed,
        lasts,
    };
    match page.0.gateway.store.answer(Subject::from(confirmation), given).await {
        // A counter that went back, or somebody removed this very moment: nothing of it was written.
        Err(StoreError::NotEnrolled(why)) => Err(reject(page, operator, confirmation, why).await),
        answered => Ok(answered?),
    }
}

/// Writes down that something else was typed than the name.
async fn mistyped(
    page: &Page,
    operator: &Operator,
    confirmation: &Confirmation,
    answer: &Answer,
) -> Result<(), StoreError> {
    let answer = for_the_record(&page.0.gateway, answer);
    let given = AnswerSubmission::by(operator.name.clone(), confirmation.id, answer, Channel::Page, None);
    let given = AnswerSubmission { operator: Some(operator.id), ..given };
    page.0.gateway.store.answer(Subject::from(confirmation), given).await
}

fn not_the_name(is_last: bool) -> Trouble {
    Trouble::conflict(match is_last {
        false => "What was typed is not the name that was asked for. Nothing was changed.",
        true => {
            "What was typed is not the name that was asked for. The question is closed now, and nothing was changed."
        }
    })
}

/// What the person showed: with a yes, and not only when they came. The cookie of a session goes to every other server of
/// this host as well.
type Shown = Result<(Means, Option<(Assertion, u32)>), String>;

/// Who has a passkey for this page must use it.
async fn typed(page: &Page, operator: &Operator, code: Option<TypedCode>) -> Result<Shown, Trouble> {
    let signs = |passkey: &Passkey| passkey.relying_party == page.0.relying_party.id;
    if operator.passkeys.iter().any(signs) {
        return Ok(Err("no passkey signed it".to_owned()));
    }
    let is_theirs = is_code_of(page, operator, code.as_ref()).await?;
    Ok(if is_theirs { Ok((Means::Code, None)) } else { Err("the code is not theirs".to_owned()) })
}

fn signed(
    page: &Page,
    operator: &Operator,
    confirmation: &Confirmation,
    assertion: Assertion,
    lasts: Option<Duration>,
) -> Shown {
    let rp = &page.0.relying_party;
    let id = assertion.credential.to_string();
    let passkey = operator.passkeys.iter().find(|passkey| passkey.relying_party == rp.id && passkey.id() == id);
    let known = Known::from(&passkey.ok_or("the passkey is not one of theirs")?.credential);
    // The challenge is the call: what was signed says which one was approved, and for how long.
    let expected = challenge(confirmation.call, lasts.map(|lasts| lasts.as_secs()));
    let seen = verify(rp, expected.as_bytes(), known, &assertion).map_err(|wrong| wrong.to_string())?;
    Ok((Means::Passkey { id }, Some((assertion, seen.count))))
}

/// Writes down what did not hold, and tells it.
async fn reject(page: &Page, operator: &Operator, confirmation: &Confirmation, why: String) -> Trouble {
    let told = format!("Not approved: {why}. Nothing was changed.");
    match page.0.gateway.store.reject(confirmation.id, Channel::Page, Some(operator.id), why).await {
        Ok(()) => Trouble::forbidden(told),
        Err(error) => Trouble::from(error),
    }
}
