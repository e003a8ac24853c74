//! Clients that cannot ask: the question waits for a person at a terminal.

use std::process::Stdio;

use mollyguard_tests::{Era, Person, Result, World, mollyguard, within};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{PURGE, Setup, WRITE, Way, bookings, visit};

/// Runs a command at a terminal of its own and types a line each time it asks: the first for the answer, then the code.
pub(crate) const TERMINAL: &str = r#"
import os, pty, sys
typed, argv = sys.argv[1].split("\x1f"), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(argv[0], argv)
shown, told = b"", 0
while True:
    try:
        chunk = os.read(terminal, 4096)
    except OSError:
        break
    if not chunk:
        break
    shown += chunk
    if typed and any(asks in shown[told:] for asks in (b"decline: ", b"your code: ")):
        told = len(shown)
        os.write(terminal, typed.pop(0).encode() + b"\n")
sys.stdout.write(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

/// `mollyguard approvals approve` at a terminal where this is typed: its exit code and what was shown.
async fn at_a_terminal(world: &World, id: &str, typed: &str) -> Result<(Option<i32>, String)> {
    terminal(world, &["approvals", "approve", id], typed).await
}

/// A command at a terminal where this is typed when it asks: its exit code and what was shown.
pub(crate) async fn terminal(world: &World, args: &[&str], typed: &str) -> Result<(Option<i32>, String)> {
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL, typed]).arg(mollyguard()?).arg("--config").arg(world.config()?);
    command.args(args).env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
    let output = within("an answer at a terminal", command.output()).await??;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.code(), shown + &String::from_utf8_lossy(&output.stderr)))
}

/// The clients that cannot be asked with a form: none can, or only pages.
async fn for_each_that_cannot_ask(test: impl AsyncFn(&Setup) -> Result) -> Result {
    for capabilities in [json!({}), json!({"elicitation": {"url": {}}})] {
        super::everywhere(|| Person::absent().with_capabilities(capabilities.clone()), &test).await?;
    }
    Ok(())
}

impl Setup {
    /// Makes a call that a person must confirm; the confirmation's id.
    async fn pending(&self, tool: &str, args: Value) -> Result<String> {
        let reply = self.agent.call(tool, args).await?;
        let pending = &reply.refused("confirmation_required").structured()["confirmation"];
        Ok(pending["id"].as_str().ok_or("a pending question has an id")?.to_owned())
    }

    /// What the gateway says became of a confirmation.
    async fn standing(&self, id: &str) -> Result<Value> {
        let reply = self.agent.call("confirmation_status", json!({"confirmation_id": id})).await?;
        Ok(reply.done()["state"].clone())
    }
}

#[tokio::test]
async fn a_question_nobody_can_be_asked_waits_and_can_be_denied() -> Result {
    for_each_that_cannot_ask(async |setup| {
        let before = setup.world.dump("fleet")?;
        let id = setup.pending(PURGE, bookings()).await?;
        assert_eq!(setup.pending(PURGE, bookings()).await?, id, "the same call waits for the same answer");
        assert_eq!(setup.standing(&id).await?, "open");
        let listed = setup.world.run(&["approvals", "list", "--json"]).await?;
        let listed: Value = serde_json::from_str(&listed.stdout)?;
        assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &json!(id)));

        let denied = setup.world.run(&["approvals", "deny", &id]).await?;
        assert_eq!(denied.code, Some(0), "{}", denied.stderr);
        assert_eq!(setup.standing(&id).await?, "refused");
        assert_ne!(setup.pending(PURGE, bookings()).await?, id, "where a no holds for no time, it is asked anew");
        assert_eq!(setup.world.run(&["approvals", "deny", &id]).await?.code, Some(1), "it was answered");
        assert_eq!(setup.world.dump("fleet")?, before);
        assert_eq!(setup.events(PURGE).await?, ["asked", "answered", "asked"]);
        assert!(setup.agent.asked().is_empty(), "never asked in a way the client did not declare");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nothing_is_approved_without_a_terminal() -> Result {
    let setup = Setup::new(Era::Modern, Way::Stdio, Person::absent()).await?;
    let id = setup.pending(PURGE, bookings()).await?;
    let refused = setup.world.run(&["approvals", "approve", &id]).await?;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("terminal"), "{}", refused.stderr);
    // Neither does the name on standard input do, nor a flag.
    let mut piped = setup.world.command(&["approvals", "approve", &id])?.stdin(Stdio::piped()).spawn()?;
    let mut stdin = piped.stdin.take().ok_or("no standard input")?;
    let _ = tokio::io::AsyncWriteExt::write_all(&mut stdin, b"bookings\n").await;
    drop(stdin);
    assert_eq!(within("a refusal", piped.wait()).await??.code(), Some(2));
    for flag in ["--yes", "--force"] {
        assert_eq!(setup.world.run(&["approvals", "approve", &id, flag]).await?.code, Some(2));
    }
    assert_eq!(setup.standing(&id).await?, "open");
    assert_eq!(setup.pending(PURGE, bookings()).await?, id);
    assert_eq!(setup.world.rows("fleet", "bookings")?, 12);
    assert_eq!(setup.events(PURGE).await?, ["asked"]);
    Ok(())
}

#[tokio::test]
async fn the_name_typed_at_a_terminal_approves_one_call() -> Result {
    for era in Era::BOTH {
        let setup = Setup::new(era, Way::Http, Person::absent()).await?;
        let wrong = setup.pending(PURGE, bookings()).await?;
        let (code, shown) = at_a_terminal(&setup.world, &wrong, "customers").await?;
        assert_eq!(code, Some(1), "{shown}");
        assert_eq!(setup.standing(&wrong).await?, "open", "they may try again");

        let id = setup.pending(PURGE, bookings()).await?;
        assert_eq!(id, wrong);
        let (code, shown) = at_a_terminal(&setup.world, &id, "bookings").await?;
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains("WHERE") && shown.contains("PRODUCTION") && shown.contains("bookings"), "{shown}");
        assert_eq!(setup.standing(&id).await?, "approved");
        assert_eq!(setup.world.rows("fleet", "bookings")?, 12, "approving runs nothing");
        let reply = setup.agent.call(PURGE, bookings()).await?;
        reply.done();
        assert_eq!(reply.about()["decision"], "confirmed");
        assert!(!setup.world.dump("fleet")?.contains("table bookings:"));
        assert_eq!(setup.standing(&id).await?, "spent");
        let expected = ["asked", "rejected", "answered", "started", "finished"];
        assert_eq!(setup.events(PURGE).await?, expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_yes_from_a_terminal_is_used_once() -> Result {
    let setup = Setup::new(Era::Modern, Way::Stdio, Person::absent()).await?;
    let id = setup.pending(WRITE, visit()).await?;
    assert_eq!(at_a_terminal(&setup.world, &id, "approve").await?.0, Some(0));
    setup.agent.call(WRITE, visit()).await?.done();
    assert_eq!(setup.world.rows("fleet", "visits")?, 1);
    assert_ne!(setup.pending(WRITE, visit()).await?, id, "asked anew");
    assert_eq!(setup.world.rows("fleet", "visits")?, 1);
    Ok(())
}

#[tokio::test]
async fn a_yes_from_a_terminal_is_about_what_was_shown() -> Result {
    let setup = Setup::new(Era::Modern, Way::Stdio, Person::absent()).await?;
    let id = setup.pending(PURGE, bookings()).await?;
    assert_eq!(at_a_terminal(&setup.world, &id, "bookings").await?.0, Some(0));
    setup.world.sql("fleet", "DELETE FROM bookings WHERE id = 12")?;
    setup.agent.call(PURGE, bookings()).await?.refused("target_changed");
    assert_ne!(setup.pending(PURGE, bookings()).await?, id, "the table is not what was shown any more");
    assert_ne!(setup.pending(PURGE, json!({"target": "fleet", "table": "visits"})).await?, id);
    assert_eq!(setup.world.rows("fleet", "bookings")?, 11);
    assert!(!setup.events(PURGE).await?.contains(&"started".to_owned()));
    Ok(())
}
