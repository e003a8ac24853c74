//! What a client writes that is no request or cannot be one: it neither ends the process nor takes more than its bound.

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
            assert!([-32600, -32700].map(Value::from).contains(&reply["error"]["code"]), "{reply}");
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
    timeout(TIMEOUT, fake.cancelled.notified()).await.unwrap();
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
        timeout(TIMEOUT, input.read_line(&mut line)).await.unwrap().unwrap();
        let reply: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(reply["result"]["isError"], false);
    }
    assert_eq!(fake.seen().len(), ALL);
    let mut output = writing.await.unwrap();
    output.shutdown().await.unwrap();
    timeout(TIMEOUT, server).await.unwrap().unwrap().unwrap();
}

/// Whether whoever wrote this line waits for an answer to it: it is no notification, no answer, and not empty.
fn wants_an_answer(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    match serde_json::from_slice::<Value>(line) {
        Ok(Value::Object(fields)) => {
            let (is_call, answers) =
                (fields.contains_key("method"), fields.contains_key("result") || fields.contains_key("error"));
            if is_call { fields.contains_key("id") } else { !answers }
        }
        _ => !line.is_empty(),
    }
}

/// Writes lines and reads their answers: one each, no more, before the server goes on to the next.
async fn each_is_answered_once(raw: &mut Raw, lines: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut answered = 0;
    for line in lines {
        let wants = wants_an_answer(&line);
        raw.bytes(&line).await;
        raw.send(&json!({"jsonrpc": "2.0", "id": "next", "method": "ping"})).await;
        let (mut answers, mut is_next) = (Vec::new(), false);
        while !is_next || answers.len() < usize::from(wants) {
            let reply = raw.receive().await;
            if reply["id"] == "next" && !is_next {
                is_next = true;
            } else {
                assert!(reply.get("method").is_none(), "{reply}");
                answers.push(reply);
            }
        }
        assert_eq!(answers.len(), usize::from(wants), "{}: {answers:?}", String::from_utf8_lossy(&line));
        answered += answers.len();
    }
    // Had one of them been answered twice, the second would come first.
    raw.send(&json!({"jsonrpc": "2.0", "id": "last", "method": "ping"})).await;
    assert_eq!(raw.receive().await["id"], "last");
    answered
}

/// A request with one byte replaced, one left out, or one put in, at every place.
fn mutations(request: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for at in 0..request.len() {
        for byte in [b'"', b'{', b']', b',', b'\\', b'0', b'x', b' ', 0x01, 0xff] {
            let mut line = request.to_vec();
            line[at] = byte;
            all.push(line);
        }
        let mut line = request.to_vec();
        line.remove(at);
        all.push(line);
        let mut line = request.to_vec();
        line.insert(at, request[at]);
        all.push(line);
        all.push(request[..at].to_vec());
    }
    all
}

#[tokio::test]
async fn every_request_is_answered_whatever_becomes_of_its_bytes() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    for request in [
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ok","arguments":{"a":"\u00e9","b":[1.5]}}}"#,
        r#"{"jsonrpc":"2.0","id":"a-b","method":"tools/list","params":{"cursor":"x"}}"#,
    ] {
        let mutations = mutations(request.as_bytes());
        let all = mutations.len();
        let answered = each_is_answered_once(&mut raw, mutations.into_iter()).await;
        assert!(answered * 10 > all * 8, "{answered} of {all}");
    }
    assert_eq!(raw.ask("tools/call", json!({"name": "ok"})).await["result"]["isError"], false);
    raw.hang_up().await;
}

#[tokio::test]
async fn so_is_every_request_of_the_newest_revision() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let call = newest("ok", &json!({"a": 1}));
    assert_eq!(raw.ask("tools/call", call.clone()).await["result"]["isError"], false);
    let request = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": call}).to_string();
    let mutations = mutations(request.as_bytes());
    let all = mutations.len();
    let answered = each_is_answered_once(&mut raw, mutations.into_iter()).await;
    assert!(answered * 10 > all * 8, "{answered} of {all}");
    assert_eq!(raw.ask("tools/call", newest("ok", &json!({}))).await["result"]["isError"], false);
    raw.hang_up().await;
}

#[tokio::test]
async fn what_cannot_be_parsed_is_answered_by_its_id() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut values: Vec<Vec<u8>> = ["\"\\ud800\"", "\"\\udc00\\ud800\"", "1e999", &deep(200), &deep(40_000)]
        .map(|it| it.as_bytes().to_vec())
        .into();
    values.push(b"\"\xff\"".to_vec());
    values.push(b"\"\xed\xa0\x80\"".to_vec());
    for (n, value) in values.into_iter().enumerate() {
        let head =
            format!(r#"{{"jsonrpc":"2.0","id":"q{n}","method":"tools/call","params":{{"name":"ok","arguments":{{"a":"#);
        raw.bytes(&[head.as_bytes(), &value, b"}}}"].concat()).await;
        let reply = raw.receive().await;
        assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(format!("q{n}")), &json!(-32700)), "{reply}");
    }
    assert!(fake.seen().is_empty());
    assert_eq!(fake.malformed.load(Ordering::SeqCst), 7, "each is written down");
    assert_eq!(raw.ask("tools/call", json!({"name": "ok"})).await["result"]["isError"], false);
}

#[tokio::test]
async fn a_call_of_the_wrong_shape_is_written_down() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let calls = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":7}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"ok","name":"hang"}}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"ok","arguments":[]}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call"}"#,
        r#"{"jsonrpc":"1.0","id":6,"method":"tools/call","params":{"name":"ok"}}"#,
    ];
    for (n, call) in calls.iter().enumerate() {
        raw.line(call).await;
        let reply = raw.receive().await;
        assert_eq!(reply["id"], n + 1, "{reply}");
        assert!(reply["error"]["code"].as_i64().is_some_and(|code| (-32700..=-32600).contains(&code)), "{reply}");
    }
    assert!(fake.seen().is_empty());
    assert_eq!(fake.malformed.load(Ordering::SeqCst), calls.len());
    raw.ask("tools/unheard", json!({})).await;
    assert_eq!(fake.malformed.load(Ordering::SeqCst), calls.len(), "what is no call is none");
}

#[tokio::test]
async fn there_is_room_for_no_more_than_fits_whatever_part_of_a_call_is_large() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let large = "x".repeat(12 << 20);
    let calls = [
        json!({"name": "hang", "arguments": {"a": large}}),
        json!({"name": "hang", "_meta": {"a": large}}),
        json!({"name": "hang", "inputResponses": {"a": large}}),
        json!({"name": "hang", "requestState": large}),
    ];
    for params in &calls[..2] {
        raw.request("tools/call", params.clone()).await;
        timeout(TIMEOUT, fake.hanging.notified()).await.unwrap();
    }
    for params in calls {
        let reply = raw.ask("tools/call", params).await;
        assert_eq!(code(&reply), "unavailable", "{}", reply["result"]["structuredContent"]);
    }
    let reply = raw.ask("tools/call", json!({"name": "x".repeat(12 << 20)})).await;
    assert_eq!(reply["error"]["code"], -32602);
    assert_eq!(fake.seen().len(), 2);
}
