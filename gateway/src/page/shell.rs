//! The frame of every page, its style and script, and how trouble is told.

use std::fmt;

use axum::extract::{FromRequestParts, Path};
use axum::response::{Html, IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use mollyguard_record::model::Operator;
use mollyguard_record::store::StoreError;
use uuid::Uuid;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// A whole page.
pub(super) fn document(title: &str, here: Option<&Operator>, main: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Mollyguard" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/style.css";
                script src="/page.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.brand { a href="/" { "Mollyguard" } }
                    @if let Some(operator) = here {
                        nav aria-label="Pages" {
                            @for (path, name) in [("/", "Waiting"), ("/history", "History"), ("/people", "People")] {
                                a href=(path) aria-current=[(name == title).then_some("page")] { (name) }
                            }
                        }
                        form method="post" action="/sign-out" {
                            span.who { (operator.name) }
                            button.quiet type="submit" { "Sign out" }
                        }
                    }
                }
                main #main tabindex="-1" { (main) }
                // Stays where it is while what it speaks of is replaced, or nobody would hear it.
                p.hidden role="status" data-said {}
            }
        }
    };
    Html(page.into_string())
}

/// What is told where a passkey's button stands and there is no script to press it.
pub(super) fn needs_script() -> Markup {
    html! { noscript { p.error { "Passkeys need this page's script, which this browser does not run." } } }
}

/// Where to go next.
pub(super) fn to(path: &'static str) -> [(HeaderName, HeaderValue); 1] {
    [(header::LOCATION, HeaderValue::from_static(path))]
}

/// `GET /style.css`
pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

/// `GET /page.js`
pub(super) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)
}

/// Everything that is nowhere.
pub(super) async fn nowhere() -> Trouble {
    Trouble { status: StatusCode::NOT_FOUND, words: "There is no such page.".into() }
}

/// What an address names.
pub(super) struct Id(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        let id = Path::<Uuid>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| Trouble::missing("There is no such page."))
    }
}

/// Why something was not done.
#[derive(Debug)]
pub(super) struct Trouble {
    status: StatusCode,
    words: String,
}

impl Trouble {
    pub(super) fn forbidden(words: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, words: words.into() }
    }

    pub(super) fn conflict(words: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, words: words.into() }
    }

    pub(super) fn missing(words: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, words: words.into() }
    }

    pub(super) fn broken(error: impl fmt::Display) -> Self {
        tracing::error!(%error, "the page failed");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, words: "The gateway failed. Nothing was changed.".into() }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotApproved(..)
            | StoreError::NotGranted(..)
            | StoreError::NotEnrolled(_)
            | StoreError::NotQuarantined(_)
            | StoreError::AlreadyUndone(..) => Self::conflict(format!("Nothing was changed: {error}.")),
            StoreError::NotFound(..) => Self::missing(format!("{error}.")),
            other => Self::broken(other),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let main = html! {
            h1 { "That did not work" }
            p role="alert" data-error { (self.words) }
            p { a.button href="/" { "Back to what waits" } }
        };
        (self.status, document("That did not work", None, &main)).into_response()
    }
}

/// A moment as a person reads it, exact for scripts.
pub(super) fn moment(at: mollyguard_tools::contract::Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) { (at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()) } }
}

/// A moment to come, counted down to where there is a script.
pub(super) fn until(at: mollyguard_tools::contract::Timestamp) -> Markup {
    let exact = PreEscaped(at.to_string());
    html! { time datetime=(exact) data-until { (at.strftime("%H:%M:%S UTC").to_string()) } }
}
