//! Crashes: a killed gateway loses no record and repeats no change; one that is told to leave, or whose client hangs up,
//! finishes what it has written down.

mod faults;
mod files;
mod matrix;
mod postgres;
mod shim;
mod sqlite;
mod waiting;

use mollyguard_tests::{Agent, Era, Person, Result, World, until};
use serde_json::{Value, json};

use crate::behind::{self, Held, calls, ended, sound, started, tree};

/// A call that changes something in development, where it is made, and what keeps it waiting.
struct Change {
    tool: &'static str,
    args: Value,
    database: bool,
}

fn changes() -> Vec<Change> {
    let file = |tool, args| Change { tool, args, database: false };
    let table = |tool, args| Change { tool, args, database: true };
    vec![
        file("files_write", json!({"target": "scratch", "path": "new.txt", "content": "new"})),
        file("files_write", json!({"target": "scratch", "path": "licence-4711.txt", "content": "of Grace"})),
        file("files_move", json!({"target": "scratch", "from": "damage", "to": "damages"})),
        file("files_delete", json!({"target": "scratch", "path": "damage"})),
        file("files_purge", json!({"target": "scratch", "path": "licence-4711.txt"})),
        table("sqlite_write", json!({"target": "fleet_dev", "sql": "DELETE FROM bookings WHERE id > 3"})),
        table("sqlite_drop_table", json!({"target": "fleet_dev", "table": "bookings"})),
        table("sqlite_purge_table", json!({"target": "fleet_dev", "table": "bookings"})),
    ]
}

impl Change {
    /// What a person types where they are asked: the name of what goes.
    fn person(&self) -> Person {
        let named = if self.database { "bookings" } else { "licence-4711.txt" };
        Person::types(named)
    }

    fn hold(&self, world: &World) -> Result<Held> {
        if self.database { Held::database(world, "fleet_dev") } else { Held::folder(world, "scratch") }
    }

    fn state(&self, world: &World) -> Result<String> {
        if self.database { world.dump("fleet_dev") } else { Ok(tree(&world.path().join("scratch"))?.join("\n")) }
    }
}

/// The rental firm, with signed heads of its record.
fn rental() -> Result<World> {
    let mut world = World::rental()?;
    world.set("audit.checkpoint", "heads.txt");
    Ok(world)
}

/// The agent's own list of calls, newest first, once every one of them has ended.
async fn settled(agent: &Agent, world: &World) -> Result<Vec<Value>> {
    let all = || Ok(calls(world)?.iter().all(|call| call.ended.is_some()).then_some(()));
    until("the settling of every call", all).await?;
    let listed = agent.call("list_calls", json!({"limit": 100})).await?;
    Ok(listed.done()["calls"].as_array().cloned().unwrap_or_default())
}

#[tokio::test]
async fn a_call_cut_off_by_a_kill_is_looked_at_and_never_repeated() -> Result {
    for change in changes() {
        let world = rental()?;
        let before = change.state(&world)?;
        let held = change.hold(&world)?;
        let agent = world.stdio(Era::Legacy, change.person()).await?;
        let call = agent.start(change.tool, change.args.clone()).await?;
        let row = started(&world, 1).await?;
        assert_eq!(row.ended, None, "{} should still wait", change.tool);
        agent.kill().await?;
        drop((held, call));
        assert_eq!(change.state(&world)?, before, "{}: nothing may have happened yet", change.tool);

        let agent = world.stdio(Era::Legacy, change.person()).await?;
        let listed = settled(&agent, &world).await?;
        assert_eq!(listed.len(), 1, "{listed:?}");
        let found = listed.first().cloned().unwrap_or_default();
        assert_eq!(found["call_id"], row.id, "{found}");
        assert_eq!(found["ended"], "uncertain", "{found}");
        assert_eq!(found["undoable"], false, "{found}");
        let note = found["note"].as_str().unwrap_or_default();
        assert!(note.contains("found the target as it was before"), "{}: {note}", change.tool);
        let shown = world.run(&["calls", "show", &row.id]).await?;
        assert!(shown.stdout.contains("uncertain") && shown.stdout.contains(note), "{}", shown.stdout);
        assert_eq!(change.state(&world)?, before, "{} must not be repeated", change.tool);
        let undo = agent.call("undo_call", json!({"call_id": row.id})).await?;
        undo.refused("untouched");

        // The way is free for somebody who still wants it.
        agent.call(change.tool, change.args.clone()).await?.done();
        assert_ne!(change.state(&world)?, before, "{}", change.tool);
        assert!(agent.close().await?.success());
        assert_eq!(calls(&world)?.len(), 2);
        sound(&world).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_call_that_took_effect_before_the_kill_is_told_so() -> Result {
    let world = rental()?;
    let write = json!({"target": "scratch", "path": "new.txt", "content": "new"});
    let held = Held::folder(&world, "scratch")?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let call = agent.start("files_write", write).await?;
    let row = started(&world, 1).await?;
    agent.kill().await?;
    drop((held, call));
    // The change took effect, and the kill came before its end could be written down.
    std::fs::write(world.path().join("scratch/new.txt"), "new")?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let listed = settled(&agent, &world).await?;
    let found = listed.first().cloned().unwrap_or_default();
    assert_eq!((&found["call_id"], &found["ended"]), (&json!(row.id), &json!("uncertain")));
    let note = found["note"].as_str().unwrap_or_default();
    assert!(note.contains("as the call would have left it"), "{note}");
    assert_eq!(world.file("scratch", "new.txt")?, "new");
    agent.close().await?;
    sound(&world).await
}

#[tokio::test]
async fn an_approval_spent_by_a_killed_call_is_not_spent_again() -> Result {
    let world = rental()?;
    let purge = json!({"target": "fleet_dev", "table": "bookings"});
    let agent =
        world.stdio(Era::Modern, Person::absent().with_capabilities(json!({"elicitation": {"form": {}}}))).await?;
    let (requests, state) = agent.call_once("sqlite_purge_table", purge.clone()).await?.asks()?;
    let id = requests.as_object().and_then(|all| all.keys().next().cloned()).ok_or("a question has an id")?;
    let field = requests[&id]["params"]["requestedSchema"]["required"][0].as_str().unwrap_or_default().to_owned();
    let yes = json!({id: {"action": "accept", "content": {field: "bookings"}}});
    let held = Held::database(&world, "fleet_dev")?;
    let pid = agent.pid()?;
    let answering = agent.call_again("sqlite_purge_table", purge.clone(), yes.clone(), &state);
    let killing = async {
        started(&world, 1).await?;
        std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
        Result::Ok(())
    };
    let (answered, killed) = tokio::join!(answering, killing);
    killed?;
    assert!(answered.is_err(), "a killed gateway answers nothing");
    drop((held, agent));
    let agent =
        world.stdio(Era::Modern, Person::absent().with_capabilities(json!({"elicitation": {"form": {}}}))).await?;
    settled(&agent, &world).await?;
    agent.call_again("sqlite_purge_table", purge, yes, &state).await?.done()?.refused("confirmation_spent");
    assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
    assert_eq!(calls(&world)?.len(), 1);
    agent.close().await?;
    sound(&world).await
}

#[tokio::test]
async fn a_call_whose_end_was_written_down_can_be_undone_though_nobody_heard_of_it() -> Result {
    for change in changes().into_iter().filter(|change| !change.tool.contains("purge")) {
        let world = rental()?;
        let before = change.state(&world)?;
        let agent = world.stdio(Era::Modern, Person::absent()).await?;
        let call = agent.start(change.tool, change.args.clone()).await?;
        let row = ended(&world, 1).await?;
        agent.kill().await?;
        drop(call);
        assert_eq!(row.ended.as_deref(), Some("succeeded"), "{}", change.tool);
        assert_ne!(change.state(&world)?, before);
        let agent = world.stdio(Era::Modern, Person::absent()).await?;
        agent.call("undo_call", json!({"call_id": row.id})).await?.done();
        assert_eq!(change.state(&world)?, before, "{}", change.tool);
        agent.close().await?;
        sound(&world).await?;
    }
    Ok(())
}

/// Kills at any moment: whatever the record says of a call is so, and what it does not know of did not happen.
#[tokio::test]
async fn the_record_and_the_world_agree_wherever_the_kill_falls() -> Result {
    let world = rental()?;
    let mut made = 0;
    for round in 1..=6 {
        let agent = world.stdio(Era::Modern, Person::absent()).await?;
        let known = calls(&world)?.len();
        let mut running = Vec::new();
        for n in 0..12 {
            let path = format!("{round}-{n}.txt");
            let write = json!({"target": "scratch", "path": path, "content": path});
            running.push(agent.start("files_write", write).await?);
            made += 1;
        }
        started(&world, known + round * 2 - 1).await?;
        agent.kill().await?;
    }
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let mut listed = settled(&agent, &world).await?;
    assert!(!listed.is_empty() && listed.len() <= made);
    for round in 1..=6 {
        for n in 0..12 {
            let path = format!("{round}-{n}.txt");
            let there = world.path().join("scratch").join(&path).exists();
            let at = listed.iter().position(|call| call["targets"][0] == format!("scratch/{path}"));
            let told = at.map(|at| listed.swap_remove(at));
            let (end, note) = match &told {
                Some(told) => (told["ended"].as_str(), told["note"].as_str().unwrap_or_default()),
                None => (None, ""),
            };
            let agrees = match end {
                None => !there,
                Some("succeeded") => there,
                Some("untouched") => !there,
                Some(_) if note.contains("as it was before") => !there,
                Some(_) if note.contains("would have left it") => there,
                Some(_) => note.contains("could not tell"),
            };
            assert!(agrees, "{path} is there: {there}, and the record says {told:?}");
        }
    }
    assert!(listed.is_empty(), "calls nobody made: {listed:?}");
    agent.close().await?;
    sound(&world).await
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_a_change_half_way() -> Result {
    for change in changes().into_iter().filter(|change| !change.tool.contains("purge")) {
        for http in [false, true] {
            let world = rental()?;
            let before = change.state(&world)?;
            let held = change.hold(&world)?;
            let served = if http { Some(world.serve().await?) } else { None };
            let agent = match &served {
                Some(served) => served.agent(Era::Modern, Person::absent()).await?,
                None => world.stdio(Era::Modern, Person::absent()).await?,
            };
            let call = agent.start(change.tool, change.args.clone()).await?;
            started(&world, 1).await?;
            drop(call);
            if let Some(served) = &served {
                drop(agent);
                // Whatever the gateway makes of the broken connection, it has made it by the time it answers another.
                let other = served.agent(Era::Modern, Person::absent()).await?;
                other.call("list_calls", json!({})).await?.done();
                drop(held);
            } else {
                let release = async {
                    tokio::task::yield_now().await;
                    drop(held);
                };
                let (closed, ()) = tokio::join!(agent.close(), release);
                assert!(closed?.success());
            }
            let row = ended(&world, 1).await?;
            assert_eq!(row.ended.as_deref(), Some("succeeded"), "{} {row:?}", change.tool);
            assert_ne!(change.state(&world)?, before, "{}", change.tool);
            let undone = world.run(&["undo", &row.id]).await?;
            assert_eq!(undone.code, Some(0), "{}", undone.stderr);
            assert_eq!(change.state(&world)?, before, "{}", change.tool);
            drop(served);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_gateway_told_to_leave_finishes_what_it_has_written_down() -> Result {
    for change in changes().into_iter().filter(|change| !change.tool.contains("purge")) {
        let world = rental()?;
        let before = change.state(&world)?;
        let held = change.hold(&world)?;
        let mut agent = world.stdio(Era::Modern, Person::absent()).await?;
        let call = agent.start(change.tool, change.args.clone()).await?;
        started(&world, 1).await?;
        let release = async {
            tokio::task::yield_now().await;
            drop(held);
        };
        let (left, ()) = tokio::join!(agent.terminate(), release);
        assert!(left?.success(), "{}", agent.stderr().text());
        drop(call);
        let row = calls(&world)?.pop().ok_or("the call is recorded")?;
        assert_eq!(row.ended.as_deref(), Some("succeeded"), "{} {row:?}", change.tool);
        assert!(row.undoable);
        assert_ne!(change.state(&world)?, before);
        sound(&world).await?;
    }
    Ok(())
}

/// Calls that were not written down when the gateway was told to leave did not happen.
#[tokio::test]
async fn a_gateway_told_to_leave_under_load_loses_nothing() -> Result {
    let world = rental()?;
    let served = world.serve().await?;
    let agent = served.agent(Era::Modern, Person::absent()).await?;
    let mut running = Vec::new();
    for n in 0..40 {
        let write = json!({"target": "scratch", "path": format!("{n}.txt"), "content": "x"});
        running.push(agent.start("files_write", write).await?);
    }
    started(&world, 5).await?;
    assert!(served.terminate().await?.success());
    let told = calls(&world)?;
    assert!(told.iter().all(|call| call.ended.is_some()), "{told:?}");
    let succeeded = told.iter().filter(|call| call.ended.as_deref() == Some("succeeded")).count();
    let there = (0..40).filter(|n| world.path().join(format!("scratch/{n}.txt")).exists()).count();
    assert_eq!(succeeded, there);
    drop(running);
    behind::sound(&world).await
}
