//! The sockets themselves, as one user: room, what is refused, what is left behind, and what is said at the desk.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use mollyguard_tests::{Agent, Era, Person, Result, World, within};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::ground::Running;

struct Local {
    world: World,
    socket: PathBuf,
    operators: PathBuf,
}

impl Local {
    fn new() -> Result<Self> {
        let mut world = World::rental()?;
        world.set("socket.connections_each", 2);
        let (socket, operators) = (world.path().join("run/agent.sock"), world.path().join("desk/operators.sock"));
        Ok(Self { world, socket, operators })
    }

    fn command(&self) -> Result<Command> {
        let inner = self.world.command(&["serve", "--socket"])?.into_std();
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$; exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
        command.arg(&self.socket).arg("--operators").arg(&self.operators).current_dir(self.world.path());
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped()).kill_on_drop(true);
        Ok(command)
    }

    async fn serve(&self) -> Result<Running> {
        Running::start(self.command()?).await
    }

    async fn agent(&self, person: Person) -> Result<Agent> {
        let mut command = self.world.command(&["connect"])?;
        command.env("MOLLYGUARD_SOCKET", &self.socket);
        Agent::over_stdio(command, Era::Modern, person).await
    }

    /// One line to the desk, and the line that comes back, if one does.
    async fn say(&self, line: &[u8]) -> Result<Option<Value>> {
        let exchange = async {
            let (input, mut output) = UnixStream::connect(&self.operators).await?.into_split();
            // A desk that hangs up in the midst of it says nothing.
            let _sent = output.write_all(line).await;
            let mut reply = String::new();
            match BufReader::new(input).read_line(&mut reply).await {
                Ok(1..) => Ok(Some(serde_json::from_str(&reply)?)),
                _ => Ok(None),
            }
        };
        within("the desk", exchange).await?
    }

    async fn ask(&self, ask: Value) -> Result<Value> {
        let line = format!("{}\n", json!({"version": 1, "ask": ask}));
        Ok(self.say(line.as_bytes()).await?.ok_or("no reply")?["reply"].clone())
    }
}

/// Reads one line of a connection, empty if it ends.
async fn line(stream: UnixStream) -> Result<String> {
    let mut line = String::new();
    within("a line", BufReader::new(stream).read_line(&mut line)).await??;
    Ok(line)
}

#[tokio::test]
async fn one_user_has_room_for_so_many_connections() -> Result {
    let local = Local::new()?;
    let running = local.serve().await?;
    let agent = local.agent(Person::absent()).await?;
    let held = UnixStream::connect(&local.socket).await?;
    let refused: Value = serde_json::from_str(&line(UnixStream::connect(&local.socket).await?).await?)?;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32000)));
    assert!(refused["error"]["message"].as_str().is_some_and(|text| text.contains("too many connections")));
    // The place of one that went is free again, as soon as the gateway has seen it go.
    drop(held);
    let again = async {
        loop {
            if let Ok(agent) = local.agent(Person::absent()).await {
                return agent;
            }
        }
    };
    within("a free place", again).await?.close().await?;
    agent.call("list_calls", json!({})).await?.done();
    agent.close().await?;
    assert!(running.terminate().await?.0.success());
    assert!(!local.socket.exists() && !local.operators.exists());
    Ok(())
}

#[tokio::test]
async fn a_socket_is_made_for_its_folders_group_and_nothing_else_is_replaced() -> Result {
    let local = Local::new()?;
    let running = local.serve().await?;
    let mode = |path: &PathBuf| -> Result<u32> { Ok(fs::symlink_metadata(path)?.mode() & 0o777) };
    assert_eq!(mode(&local.socket)?, 0o660);
    // Both folders have this user's own group: it is not the operators' alone.
    assert_eq!(mode(&local.operators)? & 0o077, 0);
    let second = local.command()?.output().await?;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(2) && said.contains("a gateway listens"), "{said}");
    local.agent(Person::absent()).await?.close().await?;
    running.kill().await?;
    assert!(local.socket.exists(), "a killed gateway leaves its socket");
    assert!(local.serve().await?.terminate().await?.0.success());

    fs::write(&local.socket, "a letter")?;
    let refused = local.command()?.output().await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("left as it is"), "{said}");
    assert_eq!(fs::read_to_string(&local.socket)?, "a letter");
    fs::remove_file(&local.socket)?;

    fs::set_permissions(local.world.path().join("desk"), fs::Permissions::from_mode(0o777))?;
    let refused = local.command()?.output().await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("mode 777"), "{said}");
    assert!(!local.socket.exists() && !local.operators.exists());

    let same = Local { operators: local.socket.with_file_name("operators.sock"), ..local };
    let refused = same.command()?.output().await?;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in the same folder"));
    Ok(())
}

#[tokio::test]
async fn what_is_no_request_gets_nothing_at_the_desk() -> Result {
    let local = Local::new()?;
    let running = local.serve().await?;
    let agent = local.agent(Person::absent()).await?;
    let purge = json!({"target": "fleet", "table": "bookings"});
    let reply = agent.call("sqlite_purge_table", purge.clone()).await?;
    let id = reply.refused("confirmation_required").structured()["confirmation"]["id"].clone();
    let typed = |version: u32, more: &str| {
        let id = id.as_str().unwrap_or_default();
        let given = r#"{"approve":{"typed":"bookings"}}"#;
        format!(
            "{{\"version\":{version},\"ask\":{{\"answer\":{{\"confirmation\":\"{id}\",\"given\":{given}}}}}{more}}}\n"
        )
    };
    let long = format!("{{\"version\":1,\"ask\":{{\"list\":{{}}}},\"x\":\"{}\"}}\n", "x".repeat(70_000));
    for forged in [
        typed(2, ""),
        typed(0, ""),
        typed(1, ",\"as\":\"root\""),
        typed(1, ",\"assurance\":\"passkey\""),
        typed(1, "").trim_end().replace("}}}}", "}}}") + "\n",
        "approve everything\n".to_owned(),
        "\n".to_owned(),
        long,
    ] {
        if let Some(reply) = local.say(forged.as_bytes()).await? {
            assert!(reply["reply"]["refused"]["reason"].is_string(), "{forged}: {reply}");
        }
    }
    let shown = local.ask(json!({"show": {"confirmation": id}})).await?;
    assert_eq!(shown["shown"]["standing"]["state"], "open", "nobody answered: {shown}");
    let unknown = local.ask(json!({"show": {"confirmation": "01990000-0000-7000-8000-000000000000"}})).await?;
    assert!(unknown["refused"]["reason"].as_str().is_some_and(|text| text.contains("there is no confirmation")));

    // What is not the name closes the question; so does nobody's answer.
    let answer = json!({"answer": {"confirmation": id, "given": {"approve": {"typed": "Bookings"}}}});
    let refused = local.ask(answer).await?;
    assert!(refused["refused"]["reason"].as_str().is_some_and(|text| text.contains("not approved")), "{refused}");
    let reply = agent.call("sqlite_purge_table", purge.clone()).await?;
    let id = reply.refused("confirmation_required").structured()["confirmation"]["id"].clone();
    let answer = json!({"answer": {"confirmation": id, "given": {"approve": {"typed": "bookings"}}}});
    let answered = local.ask(answer.clone()).await?;
    assert_eq!(answered["answered"]["assurance"], "typed");
    let twice = local.ask(answer).await?;
    assert!(twice["refused"].is_object(), "{twice}");
    assert_eq!(local.world.rows("fleet", "bookings")?, 12);
    agent.call("sqlite_purge_table", purge).await?.done();
    assert!(local.world.rows("fleet", "bookings").is_err());
    agent.close().await?;
    assert!(running.terminate().await?.0.success());
    crate::behind::sound(&local.world).await
}
