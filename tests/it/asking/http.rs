//! HTTP: who is let in, from where, with how much.

use std::sync::Arc;

use mollyguard_tests::{Era, Person, Raw, Result, Served, http};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::replays::for_two;
use super::{PURGE, WRITE, assert_sound, counting, events};

type Headers<'a> = Vec<(&'a str, &'a str)>;

/// The headers of a call of revision 2026-07-28.
fn modern<'a>(tool: &'a str, more: &[(&'a str, &'a str)]) -> Headers<'a> {
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", tool),
    ];
    headers.extend(more);
    headers
}

fn call(tool: &str, args: &Value) -> String {
    let params = json!({"name": tool, "arguments": args, "_meta": Raw::meta()});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

/// A change in development, which nobody is asked about: if it is let in, it runs.
fn change() -> Value {
    json!({"target": "fleet_dev", "sql": "DELETE FROM bookings WHERE id = 1"})
}

async fn post(served: &Served, more: &[(&str, &str)]) -> Result<mollyguard_tests::RawResponse> {
    http("POST", served.url(), &modern(WRITE, more), &call(WRITE, &change())).await
}

#[tokio::test]
async fn nobody_is_let_in_without_a_token() -> Result {
    let world = for_two()?;
    let served = world.serve().await?;
    let wrong = [
        "Bearer nobodys-token",
        "Bearer anna-toke",
        "Bearer anna-token2",
        "Bearer ",
        "Basic anna-token",
        "anna-token",
        "Bearer Anna-token",
    ];
    let none = post(&served, &[]).await?;
    assert_eq!(none.status, 401);
    assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"mollyguard\""));
    for token in wrong {
        let refused = post(&served, &[("Authorization", token)]).await?;
        assert_eq!(refused.status, 401, "{token}");
        assert!(refused.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")));
    }
    let twice = [("Authorization", "Bearer nobodys-token"), ("Authorization", "Bearer anna-token")];
    assert_eq!(post(&served, &twice).await?.status, 401);
    assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
    assert_eq!(events(&world, WRITE).await?, [""; 0]);
    let let_in = post(&served, &[("Authorization", "Bearer anna-token")]).await?;
    assert_eq!((let_in.status, world.rows("fleet_dev", "bookings")?), (200, 11));
    let leaked = served.stderr().contains("anna-token") || served.stdout().contains("anna-token");
    assert!(!leaked, "no token is logged");
    Ok(())
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_call() -> Result {
    let world = counting()?;
    let served = world.serve().await?;
    for header in [
        ("Host", "evil.example"),
        ("Host", "127.0.0.1.evil.example"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let status = post(&served, &[header]).await?.status;
        assert!((400..500).contains(&status), "{header:?}: {status}");
        assert_eq!(world.rows("fleet_dev", "bookings")?, 12, "{header:?}");
    }
    assert_eq!(post(&served, &[]).await?.status, 200);
    assert_eq!(world.rows("fleet_dev", "bookings")?, 11);
    Ok(())
}

#[tokio::test]
async fn beyond_loopback_it_does_not_listen_without_tokens() -> Result {
    let world = counting()?;
    for address in ["0.0.0.0:0", "[::]:0"] {
        let ended = world.run(&["serve", "--http", address]).await?;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("without tokens"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("listens"), "{}", ended.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn a_session_is_only_for_whom_opened_it() -> Result {
    let world = for_two()?;
    let served = world.serve().await?;
    let common = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];
    let anna = [common.as_slice(), &[("Authorization", "Bearer anna-token")]].concat();
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}});
    let opening = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string();
    let opened = http("POST", served.url(), &anna, &opening).await?;
    let session = opened.header("mcp-session-id").ok_or("no session")?;
    let of_session = [("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25")];
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    assert_eq!(http("POST", served.url(), &[anna.as_slice(), &of_session].concat(), &initialized).await?.status, 202);

    let params = json!({"name": WRITE, "arguments": change()});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let ben = [common.as_slice(), &[("Authorization", "Bearer ben-token")], &of_session].concat();
    for method in ["POST", "DELETE"] {
        assert_eq!(http(method, served.url(), &ben, &body).await?.status, 404, "{method}");
    }
    let made_up = [anna.as_slice(), &[("Mcp-Session-Id", "made-up")]].concat();
    assert_eq!(http("POST", served.url(), &made_up, &body).await?.status, 404);
    assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
    let hers = http("POST", served.url(), &[anna.as_slice(), &of_session].concat(), &body).await?;
    assert_eq!((hers.status, world.rows("fleet_dev", "bookings")?), (200, 11), "his DELETE closed nothing");
    Ok(())
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_health_is_told() -> Result {
    let mut world = counting()?;
    world.set("http.body_bytes", 4096);
    let served = world.serve().await?;
    let args = json!({"target": "fleet_dev", "sql": "DELETE FROM bookings", "padding": "x".repeat(5000)});
    let refused = http("POST", served.url(), &modern(WRITE, &[]), &call(WRITE, &args)).await?;
    assert_eq!(refused.status, 413);
    assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
    let health = http("GET", &served.url().replace("/mcp", "/healthz"), &[], "").await?;
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    Ok(())
}

/// What the headers say must be what the body says: whoever filters by headers filters what runs.
#[tokio::test]
async fn headers_that_name_another_tool_are_refused() -> Result {
    let world = counting()?;
    let served = world.serve().await?;
    let refused = http("POST", served.url(), &modern("sqlite_query", &[]), &call(WRITE, &change())).await?;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
    Ok(())
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered_and_all_written_down() -> Result {
    for era in Era::BOTH {
        let world = counting()?;
        world.sql("fleet_dev", "CREATE TABLE visits (id INTEGER PRIMARY KEY, at TEXT)")?;
        let served = world.serve().await?;
        let mut calls = JoinSet::new();
        for _ in 0..4 {
            let agent = Arc::new(served.agent(era, Person::declines()).await?);
            for _ in 0..4 {
                let agent = Arc::clone(&agent);
                calls.spawn(async move {
                    let insert = json!({"target": "fleet_dev", "sql": "INSERT INTO visits (at) VALUES ('now')"});
                    let wrote = agent.call(WRITE, insert).await?;
                    let purge = json!({"target": "fleet", "table": "bookings"});
                    // Where another call of these has it shown, this one is told what waits.
                    let refused = agent.call(PURGE, purge).await?;
                    let code = refused.structured()["reason_code"].clone();
                    let codes = ["confirmation_declined", "confirmation_required"].map(serde_json::Value::from);
                    assert!(codes.contains(&code), "{}", refused.text());
                    Result::Ok((wrote, code == codes[0]))
                });
            }
        }
        let (mut done, mut declined) = (0, 0);
        while let Some(reply) = calls.join_next().await {
            let (reply, is_declined) = reply??;
            declined += usize::from(is_declined);
            match reply.is_done() {
                true => done += 1,
                // Another call came between its look and its change; it says so, and that nothing changed.
                false => {
                    reply.refused("target_changed");
                }
            }
        }
        assert_eq!(world.rows("fleet_dev", "visits")?, done, "{era:?}");
        assert_eq!(world.rows("fleet", "bookings")?, 12);
        assert!(done > 0 && declined > 0);
        let started = events(&world, WRITE).await?.into_iter().filter(|event| event == "started").count();
        assert!(started as u64 >= done);
        assert_sound(&world).await?;
    }
    Ok(())
}
