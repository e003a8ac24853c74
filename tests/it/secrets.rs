//! A held secret is found nowhere but where the gateway was told to take it from: not in a reply, a question, a log, an
//! error, the state directory or a checkpoint, in none of the forms it could be echoed in.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mollyguard_tests::{Agent, Era, Person, Result, World};
use serde_json::json;

use crate::behind::{self, calls, sound};

/// Where each canary comes from; each has characters that URLs and JSON escape.
const ENV: &str = "cAnary/env+1 \"q\" 7e21f0";
const FILE: &str = "cAnary/file+2 \"q\" 91bb3c";
const COMMAND: &str = "cAnary-command+3:44d0aa";
const ALL: [&str; 3] = [ENV, FILE, COMMAND];

/// The rental firm with the three canaries held, and lying about in what agents read: in rows, in a file, and in the names
/// of a file and of a table.
fn world() -> Result<World> {
    let mut world = World::rental()?;
    let secret = world.path().join("secret.txt");
    fs::write(&secret, format!("{FILE}\n"))?;
    fs::set_permissions(&secret, Permissions::from_mode(0o600))?;
    let references = ["env:CANARY".to_owned(), "file:secret.txt".to_owned(), format!("command:echo {COMMAND}")];
    // The command line of the source is the operator's own; it is in the configuration and nowhere else.
    world.set("redact.secrets", references.to_vec()).set("audit.checkpoint", "heads.txt");
    world.env("CANARY", ENV).env("MOLLYGUARD_LOG", "trace");
    world.sql("fleet", &format!("UPDATE customers SET name = '{ENV}', email = '{FILE}' WHERE id = 1"))?;
    world.sql("fleet_dev", &format!("UPDATE customers SET name = '{ENV}' || '{COMMAND}' WHERE id = 1"))?;
    world.sql("fleet_dev", &format!("CREATE TABLE \"{COMMAND}\" (a TEXT)"))?;
    for folder in ["uploads", "scratch"] {
        fs::write(world.path().join(folder).join("env.txt"), format!("password = {ENV}\n{FILE}\n{COMMAND}\n"))?;
        fs::write(world.path().join(folder).join(COMMAND), "named so")?;
    }
    Ok(world)
}

/// The forms a secret may be echoed in.
fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let url = |space: &str| -> String {
        let escaped = secret.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            b' ' => space.to_owned(),
            other => format!("%{other:02X}"),
        });
        escaped.collect()
    };
    let json = json!(secret).to_string();
    let escaped = json.trim_matches('"').to_owned();
    let mut forms = vec![secret.to_owned(), hex.to_uppercase(), hex, url("%20"), url("+"), escaped];
    for lead in ["", "x", "xx"] {
        let whole = base64(format!("{lead}{secret}").as_bytes());
        // The characters at both ends depend on what stands beside the secret.
        let inner = whole.get(if lead.is_empty() { 0 } else { 4 }..whole.len().saturating_sub(4)).unwrap_or_default();
        forms.extend([inner.to_owned(), inner.replace('+', "-").replace('/', "_")]);
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |n: usize| u32::from(chunk.get(n).copied().unwrap_or_default());
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..=chunk.len() {
            let letter = usize::try_from(word >> (18 - 6 * n) & 63).unwrap_or_default();
            text.push(char::from(LETTERS.get(letter).copied().unwrap_or_default()));
        }
    }
    text
}

/// Asserts that no canary is in these bytes.
#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    for secret in ALL {
        for form in forms(secret) {
            let at = bytes.windows(form.len()).position(|window| window == form.as_bytes());
            let from = at.unwrap_or_default().saturating_sub(300);
            let around = bytes.get(from..bytes.len().min(from + 400)).unwrap_or_default();
            assert!(at.is_none(), "`{form}` is in {what}: …{}…", String::from_utf8_lossy(around));
        }
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(self::files(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

/// Asserts that no canary is in any file the gateway writes.
fn clean_on_disk(world: &World) -> Result {
    let mut written = files(&world.state())?;
    assert!(written.iter().any(|path| path.ends_with("mollyguard.db")), "{written:?}");
    written.push(world.path().join("heads.txt"));
    for path in written.iter().filter(|path| path.exists()) {
        clean(&path.display().to_string(), &fs::read(path)?);
    }
    Ok(())
}

/// Reads of everything, refusals and errors of every kind, questions and previews.
async fn pry(agent: &Agent) -> Result {
    let sql = |sql: &str| json!({"target": "fleet", "sql": sql});
    let purge = json!({"target": "scratch", "path": COMMAND});
    let calls = [
        ("sqlite_query", sql("SELECT * FROM customers")),
        ("sqlite_query", sql("SELECT hex(name), lower(hex(email)), CAST(name AS BLOB) FROM customers")),
        ("sqlite_query", sql(&format!("SELECT * FROM customers WHERE name = '{ENV}'"))),
        ("sqlite_query", sql(&format!("SELECT \"{COMMAND}\" FROM nowhere"))),
        ("sqlite_query", sql(&format!("SELEKT '{COMMAND}'"))),
        ("sqlite_query", sql(&format!("DELETE FROM customers WHERE name = '{COMMAND}'"))),
        ("sqlite_describe", json!({"target": "fleet_dev"})),
        ("sqlite_describe", json!({"target": "fleet_dev", "table": COMMAND})),
        ("sqlite_query", json!({"target": COMMAND, "sql": "SELECT 1"})),
        ("sqlite_query", json!({"target": "fleet", "sql": "SELECT 1", COMMAND: ENV})),
        ("files_list", json!({"target": "scratch"})),
        ("files_read", json!({"target": "scratch", "path": "env.txt"})),
        ("files_read", json!({"target": "scratch", "path": "env.txt", "offset": 3})),
        ("files_read", json!({"target": "scratch", "path": COMMAND})),
        ("files_read", json!({"target": "scratch", "path": format!("no/{COMMAND}")})),
        ("files_delete", json!({"target": "scratch", "path": format!("../{COMMAND}")})),
        ("files_purge", purge.clone()),
        ("files_delete", json!({"target": "uploads", "path": COMMAND})),
        ("sqlite_purge_table", json!({"target": "fleet_dev", "table": COMMAND})),
        ("preview_call", json!({"tool": "files_purge", "arguments": purge})),
        ("preview_call", json!({"tool": "files_read", "arguments": {"target": "scratch", "path": COMMAND}})),
        ("preview_call", json!({"tool": COMMAND, "arguments": {}})),
        ("undo_call", json!({"call_id": COMMAND})),
        ("list_calls", json!({"target": COMMAND})),
    ];
    for (tool, args) in calls {
        let reply = agent.call(tool, args).await?;
        clean(tool, format!("{}{}", reply.raw(), reply.text()).as_bytes());
    }
    let reply = agent.call(COMMAND, json!({})).await?;
    clean("the reply to a tool nobody knows", reply.text().as_bytes());
    for asked in agent.asked() {
        clean("a question", format!("{}{}{:?}", asked.message, asked.schema, asked.url).as_bytes());
    }
    Ok(())
}

#[tokio::test]
async fn no_canary_leaves_over_stdio() -> Result {
    let world = world()?;
    for era in Era::BOTH {
        let agent = world.stdio(era, Person::declines()).await?;
        let seen = agent.call("files_read", json!({"target": "scratch", "path": "env.txt"})).await?;
        assert!(seen.text().contains("[redacted]"), "what is read is redacted: {}", seen.text());
        pry(&agent).await?;
        assert_eq!(agent.asked().len(), 3, "{:?}", agent.asked());
        let (stdout, stderr) = (agent.stdout(), agent.stderr());
        agent.close().await?;
        clean("standard output", stdout.text().as_bytes());
        assert!(stderr.contains("TRACE") || stderr.contains("DEBUG"), "it logs everything: {}", stderr.text());
        clean("standard error", stderr.text().as_bytes());
    }
    assert!(calls(&world)?.is_empty(), "nothing was to be changed");
    clean_on_disk(&world)?;
    sound(&world).await
}

#[tokio::test]
async fn no_canary_leaves_over_http() -> Result {
    let world = world()?;
    let served = world.serve().await?;
    for era in Era::BOTH {
        let agent = served.agent(era, Person::declines()).await?;
        pry(&agent).await?;
    }
    let (stdout, stderr) = (served.stdout().clone(), served.stderr().clone());
    assert!(served.terminate().await?.success());
    clean("standard output", stdout.text().as_bytes());
    clean("standard error", stderr.text().as_bytes());
    assert!(calls(&world)?.is_empty(), "nothing was to be changed");
    clean_on_disk(&world)?;
    sound(&world).await
}

/// What is kept for undoing is data of the target, and may hold what the target holds. Everything else may not.
#[tokio::test]
async fn records_and_replies_stay_clean_where_the_data_itself_is_changed() -> Result {
    let world = world()?;
    let agent = world.stdio(Era::Legacy, Person::types("approve")).await?;
    let before = (world.dump("fleet_dev")?, fs::read(world.path().join("scratch/env.txt"))?);
    let changes = [
        ("sqlite_write", json!({"target": "fleet_dev", "sql": "UPDATE customers SET name = 'Ada' WHERE id = 1"})),
        (
            "sqlite_write",
            json!({"target": "fleet_dev", "sql": format!("UPDATE customers SET email = '{COMMAND}'||id")}),
        ),
        ("sqlite_drop_table", json!({"target": "fleet_dev", "table": COMMAND})),
        ("files_write", json!({"target": "scratch", "path": "env.txt", "content": format!("now {COMMAND}")})),
        ("files_delete", json!({"target": "scratch", "path": COMMAND})),
        ("files_delete", json!({"target": "uploads", "path": "env.txt"})),
    ];
    let mut done = Vec::new();
    for (tool, args) in &changes {
        let reply = agent.call(tool, args.clone()).await?;
        reply.done();
        clean(tool, reply.raw().to_string().as_bytes());
        done.push(reply.call_id().to_owned());
    }
    assert_eq!(agent.asked().len(), 1);
    let listed = agent.call("list_calls", json!({})).await?;
    clean("list_calls", listed.raw().to_string().as_bytes());
    for id in done.iter().rev() {
        for command in ["show", "list"] {
            let args: &[&str] = if command == "show" { &["calls", command, id] } else { &["calls", command] };
            let printed = world.run(&[args, &["--json"]].concat()).await?;
            assert_eq!(printed.code, Some(0), "{}", printed.stderr);
            clean(&format!("calls {command} --json"), printed.stdout.as_bytes());
            let printed = world.run(args).await?;
            clean(&format!("calls {command}"), format!("{}{}", printed.stdout, printed.stderr).as_bytes());
        }
        let undone = agent.call("undo_call", json!({"call_id": id})).await?;
        undone.done();
        clean("undo_call", undone.raw().to_string().as_bytes());
    }
    let after = (world.dump("fleet_dev")?, fs::read(world.path().join("scratch/env.txt"))?);
    assert!(before == after, "undoing puts back the secrets as they were, not what stands for them");
    let (stdout, stderr) = (agent.stdout(), agent.stderr());
    agent.close().await?;
    clean("standard output", stdout.text().as_bytes());
    clean("standard error", stderr.text().as_bytes());
    for record in behind::records(&world.state())? {
        clean("a record", record.to_string().as_bytes());
    }
    let store = behind::store(&world.state())?;
    let mut query = store.prepare("SELECT subject || args || preflight || coalesce(note, '') FROM calls")?;
    let rows: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    assert_eq!(rows.len(), 12);
    rows.iter().for_each(|row| clean("a call's row beside what it keeps for undoing", row.as_bytes()));
    let mut query = store.prepare("SELECT confirmation || standing FROM confirmations")?;
    let rows: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    rows.iter().for_each(|row| clean("a question's row", row.as_bytes()));
    let exported = world.run(&["audit", "export"]).await?;
    clean("the export", exported.stdout.as_bytes());
    sound(&world).await
}

#[tokio::test]
async fn a_secret_that_cannot_be_held_safely_is_refused() -> Result {
    let mut world = World::rental()?;
    let secret = world.path().join("secret.txt");
    fs::write(&secret, FILE)?;
    fs::set_permissions(&secret, Permissions::from_mode(0o644))?;
    let cases = [
        ("file:secret.txt", "chmod 600"),
        ("file:nowhere.txt", "No such file"),
        ("env:CANARY_THAT_IS_NOT_SET", "not set"),
        ("command:false", "exit status: 1"),
        ("command:echo abc", "shorter than"),
    ];
    for (reference, says) in cases {
        world.set("redact.secrets", vec![reference]);
        for command in [["serve"].as_slice(), &["approvals", "list"]] {
            let printed = world.run(command).await?;
            assert_eq!(printed.code, Some(2), "{reference}: {}{}", printed.stdout, printed.stderr);
            assert!(printed.stderr.contains(says), "{reference}: {}", printed.stderr);
            clean("an error", printed.stderr.as_bytes());
        }
    }
    Ok(())
}

/// A secret pasted into the configuration where a reference belongs is refused, and not shown again.
#[tokio::test]
async fn a_pasted_secret_is_refused_without_repeating_it() -> Result {
    let world = World::rental()?;
    let config = fs::read_to_string(world.config()?)?;
    let pasted = "hunter22-and-more";
    let lines = [
        format!("[redact]\nsecrets = [\"{pasted}\"]"),
        format!("[redact]\nsecrets = [\"postgres://admin:{pasted}@db/orders\"]"),
        format!("[redact]\nsecrets = \"{pasted}\""),
        format!("[redact]\nsecrets = [{pasted}]"),
        format!("[redact]\nsecrets = [\"{pasted}]"),
        format!("[http]\ntokens = [{{digest = \"{pasted}\", user = \"x\"}}]"),
        format!("[http]\ntokens = [\"{pasted}\"]"),
        format!("[http]\ntokens = \"{pasted}\""),
    ];
    for line in lines {
        let path = world.path().join("pasted.toml");
        fs::write(&path, format!("{config}\n{line}\n"))?;
        for command in [["serve"].as_slice(), &["config"], &["targets", "check"]] {
            let mut command_line = tokio::process::Command::new(mollyguard_tests::mollyguard()?);
            command_line.arg("--config").arg(&path).args(command).current_dir(world.path());
            let output = command_line.stdin(std::process::Stdio::null()).output().await?;
            let said =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(2), "{line}: {said}");
            assert!(!said.contains("hunter22"), "{line}: {said}");
            assert!(said.contains("pasted.toml"), "it says where: {said}");
        }
    }
    Ok(())
}

/// Other processes of the same user cannot read the gateway's memory or environment (`PR_SET_DUMPABLE`).
#[tokio::test]
async fn another_process_of_the_user_reads_nothing_from_the_gateway() -> Result {
    let world = world()?;
    let root = fs::metadata("/proc/self")?.uid() == 0;
    let user: u32 = 64_123;
    if root {
        for path in files(world.path())?.iter().map(PathBuf::as_path).chain([world.path()]) {
            std::os::unix::fs::chown(path, Some(user), Some(user))?;
        }
        for entry in fs::read_dir(world.path())?.flatten().filter(|entry| entry.path().is_dir()) {
            std::os::unix::fs::chown(entry.path(), Some(user), Some(user))?;
        }
    }
    let same_user = |program: &Path| {
        let mut command = tokio::process::Command::new(if root { Path::new("setpriv") } else { program });
        if root {
            let (user, group) = (format!("--reuid={user}"), format!("--regid={user}"));
            command.args([&user, &group, "--clear-groups", "--inh-caps=-all"]).arg(program);
        }
        command
    };
    let binary = mollyguard_tests::mollyguard()?;
    if root && !readable_by_all(&binary) {
        // The build lies where only root may look: the ownership of /proc below still tells.
        return owned_by_root(&world).await;
    }
    let mut command = same_user(&binary);
    command.arg("--config").arg(world.config()?).arg("serve").current_dir(world.path()).env("CANARY", ENV);
    if root {
        std::os::unix::fs::chown(world.path().join("mollyguard.toml"), Some(user), Some(user))?;
    }
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let agent = Agent::over_stdio(command, Era::Legacy, Person::absent()).await?;
    let pid = agent.pid()?;
    assert!(agent.call("list_calls", json!({})).await?.is_done());
    for file in ["mem", "environ", "maps"] {
        let path = format!("/proc/{pid}/{file}");
        let read = same_user(Path::new("head")).args(["-c", "1", &path]).output().await?;
        let said = String::from_utf8_lossy(&read.stderr).into_owned();
        assert!(!read.status.success() && said.contains("Permission denied"), "{path} should be closed: {said}");
    }
    // Where the test itself may look at everything, it sees that the probe asks the right process.
    let alive = same_user(Path::new("test")).args(["-d", &format!("/proc/{pid}")]).status().await?;
    assert!(alive.success());
    agent.close().await?;
    Ok(())
}

fn readable_by_all(path: &Path) -> bool {
    path.ancestors().all(|part| part.metadata().is_ok_and(|meta| meta.mode() & 0o001 != 0))
}

async fn owned_by_root(world: &World) -> Result {
    let agent = world.stdio(Era::Legacy, Person::absent()).await?;
    let environ = format!("/proc/{}/environ", agent.pid()?);
    assert_eq!(fs::metadata(environ)?.uid(), 0);
    agent.close().await?;
    Ok(())
}
