//! Requests under an id that is in use, and several messages in one: neither is worked on, and both are told so.

use serde_json::json;

use super::http::{site_of, tokens};
use super::*;
use crate::mcp::Limits;

fn request(id: &Value, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

/// Under no id: under its own it would be taken for the answer of the request before.
fn is_refused(reply: &Value, id: &Value) {
    is_refused_since(reply, id, "has no answer yet");
}

fn is_refused_since(reply: &Value, id: &Value, why: &str) {
    assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(null), &json!(-32600)), "{reply}");
    let message = reply["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("a request with the id {id} {why}")), "{message}");
}

async fn in_each_era(fake: &Arc<Fake>) -> [(Raw, fn(&str) -> Value); 2] {
    let older = Raw::older(wire(fake), "2025-03-26", json!({})).await;
    [(older, |tool| json!({"name": tool})), (Raw::new(wire(fake)), |tool| newest(tool, &json!({})))]
}

#[tokio::test]
async fn a_request_under_an_id_in_use_is_refused_and_not_run() {
    let fake = Arc::new(Fake::new());
    for (mut raw, params) in in_each_era(&fake).await {
        for id in [json!(7000), json!("seven")] {
            let before = (fake.seen().len(), fake.malformed.load(Ordering::SeqCst));
            raw.send(&request(&id, &params("stages"))).await;
            timeout(TIMEOUT, fake.hanging.notified()).await.unwrap();
            for tool in ["ok", "stages"] {
                raw.send(&request(&id, &params(tool))).await;
                is_refused(&raw.receive().await, &id);
            }
            raw.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"})).await;
            is_refused(&raw.receive().await, &id);
            assert_eq!(fake.seen().len(), before.0 + 1, "only the first ran");
            assert_eq!(fake.malformed.load(Ordering::SeqCst), before.1 + 2, "each call is written down");
            for _ in 0..3 {
                fake.go_on.notify_one();
                // Each is waited for before the next is told.
                tokio::task::yield_now().await;
            }
            let reply = raw.receive().await;
            assert_eq!((&reply["id"], &reply["result"]["isError"]), (&id, &json!(false)), "{reply}");
            raw.send(&request(&id, &params("ok"))).await;
            assert_eq!(raw.receive().await["result"]["isError"], false, "with its answer it is free");
        }
        raw.hang_up().await;
    }
}

#[tokio::test]
async fn nor_is_one_under_the_id_of_a_cancelled_call() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let id = raw.request("tools/call", json!({"name": "stages"})).await;
    timeout(TIMEOUT, fake.hanging.notified()).await.unwrap();
    raw.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
    raw.send(&request(&json!(id), &json!({"name": "ok"}))).await;
    is_refused_since(&raw.receive().await, &json!(id), "was cancelled");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn nor_is_one_in_a_session_over_http() {
    let fake = Arc::new(Fake::new());
    let site = site_of(wire(&fake), tokens(), Limits::default()).await;
    let session = |opened: &super::http::Got| opened.header("mcp-session-id").unwrap().to_owned();
    let one = session(&site.open("open sesame").await);
    let other = session(&site.open("open sesame").await);
    let id = json!(2);
    let (hang, ok) = (request(&id, &json!({"name": "hang"})), request(&id, &json!({"name": "ok"})));
    let running = site.within(&one, "open sesame", &hang);
    let second = async {
        fake.hanging.notified().await;
        let reply = site.within(&one, "open sesame", &ok).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
        is_refused(&reply.json().await, &id);
        assert_eq!(fake.seen().len(), 1, "it did not run");
        assert_eq!(fake.malformed.load(Ordering::SeqCst), 1, "and is written down");
        let reply = site.within(&other, "open sesame", &ok).await.json().await;
        assert_eq!(reply["result"]["isError"], false, "ids are each session's own");
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
        assert_eq!(site.within(&one, "open sesame", &cancel).await.status, 202);
        fake.cancelled.notified().await;
    };
    let (_cut, ()) = timeout(TIMEOUT, async { tokio::join!(running, second) }).await.unwrap();
    let three = request(&json!(3), &json!({"name": "ok"}));
    for _ in 0..2 {
        let reply = site.within(&one, "open sesame", &three).await.json().await;
        assert_eq!(reply["result"]["isError"], false, "with its answer an id is free: {reply}");
    }
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test]
async fn several_messages_in_one_are_refused_as_a_whole_in_each_revision() {
    let fake = Arc::new(Fake::new());
    let site = site_of(wire(&fake), tokens(), Limits::default()).await;
    let session = site.open("open sesame").await.header("mcp-session-id").unwrap().to_owned();
    let batch = json!([request(&json!(5), &json!({"name": "ok"})), {"jsonrpc": "2.0", "id": 6, "method": "ping"}]);
    let mut replies = Vec::new();
    for (mut raw, _) in in_each_era(&fake).await {
        raw.send(&batch).await;
        replies.push(raw.receive().await);
    }
    let over_http = site.within(&session, "open sesame", &batch).await;
    assert_eq!(over_http.status, 400);
    replies.push(over_http.json().await);
    for reply in replies {
        assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(null), &json!(-32600)), "{reply}");
        assert!(reply["error"]["message"].as_str().unwrap().contains("batches are not taken, in revision 2025-03-26"));
    }
    assert!(fake.seen().is_empty());
}
