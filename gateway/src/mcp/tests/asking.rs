//! Questions, answers, seals, in both eras.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::*;

fn accept(content: &Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// Asks under 2026-07-28 and returns the `input_required` result.
async fn asked(raw: &mut Raw, tool: &str) -> Value {
    let reply = raw.ask("tools/call", newest(tool, &json!({"target": "x"}))).await;
    assert_eq!(reply["result"]["resultType"], "input_required", "{reply}");
    reply["result"].clone()
}

fn again(tool: &str, args: &Value, state: &Value, answer: &Value) -> Value {
    let mut params = newest(tool, args);
    params["requestState"] = state.clone();
    params["inputResponses"] = json!({"confirm": answer});
    params
}

#[tokio::test]
async fn the_newest_revision_is_asked_by_a_result() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let result = asked(&mut raw, "ask").await;
    assert_eq!(
        result["inputRequests"],
        json!({"confirm": {"method": "elicitation/create", "params": {
            "mode": "form",
            "message": "Drop the table orders?",
            "requestedSchema": {
                "type": "object",
                "properties": {"name": {"type": "string", "title": format!("Type {} to approve", mollyguard_tools::text::quoted("orders"))}},
                "required": ["name"],
            },
        }}})
    );
    assert_eq!(result["_meta"]["dev.mollyguard/call"]["decision"], "confirm");
    let params = again("ask", &json!({"target": "x"}), &result["requestState"], &accept(&json!({"name": "orders"})));
    let reply = raw.ask("tools/call", params.clone()).await;
    assert_eq!(reply["result"]["isError"], false, "{reply}");
    // Single use is the gateway's doing, and it sees the same confirmation again.
    assert_eq!(code(&raw.ask("tools/call", params).await), "confirmation_invalid");
    let answers = fake.answers();
    assert_eq!(answers[0].confirmation, answers[1].confirmation);
}

#[tokio::test]
async fn a_mere_acknowledgement_is_two_plain_words() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let result = asked(&mut raw, "ask_ack").await;
    let schema = &result["inputRequests"]["confirm"]["params"]["requestedSchema"];
    assert_eq!(
        *schema,
        json!({
            "type": "object",
            "properties": {"decision": {"type": "string", "title": "Decline or approve", "enum": ["decline", "approve"]}},
            "required": ["decision"],
        })
    );
    for (word, expected) in [("decline", Some("confirmation_declined")), ("approve", None)] {
        let result = asked(&mut raw, "ask_ack").await;
        let answer = accept(&json!({"decision": word}));
        let params = again("ask_ack", &json!({"target": "x"}), &result["requestState"], &answer);
        let reply = raw.ask("tools/call", params).await;
        assert_eq!(reply["result"]["structuredContent"]["reason_code"].as_str(), expected);
    }
}

#[tokio::test]
async fn every_answer_but_the_exact_one_is_a_no() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let answers = [
        (json!({"action": "decline"}), Answer::Decline),
        (json!({"action": "cancel"}), Answer::Cancel),
        (json!({"action": "accept"}), Answer::Accept { typed: None }),
        (accept(&json!({})), Answer::Accept { typed: None }),
        (accept(&json!(null)), Answer::Accept { typed: None }),
        (accept(&json!({"name": true})), Answer::Accept { typed: None }),
        (accept(&json!({"name": ["orders"]})), Answer::Accept { typed: None }),
        (accept(&json!({"decision": "approve"})), Answer::Accept { typed: None }),
        (accept(&json!({"name": "Orders"})), Answer::Accept { typed: Some("Orders".to_owned()) }),
        (json!({"action": "ACCEPT", "content": {"name": "orders"}}), Answer::Failed),
        (json!({"content": {"name": "orders"}}), Answer::Failed),
        (json!("accept"), Answer::Failed),
        (json!({"roots": []}), Answer::Failed),
    ];
    for (answer, expected) in answers {
        let result = asked(&mut raw, "ask").await;
        let confirmation = fake.asked.lock().unwrap().unwrap();
        let params = again("ask", &json!({"target": "x"}), &result["requestState"], &answer);
        let reply = raw.ask("tools/call", params).await;
        assert_eq!(reply["result"]["isError"], true, "{answer} got {reply}");
        let got = fake.answers().pop().unwrap();
        assert_eq!((got.confirmation, got.answer), (confirmation, Some(expected)), "{answer}");
    }
    // A repeated call without a response, or with one under another name.
    for responses in [json!(null), json!({}), json!({"other": accept(&json!({"name": "orders"}))})] {
        let result = asked(&mut raw, "ask").await;
        let mut params = newest("ask", &json!({"target": "x"}));
        params["requestState"] = result["requestState"].clone();
        if !responses.is_null() {
            params["inputResponses"] = responses;
        }
        assert_eq!(code(&raw.ask("tools/call", params).await), "confirmation_required");
        assert_eq!(fake.answers().pop().unwrap().answer, Some(Answer::Failed));
    }
}

#[tokio::test]
async fn a_seal_that_is_not_this_calls_is_worth_nothing() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let yes = accept(&json!({"name": "orders"}));
    let args = json!({"target": "x"});
    let state = asked(&mut raw, "ask").await["requestState"].clone();
    let sealed = state.as_str().unwrap().to_owned();
    let mut tampered = sealed.clone();
    tampered.truncate(sealed.len() - 2);
    let (head, tail) = sealed.split_at(sealed.len() / 2);
    let flipped = format!("{head}{}{}", if tail.starts_with('A') { "B" } else { "A" }, &tail[1..]);
    let attempts = [
        again("ask", &json!({"target": "y"}), &state, &yes),
        again("ask", &json!({"target": "x", "more": 1}), &state, &yes),
        again("ask_ack", &args, &state, &yes),
        again("ask", &args, &json!(tampered), &yes),
        again("ask", &args, &json!(flipped), &yes),
        again("ask", &args, &json!(""), &yes),
        again("ask", &args, &json!("rs2.x.y.z"), &yes),
        {
            let mut params = newest("ask", &args);
            params["inputResponses"] = json!({"confirm": yes});
            params
        },
        {
            let mut params = again("ask", &args, &state, &yes);
            params["_meta"] = meta(&json!({}));
            params
        },
    ];
    for params in attempts {
        let confirmation = *fake.asked.lock().unwrap();
        assert_eq!(code(&raw.ask("tools/call", params.clone()).await), "confirmation_invalid", "{params}");
        assert_eq!(fake.answers().pop().unwrap().confirmation, Uuid::nil());
        *fake.asked.lock().unwrap() = confirmation;
    }
    // Untouched, it still holds; and the order of the arguments does not matter.
    let reply = raw.ask("tools/call", again("ask", &args, &state, &yes)).await;
    assert_eq!(reply["result"]["isError"], false);
}

#[tokio::test]
async fn a_late_answer_is_handed_on_as_the_one_it_is() {
    let fake = Arc::new(Fake { life: Some(Duration::ZERO), ..Fake::new() });
    let mut raw = Raw::new(wire(&fake));
    let result = asked(&mut raw, "ask").await;
    let params = again("ask", &json!({"target": "x"}), &result["requestState"], &accept(&json!({"name": "orders"})));
    raw.ask("tools/call", params).await;
    // The gateway knows when the question expired, and says so; the wire would only not know the answer.
    assert_ne!(fake.answers()[0].confirmation, Uuid::nil());
}

#[tokio::test]
async fn a_changed_question_is_asked_anew_once_a_call() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::new(wire(&fake));
    let first = asked(&mut raw, "ask_always").await;
    let params =
        again("ask_always", &json!({"target": "x"}), &first["requestState"], &accept(&json!({"name": "orders"})));
    let second = raw.ask("tools/call", params).await;
    assert_eq!(second["result"]["resultType"], "input_required");
    assert_ne!(second["result"]["requestState"], first["requestState"]);
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn nobody_is_asked_in_a_way_they_did_not_declare() {
    let fake = Arc::new(Fake::new());
    for capabilities in [json!({}), json!({"elicitation": {"url": {}}}), json!({"sampling": {}})] {
        let mut raw = Raw::new(wire(&fake));
        let reply = raw.ask("tools/call", newest_with("ask", &json!({}), &capabilities)).await;
        assert_eq!(code(&reply), "confirmation_required");
        // Even where the gateway asks regardless.
        let reply = raw.ask("tools/call", newest_with("ask_always", &json!({}), &capabilities)).await;
        assert_eq!(code(&reply), "confirmation_required");
        assert_eq!(reply["result"]["structuredContent"]["confirmation"]["question"], "Drop the table orders?");
        let mut raw = Raw::older(wire(&fake), "2025-11-25", capabilities).await;
        assert_eq!(code(&raw.ask("tools/call", json!({"name": "ask"})).await), "confirmation_required");
    }
    // A revision without elicitation, whatever its client says.
    let mut raw = Raw::older(wire(&fake), "2025-03-26", json!({"elicitation": {}})).await;
    assert_eq!(code(&raw.ask("tools/call", json!({"name": "ask"})).await), "confirmation_required");
    assert!(fake.seen().iter().all(|seen| seen.channel.is_none()));
}

/// A call of an older revision that is asked; returns its id and the question.
async fn held(raw: &mut Raw, tool: &str) -> (u64, Value) {
    let id = raw.request("tools/call", json!({"name": tool, "arguments": {"target": "x"}})).await;
    let question = raw.receive().await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    (id, question)
}

#[tokio::test]
async fn older_revisions_are_asked_while_the_call_is_open() {
    let fake = Arc::new(Fake::new());
    for (version, capabilities) in
        [("2025-06-18", json!({"elicitation": {}})), ("2025-11-25", json!({"elicitation": {"form": {}, "url": {}}}))]
    {
        let mut raw = Raw::older(wire(&fake), version, capabilities).await;
        let answers = [
            (accept(&json!({"name": "orders"})), None),
            (accept(&json!({"name": "wrong"})), Some("confirmation_mismatch")),
            (json!({"action": "accept"}), Some("confirmation_mismatch")),
            (json!({"action": "decline"}), Some("confirmation_declined")),
            (json!({"action": "cancel"}), Some("confirmation_cancelled")),
            (json!({"nonsense": 1}), Some("confirmation_required")),
        ];
        for (answer, expected) in answers {
            let (id, question) = held(&mut raw, "ask").await;
            assert_eq!(question["params"]["message"], "Drop the table orders?");
            assert_eq!(question["params"]["requestedSchema"]["required"], json!(["name"]));
            raw.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
            let reply = raw.receive().await;
            assert_eq!(reply["id"], id);
            assert_eq!(reply["result"]["structuredContent"]["reason_code"].as_str(), expected, "{answer} got {reply}");
        }
        let (_, question) = held(&mut raw, "ask").await;
        let error = json!({"code": -32601, "message": "no"});
        raw.send(&json!({"jsonrpc": "2.0", "id": question["id"], "error": error})).await;
        assert_eq!(code(&raw.receive().await), "confirmation_required");
        assert_eq!(fake.answers().pop().unwrap().answer, Some(Answer::Failed));
        assert_eq!(fake.seen().pop().unwrap().channel, Some(Channel::Elicitation));
    }
}

#[tokio::test]
async fn nobody_answering_closes_the_dialog_and_is_a_no() {
    let fake = Arc::new(Fake { life: Some(Duration::from_millis(20)), ..Fake::new() });
    let mut raw = Raw::older(wire(&fake), "2025-06-18", json!({"elicitation": {}})).await;
    let (id, question) = held(&mut raw, "ask").await;
    let closed = raw.receive().await;
    assert_eq!(closed["method"], "notifications/cancelled");
    assert_eq!(closed["params"]["requestId"], question["id"]);
    let reply = raw.receive().await;
    assert_eq!((&reply["id"], code(&reply)), (&json!(id), "confirmation_expired"));
    assert_eq!(fake.answers()[0].answer, Some(Answer::Timeout));
    // The late answer finds nobody.
    raw.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": accept(&json!({"name": "orders"}))})).await;
    assert_eq!(raw.ask("tools/call", json!({"name": "ok"})).await["result"]["isError"], false);
    assert_eq!(fake.answers().len(), 1);
}

#[tokio::test]
async fn a_call_is_held_no_longer_than_it_may_be() {
    let fake = Arc::new(Fake::new());
    let mut wire = wire(&fake);
    wire.timing.hold = Some(Duration::from_millis(20));
    let mut raw = Raw::older(wire, "2025-06-18", json!({"elicitation": {}})).await;
    held(&mut raw, "ask").await;
    assert_eq!(raw.receive().await["method"], "notifications/cancelled");
    let reply = raw.receive().await;
    assert_eq!(code(&reply), "confirmation_required");
    let pending = &reply["result"]["structuredContent"]["confirmation"];
    assert_eq!(pending["id"], json!(fake.asked.lock().unwrap().unwrap()));
    assert!(fake.answers().is_empty());
}

#[tokio::test]
async fn cancelling_the_call_closes_the_question() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-06-18", json!({"elicitation": {}})).await;
    let (id, question) = held(&mut raw, "ask").await;
    raw.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
    let closed = raw.receive().await;
    assert_eq!(
        (&closed["method"], &closed["params"]["requestId"]),
        (&json!("notifications/cancelled"), &question["id"])
    );
    raw.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": accept(&json!({"name": "orders"}))})).await;
    assert_eq!(raw.ask("tools/call", json!({"name": "ok"})).await["result"]["isError"], false);
    assert_eq!(fake.answers().iter().map(|a| a.answer.clone()).collect::<Vec<_>>(), [Some(Answer::Cancel)]);
}

#[tokio::test]
async fn the_end_of_the_input_ends_the_question_at_once() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-06-18", json!({"elicitation": {}})).await;
    raw.request("tools/call", json!({"name": "ask", "_meta": {"progressToken": 1}})).await;
    while raw.receive().await["method"] != "elicitation/create" {}
    let begun = Instant::now();
    raw.hang_up().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "lingered for {:?}", begun.elapsed());
    assert_eq!(fake.answers()[0].answer, Some(Answer::Cancel));
}

#[tokio::test]
async fn an_answer_given_elsewhere_closes_the_dialog_and_the_call_goes_on() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-06-18", json!({"elicitation": {}})).await;
    let (id, question) = held(&mut raw, "ask").await;
    fake.elsewhere.notify_one();
    let closed = raw.receive().await;
    assert_eq!(
        (&closed["method"], &closed["params"]["requestId"]),
        (&json!("notifications/cancelled"), &question["id"])
    );
    let reply = raw.receive().await;
    assert_eq!((&reply["id"], &reply["result"]["isError"]), (&json!(id), &json!(false)), "{reply}");
    assert_eq!(
        fake.answers().iter().map(|it| it.answer.clone()).collect::<Vec<_>>(),
        [None],
        "the client said nothing"
    );
}

#[tokio::test]
async fn a_second_question_in_one_call_is_a_refusal() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-06-18", json!({"elicitation": {}})).await;
    let (_, question) = held(&mut raw, "ask_always").await;
    raw.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": accept(&json!({"name": "orders"}))})).await;
    assert_eq!(code(&raw.receive().await), "confirmation_required");
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn says_that_it_waits_for_a_person() {
    let fake = Arc::new(Fake::new());
    let mut raw = Raw::older(wire(&fake), "2025-06-18", json!({"elicitation": {}})).await;
    raw.request("tools/call", json!({"name": "ask", "_meta": {"progressToken": 1}})).await;
    while raw.receive().await["params"]["message"] != "waiting for a person" {}
}

#[tokio::test]
async fn a_request_state_means_nothing_in_older_revisions() {
    let fake = Arc::new(Fake::new());
    let mut newest_client = Raw::new(wire(&fake));
    let state = asked(&mut newest_client, "ask").await["requestState"].clone();
    let mut raw = Raw::older(wire(&fake), "2025-11-25", json!({"elicitation": {}})).await;
    let yes = json!({"confirm": accept(&json!({"name": "orders"}))});
    let params = json!({"name": "ask", "arguments": {"target": "x"}, "requestState": state, "inputResponses": yes});
    assert_eq!(code(&raw.ask("tools/call", params).await), "confirmation_invalid");
}
