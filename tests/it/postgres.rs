//! PostgreSQL behind the gateway: two roles for one target, and two targets that are one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use mollyguard_tests::servers::postgres::Cluster;
use mollyguard_tests::{Era, Person, Result, World};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

/// A database with an owner and a reader, as a target.
fn target(world: &mut World, name: &str, environment: &str, [secret, read_secret]: [String; 2]) {
    world.set(&format!("targets.{name}.kind"), "postgres");
    world.set(&format!("targets.{name}.environment"), environment);
    for (key, url) in [("secret", secret), ("read_secret", read_secret)] {
        let variable = format!("{}_{}", name.to_uppercase(), key.to_uppercase());
        world.set(&format!("targets.{name}.{key}"), format!("env:{variable}"));
        world.env(variable, url);
    }
    // Machines that run tests are busy.
    world.set(&format!("targets.{name}.trial_ms"), 60_000).set(&format!("targets.{name}.lock_ms"), 60_000);
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

#[tokio::test]
async fn a_twin_is_known_whoever_answers_for_it() -> Result {
    let cluster = Cluster::shared();
    let urls = database(cluster);
    let other = cluster.name("other");
    cluster.sql("postgres", &format!("CREATE ROLE {other} LOGIN"));
    let mut world = World::empty()?;
    // The same database for somebody else, who may come in, for now.
    let theirs = [0, 1].map(|_| cluster.url(&other, &database_of(&urls[0])));
    target(&mut world, "live", "production", theirs);
    target(&mut world, "test", "development", urls.clone());
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let insert = json!({"target": "test", "sql": "INSERT INTO t VALUES (1)"});
    let refused = async |words: &str| -> Result {
        let reply = agent.call("postgres_write", insert.clone()).await?;
        reply.refused("untouched");
        assert!(reply.text().contains(words), "{}", reply.text());
        assert_eq!(cluster.sql(&database_of(&urls[0]), "SELECT count(*) FROM t").trim(), "0");
        Ok(())
    };
    refused("one and the same").await?;
    // What it said last holds once it does not answer any more, however long ago that was.
    cluster.sql("postgres", &format!("ALTER ROLE {other} NOLOGIN"));
    let gone = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{other}'");
    cluster.sql("postgres", &gone);
    refused("one and the same").await?;
    agent.close().await?;
    // One that has never answered is known by its address.
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let reply = agent.call("postgres_write", insert.clone()).await?;
    reply.refused("untouched");
    assert!(reply.text().contains("has the same address"), "{}", reply.text());
    agent.close().await?;
    Ok(())
}

/// An address that leads to one server, and later to another.
async fn address(leads_to: Arc<AtomicU16>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", leads_to.load(Ordering::SeqCst))).await else {
                continue;
            };
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    Ok(port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_comes_to_lead_elsewhere_is_noticed_at_once() -> Result {
    let (cluster, apart) = (Cluster::shared(), Cluster::start("")?);
    let name = database_of(&database(cluster)[0]);
    apart.sql("postgres", &format!("CREATE DATABASE {name}"));
    let leads_to = Arc::new(AtomicU16::new(apart.port));
    let port = address(Arc::clone(&leads_to)).await?;
    let mut world = World::empty()?;
    let live = format!("postgresql://postgres@127.0.0.1:{port}/{name}");
    target(&mut world, "live", "production", [live.clone(), live]);
    let url = cluster.url("postgres", &name);
    target(&mut world, "test", "development", [url.clone(), url]);
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let drop = json!({"target": "test", "object": "table", "name": "t"});
    let dropped = agent.call("postgres_drop", drop.clone()).await?;
    dropped.done();
    agent.call("undo_call", json!({"call_id": dropped.call_id()})).await?.done();
    // A moment later.
    leads_to.store(cluster.port, Ordering::SeqCst);
    apart.sql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mollyguard'",
    );
    let reply = agent.call("postgres_drop", drop).await?;
    reply.refused("untouched");
    assert!(reply.text().contains("one and the same"), "{}", reply.text());
    assert_eq!(cluster.sql(&name, "SELECT to_regclass('public.t') IS NOT NULL").trim(), "t");
    agent.close().await?;
    Ok(())
}

fn database_of(url: &str) -> String {
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The most memory a process has held, in bytes.
fn peak(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_at_once_take_the_memory_of_few() -> Result {
    /// The share of one call, and how often a byte of it may be there at once.
    const SHARE: u64 = 64 << 20;
    let cluster = Cluster::shared();
    let urls = database(cluster);
    let mut world = World::empty()?;
    // As many as are let run at once, on connections of their own.
    for name in ["a", "b"] {
        target(&mut world, name, "development", urls.clone());
    }
    let served = world.serve().await?;
    let agent = served.agent(Era::Modern, Person::absent()).await?;
    agent.call("postgres_query", json!({"target": "a", "sql": "SELECT 1"})).await?.done();
    let before = peak(served.pid()?)?;
    // A page of it is more than a call may read, and nothing of it is large for the server.
    let sql = "SELECT repeat('x', 1000000) FROM generate_series(1, 1000)";
    let mut calls = Vec::new();
    for at in 0..12 {
        let target = if at % 2 == 0 { "a" } else { "b" };
        calls.push(agent.start("postgres_query", json!({"target": target, "sql": sql})).await?);
    }
    for call in calls {
        let reply = call.reply().await?;
        assert!(reply.text().contains("larger than") || reply.text().contains("took longer"), "{}", reply.text());
    }
    let more = peak(served.pid()?)?.saturating_sub(before);
    assert!(more < 5 * SHARE, "{} MiB more for answers of {} MiB each", more >> 20, SHARE >> 20);
    // The gateway lives, and small answers need no turn.
    agent.call("postgres_query", json!({"target": "b", "sql": "SELECT 1"})).await?.done();
    Ok(())
}
