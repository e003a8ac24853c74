//! Who calls over HTTP, and why a request is refused before it is read.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::super::message::batch;

/// Who a rate or a session belongs to: the person, not the client program.
pub(super) type Person = (String, Vec<String>);

/// A request that is not let through.
#[derive(Debug)]
pub(super) enum Refused {
    /// It shows no token, or one nobody has.
    Unknown { shown: bool },
    /// Too many from this caller.
    TooFast(Duration),
    /// Too many from all callers.
    Full(&'static str),
    /// The session is not this caller's, or there is none.
    NoSession,
    /// The body is too long.
    TooLong,
    /// The body holds too many values.
    TooManyValues,
    /// The body takes too long.
    TooSlow,
    /// The body is several messages in one.
    Batch,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        if matches!(self, Self::Batch) {
            let error = json!({"jsonrpc": "2.0", "id": null, "error": batch()});
            return (StatusCode::BAD_REQUEST, Json(error)).into_response();
        }
        let (status, why) = match &self {
            Self::Unknown { .. } => (StatusCode::UNAUTHORIZED, "a valid bearer token is needed"),
            Self::TooFast(_) => (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            Self::Full(what) => (StatusCode::SERVICE_UNAVAILABLE, *what),
            Self::NoSession => (StatusCode::NOT_FOUND, "there is no such session"),
            Self::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "the request is too long"),
            Self::TooManyValues => (StatusCode::PAYLOAD_TOO_LARGE, "the request holds too many values"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive"),
            Self::Batch => (StatusCode::BAD_REQUEST, "batches are not taken"),
        };
        let mut response = (status, format!("{why}\n")).into_response();
        let headers = response.headers_mut();
        match self {
            // RFC 6750, section 3: no error code where no token was shown.
            Self::Unknown { shown } => {
                let challenge = if shown {
                    "Bearer realm=\"mollyguard\", error=\"invalid_token\""
                } else {
                    "Bearer realm=\"mollyguard\""
                };
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::TooFast(wait) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().saturating_add(1)));
            }
            Self::Full(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
            }
            // What is left of the request is not read, so the connection is of no more use.
            Self::TooLong | Self::TooSlow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::NoSession | Self::TooManyValues | Self::Batch => {}
        }
        response
    }
}
