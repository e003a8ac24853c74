//! What looks cost the others over time: tries take turns and rest, write only so much, and what locks a table unasked is taken
//! back before long.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};

use super::others::{Other, until};
use super::world::{Ground, find};
use crate::contract::{Access, Lease, Limits, Preflight, Reversibility, ToolError};
use crate::toolsets::postgres::connect::{Session, Turn};

/// Works for longer than anybody waits, by nothing but what is harmless.
const FOREVER: &str = "(SELECT count(*) FROM generate_series(1, 10000) a, generate_series(1, 10000) b, \
                       generate_series(1, 10000) c)";

/// Takes its time for each row, by nothing but what is harmless.
const DEAR: &str = "length(repeat('x', 2000000 + id % 2)) > 0";

fn ground(settings: &str, script: &str) -> Ground {
    let mut ground = Ground::roles(script).with(settings.parse().unwrap());
    ground.limits = Limits { deadline: Duration::from_secs(120), ..Limits::default() };
    ground
}

/// Whether a user's turn is there without a wait.
fn comes_at_once(lease: &Lease) -> bool {
    let mut wait = pin!(Turn::wait(lease));
    matches!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_)))
}

async fn execute(ground: &Ground, tool: &str, mut args: Value, seen: &Preflight) -> Result<Value, ToolError> {
    args["target"] = json!("orders");
    find(tool).execute(&args, seen, &ground.lend(Access::Write)).await.map(|done| done.output)
}

/// Nothing that holds up others is left on the server.
async fn everybody_goes_on(ground: &Ground) {
    until(ground, "SELECT count(*) = 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() \
        AND a.application_name = 'mollyguard' AND l.mode <> 'AccessShareLock' AND l.locktype IN ('relation', 'transactionid')")
    .await;
    ground.sql("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE NOWAIT; ROLLBACK");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_that_held_locks_for_long_make_the_next_ones_wait_and_nothing_else() {
    // The second may come at once. Its rest is many times as long as anything here takes beside them.
    let script = "CREATE TABLE t (id int PRIMARY KEY, v int8); INSERT INTO t VALUES (1, 1), (2, 2)";
    let mut ground = ground("trial_ms = 3000", script);
    let quick = json!({"sql": "UPDATE t SET v = 3 WHERE id = 2"});
    let seen = ground.look("postgres_write", quick.clone()).await.unwrap();
    assert_eq!(seen.reversibility, Reversibility::Reversible, "{:?}", seen.evidence);
    for _ in 0..2 {
        let slow = json!({"sql": format!("UPDATE t SET v = {FOREVER} WHERE id = 1")});
        assert!(ground.look("postgres_write", slow).await.unwrap().blast_radius.truncated);
    }
    for user in ["anna", "ben"] {
        assert!(!comes_at_once(&ground.lend(Access::Trial).in_turn_of(user)), "{user}");
    }
    // A connection is there, so that it is the turn that is waited for.
    until(
        &ground,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' \
        AND application_name = 'mollyguard' AND query LIKE 'CLOSE ALL;%'",
    )
    .await;
    // A look whose time is over says so, and leaves no place in the line behind.
    let patient = std::mem::replace(&mut ground.limits, Limits { deadline: Duration::ZERO, ..Limits::default() });
    let late = ground.look("postgres_write", quick.clone()).await.unwrap_err();
    assert!(late.to_string().contains("being tried out"), "{late}");
    ground.limits = patient;
    // What was decided does not wait, and neither do reads and looks that lock nothing.
    execute(&ground, "postgres_write", quick, &seen).await.unwrap();
    ground.call("postgres_query", json!({"sql": "SELECT * FROM t"})).await.unwrap();
    ground.look("postgres_drop", json!({"object": "table", "name": "t"})).await.unwrap();
    assert_eq!(ground.sql("SELECT * FROM t ORDER BY id").trim(), "1|1\n2|3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quick_looks_follow_each_other_at_once_and_a_look_that_is_cut_off_leaves_its_turn() {
    let ground = ground("", "CREATE TABLE t (id int PRIMARY KEY, v int8); INSERT INTO t VALUES (1, 1)");
    for at in 0..20 {
        ground.look("postgres_write", json!({"sql": format!("UPDATE t SET v = {at}")})).await.unwrap();
    }
    let lease = ground.lend(Access::Trial);
    let turn = Turn::wait(&lease).await.unwrap();
    let mut waits = Box::pin(Turn::wait(&lease));
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "one at a time");
    drop((waits, turn));
    assert!(comes_at_once(&lease));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_a_connection_holds_up_nobody_elses_turn() {
    let ground = ground("connections = 2", "CREATE TABLE t (id int PRIMARY KEY, v int8); INSERT INTO t VALUES (1, 1)");
    let [anna, ben] = ["anna", "ben"].map(|user| ground.lend(Access::Trial).in_turn_of(user));
    // Her only connection, for as long as the test likes.
    let hers = Session::open(&anna).await.map_err(|error| error.to_string()).unwrap();
    let (tool, args) = (find("postgres_write"), json!({"target": "orders", "sql": "UPDATE t SET v = 2"}));
    let mut waits = tool.preflight(&args, &anna);
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let seen = tool.preflight(&args, &ben).await.unwrap();
    assert_eq!(seen.reversibility, Reversibility::Reversible, "{:?}", seen.evidence);
    drop(hers);
    waits.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_try_that_writes_without_end_is_stopped_and_asked_about_untried() {
    let mut ground = ground("trial_ms = 60000", "CREATE TABLE t (id int8, v text)");
    // As little as can be set: so much is written long before the time is over.
    ground.limits.undo_bytes = 1;
    let sql = "INSERT INTO t SELECT a, repeat('x', 500) FROM generate_series(1, 10000) a, generate_series(1, 10000) b, \
               generate_series(1, 10000) c";
    let seen = ground.look("postgres_write", json!({"sql": sql})).await.unwrap();
    assert!(seen.blast_radius.truncated && seen.reversibility == Reversibility::Irreversible);
    assert!(seen.evidence.iter().any(|it| it.what.contains("would write more than 16")), "{:?}", seen.evidence);
    everybody_goes_on(&ground).await;
    assert_eq!(ground.sql("SELECT count(*) FROM t").trim(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_locks_a_table_unasked_for_too_long_is_taken_back_and_asked_about_from_then_on() {
    let script = "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 200)";
    for (sql, made) in [
        (
            format!("ALTER TABLE t ADD CONSTRAINT dear CHECK ({DEAR})"),
            "SELECT count(*) FROM pg_constraint WHERE conname = 'dear'",
        ),
        (format!("CREATE INDEX dear ON t (({DEAR}))"), "SELECT count(*) FROM pg_class WHERE relname = 'dear'"),
    ] {
        let ground = ground("lock_ms = 10", script);
        let args = json!({"sql": sql});
        let seen = ground.look("postgres_alter", args.clone()).await.unwrap();
        assert_eq!(seen.reversibility, Reversibility::Reversible, "{sql}: {:?}", seen.evidence);
        let ended = execute(&ground, "postgres_alter", args.clone(), &seen).await.unwrap_err();
        assert!(matches!(ended, ToolError::Untouched { .. }) && ended.to_string().contains("locked"), "{sql}: {ended}");
        everybody_goes_on(&ground).await;
        assert_eq!(ground.sql(made).trim(), "0", "{sql}");
        let seen = ground.look("postgres_alter", args.clone()).await.unwrap();
        assert_eq!(seen.reversibility, Reversibility::Irreversible, "{sql}");
        execute(&ground, "postgres_alter", args, &seen).await.unwrap();
        assert_eq!(ground.sql(made).trim(), "1", "{sql}");
        // Another change of the table is as it was.
        let args = json!({"sql": "ALTER TABLE t ADD COLUMN w int"});
        let seen = ground.look("postgres_alter", args).await.unwrap();
        assert_eq!(seen.reversibility, Reversibility::Reversible);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_somebody_elses_lock_is_no_locking() {
    let ground = ground("lock_ms = 1000", "CREATE TABLE t (id int); INSERT INTO t VALUES (1)");
    let args = json!({"sql": "ALTER TABLE t ADD COLUMN w int"});
    let seen = ground.look("postgres_alter", args.clone()).await.unwrap();
    let busy = Other::connect(&ground, &ground.role, "web").await;
    busy.run("BEGIN; SELECT * FROM t").await;
    let change = execute(&ground, "postgres_alter", args, &seen);
    let lets_go = async {
        until(&ground, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'").await;
        busy.run("COMMIT").await;
    };
    let (done, ()) = tokio::join!(change, lets_go);
    done.unwrap();
    assert_eq!(ground.sql("SELECT w IS NULL FROM t").trim(), "t");
}
