//! What the statements of this process take together is bounded, counted by SQLite itself; who needs little waits for nobody
//! who needs much.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::world::{Database, advice, sql};
use crate::contract::{Cause, Limits};
use crate::toolsets::sqlite::connect::room::HARDEST;
use crate::toolsets::sqlite::connect::room::tests::taken;

/// Four rows of long values, and a way to sort, group and keep them on the way.
fn long(bytes: usize) -> Database {
    let value = |digit: u8| format!("replace(hex(zeroblob({})), '0', '{digit}')", bytes / 2);
    let rows: Vec<String> = (1..5).map(|at| format!("({at}, {}, {})", value(at), value(at + 1))).collect();
    let rows = rows.join(", ");
    Database::new(&format!(
        "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, v, w); INSERT INTO t VALUES {rows}"
    ))
}

const KEEPING: [&str; 15] = [
    "SELECT length(v) FROM (SELECT v, w FROM t UNION SELECT w, v FROM t)",
    "SELECT length(v) FROM (SELECT v FROM t EXCEPT SELECT substr(w, 2) FROM t)",
    "SELECT length(v) FROM (SELECT DISTINCT v, w FROM t ORDER BY w, v)",
    "SELECT length(v), count(DISTINCT w) FROM t GROUP BY v",
    "SELECT lag(v) OVER (ORDER BY id) = w, first_value(v) OVER (ORDER BY w) = w FROM t",
    "WITH RECURSIVE n(i, x) AS (SELECT 1, v FROM t UNION SELECT i + 1, x FROM n WHERE i < 9 ORDER BY 2) SELECT length(x) FROM n",
    "SELECT length(v) FROM (SELECT v, w FROM t ORDER BY substr(w, 3) LIMIT -1 OFFSET 1)",
    "SELECT max(length(v || w)), count(*) FROM t GROUP BY substr(v, 5)",
    "SELECT length(x) FROM (SELECT DISTINCT v || 'x' AS x FROM t)",
    "WITH c AS MATERIALIZED (SELECT v || 'y' AS w FROM t) SELECT length(a.w) FROM c AS a, c AS b WHERE a.w < b.w",
    "SELECT length(v) FROM (SELECT v FROM t UNION SELECT v || 'z' FROM t)",
    "SELECT sum(length(v)) OVER (ORDER BY substr(v, 5)), max(w) OVER (ORDER BY v) > 'a' FROM t",
    "SELECT length(group_concat(v || w, '-')) FROM t",
    "SELECT length(json_group_array(upper(v))) FROM t",
    "SELECT length(hex(v) || lower(w) || replace(v, '1', '23')) FROM t",
];

/// SQLite fails whatever would take more. It can only be lowered.
fn most(conn: &Connection, bytes: i64) -> i64 {
    conn.query_row(&format!("PRAGMA hard_heap_limit = {bytes}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn whatever_a_statement_keeps_on_the_way_fits_the_place_it_has() {
    // Each runs in the smallest place that holds it; SQLite itself says when it takes more, schema and database included.
    for (bytes, place) in
        [(20_000_000, 256), (6_000_000, 256), (1_500_000, 64), (300_000, 64), (100_000, 64), (10_000, 8)]
    {
        let world = long(bytes);
        most(&world.open(), (place + 8) << 20);
        for text in KEEPING {
            match world.call("sqlite_query", &sql(text)).await {
                Ok((_, answer)) => assert!(answer.output["row_count"].as_u64() > Some(0), "{text}"),
                // What even the largest place does not hold is refused, and says what helps.
                Err(error) => {
                    let (_, reason, next) = advice(Err::<(), _>(error));
                    assert!(bytes > 1_000_000, "{bytes} {text}: {reason}");
                    let known = ["may hold at once", "such long rows"].iter().any(|known| reason.contains(known));
                    assert!(known && next.contains("fewer"), "{bytes} {text}: {reason}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_hold_much_take_no_more_together_than_the_places_are() {
    let mut world = long(1_000_000);
    world.limits.deadline = Duration::from_secs(3_600);
    let world = Arc::new(world);
    world.call("sqlite_query", &sql("SELECT id FROM t")).await.unwrap();
    assert_eq!(world.open().query_row("PRAGMA hard_heap_limit", [], |row| row.get::<_, i64>(0)), Ok(HARDEST as i64));
    // Of the sum of what they take alone this is a small part.
    most(&world.open(), 272 << 20);
    let sorts = "SELECT max(length(a) + length(b)) FROM (SELECT v || w AS a, w || v AS b FROM t ORDER BY substr(v, 3))";
    let calls: Vec<_> = (0..31)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.call("sqlite_query", &sql(sorts)).await.unwrap().1 })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().output["rows"], serde_json::json!([[4_000_000]]));
    }
}

#[tokio::test]
async fn who_needs_little_waits_for_nobody_who_needs_much_and_who_waits_in_vain_is_told() {
    let mut world = long(9_000_000);
    let (large, small) = (sql("SELECT length(hex(v) || hex(w)) FROM t"), sql("SELECT length(v) FROM t WHERE id = 1"));
    let change = sql("UPDATE t SET w = 'x' WHERE id = 1");
    let held = (taken("other", false), [taken("other", true), taken("other", true), taken("another", true)]);
    world.limits.deadline = Duration::from_secs(2);
    for refused in [world.call("sqlite_query", &large).await, world.call("sqlite_write", &change).await] {
        let (cause, reason, next) = advice(refused);
        assert_eq!(cause, Cause::Unavailable, "{reason}");
        assert!(reason.contains("not run") && reason.contains("memory that other statements have"), "{reason}");
        assert!(next.contains("try again"), "{next}");
    }
    world.limits = Limits::default();
    world.call("sqlite_query", &small).await.unwrap();
    world.call("sqlite_query", &sql("SELECT id FROM t ORDER BY id DESC")).await.unwrap();
    drop(held);
    world.call("sqlite_query", &large).await.unwrap();
    world.call("sqlite_write", &change).await.unwrap();
}
