//! `mollyguard doctor`: what it says of a plain installation and of a separate user, and that each thing it looks for is found
//! when it is there.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use mollyguard_tests::{Era, Person, Redaction, Result, World, golden};
use serde_json::{Value, json};

use crate::apart::{AGENT, GATEWAY, Ground};

/// A world with a home of its own, and nothing of the developer's environment.
struct Home(World);

impl Home {
    fn new() -> Result<Self> {
        let mut world = World::rental()?;
        world.default_policies();
        fs::create_dir(world.path().join("home"))?;
        Ok(Self(world))
    }

    /// What it says: its exit code, standard output and standard error.
    async fn doctor(&self, args: &[&str], environment: &[(&str, &str)]) -> Result<(Option<i32>, String, String)> {
        let inner = self.0.command(&["doctor"])?.into_std();
        let mut command = tokio::process::Command::new(inner.get_program());
        command.args(inner.get_args()).args(args).current_dir(self.0.path()).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("HOME", self.0.path().join("home")).env("MOLLYGUARD_SOCKET", self.0.path().join("run/agent.sock"));
        command.envs(environment.iter().copied()).kill_on_drop(true);
        let output = mollyguard_tests::within("doctor", command.output()).await??;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }

    /// One finding.
    async fn finding(&self, id: &str, environment: &[(&str, &str)]) -> Result<Value> {
        let (_, text, said) = self.doctor(&["--json"], environment).await?;
        let report: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}{said}"))?;
        let findings = report["findings"].as_array().ok_or("findings")?;
        Ok(findings.iter().find(|finding| finding["id"] == id).cloned().unwrap_or_default())
    }

    /// Writes a file below the home.
    fn write(&self, path: &str, text: &str) -> Result {
        let path = self.0.path().join("home").join(path);
        fs::create_dir_all(path.parent().ok_or("a file has a folder")?)?;
        Ok(fs::write(path, text)?)
    }

    fn chmod(&self, path: &str, mode: u32) -> Result {
        Ok(fs::set_permissions(self.0.path().join(path), fs::Permissions::from_mode(mode))?)
    }
}

/// Without what the machine decides and not the installation.
fn without_kernel(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains(" ptrace: ") && !line.contains(" tiocsti: "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Who runs this test, as the system names them.
fn me() -> Result<String> {
    let output = std::process::Command::new("id").arg("-un").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test]
async fn a_plain_installation_is_told_what_it_can_prove() -> Result {
    let home = Home::new()?;
    let (code, text, said) = home.doctor(&[], &[]).await?;
    assert_eq!((code, said.as_str()), (Some(1), ""), "{text}");
    let redaction = Redaction::new().text(home.0.path().display().to_string(), "<world>");
    golden("doctor/plain.txt", &without_kernel(&text).replace(&format!("`{}`", me()?), "`<me>`"), &redaction)?;
    assert!(!text.contains('\x1b'));
    let kernel = text.lines().count() - without_kernel(&text).lines().count();
    assert_eq!(kernel, 2, "{text}");
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let expected = if scope.trim().parse().is_ok_and(|scope: u32| scope > 0) { "ok" } else { "weak" };
    assert_eq!(home.finding("ptrace", &[]).await?["state"], expected);
    assert!(!home.0.state().exists(), "looking makes nothing");
    Ok(())
}

#[tokio::test]
async fn what_scripts_read_has_its_shape() -> Result {
    let home = Home::new()?;
    let (code, text, _) = home.doctor(&["--json"], &[]).await?;
    assert_eq!(code, Some(1));
    let report: Value = serde_json::from_str(&text)?;
    assert_eq!((&report["ceiling"]["assurance"], &report["ceiling"]["approvers"]), (&json!("typed"), &json!(1)));
    assert_eq!(report["ceiling"]["because"], json!(["nobody is enrolled as an operator"]));
    let findings = report["findings"].as_array().ok_or("findings")?;
    assert!(findings.len() >= 10, "{text}");
    for finding in findings {
        let keys: Vec<&String> = finding.as_object().ok_or("an object")?.keys().collect();
        assert_eq!(keys, ["id", "state", "what", "mend"], "{finding}");
        let bad = finding["state"] == "weak" || finding["state"] == "wrong";
        assert_eq!(finding["mend"].is_string(), bad, "{finding}");
        assert!(["ok", "weak", "wrong", "unknown"].iter().any(|state| finding["state"] == *state), "{finding}");
    }
    Ok(())
}

#[tokio::test]
async fn editors_that_answer_or_pass_calls_are_found() -> Result {
    let cases: &[(&str, &str, &str, &str)] = &[
        ("claude-code", ".claude/settings.json", "{\"hooks\": {\"Elicitation\": [{\"hooks\": []}]}}", "wrong"),
        (
            "claude-code",
            ".claude/settings.local.json",
            "{\"permissions\": {\"defaultMode\": \"bypassPermissions\"}}",
            "weak",
        ),
        ("claude-code", ".claude/settings.json", "{\"hooks\": {\"PreToolUse\": [{\"matcher\": \"mcp__.*\"}]}}", "weak"),
        ("claude-code", ".claude/settings.json", "{\"hooks\": {\"PreToolUse\": [{\"matcher\": \"Bash\"}]}}", "ok"),
        ("claude-code", ".claude/settings.json", "{\"permissions\": {\"defaultMode\": \"acceptEdits\"}}", "ok"),
        ("cursor", ".cursor/permissions.json", "{ // all\n \"mcpAllowlist\": [\"mollyguard:*\",], }", "weak"),
        ("cursor", ".cursor/permissions.json", "{\"mcpAllowlist\": [\"github:*\"]}", "ok"),
        ("cursor", ".cursor/cli-config.json", "{\"permissions\": {\"allow\": [\"Mcp(*, *)\"]}}", "weak"),
        ("codex", ".codex/config.toml", "approval_policy = \"never\"\n", "weak"),
        ("codex", ".codex/config.toml", "[profiles.x]\nsandbox_mode = \"danger-full-access\"\n", "weak"),
        ("codex", ".codex/config.toml", "approval_policy = \"on-request\"\n", "ok"),
        ("vscode", ".config/Code/User/settings.json", "{\"chat.tools.global.autoApprove\": true}", "weak"),
        ("vscode", ".config/Code/User/settings.json", "{\"chat.tools.autoApprove\": true, /* x */}", "weak"),
        ("vscode", ".config/Code/User/settings.json", "{\"chat.tools.autoApprove\": false}", "ok"),
    ];
    for (id, path, text, state) in cases {
        let home = Home::new()?;
        assert_eq!(home.finding(id, &[]).await?, Value::Null, "nothing to say of what is not there");
        home.write(path, text)?;
        let found = home.finding(id, &[]).await?;
        assert_eq!(found["state"], *state, "{path} with {text}: {found}");
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(found["what"].as_str().is_some_and(|what| what.contains(&name)), "{found}");
    }
    // A project's own settings count as well.
    let home = Home::new()?;
    fs::create_dir(home.0.path().join(".vscode"))?;
    fs::write(home.0.path().join(".vscode/settings.json"), "{\"chat.tools.global.autoApprove\": true}")?;
    assert_eq!(home.finding("vscode", &[]).await?["state"], "weak");
    Ok(())
}

#[tokio::test]
async fn files_that_others_can_read_or_change_are_found() -> Result {
    let mut home = Home::new()?;
    home.0.default_policies().own_policies("own").set("audit.checkpoint", "heads.txt");
    home.0.set("redact.secrets", vec!["file:secret"]);
    let hook = [("url".to_owned(), "file:hook".into()), ("secret".to_owned(), "file:hook-key".into())];
    home.0.set("notify.webhooks", vec![toml::Table::from_iter(hook)]);
    fs::create_dir(home.0.path().join("own"))?;
    fs::write(home.0.path().join("own/mine.cedar"), "")?;
    for secret in ["secret", "hook", "hook-key"] {
        fs::write(home.0.path().join(secret), "canary-77f1c0")?;
        home.chmod(secret, 0o600)?;
    }
    fs::create_dir(home.0.state())?;
    home.0.config()?;
    for (path, mode) in [("state", 0o700), ("own", 0o755), ("own/mine.cedar", 0o644), ("", 0o700)] {
        home.chmod(path, mode)?;
    }
    for (id, state) in
        [("state", "ok"), ("configuration", "ok"), ("policies", "ok"), ("secrets", "weak"), ("checkpoint", "weak")]
    {
        assert_eq!(home.finding(id, &[]).await?["state"], state, "{id}");
    }
    for (id, path, mode) in [
        ("state", "state", 0o777),
        ("configuration", "mollyguard.toml", 0o666),
        ("policies", "own", 0o775),
        ("policies", "own/mine.cedar", 0o646),
        ("secrets", "secret", 0o640),
        ("secrets", "hook", 0o604),
        ("secrets", "hook-key", 0o640),
        ("checkpoint", "", 0o770),
    ] {
        let path_before = home.0.path().join(path);
        let before = fs::metadata(&path_before)?.permissions();
        home.chmod(path, mode)?;
        let found = home.finding(id, &[]).await?;
        assert_eq!(found["state"], "wrong", "{path} {mode:o}: {found}");
        assert!(found["mend"].as_str().is_some_and(|mend| mend.contains("chmod")), "{found}");
        fs::set_permissions(&path_before, before)?;
    }
    for secret in ["secret", "hook", "hook-key"] {
        let (path, aside) = (home.0.path().join(secret), home.0.path().join("aside"));
        fs::rename(&path, &aside)?;
        assert_eq!(home.finding("secrets", &[]).await?["state"], "wrong", "{secret} is not there");
        fs::rename(aside, path)?;
    }
    Ok(())
}

#[tokio::test]
async fn credentials_in_the_environment_are_named_and_not_told() -> Result {
    let home = Home::new()?;
    assert_eq!(home.finding("environment", &[]).await?["state"], "ok");
    let planted = [("GITHUB_TOKEN", "canary-aa01"), ("SHOP_URL", "postgres://app:canary-aa02@db/shop")];
    let (_, text, said) = home.doctor(&[], &planted).await?;
    let line = text.lines().find(|line| line.contains("environment:")).ok_or("no line")?;
    assert!(line.starts_with("weak") && line.contains("`GITHUB_TOKEN`, `SHOP_URL`"), "{line}");
    assert!(!text.contains("canary-aa") && !said.contains("canary-aa"));
    Ok(())
}

#[tokio::test]
async fn a_socket_left_behind_is_no_separate_user() -> Result {
    let home = Home::new()?;
    fs::create_dir(home.0.path().join("run"))?;
    let path = home.0.path().join("run/agent.sock");
    drop(std::os::unix::net::UnixListener::bind(&path)?);
    let found = home.finding("separate-user", &[]).await?;
    assert!(found["state"] == "weak" && found["what"].as_str().is_some_and(|what| what.contains("nobody listens")));
    // Neither is one of this very user.
    fs::remove_file(&path)?;
    let _listener = std::os::unix::net::UnixListener::bind(&path)?;
    let found = home.finding("separate-user", &[]).await?;
    assert!(found["state"] == "weak" && found["what"].as_str().is_some_and(|what| what.contains("and so does what")));
    fs::remove_file(&path)?;
    symlink("/nowhere", &path)?;
    assert_eq!(home.finding("separate-user", &[]).await?["state"], "weak");
    Ok(())
}

#[tokio::test]
async fn a_separate_user_is_seen_from_both_sides() -> Result {
    let ground = Ground::new().await?;
    let running = ground.serve().await?;
    let (socket, config) = (ground.socket().display().to_string(), ground.path().join("etc/mollyguard.toml"));
    let redaction = || Redaction::new().text(ground.path().display().to_string(), "<ground>");
    // As the agent's user: it can read nothing of the gateway's, and that is right.
    let ran = ground.run_mollyguard(AGENT, &["doctor", "--socket", &socket]).await?;
    assert_eq!(ran.err, "", "{ran:?}");
    golden("doctor/apart-agent.txt", &without_kernel(&ran.out), &redaction())?;
    // As the gateway's own.
    let config = config.display().to_string();
    let ran = ground.run_mollyguard(GATEWAY, &["--config", &config, "doctor", "--socket", &socket]).await?;
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{ran:?}");
    golden("doctor/apart-gateway.txt", &without_kernel(&ran.out), &redaction())?;
    assert!(running.terminate().await?.0.success());
    Ok(())
}

/// Policy that asks for more than can be proved is refused in the words of the doctor, and `policy check` says so before.
#[tokio::test]
async fn what_cannot_be_proved_is_refused_with_the_reason() -> Result {
    let mut world = World::rental()?;
    fs::create_dir(world.path().join("own"))?;
    let policy = "@id(\"purging-needs-a-second-way\")\n@reason(\"It is gone for good.\")\n\
        forbid (principal, action == Action::\"sqlite_purge_table\", resource)\n\
        unless { context has approval && context.approval.assurance >= 3 };\n";
    fs::write(world.path().join("own/own.cedar"), policy)?;
    world.default_policies().own_policies("own");
    let words = "this installation can prove at most typed: nobody is enrolled as an operator.";
    let agent = world.stdio(Era::Modern, Person::types("bookings")).await?;
    let reply = agent.call("sqlite_purge_table", json!({"target": "fleet", "table": "bookings"})).await?;
    let said = reply.refused("denied").text();
    assert!(said.contains("It is gone for good. It needs out_of_band, and") && said.contains(words), "{said}");
    assert!(agent.asked().is_empty(), "nobody is asked a question whose answer would not be enough");
    agent.close().await?;
    assert_eq!(world.rows("fleet", "bookings")?, 12);
    let checked = world.run(&["policy", "check"]).await?;
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let line = "refused purging-needs-a-second-way: what it guards needs out_of_band at least";
    assert!(checked.stdout.contains(line), "{}", checked.stdout);
    assert!(checked.stdout.to_lowercase().contains(words), "{}", checked.stdout);
    Ok(())
}
