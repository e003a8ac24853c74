//! Hostile statements through the tool, on databases prepared with hostile objects: nothing may change, whoever runs them.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::world::{Ground, find};
use crate::contract::Access;

/// Where the statements lie.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/toolsets/postgres/tests")
}

/// Everything that a read must leave as it was.
pub(super) fn world(ground: &Ground) -> String {
    static STATE: &str = include_str!("world_state.sql");
    ground.sql(STATE)
}

/// Somebody else's session, which nothing here may end.
pub(super) struct Victim(Child);

impl Victim {
    pub(super) fn of(ground: &Ground) -> Self {
        let psql = Command::new(ground.cluster.programs.join("psql"))
            .args(["-X", "-q", "-U", "postgres", "-d", &ground.database, "-c", "SELECT pg_sleep(3600)", "-h"])
            .arg(&ground.cluster.folder)
            .args(["-p", &ground.cluster.port.to_string()])
            .env("PGAPPNAME", "victim")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'victim' AND state = 'active' \
                     AND datname = current_database()";
        while ground.sql(there).trim() != "1" {}
        Self(psql)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// A scene's objects and its statements.
fn scene(name: &str) -> (String, Vec<String>) {
    let read = |name: &str| std::fs::read_to_string(folder().join("hostile").join(name)).unwrap();
    let text = read(&format!("{name}.sql"));
    let (setup, statements) = text.split_once("-- statements\n").unwrap();
    let own = setup.contains("CREATE TABLE t (");
    let setup = if own { setup.to_owned() } else { read("common.sql") + setup };
    let plain = |line: &str| line.replace('⏎', "\n").replace('␍', "\r").replace('⇥', "\u{c}");
    (setup, statements.lines().map(plain).collect())
}

/// Runs a scene's statements as a superuser or as a role that may only read. What was accepted goes into the golden list.
async fn play(name: &str, superuser: bool) -> String {
    let (setup, statements) = scene(name);
    let ground = if superuser { Ground::superuser("") } else { Ground::roles("") };
    let setup = setup.replace(":\"database\"", &ground.cluster.name("somebody"));
    ground.sql(&setup);
    if !superuser {
        let grant = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}", ground.reader);
        ground.sql(&grant);
    }
    let _victim = Victim::of(&ground);
    let before = world(&ground);
    let mut accepted = String::new();
    for statement in &statements {
        let answer = ground.call("postgres_query", json!({ "sql": statement })).await;
        // What was refused unsent is looked at once, in the end.
        if !answer.as_ref().is_err_and(|error| error.to_string().contains("not a read")) {
            assert_eq!(before, world(&ground), "{name}, superuser: {superuser}: {statement}\n{answer:?}");
        }
        let shown = statement.replace(['\n', '\r', '\u{c}'], "⏎");
        if answer.is_ok() {
            writeln!(accepted, "{shown}").unwrap();
        }
        if std::env::var_os("SHOW_REFUSALS").is_some() {
            match &answer {
                Ok(_) => println!("{name} {superuser} OK        {shown}"),
                Err(error) => println!("{name} {superuser} {shown}\n        {error}"),
            }
        }
    }
    assert_eq!(before, world(&ground), "{name}, superuser: {superuser}");
    println!("{name}, superuser: {superuser}: {} statements, {} accepted", statements.len(), accepted.lines().count());
    accepted
}

/// Which of the statements are answered is in `hostile/NAME.accepted`: they are harmless, and the world says so.
async fn scene_changes_nothing(name: &str) {
    let mut accepted = String::new();
    for superuser in [true, false] {
        let role = if superuser { "superuser" } else { "reader" };
        write!(accepted, "-- {role}\n{}", play(name, superuser).await).unwrap();
    }
    let golden = folder().join("hostile").join(format!("{name}.accepted"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &accepted).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap(), accepted, "{name}");
}

/// Runs a scene's statements as they are, as a superuser may, on a server of its own. Which of them change something.
fn acts_bare(name: &str) -> Vec<String> {
    let (setup, statements) = scene(name);
    let ground = Ground::alone();
    ground.sql(&setup.replace(":\"database\"", &ground.cluster.name("somebody")));
    let _victim = Victim::of(&ground);
    let mut before = world(&ground);
    let mut acted = Vec::new();
    for statement in statements {
        // What a real server would leave outside of its folder is not left there.
        let inside = statement.replace("/tmp/", &format!("{}/data/", ground.cluster.folder.display()));
        let psql = Command::new(ground.cluster.programs.join("psql"))
            .args(["-X", "-q", "-U", "postgres", "-d", &ground.database, "-c", &inside, "-h"])
            .arg(&ground.cluster.folder)
            .args(["-p", &ground.cluster.port.to_string()])
            .env("PGOPTIONS", "-c statement_timeout=500")
            .output()
            .unwrap();
        let after = world(&ground);
        if std::env::var_os("SHOW_REFUSALS").is_some() {
            println!("{name} bare {} {statement} {}", before != after, String::from_utf8_lossy(&psql.stderr));
        }
        if before != after {
            acted.push(statement);
        }
        before = after;
    }
    println!("{name}: {} of them act without the tool", acted.len());
    acted
}

#[tokio::test]
async fn built_in_functions_and_statements() {
    scene_changes_nothing("builtins").await;
}

#[tokio::test]
async fn text_that_reads_differently() {
    scene_changes_nothing("text").await;
}

#[test]
fn the_same_statements_act_without_the_tool() {
    for (name, least) in [("builtins", 45), ("text", 10), ("extensions", 2)] {
        let acted = acts_bare(name);
        assert!(acted.len() >= least, "{name}: {acted:#?}");
    }
}

#[tokio::test]
async fn a_look_tells_what_the_call_would_be_told() {
    let ground = Ground::superuser("CREATE TABLE t (name varchar); INSERT INTO t VALUES ('one')");
    let args = json!({ "target": "orders", "sql": "SELECT lower(name) FROM t" });
    let lease = ground.lend(Access::Read);
    let seen = find("postgres_query").preflight(&args, &lease).await.unwrap();
    find("postgres_query").execute(&args, &seen, &lease).await.unwrap();
    ground.sql("CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql RETURN pg_advisory_lock(1)::text");
    let called = find("postgres_query").execute(&args, &seen, &lease).await.unwrap_err().to_string();
    let looked = find("postgres_query").preflight(&args, &lease).await.unwrap_err().to_string();
    assert_eq!(looked, called);
    assert!(looked.contains("lower"), "{looked}");
}

#[tokio::test]
async fn overloads_of_built_in_functions() {
    scene_changes_nothing("overloads").await;
}

#[tokio::test]
async fn operators_of_somebody() {
    scene_changes_nothing("operators").await;
    scene_changes_nothing("quiet").await;
}

#[tokio::test]
async fn types_and_casts_of_somebody() {
    scene_changes_nothing("types").await;
}

#[tokio::test]
async fn casts_and_comparisons_of_built_in_types() {
    scene_changes_nothing("casts").await;
    scene_changes_nothing("arrays").await;
    scene_changes_nothing("comparisons").await;
}

#[tokio::test]
async fn relations_that_run_code() {
    scene_changes_nothing("relations").await;
}

#[tokio::test]
async fn extensions_and_what_is_added_to_them() {
    scene_changes_nothing("extensions").await;
}
