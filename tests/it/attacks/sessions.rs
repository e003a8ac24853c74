//! Cookies of the page that are worth nothing any more.

use std::time::Duration;

use mollyguard_record::model::{Means, Session};
use mollyguard_record::store::{Configured, OpenStore, Sessions as _, SqliteStore, Store as _};
use mollyguard_tests::{Result, codes, until};
use mollyguard_tools::contract::{Digest, Timestamp, now};
use serde_json::{Value, json};

use super::watch::Watcher;
use super::{OUT_OF_BAND, PURGE, rental};
use crate::page::authenticator::Authenticator;
use crate::page::{Site, Visitor, open_questions, yeses};

fn bookings() -> Value {
    json!({"target": "fleet", "table": "bookings"})
}

/// Another session of this person, which ends then and was opened half an hour before: the store is told so as the process
/// that serves the page does.
async fn until_then(site: &Site, ada: &Visitor, passkey: &mut Authenticator, expires_at: Timestamp) -> Result<Visitor> {
    let stranger = Visitor::stranger(&site.origin);
    let started: Value = serde_json::from_str(&stranger.json("/sign-in/challenge", &json!({})).await?.body)?;
    let assertion = passkey.sign(started["challenge"].as_str().unwrap_or_default())?;
    let signed = json!({"ticket": started["ticket"], "assertion": assertion});
    let visitor = stranger.with(&stranger.json("/sign-in/passkey", &signed).await?)?;
    assert_ne!(visitor.cookie, ada.cookie);
    assert_eq!(visitor.get("/").await?.status, 200);

    let newest = "SELECT token, operator FROM sessions ORDER BY expires_at DESC LIMIT 1";
    let (token, operator): (String, String) =
        crate::behind::store(&site.world.state())?.query_row(newest, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (token, operator): (Digest, _) =
        (serde_json::from_value(json!(token))?, serde_json::from_value(json!(operator))?);
    let digest = Digest::of_bytes(b"the page");
    let configured = Configured { version: "0".to_owned(), configuration: digest, policies: digest };
    let store = SqliteStore::open(OpenStore::new(site.world.state(), configured))?;
    store.sign_out(token).await?;
    let opened_at = expires_at - Duration::from_secs(30 * 60);
    store.sign_in(Session { token, operator, means: Means::Code, opened_at, expires_at }, None).await?;
    store.close().await?;
    Ok(visitor)
}

/// Asserts that this cookie opens nothing and answers nothing.
async fn assert_nobody(site: &Site, visitor: &Visitor, question: &str, signed: &Value) -> Result {
    let before = (open_questions(&site.world)?, site.world.dump("fleet")?);
    for path in ["/", "/history", "/people", "/live", &format!("/questions/{question}")] {
        let seen = visitor.get(path).await?;
        assert_eq!((seen.status, seen.header("location")), (303, Some("/sign-in")), "{path}");
        assert!(!seen.body.contains("bookings"), "{path}: {}", seen.body);
    }
    let answer = format!("/questions/{question}/answer");
    let undo = "/calls/00000000-0000-7000-8000-000000000000/undo";
    for (path, body) in
        [(answer.as_str(), "decision=decline"), ("/people/invite", "name=mallory"), (undo, ""), ("/sign-out", "")]
    {
        let refused = visitor.form(path, body).await?;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.body.contains("Your session is over"), "{path}: {}", refused.body);
        assert!(codes(&refused.body).next().is_none(), "{path}");
    }
    assert_eq!(visitor.approve(question, Some("bookings"), signed).await?.status, 403);
    assert_eq!((open_questions(&site.world)?, site.world.dump("fleet")?), before);
    assert_eq!(yeses(&site.world, question)?, 0);
    Ok(())
}

#[tokio::test]
async fn an_expired_session_gets_nothing_and_what_it_watched_ends() -> Result {
    let site = Site::of(rental(OUT_OF_BAND)?).await?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let question = site.ask(PURGE, &bookings()).await?;
    let signed = passkey.sign(&ada.challenge(&question).await?)?;
    let over = until_then(&site, &ada, &mut passkey, now() - Duration::from_secs(1)).await?;
    assert_nobody(&site, &over, &question, &signed).await?;

    // One that ends while it is used.
    let ends_at = now() + Duration::from_secs(10);
    let ending = until_then(&site, &ada, &mut passkey, ends_at).await?;
    assert_eq!(ending.get("/").await?.status, 200);
    let (mut watches, mut still) = (Watcher::start(&ending).await?, Watcher::start(&ada).await?);
    assert!(watches.next().await? && still.next().await?, "both are told");
    while watches.next().await? {}
    assert!(now() >= ends_at, "not before");
    assert_nobody(&site, &ending, &question, &signed).await?;
    // Another session of the same person goes on.
    site.agent
        .call("files_purge", json!({"target": "uploads", "path": "damage"}))
        .await?
        .refused("confirmation_required");
    assert!(still.next().await?, "who is still there is told");
    let taken = ada.approve(&question, Some("bookings"), &signed).await?;
    assert_eq!((taken.status, yeses(&site.world, &question)?), (200, 1), "{}", taken.body);
    site.agent.call(PURGE, bookings()).await?.done();
    assert!(site.world.rows("fleet", "bookings").is_err(), "it is purged");
    drop((watches, still));
    site.sound().await
}

/// Who signs out, or is removed, is told of nothing more, on whatever they left open.
#[tokio::test]
async fn what_a_session_watched_ends_with_it() -> Result {
    let site = Site::of(rental(OUT_OF_BAND)?).await?;
    let (ada, mut key) = site.enrolled("ada").await?;
    let invited = ada.invite(&mut key, "bea").await?;
    let code = codes(&invited.body).next().ok_or("a code is shown")?;
    let (bea, _) = Visitor::enrolled(&site.origin, &code, 8).await?;
    let mut hers = Watcher::start(&bea).await?;
    assert!(hers.next().await?, "she watches");
    let store = crate::behind::store(&site.world.state())?;
    let id: String = store.query_row("SELECT id FROM operators WHERE name = 'bea'", [], |row| row.get(0))?;
    let removed = ada.acts(&mut key, ("remove", &id), &format!("/people/{id}/remove"), "").await?;
    assert_eq!(removed.status, 303, "{}", removed.body);
    assert_eq!(bea.get("/").await?.status, 303, "it is she who was removed");
    let mut own = Watcher::start(&ada).await?;
    assert!(own.next().await?);
    let twin = ada.clone();
    assert_eq!(ada.form("/sign-out", "").await?.status, 303);
    assert_eq!(twin.get("/").await?.status, 303);

    site.ask(PURGE, &bookings()).await?;
    // What they are told of the time before may still be on its way; a stream that went on would never end.
    for watcher in [&mut hers, &mut own] {
        while watcher.next().await? {}
    }
    until("the question", || Ok((open_questions(&site.world)?.len() == 1).then_some(()))).await?;
    site.sound().await
}
