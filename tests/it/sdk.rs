//! Real SDK clients against the real gateway: list, read, and a purge with every kind of answer, in every era and over both
//! transports an SDK speaks.

use mollyguard_tests::peers::{self, Sdk};
use mollyguard_tests::{Result, World, mollyguard};
use serde_json::{Value, json};

/// Every SDK with each era it speaks, and the revision it should end up with.
const SDKS: &[(Sdk, &str, &str)] = &[
    (Sdk::TypeScript, "auto", "2026-07-28"),
    (Sdk::TypeScript, "legacy", "2025-11-25"),
    (Sdk::TypeScriptV1, "legacy", "2025-11-25"),
    (Sdk::Python, "auto", "2026-07-28"),
    (Sdk::Python, "legacy", "2025-11-25"),
];

/// Plays read and purge in the staging-free corner where a typed name is enough, and returns the report.
async fn play(world: &World, way: &Value, sdk: Sdk, era: &str, person: Value) -> Result<Value> {
    let calls = json!([
        {"name": "sqlite_query", "arguments": {"target": "fleet_dev", "sql": "SELECT count(*) AS n FROM bookings"}},
        {"name": "sqlite_purge_table", "arguments": {"target": "fleet_dev", "table": "bookings"}},
    ]);
    let mut session = json!({"era": era, "person": person, "calls": calls, "cwd": world.path()});
    for (key, value) in way.as_object().into_iter().flatten() {
        session[key] = value.clone();
    }
    peers::session(sdk, &session).await
}

fn over_stdio(world: &World) -> Result<Value> {
    Ok(json!({"command": [mollyguard()?, "--config", world.config()?, "serve"]}))
}

/// The reason code of the purge, `None` if it ran.
fn refused(report: &Value) -> Option<&str> {
    report["results"][1]["structuredContent"]["reason_code"].as_str()
}

#[tokio::test]
async fn the_right_name_purges() -> Result {
    for (sdk, era, revision) in SDKS {
        let world = World::rental()?;
        let way = over_stdio(&world)?;
        let report = play(&world, &way, *sdk, era, json!({"action": "accept", "types": "bookings"})).await?;
        let context = format!("{sdk:?} {era}: {report}");
        assert_eq!(report["revision"], *revision, "{context}");
        assert!(
            report["tools"].as_array().is_some_and(|tools| tools.contains(&json!("sqlite_purge_table"))),
            "{context}"
        );
        assert_ne!(report["results"][0]["isError"], true, "the read needs nobody: {context}");
        assert_ne!(report["results"][1]["isError"], true, "{context}");
        assert_eq!(report["questions"].as_array().map(Vec::len), Some(1), "one question, for the purge: {context}");
        assert!(world.rows("fleet_dev", "bookings").is_err(), "the table should be gone: {context}");
    }
    Ok(())
}

#[tokio::test]
async fn every_other_answer_leaves_everything_as_it_was() -> Result {
    let answers = [
        (json!({"action": "decline"}), "confirmation_declined"),
        (json!({"action": "cancel"}), "confirmation_cancelled"),
        (json!({"action": "accept", "types": "booking"}), "confirmation_mismatch"),
        (Value::Null, "confirmation_required"),
    ];
    for (sdk, era, _) in SDKS {
        let world = World::rental()?;
        let (way, before) = (over_stdio(&world)?, world.dump("fleet_dev")?);
        for (person, code) in &answers {
            let report = play(&world, &way, *sdk, era, person.clone()).await?;
            let context = format!("{sdk:?} {era} {person}: {report}");
            assert_eq!(refused(&report), Some(*code), "{context}");
            assert_eq!(report["results"][1]["structuredContent"]["changed"], false, "{context}");
            assert_eq!(world.dump("fleet_dev")?, before, "{context}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn over_http_the_same_holds() -> Result {
    for (sdk, era, revision) in SDKS {
        let world = World::rental()?;
        let served = world.serve().await?;
        let way = json!({"url": served.url()});
        let report = play(&world, &way, *sdk, era, json!({"action": "accept", "types": "booking"})).await?;
        assert_eq!(refused(&report), Some("confirmation_mismatch"), "{sdk:?} {era}: {report}");
        assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
        let report = play(&world, &way, *sdk, era, json!({"action": "accept", "types": "bookings"})).await?;
        assert_eq!(report["revision"], *revision, "{sdk:?} {era}: {report}");
        assert_eq!(refused(&report), None, "{sdk:?} {era}: {report}");
        assert!(world.rows("fleet_dev", "bookings").is_err(), "the table should be gone");
    }
    Ok(())
}
