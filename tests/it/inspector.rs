//! The Inspector's command line against the real gateway, in both eras: it connects, lists, and finds no schema that some
//! client would choke on.

use mollyguard_tests::{Result, World, mollyguard, peers};
use serde_json::Value;

async fn lists(era: &str) -> Result {
    let world = World::rental()?;
    let (binary, config) = (mollyguard()?.display().to_string(), world.config()?.display().to_string());
    // What comes after `--` is the server's.
    let inspector = ["--protocol-era", era, "--method", "tools/list", "--strict", "--format", "json", "--"];
    let server = [binary.as_str(), "--config", &config, "serve"];
    let ran = peers::inspector(&[inspector.as_slice(), server.as_slice()].concat()).await?;
    assert_eq!(ran.code, Some(0), "{era}: {}", ran.all());
    let listed: Value = serde_json::from_str(&ran.stdout)?;
    let tools = listed.pointer("/tools").or_else(|| listed.pointer("/result/tools")).and_then(Value::as_array);
    let names: Vec<_> = tools.into_iter().flatten().filter_map(|tool| tool["name"].as_str()).collect();
    assert!(names.contains(&"sqlite_query") && names.contains(&"preview_call"), "{era}: {names:?}");
    Ok(())
}

#[tokio::test]
async fn legacy() -> Result {
    lists("legacy").await
}

#[tokio::test]
async fn modern() -> Result {
    lists("modern").await
}

#[tokio::test]
async fn auto() -> Result {
    lists("auto").await
}
