//! What every request of the page passes: it must be for this host, act only from this very page, and be small; and what
//! every reply carries, so that nothing but this page's own script and style ever run in it.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, header};

use super::Page;

/// The most bytes of a request: an attestation with certificates fits.
const BODY_BYTES: usize = 128 * 1024;
/// How long a request's body may take.
const BODY: Duration = Duration::from_secs(10);

/// No script, style, font, frame or address but this page's own; no form may be sent anywhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Lets a request through, or answers it here.
pub(super) async fn guard(State(page): State<Page>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&page, &request) {
        Some((status, words)) => (status, words).into_response(),
        None => match whole(request).await {
            Ok(request) => next.run(request).await,
            Err((status, words)) => (status, words).into_response(),
        },
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // Not `no-referrer`: browsers then say that a form comes from `null`.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "publickey-credentials-get=(self), publickey-credentials-create=(self)"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The request with its whole body: nobody keeps a handler waiting, or sends more than anything here needs.
async fn whole(request: Request) -> Result<Request, (StatusCode, &'static str)> {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(BODY, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "That is too much, or was cut off. Nothing was changed.\n")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "That took too long. Nothing was changed.\n")),
    }
}

/// Why a request is not let through. A name that merely resolves to this machine is somebody else's page (DNS
/// rebinding); an act from another origin is another page's (cross-site request forgery).
fn refusal(page: &Page, request: &Request) -> Option<(StatusCode, String)> {
    let origin = &page.0.origin;
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host != Some(page.0.at.authority()) {
        return Some((StatusCode::MISDIRECTED_REQUEST, format!("This page is at {origin}/ and nowhere else.\n")));
    }
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return None;
    }
    let from = request.headers().get(header::ORIGIN).map(HeaderValue::as_bytes);
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    if from != Some(origin.as_bytes()) || site.is_some_and(|site| site != b"same-origin") {
        let words = "Only this page itself may act. Nothing was changed.\n".to_owned();
        return Some((StatusCode::FORBIDDEN, words));
    }
    None
}
