//! The answer and the `requestState` of 2026-07-28, which a client can keep, repeat, exchange and forge.

use mollyguard_tests::{Agent, Era, Person, Raw, Reply, Result, World};
use mollyguard_tools::contract::Digest;
use serde_json::{Value, json};
use toml::Table;

use super::{PURGE, Setup, WRITE, Way, accepted, bookings, counting, visit};

/// A setup whose client answers by hand.
async fn by_hand(way: Way) -> Result<Setup> {
    Setup::new(Era::Modern, way, Person::never_answers()).await
}

/// Asks for a visit; the `requestState`.
async fn asked(agent: &Agent) -> Result<String> {
    Ok(agent.call_once(WRITE, visit()).await?.asks()?.1)
}

/// A visit again, with a yes.
async fn yes(agent: &Agent, state: &str) -> Result<Reply> {
    agent.call_again(WRITE, visit(), accepted("decision", "approve"), state).await?.done()
}

#[tokio::test]
async fn a_yes_is_spent_by_the_call_it_ran() -> Result {
    for way in [Way::Stdio, Way::Http] {
        let setup = by_hand(way).await?;
        let state = asked(&setup.agent).await?;
        yes(&setup.agent, &state).await?.done();
        for _ in 0..3 {
            yes(&setup.agent, &state).await?.refused("confirmation_spent");
        }
        assert_eq!(setup.world.rows("fleet", "visits")?, 1);
        let events = setup.events(WRITE).await?;
        assert_eq!(events, ["asked", "answered", "started", "finished", "denied", "denied", "denied"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_no_is_not_followed_by_a_yes() -> Result {
    let setup = by_hand(Way::Stdio).await?;
    let state = asked(&setup.agent).await?;
    let no = json!({"confirm": {"action": "decline"}});
    setup.agent.call_again(WRITE, visit(), no, &state).await?.done()?.refused("confirmation_declined");
    yes(&setup.agent, &state).await?.refused("confirmation_declined");
    assert_eq!(setup.world.rows("fleet", "visits")?, 0);
    Ok(())
}

/// Two at once, in one process and in two that share the state: one runs, and the other says why it did not.
#[tokio::test]
async fn of_two_answers_at_once_one_runs() -> Result {
    let setup = by_hand(Way::Stdio).await?;
    let other = setup.world.stdio(Era::Modern, Person::never_answers()).await?;
    for round in 1..=50 {
        let state = asked(&setup.agent).await?;
        let second = if round % 2 == 0 { &setup.agent } else { &other };
        let (a, b) = tokio::join!(yes(&setup.agent, &state), yes(second, &state));
        let (a, b) = (a?, b?);
        assert!(a.is_done() != b.is_done(), "round {round}: {} and {}", a.text(), b.text());
        let lost = if a.is_done() { b } else { a };
        lost.refused("confirmation_spent");
        assert_eq!(setup.world.rows("fleet", "visits")?, round, "round {round}");
    }
    let events = setup.events(WRITE).await?;
    assert_eq!(events.iter().filter(|event| *event == "started").count(), 50);
    super::assert_sound(&setup.world).await
}

#[tokio::test]
async fn a_changed_state_is_worth_nothing() -> Result {
    let setup = by_hand(Way::Stdio).await?;
    let state = asked(&setup.agent).await?;
    let mut forged = vec![
        String::new(),
        "0".to_owned(),
        state.get(..state.len() / 2).unwrap_or_default().to_owned(),
        state.get(..state.len() - 1).unwrap_or_default().to_owned(),
        state.get(1..).unwrap_or_default().to_owned(),
        format!("{state}A"),
        format!("{state}="),
        format!(" {state}"),
        format!("{state}{state}"),
        state.to_uppercase(),
        "x".repeat(100_000),
    ];
    for at in (0..state.len()).step_by(5).chain([state.len() - 1]) {
        let mut bytes = state.clone().into_bytes();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = if *byte == b'A' { b'B' } else { b'A' };
        }
        forged.push(String::from_utf8(bytes)?);
    }
    for state in &forged {
        println!("{state}");
        yes(&setup.agent, state).await?.refused("confirmation_invalid");
    }
    assert_eq!(setup.world.rows("fleet", "visits")?, 0);
    yes(&setup.agent, &state).await?.done();
    assert_eq!(setup.world.rows("fleet", "visits")?, 1, "forgeries do not use up the real one");
    Ok(())
}

#[tokio::test]
async fn a_state_is_only_for_the_call_it_was_asked_for() -> Result {
    for way in [Way::Stdio, Way::Http] {
        let setup = by_hand(way).await?;
        let before = setup.world.dump("fleet")?;
        let agent = &setup.agent;
        let state = asked(agent).await?;
        let more = [
            json!({"target": "fleet", "sql": "INSERT INTO visits (at) VALUES ('then')"}),
            json!({"target": "fleet", "sql": "INSERT INTO visits (at) VALUES ('now') "}),
            json!({"target": "fleet", "sql": "DELETE FROM bookings"}),
            json!({"target": "fleet_staging", "sql": "DELETE FROM bookings WHERE id = 1"}),
        ];
        for args in more {
            let reply = agent.call_again(WRITE, args, accepted("decision", "approve"), &state).await?.done()?;
            reply.refused("confirmation_invalid");
        }
        // The state of one question with the answer, and the call, of another.
        for answer in [accepted("name", "bookings"), accepted("decision", "approve")] {
            agent.call_again(PURGE, bookings(), answer, &state).await?.done()?.refused("confirmation_invalid");
        }
        let (_, purge) = agent.call_once(PURGE, bookings()).await?.asks()?;
        yes(agent, &purge).await?.refused("confirmation_invalid");
        let customers = json!({"target": "fleet", "table": "customers"});
        let reply = agent.call_again(PURGE, customers, accepted("name", "customers"), &purge).await?.done()?;
        reply.refused("confirmation_invalid");
        assert_eq!(setup.world.dump("fleet")?, before);
        assert_eq!(setup.world.rows("fleet_staging", "bookings")?, 12);
    }
    Ok(())
}

#[tokio::test]
async fn what_changed_after_the_question_was_not_approved() -> Result {
    for way in [Way::Stdio, Way::Http] {
        let setup = by_hand(way).await?;
        let (_, state) = setup.agent.call_once(PURGE, bookings()).await?.asks()?;
        setup.world.sql("fleet", "INSERT INTO bookings SELECT 13, 1, 1, '2027-01-01', 1, 1, NULL")?;
        let answer = accepted("name", "bookings");
        let reply = setup.agent.call_again(PURGE, bookings(), answer.clone(), &state).await?.done()?;
        reply.refused("target_changed");
        assert_eq!(setup.world.rows("fleet", "bookings")?, 13);
        // Asked about what is there now, the same call runs.
        let (_, state) = setup.agent.call_once(PURGE, bookings()).await?.asks()?;
        setup.agent.call_again(PURGE, bookings(), answer, &state).await?.done()?.done();
        assert!(!setup.world.dump("fleet")?.contains("table bookings:"));
    }
    Ok(())
}

#[tokio::test]
async fn the_same_call_made_twice_is_one_dialog_and_runs_once() -> Result {
    let setup = by_hand(Way::Stdio).await?;
    let change = json!({"target": "fleet", "sql": "UPDATE bookings SET days = days + 1"});
    let (_, first) = setup.agent.call_once(WRITE, change.clone()).await?.asks()?;
    setup.agent.call_once(WRITE, change.clone()).await?.done()?.refused("confirmation_required");
    let answer = accepted("decision", "approve");
    setup.agent.call_again(WRITE, change.clone(), answer.clone(), &first).await?.done()?.done();
    let changed = setup.world.dump("fleet")?;
    setup.agent.call_again(WRITE, change.clone(), answer, &first).await?.done()?.refused("confirmation_spent");
    assert_eq!(setup.world.dump("fleet")?, changed);
    let asked = setup.events(WRITE).await?.into_iter().filter(|event| event == "asked").count();
    assert_eq!(asked, 1);
    Ok(())
}

#[tokio::test]
async fn a_state_without_the_answer_to_it_is_no_yes() -> Result {
    let accept = json!({"action": "accept", "content": {"decision": "approve"}});
    let answers = [
        json!({}),
        json!({"other": accept}),
        json!({"Confirm": accept}),
        json!({"confirm": {}}),
        json!({"confirm": {"action": "accept"}}),
        json!({"confirm": {"action": "accept", "content": null}}),
        json!({"confirm": {"action": "approve", "content": {"decision": "approve"}}}),
        json!({"confirm": {"content": {"decision": "approve"}}}),
        json!({"confirm": {"roots": []}}),
        json!({"confirm": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "approve"}}}),
        json!({"confirm": {"confirm": accept}}),
    ];
    for way in [Way::Stdio, Way::Http] {
        let setup = by_hand(way).await?;
        for answer in &answers {
            println!("{answer}");
            let state = asked(&setup.agent).await?;
            let reply = setup.agent.call_again(WRITE, visit(), answer.clone(), &state).await?.done()?;
            assert!(reply.raw().is_null() || reply.structured()["changed"] == false, "{}", reply.text());
            let code = reply.structured()["reason_code"].as_str().unwrap_or("confirmation_invalid").to_owned();
            assert!(["confirmation_invalid", "confirmation_mismatch"].contains(&code.as_str()), "{}", reply.text());
        }
        assert_eq!(setup.world.rows("fleet", "visits")?, 0);
        assert!(!setup.events(WRITE).await?.contains(&"started".to_owned()));
    }
    Ok(())
}

/// Half of the two, or both in another message: bytes, because no client sends these.
#[tokio::test]
async fn the_state_and_the_answer_come_together_or_not_at_all() -> Result {
    let world = counting()?;
    let mut raw = world.raw()?;
    let call = |id: u32, more: Value| {
        let mut params = json!({"name": WRITE, "arguments": visit(), "_meta": Raw::meta()});
        let fields = more.as_object().into_iter().flatten();
        fields.for_each(|(key, value)| params[key] = value.clone());
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    };
    raw.message(&call(1, json!({}))).await?;
    let asked = raw.response(&json!(1)).await?["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let (state, answer) = (&asked["requestState"], accepted("decision", "approve"));
    let halves = [
        json!({"inputResponses": answer}),
        json!({"inputResponses": answer, "requestState": null}),
        json!({"inputResponses": answer, "requestState": {"confirmation": "x"}}),
        json!({"inputResponses": answer, "_meta": {"requestState": state}}),
        json!({"arguments": {"target": "fleet", "sql": visit()["sql"], "requestState": state, "inputResponses": answer}}),
        json!({"requestState": state, "inputResponses": null}),
    ];
    for (id, half) in (2..).zip(halves) {
        raw.message(&call(id, half.clone())).await?;
        let reply = raw.response(&json!(id)).await?;
        let ran = reply["result"]["resultType"] == "complete" && reply["result"]["isError"] != true;
        assert!(!ran, "{half}: {reply}");
    }
    assert!(raw.close().await?.success());
    assert_eq!(world.rows("fleet", "visits")?, 0);
    assert!(!super::events(&world, WRITE).await?.contains(&"started".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_this_way_cannot_answer_this_way() -> Result {
    let setup = by_hand(Way::Http).await?;
    let state = asked(&setup.agent).await?;
    let served = setup.served.as_ref().ok_or("not over HTTP")?;
    for (era, person) in
        [(Era::Legacy, Person::declines()), (Era::Legacy, Person::absent()), (Era::Modern, Person::absent())]
    {
        yes(&served.agent(era, person).await?, &state).await?.refused("confirmation_invalid");
        assert_eq!(setup.world.rows("fleet", "visits")?, 0);
    }
    yes(&setup.agent, &state).await?.done();
    assert_eq!(setup.world.rows("fleet", "visits")?, 1);
    Ok(())
}

/// The rental firm over HTTP for two people.
pub(super) fn for_two() -> Result<World> {
    let mut world = counting()?;
    let token = |name: &str| {
        let digest = Digest::of_bytes(format!("{name}-token").as_bytes()).to_string();
        toml::Value::Table(Table::from_iter([("digest".to_owned(), digest.into()), ("user".to_owned(), name.into())]))
    };
    world.set("http.tokens", vec![token("anna"), token("ben")]);
    Ok(world)
}

#[tokio::test]
async fn a_question_is_answered_by_whom_it_was_put_to() -> Result {
    let world = for_two()?;
    let served = world.serve().await?;
    let anna = served.agent_as("anna-token", Era::Modern, Person::never_answers()).await?;
    let ben = served.agent_as("ben-token", Era::Modern, Person::never_answers()).await?;
    let state = asked(&anna).await?;
    yes(&ben, &state).await?.refused("confirmation_invalid");
    assert_eq!(world.rows("fleet", "visits")?, 0);
    // Nor can he see or take back what is hers.
    let open = world.run(&["approvals", "list", "--json"]).await?;
    let open: Value = serde_json::from_str(&open.stdout)?;
    assert_eq!(open[0]["principal"]["user"], "anna");
    ben.call("confirmation_status", json!({"confirmation_id": open[0]["id"]})).await?.refused("untouched");
    let reply = yes(&anna, &state).await?;
    reply.done();
    assert_eq!(world.rows("fleet", "visits")?, 1);
    ben.call("undo_call", json!({"call_id": reply.call_id()})).await?.refused("untouched");
    assert_eq!(ben.call("list_calls", json!({})).await?.done()["calls"], json!([]));
    assert_eq!(world.rows("fleet", "visits")?, 1);
    Ok(())
}

/// Without a way to be asked, a call waits under the caller's own name: one person's approval is not another's.
#[tokio::test]
async fn a_waiting_question_belongs_to_its_caller() -> Result {
    let world = for_two()?;
    let served = world.serve().await?;
    let mut ids = Vec::new();
    for token in ["anna-token", "ben-token"] {
        let agent = served.agent_as(token, Era::Modern, Person::absent()).await?;
        let reply = agent.call(WRITE, visit()).await?;
        ids.push(reply.refused("confirmation_required").structured()["confirmation"]["id"].clone());
    }
    assert_ne!(ids.first(), ids.last());
    Ok(())
}

#[tokio::test]
async fn a_question_outlives_the_process_that_asked_it_but_not_its_installation() -> Result {
    let mut world = counting()?;
    let asker = world.stdio(Era::Modern, Person::never_answers()).await?;
    let state = asked(&asker).await?;
    asker.kill().await?;

    // The same databases with another state directory: other keys, other questions.
    world.set("gateway.state", "elsewhere");
    let stranger = world.stdio(Era::Modern, Person::never_answers()).await?;
    yes(&stranger, &state).await?.refused("confirmation_invalid");
    assert_eq!(world.rows("fleet", "visits")?, 0);

    world.set("gateway.state", "state");
    let heir = world.stdio(Era::Modern, Person::never_answers()).await?;
    yes(&heir, &state).await?.done();
    yes(&heir, &state).await?.refused("confirmation_spent");
    assert_eq!(world.rows("fleet", "visits")?, 1);
    Ok(())
}
