//! Clients that cancel, hang up or vanish while a question is open: nothing runs, and the question is written down as
//! closed.

use mollyguard_tests::{Raw, Result, World, http, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PURGE, bookings, events};

fn purge(id: u32) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": PURGE, "arguments": bookings()}})
}

/// The next request or notification of this name.
async fn next_of(raw: &mut Raw, method: &str) -> Result<Value> {
    loop {
        let message = raw.next().await?;
        if message["method"] == method {
            return Ok(message);
        }
    }
}

/// A gateway that has asked an older client about purging the bookings, and the question's id.
async fn asking(world: &World) -> Result<(Raw, Value)> {
    let mut raw = world.raw()?;
    raw.initialize().await?;
    raw.message(&purge(1)).await?;
    let question = next_of(&mut raw, "elicitation/create").await?;
    Ok((raw, question["id"].clone()))
}

fn yes(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept", "content": {"name": "bookings"}}})
}

#[tokio::test]
async fn a_yes_after_the_call_was_cancelled_runs_nothing() -> Result {
    let world = World::rental()?;
    let before = world.dump("fleet")?;
    let (mut raw, question) = asking(&world).await?;
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    raw.message(&cancelled).await?;
    let closed = next_of(&mut raw, "notifications/cancelled").await?;
    assert_eq!(closed["params"]["requestId"], question, "the dialog is closed");
    raw.message(&yes(&question)).await?;
    raw.message(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})).await?;
    raw.response(&json!(2)).await?;
    assert!(raw.close().await?.success());
    assert_eq!(world.dump("fleet")?, before);
    assert_eq!(events(&world, PURGE).await?, ["asked", "answered", "denied"]);
    Ok(())
}

/// Whichever of the two the gateway sees first, at most the call that was not cancelled runs; here the cancellation comes
/// first on the same pipe.
#[tokio::test]
async fn a_yes_right_behind_the_cancellation_runs_nothing() -> Result {
    let world = World::rental()?;
    let (mut raw, question) = asking(&world).await?;
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    raw.send(format!("{cancelled}\n{}\n", yes(&question))).await?;
    assert!(raw.close().await?.success());
    assert_eq!(world.rows("fleet", "bookings")?, 12);
    assert!(!events(&world, PURGE).await?.contains(&"started".to_owned()));
    Ok(())
}

#[tokio::test]
async fn hanging_up_on_a_question_is_a_no_and_the_process_leaves() -> Result {
    let world = World::rental()?;
    let (raw, _) = asking(&world).await?;
    assert!(raw.close().await?.success());
    assert_eq!(world.rows("fleet", "bookings")?, 12);
    assert_eq!(events(&world, PURGE).await?, ["asked", "answered", "denied"]);
    super::assert_sound(&world).await
}

#[tokio::test]
async fn a_kill_while_a_question_is_open_leaves_it_open_and_nothing_done() -> Result {
    let world = World::rental()?;
    let (raw, _) = asking(&world).await?;
    raw.kill().await?;
    assert_eq!(world.rows("fleet", "bookings")?, 12);
    assert_eq!(events(&world, PURGE).await?, ["asked"]);
    super::assert_sound(&world).await
}

#[tokio::test]
async fn a_dropped_http_connection_answers_nothing() -> Result {
    let world = World::rental()?;
    let served = world.serve().await?;
    let accept = ("Accept", "application/json, text/event-stream");
    let json_body = ("Content-Type", "application/json");
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "raw", "version": "0"}});
    let opening = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string();
    let opened = http("POST", served.url(), &[accept, json_body], &opening).await?;
    let session = opened.header("mcp-session-id").ok_or("no session")?.to_owned();
    let headers = [accept, json_body, ("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", "2025-11-25")];
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    http("POST", served.url(), &headers, &initialized).await?;

    let authority = served.url().trim_start_matches("http://").trim_end_matches("/mcp");
    let mut stream = TcpStream::connect(authority).await?;
    let (body, mut head) = (purge(1).to_string(), format!("POST /mcp HTTP/1.1\r\nHost: {authority}\r\n"));
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    let mut seen = Vec::new();
    let question = async {
        while !String::from_utf8_lossy(&seen).contains("elicitation/create") {
            assert_ne!(stream.read_buf(&mut seen).await?, 0, "{}", String::from_utf8_lossy(&seen));
        }
        std::io::Result::Ok(())
    };
    within("the question", question).await??;
    drop(stream);
    assert!(http("DELETE", served.url(), &headers, "").await?.status < 300);
    assert!(served.terminate().await?.success());
    assert_eq!(world.rows("fleet", "bookings")?, 12);
    let events = events(&world, PURGE).await?;
    assert!(!events.contains(&"started".to_owned()), "{events:?}");
    super::assert_sound(&world).await
}
