//! Webhooks: real HTTP to a receiver in the test.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mollyguard_tests::{Era, Person, Result, World, until};
use serde_json::json;
use sha2::Sha256;

use super::{Heard, PURGE, Receiver, table, webhook, with_webhooks};

const KEY: &[u8] = b"thirty-two bytes that are secret";

/// What a receiver does that follows Standard Webhooks.
fn assert_signed(heard: &Heard) -> Result {
    let (id, at) = (heard.header("webhook-id"), heard.header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY)?;
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(&heard.bytes);
    let signature = heard.header("webhook-signature").strip_prefix("v1,").ok_or("a version")?;
    mac.verify_slice(&STANDARD.decode(signature)?)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    assert!(now.abs_diff(at.parse()?) < 300, "{at}");
    Ok(())
}

#[tokio::test]
async fn a_question_and_its_end_are_told_signed_and_without_secrets() -> Result {
    const CANARY: &str = "cAnary/7e21f0";
    let mut receiver = Receiver::start([]).await?;
    let mut hook = webhook("env:HOOK_URL");
    hook.insert("secret".to_owned(), "env:HOOK_SECRET".into());
    let mut world = with_webhooks(vec![hook])?;
    world.set("confirm.page", true).set("confirm.page_port", 0);
    world.set("redact.secrets", vec!["env:CANARY".to_owned()]).env("CANARY", CANARY).env("MOLLYGUARD_LOG", "trace");
    world.env("HOOK_URL", &receiver.url).env("HOOK_SECRET", format!("whsec_{}", STANDARD.encode(KEY)));
    world.sql("fleet", &format!("CREATE TABLE \"{CANARY} <!channel>\" (a)"))?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let origin = until("the page", || {
        let there = std::fs::read_to_string(world.state().join("page.lock")).unwrap_or_default();
        Ok((!there.is_empty()).then(|| there.trim().to_owned()))
    });
    let origin = origin.await?;
    let reply = agent.call(PURGE, table("fleet", &format!("{CANARY} <!channel>"))).await?;
    let id = reply.refused("confirmation_required").structured()["confirmation"]["id"].clone();
    let id = id.as_str().ok_or("an id")?;

    let asked = receiver.next().await?;
    assert_signed(&asked)?;
    assert_eq!(asked.path, "/hook/s3cret-of-the-path");
    let body = asked.body()?;
    assert_eq!(body["event"], "asked");
    assert_eq!(body["type"], "confirmation.asked");
    assert_eq!(body["confirmation"], id);
    assert_eq!((&body["need"], &body["for"]), (&json!("typed"), &json!("alice")));
    assert_eq!(body["page"], format!("{origin}/questions/{id}"));
    assert_eq!(body["where"], "PRODUCTION, sqlite table fleet/[redacted] <!channel>");
    assert!(body["what"].as_str().is_some_and(|what| what.contains("[redacted] <!channel>") && what.contains(PURGE)));
    assert!(body["expires_at"].is_string() && body["timestamp"].is_string());
    let text = body["text"].as_str().ok_or("a text for Slack")?;
    assert!(text.contains("&lt;!channel&gt;") && !text.contains(['<', '>']), "{text}");
    assert!(text.contains(&format!("mollyguard approvals approve {id}")), "{text}");

    assert_eq!(world.run(&["approvals", "deny", id]).await?.code, Some(0));
    let ended = receiver.next().await?;
    assert_signed(&ended)?;
    assert_eq!((&ended.body()?["event"], &ended.body()?["confirmation"]), (&json!("declined"), &json!(id)));
    assert_ne!(ended.header("webhook-id"), asked.header("webhook-id"));
    for heard in [&asked, &ended] {
        let text = String::from_utf8_lossy(&heard.bytes).into_owned();
        assert!(!text.contains("cAnary") && !text.contains("s3cret"), "{text}");
    }
    let stderr = agent.stderr();
    agent.close().await?;
    let leaked = stderr.contains("s3cret-of-the-path") || stderr.contains(&STANDARD.encode(KEY));
    assert!(!leaked, "{}", stderr.text());
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_is_in_trouble_is_told_again() -> Result {
    let wait = Duration::from_secs(2);
    let later = ("retry-after", wait.as_secs().to_string());
    let mut receiver = Receiver::start([(500, None), (429, Some(later))]).await?;
    let world = with_webhooks(vec![webhook(&receiver.url)])?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    agent.call(PURGE, table("fleet", "bookings")).await?.refused("confirmation_required");
    let tries = [receiver.next().await?, receiver.next().await?, receiver.next().await?];
    let ids = tries.each_ref().map(|heard| heard.header("webhook-id"));
    assert!(ids[0] == ids[1] && ids[1] == ids[2] && !ids[0].is_empty(), "{ids:?}");
    assert_eq!(tries[0].bytes, tries[2].bytes);
    assert_eq!(tries[0].header("webhook-signature"), "", "without a secret nothing is signed");
    assert!(tries[2].at.duration_since(tries[1].at) >= wait, "it asked for a pause");
    agent.call(PURGE, table("fleet", "bookings")).await?.refused("confirmation_required");
    agent.close().await?;
    assert_eq!(receiver.unread(), 0, "the same question is told once");
    Ok(())
}

#[tokio::test]
async fn no_redirect_is_followed() -> Result {
    let mut elsewhere = Receiver::start([]).await?;
    for status in [301, 302, 307, 308] {
        let to = ("location", elsewhere.url.clone());
        let mut receiver = Receiver::start([(status, Some(to))]).await?;
        let world = with_webhooks(vec![webhook(&receiver.url)])?;
        let agent = world.stdio(Era::Modern, Person::declines()).await?;
        agent.call(PURGE, table("fleet", "bookings")).await?.refused("confirmation_declined");
        receiver.next().await?;
        let stderr = agent.stderr();
        until("the reason", || Ok(stderr.contains("redirects are not followed").then_some(()))).await?;
        agent.close().await?;
        assert_eq!((receiver.unread(), elsewhere.unread()), (0, 0), "neither again nor elsewhere, and no end");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_who_does_not_answer_is_waited_for() -> Result {
    // It takes connections, and never says anything.
    let dead = std::net::TcpListener::bind("127.0.0.1:0")?;
    let dead = format!("http://{}/", dead.local_addr()?);
    let world = with_webhooks(vec![webhook(&dead), webhook("http://127.0.0.1:1/nobody")])?;
    let agent = world.stdio(Era::Modern, Person::types("bookings")).await?;
    agent.call(PURGE, table("fleet", "bookings")).await?.done();
    assert!(world.rows("fleet", "bookings").is_err(), "it is gone");
    // More questions than are kept.
    for n in 0..150 {
        let rename = json!({"target": "fleet", "sql": format!("UPDATE customers SET name = '{n}'")});
        agent.call_once("sqlite_write", rename).await?.asks()?;
    }
    assert_eq!(
        agent.call("sqlite_query", json!({"target": "fleet", "sql": "SELECT 1"})).await?.done()["rows"],
        json!([[1]])
    );
    let stderr = agent.stderr();
    until("a warning", || Ok(stderr.contains("the oldest is dropped").then_some(()))).await?;
    Ok(())
}

#[tokio::test]
async fn the_process_that_asks_tells_and_only_of_what_was_asked_for() -> Result {
    let mut receiver = Receiver::start([]).await?;
    let mut hook = webhook(&receiver.url);
    hook.insert("tiers".to_owned(), vec!["production"].into());
    let world = with_webhooks(vec![hook])?;
    let agents =
        [world.stdio(Era::Modern, Person::declines()).await?, world.stdio(Era::Legacy, Person::declines()).await?];
    for agent in &agents {
        agent.call(PURGE, table("fleet_dev", "bookings")).await?.refused("confirmation_declined");
        agent.call(PURGE, table("fleet", "bookings")).await?.refused("confirmation_declined");
        let (asked, ended) = (receiver.next().await?, receiver.next().await?);
        assert_eq!((&asked.body()?["event"], &ended.body()?["event"]), (&json!("asked"), &json!("declined")));
        assert_eq!(asked.body()?["confirmation"], ended.body()?["confirmation"]);
        assert!(asked.body()?["where"].as_str().is_some_and(|place| place.starts_with("PRODUCTION")));
    }
    for agent in agents {
        agent.close().await?;
    }
    assert_eq!(receiver.unread(), 0);
    Ok(())
}

#[tokio::test]
async fn what_would_leave_in_the_clear_is_refused() -> Result {
    for (url, env, says) in [
        ("http://hooks.example/s3cret", "", "only `https://` leaves this machine"),
        ("hooks.example/s3cret", "", "`https://` URL"),
        ("https://user:s3cret@hooks.example/", "", "a user or a password"),
        ("env:HOOK_URL", "http://hooks.example/s3cret", "only `https://` leaves this machine"),
        ("env:HOOK_URL", "s3cret-and-nothing-else", "this is no `https://` URL"),
    ] {
        let mut world = with_webhooks(vec![webhook(url)])?;
        world.env("HOOK_URL", env);
        let refused = world.run(&["approvals", "list"]).await?;
        assert_eq!(refused.code, Some(2), "{url}: {}", refused.stderr);
        assert!(refused.stderr.contains(says) && !refused.stderr.contains("s3cret"), "{}", refused.stderr);
    }
    let mut hook = webhook("https://hooks.example/s3cret");
    let shown = with_webhooks(vec![hook.clone()])?.run(&["config"]).await?;
    assert!(shown.stdout.contains("https://hooks.example/…") && !shown.stdout.contains("s3cret"), "{}", shown.stdout);
    hook.insert("secret".to_owned(), "env:HOOK_SECRET".into());
    let mut world: World = with_webhooks(vec![hook])?;
    let refused = world.env("HOOK_SECRET", "s3cret-but-no-key").run(&["approvals", "list"]).await?;
    assert!(refused.code == Some(2) && refused.stderr.contains("whsec_"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("s3cret"), "{}", refused.stderr);
    Ok(())
}

/// Whoever asks has people sent to their own page, if they have one: a stdio gateway beside them that holds the lock serves
/// another, which nobody elsewhere can reach.
#[tokio::test]
async fn people_are_sent_to_the_page_of_the_gateway_that_asks() -> Result {
    let mut receiver = Receiver::start([]).await?;
    let mut world = with_webhooks(vec![webhook(&receiver.url)])?;
    world.set("confirm.page", true).set("confirm.page_port", 0).set("confirm.page_url", "https://gate.example");
    let beside = world.stdio(Era::Modern, Person::absent()).await?;
    let local = until("the page", || Ok(mollyguard_record::state::where_page_is(&world.state()))).await?;
    let served = world.serve().await?;
    let agent = served.agent(Era::Modern, Person::absent()).await?;
    for (asks, page, name) in [(&agent, "https://gate.example", "bookings"), (&beside, local.as_str(), "vehicles")] {
        let reply = asks.call(PURGE, table("fleet", name)).await?;
        let id = reply.refused("confirmation_required").structured()["confirmation"]["id"].clone();
        let expected = format!("{page}/questions/{}", id.as_str().ok_or("an id")?);
        assert_eq!(receiver.next().await?.body()?["page"], expected);
    }
    assert_eq!(
        mollyguard_record::state::where_page_is(&world.state()),
        Some(local),
        "the other one holds it all the time"
    );
    drop(agent);
    assert!(served.terminate().await?.success() && beside.close().await?.success());
    Ok(())
}
