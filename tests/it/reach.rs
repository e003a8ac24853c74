//! What no target may reach, what no reply may hold, and whose calls a gateway settles.

mod journal;
mod planted;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use mollyguard_tests::{Era, Person, Result, World, until};
use serde_json::{Value, json};

use crate::behind::{Held, calls, sound, started};

/// A folder of scripts that an agent may change, and a program of it that somebody runs.
fn scripts() -> Result<World> {
    let mut world = World::empty()?;
    let script = "#!/bin/sh\necho from-the-script\n";
    world.folder("scripts", "development", &[("it.sh", script), ("ca.pem", ""), ("word", "a-secret\n")])?;
    for file in ["it.sh", "word"] {
        fs::set_permissions(world.path().join("scripts").join(file), Permissions::from_mode(0o700))?;
    }
    Ok(world)
}

/// A key of the configuration, and what makes it name something within reach.
type Case<'a> = (&'a str, &'a dyn Fn(&mut World));

#[tokio::test]
async fn a_gateway_that_would_run_what_an_agent_can_change_does_not_start() -> Result {
    let url = |world: &World| {
        let certificate = world.path().join("scripts/ca.pem").display().to_string();
        format!("postgresql://anna:s3cret-word@127.0.0.1:1/x?sslmode=verify-full&sslrootcert={certificate}")
    };
    let cases: &[Case<'_>] = &[
        ("notify.command", &|world| {
            world.set("notify.command", vec!["scripts/it.sh", "{what}"]);
        }),
        ("notify.command", &|world| {
            world.set("notify.command", vec!["sh", "scripts/it.sh", "{what}"]);
        }),
        ("redact.secrets", &|world| {
            world.set("redact.secrets", vec!["command:scripts/it.sh"]);
        }),
        ("redact.secrets", &|world| {
            world.set("redact.secrets", vec!["command:sh scripts/it.sh"]);
        }),
        ("redact.secrets", &|world| {
            world.set("redact.secrets", vec!["file:scripts/word"]);
        }),
        ("policies.directories", &|world| {
            let policies = world.path().join("policies");
            let policy = world.path().join("scripts/own.cedar");
            let text = "@id(\"own\")\n@reason(\"No.\")\nforbid (principal, action, resource);\n";
            let linked = fs::create_dir_all(&policies)
                .and_then(|()| fs::write(&policy, text))
                .and_then(|()| symlink(&policy, policies.join("own.cedar")));
            assert!(linked.is_ok(), "{linked:?}");
            world.own_policies(&policies.display().to_string());
        }),
        ("targets.pg.secret", &|world| {
            let url = url(world);
            world.env("URL", url).set("targets.pg.kind", "postgres").set("targets.pg.environment", "development");
            world.set("targets.pg.secret", "env:URL");
        }),
    ];
    for (key, configure) in cases {
        let mut world = scripts()?;
        assert_eq!(world.run(&["serve"]).await?.code, Some(0), "it starts without");
        configure(&mut world);
        let printed = world.run(&["serve"]).await?;
        assert_eq!(printed.code, Some(2), "{key}: {}", printed.stderr);
        let said = &printed.stderr;
        assert!(said.contains("target `scripts` reaches") && said.contains(&format!("`{key}`")), "{key}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_target_that_comes_to_lead_to_the_state_is_not_called() -> Result {
    let mut world = World::rental()?;
    let link = world.path().join("link");
    symlink("scratch", &link)?;
    world.set("targets.scratch.root", "link");
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    agent.call("files_list", json!({"target": "scratch"})).await?.done();
    let lead = |to: &str| fs::remove_file(&link).and_then(|()| symlink(to, &link));

    lead("state")?;
    for (tool, args) in [
        ("files_list", json!({"target": "scratch"})),
        ("files_read", json!({"target": "scratch", "path": "mollyguard.db"})),
        ("files_delete", json!({"target": "scratch", "path": "mollyguard.db"})),
    ] {
        let reply = agent.call(tool, args).await?;
        reply.refused("untouched");
        assert!(reply.text().contains("the gateway's own state directory"), "{tool}: {}", reply.text());
    }
    assert!(world.state().join("mollyguard.db").exists());

    // As a deployment does it.
    fs::create_dir(world.path().join("release"))?;
    fs::write(world.path().join("release/new.txt"), "new")?;
    lead("release")?;
    let listed = agent.call("files_list", json!({"target": "scratch"})).await?;
    assert!(listed.text().contains("new.txt"), "{}", listed.text());
    agent.close().await?;
    sound(&world).await
}

/// A secret of letters that stand nowhere else in what is read, and one of digits.
const LETTERS: &str = "QZXWVKJHGUYQZXWV";
const DIGITS: &str = "48151623";

fn holding() -> Result<World> {
    let mut world = World::rental()?;
    world.set("redact.secrets", vec!["env:LETTERS", "env:DIGITS"]);
    world.env("LETTERS", LETTERS).env("DIGITS", DIGITS);
    fs::write(world.path().join("scratch/env.txt"), format!("password: {LETTERS}\nand more\n"))?;
    let rows = format!("CREATE TABLE pins (n INTEGER, s TEXT); INSERT INTO pins VALUES ({DIGITS}, '{LETTERS}')");
    world.sql("fleet_dev", &rows)?;
    Ok(world)
}

#[tokio::test]
async fn a_held_secret_does_not_leave_in_pieces() -> Result {
    let world = holding()?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    for offset in 0..30 {
        for limit in [1, 5, 9] {
            let args = json!({"target": "scratch", "path": "env.txt", "offset": offset, "limit": limit});
            let reply = agent.call("files_read", args).await?;
            let content = reply.done()["content"].as_str().unwrap_or_default().to_owned();
            assert!(!content.chars().any(|c| LETTERS.contains(c)), "{offset} {limit}: {content}");
        }
    }
    for (sql, leaves) in [
        ("SELECT n, s FROM pins", ""),
        ("SELECT n + 0, n * 10, n || 'x', lower(s), upper(s), s || 'x', hex(s) FROM pins", ""),
        ("SELECT json_array(n, s), json_object('a', s), CAST(n AS REAL), quote(s) FROM pins", ""),
        ("SELECT substr(s, 1, 10), substr(s, -10), count(*) FROM pins", "1"),
    ] {
        let reply = agent.call("sqlite_query", json!({"target": "fleet_dev", "sql": sql})).await?;
        let rows = reply.done()["rows"].to_string();
        assert!(rows.contains("[redacted]") && rows.contains(leaves), "{sql}: {rows}");
        let lower = rows.to_lowercase();
        assert!(!lower.contains(&LETTERS[..8].to_lowercase()) && !rows.contains(DIGITS), "{sql}: {rows}");
    }
    agent.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_held_secret_in_what_a_target_holds_is_told() -> Result {
    let mut world = holding()?;
    let doctor = async |world: &World| -> Result<Value> {
        let printed = world.run(&["doctor", "--json", "--socket", "/nowhere/x.sock"]).await?;
        let report: Value = serde_json::from_str(&printed.stdout)?;
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        Ok(findings.into_iter().find(|finding| finding["id"] == "exposed-secrets").unwrap_or_default())
    };
    assert_eq!(doctor(&world).await?["state"], "unknown");
    let printed = world.run(&["targets", "check"]).await?;
    for (reference, place) in [("env:LETTERS", "env.txt"), ("env:LETTERS", "table pins"), ("env:DIGITS", "table pins")]
    {
        let warning = format!("{place} contains the secret `{reference}`");
        assert!(printed.stdout.contains(&warning), "{warning}: {}", printed.stdout);
    }
    let found = doctor(&world).await?;
    assert_eq!(found["state"], "weak", "{found}");
    let what = found["what"].as_str().unwrap_or_default();
    assert!(what.contains("`env:DIGITS` in table pins of target `fleet_dev`"), "{what}");
    for said in [printed.stdout.as_str(), what, &fs::read_to_string(world.state().join("exposed.json"))?] {
        assert!(!said.contains(LETTERS) && !said.contains(DIGITS), "{said}");
    }

    world.sql("fleet_dev", "DROP TABLE pins")?;
    fs::remove_file(world.path().join("scratch/env.txt"))?;
    assert_eq!(world.run(&["targets", "check"]).await?.code, Some(0));
    assert_eq!(doctor(&world).await?["state"], "ok");
    world.set("redact.secrets", Vec::<String>::new());
    assert_eq!(doctor(&world).await?["state"], "ok");
    Ok(())
}

/// Two projects with one state directory, and a target of the same name.
#[tokio::test]
async fn a_call_is_not_settled_by_what_another_target_of_its_name_holds() -> Result {
    let (one, mut other) = (World::rental()?, World::rental()?);
    other.set("gateway.state", one.state().display().to_string());
    let held = Held::database(&one, "fleet_dev")?;
    let agent = one.stdio(Era::Legacy, Person::absent()).await?;
    let delete = json!({"target": "fleet_dev", "sql": "DELETE FROM bookings WHERE id > 3"});
    let call = agent.start("sqlite_write", delete.clone()).await?;
    let row = started(&one, 1).await?;
    agent.kill().await?;
    drop((held, call));

    let before = other.dump("fleet_dev")?;
    let agent = other.stdio(Era::Legacy, Person::absent()).await?;
    let ended = || Ok(calls(&one)?.iter().find(|call| call.id == row.id && call.ended.is_some()).map(|_| ()));
    until("the settling of the call", ended).await?;
    let shown = one.run(&["calls", "show", &row.id]).await?.stdout;
    assert!(shown.contains("uncertain") && shown.contains("it acted on `sqlite:"), "{shown}");
    assert!(!shown.contains("found the target as it"), "{shown}");
    assert_eq!(other.dump("fleet_dev")?, before);
    agent.call("sqlite_write", delete).await?.done();
    assert_ne!(other.dump("fleet_dev")?, before, "its own target is free");
    agent.close().await?;
    sound(&one).await
}

#[tokio::test]
async fn every_configuration_has_a_state_directory_of_its_own() -> Result {
    let home = tempfile::tempdir()?;
    let all = home.path().join("mollyguard");
    let (mut one, mut other) = (World::rental()?, World::rental()?);
    let state = async |world: &World| -> Result<String> {
        let printed = world.run(&["config", "--json"]).await?;
        let shown: Value = serde_json::from_str(&printed.stdout)?;
        Ok(shown["state"].as_str().unwrap_or_default().to_owned())
    };
    // What an earlier version left, for everybody.
    one.set("gateway.state", all.display().to_string());
    assert_eq!(one.run(&["calls", "list"]).await?.code, Some(0));
    assert!(all.join("mollyguard.db").exists());
    for world in [&mut one, &mut other] {
        world.set("gateway", toml::Table::from_iter([("user".to_owned(), "alice".into())]));
        world.env("XDG_STATE_HOME", home.path());
    }

    let shared = all.display().to_string();
    assert_eq!((state(&one).await?, state(&other).await?), (shared.clone(), shared.clone()), "it is nobody's yet");
    assert_eq!(one.run(&["calls", "list"]).await?.code, Some(0));
    assert_eq!(state(&one).await?, shared, "who comes first goes on with it");
    let own = state(&other).await?;
    assert!(Path::new(&own).parent() == Some(&all) && own != shared, "{own}");
    let printed = other.run(&["calls", "list"]).await?;
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stderr.contains(&format!("earlier versions wrote is in `{shared}`")), "{}", printed.stderr);
    assert!(Path::new(&own).join("mollyguard.db").exists());
    assert!(!other.run(&["calls", "list"]).await?.stderr.contains("earlier"), "it is told once");

    // Not even by name: a folder that is another's is refused.
    fs::write(Path::new(&own).join("configuration"), "/another/mollyguard.toml\n")?;
    let printed = other.run(&["calls", "list"]).await?;
    assert_eq!(printed.code, Some(2));
    assert!(printed.stderr.contains("belongs to the configuration `/another/mollyguard.toml`"), "{}", printed.stderr);
    Ok(())
}
