//! Plays the session of every example against the real binary, in a copy of the example's folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use mollyguard_tests::servers::postgres::Cluster;
use mollyguard_tests::{Agent, Era, Person, Result, mollyguard, root, within};
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

/// A `session.toml`: what an agent does, and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    call: Vec<Call>,
    /// It needs a PostgreSQL server.
    postgres: Option<Server>,
}

/// What a session needs of a server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    /// Environment variables of the gateway: URLs with `SERVER` in place of the address.
    urls: BTreeMap<String, String>,
}

/// One call of a session, or the undoing of the one before.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// What this call shows.
    says: String,
    tool: Option<String>,
    #[serde(default)]
    arguments: toml::Table,
    /// Takes back the last call that ran and was no undo.
    #[serde(default)]
    undo: bool,
    /// `done`, or a refusal's reason code.
    expect: String,
    /// What the person types into the question, or `decline`; without it nobody may be asked.
    answer: Option<String>,
    /// Fields of the output.
    #[serde(default)]
    output: toml::Table,
    /// Rows of `target.table`, counted afterwards.
    #[serde(default)]
    rows: BTreeMap<String, u64>,
    /// Whether a file is there afterwards.
    #[serde(default)]
    files: BTreeMap<String, bool>,
}

/// The folders of `examples/`.
fn examples() -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(root().join("examples"))? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

fn session(folder: &Path) -> Result<Session> {
    let path = folder.join("session.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("`{}`: {error}", path.display()).into())
}

#[test]
fn every_example_is_complete() -> Result {
    let examples = examples()?;
    assert!(!examples.is_empty());
    for folder in examples {
        for file in ["README.md", "mollyguard.toml", "session.toml"] {
            assert!(folder.join(file).is_file(), "`{}` needs a `{file}`", folder.display());
        }
        let session = session(&folder)?;
        assert!(!session.call.is_empty(), "`{}` plays nothing", folder.display());
        for call in &session.call {
            let one = call.undo != call.tool.is_some();
            assert!(one && !call.says.is_empty(), "`{}`: a call has a tool or undoes: {call:?}", folder.display());
        }
    }
    Ok(())
}

#[test]
fn a_session_with_a_key_nobody_knows_is_refused() {
    let text = "[[call]]\nsays = \"x\"\ntool = \"t\"\nexpect = \"done\"\nrow = {}\n";
    assert!(toml::from_str::<Session>(text).is_err_and(|error| error.to_string().contains("unknown field `row`")));
}

/// Where an example plays: a copy of its folder, set up, and the server it needs.
struct Stage {
    folder: tempfile::TempDir,
    cluster: Option<Cluster>,
    env: BTreeMap<String, String>,
}

impl Stage {
    async fn set(example: &Path, session: &Session) -> Result<Self> {
        let cluster = session.postgres.as_ref().map(|_| Cluster::start("")).transpose()?;
        let (mut env, mut setup) = (BTreeMap::new(), BTreeMap::new());
        if let (Some(cluster), Some(server)) = (&cluster, &session.postgres) {
            let address = format!("127.0.0.1:{}", cluster.port);
            env = server.urls.iter().map(|(name, url)| (name.clone(), url.replace("SERVER", &address))).collect();
            let path = std::env::var("PATH")?;
            setup.insert("PATH".to_owned(), format!("{}:{path}", cluster.programs.display()));
            setup.insert("PGHOST".to_owned(), "127.0.0.1".to_owned());
            setup.insert("PGPORT".to_owned(), cluster.port.to_string());
            setup.insert("PGUSER".to_owned(), "postgres".to_owned());
        }
        Ok(Self { folder: copy(example, &setup).await?, cluster, env })
    }

    fn command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(mollyguard()?);
        command.arg("--config").arg(self.folder.path().join("mollyguard.toml")).args(args).envs(&self.env);
        // For the example whose service says where the state is.
        command.env("XDG_STATE_HOME", self.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Ok(command)
    }

    /// Counts the rows of `target.table` behind the gateway's back.
    fn rows(&self, place: &str) -> Result<u64> {
        let config: toml::Table = toml::from_str(&fs::read_to_string(self.folder.path().join("mollyguard.toml"))?)?;
        let (target, table) = place.split_once('.').ok_or("`rows` counts `target.table`")?;
        let (target, count) = (&config["targets"][target], format!("SELECT count(*) FROM \"{table}\""));
        if let Some(cluster) = &self.cluster {
            let secret = target["secret"].as_str().and_then(|secret| secret.strip_prefix("env:"));
            let url = secret.and_then(|name| self.env.get(name)).ok_or("a database has a URL")?;
            let database = url.rsplit('/').next().unwrap_or_default();
            return Ok(cluster.sql(database, &count).trim().parse()?);
        }
        let path = target["path"].as_str().ok_or("a database has a path")?;
        let path = self.folder.path().join(path);
        let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let rows: i64 = database.query_row(&count, [], |row| row.get(0))?;
        Ok(u64::try_from(rows)?)
    }
}

/// An example in a temporary folder, set up.
async fn copy(example: &Path, env: &BTreeMap<String, String>) -> Result<tempfile::TempDir> {
    let dir = tempfile::TempDir::with_prefix("mollyguard-example-")?;
    let copied = Command::new("cp").arg("-a").arg(example.join(".")).arg(dir.path()).status().await?;
    assert!(copied.success());
    // What somebody's own run of the example left behind is no part of it.
    for left in ["state", "heads.txt"] {
        let path = dir.path().join(left);
        let _ = fs::remove_dir_all(&path);
        let _ = fs::remove_file(&path);
    }
    let setup = dir.path().join("setup.sh");
    if setup.is_file() {
        let output = within("setup.sh", Command::new(&setup).envs(env).output()).await??;
        assert!(output.status.success(), "{}: {}", setup.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(dir)
}

#[tokio::test]
async fn every_example_plays_as_its_session_says_in_both_eras() -> Result {
    for example in examples()? {
        for era in Era::BOTH {
            let session = session(&example)?;
            let stage = Stage::set(&example, &session).await?;
            play(&session, &stage, era).await?;
            for args in [&["audit", "verify"][..], &["targets", "check"]] {
                let ran = stage.command(args)?.output().await?;
                assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stdout));
            }
        }
    }
    Ok(())
}

async fn play(session: &Session, stage: &Stage, era: Era) -> Result {
    let mut last = String::new();
    for call in &session.call {
        // A process each: what a call needs of the ones before is in the state directory.
        let person = match call.answer.as_deref() {
            Some("decline") | None => Person::declines(),
            Some(typed) => Person::types(typed),
        };
        let agent = Agent::over_stdio(stage.command(&["serve"])?, era, person).await?;
        let (tool, arguments) = match &call.tool {
            Some(tool) => (tool.as_str(), json!(call.arguments)),
            None => ("undo_call", json!({"call_id": last})),
        };
        let reply = agent.call(tool, arguments).await?;
        match call.expect.as_str() {
            "done" => {
                reply.done();
            }
            code => {
                reply.refused(code);
            }
        }
        if reply.is_done() && !call.undo {
            reply.call_id().clone_into(&mut last);
        }
        let (says, asked) = (&call.says, agent.asked().len());
        assert_eq!(asked, usize::from(call.answer.is_some()), "\"{says}\" asked {asked} times");
        for (field, expected) in &call.output {
            assert_eq!(reply.structured()[field], serde_json::to_value(expected)?, "\"{says}\": `{field}`");
        }
        agent.close().await?;
        look(call, stage)?;
    }
    Ok(())
}

/// Looks at databases and files behind the gateway's back.
fn look(call: &Call, stage: &Stage) -> Result {
    for (place, expected) in &call.rows {
        assert_eq!(stage.rows(place)?, *expected, "\"{}\": rows of {place}", call.says);
    }
    for (path, expected) in &call.files {
        assert_eq!(stage.folder.path().join(path).exists(), *expected, "\"{}\": `{path}`", call.says);
    }
    Ok(())
}

/// Only the service has the secrets: what its owner runs beside it needs none.
#[tokio::test]
async fn who_may_answer_is_seen_to_without_the_services_secrets() -> Result {
    let folder = tempfile::TempDir::with_prefix("mollyguard-example-")?;
    let config = folder.path().join("mollyguard.toml");
    fs::copy(root().join("examples/separate-user/mollyguard.toml"), &config)?;
    for (args, code, words) in [
        (&["operator", "list"][..], 0, "Nobody is enrolled."),
        (&["operator", "enroll", "olga"], 2, "the code is shown on a terminal only"),
        (&["calls", "list"], 0, ""),
        (&["doctor"], 1, "An approval here proves at most typed"),
        (&["audit", "verify"], 0, "sound"),
    ] {
        let mut command = Command::new(mollyguard()?);
        command.arg("--config").arg(&config).args(args).env("XDG_STATE_HOME", folder.path());
        let output = command.env_remove("SHOP_URL").env_remove("SHOP_READER_URL").output().await?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    Ok(())
}

/// What a README tells the reader to type works.
#[tokio::test]
async fn the_commands_of_the_quickstart_work() -> Result {
    let folder = copy(&root().join("examples/quickstart"), &BTreeMap::new()).await?;
    let readme = fs::read_to_string(folder.path().join("README.md"))?;
    let commands = readme.lines().filter_map(|line| line.strip_prefix("    mollyguard "));
    let mut ran = 0;
    for line in commands {
        let args: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let output = Command::new(mollyguard()?).args(&args).current_dir(folder.path()).output().await?;
        assert!(output.status.success(), "mollyguard {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        ran += 1;
    }
    assert!(ran > 0);
    Ok(())
}
