//! A try holds locks for a small time of its own, all in all; what takes longer is asked about untried, and still possible.

use std::time::Duration;

use serde_json::{Value, json};

use super::others::{Other, until};
use super::world::Ground;
use crate::contract::{Limits, Preflight, Reversibility, ToolError, Toolset as _};
use crate::toolsets::postgres::Postgres;

/// Works for longer than anybody waits, by nothing but what is harmless.
const FOREVER: &str = "(SELECT count(*) FROM generate_series(1, 10000) a, generate_series(1, 10000) b, \
                       generate_series(1, 10000) c)";

/// Works for longer than the shortest budget.
const A_WHILE: &str = "(SELECT count(*) FROM generate_series(1, 3000) a, generate_series(1, 1000) b)";

fn with_budget(ground: Ground, budget: i64) -> Ground {
    let mut ground = ground.with(toml::Table::from_iter([("trial_ms".to_owned(), toml::Value::Integer(budget))]));
    ground.limits = Limits { deadline: Duration::from_secs(120), ..Limits::default() };
    ground
}

fn is_untried(seen: &Preflight) {
    assert_eq!(seen.reversibility, Reversibility::Irreversible);
    assert!(seen.pre_image.is_none() && seen.blast_radius.rows.is_none() && seen.blast_radius.truncated);
    assert!(seen.summary.contains("not tried out"), "{}", seen.summary);
    let told = seen.evidence.iter().any(|evidence| evidence.what.contains("would hold locks for longer than"));
    assert!(told, "{:?}", seen.evidence);
}

async fn nobody_is_held_up(ground: &Ground) {
    until(ground, "SELECT count(*) = 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() \
        AND a.application_name = 'mollyguard' AND l.mode <> 'AccessShareLock' AND l.locktype IN ('relation', 'transactionid')")
    .await;
    ground.sql("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE NOWAIT; ROLLBACK");
}

/// Statements that take their time at different places of a try: while rows are written or given back, when what was put
/// off is done, and in what a foreign key brings along.
fn slow() -> Vec<(&'static str, String, Value)> {
    let waits = |how: &str| {
        format!(
            "CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \
             PERFORM {FOREVER}; RETURN coalesce(new, old); END$$; {how} ON t \
             FOR EACH ROW EXECUTE FUNCTION waits()"
        )
    };
    let update = |sql: &str| json!({"sql": sql});
    vec![
        ("the statement", String::new(), update(&format!("UPDATE t SET v = {FOREVER} WHERE id = 1"))),
        ("RETURNING", String::new(), update(&format!("UPDATE t SET v = 2 WHERE id = 1 RETURNING {FOREVER}"))),
        (
            "at the end",
            waits("CREATE CONSTRAINT TRIGGER waits AFTER UPDATE")
                .replace("ON t FOR", "ON t DEFERRABLE INITIALLY DEFERRED FOR"),
            update("UPDATE t SET v = 2 WHERE id = 1"),
        ),
        (
            "a cascade",
            format!(
                "CREATE TABLE u (t int REFERENCES t ON DELETE CASCADE); INSERT INTO u VALUES (1); {}",
                waits("CREATE TRIGGER waits BEFORE DELETE").replace("ON t", "ON u")
            ),
            update("DELETE FROM t WHERE id = 1"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_try_that_holds_locks_for_too_long_is_given_up_and_asked_about_untried() {
    for (place, script, args) in slow() {
        let table = "CREATE TABLE t (id int PRIMARY KEY, v int8); INSERT INTO t VALUES (1, 1), (2, 2);";
        let ground = with_budget(Ground::roles(&format!("{table}{script}")), 300);
        let seen = ground.look("postgres_write", args.clone()).await.unwrap_or_else(|error| panic!("{place}: {error}"));
        is_untried(&seen);
        nobody_is_held_up(&ground).await;
        assert_eq!(ground.sql("TABLE t").trim(), "1|1\n2|2", "{place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_longer_than_a_try_may_still_runs_once_it_is_allowed() {
    let ground =
        with_budget(Ground::roles("CREATE TABLE t (id int PRIMARY KEY, v int8); INSERT INTO t VALUES (1, 1)"), 10);
    let args = json!({"sql": format!("UPDATE t SET v = {A_WHILE} WHERE id = 1")});
    is_untried(&ground.look("postgres_write", args.clone()).await.unwrap());
    let done = ground.call("postgres_write", args).await.unwrap();
    assert!(done.undo.is_none(), "nobody was told that it can be undone");
    assert_eq!((&done.output["rows_changed"], ground.sql("TABLE t").trim()), (&json!(1), "1|3000000"));
    // A yes to the text is none once the table is another one.
    let args = json!({"target": "orders", "sql": format!("UPDATE t SET v = {A_WHILE}")});
    let seen = ground.look("postgres_write", args.clone()).await.unwrap();
    ground.sql("ALTER TABLE t ADD COLUMN w int");
    let lease = ground.lend(crate::contract::Access::Write);
    let ended = super::world::find("postgres_write").execute(&args, &seen, &lease).await;
    assert!(matches!(ended, Err(ToolError::Untouched { .. })), "{ended:?}");
    assert_eq!(ground.sql("SELECT v FROM t").trim(), "3000000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_try_is_as_it_was() {
    let ground = Ground::roles(
        "CREATE TABLE t (id serial PRIMARY KEY, v int8); INSERT INTO t (v) SELECT generate_series(1, 1000)",
    );
    for sql in ["UPDATE t SET v = v + 1", "DELETE FROM t WHERE id > 500", "INSERT INTO t (v) VALUES (1)"] {
        let seen = ground.look("postgres_write", json!({"sql": sql})).await.unwrap();
        assert_eq!(seen.reversibility, Reversibility::Reversible, "{sql}: {:?}", seen.evidence);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_what_goes_as_a_whole_locks_nothing_beyond_reading() {
    let ground = Ground::roles("CREATE TABLE t (id int PRIMARY KEY, v int8); INSERT INTO t VALUES (1, 1)");
    let busy = Other::connect(&ground, &ground.role, "web").await;
    // Everything but reading waits for this.
    busy.run("BEGIN; LOCK TABLE t IN EXCLUSIVE MODE").await;
    for (tool, args) in [
        ("postgres_drop", json!({"object": "table", "name": "t"})),
        ("postgres_drop", json!({"object": "column", "name": "t", "column": "v"})),
        ("postgres_drop", json!({"object": "schema", "name": "public"})),
        ("postgres_purge", json!({"object": "table", "name": "t"})),
        ("postgres_truncate", json!({"table": "t", "restart_identity": true})),
        ("postgres_alter", json!({"sql": "ALTER TABLE t ADD COLUMN w int"})),
        ("postgres_alter", json!({"sql": "CREATE INDEX ON t (v)"})),
    ] {
        let looked = ground.look(tool, args.clone()).await;
        // Whose the schema is depends on the server's version; locked it is not.
        let locked = looked.as_ref().is_err_and(|error| error.to_string().contains("locked"));
        assert!(!locked && (looked.is_ok() || args["object"] == "schema"), "{tool} {args}: {looked:?}");
    }
}

#[test]
fn how_long_a_try_may_hold_locks_is_a_setting_with_bounds() {
    let settings = |value| {
        let table = toml::Table::from_iter([("trial_ms".to_owned(), value)]);
        Postgres::new().settings(table, std::path::Path::new("/"))
    };
    for good in [10, 1_000, 60_000] {
        assert!(settings(toml::Value::Integer(good)).is_ok());
    }
    for bad in
        [toml::Value::Integer(0), toml::Value::Integer(-1), toml::Value::Integer(60_001), toml::Value::Float(1.0)]
    {
        assert_eq!(settings(bad).err().and_then(|error| error.key).as_deref(), Some("trial_ms"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_came_after_the_yes_does_not_run_before_it_is_refused() {
    // What is noted here stays, whatever is rolled back.
    let script = "CREATE TABLE t (id int PRIMARY KEY, v int8); INSERT INTO t VALUES (1, 1); CREATE SEQUENCE noted; \
        CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$; \
        CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION harmless()";
    for budget in [10, 60_000] {
        let ground = with_budget(Ground::roles(script), budget);
        let args = json!({"target": "orders", "sql": format!("UPDATE t SET v = {A_WHILE} WHERE id = 1")});
        let seen = ground.look("postgres_write", args.clone()).await.unwrap();
        ground.sql(
            "CREATE OR REPLACE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS \
             $$BEGIN EXECUTE 'SELECT setval(''noted'', 42)'; RETURN new; END$$",
        );
        let lease = ground.lend(crate::contract::Access::Write);
        let ended = super::world::find("postgres_write").execute(&args, &seen, &lease).await;
        assert!(matches!(ended, Err(ToolError::Untouched { .. })), "{budget}: {ended:?}");
        assert_eq!(ground.sql("SELECT last_value, is_called FROM noted; SELECT v FROM t").trim(), "1|f\n1");
    }
}
