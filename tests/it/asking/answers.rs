//! What counts as a yes, and what does not.

use mollyguard_tests::{Era, Person, Result};
use serde_json::{Value, json};

use super::{PURGE, Setup, WRITE, Way, accepted, bookings, counting, everywhere, in_turn, visit};

#[tokio::test]
async fn the_right_name_runs_the_call_once() -> Result {
    everywhere(
        || Person::types("bookings"),
        async |setup| {
            let reply = setup.agent.call(PURGE, bookings()).await?;
            assert_eq!(reply.done()["purged"], "bookings");
            assert_eq!(reply.about()["decision"], "confirmed");
            assert!(!setup.world.dump("fleet")?.contains("table bookings:"));
            assert_eq!(setup.world.rows("fleet_staging", "bookings")?, 12, "only the one that was named");
            assert_eq!(setup.events(PURGE).await?, ["asked", "answered", "started", "finished"]);
            assert_eq!(setup.agent.asked().len(), 1);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn one_yes_runs_one_call() -> Result {
    everywhere(
        || Person::declines().but_first(Person::types("approve")),
        async |setup| {
            setup.agent.call(WRITE, visit()).await?.done();
            assert_eq!(setup.world.rows("fleet", "visits")?, 1);
            setup.agent.call(WRITE, visit()).await?.refused("confirmation_declined");
            assert_eq!(setup.world.rows("fleet", "visits")?, 1, "the first yes said nothing about a second call");
            let events = setup.events(WRITE).await?;
            assert_eq!(events, ["asked", "answered", "started", "finished", "asked", "answered", "denied"]);
            super::assert_sound(&setup.world).await
        },
    )
    .await
}

/// Everything a person or a client can do with a question for a name, but typing it.
fn no_name() -> Vec<(Person, &'static str)> {
    let mismatch = [
        json!({}),
        json!({"name": ""}),
        json!({"name": null}),
        json!({"name": true}),
        json!({"name": ["bookings"]}),
        json!({"name": {"name": "bookings"}}),
        json!({"approve": true}),
        json!({"confirm": true}),
        json!({"decision": "approve"}),
        json!({"decision": "bookings"}),
        json!({"Name": "bookings"}),
        json!({"confirm": {"name": "bookings"}}),
        json!({"name": "bookings", "approve": true}),
        json!({"name": "customers", "table": "bookings"}),
    ];
    let typed =
        ["approve", "yes", "bookings ", " bookings", "bookings\n", "Bookings", "BOOKINGS", "`bookings`", "booking"];
    let longer = ["fleet", "fleet/bookings", "bookings\u{200b}", "b\u{43e}\u{43e}kings"];
    let mut answers =
        vec![(Person::declines(), "confirmation_declined"), (Person::cancels(), "confirmation_cancelled")];
    answers.extend(mismatch.into_iter().map(|content| (Person::accepts(content), "confirmation_mismatch")));
    answers.extend(typed.into_iter().chain(longer).map(|text| (Person::types(text), "confirmation_mismatch")));
    answers
}

#[tokio::test]
async fn anything_but_the_name_runs_nothing() -> Result {
    everywhere(
        || in_turn(no_name().into_iter().map(|(person, _)| person)),
        async |setup| {
            let before = setup.world.dump("fleet")?;
            for (person, reason) in no_name() {
                println!("{person:?}");
                setup.agent.call(PURGE, bookings()).await?.refused(reason);
                assert_eq!(setup.world.dump("fleet")?, before);
            }
            // A no and a closed question are answers. What was mistyped is a try, and the third closes the question.
            let tries = ["asked", "rejected", "denied", "shown", "rejected", "denied", "shown", "answered", "denied"];
            let mistyped = no_name().len() - 2;
            assert_eq!(mistyped % 3, 0);
            let answers = std::iter::repeat_n(["asked", "answered", "denied"], 2).flatten();
            let expected: Vec<_> = answers.chain(std::iter::repeat_n(tries, mistyped / 3).flatten()).collect();
            assert_eq!(setup.events(PURGE).await?, expected);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_client_that_fails_to_ask_has_not_asked() -> Result {
    for way in [Way::Stdio, Way::Http] {
        let setup = Setup::new(Era::Legacy, way, Person::unreachable()).await?;
        setup.agent.call(PURGE, bookings()).await?.refused("confirmation_invalid");
        assert_eq!(setup.world.rows("fleet", "bookings")?, 12);
        assert_eq!(setup.events(PURGE).await?, ["asked", "answered", "denied"]);
    }
    Ok(())
}

#[tokio::test]
async fn no_answer_in_time_is_a_no_and_a_late_yes_too() -> Result {
    let mut world = counting()?;
    world.set("confirm.expires_s", 10);
    let modern = world.stdio(Era::Modern, Person::absent().with_capabilities(json!({"elicitation": {}}))).await?;
    let (_, state) = modern.call_once(PURGE, bookings()).await?.asks()?;
    let legacy = Setup::of(world, Era::Legacy, Way::Stdio, Person::never_answers()).await?;
    // About another table: the same question is not shown through two gateways at once.
    let visits = json!({"target": "fleet", "table": "visits"});
    legacy.agent.call(PURGE, bookings()).await?.refused("confirmation_required");
    legacy.agent.call(PURGE, visits).await?.refused("confirmation_expired");
    // Asked before the one that has just expired, so it has expired too.
    let late = modern.call_again(PURGE, bookings(), accepted("name", "bookings"), &state).await?.done()?;
    late.refused("confirmation_expired");
    assert_eq!((legacy.world.rows("fleet", "bookings")?, legacy.world.rows("fleet", "visits")?), (12, 0));
    assert!(!legacy.events(PURGE).await?.contains(&"started".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_choice_is_a_yes_only_if_approve_was_chosen() -> Result {
    let answers = || {
        let typed = ["yes", "Approve", "approve ", "fleet", "visits", ""].map(Person::types);
        let invented = [json!({}), json!({"decision": true}), json!({"approve": true}), json!({"name": "approve"})];
        let mismatch = typed.into_iter().chain(invented.map(Person::accepts));
        // Picking decline and submitting is an accept of the form, and a no.
        let mut answers = vec![
            (Person::accepts(json!({"decision": "decline"})), "confirmation_declined"),
            (Person::declines(), "confirmation_declined"),
            (Person::cancels(), "confirmation_cancelled"),
        ];
        answers.extend(mismatch.map(|person| (person, "confirmation_mismatch")));
        answers
    };
    everywhere(
        || in_turn(answers().into_iter().map(|(person, _)| person)),
        async |setup| {
            for (person, reason) in answers() {
                println!("{person:?}");
                setup.agent.call(WRITE, visit()).await?.refused(reason);
            }
            assert_eq!(setup.world.rows("fleet", "visits")?, 0);
            assert!(!setup.events(WRITE).await?.contains(&"started".to_owned()));
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn what_was_approved_is_taken_back_with_another_yes() -> Result {
    let people = || [Person::types("approve"), Person::types("decline"), Person::types("approve")].into_iter();
    everywhere(
        || in_turn(people()),
        async |setup| {
            let before = setup.world.dump("fleet")?;
            let sql = "UPDATE bookings SET days = days + 1 WHERE vehicle = 1";
            let reply = setup.agent.call(WRITE, json!({"target": "fleet", "sql": sql})).await?;
            assert_eq!(reply.done()["rows_changed"], 4);
            assert_ne!(setup.world.dump("fleet")?, before);
            let undo = reply.about()["undo"]["arguments"].clone();
            assert_eq!(undo["call_id"], reply.call_id());
            setup.agent.call("undo_call", undo.clone()).await?.refused("confirmation_declined");
            assert_ne!(setup.world.dump("fleet")?, before, "declining leaves it as it is");
            setup.agent.call("undo_call", undo.clone()).await?.done();
            assert_eq!(setup.world.dump("fleet")?, before);
            setup.agent.call("undo_call", undo).await?.refused("untouched");
            assert_eq!(setup.world.dump("fleet")?, before, "taken back once");
            assert_eq!(setup.agent.asked().len(), 3);
            Ok(())
        },
    )
    .await
}

/// Asserts what every client can show: one required field, no default, and nothing beyond what is in every revision.
fn assert_plain(schema: &Value) {
    let keys = |value: &Value| value.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut top = keys(schema);
    top.sort();
    assert_eq!(top, ["properties", "required", "type"], "{schema}");
    assert_eq!(schema["type"], "object");
    let fields = keys(&schema["properties"]);
    assert_eq!(fields.len(), 1, "{schema}");
    assert_eq!(schema["required"], json!(fields));
    let field = fields.first().map_or(&Value::Null, |field| &schema["properties"][field]);
    assert!(!schema.to_string().contains("default"), "{schema}");
    assert_eq!(field["type"], "string", "{schema}");
    assert!(field["title"].as_str().is_some_and(|title| !title.is_empty()), "{schema}");
    match field.get("enum") {
        Some(words) => assert_eq!(*words, json!(["decline", "approve"])),
        None => assert_eq!(keys(field), ["type", "title"]),
    }
}

#[tokio::test]
async fn every_form_is_one_required_field() -> Result {
    everywhere(Person::declines, async |setup| {
        let calls = [
            (PURGE, bookings()),
            (PURGE, json!({"target": "fleet_dev", "table": "bookings"})),
            (PURGE, json!({"target": "fleet_staging", "table": "bookings"})),
            (WRITE, visit()),
            ("sqlite_drop_table", json!({"target": "fleet", "table": "visits"})),
            ("files_purge", json!({"target": "uploads", "path": "damage"})),
            ("files_purge", json!({"target": "scratch", "path": "licence-4711.txt"})),
            ("files_write", json!({"target": "uploads", "path": "new.txt", "content": "x"})),
            ("files_delete", json!({"target": "uploads", "path": "licence-4711.txt"})),
        ];
        let count = calls.len();
        for (tool, args) in calls {
            println!("{tool}");
            setup.agent.call(tool, args).await?.refused("confirmation_declined");
        }
        let asked = setup.agent.asked();
        assert_eq!(asked.len(), count);
        for question in &asked {
            assert_plain(&question.schema);
            assert_eq!(question.url, None);
        }
        Ok(())
    })
    .await
}
