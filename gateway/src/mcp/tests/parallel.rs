//! Many identical calls at once: one dialog, one answer, one change; on a real gateway, over both transports, in both eras.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::audit::AuditEvent;
use mollyguard_record::model::ConfirmationState;
use mollyguard_record::store::Questions as _;
use serde_json::{Value, json};

use super::http::{site_of, tokens};
use super::world::{World, visit, visiting};
use super::*;
use crate::mcp::Limits;

/// How many identical calls are made.
const MANY: usize = 200;

/// Longer than any of this takes: no call stops waiting for the answer by itself.
const WAIT: Duration = Duration::from_secs(300);

/// Those that another call is asked for are told so at once.
const AT_ONCE: Duration = Duration::ZERO;

const FORM: fn() -> Value = || json!({"elicitation": {"form": {}}});

fn approve() -> Value {
    json!({"action": "accept", "content": {"decision": "approve"}})
}

/// There was one visit, and every other call was told that the approval is another's.
async fn one_visit(world: &World, codes: &[Option<String>]) {
    assert_eq!(world.visits("fleet"), 1);
    assert_eq!((codes.len(), codes.iter().filter(|code| code.is_none()).count()), (MANY, 1), "{codes:?}");
    let mut others = codes.iter().flatten();
    assert!(others.all(|code| code == "confirmation_spent" || code == "confirmation_required"), "{codes:?}");
    assert!(world.page.quarantined().await.unwrap().is_empty(), "nobody was flooded");
    let records = world.records().await;
    let asked = records.iter().filter(|record| matches!(record.event, AuditEvent::Asked { .. })).count();
    // The one dialog counts a second time where another call shows it than the one that asked.
    let shown = records.iter().filter(|record| matches!(record.event, AuditEvent::Shown { .. })).count();
    assert!(asked == 1 && shown <= 1, "{asked} asked, {shown} shown again");
}

fn code_of(reply: &Value) -> Option<String> {
    reply["result"]["structuredContent"]["reason_code"].as_str().map(ToOwned::to_owned)
}

#[tokio::test]
async fn an_older_client_is_asked_once() {
    let world = World::new().await;
    let mut raw = Raw::older(world.wire(AT_ONCE), "2025-11-25", FORM()).await;
    for _ in 0..MANY {
        raw.request("tools/call", visiting("fleet")).await;
    }
    let (mut asked, mut codes) = (Vec::new(), Vec::new());
    while codes.len() < MANY - 1 || asked.is_empty() {
        let message = raw.receive().await;
        if message["method"] == "elicitation/create" {
            asked.push(message);
        } else if message["id"].is_u64() {
            codes.push(code_of(&message));
        }
    }
    let [question] = asked.as_slice() else { panic!("{} dialogs", asked.len()) };
    assert!(codes.iter().all(|code| code.as_deref() == Some("confirmation_required")), "{codes:?}");
    raw.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": approve()})).await;
    loop {
        let message = raw.receive().await;
        assert_ne!(message["method"], "elicitation/create");
        if message["id"].is_u64() {
            codes.push(code_of(&message));
            break;
        }
    }
    one_visit(&world, &codes).await;
}

/// All of them wait for the one answer.
#[tokio::test]
async fn an_older_client_is_asked_once_and_the_others_wait() {
    let world = World::new().await;
    let mut raw = Raw::older(world.wire(WAIT), "2025-11-25", FORM()).await;
    for n in 0..MANY {
        let mut params = visiting("fleet");
        params["_meta"] = json!({"progressToken": format!("p{n}")});
        raw.request("tools/call", params).await;
    }
    let (mut asked, mut waiting, mut codes) = (Vec::new(), std::collections::HashSet::new(), Vec::new());
    while waiting.len() < MANY || asked.is_empty() {
        let message = raw.receive().await;
        if message["method"] == "elicitation/create" {
            asked.push(message);
        } else if message["params"]["message"] == "waiting for a person" {
            waiting.insert(message["params"]["progressToken"].to_string());
        } else {
            assert!(message.get("method").is_some(), "{message}");
        }
    }
    raw.send(&json!({"jsonrpc": "2.0", "id": asked[0]["id"], "result": approve()})).await;
    while codes.len() < MANY {
        let message = raw.receive().await;
        if message["method"] == "elicitation/create" {
            asked.push(message);
        } else if message["id"].is_u64() {
            codes.push(code_of(&message));
        }
    }
    assert_eq!(asked.len(), 1);
    one_visit(&world, &codes).await;
}

#[tokio::test]
async fn a_newer_client_is_asked_once() {
    let world = World::new().await;
    let mut raw = Raw::new(world.wire(AT_ONCE));
    let params = newest_with("sqlite_write", &visit("fleet"), &FORM());
    for _ in 0..MANY {
        raw.request("tools/call", params.clone()).await;
    }
    let (mut asked, mut codes) = (Vec::new(), Vec::new());
    while asked.len() + codes.len() < MANY {
        let reply = raw.receive().await;
        if reply["result"]["resultType"] == "input_required" {
            asked.push(reply);
        } else if reply["id"].is_u64() {
            codes.push(code_of(&reply));
        }
    }
    let [question] = asked.as_slice() else { panic!("{} dialogs", asked.len()) };
    let reply = raw.ask("tools/call", again(&params, question)).await;
    codes.push(code_of(&reply));
    one_visit(&world, &codes).await;
}

/// The call again, with the answer.
fn again(params: &Value, asked: &Value) -> Value {
    let mut again = params.clone();
    again["requestState"] = asked["result"]["requestState"].clone();
    again["inputResponses"] = json!({"confirm": approve()});
    again
}

#[tokio::test]
async fn an_older_client_is_asked_once_over_http() {
    let world = World::new().await;
    let site = Arc::new(site_of(world.wire(AT_ONCE), tokens(), Limits::default()).await);
    let session = site.open("open sesame").await.header("mcp-session-id").unwrap().to_owned();
    let (told, mut events) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..MANY {
        let (site, session, told) = (Arc::clone(&site), session.clone(), told.clone());
        let call = json!({"jsonrpc": "2.0", "id": n + 2, "method": "tools/call", "params": visiting("fleet")});
        tokio::spawn(async move {
            let mut stream = site.within(&session, "open sesame", &call).await;
            loop {
                let message = stream.event().await;
                let is_over = message["id"] == n + 2;
                told.send(message).unwrap();
                if is_over {
                    return;
                }
            }
        });
    }
    let (mut asked, mut codes) = (Vec::new(), Vec::new());
    while codes.len() < MANY {
        let message = events.recv().await.unwrap();
        if message["method"] == "elicitation/create" {
            asked.push(message);
        } else if message["id"].is_u64() {
            codes.push(code_of(&message));
        }
        if codes.len() == MANY - 1
            && let [question] = asked.as_slice()
        {
            let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": approve()});
            assert_eq!(site.within(&session, "open sesame", &answer).await.status, 202);
        }
    }
    assert_eq!(asked.len(), 1);
    one_visit(&world, &codes).await;
}

#[tokio::test]
async fn a_newer_client_is_asked_once_over_http() {
    let world = World::new().await;
    let site = Arc::new(site_of(world.wire(AT_ONCE), tokens(), Limits::default()).await);
    let params = newest_with("sqlite_write", &visit("fleet"), &FORM());
    let calls: Vec<_> = (0..MANY)
        .map(|_| {
            let (site, params) = (Arc::clone(&site), params.clone());
            tokio::spawn(async move { site.call("sqlite_write", &params, Some("open sesame")).await.json().await })
        })
        .collect();
    let (mut asked, mut codes) = (Vec::new(), Vec::new());
    for call in calls {
        let reply = call.await.unwrap();
        if reply["result"]["resultType"] == "input_required" {
            asked.push(reply);
        } else {
            codes.push(code_of(&reply));
        }
    }
    let [question] = asked.as_slice() else { panic!("{} dialogs", asked.len()) };
    let params = again(&params, question);
    codes.push(code_of(&site.call("sqlite_write", &params, Some("open sesame")).await.json().await));
    one_visit(&world, &codes).await;
}

/// A client that closes each dialog without an answer, or loses it, and asks again and again.
#[tokio::test]
async fn each_dialog_counts_as_a_question() {
    let world = World::with(|config| config.confirm.flood = 5).await;
    let mut shown = 0;
    loop {
        // A connection of its own each time, as a client has it that is started again: it has not shown anything yet.
        let mut raw = Raw::new(world.wire(WAIT));
        let reply = raw.ask("tools/call", newest_with("sqlite_write", &visit("fleet"), &FORM())).await;
        if reply["result"]["resultType"] != "input_required" {
            assert_eq!(code(&reply), "denied", "{reply}");
            break;
        }
        shown += 1;
        assert!(shown <= 5, "it is shown without end");
    }
    assert_eq!(shown, 5);
    assert_eq!(world.page.quarantined().await.unwrap().len(), 1);
    assert_eq!((world.page.open_confirmations().await.unwrap().len(), world.visits("fleet")), (1, 0));
}

/// Two gateways on one state directory, as two editors start them, and the identical call through both.
#[tokio::test]
async fn two_gateways_show_one_question_in_one_dialog() {
    let world = World::new().await;
    let second = world.second();
    let mut first = Raw::older(world.wire(AT_ONCE), "2025-11-25", FORM()).await;
    first.request("tools/call", visiting("fleet")).await;
    let asked = first.receive().await;
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    let wire = || Wire { calls: Arc::new(Arc::clone(&second)), ..world.wire(AT_ONCE) };
    for _ in 0..3 {
        let mut older = Raw::older(wire(), "2025-11-25", FORM()).await;
        let reply = older.ask("tools/call", visiting("fleet")).await;
        assert_eq!(code(&reply), "confirmation_required", "{reply}");
        let reply = Raw::new(wire()).ask("tools/call", newest_with("sqlite_write", &visit("fleet"), &FORM())).await;
        assert_eq!(code(&reply), "confirmation_required", "{reply}");
    }
    let shown = |records: Vec<mollyguard_record::audit::AuditRecord>| {
        records.iter().filter(|record| matches!(record.event, AuditEvent::Shown { .. })).count()
    };
    assert_eq!(shown(world.records().await), 0);
    // What is waited for there is the answer given here.
    let wire = Wire { calls: Arc::new(Arc::clone(&second)), ..world.wire(WAIT) };
    let mut other = Raw::older(wire, "2025-11-25", FORM()).await;
    let mut params = visiting("fleet");
    params["_meta"] = json!({"progressToken": "p"});
    other.request("tools/call", params).await;
    loop {
        let message = other.receive().await;
        assert_eq!(message["method"], "notifications/progress", "{message}");
        if message["params"]["message"] == "waiting for a person" {
            break;
        }
    }
    first.send(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": approve()})).await;
    let here = first.receive().await;
    let there = loop {
        let message = other.receive().await;
        if message["id"].is_u64() {
            break message;
        }
        assert_eq!(message["method"], "notifications/progress", "{message}");
    };
    assert_eq!([code_of(&here), code_of(&there)].iter().filter(|code| code.is_none()).count(), 1, "{here} {there}");
    assert_eq!((world.visits("fleet"), shown(world.records().await)), (1, 0));
}

/// How what shows a question ends without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// The call stops waiting for the page.
    Page,
    /// So does the one that was made again once the page was opened.
    Repeated,
    /// The call never waits.
    AtOnce,
    /// The client cannot show the page.
    Failed,
    /// The call is cancelled.
    Cancelled,
    /// The form is held only for so long.
    Held,
}

/// Shows the question for the visit of a target in a client of this wire, until what shows it ends.
async fn shows_until(how: Ends, wire: Wire) {
    let client = match how {
        Ends::Held => FORM(),
        _ => json!({"elicitation": {"url": {}}}),
    };
    if how == Ends::Repeated {
        let mut raw = Raw::new(wire);
        let params = newest_with("sqlite_write", &visit("vault"), &client);
        let asks = raw.ask("tools/call", params.clone()).await;
        assert_eq!(asks["result"]["resultType"], "input_required", "{asks}");
        let mut params = again(&params, &asks);
        params["inputResponses"] = json!({"confirm": {"action": "accept"}});
        assert_eq!(code(&raw.ask("tools/call", params).await), "confirmation_required");
        return;
    }
    let mut raw = Raw::older(wire, "2025-11-25", client).await;
    let call = raw.request("tools/call", visiting(if how == Ends::Held { "fleet" } else { "vault" })).await;
    let mut message = raw.receive().await;
    if message["method"] == "elicitation/create" {
        match how {
            Ends::Failed => {
                let error = json!({"code": -32603, "message": "no browser"});
                raw.send(&json!({"jsonrpc": "2.0", "id": message["id"], "error": error})).await;
            }
            Ends::Cancelled => {
                let params = json!({"requestId": call});
                raw.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})).await;
                return raw.hang_up().await;
            }
            _ => {}
        }
        message = raw.receive().await;
    } else {
        assert_eq!(how, Ends::AtOnce, "{message}");
    }
    while message.get("method").is_some() {
        message = raw.receive().await;
    }
    assert_eq!((&message["id"], code(&message)), (&json!(call), "confirmation_required"), "{message}");
}

/// Whether a client of this wire is sent to the page, or shown the form.
async fn is_shown(target: &str, wire: Wire) -> bool {
    let both = json!({"elicitation": {"form": {}, "url": {}}});
    let reply = Raw::new(wire).ask("tools/call", newest_with("sqlite_write", &visit(target), &both)).await;
    reply["result"]["resultType"] == "input_required"
}

#[tokio::test]
async fn a_dialog_ends_with_what_shows_it() {
    let short = Duration::from_millis(20);
    for how in [Ends::Page, Ends::Repeated, Ends::AtOnce, Ends::Failed, Ends::Cancelled, Ends::Held] {
        let world = World::new().await;
        let second = world.second();
        let wait = match how {
            Ends::AtOnce => AT_ONCE,
            Ends::Cancelled => WAIT,
            _ => short,
        };
        let mut wire = world.wire(wait);
        wire.timing.hold = Some(short);
        shows_until(how, wire).await;
        let open = world.question().await;
        assert_eq!(world.standing(open.id).await, ConfirmationState::unanswered(), "{how:?}");
        let target = if how == Ends::Held { "fleet" } else { "vault" };
        let wire = Wire { calls: Arc::new(Arc::clone(&second)), ..world.wire(AT_ONCE) };
        assert!(is_shown(target, wire).await, "{how:?}: another process's client is asked");
        assert!(!is_shown(target, world.wire(AT_ONCE)).await, "{how:?}: and only that, from then on");
        assert_eq!(world.question().await.id, open.id, "{how:?}");
        assert_eq!(world.visits("vault") + world.visits("fleet"), 0, "{how:?}");
    }
}
