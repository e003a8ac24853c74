//! A target that was pinned to what answers behind its name: anything else there is refused, for reads as for changes.

use mollyguard_tests::{Era, Person, Result, World};
use serde_json::{Value, json};

#[tokio::test]
async fn another_database_behind_a_pinned_name_is_refused() -> Result {
    let mut world = World::rental()?;
    let checked = world.run(&["targets", "check", "fleet_dev", "--json"]).await?;
    let found: Value = serde_json::from_str(&checked.stdout)?;
    let identity = found[0]["report"]["identity"].as_str().unwrap_or_default().to_owned();
    assert!(identity.starts_with("sqlite:"), "{}", checked.stdout);
    world.set("targets.fleet_dev.identity", identity);

    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let read = json!({"target": "fleet_dev", "sql": "SELECT count(*) FROM bookings"});
    let change = json!({"target": "fleet_dev", "sql": "DELETE FROM bookings"});
    agent.call("sqlite_query", read.clone()).await?.done();

    // The same rows in another file: only the identity can tell.
    let database = world.path().join("fleet_dev.db");
    let copy = world.path().join("copy.db");
    std::fs::copy(&database, &copy)?;
    std::fs::rename(&copy, &database)?;
    let before = world.dump("fleet_dev")?;
    for (tool, args) in [("sqlite_query", read), ("sqlite_write", change)] {
        let reply = agent.call(tool, args).await?;
        reply.refused("untouched");
        assert!(reply.text().contains("is pinned to"), "{}", reply.text());
    }
    assert_eq!(world.dump("fleet_dev")?, before);
    let checked = world.run(&["targets", "check", "fleet_dev"]).await?;
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    agent.close().await?;
    Ok(())
}
