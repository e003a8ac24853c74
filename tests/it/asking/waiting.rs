//! Calls that wait for people who answer in another process, for each kind of client in both eras.

use mollyguard_record::model::ConfirmationState;
use mollyguard_tests::{Era, Person, Raw, Result, World, within};
use serde_json::{Value, json};

use super::operators::{Operators, PAGE, agent, guarded, raw};
use super::{PURGE, Way, bookings, events, everywhere, visit};

/// What clients declare: pages, forms, both, nothing.
fn kinds() -> [Value; 4] {
    [
        json!({"elicitation": {"url": {}}}),
        json!({"elicitation": {"form": {}}}),
        json!({"elicitation": {"form": {}, "url": {}}}),
        json!({}),
    ]
}

/// Both transports in both eras.
fn ways() -> impl Iterator<Item = (Way, Era)> {
    Way::BOTH.into_iter().flat_map(|way| Era::BOTH.map(|era| (way, era)))
}

fn staging() -> Value {
    json!({"target": "fleet_staging", "table": "bookings"})
}

/// Asserts that neither table is gone.
fn assert_whole(world: &World) -> Result {
    assert_eq!((world.rows("fleet", "bookings")?, world.rows("fleet_staging", "bookings")?), (12, 12));
    Ok(())
}

/// A client of this kind that accepts whatever it is sent, with whatever content.
async fn accepts_everything(way: Way, era: Era, kind: Value) -> Result {
    let world = guarded()?;
    let operators = Operators::enrolled(&world, &["olga", "piet"]).await?;
    for content in [json!({}), json!({"name": "bookings"}), json!({"decision": "approve"})] {
        println!("{way:?} {era:?} {kind} {content}");
        let agent = agent(&world, way, era, Person::accepts(content).with_capabilities(kind.clone())).await?;
        let (one, two) = tokio::join!(agent.call(PURGE, bookings()), agent.call(PURGE, staging()));
        for reply in [one?, two?] {
            let pending = &reply.refused("confirmation_required").structured()["confirmation"];
            let page = format!("{PAGE}/questions/{}", pending["id"].as_str().unwrap_or_default());
            assert_eq!(pending["page"], json!(page));
            assert!(reply.text().contains(&page), "{}", reply.text());
        }
        assert!(agent.asked().iter().all(|asked| asked.url.is_some()), "never with a form");
        assert_whole(&world)?;
    }
    assert_eq!(operators.open().await?, 2, "each was asked once");
    let mut events = events(&world, PURGE).await?;
    // Each client shows the page once, which is on record.
    events.retain(|event| event != "shown");
    assert_eq!(events, ["asked", "asked"]);
    Ok(())
}

#[tokio::test]
async fn a_client_that_accepts_everything_runs_nothing_out_of_band() -> Result {
    for (way, era) in ways() {
        let [pages, forms, both, neither] = kinds().map(|kind| accepts_everything(way, era, kind));
        tokio::try_join!(pages, forms, both, neither)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_waiting_call_runs_when_another_process_writes_the_answer() -> Result {
    for (way, era) in ways() {
        for kind in kinds() {
            println!("{way:?} {era:?} {kind}");
            let mut world = guarded()?;
            let operators = Operators::enrolled(&world, &["olga", "piet"]).await?;
            // A client that can be told of nothing is told first, and waits when it repeats.
            let told = agent(&world, way, era, Person::absent()).await?;
            told.call(PURGE, staging()).await?.refused("confirmation_required");
            world.set("confirm.wait_s", 300);
            let agent = agent(&world, way, era, Person::accepts(json!({})).with_capabilities(kind.clone())).await?;
            let question = operators.question().await?;
            let answer = async {
                operators.approve(&question, 0).await?;
                assert_whole(&world)?;
                operators.approve(&question, 1).await?;
                Result::Ok(())
            };
            let (reply, answered) = tokio::join!(agent.call(PURGE, staging()), answer);
            answered?;
            reply?.done();
            assert!(world.rows("fleet_staging", "bookings").is_err(), "it is purged");
            assert_eq!(world.rows("fleet", "bookings")?, 12);
            assert!(matches!(operators.standing(&question).await?, ConfirmationState::Spent { .. }));
            let mut events = events(&world, PURGE).await?;
            events.retain(|event| event != "shown");
            assert_eq!(events, ["asked", "answered", "answered", "started", "finished"]);
            super::assert_sound(&world).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_approval_is_used_by_the_next_repetition_and_no_other() -> Result {
    for (way, era) in ways() {
        for kind in kinds() {
            println!("{way:?} {era:?} {kind}");
            let world = guarded()?;
            let operators = Operators::enrolled(&world, &["olga"]).await?;
            let one = agent(&world, way, era, Person::accepts(json!({})).with_capabilities(kind.clone())).await?;
            let two = agent(&world, way, era, Person::accepts(json!({})).with_capabilities(kind.clone())).await?;
            one.call(PURGE, bookings()).await?.refused("confirmation_required");
            let question = operators.question().await?;
            operators.approve(&question, 0).await?;
            assert_whole(&world)?;
            let (first, second) = tokio::join!(one.call(PURGE, bookings()), two.call(PURGE, bookings()));
            let (first, second) = (first?, second?);
            assert!(first.is_done() != second.is_done(), "{}\n{}", first.text(), second.text());
            assert!(world.rows("fleet", "bookings").is_err(), "it is purged");
            let events = events(&world, PURGE).await?;
            assert_eq!(events.iter().filter(|event| *event == "started").count(), 1, "{events:?}");
        }
    }
    Ok(())
}

/// Purges, by a client of an older revision that opens pages.
async fn opened(world: &World) -> Result<Raw> {
    let mut raw = raw(world)?;
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {"url": {}}},
        "clientInfo": {"name": "raw", "version": "0"}});
    raw.message(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await?;
    raw.response(&json!(0)).await?;
    raw.message(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
    let call = json!({"name": PURGE, "arguments": bookings()});
    raw.message(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})).await?;
    let sent = raw.next().await?;
    assert_eq!((&sent["method"], &sent["params"]["mode"]), (&json!("elicitation/create"), &json!("url")), "{sent}");
    raw.message(&json!({"jsonrpc": "2.0", "id": sent["id"], "result": {"action": "accept"}})).await?;
    Ok(raw)
}

#[tokio::test]
async fn the_client_is_told_when_its_page_is_done_with() -> Result {
    let mut world = guarded()?;
    world.set("confirm.wait_s", 300);
    let operators = Operators::enrolled(&world, &["olga"]).await?;
    let mut raw = opened(&world).await?;
    let question = operators.question().await?;
    operators.approve(&question, 0).await?;
    let complete = raw.next().await?;
    assert_eq!(complete["method"], "notifications/elicitation/complete", "{complete}");
    assert_eq!(complete["params"]["elicitationId"], json!(question.id));
    let reply = raw.response(&json!(1)).await?;
    assert_ne!(reply["result"]["isError"], true, "{reply}");
    assert!(world.rows("fleet", "bookings").is_err(), "it is purged");
    assert!(raw.close().await?.success());
    Ok(())
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_a_question_and_nothing_done() -> Result {
    for is_killed in [true, false] {
        let mut world = guarded()?;
        world.set("confirm.wait_s", 300);
        let operators = Operators::enrolled(&world, &["olga"]).await?;
        let raw = opened(&world).await?;
        let question = operators.question().await?;
        if is_killed {
            raw.kill().await?;
        } else {
            assert!(raw.close().await?.success(), "it does not wait on");
        }
        operators.approve(&question, 0).await?;
        assert_whole(&world)?;
        // Whoever comes next and makes the same call has the answer.
        let agent = agent(&world, Way::Stdio, Era::Modern, Person::absent()).await?;
        agent.call(PURGE, bookings()).await?.done();
        assert!(world.rows("fleet", "bookings").is_err(), "it is purged");
        super::assert_sound(&world).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_approval_of_what_changed_or_expired_runs_nothing() -> Result {
    for (way, era) in ways() {
        for kind in kinds() {
            println!("{way:?} {era:?} {kind}");
            let world = guarded()?;
            let operators = Operators::enrolled(&world, &["olga"]).await?;
            let agent = agent(&world, way, era, Person::accepts(json!({})).with_capabilities(kind.clone())).await?;
            agent.call(PURGE, bookings()).await?.refused("confirmation_required");
            operators.approve(&operators.question().await?, 0).await?;
            world.sql("fleet", "UPDATE bookings SET days = days + 1 WHERE id = 1")?;
            agent.call(PURGE, bookings()).await?.refused("target_changed");
            assert_whole(&world)?;
        }
    }
    let [stdio, http] = Way::BOTH.map(expired);
    tokio::try_join!(stdio, http)?;
    Ok(())
}

/// The approval of a question that has run out since runs nothing, in either era.
async fn expired(way: Way) -> Result {
    let mut world = guarded()?;
    world.set("confirm.expires_s", 10);
    let operators = Operators::enrolled(&world, &["olga"]).await?;
    let newer = agent(&world, way, Era::Modern, Person::absent()).await?;
    let older = agent(&world, way, Era::Legacy, Person::absent()).await?;
    newer.call(PURGE, bookings()).await?.refused("confirmation_required");
    let question = operators.question().await?;
    operators.approve(&question, 0).await?;
    let over = async {
        while question.is_in_time(mollyguard_tools::contract::now()) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    within("the end of a question", over).await?;
    newer.call(PURGE, bookings()).await?.refused("confirmation_expired");
    // Whoever comes next is asked anew.
    older.call(PURGE, bookings()).await?.refused("confirmation_required");
    assert_ne!(operators.question().await?.id, question.id);
    assert_whole(&world)
}

/// Gives up a call that waits, as a client does that lost its patience, or that is closed.
#[derive(Clone, Copy, Debug)]
enum GivesUp {
    Cancels,
    HangsUp,
}

async fn given_up(way: Way, era: Era, kind: Value, how: GivesUp) -> Result {
    println!("{way:?} {era:?} {kind} {how:?}");
    let mut world = guarded()?;
    world.set("confirm.wait_s", 300);
    let operators = Operators::enrolled(&world, &["olga"]).await?;
    let one = agent(&world, way, era, Person::accepts(json!({})).with_capabilities(kind)).await?;
    let two = agent(&world, way, era, Person::absent()).await?;
    // Who can be told of nothing is told first, and waits when they repeat.
    two.call(PURGE, bookings()).await?.refused("confirmation_required");
    let question = operators.question().await?;
    let waits = one.start(PURGE, bookings()).await?;
    match how {
        GivesUp::Cancels => waits.cancel().await?,
        GivesUp::HangsUp => drop(one),
    }
    assert_whole(&world)?;
    assert_eq!(operators.standing(&question).await?, ConfirmationState::unanswered(), "giving up is no answer");
    operators.approve(&question, 0).await?;
    // Whether the gateway has seen it go or not: one of the two runs it, once.
    let reply = two.call(PURGE, bookings()).await?;
    println!("the next one: {}", reply.text());
    assert!(world.rows("fleet", "bookings").is_err(), "it is purged: {}", reply.text());
    assert!(matches!(operators.standing(&question).await?, ConfirmationState::Spent { .. }));
    let events = events(&world, PURGE).await?;
    assert_eq!(events.iter().filter(|event| *event == "started").count(), 1, "{events:?}");
    super::assert_sound(&world).await
}

#[tokio::test]
async fn a_client_that_gives_up_waiting_leaves_an_approval_that_runs_once() -> Result {
    for (way, era) in ways() {
        for how in [GivesUp::Cancels, GivesUp::HangsUp] {
            // A newer client is told of a page by a result, and does not wait in its first call.
            let kinds =
                if era == Era::Legacy { vec![json!({}), json!({"elicitation": {"url": {}}})] } else { vec![json!({})] };
            for kind in kinds {
                given_up(way, era, kind, how).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_a_person_declined_is_not_asked_again_for_a_while() -> Result {
    everywhere(Person::declines, async |setup| {
        let mut world = super::counting()?;
        world.set("confirm.denial_s", 600);
        let agent = world.stdio(Era::Modern, Person::declines()).await?;
        agent.call(PURGE, bookings()).await?.refused("confirmation_declined");
        let again = agent.call(PURGE, bookings()).await?;
        let said = again.refused("confirmation_declined").text();
        assert!(said.contains("`alice` declined this at"), "{said}");
        assert_eq!(agent.asked().len(), 1, "nobody was asked again");
        agent.call("sqlite_write", visit()).await?.refused("confirmation_declined");
        assert_eq!(agent.asked().len(), 2, "something else is asked");
        // Where a no holds for no time, it is asked again.
        setup.agent.call(PURGE, bookings()).await?.refused("confirmation_declined");
        setup.agent.call(PURGE, bookings()).await?.refused("confirmation_declined");
        assert_eq!(setup.agent.asked().len(), 2);
        assert_eq!(world.rows("fleet", "bookings")?, 12);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn who_asks_too_much_waits_for_an_operator() -> Result {
    let mut world = super::counting()?;
    world.set("confirm.open_questions", 2).set("confirm.flood", 4);
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let write = |n: u32| json!({"target": "fleet", "sql": format!("INSERT INTO visits (at) VALUES ('{n}')")});
    for (n, code) in
        (0..).zip(["confirmation_required", "confirmation_required", "unavailable", "unavailable", "denied"])
    {
        agent.call("sqlite_write", write(n)).await?.refused(code);
    }
    let listed = world.run(&["approvals", "quarantined"]).await?;
    assert!(
        listed.stdout.starts_with("alice since ") && listed.stdout.contains("more than 4 questions"),
        "{}",
        listed.stdout
    );
    // Not by a program.
    let lifted = world.run(&["approvals", "lift", "alice"]).await?;
    assert_eq!(lifted.code, Some(2), "{}", lifted.stderr);
    agent.call("sqlite_write", write(0)).await?.refused("denied");
    let (code, shown) = super::absent::terminal(&world, &["approvals", "lift", "alice"], "").await?;
    assert_eq!(code, Some(0), "{shown}");
    agent.call("sqlite_write", write(9)).await?.refused("confirmation_required");
    assert_eq!(world.rows("fleet", "visits")?, 0);
    super::assert_sound(&world).await
}
