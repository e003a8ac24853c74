//! The gateway as a user of its own: an agent's user can call it, and can do nothing else to it.

mod code;
mod files;
mod ground;
mod local;

use std::fs;

use mollyguard_tests::{Era, Person, Result, until, within};
use serde_json::{Value, json};

use crate::asking::absent::TERMINAL;
use ground::{OPERATOR, Ran};

pub(crate) use ground::{AGENT, GATEWAY, Ground, OTHER, Running, STRANGER, User};

const COUNT: &str = "SELECT count(*) FROM bookings";

fn purge() -> Value {
    json!({"target": "fleet", "table": "bookings"})
}

#[tokio::test]
async fn a_call_is_made_for_the_user_at_the_other_end() -> Result {
    let ground = Ground::new().await?;
    let running = ground.serve().await?;
    for era in Era::BOTH {
        let agent = ground.agent(AGENT, era, Person::types("approve")).await?;
        let reply = agent.call("sqlite_query", json!({"target": "fleet", "sql": COUNT})).await?;
        assert_eq!(reply.done()["rows"], json!([[12]]));
        // Another user has no such role, whatever they call themselves.
        let other = ground.agent(OTHER, era, Person::absent()).await?;
        let reply = other.call("sqlite_query", json!({"target": "fleet", "sql": COUNT})).await?;
        reply.refused("denied");
        // The form is answered in the agent's client, and the answer is that user's.
        let change = json!({"target": "fleet", "sql": "UPDATE bookings SET vehicle = 1 WHERE id = 1"});
        agent.call("sqlite_write", change).await?.done();
        assert_eq!(other.call("list_calls", json!({})).await?.done()["calls"], json!([]));
        other.close().await?;
        assert!(agent.close().await?.success());
    }
    let calls: Value = serde_json::from_str(&ground.kept(&["calls", "list", "--json"]).await?)?;
    let calls = calls.as_array().ok_or("a list")?;
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!((&call["principal"]["user"], &call["principal"]["roles"]), (&json!("games"), &json!(["developer"])));
    }
    ground.kept(&["audit", "verify"]).await?;
    let (status, wrote) = running.terminate().await?;
    assert!(status.success(), "{wrote}");
    for socket in [ground.socket(), ground.operators()] {
        let gone = ground.run(GATEWAY, "test", &["!", "-e", &socket.display().to_string()]).await?;
        assert_eq!(gone.code, Some(0), "`{}` is gone", socket.display());
    }
    Ok(())
}

/// What `connect` says where it cannot.
#[tokio::test]
async fn connecting_says_what_is_wrong() -> Result {
    let ground = Ground::new().await?;
    let (socket, operators) = (ground.socket().display().to_string(), ground.operators().display().to_string());
    let connect = async |user: User, words: &[&str]| -> Result {
        let ran = ground.run_mollyguard(user, &["connect", "--socket", &socket]).await?;
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        for word in words.iter().chain(&[socket.as_str()]) {
            assert!(ran.err.contains(word), "`{word}` should be in: {}", ran.err);
        }
        Ok(())
    };
    connect(AGENT, &["there is no socket", "is the gateway running"]).await?;
    let running = ground.serve().await?;
    connect(STRANGER, &["may not open", "mollyguard-agents"]).await?;
    connect(OPERATOR, &["may not open"]).await?;
    running.kill().await?;
    connect(AGENT, &["nobody listens", "not running"]).await?;
    let listed = ground.run_mollyguard(OPERATOR, &["approvals", "--operators", &operators, "list"]).await?;
    assert_eq!(listed.code, Some(2), "{listed:?}");
    assert!(listed.err.contains("no gateway listens"), "{listed:?}");
    // What a killed gateway left behind is in nobody's way.
    let running = ground.serve().await?;
    let agent = ground.agent(AGENT, Era::Modern, Person::absent()).await?;
    // A client whose gateway goes is told, and does not hang.
    running.kill().await?;
    let told = agent.stderr();
    until("the word that the gateway went", || Ok(told.contains("closed the connection").then_some(()))).await?;
    assert_eq!(agent.close().await?.code(), Some(1));
    Ok(())
}

#[tokio::test]
async fn the_agents_user_can_neither_read_nor_change_what_the_gateway_keeps() -> Result {
    let ground = Ground::new().await?;
    let running = ground.serve().await?;
    let agent = ground.agent(AGENT, Era::Modern, Person::absent()).await?;
    agent.call("sqlite_query", json!({"target": "fleet", "sql": COUNT})).await?.done();
    let listed =
        ground.run(GATEWAY, "find", &[&ground.path().join("state").display().to_string(), "-type", "f"]).await?;
    let mut kept: Vec<String> = listed.out.lines().map(str::to_owned).collect();
    assert!(kept.len() >= 5, "database, log, keys and locks: {kept:?}");
    let more = ["etc/mollyguard.toml", "etc/policies/own.cedar", "etc/secret", "data/fleet.db"];
    kept.extend(more.map(|path| ground.path().join(path).display().to_string()));
    for path in &kept {
        let read = ground.run(GATEWAY, "head", &["-c", "1", path]).await?;
        assert_eq!(read.code, Some(0), "the gateway itself reads it: {read:?}");
        for user in [AGENT, OPERATOR, STRANGER] {
            for attempt in ["cat \"$0\"", "echo >>\"$0\"", "rm -f \"$0\"", "mv \"$0\" \"$0.gone\"", ": >\"$0.new\""] {
                let ran = ground.run(user, "sh", &["-c", attempt, path]).await?;
                assert_ne!(ran.code, Some(0), "{}: {attempt} {path}: {ran:?}", user.name);
                assert!(ran.err.contains("Permission denied"), "{}: {attempt} {path}: {ran:?}", user.name);
            }
        }
        let still = ground.run(GATEWAY, "test", &["-e", path]).await?;
        assert_eq!(still.code, Some(0), "{path}");
    }
    // The sockets are not the agent's either: it may connect to one, and cannot put another in its place.
    for path in [ground.socket(), ground.operators()] {
        let path = path.display().to_string();
        for attempt in ["rm -f \"$0\"", "mv \"$0\" \"$0.gone\"", "chmod 777 \"$0\"", ": >\"$0.new\""] {
            let ran = ground.run(AGENT, "sh", &["-c", attempt, &path]).await?;
            assert_ne!(ran.code, Some(0), "{attempt} {path}: {ran:?}");
        }
    }
    agent.call("sqlite_query", json!({"target": "fleet", "sql": COUNT})).await?.done();
    agent.close().await?;
    assert!(running.terminate().await?.0.success());
    Ok(())
}

#[tokio::test]
async fn the_agents_user_cannot_touch_the_gateways_process() -> Result {
    let ground = Ground::new().await?;
    let running = ground.serve().await?;
    let (source, probe) = (ground.path().join("probe.c"), ground.path().join("probe"));
    fs::write(&source, include_str!("probe.c"))?;
    let built = std::process::Command::new("cc").arg("-o").arg(&probe).arg(&source).output()?;
    assert!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
    let (probe, operators) = (probe.display().to_string(), ground.operators().display().to_string());
    let errors = async |user: User, pid: u32, socket: &str| -> Result<Vec<(String, i32)>> {
        let ran = ground.run(user, &probe, &[&pid.to_string(), socket]).await?;
        let lines = ran.out.lines().filter_map(|line| line.split_once(' '));
        let errors: Vec<_> = lines.filter_map(|(name, error)| Some((name.to_owned(), error.parse().ok()?))).collect();
        assert_eq!(errors.len(), 9, "{ran:?}");
        Ok(errors)
    };
    for (name, error) in errors(AGENT, running.pid, &operators).await? {
        // EPERM, or EACCES.
        assert!([1, 13].contains(&error), "{name} as the agent's user: error {error}");
    }
    // Even as the gateway's own user its memory is closed, since it is not dumpable.
    for (name, error) in errors(GATEWAY, running.pid, &operators).await? {
        let closed = ["environ", "mem", "maps", "fd", "vm-read", "ptrace"].contains(&name.as_str());
        assert_eq!(closed, [1, 13].contains(&error), "{name} as the gateway's own user: error {error}");
    }
    // The probe finds what there is to find: a process of the agent's own, and a socket it may open.
    let mut own = ground.command(AGENT, "sh");
    let mut own = own.args(["-c", "echo $$; exec sleep 600"]).spawn()?;
    let mut pid = tokio::io::BufReader::new(own.stdout.take().ok_or("no standard output")?);
    let mut line = String::new();
    within("a process id", tokio::io::AsyncBufReadExt::read_line(&mut pid, &mut line)).await??;
    let pid = line.trim().parse()?;
    // Yama lets nobody attach to what is no child of theirs.
    let has_yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|scope| scope.trim() != "0");
    for (name, error) in errors(AGENT, pid, &ground.socket().display().to_string()).await? {
        let by_ptrace = ["mem", "vm-read", "ptrace"].contains(&name.as_str());
        // Address 0 is not mapped (EFAULT, EIO): it may look there all the same.
        assert!([0, 5, 14].contains(&error) || by_ptrace && has_yama, "{name} of its own process: error {error}");
    }
    let killed = ground.run(AGENT, "kill", &["-KILL", &pid.to_string()]).await?;
    assert_eq!(killed.code, Some(0), "{killed:?}");
    within("the end of a killed process", own.wait()).await??;
    // The gateway is none the worse for it.
    let agent = ground.agent(AGENT, Era::Modern, Person::absent()).await?;
    agent.call("sqlite_query", json!({"target": "fleet", "sql": COUNT})).await?.done();
    agent.close().await?;
    assert!(running.terminate().await?.0.success());
    Ok(())
}

#[tokio::test]
async fn an_operator_answers_and_the_agent_cannot() -> Result {
    let ground = Ground::new().await?;
    let running = ground.serve().await?;
    let operators = ground.operators().display().to_string();
    let agent = ground.agent(AGENT, Era::Modern, Person::absent()).await?;
    let pending = async || -> Result<String> {
        let reply = agent.call("sqlite_purge_table", purge()).await?;
        let id = &reply.refused("confirmation_required").structured()["confirmation"]["id"];
        Ok(id.as_str().ok_or("a pending question has an id")?.to_owned())
    };
    let at_desk = async |user: User, args: &[&str]| -> Result<Ran> {
        ground.run_mollyguard(user, &[&["approvals", "--operators", &operators], args].concat()).await
    };
    let id = pending().await?;
    for user in [AGENT, OTHER, STRANGER] {
        for args in [&["list"][..], &["show", &id], &["deny", &id]] {
            let ran = at_desk(user, args).await?;
            assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
            assert!(ran.err.contains("may not open") && ran.err.contains("mollyguard-operators"), "{ran:?}");
        }
    }
    assert_eq!(pending().await?, id, "nobody answered");
    let listed: Value = serde_json::from_str(&at_desk(OPERATOR, &["list", "--json"]).await?.out)?;
    assert_eq!((&listed[0]["id"], &listed[0]["principal"]["user"]), (&json!(id), &json!("games")));
    let shown = at_desk(OPERATOR, &["show", &id]).await?;
    assert!(shown.err.contains("bookings") && shown.out.starts_with("open until"), "{shown:?}");

    // A no, and then the same call is asked about anew.
    assert_eq!(at_desk(OPERATOR, &["deny", &id]).await?.code, Some(0));
    assert_eq!(at_desk(OPERATOR, &["deny", &id]).await?.code, Some(1));
    let id = pending().await?;
    assert_eq!(ground.bookings().await?, Some(12), "nothing ran");

    // A yes is typed at a terminal; what is not the name is none.
    let refused = at_desk(OPERATOR, &["approve", &id]).await?;
    assert!(refused.code == Some(2) && refused.err.contains("terminal"), "{refused:?}");
    let (code, shown) = typed_at_desk(&ground, &id, "bookings").await?;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Approved by man (typed)."), "{shown}");
    agent.call("sqlite_purge_table", purge()).await?.done();
    assert_eq!(ground.bookings().await?, None, "it ran");
    agent.close().await?;

    let exported = ground.kept(&["audit", "export"]).await?;
    let records = exported.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let answered: Vec<Value> = records.filter(|record| record.to_string().contains("\"answered\"")).collect();
    assert_eq!(answered.len(), 2, "{exported}");
    for record in answered {
        let text = record.to_string();
        assert!(text.contains("\"channel\":\"desk\"") && text.contains("\"by\":\"man\""), "{text}");
    }
    assert!(running.terminate().await?.0.success());
    Ok(())
}

/// `approvals approve` as the operator, at a terminal where this is typed.
async fn typed_at_desk(ground: &Ground, id: &str, typed: &str) -> Result<(Option<i32>, String)> {
    let operators = ground.operators().display().to_string();
    at_a_terminal(ground, OPERATOR, &["approvals", "approve", id, "--operators", &operators], typed).await
}

/// A command as this user, at a terminal of their own where this is typed when it asks: its exit code and what was shown.
pub(crate) async fn at_a_terminal(
    ground: &Ground,
    user: User,
    args: &[&str],
    typed: &str,
) -> Result<(Option<i32>, String)> {
    let inner = ground.mollyguard(user, args).into_std();
    // The terminal is made by whoever runs the test, and inherited.
    let program = String::from_utf8(
        std::process::Command::new("sh").args(["-c", "command -v \"$0\""]).arg(inner.get_program()).output()?.stdout,
    )?;
    let mut command = tokio::process::Command::new("python3");
    command.args(["-c", TERMINAL, typed, program.trim()]).args(inner.get_args());
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = within("an answer at a terminal", command.output()).await??;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.code(), shown + &String::from_utf8_lossy(&output.stderr)))
}
