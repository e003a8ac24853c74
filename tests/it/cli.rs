//! The command line: what it shows, how it ends, and what it says when something is wrong.

use std::collections::BTreeMap;
use std::fs;

use mollyguard_tests::{Era, Person, Redaction, Result, World, golden, root};
use serde_json::{Value, json};

/// Every command, in the order of its help.
const COMMANDS: &[&str] = &[
    "",
    "serve",
    "connect",
    "demo",
    "doctor",
    "config",
    "tools",
    "targets",
    "targets check",
    "policy",
    "policy check",
    "policy test",
    "policy explain",
    "approvals",
    "approvals list",
    "approvals watch",
    "approvals show",
    "approvals approve",
    "approvals deny",
    "approvals grants",
    "approvals revoke",
    "approvals quarantined",
    "approvals lift",
    "operator",
    "operator enroll",
    "operator link",
    "operator list",
    "operator remove",
    "calls",
    "calls list",
    "calls show",
    "undo",
    "audit",
    "audit verify",
    "audit export",
    "audit key",
    "prune",
];

#[tokio::test]
async fn every_command_explains_itself() -> Result {
    let world = World::empty()?;
    let mut listed: Vec<String> = Vec::new();
    for command in COMMANDS {
        let words: Vec<&str> = command.split_whitespace().collect();
        let printed = world.run(&[words.as_slice(), &["--help"]].concat()).await?;
        assert_eq!(printed.code, Some(0), "{command}: {}", printed.stderr);
        let name = if words.is_empty() { "mollyguard".to_owned() } else { words.join("-") };
        golden(&format!("cli/{name}.txt"), &printed.stdout, &Redaction::new())?;
        assert!(printed.stdout.lines().all(|line| line.chars().count() <= 100), "{command} fits a terminal");
        listed.extend(subcommands(&printed.stdout).iter().map(|sub| format!("{command} {sub}").trim().to_owned()));
    }
    listed.sort();
    let mut known: Vec<&str> = COMMANDS.iter().copied().filter(|command| !command.is_empty()).collect();
    known.sort_unstable();
    assert_eq!(listed, known, "a command without a golden file here");
    Ok(())
}

/// The names below `Commands:` but `help`.
fn subcommands(help: &str) -> Vec<String> {
    let below = help.split_once("Commands:\n").map_or("", |(_, below)| below);
    let lines = below.lines().take_while(|line| line.starts_with("  "));
    let names = lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[tokio::test]
async fn the_tools_and_the_defaults_are_shown() -> Result {
    let world = World::empty()?;
    for (args, name) in [(["tools"].as_slice(), "tools-list"), (&["config", "--defaults"], "config-defaults")] {
        let printed = world.run(args).await?;
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        golden(&format!("cli/{name}.txt"), &printed.stdout, &Redaction::new())?;
    }
    let version = world.run(&["--version"]).await?;
    assert_eq!(version.stdout.trim(), format!("mollyguard {}", env!("CARGO_PKG_VERSION")));
    Ok(())
}

#[tokio::test]
async fn the_configuration_and_an_explanation_are_shown() -> Result {
    let mut world = World::rental()?;
    world.default_policies().set("confirm.page", true).set("confirm.page_url", "https://gate.example");
    world.env("MOLLYGUARD_SOCKET", world.path().join("nowhere.sock"));
    let explain = ["policy", "explain", "sqlite_purge_table"];
    for (args, name) in [(["config"].as_slice(), "config-shown"), (&explain, "policy-explained")] {
        let printed = world.run(args).await?;
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        let redaction = Redaction::new().text(world.path().display().to_string(), "<world>");
        golden(&format!("cli/{name}.txt"), &printed.stdout, &redaction)?;
    }
    Ok(())
}

/// What is printed as the defaults is a configuration, and changes nothing.
#[tokio::test]
async fn the_defaults_are_a_configuration_themselves() -> Result {
    let world = World::rental()?;
    let written = fs::read_to_string(world.config()?)?;
    let defaults: toml::Table = toml::from_str(&world.run(&["config", "--defaults"]).await?.stdout)?;
    let mut both: toml::Table = toml::from_str(&written)?;
    for (section, values) in defaults {
        let into = both.entry(section).or_insert_with(|| toml::Table::new().into());
        let (Some(into), Some(values)) = (into.as_table_mut(), values.as_table()) else { continue };
        for (key, value) in values {
            into.entry(key).or_insert_with(|| value.clone());
        }
    }
    let shown = world.run(&["config", "--json"]).await?;
    let mut explicit = World::rental()?;
    for (key, value) in both {
        explicit.set(&key, value);
    }
    let explicit_shown = explicit.run(&["config", "--json"]).await?;
    let same = |text: &str, world: &World| text.replace(&world.path().display().to_string(), "WORLD");
    assert_eq!(same(&shown.stdout, &world), same(&explicit_shown.stdout, &explicit));
    Ok(())
}

#[tokio::test]
async fn every_tool_is_listed_as_it_is_declared() -> Result {
    let mut world = World::rental()?;
    // Listed are the tools of configured kinds; nothing connects for that.
    world.set("targets.shop.kind", "postgres").set("targets.shop.environment", "staging");
    world.set("targets.shop.secret", "env:SHOP_URL").env("SHOP_URL", "postgresql://writer@127.0.0.1:1/shop");
    let printed = world.run(&["tools", "--json"]).await?;
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let all: Vec<Value> = serde_json::from_str(&printed.stdout)?;
    let declared: BTreeMap<&str, &Value> =
        all.iter().filter_map(|tool| tool["name"].as_str().map(|name| (name, tool))).collect();
    for (name, tool) in &declared {
        golden(&format!("listing/{name}.json"), &serde_json::to_string_pretty(&sorted(tool))?, &Redaction::new())?;
    }
    for entry in fs::read_dir(root().join("tests/golden/listing"))? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        assert!(declared.contains_key(file.trim_end_matches(".json")), "`listing/{file}` is of no tool there is");
    }
    for era in Era::BOTH {
        let agent = world.stdio(era, Person::absent()).await?;
        let listed = agent.tools().await?;
        let for_agents = declared.values().filter(|tool| tool["audience"] != "undo").count();
        assert_eq!(listed.len(), for_agents, "what only undoing may call is not listed");
        for tool in listed {
            let name = tool["name"].as_str().unwrap_or_default();
            let declaration = declared.get(name).ok_or_else(|| format!("`{name}` is not declared"))?;
            agrees(&tool, declaration, era);
        }
        agent.close().await?;
    }
    Ok(())
}

/// The same with its keys in order: in which they stand means nothing.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, Value> = fields.iter().map(|(key, value)| (key, sorted(value))).collect();
            json!(fields)
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The listing says what the declaration says.
#[track_caller]
fn agrees(tool: &Value, declaration: &Value, era: Era) {
    let name = &tool["name"];
    let mutates = declaration["reversibility"] != "read_only";
    let lossy = ["compensable", "irreversible"].iter().any(|word| declaration["reversibility"] == *word);
    let hints = json!({
        "readOnlyHint": !mutates, "destructiveHint": lossy,
        "idempotentHint": declaration["idempotent"], "openWorldHint": declaration["open_world"],
    });
    assert_eq!(tool["annotations"], hints, "{name}");
    let promise = &tool["_meta"]["dev.mollyguard/declaration"];
    for field in ["reversibility", "softened_by", "scope", "credential"] {
        assert_eq!(promise[field], declaration[field], "{name}: {field}");
    }
    assert_eq!(tool["description"], declaration["description"], "{name}");
    assert_eq!(tool["title"], declaration["title"], "{name}");
    assert_eq!(tool["inputSchema"]["required"], declaration["input_schema"]["required"], "{name}");
    assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name} takes nothing it does not declare");
    assert_eq!(tool.get("outputSchema").is_some(), era == Era::Modern, "{name}");
}

/// A configuration that is wrong, and words that must be said about it.
const WRONG: &[(&str, &[&str])] = &[
    ("[gateway]\nuzer = \"x\"", &["line 2", "`uzer`", "`user`"]),
    ("[gatewai]\nuser = \"x\"", &["line 1", "`gatewai`", "`gateway`"]),
    ("[gateway\n", &["line 1", "expected `]`"]),
    ("[limits]\ncount = \"many\"", &["line 2", "invalid type"]),
    ("[limits]\ncount = 0", &["limits.count", "more than 0"]),
    ("[confirm]\nexpires_s = 3600", &["confirm.expires_s", "between 10 and 300"]),
    ("[confirm]\nwait_s = 301", &["confirm.wait_s", "at most 300"]),
    ("[confirm]\ndenial_s = 86401", &["confirm.denial_s", "at most 86400"]),
    ("[confirm]\nopen_questions = 0", &["`open_questions`", "1 to 1000"]),
    ("[environments.production]\ntier = \"prod\"", &["line 2", "`prod`", "`production`"]),
    ("[targets.a]\nenvironment = \"production\"", &["targets.a.kind", "missing", "`sqlite`", "`files`"]),
    ("[targets.a]\nkind = \"sqlit\"\nenvironment = \"x\"", &["targets.a.kind", "`sqlit`", "`sqlite`", "`files`"]),
    ("[targets.a]\nkind = \"sqlite\"\npath = \"a.db\"", &["targets.a.environment", "a name is not an environment"]),
    (
        "[targets.a]\nkind = \"sqlite\"\nenvironment = \"prod\"\npath = \"a.db\"",
        &["targets.a.environment", "`prod` is not declared", "[environments.prod]"],
    ),
    (
        "[environments.x]\ntier = \"staging\"\n[targets.a]\nkind = \"sqlite\"\nenvironment = \"x\"\npaht = \"a.db\"",
        &["targets.a.paht", "`path`"],
    ),
    (
        "[environments.x]\ntier = \"staging\"\n[targets.a]\nkind = \"sqlite\"\nenvironment = \"x\"",
        &["targets.a.path", "missing"],
    ),
    (
        "[environments.x]\ntier = \"staging\"\n[targets.a]\nkind = \"files\"\nenvironment = \"x\"\nroot = \"a\"\nbackup = []",
        &["targets.a", "`backup`", "`backups`"],
    ),
    (
        "[environments.x]\ntier = \"staging\"\n[targets.\"a b\"]\nkind = \"files\"\nenvironment = \"x\"\nroot = \"a\"",
        &["targets.a b", "letters, digits"],
    ),
    (
        "[environments.x]\ntier = \"staging\"\n[targets.a]\nkind = \"files\"\nenvironment = \"x\"\nroot = \"a\"\nsecret = \"env:A\"",
        &["targets.a.secret", "take no secret"],
    ),
    (
        "[environments.x]\ntier = \"staging\"\n[targets.a]\nkind = \"files\"\nenvironment = \"x\"\nroot = \"a\"\nenvironments = { y = \"x\" }",
        &["targets.a.environments", "lie in one environment"],
    ),
    (
        "[environments.x]\ntier = \"staging\"\n[targets.a]\nkind = \"postgres\"\nenvironment = \"x\"\nread_secret = \"env:A\"",
        &["targets.a.secret", "is missing", "never the secret itself"],
    ),
];

#[tokio::test]
async fn a_wrong_configuration_is_refused_with_its_place() -> Result {
    let mut world = World::empty()?;
    world.env("MOLLYGUARD_CONFIG", "wrong.toml");
    for (text, words) in WRONG {
        fs::write(world.path().join("wrong.toml"), text)?;
        for command in [["serve"].as_slice(), &["config"], &["policy", "check"]] {
            let mut process = tokio::process::Command::new(mollyguard_tests::mollyguard()?);
            process.args(command).current_dir(world.path()).env("MOLLYGUARD_CONFIG", "wrong.toml");
            let output = process.stdin(std::process::Stdio::null()).output().await?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{text}: {said}");
            assert!(said.starts_with("error: ") && said.contains("wrong.toml"), "{text}: {said}");
            for word in *words {
                assert!(said.contains(word), "`{word}` should be in: {said}");
            }
        }
    }
    assert!(!world.state().exists(), "a wrong configuration makes nothing");
    Ok(())
}

#[tokio::test]
async fn a_missing_configuration_says_where_it_was_looked_for() -> Result {
    let empty = tempfile::tempdir()?;
    let output = tokio::process::Command::new(mollyguard_tests::mollyguard()?)
        .args(["calls", "list"])
        .current_dir(empty.path())
        .env_clear()
        .env("HOME", empty.path())
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    for word in ["`mollyguard.toml`", ".config/mollyguard/mollyguard.toml", "--config FILE"] {
        assert!(said.contains(word), "`{word}` should be in: {said}");
    }
    assert_eq!(fs::read_dir(empty.path())?.count(), 0, "looking makes nothing");
    Ok(())
}

#[tokio::test]
async fn commands_end_with_the_code_the_help_names() -> Result {
    let mut world = World::rental()?;
    let nobody = "01990000-0000-7000-8000-000000000000";
    let cases: &[(&[&str], i32)] = &[
        (&["tools"], 0),
        (&["config"], 0),
        (&["doctor", "--socket"], 2),
        (&["config", "--json"], 0),
        (&["targets", "check"], 0),
        (&["targets", "check", "fleet", "--json"], 0),
        (&["targets", "check", "nowhere"], 2),
        (&["policy", "test"], 0),
        (&["policy", "explain", "sqlite_purge_table"], 0),
        (&["policy", "explain", "nothing"], 2),
        (&["approvals", "list"], 0),
        (&["approvals", "show", nobody], 1),
        (&["approvals", "approve", nobody], 1),
        (&["approvals", "deny", nobody], 1),
        (&["approvals", "quarantined"], 0),
        (&["approvals", "lift", "nobody"], 2),
        (&["calls", "list"], 0),
        (&["calls", "show", nobody], 1),
        (&["calls", "show", "nonsense"], 2),
        (&["undo", nobody], 1),
        (&["undo"], 2),
        (&["audit", "verify"], 0),
        (&["audit", "verify", "--checkpoint", "nowhere"], 2),
        (&["audit", "export"], 0),
        (&["audit", "key"], 0),
        (&["serve", "--http", "0.0.0.0:0"], 2),
        (&["serve", "--http", "nonsense"], 2),
        (&["serve", "--operators", "desk/operators.sock"], 2),
        (&["serve", "--http", "127.0.0.1:0", "--socket", "run/agent.sock"], 2),
        (&["connect", "--socket", "nowhere"], 2),
        (&["approvals", "--operators", "nowhere", "list"], 2),
        (&["nonsense"], 2),
        (&[], 2),
    ];
    for (args, code) in cases {
        let printed = world.run(args).await?;
        assert_eq!(printed.code, Some(*code), "{args:?}: {}{}", printed.stdout, printed.stderr);
        if *code == 0 {
            assert!(printed.stderr.is_empty(), "{args:?}: {}", printed.stderr);
        } else {
            assert!(!printed.stderr.is_empty(), "{args:?} says why");
        }
        if args.contains(&"--json") {
            serde_json::from_str::<Value>(&printed.stdout).map_err(|error| format!("{args:?}: {error}"))?;
        }
    }
    // A target that is not there is found; one thing under two names in two environments is no configuration.
    fs::remove_file(world.path().join("fleet_dev.db"))?;
    let printed = world.run(&["targets", "check"]).await?;
    assert_eq!(printed.code, Some(1));
    assert!(
        printed.stdout.contains("FAIL fleet_dev") && printed.stdout.contains("does not exist"),
        "{}",
        printed.stdout
    );
    assert!(!world.path().join("fleet_dev.db").exists(), "looking makes nothing");
    world.set("targets.fleet_dev.path", "fleet.db");
    let printed = world.run(&["targets", "check"]).await?;
    assert_eq!(printed.code, Some(2));
    for word in ["`fleet` (production)", "`fleet_dev` (development)", "both reach"] {
        assert!(printed.stderr.contains(word), "`{word}` should be in: {}", printed.stderr);
    }
    Ok(())
}

/// A mistyped name is answered with the one that was meant.
#[tokio::test]
async fn a_mistake_is_answered_with_what_was_meant() -> Result {
    let world = World::rental()?;
    let printed = world.run(&["serv"]).await?;
    assert!(printed.stderr.contains("'serve'"), "{}", printed.stderr);
    let printed = world.run(&["policy", "explain", "sqlite_purge_tabel"]).await?;
    assert!(printed.stderr.contains("mollyguard tools"), "{}", printed.stderr);
    Ok(())
}

#[tokio::test]
async fn a_pipe_gets_no_colours() -> Result {
    let world = World::rental()?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    agent.call("files_delete", json!({"target": "scratch", "path": "damage"})).await?.done();
    agent.close().await?;
    let escapes = |text: &[u8]| text.contains(&0x1b);
    for args in [["targets", "check"], ["calls", "list"], ["audit", "verify"], ["calls", "show"]] {
        let mut piped = world.command(&args)?;
        let output = piped.env_remove("NO_COLOR").output().await?;
        assert!(!escapes(&output.stdout) && !escapes(&output.stderr), "{args:?}");
        let mut forced = world.command(&args)?;
        let output = forced.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1").output().await?;
        assert!(escapes(&output.stdout) || escapes(&output.stderr), "{args:?} can be made to");
        let mut refused = world.command(&args)?;
        let output = refused.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1").output().await?;
        assert!(!escapes(&output.stdout), "{args:?}: NO_COLOR has the last word");
    }
    Ok(())
}
