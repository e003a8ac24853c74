//! A count that stopped says *more than*, and a state that moved beyond what was counted is noticed.

use serde_json::{Value, json};

use super::others::until;
use super::world::{Ground, find};
use crate::contract::{Access, Cause, Limits, Preflight, ToolError};

/// Far more rows than are counted, on more pages than one, without statistics.
const SCRIPT: &str = "CREATE TABLE t (id int, v text); INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 5000) i; \
                      CREATE TABLE small (id int); INSERT INTO small SELECT generate_series(1, 7)";

fn ground() -> Ground {
    let mut ground = Ground::roles_apart(SCRIPT);
    ground.limits = Limits { count: 100, ..Limits::default() };
    ground
}

fn calls() -> [(&'static str, Value); 4] {
    [
        ("postgres_purge", json!({"target": "orders", "object": "table", "name": "t"})),
        ("postgres_truncate", json!({"target": "orders", "table": "t"})),
        ("postgres_drop", json!({"target": "orders", "object": "table", "name": "t"})),
        ("postgres_drop", json!({"target": "orders", "object": "column", "name": "t", "column": "v"})),
    ]
}

fn told(seen: &Preflight) -> String {
    let evidence: Vec<&str> = seen.evidence.iter().map(|evidence| evidence.what.as_str()).collect();
    format!("{}\n{}", seen.summary, evidence.join("\n"))
}

/// The server has counted what its sessions wrote: it takes those in once they have left.
async fn counted(ground: &Ground, writes: u64) {
    let sql = "SELECT n_tup_ins + n_tup_upd + n_tup_del >= {n} FROM pg_stat_user_tables WHERE relname = 't'";
    until(ground, &sql.replace("{n}", &writes.to_string())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_that_stopped_says_more_than() {
    for (tool, args) in calls() {
        let ground = ground();
        counted(&ground, 5_000).await;
        let seen = ground.look(tool, args.clone()).await.unwrap();
        let told = told(&seen);
        assert!(told.contains("more than 100 rows"), "{tool}: {told}");
        assert!(!told.contains("about 100"), "{tool}: {told}");
        assert!(seen.blast_radius.truncated && seen.blast_radius.rows == Some(100), "{:?}", seen.blast_radius);
        let done = find(tool).execute(&args, &seen, &ground.lend(Access::Write)).await.unwrap();
        if tool != "postgres_drop" {
            assert_eq!((&done.output["rows"], &done.output["more_than"]), (&Value::Null, &json!(100)));
        }
    }
    // With statistics the estimate is told beside it, and what was counted to the end is exact.
    let ground = ground();
    ground.sql("ANALYZE t");
    let seen = ground.look("postgres_purge", calls()[0].1.clone()).await.unwrap();
    assert!(told(&seen).contains("more than 100 rows (the server's estimate is 5,000)"), "{}", told(&seen));
    let args = json!({"object": "table", "name": "small"});
    let seen = ground.look("postgres_purge", args.clone()).await.unwrap();
    assert!(told(&seen).contains("holds 7 rows") && !told(&seen).contains("more than"), "{}", told(&seen));
    let done = ground.call("postgres_purge", args).await.unwrap();
    assert_eq!(done.output["rows"], 7);
    assert_eq!(done.output.get("more_than"), None);
}

/// What moves the rows beyond those that are counted, with how many writes the server counts for it.
const MOVES: [(&str, u64); 8] = [
    ("UPDATE t SET v = 'y' WHERE id > 2000", 3_000),
    ("UPDATE t SET v = v WHERE id = 4321", 1),
    ("DELETE FROM t WHERE id = 4999", 1),
    ("DELETE FROM t WHERE id BETWEEN 3000 AND 4000", 1_001),
    ("INSERT INTO t VALUES (6000, 'new')", 1),
    ("DELETE FROM t WHERE id = 4000; INSERT INTO t VALUES (4000, repeat('x', 500))", 2),
    ("BEGIN; TRUNCATE t; INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 5000) i; COMMIT", 5_000),
    ("UPDATE t SET id = -id WHERE id > 4990", 10),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_moved_beyond_the_count_is_noticed() {
    for (moves, writes) in MOVES {
        for (tool, args) in calls() {
            let ground = ground();
            counted(&ground, 5_000).await;
            let seen = ground.look(tool, args.clone()).await.unwrap();
            ground.sql(moves);
            counted(&ground, 5_000 + writes).await;
            let before = ground.sql("SELECT count(*), sum(hashtext(t::text)) FROM t");
            let ended = find(tool).execute(&args, &seen, &ground.lend(Access::Write)).await;
            assert!(
                matches!(ended, Err(ToolError::Untouched { cause: Cause::Changed, .. })),
                "{tool} after {moves}: {ended:?}"
            );
            assert_eq!(ground.sql("SELECT count(*), sum(hashtext(t::text)) FROM t"), before);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_in_bulk_are_noticed_before_the_server_has_counted_them() {
    let ground = ground();
    counted(&ground, 5_000).await;
    // An open session hands its counts in when it is at rest for a while: this one is not.
    let writer = super::others::Other::connect(&ground, &ground.role, "web").await;
    for moves in ["UPDATE t SET v = v WHERE id > 2500", "DELETE FROM t WHERE id > 2500"] {
        let (tool, args) = &calls()[0];
        let seen = ground.look(tool, args.clone()).await.unwrap();
        writer.run(&format!("{moves}; BEGIN; SELECT 1; COMMIT")).await;
        let ended = find(tool).execute(args, &seen, &ground.lend(Access::Write)).await;
        assert!(matches!(ended, Err(ToolError::Untouched { cause: Cause::Changed, .. })), "{moves}: {ended:?}");
    }
}
