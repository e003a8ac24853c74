//! The harness itself, against a server whose answers are known: a test that cannot fail proves nothing.

use mollyguard_tests::peers::{self, Sdk};
use mollyguard_tests::{Agent, Era, Person, Raw, Result, Round, World, http};
use serde_json::{Value, json};

use crate::{fixture, served_fixture};

const ASKS: &str = "test_input_required_result_elicitation";

async fn over_stdio(era: Era, person: Person) -> Result<Agent> {
    let mut command = fixture();
    command.arg("--stdio");
    Agent::over_stdio(command, era, person).await
}

#[tokio::test]
async fn an_agent_lists_and_calls_in_both_eras_over_both_transports() -> Result {
    let served = served_fixture().await?;
    for (era, revision) in [(Era::Legacy, "2025-11-25"), (Era::Modern, "2026-07-28")] {
        let agents = [over_stdio(era, Person::absent()).await?, served.agent(era, Person::absent()).await?];
        for agent in agents {
            assert_eq!(agent.revision(), revision);
            assert!(agent.tools().await?.iter().any(|tool| tool["name"] == ASKS));
            let reply = agent.call("test_simple_text", json!({})).await?;
            assert!(reply.is_done() && reply.text().contains("simple text"), "{}", reply.text());
            agent.call("no_such_tool", json!({})).await?.protocol_error(-32602);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_person_answers_what_an_older_server_asks() -> Result {
    let answers = [
        (Person::types("bookings"), "action=accept, content={\"username\":\"bookings\",\"email\":\"bookings\"}"),
        (Person::accepts(json!({"username": "x"})), "action=accept, content={\"username\":\"x\"}"),
        (Person::declines(), "action=decline"),
        (Person::cancels(), "action=cancel"),
        (Person::types("late").but_first(Person::declines()), "action=decline"),
    ];
    for (person, said) in answers {
        let agent = over_stdio(Era::Legacy, person).await?;
        let reply = agent.call("test_elicitation", json!({"message": "who?"})).await?;
        assert!(reply.text().contains(said), "{said}: {}", reply.text());
        assert_eq!(agent.asked().len(), 1);
        assert_eq!(agent.asked().first().map(|asked| asked.message.clone()).as_deref(), Some("who?"));
    }
    let agent = over_stdio(Era::Legacy, Person::unreachable()).await?;
    agent.call("test_elicitation", json!({"message": "who?"})).await?.protocol_error(-32603);
    Ok(())
}

#[tokio::test]
async fn a_person_answers_what_a_newer_server_asks() -> Result {
    let agent = over_stdio(Era::Modern, Person::types("Ada")).await?;
    assert_eq!(agent.call(ASKS, json!({})).await?.text(), "Hello, Ada!");
    assert_eq!(agent.asked().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_question_can_be_answered_by_hand() -> Result {
    let agent = over_stdio(Era::Modern, Person::declines()).await?;
    let tool = "test_input_required_result_request_state";
    let (requests, state) = agent.call_once(tool, json!({})).await?.asks()?;
    assert_eq!(requests["confirm"]["method"], "elicitation/create");
    let yes = json!({"confirm": {"action": "accept", "content": {"ok": true}}});
    let forged = agent.call_again(tool, json!({}), yes.clone(), "forged").await?.done()?;
    forged.protocol_error(-32602);
    assert_eq!(agent.call_again(tool, json!({}), yes, &state).await?.done()?.text(), "state-ok");
    assert!(agent.asked().is_empty(), "nobody was asked");
    Ok(())
}

#[tokio::test]
async fn a_started_call_waits_for_a_person_who_never_answers() -> Result {
    let agent = over_stdio(Era::Legacy, Person::never_answers()).await?;
    let started = agent.start("test_elicitation", json!({"message": "who?"})).await?;
    // Another call overtakes the waiting one.
    assert!(agent.call("test_simple_text", json!({})).await?.is_done());
    started.cancel().await?;
    assert!(agent.call("test_simple_text", json!({})).await?.is_done());
    Ok(())
}

#[tokio::test]
async fn processes_are_killed_and_hung_up_on() -> Result {
    over_stdio(Era::Modern, Person::absent()).await?.kill().await?;
    let agent = over_stdio(Era::Modern, Person::absent()).await?;
    let written = agent.stdout();
    assert!(agent.call("test_simple_text", json!({})).await?.is_done());
    assert!(agent.close().await?.success());
    assert!(written.contains("simple text"), "what was written is kept: {}", written.text());
    let served = served_fixture().await?;
    let url = served.url().to_owned();
    served.kill().await?;
    assert!(http("POST", &url, &[], "{}").await.is_err(), "nobody should listen any more");
    Ok(())
}

#[tokio::test]
async fn bytes_go_out_and_come_back_as_they_are() -> Result {
    let mut command = fixture();
    command.arg("--stdio");
    let mut raw = Raw::start(command)?;
    assert_eq!(raw.initialize().await?["result"]["protocolVersion"], "2025-11-25");
    raw.send("{\"jsonrpc\": \"2.0\", \"id\": 7, \"method\": \"tools/list\"}\n").await?;
    assert!(raw.response(&json!(7)).await?["result"]["tools"].is_array());
    assert!(raw.close().await?.success());

    let served = served_fixture().await?;
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "test_simple_text"),
    ];
    let params = json!({"name": "test_simple_text", "arguments": {}, "_meta": Raw::meta()});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let response = http("POST", served.url(), &headers, &call).await?;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.message()?["result"]["content"][0]["type"], "text");
    let rebound = [headers.as_slice(), &[("Host", "evil.example")]].concat();
    assert_eq!(http("POST", served.url(), &rebound, &call).await?.status, 403);
    Ok(())
}

#[test]
fn a_world_is_made_and_looked_at() -> Result {
    let mut world = World::rental()?;
    assert_eq!(world.rows("fleet", "bookings")?, 12);
    let before = world.dump("fleet")?;
    world.sql("fleet", "DELETE FROM bookings WHERE id = 1")?;
    assert_eq!(world.rows("fleet", "bookings")?, 11);
    assert_ne!(world.dump("fleet")?, before);
    assert_eq!(world.file("uploads", "licence-4711.txt")?, "licence of Ada\n");
    world.set("gateway.user", "bob");
    let config = std::fs::read_to_string(world.config()?)?;
    for line in ["user = \"bob\"", "[targets.fleet]", "path = \"fleet.db\"", "[environments.production]"] {
        assert!(config.contains(line), "`{line}` should be in\n{config}");
    }
    Ok(())
}

/// The SDKs' scripts, against a server whose answers are known.
#[tokio::test]
async fn sdk_scripts_play_their_sessions() -> Result {
    let served = served_fixture().await?;
    let sdks = [
        (Sdk::TypeScript, "auto", "2026-07-28"),
        (Sdk::TypeScript, "legacy", "2025-11-25"),
        (Sdk::TypeScriptV1, "legacy", "2025-11-25"),
        (Sdk::Python, "auto", "2026-07-28"),
        (Sdk::Python, "legacy", "2025-11-25"),
    ];
    for (sdk, era, revision) in sdks {
        let tool = if era == "auto" { ASKS } else { "test_elicitation" };
        let calls =
            json!([{"name": "test_simple_text", "arguments": {}}, {"name": tool, "arguments": {"message": "?"}}]);
        let common = json!({"era": era, "person": {"action": "accept", "types": "bookings"}, "calls": calls});
        let stdio = json!({"command": [env!("CARGO_BIN_EXE_conformance_fixture"), "--stdio"]});
        for way in [stdio, json!({"url": served.url()})] {
            let report = peers::session(sdk, &merged(&common, &way)).await?;
            let context = format!("{sdk:?} {era} {way}: {report}");
            assert_eq!(report["revision"], revision, "{context}");
            assert!(report["tools"].as_array().is_some_and(|tools| tools.contains(&json!(tool))), "{context}");
            let said = report["results"][1]["content"][0]["text"].as_str().unwrap_or_default();
            assert!(said.contains("bookings"), "{context}");
            assert_eq!(report["questions"].as_array().map(Vec::len), Some(1), "{context}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_inspector_lists_in_both_eras() -> Result {
    for era in ["legacy", "modern", "auto"] {
        let server = [env!("CARGO_BIN_EXE_conformance_fixture"), "--stdio"];
        let args = ["--protocol-era", era, "--method", "tools/list", "--strict", "--format", "json", "--"];
        let ran = peers::inspector(&[args.as_slice(), &server].concat()).await?;
        assert!(ran.code == Some(0) && ran.stdout.contains(ASKS), "{era}: {}", ran.all());
    }
    Ok(())
}

/// Two objects as one.
fn merged(a: &Value, b: &Value) -> Value {
    let objects = [a, b].into_iter().filter_map(Value::as_object);
    Value::Object(objects.flatten().map(|(key, value)| (key.clone(), value.clone())).collect())
}

#[tokio::test]
async fn a_round_that_is_not_what_a_test_expects_says_so() -> Result {
    let agent = over_stdio(Era::Modern, Person::absent()).await?;
    let round = agent.call_once("test_simple_text", json!({})).await?;
    assert!(matches!(&round, Round::Done(reply) if reply.is_done()));
    assert!(round.asks().is_err());
    Ok(())
}
