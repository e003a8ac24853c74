//! Policies of the user's own, as the command line checks them and the gateway keeps them.

use std::fs;

use mollyguard_tests::{Era, Person, Result, World};
use serde_json::{Value, json};

use crate::behind::calls;

/// The rental firm with one policy more.
fn with_policy(cedar: &str, cases: &str) -> Result<World> {
    let mut world = World::rental()?;
    fs::create_dir(world.path().join("policies"))?;
    fs::write(world.path().join("policies/mine.cedar"), cedar)?;
    fs::write(world.path().join("policies/mine.test.toml"), cases)?;
    world.default_policies().own_policies("policies");
    Ok(world)
}

const FREEZE: &str = "@id(\"freeze\")
@reason(\"Staging is frozen until Monday; ask Grace.\")
forbid (principal, action, resource)
when { context.call.tier == \"staging\" && context.call.reversibility != \"read_only\" };
";

const CASE: &str = "[[case]]
name = \"frozen\"
call = { tier = \"staging\", reversibility = \"reversible\" }
expect = \"deny\"
because = [\"freeze\"]
";

#[tokio::test]
async fn a_policy_of_the_users_own_is_checked_tested_explained_and_kept() -> Result {
    let world = with_policy(FREEZE, CASE)?;
    let checked = world.run(&["policy", "check"]).await?;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.starts_with("sound 14 policies"), "{}", checked.stdout);
    let tested = world.run(&["policy", "test"]).await?;
    assert_eq!(tested.code, Some(0), "{}{}", tested.stdout, tested.stderr);
    assert!(tested.stdout.ends_with(" passed, 0 failed\n"), "{}", tested.stdout);
    let explained = world.run(&["policy", "explain", "sqlite_write", "--tier", "staging", "--json"]).await?;
    let explanation: Value = serde_json::from_str(&explained.stdout)?;
    assert_eq!(explanation["decision"], "deny", "{explanation}");
    assert!(explained.stdout.contains("freeze"), "{explanation}");

    let before = world.dump("fleet_staging")?;
    let delete = json!({"target": "fleet_staging", "sql": "DELETE FROM bookings"});
    let agent = world.stdio(Era::Modern, Person::types("approve")).await?;
    let refused = agent.call("sqlite_write", delete.clone()).await?;
    refused.refused("denied").because("freeze");
    assert!(refused.text().contains("ask Grace"), "the agent is told why: {}", refused.text());
    assert!(agent.asked().is_empty(), "nobody is bothered with what nobody can allow");
    assert_eq!(world.dump("fleet_staging")?, before);
    agent.call("sqlite_query", json!({"target": "fleet_staging", "sql": "SELECT 1"})).await?.done();
    let preview = agent.call("preview_call", json!({"tool": "sqlite_write", "arguments": delete})).await?;
    assert!(!preview.is_done() || preview.done()["decision"] == "deny", "{}", preview.text());
    assert!(calls(&world)?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_case_that_does_not_hold_is_told_with_its_line() -> Result {
    let wrong = CASE.replace("\"deny\"", "\"allow\"");
    let world = with_policy(FREEZE, &format!("# One line first.\n{wrong}"))?;
    let tested = world.run(&["policy", "test"]).await?;
    assert_eq!(tested.code, Some(1), "{}", tested.stderr);
    for word in ["FAIL", "mine.test.toml:3", "frozen", "expected allow, got deny because freeze"] {
        assert!(tested.stdout.contains(word), "`{word}` should be in: {}", tested.stdout);
    }
    Ok(())
}

/// A policy that cannot be put in force, and words that must be said about it.
const BAD: &[(&str, &[&str])] = &[
    (
        "@id(\"a\")\n@reason(\"b\")\nforbid (principal, action, resource)\nwhen { context.call.teir == \"x\" };",
        &["mine.cedar:4", "did you mean `tier`"],
    ),
    (
        "@id(\"a\")\n@reason(\"b\")\nforbid (principal, action, resource)\nwhen { context.call.tier == \"prod\" };",
        &["mine.cedar:", "prod"],
    ),
    ("@reason(\"b\")\nforbid (principal, action, resource);", &["mine.cedar:1", "@id"]),
    ("@id(\"a\")\nforbid (principal, action, resource);", &["mine.cedar:1", "@reason"]),
    (
        "@id(\"freeze\")\n@reason(\"b\")\nforbid (principal, action == Action::\"sqlite_wriet\", resource);",
        &["mine.cedar:3", "sqlite_wriet"],
    ),
    (
        "@id(\"permit-what-nothing-forbids\")\n@reason(\"b\")\nforbid (principal, action, resource);",
        &["mine.cedar:1", "permit-what-nothing-forbids"],
    ),
    (
        "@id(\"a\")\n@reason(\"b\")\nforbid (principal, action, resource)\nwhen { context has approval };",
        &["mine.cedar:"],
    ),
    ("forbid (", &["mine.cedar:1"]),
];

#[tokio::test]
async fn a_bad_policy_is_told_with_its_place_and_nothing_is_served() -> Result {
    for (cedar, words) in BAD {
        let world = with_policy(cedar, "")?;
        let checked = world.run(&["policy", "check"]).await?;
        assert_eq!(checked.code, Some(1), "{cedar}\n{}{}", checked.stdout, checked.stderr);
        let served = world.run(&["serve"]).await?;
        assert_eq!(served.code, Some(2), "{cedar}\n{}", served.stderr);
        for said in [&checked.stdout, &served.stderr] {
            for word in *words {
                assert!(said.contains(word), "{cedar}\n`{word}` should be in: {said}");
            }
        }
        let lines: Vec<&str> = checked.stdout.lines().collect();
        let once = lines.iter().all(|line| lines.iter().filter(|other| other == &line).count() == 1);
        assert!(once && lines.len() < 4, "one mistake is told once, not for every tool: {}", checked.stdout);
        assert!(!world.state().exists(), "nothing was begun");
    }
    let mut world = World::rental()?;
    world.own_policies("nowhere");
    let served = world.run(&["serve"]).await?;
    assert_eq!(served.code, Some(2));
    assert!(served.stderr.contains("nowhere"), "{}", served.stderr);
    Ok(())
}

/// What no installation can prove yet is a plain no, which says what was asked for and what there is.
#[tokio::test]
async fn a_policy_that_needs_more_than_can_be_proved_denies_and_says_so() -> Result {
    let policy = "@id(\"somebody-out-of-band\")
@reason(\"It must be approved on another device.\")
forbid (principal, action in Action::\"sqlite\", resource)
when { context.call.reversibility != \"read_only\" && context.call.tier == \"staging\" }
unless { context has approval && context.approval.assurance >= 3 };
";
    let world = with_policy(policy, "")?;
    let checked = world.run(&["policy", "check"]).await?;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    let before = world.dump("fleet_staging")?;
    for era in Era::BOTH {
        let agent = world.stdio(era, Person::types("bookings")).await?;
        for (tool, args) in [
            ("sqlite_write", json!({"target": "fleet_staging", "sql": "DELETE FROM bookings"})),
            ("sqlite_purge_table", json!({"target": "fleet_staging", "table": "bookings"})),
        ] {
            let refused = agent.call(tool, args).await?;
            refused.refused("denied").because("somebody-out-of-band");
            for word in ["another device", "out_of_band", "at most typed"] {
                assert!(refused.raw().to_string().contains(word), "`{word}` should be in {}", refused.raw());
            }
        }
        assert!(agent.asked().is_empty(), "nobody is asked a question whose answer would not be enough");
        assert_eq!(world.dump("fleet_staging")?, before);
        agent.close().await?;
    }
    let explained = world.run(&["policy", "explain", "sqlite_write", "--tier", "staging"]).await?;
    for word in ["deny", "at most typed", "out of reach"] {
        assert!(explained.stdout.contains(word), "`{word}` should be in: {}", explained.stdout);
    }
    Ok(())
}

/// Without the shipped policies and without others nothing is permitted at all.
#[tokio::test]
async fn without_any_policy_nothing_is_permitted() -> Result {
    let mut world = World::rental()?;
    world.default_policies().set("policies.defaults", false);
    let agent = world.stdio(Era::Modern, Person::types("approve")).await?;
    let reply = agent.call("files_delete", json!({"target": "scratch", "path": "damage"})).await?;
    reply.refused("denied");
    agent.call("sqlite_query", json!({"target": "fleet", "sql": "SELECT 1"})).await?.refused("denied");
    assert!(world.path().join("scratch/damage/car-3.txt").exists());
    Ok(())
}
