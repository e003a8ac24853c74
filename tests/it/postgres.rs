//! PostgreSQL behind the gateway: two roles for one target, and two targets that are one database.

use mollyguard_tests::servers::postgres::Cluster;
use mollyguard_tests::{Era, Person, Result, World};
use serde_json::{Value, json};

/// A database with an owner and a reader, as a target.
fn target(world: &mut World, name: &str, environment: &str, [secret, read_secret]: [String; 2]) {
    world.set(&format!("targets.{name}.kind"), "postgres");
    world.set(&format!("targets.{name}.environment"), environment);
    for (key, url) in [("secret", secret), ("read_secret", read_secret)] {
        let variable = format!("{}_{}", name.to_uppercase(), key.to_uppercase());
        world.set(&format!("targets.{name}.{key}"), format!("env:{variable}"));
        world.env(variable, url);
    }
}

/// A new database with its roles; their URLs.
fn database(cluster: &Cluster) -> [String; 2] {
    let (database, owner, reader) = (cluster.database(), cluster.name("owner"), cluster.name("reader"));
    let roles = format!(
        "CREATE ROLE {owner} LOGIN; CREATE ROLE {reader} LOGIN IN ROLE pg_read_all_data; \
         ALTER DATABASE {database} OWNER TO {owner}; GRANT ALL ON SCHEMA public TO {owner}; SET ROLE {owner}; \
         CREATE TABLE t (id int)"
    );
    cluster.sql(&database, &roles);
    [cluster.url(&owner, &database), cluster.url(&reader, &database)]
}

/// Somebody's session that can be ended: its process id.
fn session(cluster: &Cluster, url: &str) -> Result<(std::process::Child, i32)> {
    let mut psql = std::process::Command::new(cluster.programs.join("psql"))
        .args(["-X", "-q", "-A", "-t", "-d", url, "-f", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    use std::io::{BufRead as _, Write as _};
    psql.stdin.as_mut().ok_or("no pipe")?.write_all(b"SELECT pg_backend_pid();\n")?;
    let mut line = String::new();
    std::io::BufReader::new(psql.stdout.as_mut().ok_or("no pipe")?).read_line(&mut line)?;
    Ok((psql, line.trim().parse()?))
}

fn lives(cluster: &Cluster, pid: i32) -> bool {
    cluster.sql("postgres", &format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")).trim() == "1"
}

#[tokio::test]
async fn one_database_in_two_environments_is_not_changed() -> Result {
    let cluster = Cluster::shared();
    let urls = database(cluster);
    let mut world = World::empty()?;
    target(&mut world, "live", "production", urls.clone());
    target(&mut world, "test", "staging", urls.clone());
    let checked = world.run(&["targets", "check"]).await?;
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    assert!(checked.stdout.contains("is the same as `live` in production (production)"), "{}", checked.stdout);

    let (mut psql, pid) = session(cluster, &urls[0])?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    for name in ["test", "live"] {
        let reply = agent.call("postgres_terminate", json!({"target": name, "pid": pid})).await?;
        reply.refused("untouched");
        assert!(reply.text().contains("one and the same"), "{}", reply.text());
        agent.call("postgres_query", json!({"target": name, "sql": "SELECT 1"})).await?.done();
    }
    assert!(agent.asked().is_empty(), "nobody is bothered with what is refused");
    assert!(lives(cluster, pid));
    agent.close().await?;
    psql.kill()?;
    psql.wait()?;
    Ok(())
}

#[tokio::test]
async fn a_twin_that_is_no_twin_or_cannot_be_asked_holds_nothing_up() -> Result {
    let cluster = Cluster::shared();
    let urls = database(cluster);
    let mut world = World::empty()?;
    target(&mut world, "live", "production", database(cluster));
    target(&mut world, "gone", "production", ["a", "b"].map(|role| format!("postgresql://{role}@127.0.0.1:1/none")));
    target(&mut world, "same", "development", urls.clone());
    target(&mut world, "test", "development", urls.clone());
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    for _ in 0..2 {
        let (mut psql, pid) = session(cluster, &urls[0])?;
        agent.call("postgres_terminate", json!({"target": "test", "pid": pid})).await?.done();
        assert!(!lives(cluster, pid));
        psql.wait()?;
    }
    agent.close().await?;
    Ok(())
}

#[tokio::test]
async fn both_roles_of_a_target_are_checked_and_open_one_database() -> Result {
    let cluster = Cluster::shared();
    let (urls, others) = (database(cluster), database(cluster));
    let mut world = World::empty()?;
    target(&mut world, "live", "production", urls.clone());
    let checked = world.run(&["targets", "check", "--json"]).await?;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    let found: Value = serde_json::from_str(&checked.stdout)?;
    let summary = found[0]["report"]["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("reads: ") && summary.contains("changes: "), "{summary}");

    target(&mut world, "live", "production", [others[0].clone(), urls[1].clone()]);
    let checked = world.run(&["targets", "check"]).await?;
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    assert!(checked.stdout.contains("what is looked at would not be what is changed"), "{}", checked.stdout);
    Ok(())
}
