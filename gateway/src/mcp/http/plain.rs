//! Plain JSON for calls in a session. rmcp answers every request of the initialize-based revisions with an event stream,
//! though they allow one JSON object; a stream that turns out to carry the result and nothing before it is sent as that.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{HeaderValue, header};
use http_body::Frame;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::timeout;

/// How long a call may be silent before its stream goes out all the same: it keeps the connection alive, and a client that
/// loses it can come back for the result.
const SILENT: Duration = Duration::from_secs(5);

/// The response, as plain JSON if the first message on its stream is the result.
pub(super) async fn plain(response: Response) -> Response {
    let is_stream = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    if !is_stream {
        return response;
    }
    let (mut head, mut body) = response.into_parts();
    let mut seen = Vec::new();
    let result = timeout(SILENT, result(&mut body, &mut seen)).await.ok().flatten();
    let Some(result) = result else {
        let first = (!seen.is_empty()).then(|| Bytes::from(seen));
        return Response::from_parts(head, Body::new(Resumed { first, rest: body }));
    };
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers.remove(header::CACHE_CONTROL);
    head.headers.remove("x-accel-buffering");
    Response::from_parts(head, Body::from(result))
}

/// Reads up to the first message into `seen`; the message, if it is a result or an error.
async fn result(body: &mut Body, seen: &mut Vec<u8>) -> Option<Bytes> {
    let mut at = 0;
    loop {
        while let Some(end) = seen.get(at..).and_then(|rest| rest.windows(2).position(|two| two == b"\n\n")) {
            let event = seen.get(at..at + end)?;
            at += end + 2;
            let data = event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data:"));
            let data = data.map(<[u8]>::trim_ascii_start).unwrap_or_default();
            if !data.is_empty() {
                return is_result(data).then(|| Bytes::copy_from_slice(data));
            }
        }
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?.ok()?;
        seen.extend_from_slice(&frame.into_data().ok()?);
    }
}

/// Whether a message is what ends a call: a request or a notification names a method, and what refuses a call whose id is in
/// use has none.
fn is_result(message: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Message {
        #[serde(default)]
        method: Option<IgnoredAny>,
        #[serde(default)]
        id: Option<IgnoredAny>,
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Message>(message)
        .is_ok_and(|message| message.method.is_none() && (message.id.is_some() || message.error.is_some()))
}

/// A body of which something was read already.
struct Resumed {
    first: Option<Bytes>,
    rest: Body,
}

impl HttpBody for Resumed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }
}
