//! The requests of one stream, or of one session, that have no answer yet. A second one under the same id is not worked on:
//! both would run, and nobody could tell whose answer the one that came is.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use mollyguard_tools::contract::Digest;
use rmcp::ErrorData;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, ClientRequest, RequestId, ServerJsonRpcMessage};

use super::error::echo;
use super::message::Wrong;

/// How many ids of cancelled requests are known, which are never answered: the protocol has none of them used again.
const CANCELLED: usize = 1024;

/// The ids that are in use.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<Ids>);

/// What is known of ids that outlives their requests: of a fixed size each, since an id can be as long as a request.
#[derive(Debug, Default)]
struct Ids {
    used: HashSet<Digest>,
    /// Those of the used ones whose requests were cancelled, in that order. What they began may run still.
    cancelled: VecDeque<Digest>,
}

/// An id by its digest: a number and a text are two, however they are written.
fn known_as(id: &RequestId) -> Digest {
    Digest::of(id)
}

impl InFlight {
    /// Takes note of a message of the client. Where it is a request under an id that is in use, what it is answered: under no
    /// id, since under its own that would be taken for the answer of the one before.
    pub(super) fn received(&self, message: &ClientJsonRpcMessage) -> Option<Wrong> {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match message {
            ClientJsonRpcMessage::Request(request) => {
                let id = known_as(&request.id);
                if ids.used.insert(id) {
                    return None;
                }
                let why = format!(
                    "a request with the id {} {}, so this one was not run: give each request an id of its own",
                    echo(&serde_json::to_string(&request.id).unwrap_or_default()),
                    if ids.cancelled.contains(&id) { "was cancelled" } else { "has no answer yet" }
                );
                let is_call = matches!(request.request, ClientRequest::CallToolRequest(_));
                Some(Wrong { id: None, error: ErrorData::invalid_request(why, None), is_call })
            }
            ClientJsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    ids.cancel(known_as(id));
                }
                None
            }
            _ => None,
        }
    }

    /// Takes note of a message to the client, before it is sent: who has an answer may use its id again.
    pub(super) fn sent(&self, message: &ServerJsonRpcMessage) {
        let id = match message {
            ServerJsonRpcMessage::Response(response) => Some(&response.id),
            ServerJsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = id.map(known_as)
            && ids.used.remove(&id)
        {
            ids.cancelled.retain(|cancelled| *cancelled != id);
        }
    }
}

impl Ids {
    fn cancel(&mut self, id: Digest) {
        if !self.used.contains(&id) || self.cancelled.contains(&id) {
            return;
        }
        self.cancelled.push_back(id);
        if self.cancelled.len() > CANCELLED
            && let Some(oldest) = self.cancelled.pop_front()
        {
            self.used.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn from_client(message: &Value) -> ClientJsonRpcMessage {
        serde_json::from_value(message.clone()).unwrap()
    }

    fn request(in_flight: &InFlight, id: usize) -> Option<Wrong> {
        in_flight.received(&from_client(&json!({"jsonrpc": "2.0", "id": id, "method": "ping"})))
    }

    fn cancel(in_flight: &InFlight, id: usize) {
        let params = json!({"requestId": id});
        let message = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
        assert!(in_flight.received(&from_client(&message)).is_none());
    }

    fn answer(in_flight: &InFlight, id: usize) {
        in_flight.sent(&serde_json::from_value(json!({"jsonrpc": "2.0", "id": id, "result": {}})).unwrap());
    }

    #[test]
    fn an_id_is_free_again_with_its_answer_and_not_with_being_cancelled() {
        let in_flight = InFlight::default();
        assert!(request(&in_flight, 1).is_none() && request(&in_flight, 2).is_none());
        let Some(wrong) = request(&in_flight, 1) else { panic!("it is in use") };
        assert_eq!((wrong.id, wrong.error.code.0, wrong.is_call), (None, -32600, false));
        cancel(&in_flight, 1);
        let Some(wrong) = request(&in_flight, 1) else { panic!("it is in use") };
        assert!(wrong.error.message.contains("was cancelled"), "{}", wrong.error.message);
        answer(&in_flight, 1);
        answer(&in_flight, 2);
        assert!(request(&in_flight, 1).is_none() && request(&in_flight, 2).is_none());
        // The one of that id that was cancelled before is over.
        for id in 3..3 + CANCELLED {
            assert!(request(&in_flight, id).is_none());
            cancel(&in_flight, id);
        }
        assert!(request(&in_flight, 1).is_some());
    }

    #[test]
    fn ids_are_told_apart_as_the_protocol_does() {
        let in_flight = InFlight::default();
        let ids =
            [json!(1), json!("1"), json!(10), json!("x".repeat(1 << 20)), json!(format!("{}y", "x".repeat(1 << 20)))];
        for id in &ids {
            let message = from_client(&json!({"jsonrpc": "2.0", "id": id, "method": "ping"}));
            assert!(in_flight.received(&message).is_none(), "each is another");
        }
        for id in &ids {
            let message = from_client(&json!({"jsonrpc": "2.0", "id": id, "method": "ping"}));
            assert!(in_flight.received(&message).is_some());
        }
        assert_eq!(size_of::<Digest>(), 32, "so much is remembered of each, however long it is");
    }

    #[test]
    fn no_more_is_remembered_than_is_open_and_so_many_that_were_cancelled() {
        let in_flight = InFlight::default();
        for id in 0..3 * CANCELLED {
            assert!(request(&in_flight, id).is_none());
            cancel(&in_flight, id);
            cancel(&in_flight, id + 7);
        }
        let ids = in_flight.0.into_inner().unwrap();
        assert_eq!((ids.used.len(), ids.cancelled.len()), (CANCELLED, CANCELLED));
    }
}
