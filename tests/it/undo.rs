//! Taking back: for every tool that changes something, what was there is there again, and what came after is not lost.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use mollyguard_tests::{Agent, Era, Person, Result, World};
use serde_json::{Value, json};
use toml::Table;

use crate::behind::{calls, sound, tree};

/// One way to change something that can be taken back, where nobody is asked.
struct Case {
    tool: &'static str,
    args: Value,
    /// A change of the same thing by somebody else.
    meddle: fn(&World) -> Result,
}

const SCRATCH_FILE: &str = "scratch/licence-4711.txt";

fn write_behind(world: &World, path: &str, content: &str) -> Result {
    Ok(fs::write(world.path().join(path), content)?)
}

fn cases() -> Vec<Case> {
    let rows = |world: &World| world.sql("fleet_dev", "UPDATE bookings SET days = 9 WHERE id = 1");
    vec![
        Case {
            tool: "sqlite_write",
            args: json!({"target": "fleet_dev", "sql": "DELETE FROM bookings WHERE id < 6"}),
            meddle: |world| world.sql("fleet_dev", "INSERT INTO bookings VALUES (1, 1, 1, '2026-01-01', 1, 1, NULL)"),
        },
        Case {
            tool: "sqlite_write",
            args: json!({"target": "fleet_dev", "sql": "UPDATE bookings SET days = 4, note = x'beef'"}),
            meddle: rows,
        },
        Case {
            tool: "sqlite_write",
            args: json!({
                "target": "fleet_dev",
                "sql": "INSERT INTO bookings VALUES (99, 1, 1, '2026-06-01', 2, 500, NULL)",
            }),
            meddle: |world| world.sql("fleet_dev", "UPDATE bookings SET days = 9 WHERE id = 99"),
        },
        Case {
            tool: "sqlite_drop_table",
            args: json!({"target": "fleet_dev", "table": "bookings"}),
            meddle: |world| world.sql("fleet_dev", "CREATE TABLE bookings (other TEXT)"),
        },
        Case {
            tool: "files_write",
            args: json!({"target": "scratch", "path": "licence-4711.txt", "content": "of Grace"}),
            meddle: |world| write_behind(world, SCRATCH_FILE, "of Edsger"),
        },
        Case {
            tool: "files_write",
            args: json!({"target": "scratch", "path": "a/b/new.txt", "content": "", "create_parents": true}),
            meddle: |world| write_behind(world, "scratch/a/b/other.txt", "somebody's"),
        },
        Case {
            tool: "files_move",
            args: json!({"target": "scratch", "from": "damage", "to": "damages"}),
            meddle: |world| write_behind(world, "scratch/damages/car-4.txt", "new"),
        },
        Case {
            tool: "files_delete",
            args: json!({"target": "scratch", "path": "damage"}),
            meddle: |world| write_behind(world, "scratch/damage", "a file in its place"),
        },
    ]
}

/// Everything the cases could change.
fn state(world: &World) -> Result<String> {
    Ok(format!("{}{}", world.dump("fleet_dev")?, tree(&world.path().join("scratch"))?.join("\n")))
}

fn rental() -> Result<World> {
    let world = World::rental()?;
    let file = world.path().join(SCRATCH_FILE);
    fs::set_permissions(&file, Permissions::from_mode(0o640))?;
    fs::File::open(&file)?
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_789))?;
    std::os::unix::fs::symlink("car-3.txt", world.path().join("scratch/damage/latest"))?;
    Ok(world)
}

/// The same without the ids a quarantine gives anew each time.
fn but_for_ids(state: &str) -> Vec<&str> {
    state.lines().filter(|line| !line.contains("mollyguard_trash")).collect()
}

async fn undo(agent: &Agent, call: &str) -> Result<mollyguard_tests::Reply> {
    agent.call("undo_call", json!({"call_id": call})).await
}

#[tokio::test]
async fn every_change_is_taken_back_and_the_taking_back_as_well() -> Result {
    let world = rental()?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    for case in cases() {
        let before = state(&world)?;
        let args = case.args;
        let done = agent.call(case.tool, args.clone()).await?;
        done.done();
        let hint = &done.about()["undo"];
        assert_eq!(hint["tool"], "undo_call", "{args}: {hint}");
        assert_eq!(hint["arguments"]["call_id"], done.call_id());
        let after = state(&world)?;
        assert_ne!(before, after, "{args}");

        let undone = undo(&agent, done.call_id()).await?;
        undone.done();
        assert_eq!(state(&world)?, before, "{args} should be taken back exactly");
        let again = undo(&agent, done.call_id()).await?;
        again.refused("untouched");
        assert!(again.text().contains(undone.call_id()), "{}", again.text());
        assert_eq!(state(&world)?, before);

        // The undo of the undo, and once more.
        let redone = undo(&agent, undone.call_id()).await?;
        redone.done();
        assert_eq!(but_for_ids(&state(&world)?), but_for_ids(&after), "{args} should be there again");
        undo(&agent, redone.call_id()).await?.done();
        assert_eq!(state(&world)?, before, "{args} should be taken back exactly, again");
    }
    agent.close().await?;
    sound(&world).await
}

#[tokio::test]
async fn what_somebody_changed_since_is_not_overwritten() -> Result {
    for case in cases() {
        let world = rental()?;
        let agent = world.stdio(Era::Modern, Person::absent()).await?;
        let args = case.args;
        let done = agent.call(case.tool, args.clone()).await?;
        done.done();
        (case.meddle)(&world)?;
        let meddled = state(&world)?;
        let refused = undo(&agent, done.call_id()).await?;
        assert!(!refused.is_done(), "{args}: {}", refused.text());
        assert_eq!(refused.structured()["changed"], false, "{args}: {}", refused.raw());
        let code = refused.structured()["reason_code"].as_str().unwrap_or_default().to_owned();
        assert!(["target_changed", "untouched"].contains(&code.as_str()), "{args}: {}", refused.text());
        assert_eq!(state(&world)?, meddled, "{args}");
        // The undo was not used up by the attempt.
        assert!(calls(&world)?.iter().all(|call| call.tool == case.tool), "{args}");
        agent.close().await?;
        sound(&world).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_table_comes_back_out_of_the_quarantine_by_its_own_tool_too() -> Result {
    let world = rental()?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let before = world.dump("fleet_dev")?;
    let dropped = agent.call("sqlite_drop_table", json!({"target": "fleet_dev", "table": "bookings"})).await?;
    let id = dropped.done()["quarantine_id"].clone();
    let quarantined = world.dump("fleet_dev")?;
    let restored = agent.call("sqlite_restore_table", json!({"target": "fleet_dev", "id": id})).await?;
    assert_eq!(restored.done()["restored"], "bookings");
    assert_eq!(world.dump("fleet_dev")?, before);
    undo(&agent, restored.call_id()).await?.done();
    assert_eq!(but_for_ids(&world.dump("fleet_dev")?), but_for_ids(&quarantined));
    // The first call cannot be taken back a second time over; what came last can.
    assert!(!undo(&agent, dropped.call_id()).await?.is_done());
    let calls = agent.call("list_calls", json!({"undoable": true, "limit": 1})).await?;
    let last = calls.done()["calls"][0]["call_id"].as_str().unwrap_or_default().to_owned();
    undo(&agent, &last).await?.done();
    assert_eq!(world.dump("fleet_dev")?, before);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_taken_back_says_so() -> Result {
    let world = rental()?;
    let agent = world.stdio(Era::Legacy, Person::types("bookings")).await?;
    let purged = agent.call("sqlite_purge_table", json!({"target": "fleet_dev", "table": "bookings"})).await?;
    purged.done();
    assert!(purged.about()["undo"].is_null(), "{}", purged.about());
    let after = state(&world)?;
    undo(&agent, purged.call_id()).await?.refused("untouched");
    undo(&agent, "01990000-0000-7000-8000-000000000000").await?.refused("untouched");
    undo(&agent, "not an id").await?.refused("invalid_arguments");
    assert_eq!(state(&world)?, after);
    let cli = world.run(&["undo", purged.call_id()]).await?;
    assert_eq!(cli.code, Some(1), "{}", cli.stderr);
    assert!(cli.stderr.contains("cannot be undone"), "{}", cli.stderr);
    assert_eq!(state(&world)?, after);
    Ok(())
}

#[tokio::test]
async fn nobody_takes_back_or_sees_somebody_elses_calls() -> Result {
    let mut world = rental()?;
    let tokens = [("alice", "alices-own-token-of-some-length"), ("bob", "bobs-own-token-of-some-length")];
    let configured = tokens.iter().map(|(user, token)| {
        let digest = mollyguard_tools::contract::Digest::of_bytes(token.as_bytes()).to_string();
        Table::from_iter([("digest".to_owned(), digest.into()), ("user".to_owned(), (*user).into())]).into()
    });
    let configured: Vec<toml::Value> = configured.collect();
    world.set("http.tokens", configured);
    let served = world.serve().await?;
    let [(_, alices), (_, bobs)] = tokens;
    let alice = served.agent_as(alices, Era::Modern, Person::absent()).await?;
    let bob = served.agent_as(bobs, Era::Legacy, Person::absent()).await?;
    let before = state(&world)?;
    let args = json!({"target": "fleet_dev", "sql": "DELETE FROM bookings WHERE id < 6"});
    let done = alice.call("sqlite_write", args).await?;
    done.done();
    let after = state(&world)?;

    let refused = undo(&bob, done.call_id()).await?;
    refused.refused("untouched");
    let unknown = undo(&bob, "01990000-0000-7000-8000-000000000000").await?;
    let same = |text: String, id: &str| text.replace(id, "ID");
    assert_eq!(
        same(refused.text(), done.call_id()),
        same(unknown.text(), "01990000-0000-7000-8000-000000000000"),
        "whether a call of somebody else exists is not told"
    );
    let preview = json!({"tool": "undo_call", "arguments": {"call_id": done.call_id()}});
    assert!(!bob.call("preview_call", preview).await?.is_done());
    assert_eq!(bob.call("list_calls", json!({})).await?.done()["calls"], json!([]));
    assert_eq!(state(&world)?, after);

    undo(&alice, done.call_id()).await?.done();
    assert_eq!(state(&world)?, before);
    let listed = alice.call("list_calls", json!({})).await?;
    assert_eq!(listed.done()["calls"].as_array().map(Vec::len), Some(2));
    assert!(served.terminate().await?.success());
    sound(&world).await
}

#[tokio::test]
async fn a_person_takes_back_at_the_command_line_what_an_agent_did() -> Result {
    let world = rental()?;
    let agent = world.stdio(Era::Legacy, Person::types("approve")).await?;
    for (database, asked) in [("fleet_staging", false), ("fleet", true)] {
        let before = world.dump(database)?;
        let args = json!({"target": database, "sql": "DELETE FROM bookings WHERE id < 6"});
        let done = agent.call("sqlite_write", args).await?;
        done.done();
        let after = world.dump(database)?;
        let cli = world.run(&["undo", done.call_id(), "--json"]).await?;
        if asked {
            // There is no terminal to ask at, so in production nothing happens.
            assert_eq!(cli.code, Some(1), "{}{}", cli.stdout, cli.stderr);
            assert!(cli.stderr.contains("mollyguard approvals approve"), "it says how to go on: {}", cli.stderr);
            assert_eq!(world.dump(database)?, after);
            let waiting = world.run(&["approvals", "list"]).await?;
            assert!(waiting.stdout.contains("sqlite_restore_rows"), "{}", waiting.stdout);
            let id = waiting.stdout.split_whitespace().next().unwrap_or_default().to_owned();
            let approved = world.run(&["approvals", "approve", &id]).await?;
            assert_ne!(approved.code, Some(0), "no flag and no pipe approves: {}", approved.stdout);
            let again = world.run(&["undo", done.call_id()]).await?;
            assert_eq!(again.code, Some(1), "{}", again.stdout);
            assert_eq!(world.dump(database)?, after);
        } else {
            assert_eq!(cli.code, Some(0), "{}", cli.stderr);
            let told: Value = serde_json::from_str(&cli.stdout)?;
            assert_eq!(told["undoes"], done.call_id());
            assert_eq!(world.dump(database)?, before);
            let twice = world.run(&["undo", done.call_id()]).await?;
            assert_eq!(twice.code, Some(1));
            assert!(twice.stderr.contains("taken back already"), "{}", twice.stderr);
            assert_eq!(world.dump(database)?, before);
        }
    }
    agent.close().await?;
    sound(&world).await
}
