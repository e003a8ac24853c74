//! A command that is told: a real script that writes down what it got.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use mollyguard_tests::{Era, Person, Result, World, until};
use serde_json::json;

use super::{PURGE, table};

/// One file a run: its arguments, each ended by NUL, and its environment.
const SCRIPT: &str = r#"#!/bin/sh
folder=$1; shift
exec 2>"$folder/errors"
for word in "$@"; do printf '%s\0' "$word"; done >"$folder/$$.new"
env >"$folder/$$.env"
echo "printed: s3cret-of-the-hook"
mv "$folder/$$.new" "$folder/$$.argv"
"#;

fn told(world: &mut World) -> Result<PathBuf> {
    let (script, folder) = (world.path().join("tell it"), world.path().join("told"));
    fs::write(&script, SCRIPT)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
    fs::create_dir(&folder)?;
    let words = ["{what}", "{where}", "{need}", "{page}", "{confirmation}", "in {where}"];
    let program = [script.display().to_string(), folder.display().to_string()];
    let command: Vec<String> = program.into_iter().chain(words.map(str::to_owned)).collect();
    world.set("notify.command", command).set("confirm.page", false);
    Ok(folder)
}

/// Every run so far: its arguments and its environment.
fn runs(folder: &PathBuf) -> Result<Vec<(Vec<String>, String)>> {
    let mut runs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "argv") {
            let argv = fs::read_to_string(&path)?;
            let argv = argv.split_terminator('\0').map(str::to_owned).collect();
            runs.push((argv, fs::read_to_string(path.with_extension("env"))?));
        }
    }
    Ok(runs)
}

#[tokio::test]
async fn hostile_names_stay_words() -> Result {
    let mut world = World::empty()?;
    let names = [
        "--help",
        "$(touch x)",
        "`touch x`; touch x",
        "a\nb",
        "gpj.\u{202e}exe\u{200b}",
        "{page} {where}",
        "@/etc/passwd",
    ];
    let tables: String = names.iter().map(|name| format!("CREATE TABLE \"{name}\" (a);")).collect();
    world.database("shop", "production", &tables)?;
    world.env("SHOP_PASSWORD", "s3cret-of-the-gateway");
    let folder = told(&mut world)?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    for (n, name) in names.iter().enumerate() {
        let reply = agent.call(PURGE, table("shop", name)).await?;
        let id = reply.refused("confirmation_required").structured()["confirmation"]["id"].clone();
        let id = id.as_str().ok_or("an id")?;
        let run = || Ok(runs(&folder)?.into_iter().find(|(argv, _)| argv.get(4).is_some_and(|told| told == id)));
        let (argv, env) = until("the command", run).await?;
        assert_eq!(argv.len(), 6, "one word for each: {argv:?}");
        assert!(argv[1].starts_with("PRODUCTION, sqlite table shop/"), "{argv:?}");
        assert_eq!(argv[5], format!("in {}", argv[1]));
        assert_eq!((argv[2].as_str(), &argv[3]), ("typed", &format!("mollyguard approvals approve {id}")));
        let unseen = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{200b}');
        assert!(argv.iter().all(|word| !word.contains(unseen) && !word.starts_with('-')), "{argv:?}");
        if n == 5 {
            assert!(argv[1].ends_with("shop/{page} {where}"), "what is put in is not read again: {argv:?}");
        }
        let allowed = [
            "PATH=",
            "HOME=",
            "USER=",
            "LANG=",
            "GNUPGHOME=",
            "DISPLAY=",
            "WAYLAND_DISPLAY=",
            "DBUS_",
            "XDG_RUNTIME_DIR=",
            "PWD=",
            "_=",
            "OLDPWD=",
            "SHLVL=",
        ];
        assert!(env.lines().all(|line| allowed.iter().any(|name| line.starts_with(name))), "{env}");
    }
    assert_eq!(runs(&folder)?.len(), names.len());
    assert!(!world.path().join("x").exists() && !folder.join("x").exists(), "nothing was run");
    let (stdout, stderr) = (agent.stdout(), agent.stderr());
    agent.close().await?;
    assert!(!stdout.contains("of-the-hook") && !stderr.contains("of-the-hook"), "what it prints goes nowhere");
    Ok(())
}

#[tokio::test]
async fn a_command_that_is_not_there_changes_nothing() -> Result {
    let mut world = World::rental()?;
    world.set("notify.command", vec!["/no/such/program", "{what}"]).set("confirm.page", false);
    let agent = world.stdio(Era::Modern, Person::types("bookings")).await?;
    agent.call(PURGE, table("fleet", "bookings")).await?.done();
    assert!(world.rows("fleet", "bookings").is_err(), "it is gone");
    let stderr = agent.stderr();
    until("a warning", || Ok(stderr.contains("the command of `[notify]` did not do its work").then_some(()))).await?;
    Ok(())
}

#[tokio::test]
async fn what_would_be_run_as_code_is_refused() -> Result {
    for (command, says) in [
        (json!(["sh", "-c", "notify-send {what}"]), "as code"),
        (json!(["{what}"]), "first word"),
        (json!(["tell", "{who}"]), "`{what}`, `{where}`, `{need}`, `{page}`, `{confirmation}`"),
    ] {
        let mut world = World::rental()?;
        let words: Vec<String> = serde_json::from_value(command)?;
        let refused = world.set("notify.command", words).run(&["config"]).await?;
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains("notify.command") && refused.stderr.contains(says), "{}", refused.stderr);
    }
    Ok(())
}
