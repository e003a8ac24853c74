//! Calls that wait for people: each kind of client in both eras, on a real gateway. Every test looks into the database
//! behind the gateway's back.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::model::{Confirmation, ConfirmationState};
use mollyguard_record::store::{Questions as _, StoreError};
use serde_json::{Value, json};

use super::world::{PAGE, World, visit, visiting};
use super::*;

/// Too short for anybody to answer in.
const SHORT: Duration = Duration::from_millis(20);

const URL: fn() -> Value = || json!({"elicitation": {"url": {}}});
const FORM: fn() -> Value = || json!({"elicitation": {"form": {}}});
const BOTH: fn() -> Value = || json!({"elicitation": {"form": {}, "url": {}}});
const NONE: fn() -> Value = || json!({});

/// The page a question is answered on.
fn page_of(question: &Confirmation) -> String {
    format!("{PAGE}/questions/{}", question.id)
}

async fn older(world: &World, wait: Duration, capabilities: Value) -> Raw {
    Raw::older(world.wire(wait), "2025-11-25", capabilities).await
}

/// One visit under 2026-07-28.
fn newer(target: &str, capabilities: &Value) -> Value {
    newest_with("sqlite_write", &visit(target), capabilities)
}

/// The same with what the client says of the page it was to open.
fn newer_again(target: &str, state: &Value, action: &str) -> Value {
    let mut params = newer(target, &BOTH());
    params["requestState"] = state.clone();
    params["inputResponses"] = json!({"confirm": {"action": action}});
    params
}

/// A call of an older revision that sends the person to the page; its id and what it sent.
async fn sent_to_the_page(raw: &mut Raw, target: &str) -> (u64, Value) {
    let id = raw.request("tools/call", visiting(target)).await;
    let sent = raw.receive().await;
    assert_eq!((&sent["method"], &sent["params"]["mode"]), (&json!("elicitation/create"), &json!("url")), "{sent}");
    (id, sent)
}

async fn says(raw: &mut Raw, sent: &Value, action: &str) {
    raw.send(&json!({"jsonrpc": "2.0", "id": sent["id"], "result": {"action": action}})).await;
}

/// Asserts that it is refused with this code, says that nothing changed, and ran nothing.
#[track_caller]
fn refused(world: &World, reply: &Value, expected: &str) {
    assert_eq!((code(reply), &reply["result"]["structuredContent"]["changed"]), (expected, &json!(false)), "{reply}");
    assert_eq!(world.visits("vault") + world.visits("crown"), 0);
}

#[track_caller]
fn done(reply: &Value) {
    assert_eq!(reply["result"]["isError"], false, "{reply}");
    assert_eq!(reply["result"]["_meta"]["dev.mollyguard/call"]["decision"], "confirmed");
}

#[tokio::test]
async fn an_older_client_sends_the_person_to_the_page_and_the_call_waits() {
    for capabilities in [URL(), BOTH()] {
        let world = World::new().await;
        let mut raw = older(&world, TIMEOUT, capabilities).await;
        let (id, sent) = sent_to_the_page(&mut raw, "vault").await;
        let question = world.question().await;
        let shown = ["message", "url", "elicitationId"].map(|key| sent["params"][key].as_str().unwrap_or_default());
        assert_eq!(shown, [&question.text, &page_of(&question), &question.id.to_string()]);
        says(&mut raw, &sent, "accept").await;
        // The call waits still: this is answered before it.
        assert_eq!(raw.ask("tools/list", json!({})).await["error"], Value::Null);
        assert_eq!(world.visits("vault"), 0, "opening the page is no answer");
        world.approve(&question, 0).await.unwrap();
        let complete = raw.receive().await;
        assert_eq!(complete["method"], "notifications/elicitation/complete");
        assert_eq!(complete["params"], json!({"elicitationId": question.id}));
        let reply = raw.receive().await;
        assert_eq!(reply["id"], id);
        done(&reply);
        assert_eq!(world.visits("vault"), 1);
        assert!(matches!(world.standing(question.id).await, ConfirmationState::Spent { .. }));
    }
}

#[tokio::test]
async fn an_answer_on_the_page_closes_a_dialog_nobody_looked_at() {
    let world = World::new().await;
    let mut raw = older(&world, TIMEOUT, URL()).await;
    let (_, sent) = sent_to_the_page(&mut raw, "vault").await;
    world.approve(&world.question().await, 0).await.unwrap();
    let closed = raw.receive().await;
    assert_eq!((&closed["method"], &closed["params"]["requestId"]), (&json!("notifications/cancelled"), &sent["id"]));
    assert_eq!(raw.receive().await["method"], "notifications/elicitation/complete");
    done(&raw.receive().await);
    assert_eq!(world.visits("vault"), 1);
}

#[tokio::test]
async fn a_newer_client_is_given_the_page_and_its_repetition_waits() {
    let world = World::new().await;
    let mut raw = Raw::new(world.wire(TIMEOUT));
    let asks = raw.ask("tools/call", newer("vault", &URL())).await["result"].clone();
    let question = world.question().await;
    let request = &asks["inputRequests"]["confirm"];
    assert_eq!((&asks["resultType"], &request["method"]), (&json!("input_required"), &json!("elicitation/create")));
    let params = &request["params"];
    assert_eq!(
        (&params["mode"], &params["message"], &params["url"]),
        (&json!("url"), &json!(question.text), &json!(page_of(&question)))
    );
    let id = raw.request("tools/call", newer_again("vault", &asks["requestState"], "accept")).await;
    let list = raw.ask("tools/list", json!({"_meta": meta(&json!({}))})).await;
    assert_eq!(list["error"], Value::Null, "the call waits meanwhile");
    assert_eq!(world.visits("vault"), 0);
    world.approve(&question, 0).await.unwrap();
    let reply = raw.receive().await;
    assert_eq!(reply["id"], id);
    done(&reply);
    assert_eq!(world.visits("vault"), 1);
    // The approval is spent, whatever the client repeats.
    let again = raw.ask("tools/call", newer_again("vault", &asks["requestState"], "accept")).await;
    assert_eq!(code(&again), "confirmation_spent");
    assert_eq!(world.visits("vault"), 1);
}

#[tokio::test]
async fn a_client_that_says_no_for_the_page_means_no() {
    for (action, expected) in [("decline", "confirmation_declined"), ("cancel", "confirmation_cancelled")] {
        let world = World::new().await;
        let mut raw = older(&world, TIMEOUT, URL()).await;
        let (_, sent) = sent_to_the_page(&mut raw, "vault").await;
        let question = world.question().await;
        says(&mut raw, &sent, action).await;
        refused(&world, &raw.receive().await, expected);
        assert!(matches!(world.approve(&question, 0).await, Err(StoreError::NotApproved(..))), "{action} ends it");

        let world = World::new().await;
        let mut raw = Raw::new(world.wire(TIMEOUT));
        let asks = raw.ask("tools/call", newer("vault", &URL())).await["result"].clone();
        let question = world.question().await;
        let reply = raw.ask("tools/call", newer_again("vault", &asks["requestState"], action)).await;
        refused(&world, &reply, expected);
        assert!(matches!(world.approve(&question, 0).await, Err(StoreError::NotApproved(..))), "{action} ends it");
    }
}

#[tokio::test]
async fn a_client_that_accepts_everything_gets_nothing() {
    let contents = [json!(null), json!({}), json!({"name": "visits"}), json!({"decision": "approve"})];
    for target in ["vault", "crown"] {
        let world = World::new().await;
        let mut raw = older(&world, SHORT, BOTH()).await;
        for content in &contents {
            raw.request("tools/call", visiting(target)).await;
            let mut reply = raw.receive().await;
            while reply["method"] == "elicitation/create" {
                let yes = json!({"action": "accept", "content": content});
                raw.send(&json!({"jsonrpc": "2.0", "id": reply["id"], "result": yes})).await;
                reply = raw.receive().await;
                while reply["method"] == "notifications/cancelled" {
                    reply = raw.receive().await;
                }
            }
            refused(&world, &reply, "confirmation_required");
        }
        let mut raw = Raw::new(world.wire(SHORT));
        let question = world.question().await;
        for content in &contents {
            let mut reply = raw.ask("tools/call", newer(target, &BOTH())).await;
            while reply["result"]["resultType"] == "input_required" {
                let mut params = newer_again(target, &reply["result"]["requestState"], "accept");
                params["inputResponses"]["confirm"]["content"] = content.clone();
                reply = raw.ask("tools/call", params).await;
            }
            refused(&world, &reply, "confirmation_required");
        }
        assert_eq!(world.question().await.id, question.id, "and nobody was asked twice");
        assert_eq!(world.standing(question.id).await, ConfirmationState::unanswered());
    }
}

#[tokio::test]
async fn a_client_with_forms_alone_shows_the_link_and_cannot_answer() {
    let world = World::new().await;
    let mut raw = older(&world, TIMEOUT, FORM()).await;
    let mut params = visiting("vault");
    params["_meta"] = json!({"progressToken": "t"});
    let id = raw.request("tools/call", params).await;
    let mut said = raw.receive().await;
    while said["params"]["message"].as_str().is_none_or(|message| !message.contains(PAGE)) {
        assert_eq!(said["method"], "notifications/progress", "{said}");
        said = raw.receive().await;
    }
    let question = world.question().await;
    assert!(said["params"]["message"].as_str().unwrap().ends_with(&page_of(&question)), "{said}");
    world.approve(&question, 0).await.unwrap();
    let mut reply = raw.receive().await;
    while reply["method"] == "notifications/progress" {
        reply = raw.receive().await;
    }
    assert_eq!(reply["id"], id);
    done(&reply);
    assert_eq!(world.visits("vault"), 1);
}

#[tokio::test]
async fn who_cannot_be_sent_to_the_page_is_given_the_link_and_repeats() {
    for (capabilities, is_newer) in [(FORM(), false), (FORM(), true), (NONE(), false), (NONE(), true)] {
        let world = World::new().await;
        let mut raw =
            if is_newer { Raw::new(world.wire(SHORT)) } else { older(&world, SHORT, capabilities.clone()).await };
        let params = if is_newer { newer("vault", &capabilities) } else { visiting("vault") };
        let first = raw.ask("tools/call", params.clone()).await;
        refused(&world, &first, "confirmation_required");
        let question = world.question().await;
        let pending = &first["result"]["structuredContent"]["confirmation"];
        assert_eq!((&pending["id"], &pending["page"]), (&json!(question.id), &json!(page_of(&question))));
        assert!(first["result"]["content"][0]["text"].as_str().unwrap().contains(&page_of(&question)), "{first}");
        for _ in 0..3 {
            let again = raw.ask("tools/call", params.clone()).await;
            refused(&world, &again, "confirmation_required");
            assert_eq!(again["result"]["structuredContent"]["confirmation"]["id"], json!(question.id));
        }
        world.approve(&question, 0).await.unwrap();
        assert_eq!(world.visits("vault"), 0, "approving runs nothing");
        done(&raw.ask("tools/call", params.clone()).await);
        assert_eq!(world.visits("vault"), 1);
        let next = raw.ask("tools/call", params.clone()).await;
        assert_eq!(code(&next), "confirmation_required");
        assert_ne!(next["result"]["structuredContent"]["confirmation"]["id"], json!(question.id), "asked anew");
        assert_eq!(world.visits("vault"), 1);
    }
}

#[tokio::test]
async fn a_repetition_waits_for_the_answer_whatever_the_client_can() {
    for capabilities in [NONE(), FORM(), URL()] {
        let world = World::new().await;
        let mut first = older(&world, SHORT, NONE()).await;
        refused(&world, &first.ask("tools/call", visiting("vault")).await, "confirmation_required");
        let question = world.question().await;
        let mut raw = older(&world, TIMEOUT, capabilities).await;
        let id = raw.request("tools/call", visiting("vault")).await;
        assert!(raw.ask_past_dialogs("tools/list").await["error"].is_null(), "it waits");
        world.approve(&question, 0).await.unwrap();
        let reply = loop {
            let message = raw.receive().await;
            if message["id"] == id && message.get("method").is_none() {
                break message;
            }
        };
        done(&reply);
        assert_eq!(world.visits("vault"), 1);
    }
}

impl Raw {
    /// Asks something else meanwhile, past what is shown to the person.
    async fn ask_past_dialogs(&mut self, method: &str) -> Value {
        let id = self.request(method, json!({})).await;
        loop {
            let message = self.receive().await;
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn a_no_on_the_page_ends_the_waiting_and_holds() {
    let world = World::new().await;
    let mut raw = older(&world, TIMEOUT, URL()).await;
    let (_, sent) = sent_to_the_page(&mut raw, "vault").await;
    says(&mut raw, &sent, "accept").await;
    let question = world.question().await;
    world.decline(&question).await;
    assert_eq!(raw.receive().await["method"], "notifications/elicitation/complete");
    refused(&world, &raw.receive().await, "confirmation_declined");
    // Neither this client nor another is asked the same again.
    for capabilities in [URL(), FORM(), NONE()] {
        let mut raw = older(&world, TIMEOUT, capabilities).await;
        let reply = raw.ask("tools/call", visiting("vault")).await;
        refused(&world, &reply, "confirmation_declined");
        let said = reply["result"]["structuredContent"]["message"].as_str().unwrap();
        assert!(said.contains("`olga` declined") && said.contains("before"), "{said}");
    }
    assert!(world.page.open_confirmations().await.unwrap().is_empty());
    // Something else is another question.
    let mut raw = older(&world, SHORT, NONE()).await;
    refused(&world, &raw.ask("tools/call", visiting("crown")).await, "confirmation_required");
}

#[tokio::test]
async fn what_is_no_persons_no_is_asked_again() {
    let world = World::new().await;
    let mut raw = older(&world, TIMEOUT, FORM()).await;
    let answers = [
        json!({"action": "cancel"}),
        json!({"action": "accept", "content": {"decision": "perhaps"}}),
        json!({"action": "accept"}),
        json!({"nonsense": 1}),
    ];
    for answer in answers {
        raw.request("tools/call", visiting("fleet")).await;
        let question = raw.receive().await;
        assert_eq!(question["method"], "elicitation/create", "asked anew: {question}");
        raw.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
        assert_eq!(raw.receive().await["result"]["isError"], true);
    }
    // Choosing to decline is one.
    raw.request("tools/call", visiting("fleet")).await;
    let question = raw.receive().await;
    let no = json!({"action": "accept", "content": {"decision": "decline"}});
    raw.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": no})).await;
    assert_eq!(code(&raw.receive().await), "confirmation_declined");
    assert_eq!(code(&raw.ask("tools/call", visiting("fleet")).await), "confirmation_declined");
    assert_eq!(world.visits("fleet"), 0);
}

#[tokio::test]
async fn a_form_can_be_answered_on_the_page_instead() {
    let world = World::new().await;
    let mut raw = older(&world, TIMEOUT, FORM()).await;
    raw.request("tools/call", visiting("fleet")).await;
    let form = raw.receive().await;
    assert_eq!(form["params"]["mode"], "form", "{form}");
    world.approve(&world.question().await, 0).await.unwrap();
    let closed = raw.receive().await;
    assert_eq!((&closed["method"], &closed["params"]["requestId"]), (&json!("notifications/cancelled"), &form["id"]));
    done(&raw.receive().await);
    assert_eq!(world.visits("fleet"), 1);
}

#[tokio::test]
async fn a_client_that_leaves_while_its_call_waits_runs_nothing() {
    for hangs_up in [true, false] {
        let world = World::new().await;
        let mut raw = older(&world, TIMEOUT, URL()).await;
        let (id, sent) = sent_to_the_page(&mut raw, "vault").await;
        says(&mut raw, &sent, "accept").await;
        let question = world.question().await;
        if hangs_up {
            raw.hang_up().await;
        } else {
            raw.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}))
                .await;
            raw.ask_past_dialogs("tools/list").await;
            raw.hang_up().await;
        }
        assert_eq!(world.standing(question.id).await, ConfirmationState::unanswered(), "it can be answered still");
        world.approve(&question, 0).await.unwrap();
        assert_eq!(world.visits("vault"), 0);
        // Whoever makes the same call again uses it, once.
        let mut raw = older(&world, SHORT, NONE()).await;
        done(&raw.ask("tools/call", visiting("vault")).await);
        assert_eq!(world.visits("vault"), 1);
    }
}

#[tokio::test]
async fn a_yes_is_worth_nothing_once_its_time_is_over() {
    let world = World::with(|config| config.confirm.expires = Duration::from_secs(2)).await;
    let mut raw = older(&world, SHORT, NONE()).await;
    let question = loop {
        refused(&world, &raw.ask("tools/call", visiting("vault")).await, "confirmation_required");
        // On a busy machine it may have run out before the answer.
        match world.page.open_confirmations().await.unwrap().pop() {
            Some(question) if world.approve(&question, 0).await.is_ok() => break question,
            _ => {}
        }
    };
    over(&question).await;
    refused(&world, &raw.ask("tools/call", visiting("vault")).await, "confirmation_expired");
    // Told once; then it is asked anew.
    let next = raw.ask("tools/call", visiting("vault")).await;
    refused(&world, &next, "confirmation_required");
    let next: Uuid = serde_json::from_value(next["result"]["structuredContent"]["confirmation"]["id"].clone()).unwrap();
    let (next, _) = world.page.confirmation(next).await.unwrap().unwrap();
    over(&next).await;
    assert!(matches!(world.approve(&next, 0).await, Err(StoreError::NotApproved(..))), "a late yes is none");

    // A call that waits is told when the time is over.
    let mut raw = older(&world, TIMEOUT, URL()).await;
    let (_, sent) = sent_to_the_page(&mut raw, "vault").await;
    says(&mut raw, &sent, "accept").await;
    assert_eq!(raw.receive().await["method"], "notifications/elicitation/complete");
    refused(&world, &raw.receive().await, "confirmation_expired");
}

/// Waits until a question has expired.
async fn over(question: &Confirmation) {
    while question.is_in_time(now()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_yes_is_worth_nothing_once_the_target_changed() {
    let world = World::new().await;
    world.sql("vault", "INSERT INTO visits VALUES (7, 'then')");
    let change = json!({"target": "vault", "sql": "UPDATE visits SET at = 'later'"});
    let params = json!({"name": "sqlite_write", "arguments": change});
    let mut raw = older(&world, SHORT, NONE()).await;
    assert_eq!(code(&raw.ask("tools/call", params.clone()).await), "confirmation_required");
    let question = world.question().await;
    world.approve(&question, 0).await.unwrap();
    world.sql("vault", "INSERT INTO visits VALUES (8, 'meanwhile')");
    assert_eq!(code(&raw.ask("tools/call", params.clone()).await), "target_changed");
    assert_eq!(code(&raw.ask("tools/call", params.clone()).await), "confirmation_required", "asked anew");
    assert_ne!(world.question().await.id, question.id);

    // While a call waits.
    let mut waiting = older(&world, TIMEOUT, URL()).await;
    waiting.request("tools/call", params.clone()).await;
    let sent = waiting.receive().await;
    says(&mut waiting, &sent, "accept").await;
    let question = world.question().await;
    world.sql("vault", "INSERT INTO visits VALUES (9, 'again')");
    world.approve(&question, 0).await.unwrap();
    assert_eq!(waiting.receive().await["method"], "notifications/elicitation/complete");
    assert_eq!(code(&waiting.receive().await), "target_changed");
    assert_eq!(world.visited_at("vault"), "then,meanwhile,again");
}

#[tokio::test]
async fn two_people_are_waited_for_and_the_status_tells_of_each() {
    let world = World::new().await;
    let mut raw = older(&world, TIMEOUT, URL()).await;
    let (_, sent) = sent_to_the_page(&mut raw, "crown").await;
    says(&mut raw, &sent, "accept").await;
    let question = world.question().await;
    let status = async |raw: &mut Raw| {
        let args = json!({"name": "confirmation_status", "arguments": {"confirmation_id": question.id}});
        raw.ask("tools/call", args).await["result"]["structuredContent"].clone()
    };
    let before = status(&mut raw).await;
    assert_eq!((&before["state"], &before["more_needed"]), (&json!("open"), &json!(2)), "{before}");
    assert_eq!(before["page"], json!(page_of(&question)));
    world.approve(&question, 0).await.unwrap();
    let half = status(&mut raw).await;
    assert_eq!((&half["state"], &half["more_needed"]), (&json!("open"), &json!(1)), "{half}");
    assert_eq!((&half["approved_by"][0]["by"], half["approved_by"].as_array().unwrap().len()), (&json!("olga"), 1));
    assert!(matches!(world.approve(&question, 0).await, Err(StoreError::NotApproved(..))), "nobody counts twice");
    assert_eq!(world.visits("crown"), 0);
    world.approve(&question, 1).await.unwrap();
    assert_eq!(raw.receive().await["method"], "notifications/elicitation/complete");
    done(&raw.receive().await);
    assert_eq!(world.visits("crown"), 1);
}

/// What the client says of a question it cannot answer is neither a yes nor the end of it.
#[tokio::test]
async fn an_answer_in_the_client_is_no_yes_to_what_needs_more() {
    let world = World::new().await;
    let mut raw = older(&world, SHORT, NONE()).await;
    refused(&world, &raw.ask("tools/call", visiting("vault")).await, "confirmation_required");
    let question = world.question().await;
    for typed in [Some("visits"), Some("approve"), None] {
        let mut request = Request::new("sqlite_write", visit("vault"), principal("alice"));
        request.principal = question.principal.clone();
        request.channel = Some(Channel::Elicitation);
        let answer = Some(Answer::Accept { typed: typed.map(ToOwned::to_owned) });
        request.answered = Some(Answered { confirmation: question.id, answer });
        let Reply::Refused(refusal) = crate::call::call(&world.gateway, request).await.unwrap() else {
            panic!("it ran, or asks again")
        };
        assert_eq!(refusal.reason_code, ReasonCode::ConfirmationInvalid);
        assert!(refusal.message.contains("it needs out_of_band"), "{}", refusal.message);
    }
    assert_eq!((world.visits("vault"), world.standing(question.id).await), (0, ConfirmationState::unanswered()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_repetitions_with_one_approval_one_runs() {
    let world = World::with(|config| config.confirm.flood = 1_000_000).await;
    let call = async |answered: Option<Uuid>| {
        let mut request = Request::new("sqlite_write", visit("vault"), principal("alice"));
        request.answered = answered.map(|confirmation| Answered { confirmation, answer: None });
        let gateway = Arc::clone(&world.gateway);
        tokio::spawn(async move { crate::call::call(&gateway, request).await.unwrap() }).await.unwrap()
    };
    for round in 0..200 {
        assert!(matches!(call(None).await, Reply::Ask(_)));
        let question = world.question().await;
        world.approve(&question, 0).await.unwrap();
        let waited = (round % 3 != 0).then_some(question.id);
        let (a, b) = tokio::join!(call(waited), call(waited.filter(|_| round % 3 == 1)));
        let ran = [&a, &b].into_iter().filter(|reply| matches!(reply, Reply::Done(_))).count();
        assert_eq!((ran, world.visits("vault")), (1, round + 1), "{a:?}\n{b:?}");
        // The loser may have come late enough to ask about the next visit.
        for question in world.page.open_confirmations().await.unwrap() {
            let given = mollyguard_record::store::AnswerSubmission::by(
                "olga".into(),
                question.id,
                Answer::Cancel,
                Channel::Page,
                None,
            );
            world.page.answer(mollyguard_record::store::laws::subject(Uuid::now_v7()), given).await.unwrap();
        }
    }
}

#[tokio::test]
async fn who_asks_too_much_is_not_asked_for_until_it_is_lifted() {
    let configure = |config: &mut crate::config::Config| (config.confirm.open_questions, config.confirm.flood) = (2, 5);
    let world = World::with(configure).await;
    let mut raw = older(&world, SHORT, NONE()).await;
    let other = |n: u32| {
        let sql = format!("INSERT INTO visits (at) VALUES ('{n}')");
        json!({"name": "sqlite_write", "arguments": {"target": "vault", "sql": sql}})
    };
    let mut codes = Vec::new();
    for n in 0..7 {
        codes.push(code(&raw.ask("tools/call", other(n)).await).to_owned());
    }
    let (asked, many, denied) = ("confirmation_required", "unavailable", "denied");
    assert_eq!(codes, [asked, asked, many, many, many, denied, denied]);
    // What is open is refused, too, even once it is approved; what needs nobody goes on.
    for question in world.page.open_confirmations().await.unwrap() {
        world.approve(&question, 0).await.unwrap();
    }
    refused(&world, &raw.ask("tools/call", other(0)).await, "denied");
    let read = json!({"name": "sqlite_query", "arguments": {"target": "vault", "sql": "SELECT 1"}});
    assert_eq!(raw.ask("tools/call", read).await["result"]["isError"], false);
    world.page.lift("alice".into(), Some(world.people[0].id)).await.unwrap();
    done(&raw.ask("tools/call", other(0)).await);
    let kinds = world.records().await.into_iter().map(|record| record.event);
    let told = kinds.filter(|event| {
        matches!(
            event,
            mollyguard_record::audit::AuditEvent::Quarantined { .. }
                | mollyguard_record::audit::AuditEvent::Lifted { by: Some(_) }
        )
    });
    assert_eq!(told.count(), 2);
}
