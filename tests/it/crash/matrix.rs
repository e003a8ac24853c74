//! Every place where a gateway can die, or fail to write, between its look and its reply, for every class of tool: what
//! the world, the journal and the record say once another gateway has been there. The tables are in `golden/crashes`.
//!
//! Another toolset is another list of cases and another test.

use std::sync::Arc;

use mollyguard_record::verify::verify_store;
use mollyguard_tests::{Agent, Era, Person, Redaction, Reply, Result, World, golden, root, until};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::rental;
use crate::behind::{calls, records, store};

/// A call that is cut off, in the world of the rental firm.
pub(super) struct Case {
    /// In the table.
    pub(super) name: &'static str,
    pub(super) tool: &'static str,
    pub(super) args: Value,
    /// Makes the world it happens in.
    pub(super) ground: fn(&Value) -> Result<Ground>,
    /// What a person types where they are asked.
    pub(super) types: &'static str,
    /// The call that is cut off is the one that takes this one back.
    pub(super) undo: bool,
    /// What it changes, as text in which nothing differs from world to world.
    pub(super) state: fn(&World) -> Result<String>,
    /// Where its toolset can die, and where it can fail.
    pub(super) places: &'static [(&'static str, &'static [&'static str])],
    /// Only these places: those before and after its toolset's own are gone through by others of the toolset.
    pub(super) only: Option<&'static [(&'static str, &'static [&'static str])]>,
}

/// Where a call is made.
pub(super) struct Ground {
    pub(super) world: World,
    /// Its arguments there.
    pub(super) args: Value,
    /// What lives as long as that.
    pub(super) with: Option<Box<dyn Send + Sync>>,
}

/// In the world of the rental firm.
pub(super) fn at_the_rental(args: &Value) -> Result<Ground> {
    Ok(Ground { world: rental()?, args: args.clone(), with: None })
}

/// Where every change can, in the order of a call. After `begin_written` and `finish_written` the transaction is not yet
/// committed.
const BEFORE: &[(&str, &[&str])] = &[
    ("looked", &["kill"]),
    ("asking", &["kill"]),
    ("decided", &["kill"]),
    ("beginning", &["kill"]),
    ("begin_written", &["kill", "fail"]),
    ("begun", &["kill"]),
    ("executing", &["kill"]),
];
const AFTER: &[(&str, &[&str])] = &[
    ("executed", &["kill"]),
    ("finishing", &["kill"]),
    ("finish_written", &["kill", "fail"]),
    ("finished", &["kill"]),
    ("replying", &["kill"]),
];
const OF_A_READ: &[(&str, &[&str])] = &[
    ("looked", &["kill"]),
    ("decided", &["kill"]),
    ("executed", &["kill"]),
    ("recorded", &["kill"]),
    ("replying", &["kill"]),
];

impl Case {
    fn reads(&self) -> bool {
        self.places.is_empty()
    }

    /// Every place, and what happens there.
    pub(super) fn all(&self) -> Vec<(&'static str, &'static str)> {
        let places = match self.only {
            Some(only) => [only, &[], &[]],
            None if self.reads() => [OF_A_READ, &[], &[]],
            None => [BEFORE, self.places, AFTER],
        };
        let acts = |(place, acts): &(&'static str, &'static [&'static str])| {
            let place = *place;
            acts.iter().map(move |act| (place, *act)).collect::<Vec<_>>()
        };
        // Only what cannot be taken back asks in development.
        let asks = self.tool.contains("purge");
        places.concat().iter().flat_map(acts).filter(|(place, _)| asks || *place != "asking").collect()
    }

    fn person(&self) -> Person {
        Person::types(self.types)
    }

    /// Makes the call that the case is about, after the one it takes back where there is one.
    async fn prepared(&self, ground: &Ground) -> Result<(&'static str, Value)> {
        let Ground { world, args, .. } = ground;
        if !self.undo {
            return Ok((self.tool, args.clone()));
        }
        let agent = world.stdio(Era::Modern, self.person()).await?;
        let done = agent.call(self.tool, args.clone()).await?;
        done.done();
        agent.close().await?;
        Ok(("undo_call", json!({"call_id": done.call_id()})))
    }

    /// What the call leaves when nothing disturbs it.
    async fn undisturbed(&self) -> Result<String> {
        let ground = (self.ground)(&self.args)?;
        let (tool, args) = self.prepared(&ground).await?;
        let Ground { world, with: _with, .. } = ground;
        let agent = world.stdio(Era::Modern, self.person()).await?;
        agent.call(tool, args).await?.done();
        agent.close().await?;
        (self.state)(&world)
    }

    /// Dies or fails at this place, is looked at by another gateway, and is told in one line.
    async fn run(&self, place: &str, act: &str, after: &str) -> Result<String> {
        let ground = (self.ground)(&self.args)?;
        let (tool, args) = self.prepared(&ground).await?;
        let Ground { mut world, with: _with, .. } = ground;
        let (before, known) = ((self.state)(&world)?, calls(&world)?.len());
        world.env("MOLLYGUARD_FAILPOINTS", format!("{place}={act}"));
        let agent = world.stdio(Era::Modern, self.person()).await?;
        let answer = agent.call(tool, args.clone()).await;
        let told = match (act, &answer) {
            ("kill", Ok(reply)) => return Err(format!("{place} was never reached: {}", reply.text()).into()),
            (_, Ok(reply)) => reply_of(reply),
            (_, Err(_)) => "none".to_owned(),
        };
        if act == "kill" {
            agent.kill().await?;
        } else {
            agent.close().await?;
        }

        world.env("MOLLYGUARD_FAILPOINTS", "");
        let agent = world.stdio(Era::Modern, self.person()).await?;
        let settled = || Ok(calls(&world)?.iter().all(|call| call.ended.is_some()).then_some(()));
        until("the settling of every call", settled).await?;
        let state = (self.state)(&world)?;
        let mut found =
            Found { before, after: after.to_owned(), state, known, calls: calls(&world)?.len(), ..Found::default() };
        found.read(&world)?;
        found.agrees()?;
        let then = self.goes_on(&agent, &world, &found, tool, args).await?;
        assert!(agent.close().await?.success());
        // Where nothing was changed after the kill, nobody was left to ship a head.
        let heads = Some(world.path().join("heads.txt")).filter(|heads| heads.exists());
        let report = verify_store(&world.state(), heads.as_deref())?;
        if !report.is_sound() {
            return Err(format!("the record is not sound: {:?}", report.findings).into());
        }
        Ok(format!(
            "{:<25} {:<18} {:<4} {:<9} {:<20} {:<31} {:<11} {then}\n",
            self.name,
            place,
            act,
            found.world(),
            found.call(),
            found.events.join(" "),
            told,
        ))
    }

    /// What succeeded is taken back, what did not happen is called again: whatever was cut off stands in nobody's way.
    async fn goes_on(
        &self,
        agent: &Agent,
        world: &World,
        found: &Found,
        tool: &str,
        args: Value,
    ) -> Result<&'static str> {
        if found.world() == "as before" {
            agent.call(tool, args).await?.done();
            assert_eq!((self.state)(world)?, found.after, "called again");
            return Ok(if self.reads() { "read again" } else { "called again" });
        }
        if found.ended.as_deref() != Some("succeeded") || found.undo.is_none() {
            return Ok("-");
        }
        agent.call("undo_call", json!({"call_id": found.id})).await?.done();
        assert_eq!((self.state)(world)?, found.before, "taken back");
        Ok("taken back")
    }
}

fn reply_of(reply: &Reply) -> String {
    if reply.is_done() { "done".into() } else { reply.structured()["reason_code"].as_str().unwrap_or_default().into() }
}

/// What is there once another gateway has settled what it found.
#[derive(Default)]
struct Found {
    before: String,
    after: String,
    state: String,
    /// How many calls were on record before the one that was cut off, and how many are now.
    known: usize,
    calls: usize,
    id: String,
    ended: Option<String>,
    undo: Option<String>,
    probe: Option<String>,
    /// Of its confirmation.
    standing: Option<String>,
    /// The kinds of its records, in order.
    events: Vec<String>,
}

impl Found {
    fn read(&mut self, world: &World) -> Result {
        if self.calls > self.known {
            let row = "SELECT id, ended, undo FROM calls ORDER BY n DESC LIMIT 1";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            (self.id, self.ended, self.undo) = store(&world.state())?.query_row(row, [], read)?;
            self.ended = self.ended.as_deref().map(|ended| ended.trim_matches('"').to_owned());
        }
        let standing = "SELECT json_extract(standing, '$.state') FROM confirmations";
        self.standing = store(&world.state())?.query_row(standing, [], |row| row.get(0)).ok();
        // The streams in the order in which their processes began; the first may be of the call that is taken back.
        let records = records(&world.state())?;
        let mut prepared = self.known > 0;
        for record in &records {
            let event = &record["event"];
            match event["kind"].as_str().unwrap_or_default() {
                "configured" => {}
                "finished" if prepared => prepared = false,
                _ if prepared => {}
                kind => self.events.push(kind.to_owned()),
            }
            if record["call"] == *self.id {
                self.probe = event["probe"].as_str().map(str::to_owned).or(self.probe.take());
            }
        }
        Ok(())
    }

    fn world(&self) -> &'static str {
        match &self.state {
            state if *state == self.before => "as before",
            state if *state == self.after => "changed",
            _ => "half way",
        }
    }

    fn call(&self) -> String {
        match (&self.ended, &self.probe) {
            (None, _) => "none".into(),
            (Some(ended), None) => ended.clone(),
            (Some(ended), Some(probe)) => format!("{ended}, {probe}"),
        }
    }

    /// Nothing ran unrecorded, nothing ran twice, nothing recorded is not so, and an approval is spent with the beginning
    /// or not at all.
    fn agrees(&self) -> Result {
        let of = |kind: &str| self.events.iter().filter(|event| *event == kind).count();
        let begun = self.calls - self.known;
        let agrees = match (self.ended.as_deref(), self.probe.as_deref()) {
            (None | Some("untouched"), _) | (Some("uncertain"), Some("unchanged")) => self.world() == "as before",
            (Some("succeeded"), None) | (Some("uncertain"), Some("changed")) => self.world() == "changed",
            (Some("uncertain"), Some("unknown")) => true,
            _ => false,
        };
        let spent = self.standing.as_deref() == Some("spent");
        let once = begun <= 1 && of("started") == begun && of("finished") == begun;
        let approved = spent == (begun == 1 && self.standing.is_some());
        if agrees && once && approved {
            return Ok(());
        }
        let (world, call) = (self.world(), self.call());
        Err(format!("{world}, and the call is {call}, on record {:?}, approval {:?}", self.events, self.standing)
            .into())
    }
}

/// Runs every case at every place, some at a time, and compares what came of it with a table.
pub(super) async fn table(name: &str, cases: Vec<Case>) -> Result {
    let turns = Arc::new(Semaphore::new(4));
    let mut runs = Vec::new();
    for case in cases.into_iter().map(Arc::new) {
        let after = case.undisturbed().await.map_err(|error| format!("{}: {error}", case.name))?;
        for (place, act) in case.all() {
            let (case, after, turns) = (Arc::clone(&case), after.clone(), Arc::clone(&turns));
            runs.push(tokio::spawn(async move {
                let _turn = turns.acquire().await?;
                let line = case.run(place, act, &after).await;
                line.map_err(|error| format!("{} {place} {act}: {error}", case.name).into())
            }));
        }
    }
    let mut table = format!(
        "{:<25} {:<18} {:<4} {:<9} {:<20} {:<31} {:<11} {}\n",
        "call", "place", "act", "world", "journal", "record", "reply", "then"
    );
    let mut wrong = Vec::new();
    for run in runs {
        let line: Result<String> = run.await?;
        match line {
            Ok(line) => table.push_str(&line),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    golden(&format!("crashes/{name}.txt"), &table, &Redaction::new())
}

/// The places named in the sources are the ones the tables go through: none is forgotten.
#[test]
fn every_place_is_gone_through() -> Result {
    let mut named = std::collections::BTreeSet::new();
    let mut folders = ["gateway/src", "gateway/record/src", "tools/src", "tools/contract/src"]
        .map(|folder| root().join(folder))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let calls = text.split("failpoint::").skip(1).filter_map(|rest| rest.split_once("(\""));
            let calls = calls.filter(|(function, _)| ["reach", "pass"].contains(function));
            named.extend(calls.filter_map(|(_, rest)| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
    let cases = super::sqlite::cases().into_iter().chain(super::files::cases()).chain(super::postgres::cases());
    let mut gone: std::collections::BTreeSet<_> =
        cases.flat_map(|case| case.all()).map(|(place, _)| place.to_owned()).collect();
    // What settles others' calls is held up in a test of its own.
    gone.insert("settling".to_owned());
    assert_eq!(named, gone);
    Ok(())
}
