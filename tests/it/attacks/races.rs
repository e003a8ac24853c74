//! Two gateways on one store that spend one approval at the same moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use mollyguard::call::call;
use mollyguard::config::Config;
use mollyguard::gateway::Gateway;
use mollyguard::reply::{Reply, Request};
use mollyguard_record::model::Principal;
use mollyguard_tests::{Era, Person, Result, World};
use serde_json::{Value, json};

use super::rental;
use crate::asking::operators::Operators;
use crate::behind::{calls, sound};

/// How many approvals are raced for by gateways of one process, and by processes.
const ROUNDS: (u64, u64) = (1_000, 100);
/// Whatever changes needs a yes.
const A_YES: &str = "context.approval.assurance >= 1";

/// A firm with one table to count in.
fn counting() -> Result<World> {
    let mut world = rental(A_YES)?;
    world.set("confirm.page", false);
    world.database("lane", "production", "CREATE TABLE visits (id INTEGER PRIMARY KEY, at TEXT)")?;
    Ok(world)
}

fn visit() -> Value {
    json!({"target": "lane", "sql": "INSERT INTO visits (at) VALUES ('now')"})
}

/// Each succeeded once, and used one yes.
async fn assert_once_each(world: &World, rounds: u64) -> Result {
    let succeeded = calls(world)?.iter().filter(|call| call.ended.as_deref() == Some("succeeded")).count();
    assert_eq!((world.rows("lane", "visits")?, u64::try_from(succeeded)?), (rounds, rounds));
    let spent = crate::page::questions_in(world, "spent")?;
    assert_eq!(u64::try_from(spent.len())?, rounds, "each yes was used by one call");
    sound(world).await
}

/// A gateway of this process.
fn gateway(world: &World) -> Result<Arc<Gateway>> {
    let toolsets = mollyguard_tools::toolsets();
    Ok(Arc::new(Gateway::open(Config::load(&world.config()?, &toolsets)?, toolsets)?))
}

/// The call, for one user after the other: how much one has asked of late is read with each question.
async fn made(gateway: &Arc<Gateway>, round: u64) -> Result<Reply> {
    let principal = Principal { user: format!("agent-{}", round / 10), client: None, roles: Vec::new() };
    Ok(call(gateway, Request::new("sqlite_write", visit(), principal)).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_approval_raced_for_by_two_gateways_runs_once_a_thousand_times() -> Result {
    let world = counting()?;
    let operators = Operators::enrolled(&world, &["olga"]).await?;
    let gateways = [gateway(&world)?, gateway(&world)?];
    let mut lost: BTreeMap<&str, u64> = BTreeMap::new();
    let begun = Instant::now();
    for round in 0..ROUNDS.0 {
        let [asker, other] = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        let Reply::Ask(asked) = made(&gateways[asker], round).await? else { return Err("nobody was asked".into()) };
        operators.approve(&operators.asked(&asked.confirmation.to_string()).await?, 0).await?;
        assert_eq!(world.rows("lane", "visits")?, round, "the yes alone changes nothing");
        let racing = [other, asker].map(|who| {
            let gateway = Arc::clone(&gateways[who]);
            tokio::spawn(async move { made(&gateway, round).await })
        });
        let mut done = 0;
        for reply in racing {
            match reply.await?? {
                Reply::Done(_) => done += 1,
                Reply::Refused(refusal) => *lost.entry(refusal.reason_code.as_str()).or_default() += 1,
                Reply::Ask(_) => *lost.entry("asked anew").or_default() += 1,
            }
        }
        assert_eq!((done, world.rows("lane", "visits")?), (1, round + 1), "round {round}");
    }
    println!("{} races in {:?}; the losers: {lost:?}", ROUNDS.0, begun.elapsed());
    for gateway in gateways {
        gateway.close().await?;
    }
    drop(operators);
    assert_once_each(&world, ROUNDS.0).await
}

#[tokio::test]
async fn one_approval_raced_for_by_two_processes_runs_once() -> Result {
    let world = counting()?;
    let operators = Operators::enrolled(&world, &["olga"]).await?;
    let one = world.stdio(Era::Modern, Person::absent()).await?;
    let two = world.stdio(Era::Legacy, Person::absent()).await?;
    let mut lost: BTreeMap<String, u64> = BTreeMap::new();
    let begun = Instant::now();
    for round in 0..ROUNDS.1 {
        let asker = if round % 2 == 0 { &one } else { &two };
        let reply = asker.call("sqlite_write", visit()).await?;
        let id = &reply.refused("confirmation_required").structured()["confirmation"]["id"];
        let question = operators.asked(id.as_str().unwrap_or_default()).await?;
        operators.approve(&question, 0).await?;
        assert_eq!(world.rows("lane", "visits")?, round, "the yes alone changes nothing");
        let both = tokio::join!(one.call("sqlite_write", visit()), two.call("sqlite_write", visit()));
        let (ran, refused): (Vec<_>, Vec<_>) =
            [both.0?, both.1?].into_iter().partition(mollyguard_tests::Reply::is_done);
        assert_eq!((ran.len(), world.rows("lane", "visits")?), (1, round + 1), "round {round}: {ran:?} {refused:?}");
        for reply in refused {
            assert_eq!(reply.structured()["changed"], false, "{}", reply.text());
            *lost.entry(reply.structured()["reason_code"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    println!("{} races in {:?}; the losers: {lost:?}", ROUNDS.1, begun.elapsed());
    assert!(one.close().await?.success() && two.close().await?.success());
    drop(operators);
    assert_once_each(&world, ROUNDS.1).await
}

/// Two people say yes and no at the same moment, in two processes, while both gateways make the call.
#[tokio::test]
async fn a_no_that_races_a_yes_runs_at_most_once() -> Result {
    let world = counting()?;
    let operators = Operators::enrolled(&world, &["olga"]).await?;
    let one = world.stdio(Era::Modern, Person::absent()).await?;
    let two = world.stdio(Era::Modern, Person::absent()).await?;
    let mut ran = 0;
    for _ in 0..10 {
        let reply = one.call("sqlite_write", visit()).await?;
        let id: &Value = &reply.refused("confirmation_required").structured()["confirmation"]["id"];
        let id = id.as_str().unwrap_or_default();
        let question = operators.asked(id).await?;
        let deny = ["approvals", "deny", id];
        let (yes, no, first, second) = tokio::join!(
            operators.approve(&question, 0),
            world.run(&deny),
            one.call("sqlite_write", visit()),
            two.call("sqlite_write", visit()),
        );
        println!("the yes: {yes:?}; the no: {:?}", no?.stderr);
        let done = [first?, second?].iter().filter(|reply| reply.is_done()).count();
        assert!(done <= usize::from(yes.is_ok()), "no yes, no call; one yes, one call");
        ran += u64::try_from(done)?;
        assert_eq!(world.rows("lane", "visits")?, ran);
        // Whatever is left of it is used up or closed before the next.
        world.run(&deny).await?;
    }
    one.close().await?;
    two.close().await?;
    drop(operators);
    sound(&world).await
}
