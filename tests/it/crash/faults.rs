//! What happens to the store while a call begins, and while it ends: a full disk, a disk that does not sync, one that is
//! read-only, another program's lock, damaged pages, a clock that is set back.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use mollyguard_tests::{Agent, Era, Person, Reply, Result, World, until};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::rental;
use super::shim::Shim;
use crate::behind::{calls, records, sound, started, store};
use crate::state::Mounted;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    FullDisk,
    NoSync,
    ReadOnly,
    Locked,
    Damaged,
}

/// What is set, and how it is lifted.
enum Set {
    File(PathBuf),
    Told(&'static str),
    Held(Connection),
    Bytes(PathBuf, Vec<u8>),
}

/// A world whose store can be harmed.
struct Harmed {
    world: World,
    shim: Shim,
    held: PathBuf,
}

impl Harmed {
    fn new() -> Result<Self> {
        let mut world = rental()?;
        let (shim, held) = (Shim::new(&mut world)?, world.path().join("held"));
        world.env("MOLLYGUARD_FAILPOINTS", format!("executed=wait:{}", held.display()));
        Ok(Self { world, shim, held })
    }

    fn set(&self, fault: Fault) -> Result<Set> {
        let told = |what, errno| self.shim.tell(what, errno).map(|()| Set::Told(what));
        match fault {
            Fault::NoSync => told("sync", 5),
            Fault::ReadOnly => told("write", 30),
            Fault::FullDisk => {
                let path = self.world.state().with_file_name("filler");
                let mut file = fs::File::create(&path)?;
                let mut block = vec![0_u8; 1 << 16];
                while !block.is_empty() {
                    if file.write_all(&block).is_err() {
                        block.truncate(block.len() / 2);
                    }
                }
                Ok(Set::File(path))
            }
            Fault::Locked => {
                let holder = store(&self.world.state())?;
                holder.execute_batch("BEGIN IMMEDIATE")?;
                Ok(Set::Held(holder))
            }
            Fault::Damaged => {
                // Everything into the database file, and the gateway's cached pages out of date; then all but the first
                // page is made nonsense.
                let other = store(&self.world.state())?;
                other.execute_batch(
                    "UPDATE installation SET created_at = created_at; PRAGMA wal_checkpoint(TRUNCATE)",
                )?;
                drop(other);
                let path = self.world.state().join("mollyguard.db");
                let bytes = fs::read(&path)?;
                let mut nonsense = bytes.clone();
                nonsense.iter_mut().skip(4096).for_each(|byte| *byte ^= 0x5a);
                fs::OpenOptions::new().write(true).open(&path)?.write_all(&nonsense)?;
                Ok(Set::Bytes(path, bytes))
            }
        }
    }

    fn lift(&self, set: Set) -> Result {
        match set {
            Set::File(path) => fs::remove_file(path)?,
            Set::Told(what) => self.shim.take_back(what)?,
            Set::Held(holder) => holder.execute_batch("ROLLBACK")?,
            Set::Bytes(path, bytes) => {
                fs::OpenOptions::new().write(true).open(path)?.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    async fn agent(&self) -> Result<Agent> {
        let agent = self.world.stdio(Era::Modern, Person::absent()).await?;
        agent.call("sqlite_write", delete(1)).await?.done();
        Ok(agent)
    }
}

fn delete(id: u32) -> Value {
    json!({"target": "fleet_dev", "sql": format!("DELETE FROM bookings WHERE id = {id}")})
}

/// Calls until it runs: what was harmed may take a moment to be found whole.
async fn at_last(agent: &Agent, tool: &str, args: Value) -> Result<Reply> {
    let mut reply = agent.call(tool, args.clone()).await?;
    while !reply.is_done() {
        reply.refused("unavailable");
        reply = agent.call(tool, args.clone()).await?;
    }
    Ok(reply)
}

async fn at_the_beginning(harmed: &Harmed, fault: Fault) -> Result {
    let world = &harmed.world;
    let agent = harmed.agent().await?;
    let (before, known) = (world.dump("fleet_dev")?, calls(world)?.len());
    let set = harmed.set(fault)?;
    let refused = agent.call("sqlite_write", delete(2)).await?;
    refused.refused("unavailable");
    assert!(refused.text().contains("nothing runs that cannot be written down"), "{fault:?}: {}", refused.text());
    assert_eq!(world.dump("fleet_dev")?, before, "{fault:?}");
    harmed.lift(set)?;
    assert_eq!(calls(world)?.len(), known, "{fault:?}");
    at_last(&agent, "sqlite_write", delete(2)).await?;
    assert_eq!(world.rows("fleet_dev", "bookings")?, 10, "{fault:?}");
    assert!(agent.close().await?.success());
    sound(world).await
}

async fn at_the_end(harmed: &Harmed, fault: Fault) -> Result {
    let world = &harmed.world;
    let agent = harmed.agent().await?;
    // Another process, which has its own stream.
    let other = world.stdio(Era::Modern, Person::absent()).await?;
    other.call("sqlite_query", json!({"target": "fleet_dev", "sql": "SELECT 1"})).await?.done();
    fs::write(&harmed.held, "")?;
    let call = agent.start("sqlite_write", delete(2)).await?;
    let row = started(world, 2).await?;
    until("the change", || Ok((world.rows("fleet_dev", "bookings")? == 10).then_some(()))).await?;
    let set = harmed.set(fault)?;
    fs::remove_file(&harmed.held)?;
    let reply = call.reply().await?;
    reply.failed("uncertain");
    assert!(reply.text().contains("its end is not written down yet"), "{fault:?}: {}", reply.text());
    let after = world.dump("fleet_dev")?;
    for agent in [&agent, &other] {
        let refused = agent.call("sqlite_write", delete(3)).await?;
        refused.refused("unavailable");
        assert!(refused.text().contains(&row.id), "{fault:?}: {}", refused.text());
    }
    assert_eq!(world.dump("fleet_dev")?, after, "{fault:?}");
    harmed.lift(set)?;
    until("the end of the call", || {
        let found = calls(world)?.into_iter().find(|call| call.id == row.id);
        Ok(found.filter(|call| call.ended.as_deref() == Some("succeeded") && call.undoable))
    })
    .await?;
    at_last(&other, "undo_call", json!({"call_id": row.id})).await?;
    assert_eq!(world.rows("fleet_dev", "bookings")?, 11, "{fault:?}");
    assert!(other.close().await?.success());
    assert!(agent.close().await?.success());
    sound(world).await
}

#[tokio::test]
async fn a_store_that_fails_while_a_call_begins_keeps_it_from_running() -> Result {
    for fault in [Fault::NoSync, Fault::ReadOnly, Fault::Locked] {
        at_the_beginning(&Harmed::new()?, fault).await.map_err(|error| format!("{fault:?}: {error}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_fails_while_a_call_ends_is_told_of_it_later() -> Result {
    for fault in [Fault::NoSync, Fault::ReadOnly, Fault::Locked] {
        at_the_end(&Harmed::new()?, fault).await.map_err(|error| format!("{fault:?}: {error}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_disk_that_is_full_when_a_call_ends_is_told_of_it_later() -> Result {
    let mut harmed = Harmed::new()?;
    let disk = harmed.world.path().join("disk");
    let Some(mounted) = Mounted::new(&disk, "size=1m,mode=0700")? else {
        eprintln!("skipped: no right to mount here");
        return Ok(());
    };
    harmed.world.set("gateway.state", "disk/state");
    // Nothing of it stays free: it fills while the call runs.
    harmed.world.set("limits.free_bytes", 0);
    at_the_end(&harmed, Fault::FullDisk).await?;
    drop(mounted);
    Ok(())
}

/// What a running gateway has once found damaged it does not trust again: it is put right by a restore and a restart.
#[tokio::test]
async fn a_store_that_is_damaged_while_it_runs_stops_changes_until_it_is_restored() -> Result {
    let harmed = Harmed::new()?;
    let world = &harmed.world;
    let agent = harmed.agent().await?;
    let before = world.dump("fleet_dev")?;
    let set = harmed.set(Fault::Damaged)?;
    let read = json!({"target": "fleet_dev", "sql": "SELECT 4711"});
    for (tool, args) in [("sqlite_write", delete(2)), ("sqlite_query", read)] {
        let refused = agent.call(tool, args).await?;
        refused.refused("unavailable");
        assert!(refused.text().contains("the store holds something unreadable"), "{}", refused.text());
        assert!(!refused.raw().to_string().contains("[[4711]]"), "{}", refused.raw());
    }
    assert_eq!(world.dump("fleet_dev")?, before);
    agent.kill().await?;
    harmed.lift(set)?;

    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    fs::write(&harmed.held, "")?;
    let call = agent.start("sqlite_write", delete(2)).await?;
    let row = started(world, 2).await?;
    until("the change", || Ok((world.rows("fleet_dev", "bookings")? == 10).then_some(()))).await?;
    let set = harmed.set(Fault::Damaged)?;
    fs::remove_file(&harmed.held)?;
    call.reply().await?.failed("uncertain");
    agent.call("sqlite_write", delete(3)).await?.refused("unavailable");
    assert_eq!(world.rows("fleet_dev", "bookings")?, 10);
    agent.kill().await?;
    harmed.lift(set)?;

    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    agent.call("sqlite_write", delete(3)).await?.done();
    let settled = calls(world)?.into_iter().find(|call| call.id == row.id).ok_or("the call is on record")?;
    assert_eq!(settled.ended.as_deref(), Some("uncertain"));
    assert_eq!(world.rows("fleet_dev", "bookings")?, 9);
    agent.close().await?;
    sound(world).await
}

/// A question, and the yes to it.
async fn question(agent: &Agent, purge: &Value) -> Result<(Value, String)> {
    let (requests, state) = agent.call_once("sqlite_purge_table", purge.clone()).await?.asks()?;
    let id = requests.as_object().and_then(|all| all.keys().next().cloned()).ok_or("a question has an id")?;
    let field = requests[&id]["params"]["requestedSchema"]["required"][0].as_str().unwrap_or_default().to_owned();
    Ok((json!({id: {"action": "accept", "content": {field: "bookings"}}}), state))
}

#[tokio::test]
async fn what_has_expired_stays_so_when_the_clock_is_set_back() -> Result {
    let mut world = rental()?;
    let shim = Shim::new(&mut world)?;
    let agent = world.stdio(Era::Modern, Person::declines()).await?;
    let purge = json!({"target": "fleet_dev", "table": "bookings"});
    let again = async |yes: &Value, state: &str| -> Result<Reply> {
        agent.call_again("sqlite_purge_table", purge.clone(), yes.clone(), state).await?.done()
    };
    // Found expired once, it is so for good.
    let (yes, state) = question(&agent, &purge).await?;
    shim.tell("clock", 600)?;
    again(&yes, &state).await?.refused("confirmation_expired");
    shim.tell("clock", 0)?;
    again(&yes, &state).await?.refused("confirmation_expired");
    // Asked in what is the future now: nobody can tell how old it is.
    let (yes, state) = question(&agent, &purge).await?;
    shim.tell("clock", -600)?;
    again(&yes, &state).await?.refused("confirmation_expired");
    assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
    assert!(calls(&world)?.is_empty());
    // By whatever clock, a question that is answered at once is answered in time.
    let (yes, state) = question(&agent, &purge).await?;
    again(&yes, &state).await?.done();
    assert!(world.rows("fleet_dev", "bookings").is_err());
    agent.close().await?;
    sound(&world).await
}

#[tokio::test]
async fn a_clock_set_back_during_a_call_leaves_the_record_in_order() -> Result {
    let harmed = Harmed::new()?;
    let world = &harmed.world;
    let agent = harmed.agent().await?;
    fs::write(&harmed.held, "")?;
    let call = agent.start("sqlite_write", delete(2)).await?;
    let row = started(world, 2).await?;
    harmed.shim.tell("clock", -86_400)?;
    fs::remove_file(&harmed.held)?;
    call.reply().await?.done();
    let records = records(&world.state())?;
    let of = |kind: &str| records.iter().find(|one| one["event"]["kind"] == kind && one["call"] == *row.id);
    let (began, ended) = (of("started").ok_or("begun")?, of("finished").ok_or("ended")?);
    assert!(ended["at"].as_str() < began["at"].as_str(), "the clock was set back: {began} {ended}");
    assert!(began["seq"].as_u64() < ended["seq"].as_u64());
    let listed = agent.call("list_calls", json!({})).await?;
    assert_eq!(listed.done()["calls"][0]["call_id"], row.id, "the newest first, by the order of the calls");
    agent.call("undo_call", json!({"call_id": row.id})).await?.done();
    assert_eq!(world.rows("fleet_dev", "bookings")?, 11);
    agent.close().await?;
    sound(world).await
}
