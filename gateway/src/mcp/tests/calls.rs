//! Listing, results, errors, cancellation, progress.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::*;

#[tokio::test]
async fn lists_declarations_as_tools() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let reply = raw.ask("tools/list", json!({"_meta": meta(&json!({}))})).await;
    let result = &reply["result"];
    assert_eq!(result["ttlMs"], 60_000);
    assert_eq!(result["cacheScope"], "private");
    let names: Vec<&str> = result["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ok", "refuse", "ask", "ask_ack", "ask_always", "hang", "stages"]);
    assert_eq!(
        result["tools"][2],
        json!({
            "name": "ask",
            "title": "A tool",
            "description": "Does what its name says.",
            "inputSchema": {"type": "object", "properties": {"target": {"type": "string"}}},
            "outputSchema": {"type": "object", "properties": {"echo": {}}},
            "annotations": {
                "readOnlyHint": false,
                "destructiveHint": true,
                "idempotentHint": false,
                "openWorldHint": false,
            },
            "_meta": {"dev.mollyguard/declaration": {
                "reversibility": "irreversible",
                "softened_by": [{
                    "name": "prior_state_fits_journal",
                    "to": "reversible",
                    "means": "The prior state fits.",
                }],
                "scope": "resource",
                "credential": "a connection URL",
            }},
        })
    );
    let hints = |at: usize| {
        (&result["tools"][at]["annotations"]["readOnlyHint"], &result["tools"][at]["annotations"]["destructiveHint"])
    };
    assert_eq!(hints(0), (&json!(true), &json!(false)));
    assert_eq!(hints(1), (&json!(false), &json!(false)));
    assert_eq!(hints(3), (&json!(false), &json!(true)));
    raw.hang_up().await;
}

#[tokio::test]
async fn older_revisions_are_listed_no_output_schema() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let reply = raw.ask("tools/list", json!({})).await;
    assert!(reply["result"].get("ttlMs").is_none());
    assert!(reply["result"]["tools"][0].get("outputSchema").is_none());
    assert!(reply["result"]["tools"][0].get("inputSchema").is_some());
}

#[tokio::test]
async fn presents_itself_in_both_eras() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let found = raw.ask("server/discover", json!({"_meta": meta(&json!({}))})).await;
    assert_eq!(found["result"]["capabilities"], json!({"tools": {}}));
    assert!(found["result"]["instructions"].as_str().unwrap().contains("preview_call"));
    let versions = found["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!("2026-07-28")) && versions.contains(&json!("2024-11-05")), "{found}");

    let mut raw = Raw::new(wire(&fake));
    let info = json!({"name": "raw", "version": "1"});
    let params = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info});
    let begun = raw.ask("initialize", params).await;
    assert_eq!(begun["result"]["serverInfo"]["name"], "mollyguard");
    assert_eq!(begun["result"]["capabilities"], json!({"tools": {}}));
}

#[tokio::test]
async fn a_receipt_becomes_a_result() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let reply = raw.ask("tools/call", newest("ok", &json!({"target": "x"}))).await;
    let result = &reply["result"];
    assert_eq!(result["structuredContent"], json!({"echo": {"target": "x"}}));
    assert_eq!(result["content"], json!([{"type": "text", "text": "{\"echo\":{\"target\":\"x\"}}"}]));
    assert_eq!(result["isError"], false);
    assert_eq!(result["_meta"]["dev.mollyguard/call"]["decision"], "allow");
    let seen = fake.seen().remove(0);
    assert_eq!(seen.principal, Principal { client: Some("raw 1".to_owned()), ..principal("alice") });
    assert_eq!((seen.channel, seen.answered.is_none()), (Some(Channel::InputRequired), true));
}

#[tokio::test]
async fn a_refusal_becomes_an_error_result_a_model_can_read() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-06-18", json!({})).await;
    let reply = raw.ask("tools/call", json!({"name": "refuse"})).await;
    let result = &reply["result"];
    assert_eq!(result["isError"], true);
    assert_eq!((code(&reply), &result["structuredContent"]["changed"]), ("denied", &json!(false)));
    assert_eq!(result["structuredContent"]["because"], json!([{"policy": "p", "reason": "r"}]));
    assert_eq!(result["content"][0]["text"], "denied: no. Nothing was changed.\nPolicy p: r\nNext: Do something else.");
    assert_eq!(result["_meta"]["dev.mollyguard/call"]["decision"], "deny");
    assert_eq!(fake.seen()[0].args, json!({}));
}

#[tokio::test]
async fn a_call_that_panics_is_answered_as_uncertain() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let reply = raw.ask("tools/call", newest("panic", &json!({}))).await;
    assert_eq!((code(&reply), &reply["result"]["structuredContent"]["changed"]), ("uncertain", &json!("unknown")));
}

#[tokio::test]
async fn an_unknown_tool_is_an_invalid_parameter() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let reply = raw.ask("tools/call", newest("okay", &json!({}))).await;
    assert_eq!(reply["error"]["code"], -32602);
    assert_eq!(reply["error"]["message"], "there is no tool `okay`; did you mean `ok`?");
    let reply = raw.ask("tools/call", newest(&"x".repeat(10_000), &json!({}))).await;
    assert!(reply["error"]["message"].as_str().unwrap().len() < 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_never_forwarded() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let bad = [
        r#"{"name":"ok","name":"refuse","arguments":{}}"#,
        r#"{"name":"ok","arguments":{},"arguments":{"target":"y"}}"#,
        r#"{"name":7,"arguments":{}}"#,
        r#"{"name":"ok","arguments":[1]}"#,
        r#"{"arguments":{}}"#,
        r#"{"name":"ok","arguments":{},"inputResponses":[]}"#,
    ];
    for params in bad {
        raw.line(&format!(r#"{{"jsonrpc":"2.0","id":90,"method":"tools/call","params":{params}}}"#)).await;
        let reply = raw.receive().await;
        assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(90), &json!(-32602)), "{params} got {reply}");
    }
    // What is no JSON has no id to answer to, and neither has what is no message.
    for (line, expected) in [("{this is no json", -32700), ("[]", -32600)] {
        raw.line(line).await;
        let reply = raw.receive().await;
        assert_eq!((reply.get("id"), &reply["error"]["code"]), (None, &json!(expected)), "{reply}");
    }
    let reply = raw.ask("tools/destroy", json!({})).await;
    assert_eq!(reply["error"]["code"], -32601);
    assert!(fake.seen().is_empty());
    // The session lives on.
    assert_eq!(raw.ask("tools/call", json!({"name": "ok"})).await["result"]["isError"], false);
}

#[tokio::test]
async fn cancelling_reaches_the_call() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let id = raw.request("tools/call", json!({"name": "hang"})).await;
    timeout(TIMEOUT, fake.hanging.notified()).await.unwrap();
    raw.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
    timeout(TIMEOUT, fake.cancelled.notified()).await.unwrap();
}

#[tokio::test]
async fn being_told_to_leave_reaches_the_call() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    raw.request("tools/call", newest("hang", &json!({}))).await;
    timeout(TIMEOUT, fake.hanging.notified()).await.unwrap();
    raw.leave.cancel();
    timeout(TIMEOUT, fake.cancelled.notified()).await.unwrap();
    timeout(TIMEOUT, raw.server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn reports_progress_at_every_stage() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    let id = raw.request("tools/call", json!({"name": "stages", "_meta": {"progressToken": "t"}})).await;
    for (at, word) in ["looking", "deciding", "executing"].into_iter().enumerate() {
        let said = raw.receive().await;
        assert_eq!(said["method"], "notifications/progress", "{said}");
        assert_eq!((&said["params"]["progressToken"], &said["params"]["message"]), (&json!("t"), &json!(word)));
        assert_eq!(said["params"]["progress"].as_f64(), Some(at as f64 + 1.0));
        fake.go_on.notify_one();
    }
    let reply = raw.receive().await;
    assert_eq!(reply["id"], id);
}

#[tokio::test]
async fn is_silent_without_a_token_and_when_quick() {
    let fake = Arc::new(Fake::new());
    let mut wire = wire(&fake);
    wire.timing.progress_after = TIMEOUT;
    let mut raw = Raw::older(wire, "2025-11-25", json!({})).await;
    for meta in [json!({}), json!({"progressToken": 1})] {
        for _ in 0..3 {
            fake.go_on.notify_one();
            tokio::task::yield_now().await;
        }
        let reply = raw.ask("tools/call", json!({"name": "ok", "_meta": meta})).await;
        assert_eq!(reply["result"]["isError"], false);
    }
}

#[tokio::test]
async fn answers_what_was_asked_before_the_input_ended() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({})).await;
    raw.request("tools/call", json!({"name": "ok", "arguments": {}})).await;
    raw.output.shutdown().await.unwrap();
    assert_eq!(raw.receive().await["result"]["isError"], false);
    timeout(TIMEOUT, raw.server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_probe_that_says_nothing_is_no_error() {
    let fake = Arc::new(Fake::new());
    let begun = Instant::now();
    Raw::new(wire(&fake)).hang_up().await;
    assert!(begun.elapsed() < Duration::from_secs(2));
}
