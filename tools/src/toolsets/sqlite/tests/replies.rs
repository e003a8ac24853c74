//! What is said of a change: every table with its own verb and count, the worst first; and as many rows as really changed.

use serde_json::{Value, json};

use super::world::{Database, SHOP, advice, find, sql, state_of, table};
use crate::contract::{Access, Cause, Preflight};

const MORE: &str = "
    CREATE TABLE kv(k TEXT, n INTEGER, note, PRIMARY KEY (n, k)) WITHOUT ROWID;
    INSERT INTO kv VALUES ('a', 1, 'x'), ('b', 1, 'y'), ('c', 2, 'z');
    CREATE TABLE uq(id INTEGER PRIMARY KEY, a UNIQUE ON CONFLICT REPLACE);
    INSERT INTO uq VALUES (1, 'a'), (2, 'b');
    CREATE TABLE log(what);
    CREATE VIEW names AS SELECT id, name FROM cust;
    CREATE TRIGGER names_out INSTEAD OF DELETE ON names BEGIN DELETE FROM cust WHERE id = old.id; END;
    CREATE TRIGGER noted AFTER UPDATE ON cust BEGIN INSERT INTO log VALUES (new.name); END;
    CREATE TABLE empty(id INTEGER PRIMARY KEY);
";

/// A statement, what is said of it, and how many rows it changes.
const SAID: [(&str, &str, u64); 15] = [
    (
        "DELETE FROM cust WHERE id = 1 --\nOR true",
        "delete 5 rows of payments; delete 3 rows of bookings; delete 2 rows of cust",
        10,
    ),
    ("DELETE FROM payments WHERE id=1 --\r\nOR true", "delete 5 rows of payments", 5),
    ("DELETE FROM payments", "delete 5 rows of payments", 5),
    ("DELETE FROM payments WHERE true RETURNING id", "delete 5 rows of payments", 5),
    ("DELETE FROM kv", "delete 3 rows of kv", 3),
    ("DELETE FROM kv WHERE n = 1", "delete 2 rows of kv", 2),
    ("UPDATE kv SET n = n + 10", "delete 3 rows of kv; insert 3 rows of kv", 3),
    ("UPDATE uq SET id = id + 10", "update 2 rows of uq", 2),
    ("UPDATE kv SET note = 'w'", "update 3 rows of kv", 3),
    ("DELETE FROM names WHERE id = 1", "delete 3 rows of payments; delete 2 rows of bookings; delete 1 row of cust", 6),
    ("UPDATE cust SET note = 'n'", "update 2 rows of cust; insert 2 rows of log", 4),
    ("INSERT INTO uq(a) VALUES ('a')", "delete 1 row of uq; insert 1 row of uq", 1),
    (
        "INSERT OR REPLACE INTO cust(id, name) VALUES (1, 'z')",
        "delete 3 rows of payments; delete 2 rows of bookings; update 1 row of cust",
        6,
    ),
    ("INSERT INTO empty(id) SELECT id FROM payments", "insert 5 rows of empty", 5),
    ("DELETE FROM empty", "delete 0 rows of empty", 0),
];

#[tokio::test]
async fn every_table_is_named_with_its_own_verb_and_count_the_worst_first() {
    for (text, said, rows) in SAID {
        let world = Database::new(&format!("{SHOP} {MORE}"));
        let (seen, outcome) = world.call("sqlite_write", &sql(text)).await.unwrap();
        assert_eq!(seen.summary, said, "{text}");
        assert_eq!(outcome.output["rows_changed"], rows, "{text}");
        let worst = said.split("; ").next().unwrap().rsplit(' ').next().unwrap();
        assert_eq!(seen.targets[0].path, format!("fleet/{worst}"), "{text}");
    }
}

#[tokio::test]
async fn a_slash_in_a_tables_name_is_part_of_it() {
    let world = Database::new("CREATE TABLE \"a/b\" (id INTEGER PRIMARY KEY); INSERT INTO \"a/b\" VALUES (1), (2)");
    let (seen, _) = world.call("sqlite_write", &sql("DELETE FROM \"a/b\" WHERE id = 1")).await.unwrap();
    let path = &seen.targets[0].path;
    assert_eq!(path.segments().collect::<Vec<_>>(), ["fleet", "a/b"]);
    assert_eq!((path.shown(), path.name()), (r"fleet/a\/b", "a/b".into()));
    let (seen, outcome) = world.call("sqlite_drop_table", &table("a/b")).await.unwrap();
    assert_eq!(seen.targets[0].path, *path);
    let undo = outcome.undo.unwrap();
    let (seen, _) = world.call(&undo.tool, &undo.args).await.unwrap();
    assert_eq!(seen.targets[0].path, *path);
}

#[tokio::test]
async fn a_delete_says_how_many_rows_went_however_many() {
    for (count, without_rowid) in [(2_000, false), (2_000, true)] {
        for limit in [100, 100_000] {
            let option = if without_rowid { "WITHOUT ROWID" } else { "" };
            let mut world = Database::new(&format!(
                "CREATE TABLE t(id INTEGER PRIMARY KEY, v) {option};
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) INSERT INTO t SELECT i, i FROM n;"
            ));
            world.limits.count = limit;
            let (seen, outcome) =
                world.call("sqlite_write", &sql("DELETE FROM t WHERE id=1 --\nOR true")).await.unwrap();
            assert_eq!(outcome.output["rows_changed"], count);
            // Too large to be compared as a whole, and SQLite names no rows of such a table.
            let at_least = if without_rowid && limit < count { "at least " } else { "" };
            assert_eq!(seen.summary, format!("delete {at_least}2,000 rows of t"));
        }
    }
}

fn numbered(rows: u32, option: &str) -> Database {
    let mut world = Database::new(&format!(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, note) {option};
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO t SELECT i, i FROM n;"
    ));
    world.limits.count = 10;
    world
}

/// Changes of one row that leave the number of rows, the highest rowid or nothing of them as it was.
const MOVES: [&str; 5] = [
    "UPDATE t SET note = 'moved' WHERE id = 500",
    "UPDATE t SET note = 'moved' WHERE id = 3",
    "UPDATE t SET note = '1000' WHERE id = 1000",
    "DELETE FROM t WHERE id = 700",
    "DELETE FROM t WHERE id = 700; INSERT INTO t VALUES (1001, 700)",
];

#[tokio::test]
async fn a_row_that_was_not_counted_moves_the_fingerprint_like_any_other() {
    let calls: [(&str, Value); 5] = [
        ("sqlite_drop_table", table("t")),
        ("sqlite_purge_table", table("t")),
        ("sqlite_write", sql("DELETE FROM t")),
        ("sqlite_write", sql("UPDATE t SET note = id")),
        ("sqlite_write", sql("DELETE FROM t WHERE id > 2")),
    ];
    for option in ["", "WITHOUT ROWID"] {
        for moved in MOVES {
            for (tool, args) in &calls {
                let world = numbered(1_000, option);
                let seen = world.look(tool, args).await.unwrap();
                assert_eq!(world.look(tool, args).await.unwrap().fingerprint, seen.fingerprint, "{tool} {args}");
                world.open().execute_batch(moved).unwrap();
                let before = state_of(&world.open());
                let refused = find(tool).execute(args, &seen, &world.lend(Access::Write)).await;
                assert_eq!(advice(refused).0, Cause::Changed, "{option} {moved}: {tool} {args}");
                assert_eq!(state_of(&world.open()), before, "{tool} {args}");
            }
        }
    }
}

#[tokio::test]
async fn a_count_that_stopped_says_more_than() {
    let world = numbered(1_000, "");
    let holds = |seen: &Preflight| super::world::told(seen);
    for (tool, said) in [
        ("sqlite_drop_table", "move the table t with more than 10 rows into the quarantine"),
        ("sqlite_purge_table", "destroy for good the table t with more than 10 rows"),
    ] {
        let seen = world.look(tool, &table("t")).await.unwrap();
        assert_eq!(seen.summary, said);
        assert!(
            seen.blast_radius.truncated && holds(&seen).contains("`t` holds more than 10 rows"),
            "{}",
            holds(&seen)
        );
    }
    let (_, outcome) = world.call("sqlite_purge_table", &table("t")).await.unwrap();
    assert_eq!(outcome.output, json!({ "purged": "t", "rows": 10, "rows_truncated": true }));
    let world = numbered(10, "");
    let seen = world.look("sqlite_drop_table", &table("t")).await.unwrap();
    assert_eq!(seen.summary, "move the table t with 10 rows into the quarantine");
}

#[tokio::test]
async fn a_description_is_cut_to_its_bound() {
    let columns: Vec<String> = (0..300).map(|at| format!("column_number_{at} TEXT DEFAULT 'nothing at all'")).collect();
    let mut world = Database::new(&format!("CREATE TABLE wide({}); {SHOP}", columns.join(", ")));
    world.limits.output_bytes = 4_000;
    for args in [table("wide"), json!({ "target": "fleet" })] {
        let (_, outcome) = world.call("sqlite_describe", &args).await.unwrap();
        assert_eq!(outcome.output["truncated"], true);
        let bytes = outcome.output.to_string().len();
        assert!(bytes < 5_000, "{bytes}");
    }
    let (_, outcome) = world.call("sqlite_describe", &table("wide")).await.unwrap();
    let shown = outcome.output["tables"][0]["columns"].as_array().unwrap().len();
    assert!((1..300).contains(&shown), "{shown}");
}

#[tokio::test]
async fn the_names_of_columns_are_held_to_the_bound_of_an_answer() {
    let world = Database::new("CREATE TABLE t(id)");
    let long = format!("SELECT '{}'", "x".repeat(300 << 10));
    let refused = advice(world.call("sqlite_query", &sql(&long)).await);
    assert_eq!(refused.0, Cause::Refused);
    let named = format!("SELECT '{}' AS word", "x".repeat(200 << 10));
    world.call("sqlite_query", &sql(&named)).await.unwrap();
}
