//! What the clock decides on the way keeps nobody from a yes: rules, views, defaults of domains and of views' columns, foreign
//! keys that set defaults, conditions of triggers. And what nobody has counted is not called nothing.

use serde_json::json;

use super::world::{Ground, find};
use crate::contract::Access;

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, n int, at timestamptz);
    INSERT INTO t SELECT i, i, '2026-01-01' FROM generate_series(1, 5) AS i; ";

/// What hangs on the table, a statement, and what it is to leave.
const CASES: &[(&str, &str, &str)] = &[
    (
        "CREATE VIEW v AS SELECT id, n FROM t; CREATE RULE r AS ON DELETE TO v DO INSTEAD UPDATE t SET at = now() WHERE id = old.id",
        "DELETE FROM v WHERE id = 1",
        "SELECT count(*) FROM t WHERE at > '2026-02-01'",
    ),
    (
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD UPDATE t SET at = CURRENT_TIMESTAMP, n = 0 WHERE id = old.id",
        "DELETE FROM t WHERE id = 1",
        "SELECT count(*) FROM t WHERE n = 0",
    ),
    (
        "CREATE TABLE log (id int, at timestamptz); CREATE RULE r AS ON UPDATE TO t DO ALSO INSERT INTO log VALUES (old.id, clock_timestamp())",
        "UPDATE t SET n = 7 WHERE id = 1",
        "SELECT count(*) FROM log",
    ),
    (
        "CREATE FUNCTION stamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT clock_timestamp()'; CREATE VIEW v AS SELECT id, n, at FROM t; \
         CREATE RULE r AS ON UPDATE TO v DO INSTEAD UPDATE t SET at = stamp() WHERE id = old.id",
        "UPDATE v SET n = 7 WHERE id = 1",
        "SELECT count(*) FROM t WHERE at > '2026-02-01'",
    ),
    (
        "CREATE VIEW v AS SELECT id, n, now() AS seen FROM t; \
         CREATE RULE r AS ON UPDATE TO v DO INSTEAD UPDATE t SET at = old.seen WHERE id = old.id",
        "UPDATE v SET n = 7 WHERE id = 1",
        "SELECT count(*) FROM t WHERE at > '2026-02-01'",
    ),
    (
        "CREATE VIEW v AS SELECT id, n, at FROM t; ALTER VIEW v ALTER at SET DEFAULT now()",
        "INSERT INTO v (id, n) VALUES (9, 9)",
        "SELECT count(*) FROM t WHERE id = 9 AND at > '2026-02-01'",
    ),
    (
        "CREATE DOMAIN moment AS timestamptz DEFAULT now(); ALTER TABLE t ADD m moment",
        "INSERT INTO t (id) VALUES (9)",
        "SELECT count(*) FROM t WHERE id = 9 AND m > '2026-02-01'",
    ),
    (
        "CREATE FUNCTION stamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT clock_timestamp()'; \
         CREATE DOMAIN moment AS timestamptz DEFAULT stamp(); CREATE TABLE u (id int PRIMARY KEY, m moment)",
        "INSERT INTO u (id) VALUES (9)",
        "SELECT count(*) FROM u WHERE m > '2026-02-01'",
    ),
    (
        "ALTER TABLE t ALTER at SET DEFAULT now()",
        "UPDATE t SET at = DEFAULT WHERE id = 1",
        "SELECT count(*) FROM t WHERE at > '2026-02-01'",
    ),
    (
        "ALTER TABLE t ALTER at SET DEFAULT now()",
        "INSERT INTO t (id, n) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET at = DEFAULT",
        "SELECT count(*) FROM t WHERE at > '2026-02-01'",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_clock_decides_on_the_way_does_not_stand_in_the_way_of_a_yes() {
    for (more, sql, left) in CASES {
        let ground = Ground::roles(&format!("{TABLE}{more}"));
        let args = json!({ "target": "orders", "sql": sql });
        let seen = ground.look("postgres_write", args.clone()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(seen.blast_radius.rows.map(|rows| rows > 0), Some(true), "{sql}: it was tried");
        let tool = find("postgres_write");
        let done = tool.execute(&args, &seen, &ground.lend(Access::Write)).await;
        let done = done.unwrap_or_else(|error| panic!("{more}: {sql}: {error}"));
        assert_eq!(ground.sql(left).trim(), "1", "{more}: {sql}");
        // Rows it does not know the new values of are still bound as they were.
        let undo = done.undo.map(|plan| (find(&plan.tool), plan));
        if let Some((tool, plan)) = undo {
            let seen = tool.preflight(&plan.args, &ground.lend(Access::Trial)).await.unwrap();
            assert_eq!(seen.fingerprint, plan.expects, "{sql}");
            tool.execute(&plan.args, &seen, &ground.lend(Access::Write)).await.unwrap();
            assert_eq!(ground.sql(left).trim(), "0", "{sql}");
        }
    }
}

#[tokio::test]
async fn other_rows_than_those_that_were_seen_are_refused_all_the_same() {
    let (more, sql, _) = CASES[0];
    let ground = Ground::roles(&format!("{TABLE}{more}"));
    let args = json!({ "target": "orders", "sql": sql });
    let seen = ground.look("postgres_write", args.clone()).await.unwrap();
    ground.sql("UPDATE t SET n = 77 WHERE id = 1");
    find("postgres_write").execute(&args, &seen, &ground.lend(Access::Write)).await.unwrap_err();
    assert_eq!(ground.sql("SELECT count(*) FROM t WHERE at > '2026-02-01'").trim(), "0");
}

#[tokio::test]
async fn what_was_never_analysed_is_counted_or_not_known_and_never_none() {
    let mut ground = Ground::roles(&format!(
        "{TABLE} CREATE TABLE empty (id int); CREATE TABLE p (id int) PARTITION BY RANGE (id);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9); INSERT INTO p VALUES (1), (2);
         CREATE TABLE veiled (id int); INSERT INTO veiled VALUES (1); ALTER TABLE veiled ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    ));
    let holds = async |ground: &Ground, table: &str| {
        let seen =
            ground.look("postgres_alter", json!({ "sql": format!("ALTER TABLE {table} ADD more int") })).await.unwrap();
        let found = seen.evidence.into_iter().find(|line| line.what.contains(" holds "));
        found.map(|line| line.what).unwrap_or_default()
    };
    for (table, words) in [
        ("t", "public.t holds 5 rows, "),
        ("empty", "public.empty holds 0 rows, "),
        ("p", "public.p holds 2 rows, "),
        ("veiled", "public.veiled holds an unknown number of rows, "),
    ] {
        let said = holds(&ground, table).await;
        assert!(said.starts_with(words), "{said}");
    }
    ground.limits.count = 3;
    assert!(holds(&ground, "t").await.starts_with("public.t holds more than 3 rows, "));
    ground.sql("ANALYZE t");
    assert!(holds(&ground, "t").await.starts_with("public.t holds about 5 rows, "));
}

#[tokio::test]
async fn what_a_summary_leaves_out_is_counted_with_its_verbs_and_bound() {
    let tables: String = (0..80)
        .map(|at| {
            format!(
                "CREATE TABLE k{at} (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE); \
                           INSERT INTO k{at} SELECT i, 1 FROM generate_series(1, {}) AS i; ",
                1 + at % 2
            )
        })
        .collect();
    let ground = Ground::roles(&format!("{TABLE}{tables}"));
    let args = json!({ "target": "orders", "sql": "DELETE FROM t WHERE id = 1" });
    let seen = ground.look("postgres_write", args.clone()).await.unwrap();
    assert_eq!(seen.targets.len(), 81);
    assert!(seen.summary.ends_with("; and delete 97 rows of 69 more tables"), "{}", seen.summary);
    assert_eq!(seen.blast_radius.rows, Some(121));
    // A row more in any of them is another change, named or not.
    for at in [0, 41, 79] {
        ground.sql(&format!("INSERT INTO k{at} VALUES (7, 1)"));
        find("postgres_write").execute(&args, &seen, &ground.lend(Access::Write)).await.unwrap_err();
        ground.sql(&format!("DELETE FROM k{at} WHERE id = 7"));
    }
    assert_eq!(ground.sql("SELECT count(*) FROM t").trim(), "5");
    find("postgres_write").execute(&args, &seen, &ground.lend(Access::Write)).await.unwrap();
    assert_eq!(ground.sql("SELECT count(*) FROM t").trim(), "4");
}
