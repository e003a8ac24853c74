//! What waits: changes of a target on which a call was cut off, or ended without that being written down. What does not:
//! reads, other targets, and changes that simply run at the same time.

use std::fs;

use mollyguard_tests::{Era, Person, Result, World, until};
use serde_json::json;

use super::rental;
use crate::behind::{calls, ended, records, sound, started, store};

fn delete(target: &str, id: u32) -> serde_json::Value {
    json!({"target": target, "sql": format!("DELETE FROM bookings WHERE id = {id}")})
}

#[tokio::test]
async fn a_target_waits_until_the_end_of_its_last_change_is_written_down() -> Result {
    let world = rental()?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    agent.call("sqlite_write", delete("fleet_dev", 1)).await?.done();
    // Only the ends of calls on this one target cannot be written.
    let store = store(&world.state())?;
    store.execute_batch(
        "CREATE TRIGGER no BEFORE UPDATE ON calls WHEN old.target = 'fleet_dev' BEGIN SELECT raise(ABORT, 'no'); END",
    )?;
    let reply = agent.call("sqlite_write", delete("fleet_dev", 2)).await?;
    reply.failed("uncertain");
    assert_eq!(reply.structured()["changed"], "unknown");
    assert!(reply.text().contains("its end is not written down yet"), "{}", reply.text());
    assert_eq!(world.rows("fleet_dev", "bookings")?, 10);

    let (before, known) = (world.dump("fleet_dev")?, calls(&world)?.len());
    let undo = json!({"call_id": calls(&world)?.first().map(|call| call.id.clone())});
    for (tool, args) in [("sqlite_write", delete("fleet_dev", 3)), ("undo_call", undo)] {
        let refused = agent.call(tool, args).await?;
        refused.refused("unavailable");
        assert!(refused.text().contains(reply.call_id()), "{}", refused.text());
        assert!(refused.text().contains("no other change of `fleet_dev` begins"), "{}", refused.text());
        assert!(refused.text().contains("Reads go on"), "{}", refused.text());
    }
    assert_eq!((world.dump("fleet_dev")?, calls(&world)?.len()), (before, known));
    agent.call("sqlite_query", json!({"target": "fleet_dev", "sql": "SELECT 1"})).await?.done();
    agent.call("sqlite_write", delete("fleet_staging", 2)).await?.done();

    store.execute_batch("DROP TRIGGER no")?;
    ended(&world, 3).await?;
    assert_eq!(calls(&world)?.get(1).and_then(|call| call.ended.clone()).as_deref(), Some("succeeded"));
    // The end is on record a moment before the gateway knows that it is.
    let mut free = agent.call("sqlite_write", delete("fleet_dev", 3)).await?;
    while !free.is_done() {
        free.refused("unavailable");
        free = agent.call("sqlite_write", delete("fleet_dev", 3)).await?;
    }
    agent.call("undo_call", json!({"call_id": reply.call_id()})).await?.done();
    assert_eq!(world.rows("fleet_dev", "bookings")?, 10);
    agent.close().await?;
    sound(&world).await
}

#[tokio::test]
async fn changes_that_run_at_the_same_time_do_not_wait() -> Result {
    let mut world = rental()?;
    let held = world.path().join("held");
    fs::write(&held, "")?;
    world.env("MOLLYGUARD_FAILPOINTS", format!("begun=wait:{}", held.display()));
    let one = world.stdio(Era::Modern, Person::absent()).await?;
    let two = world.stdio(Era::Modern, Person::absent()).await?;
    let mut running = Vec::new();
    for (n, agent) in [&one, &two, &one].into_iter().enumerate() {
        let write = json!({"target": "scratch", "path": format!("{n}.txt"), "content": "x"});
        running.push(agent.start("files_write", write).await?);
    }
    started(&world, 3).await?;
    assert!(calls(&world)?.iter().all(|call| call.ended.is_none()));
    fs::remove_file(&held)?;
    for call in running {
        call.reply().await?.done();
    }
    one.close().await?;
    two.close().await?;
    sound(&world).await
}

/// The same for every process of the store, as long as the one that cannot write the end lives, and until what it leaves
/// behind is settled.
#[tokio::test]
async fn a_target_waits_in_every_process_for_an_end_that_one_cannot_write() -> Result {
    let mut world = rental()?;
    world.env("MOLLYGUARD_FAILPOINTS", "finish_written=fail");
    let failing = world.stdio(Era::Modern, Person::absent()).await?;
    let held = world.path().join("held");
    fs::write(&held, "")?;
    world.env("MOLLYGUARD_FAILPOINTS", format!("beginning=wait:{}", held.display()));
    let late = world.stdio(Era::Modern, Person::absent()).await?;
    world.env("MOLLYGUARD_FAILPOINTS", "");
    let other = world.stdio(Era::Modern, Person::types("bookings")).await?;
    let done = other.call("sqlite_write", delete("fleet_dev", 1)).await?;
    done.done();
    // It may have looked and been decided before the other's end was lost: it is asked again as it begins.
    let begins = late.start("sqlite_write", delete("fleet_dev", 4)).await?;
    let lost = failing.call("sqlite_write", delete("fleet_dev", 2)).await?;
    lost.failed("uncertain");
    assert_eq!(world.rows("fleet_dev", "bookings")?, 10);

    let (before, known) = (world.dump("fleet_dev")?, calls(&world)?.len());
    fs::remove_file(&held)?;
    let newcomer = world.stdio(Era::Modern, Person::absent()).await?;
    let mut refusals = vec![begins.reply().await?];
    for agent in [&failing, &other, &newcomer] {
        refusals.push(agent.call("sqlite_write", delete("fleet_dev", 3)).await?);
    }
    refusals.push(other.call("undo_call", json!({"call_id": done.call_id()})).await?);
    let purge = json!({"target": "fleet_dev", "table": "bookings"});
    refusals.push(other.call("sqlite_purge_table", purge.clone()).await?);
    for refused in refusals {
        refused.refused("unavailable");
        let text = refused.text();
        assert!(text.contains(lost.call_id()) && text.contains("cannot be written down"), "{text}");
        assert!(text.contains("no other change of `fleet_dev` begins"), "{text}");
    }
    assert!(other.asked().is_empty(), "nobody is asked for nothing");
    assert_eq!((world.dump("fleet_dev")?, calls(&world)?.len()), (before, known));
    other.call("sqlite_query", json!({"target": "fleet_dev", "sql": "SELECT 1"})).await?.done();
    other.call("sqlite_write", delete("fleet_staging", 2)).await?.done();

    failing.kill().await?;
    let free = other.call("sqlite_write", delete("fleet_dev", 3)).await?;
    free.done();
    assert_eq!(world.rows("fleet_dev", "bookings")?, 9);
    let (settled, began) = (place(&world, "finished", lost.call_id())?, place(&world, "started", free.call_id())?);
    assert!(settled.is_some() && settled < began, "{settled:?} {began:?}");
    let lost = calls(&world)?.into_iter().find(|call| call.id == *lost.call_id()).ok_or("it is on record")?;
    assert_eq!(lost.ended.as_deref(), Some("uncertain"));
    other.call("sqlite_purge_table", purge).await?.done();
    for agent in [late, other, newcomer] {
        assert!(agent.close().await?.success());
    }
    sound(&world).await
}

/// A world in which a gateway was killed after it had changed `fleet_dev`, having done `done` there before.
async fn cut_off() -> Result<(World, String, String)> {
    let mut world = rental()?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let done = agent.call("sqlite_write", delete("fleet_dev", 1)).await?;
    done.done();
    agent.close().await?;
    world.env("MOLLYGUARD_FAILPOINTS", "executed=kill");
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    assert!(agent.call("sqlite_write", delete("fleet_dev", 2)).await.is_err());
    agent.kill().await?;
    world.env("MOLLYGUARD_FAILPOINTS", "");
    let lost = calls(&world)?.pop().ok_or("the call is recorded")?;
    assert_eq!((lost.ended, world.rows("fleet_dev", "bookings")?), (None, 10));
    Ok((world, done.call_id().to_owned(), lost.id))
}

/// Where in the record something happened to a call.
fn place(world: &World, kind: &str, call: &str) -> Result<Option<usize>> {
    let records = records(&world.state())?;
    Ok(records.iter().position(|record| record["event"]["kind"] == kind && record["call"] == call))
}

#[tokio::test]
async fn a_change_waits_until_what_a_kill_cut_off_on_its_target_is_settled() -> Result {
    let (mut world, _, lost) = cut_off().await?;
    let held = world.path().join("held");
    fs::write(&held, "")?;
    world.env("MOLLYGUARD_FAILPOINTS", format!("settling=wait:{}", held.display()));
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let waiting = agent.start("sqlite_write", delete("fleet_dev", 3)).await?;
    agent.call("sqlite_query", json!({"target": "fleet_dev", "sql": "SELECT 1"})).await?.done();
    agent.call("sqlite_write", delete("fleet_staging", 3)).await?.done();
    assert_eq!(world.rows("fleet_dev", "bookings")?, 10, "it waits");
    fs::remove_file(&held)?;
    let reply = waiting.reply().await?;
    reply.done();
    let (settled, began) = (place(&world, "finished", &lost)?, place(&world, "started", reply.call_id())?);
    assert!(settled.is_some() && settled < began, "{settled:?} {began:?}");
    agent.close().await?;
    sound(&world).await
}

/// A command that changes something settles first what its target waits for: no gateway need run for that.
#[tokio::test]
async fn an_undo_from_the_command_line_settles_first() -> Result {
    let (world, done, lost) = cut_off().await?;
    let undone = world.run(&["undo", &done]).await?;
    assert_eq!(undone.code, Some(0), "{}", undone.stderr);
    let undo = calls(&world)?.pop().ok_or("the undo is recorded")?;
    let (settled, began) = (place(&world, "finished", &lost)?, place(&world, "started", &undo.id)?);
    assert!(settled.is_some() && settled < began, "{settled:?} {began:?}");
    assert_eq!(world.rows("fleet_dev", "bookings")?, 11);
    sound(&world).await
}

/// Recovering that cannot be written down keeps the target waiting, and nothing else.
#[tokio::test]
async fn what_cannot_be_settled_keeps_its_target_waiting() -> Result {
    let (world, _, lost) = cut_off().await?;
    let store = store(&world.state())?;
    store.execute_batch(&format!(
        "CREATE TRIGGER no BEFORE UPDATE ON calls WHEN old.id = '{lost}' BEGIN SELECT raise(ABORT, 'no'); END"
    ))?;
    let before = world.dump("fleet_dev")?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    for _ in 0..2 {
        let refused = agent.call("sqlite_write", delete("fleet_dev", 3)).await?;
        refused.refused("unavailable");
        assert!(refused.text().contains(&lost) && refused.text().contains("was cut off"), "{}", refused.text());
    }
    agent.call("sqlite_write", delete("fleet_staging", 3)).await?.done();
    assert_eq!(world.dump("fleet_dev")?, before);
    store.execute_batch("DROP TRIGGER no")?;
    agent.call("sqlite_write", delete("fleet_dev", 3)).await?.done();
    until("the settling", || Ok(calls(&world)?.iter().all(|call| call.ended.is_some()).then_some(()))).await?;
    agent.close().await?;
    sound(&world).await
}
