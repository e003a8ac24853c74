//! The gateway that serves the page is killed while questions are open and a browser watches: another serves it, at the same
//! place, and nothing is lost.

use std::time::{Duration, Instant};

use mollyguard_tests::{Era, Person, Result, first_code, http, within};
use serde_json::{Value, json};

use super::watch::Watcher;
use super::{OUT_OF_BAND, PURGE, rental};
use crate::page::{Visitor, free_port, open_questions, origin, questions_in, succeeded};

fn bookings(target: &str) -> Value {
    json!({"target": target, "table": "bookings"})
}

/// The first time that the page can be seen again.
async fn seen_again(page: &str) {
    let sign_in = format!("{page}/sign-in");
    while !http("GET", &sign_in, &[], "").await.is_ok_and(|reply| reply.status == 200) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_killed_gateways_page_is_taken_over_with_all_its_questions() -> Result {
    let mut world = rental(OUT_OF_BAND)?;
    world.set("confirm.page_port", i64::from(free_port()?)).set("confirm.wait_s", 300);
    // Each a process of its own; the first one serves the page.
    let lost = world.stdio(Era::Modern, Person::absent()).await?;
    let page = origin(&world).await?;
    let code = first_code(&world, "ada").await?;
    let (ada, mut passkey) = Visitor::enrolled(&page, &code, 7).await?;

    // Three questions: one of a client whose gateway will be gone, and two of calls that wait with other gateways.
    let pages = Person::accepts(json!({})).with_capabilities(json!({"elicitation": {"url": {}}}));
    let older = world.stdio(Era::Legacy, pages.clone()).await?;
    let newer = world.stdio(Era::Modern, Person::absent()).await?;
    lost.call(PURGE, bookings("fleet")).await?.refused("confirmation_required");
    let lost_waits = lost.start(PURGE, bookings("fleet")).await?;
    newer.call(PURGE, bookings("fleet_dev")).await?.refused("confirmation_required");
    let newer_waits = newer.start(PURGE, bookings("fleet_dev")).await?;
    let older_waits = older.start(PURGE, bookings("fleet_staging")).await?;
    within("a person who was sent to the page", async {
        while pages.asked().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await?;
    let before = open_questions(&world)?;
    assert_eq!(before.len(), 3);
    let mut watcher = Watcher::start(&ada).await?;
    assert!(watcher.next().await?, "it watches");

    let killed = Instant::now();
    lost.kill().await?;
    within("the page, seen again", seen_again(&page)).await?;
    let gone = killed.elapsed();
    println!("served again {gone:?} after the kill");
    // What is promised, not what is usual.
    assert!(gone < Duration::from_secs(2), "served again {gone:?} after the kill");
    assert_eq!(origin(&world).await?, page, "it is where it was");
    while watcher.next().await? {}
    assert!(lost_waits.reply().await.is_err(), "its gateway is gone");
    assert_eq!(open_questions(&world)?, before, "nothing is lost");
    // Nobody has to sign in again.
    let inbox = ada.get("/").await?;
    assert_eq!(inbox.status, 200);
    let mut watcher = Watcher::start(&ada).await?;
    assert!(watcher.next().await?);
    for question in &before {
        assert!(inbox.body.contains(question.as_str()), "{}", inbox.body);
        let signed = passkey.sign(&ada.challenge(question).await?)?;
        let taken = ada.approve(question, Some("bookings"), &signed).await?;
        assert_eq!(taken.status, 200, "{}", taken.body);
    }
    assert!(watcher.next().await?, "who watches is told");
    // The answers reach the calls that wait.
    newer_waits.reply().await?.done();
    older_waits.reply().await?.done();
    assert_eq!((succeeded(&world)?, world.rows("fleet", "bookings")?), (2, 12));
    // And whose gateway is gone makes the call again with another.
    newer.call(PURGE, bookings("fleet")).await?.done();
    for target in ["fleet", "fleet_staging", "fleet_dev"] {
        assert!(world.rows(target, "bookings").is_err(), "{target} is purged");
    }
    assert_eq!((succeeded(&world)?, questions_in(&world, "spent")?), (3, before));
    assert!(older.close().await?.success() && newer.close().await?.success());
    crate::behind::sound(&world).await
}
