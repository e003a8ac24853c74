//! Several gateways of one user share one state directory: editors start one process each.

use mollyguard_tests::{Era, Person, Result, World, within};
use serde_json::{Value, json};

use crate::behind::{calls, records, sound};

fn rental() -> Result<World> {
    let mut world = World::rental()?;
    world.set("audit.checkpoint", "heads.txt");
    Ok(world)
}

/// The streams that have records.
fn streams(world: &World) -> Result<std::collections::BTreeSet<String>> {
    let records = records(&world.state())?;
    Ok(records.iter().map(|record| record["stream"].as_str().unwrap_or_default().to_owned()).collect())
}

/// The id of a question, and the yes to it.
fn yes_to(requests: &Value, typed: &str) -> Result<Value> {
    let id = requests.as_object().and_then(|all| all.keys().next().cloned()).ok_or("a question has an id")?;
    let field = requests[&id]["params"]["requestedSchema"]["required"][0].as_str().unwrap_or_default().to_owned();
    Ok(json!({id: {"action": "accept", "content": {field: typed}}}))
}

#[tokio::test]
async fn what_one_process_did_another_takes_back() -> Result {
    let world = rental()?;
    let (before, served) = (world.dump("fleet_staging")?, world.serve().await?);
    let one = world.stdio(Era::Legacy, Person::absent()).await?;
    let two = world.stdio(Era::Modern, Person::absent()).await?;
    let three = served.agent(Era::Modern, Person::absent()).await?;
    for (doer, undoer) in [(&one, &two), (&two, &three), (&three, &one)] {
        let delete = json!({"target": "fleet_staging", "sql": "DELETE FROM bookings WHERE vehicle = 2"});
        let done = doer.call("sqlite_write", delete).await?;
        done.done();
        assert_ne!(world.dump("fleet_staging")?, before);
        let undone = undoer.call("undo_call", json!({"call_id": done.call_id()})).await?;
        undone.done();
        assert_eq!(world.dump("fleet_staging")?, before);
        // Neither takes it back a second time.
        for agent in [doer, undoer] {
            agent.call("undo_call", json!({"call_id": done.call_id()})).await?.refused("untouched");
        }
        assert_eq!(world.dump("fleet_staging")?, before);
    }
    one.close().await?;
    two.close().await?;
    assert!(served.terminate().await?.success());
    assert_eq!(calls(&world)?.len(), 6);
    assert_eq!(streams(&world)?.len(), 3);
    sound(&world).await
}

#[tokio::test]
async fn a_question_of_one_process_is_answered_through_another_once() -> Result {
    let world = rental()?;
    let served = world.serve().await?;
    let asker = world.stdio(Era::Modern, Person::declines()).await?;
    let one = world.stdio(Era::Modern, Person::declines()).await?;
    let two = served.agent(Era::Modern, Person::declines()).await?;
    let purge = json!({"target": "fleet", "table": "bookings"});
    let (requests, state) = asker.call_once("sqlite_purge_table", purge.clone()).await?.asks()?;
    asker.close().await?;
    assert_eq!(world.rows("fleet", "bookings")?, 12);
    let yes = yes_to(&requests, "bookings")?;
    let first = one.call_again("sqlite_purge_table", purge.clone(), yes.clone(), &state);
    let second = two.call_again("sqlite_purge_table", purge.clone(), yes.clone(), &state);
    let (first, second) = tokio::join!(first, second);
    let (first, second) = (first?.done()?, second?.done()?);
    let ran = [&first, &second].into_iter().filter(|reply| reply.is_done()).count();
    assert_eq!(ran, 1, "{}\n{}", first.text(), second.text());
    assert!(world.rows("fleet", "bookings").is_err(), "the table was purged once");
    assert_eq!(calls(&world)?.iter().filter(|call| call.ended.as_deref() == Some("succeeded")).count(), 1);
    one.close().await?;
    assert!(served.terminate().await?.success());
    sound(&world).await
}

#[tokio::test]
async fn two_hundred_calls_over_three_processes_are_all_answered_and_recorded() -> Result {
    let world = rental()?;
    let served = world.serve().await?;
    let agents = [
        world.stdio(Era::Legacy, Person::absent()).await?,
        world.stdio(Era::Modern, Person::absent()).await?,
        served.agent(Era::Modern, Person::absent()).await?,
    ];
    let mut running = Vec::new();
    for n in 0..200_usize {
        let agent = agents.get(n % 3).ok_or("three agents")?;
        running.push(match n % 4 {
            0 => {
                let write = json!({"target": "scratch", "path": format!("{n}.txt"), "content": n.to_string()});
                agent.start("files_write", write).await?
            }
            _ => {
                let read = json!({"target": "fleet", "sql": "SELECT count(*) FROM bookings"});
                agent.start("sqlite_query", read).await?
            }
        });
    }
    let mut ids = std::collections::BTreeSet::new();
    for (n, call) in running.into_iter().enumerate() {
        let reply = within("one of many replies", call.reply()).await??;
        reply.done();
        ids.insert(reply.call_id().to_owned());
        if n % 4 == 0 {
            assert_eq!(world.file("scratch", &format!("{n}.txt"))?, n.to_string());
        }
    }
    assert_eq!(ids.len(), 200, "every call has an id of its own");
    let [one, two, three] = agents;
    one.close().await?;
    two.close().await?;
    drop(three);
    assert!(served.terminate().await?.success());
    let records = records(&world.state())?;
    for id in &ids {
        assert!(records.iter().any(|record| record["call"] == **id), "call {id} is not on record");
    }
    assert_eq!(calls(&world)?.len(), 50);
    assert_eq!(streams(&world)?.len(), 3);
    sound(&world).await
}

/// Some editors start a second process only to see whether it starts.
#[tokio::test]
async fn a_process_that_is_started_and_closed_leaves_nothing() -> Result {
    let world = rental()?;
    for _ in 0..3 {
        assert!(world.stdio(Era::Modern, Person::absent()).await?.close().await?.success());
        assert!(world.raw()?.close().await?.code().is_some());
        assert!(world.serve().await?.terminate().await?.success());
    }
    let agent = world.stdio(Era::Legacy, Person::absent()).await?;
    assert!(!agent.tools().await?.is_empty());
    agent.close().await?;
    assert!(records(&world.state())?.is_empty(), "{:?}", records(&world.state())?);
    assert!(calls(&world)?.is_empty());
    let locks = std::fs::read_dir(world.state().join("streams")).map_or(0, Iterator::count);
    assert_eq!(locks, 0);
    sound(&world).await
}
