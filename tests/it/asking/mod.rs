//! Asking a person, and the wire: on the real binary, in both eras of the protocol and over both transports. Every test
//! looks at the databases, files and records behind the gateway's back, not only at what it answers.

pub(crate) mod absent;
mod answers;
mod hostile;
mod http;
mod leaving;
pub(crate) mod operators;
mod protocol;
mod questions;
mod replays;
mod waiting;

use mollyguard_tests::{Agent, Era, Person, Result, Served, World};
use mollyguard_tools::contract::Timestamp;
use serde_json::{Value, json};

/// The tool whose effect nothing brings back.
const PURGE: &str = "sqlite_purge_table";
/// The tool that is reversible where the rows fit.
const WRITE: &str = "sqlite_write";

/// What an agent reaches the gateway over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Stdio,
    Http,
}

impl Way {
    pub(crate) const BOTH: [Self; 2] = [Self::Stdio, Self::Http];
}

/// An agent connected to a gateway in a world of its own.
struct Setup {
    world: World,
    agent: Agent,
    served: Option<Served>,
}

impl Setup {
    /// The rental firm with a `visits` table to count in.
    async fn new(era: Era, way: Way, person: Person) -> Result<Self> {
        Self::of(counting()?, era, way, person).await
    }

    async fn of(world: World, era: Era, way: Way, person: Person) -> Result<Self> {
        // Shown with a failure: which of the cases it was.
        println!("{era:?} over {way:?}");
        let (agent, served) = match way {
            Way::Stdio => (world.stdio(era, person).await?, None),
            Way::Http => {
                let served = world.serve().await?;
                (served.agent(era, person).await?, Some(served))
            }
        };
        Ok(Self { world, agent, served })
    }

    /// The kinds of what was written down about calls of a tool, in order.
    async fn events(&self, tool: &str) -> Result<Vec<String>> {
        events(&self.world, tool).await
    }
}

/// The same test in both eras over both transports, each time in a world of its own.
async fn everywhere(person: impl Fn() -> Person, test: impl AsyncFn(&Setup) -> Result) -> Result {
    for era in Era::BOTH {
        for way in Way::BOTH {
            let setup = Setup::new(era, way, person()).await?;
            test(&setup).await.map_err(|error| format!("{era:?} over {way:?}: {error}"))?;
        }
    }
    Ok(())
}

/// The rental firm with an empty table `visits` in production to count in.
fn counting() -> Result<World> {
    let world = World::rental()?;
    world.sql("fleet", "CREATE TABLE visits (id INTEGER PRIMARY KEY, at TEXT)")?;
    Ok(world)
}

/// A person who does these things with one question after the other.
fn in_turn(people: impl DoubleEndedIterator<Item = Person>) -> Person {
    people.rev().fold(Person::never_answers(), Person::but_first)
}

/// Arguments that purge a table in production.
fn bookings() -> Value {
    json!({"target": "fleet", "table": "bookings"})
}

/// Arguments that count one visit in production: reversible, so a person only has to say yes.
fn visit() -> Value {
    json!({"target": "fleet", "sql": "INSERT INTO visits (at) VALUES ('now')"})
}

/// An accept with this in the one field.
fn accepted(field: &str, text: &str) -> Value {
    json!({"confirm": {"action": "accept", "content": {field: text}}})
}

/// Every audit record, in the order they were made: an export goes stream by stream.
async fn records(world: &World) -> Result<Vec<Value>> {
    let export = world.run(&["audit", "export"]).await?;
    assert_eq!(export.code, Some(0), "{}", export.stderr);
    let mut records = Vec::new();
    for line in export.stdout.lines() {
        let record: Value = serde_json::from_str(line)?;
        // The signed heads stand below the records.
        if record.get("checkpoint").is_none() {
            records.push((serde_json::from_value::<Timestamp>(record["at"].clone())?, record));
        }
    }
    records.sort_by_key(|(at, _)| *at);
    Ok(records.into_iter().map(|(_, record)| record).collect())
}

/// The kinds of the audit records about calls of a tool, in order.
async fn events(world: &World, tool: &str) -> Result<Vec<String>> {
    let of_tool = records(world).await?.into_iter().filter(|record| record["tool"] == tool);
    Ok(of_tool.map(|record| record["event"]["kind"].as_str().unwrap_or_default().to_owned()).collect())
}

/// Asserts that the chain of records is whole.
async fn assert_sound(world: &World) -> Result {
    let verified = world.run(&["audit", "verify"]).await?;
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    Ok(())
}
