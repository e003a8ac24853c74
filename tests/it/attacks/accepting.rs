//! Clients that answer by themselves, and programs that answer at a terminal they made: the gateway as the agent's own user,
//! where policy needs a person out of band.

use mollyguard_tests::{Era, Person, Result, Served};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{OUT_OF_BAND, PURGE, kinds, rental};
use crate::asking::Way;
use crate::asking::absent::terminal;
use crate::behind::tree;
use crate::page::{Site, open_questions, yeses};

/// What cannot be taken back in production: the tool, its arguments, and the name to type.
fn irreversible() -> [(&'static str, Value, &'static str); 3] {
    [
        (PURGE, json!({"target": "fleet", "table": "bookings"}), "bookings"),
        ("files_purge", json!({"target": "uploads", "path": "damage/car-3.txt"}), "car-3.txt"),
        ("files_purge", json!({"target": "uploads", "path": "damage"}), "damage"),
    ]
}

/// One client of each kind, in both eras over both transports, makes a call and accepts whatever it is sent.
async fn all_accept(
    site: &Site,
    served: &Served,
    person: fn(&str) -> Person,
    call: (&'static str, Value, &'static str),
) -> Result {
    let mut clients = JoinSet::new();
    for (era, way) in Era::BOTH.into_iter().flat_map(|era| Way::BOTH.map(|way| (era, way))) {
        for kind in kinds() {
            let (tool, args, name) = call.clone();
            println!("{era:?} {way:?} {kind} {tool}");
            let person = person(name).with_capabilities(kind);
            // One after the other: each start writes the configuration anew.
            let agent = match way {
                Way::Stdio => site.world.stdio(era, person).await?,
                Way::Http => served.agent(era, person).await?,
            };
            clients.spawn(async move {
                agent.call(tool, args).await?.refused("confirmation_required");
                Result::Ok(agent.asked())
            });
        }
    }
    let mut asked = Vec::new();
    while let Some(client) = clients.join_next().await {
        asked.extend(client??);
    }
    assert!(!asked.is_empty(), "some were sent to the page");
    assert!(asked.iter().all(|asked| asked.url.is_some()), "never with a form, which they could fill in");
    Ok(())
}

#[tokio::test]
async fn clients_that_accept_everything_run_nothing_irreversible() -> Result {
    let mut world = rental(OUT_OF_BAND)?;
    world.set("confirm.wait_s", 1);
    let site = Site::of(world).await?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let served = site.world.serve().await?;
    let uploads = site.world.path().join("uploads");
    let before = (site.world.dump("fleet")?, tree(&uploads)?);
    for call in irreversible() {
        for person in [
            |_: &str| Person::accepts(json!({})),
            |_: &str| Person::accepts(json!({"decision": "approve"})),
            |name: &str| Person::types(name),
        ] {
            all_accept(&site, &served, person, call.clone()).await?;
            assert_eq!((site.world.dump("fleet")?, tree(&uploads)?), before, "{call:?}");
        }
    }
    let open = open_questions(&site.world)?;
    assert_eq!(open.len(), irreversible().len(), "each was asked once, whoever asked");
    for question in &open {
        assert_eq!(yeses(&site.world, question)?, 0);
    }
    assert!(crate::behind::calls(&site.world)?.is_empty(), "nothing was begun");
    // A person's yes is one.
    let signed = passkey.sign(&ada.challenge(&open[0]).await?)?;
    let taken = ada.approve(&open[0], Some("bookings"), &signed).await?;
    assert_eq!(taken.status, 200, "{}", taken.body);
    let (tool, args, _) = irreversible()[0].clone();
    site.agent.call(tool, args).await?.done();
    assert!(site.world.rows("fleet", "bookings").is_err(), "it is purged");
    assert_eq!(tree(&uploads)?, before.1);
    assert!(served.terminate().await?.success());
    site.sound().await
}

#[tokio::test]
async fn a_terminal_an_agent_made_for_itself_proves_too_little() -> Result {
    let site = Site::of(rental(OUT_OF_BAND)?).await?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let before = site.world.dump("fleet")?;
    let (tool, args, name) = irreversible()[0].clone();
    let question = site.ask(tool, &args).await?;
    for _ in 0..2 {
        let (code, shown) = terminal(&site.world, &["approvals", "approve", &question], name).await?;
        assert!(code != Some(0) && !shown.contains("Approved"), "{shown}");
        assert_eq!((open_questions(&site.world)?, yeses(&site.world, &question)?), (vec![question.clone()], 0));
        site.agent.call(tool, args.clone()).await?.refused("confirmation_required");
        assert_eq!(site.world.dump("fleet")?, before);
    }
    // Nor can it make somebody of itself who may.
    assert!(mollyguard_tests::first_code(&site.world, "mallory").await.is_err());
    let signed = passkey.sign(&ada.challenge(&question).await?)?;
    assert_eq!(ada.approve(&question, Some(name), &signed).await?.status, 200);
    site.agent.call(tool, args).await?.done();
    assert!(site.world.rows("fleet", "bookings").is_err(), "it is purged");
    site.sound().await
}
