//! `approvals watch`: at a terminal, and for scripts.

use std::process::{ExitStatus, Stdio};

use mollyguard_tests::{Era, Person, Result, World, mollyguard, within};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{PURGE, table};

/// Runs a command at a terminal of its own: what it shows goes to standard output, what comes is typed.
const TERMINAL: &str = r"
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
typing = True
while True:
    ready, _, _ = select.select([terminal] + [0] * typing, [], [])
    if 0 in ready:
        typed = os.read(0, 64)
        typing = bool(typed)
        os.write(terminal, typed)
    if terminal in ready:
        try:
            shown = os.read(terminal, 4096)
        except OSError:
            break
        if not shown:
            break
        os.write(1, shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

struct Watching {
    child: Child,
    typing: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    seen: String,
}

impl Watching {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let typing = child.stdin.take().ok_or("a standard input")?;
        let lines = BufReader::new(child.stdout.take().ok_or("a standard output")?).lines();
        Ok(Self { child, typing, lines, seen: String::new() })
    }

    /// The next line that has this in it.
    async fn line(&mut self, needle: &str) -> Result<String> {
        loop {
            let line = within(needle, self.lines.next_line()).await??;
            let line = line.ok_or_else(|| format!("it ended without `{needle}`:\n{}", self.seen))?;
            self.seen.push_str(&format!("{line}\n"));
            if line.contains(needle) {
                return Ok(line);
            }
        }
    }

    async fn end(mut self) -> Result<ExitStatus> {
        Ok(within("the end", self.child.wait()).await??)
    }
}

#[tokio::test]
async fn a_terminal_shows_what_waits_as_it_comes_and_goes() -> Result {
    let mut world = World::rental()?;
    world.set("confirm.page", false);
    world.sql("fleet", "CREATE TABLE \"\u{1b}[2J\u{202e}evil\nWHERE: development\" (a)")?;
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL]).arg(mollyguard()?).arg("--config").arg(world.config()?);
    command.args(["approvals", "watch"]).env("NO_COLOR", "1");
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let before = agent.call(PURGE, table("fleet", "bookings")).await?;
    let id = |reply: &mollyguard_tests::Reply| reply.structured()["confirmation"]["id"].as_str().map(str::to_owned);
    let before = id(&before).ok_or("an id")?;

    let mut watching = Watching::start(command)?;
    let shown = watching.line(&before).await?;
    assert!(
        shown.starts_with("\x07waits ") && shown.contains("sqlite_purge_table · for alice · needs typed"),
        "{shown:?}"
    );
    watching.line(&format!("answer with `mollyguard approvals approve {before}`")).await?;

    let evil = agent.call(PURGE, table("fleet", "\u{1b}[2J\u{202e}evil\nWHERE: development")).await?;
    let evil = id(&evil).ok_or("an id")?;
    assert!(watching.line(&evil).await?.starts_with("\x07waits "));
    watching.line(&format!("approve {evil}")).await?;
    assert_eq!(world.run(&["approvals", "deny", &before]).await?.code, Some(0));
    let ended = watching.line(&format!("ended {before}")).await?;
    assert!(ended.contains("declined, by alice"), "{ended:?}");
    let escapes = watching.seen.matches(['\u{1b}', '\u{202e}']).count();
    assert_eq!((watching.seen.matches('\x07').count(), escapes), (2, 0), "{:?}", watching.seen);
    assert_eq!(watching.seen.lines().filter(|line| line.trim_start().starts_with("WHERE: development")).count(), 0);

    watching.typing.write_all(b"\x03").await?;
    assert_eq!(watching.end().await?.code(), Some(0), "an interruption is how it ends");
    Ok(())
}

#[tokio::test]
async fn scripts_read_one_object_a_line() -> Result {
    let mut world = World::rental()?;
    world.set("confirm.page", false).set("confirm.expires_s", 10);
    let mut watching = Watching::start(world.command(&["approvals", "watch", "--json"])?)?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let reply = agent.call(PURGE, table("fleet", "bookings")).await?;
    let id = &reply.refused("confirmation_required").structured()["confirmation"]["id"];
    for event in ["asked", "expired"] {
        let line: Value = serde_json::from_str(&watching.line("").await?)?;
        assert_eq!((line["event"].as_str(), &line["confirmation"]["id"]), (Some(event), id), "{line}");
    }
    assert!(!watching.seen.contains('\x07'));
    let pid = watching.child.id().ok_or("it runs")?;
    std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status()?;
    assert_eq!(watching.end().await?.code(), Some(0));
    assert_eq!(world.rows("fleet", "bookings")?, 12);
    Ok(())
}
