//! What a client writes that is no request or cannot be one: it neither ends the process nor takes more than its bound.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::mcp::message::MOST_VALUES;

/// What nobody waits for an answer to, or what is no message at all.
fn strays() -> Vec<Vec<u8>> {
    let text = [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nothing"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":7}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"secret":"hunter2"}}"#,
        r#"{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"ok"}}"#,
        r#"{"jsonrpc":"2.0","id":"nothing","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":0,"result":{"action":"accept","content":{"name":"orders"}}}"#,
        r#"{"jsonrpc":"2.0","id":"nothing","error":{"code":-32603,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"no"}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#,
        "[]",
        "{}",
        "null",
        "7",
        "\"text\"",
        "GET /mcp HTTP/1.1\r",
        "{\"jsonrpc\":\"2.0\",",
        "",
        "\r",
        "  \t ",
        "\u{feff}",
        "\u{0}",
        "Content-Length: 20\r",
    ];
    let mut strays: Vec<_> = text.iter().map(|text| text.as_bytes().to_vec()).collect();
    strays.push(b"\xff\xfe{}".to_vec());
    strays.push(["[".repeat(200), "]".repeat(200)].concat().into_bytes());
    strays
}

impl Raw {
    async fn bytes(&mut self, bytes: &[u8]) {
        self.output.write_all(bytes).await.unwrap();
        self.output.write_all(b"\n").await.unwrap();
    }

    /// Sends a request and returns its answer. What was no message may be answered first, under no id.
    async fn ask_among_strays(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        loop {
            let reply = self.receive().await;
            if reply["id"] == id {
                return reply;
            }
            assert!(reply["id"].is_null(), "{reply}");
            assert_eq!(reply["error"]["code"], -32600, "{reply}");
            assert!(!reply.to_string().contains("hunter2"));
        }
    }
}

fn opening() -> Value {
    json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}})
}

/// The requests of a session in each era, from the first on; the last is a call.
fn sessions() -> Vec<Vec<(&'static str, Value)>> {
    let unmarked = ("tools/list", json!({}));
    let older = ("tools/call", json!({"name": "ok"}));
    let newer = ("tools/call", newest("ok", &json!({})));
    let discover = ("server/discover", json!({"_meta": meta(&json!({}))}));
    let ping = ("ping", json!({}));
    vec![
        vec![("initialize", opening()), older.clone()],
        vec![ping.clone(), unmarked.clone(), discover.clone(), ("initialize", opening()), older],
        vec![newer.clone()],
        vec![ping, unmarked, discover, newer],
    ]
}

#[tokio::test]
async fn a_stray_message_ends_no_process() {
    for stray in strays() {
        for session in sessions() {
            let fake = Arc::new(Fake::new());
            let mut raw = Raw::new(wire(&fake));
            let mut reply = json!({});
            for (method, params) in session {
                raw.bytes(&stray).await;
                reply = raw.ask_among_strays(method, params).await;
            }
            let shown = String::from_utf8_lossy(&stray);
            assert_eq!(reply["result"]["isError"], false, "after {shown}: {reply}");
            assert_eq!(fake.seen().len(), 1, "{shown}");
            raw.hang_up().await;
        }
    }
}

#[tokio::test]
async fn nor_do_all_of_them_before_every_request() {
    for session in sessions() {
        let fake = Arc::new(Fake::new());
        let mut raw = Raw::new(wire(&fake));
        let mut reply = json!({});
        for (method, params) in session {
            for stray in strays() {
                raw.bytes(&stray).await;
            }
            reply = raw.ask_among_strays(method, params).await;
        }
        assert_eq!(reply["result"]["isError"], false, "{reply}");
        assert_eq!(fake.seen().len(), 1);
        raw.hang_up().await;
    }
}

#[tokio::test]
async fn a_client_that_only_sends_strays_is_served_until_it_leaves() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    raw.send(&json!({"jsonrpc": "2.0", "method": "notifications/x", "params": {"secret": "hunter2"}})).await;
    raw.hang_up().await;
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn cancelling_reaches_the_call_that_opened_the_session() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let id = raw.request("tools/call", newest("hang", &json!({}))).await;
    raw.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
    timeout(PATIENCE, fake.cancelled.notified()).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_long_is_answered_and_the_next_is_read() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    raw.bytes(&vec![b' '; 17 << 20]).await;
    let reply = raw.receive().await;
    assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(null), &json!(-32600)));
    assert!(reply["error"]["message"].as_str().unwrap().contains("16777216 bytes"), "{reply}");
    assert_eq!(raw.ask("tools/call", newest("ok", &json!({}))).await["result"]["isError"], false);
}

#[tokio::test]
async fn a_message_of_too_many_values_is_answered_by_its_id_and_not_parsed() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let many = |count: usize| json!({"name": "ok", "arguments": {"rows": vec![0; count]}});
    let reply = raw.ask("tools/call", many(MOST_VALUES)).await;
    assert_eq!(reply["error"]["code"], -32600);
    assert!(reply["error"]["message"].as_str().unwrap().contains("100000 values"), "{reply}");
    assert!(fake.seen().is_empty());
    assert_eq!(raw.ask("tools/call", many(MOST_VALUES / 2)).await["result"]["isError"], false);
    assert_eq!(fake.seen().len(), 1);
}

/// As many requests as a client likes, of which it reads no answer.
#[tokio::test]
async fn a_client_that_does_not_read_gets_no_more_work_done() {
    const ALL: usize = 64;
    let fake = Arc::new(Fake::new());
    let Raw { mut input, mut output, server, .. } = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let writing = tokio::spawn(async move {
        for id in 0..ALL {
            let params = json!({"name": "ok", "arguments": {"text": "x".repeat(512 << 10)}});
            let line = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string();
            output.write_all(format!("{line}\n").as_bytes()).await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
        }
        output
    });
    // Everything here is in this one thread and in memory, so what does not move for long does not move at all.
    let (mut still, mut last) = (0, 0);
    while still < 10_000 {
        tokio::task::yield_now().await;
        let now = written.load(Ordering::SeqCst) + fake.seen().len();
        (still, last) = if now == last { (still + 1, last) } else { (0, now) };
    }
    let begun = fake.seen().len();
    assert!((1..ALL / 4).contains(&begun), "{begun} calls were made for a client that reads nothing");
    for _ in 0..ALL {
        let mut line = String::new();
        timeout(PATIENCE, input.read_line(&mut line)).await.unwrap().unwrap();
        let reply: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(reply["result"]["isError"], false);
    }
    assert_eq!(fake.seen().len(), ALL);
    let mut output = writing.await.unwrap();
    output.shutdown().await.unwrap();
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
}
