//! Writes: what they show, when they can be taken back, and when not.

use std::time::Duration;

use serde_json::json;

use super::world::{Database, SHOP, advice, find, sql, table, told};
use crate::contract::{Access, Cause, Preflight, Probe, Reversibility};
use crate::laws::{Ended, World as _, obeys};
use crate::toolsets::sqlite::Sqlite;

#[tokio::test]
async fn a_cascade_is_counted_by_table() {
    let world = Database::new(SHOP);
    let args = sql("DELETE FROM cust WHERE id = 1");
    let seen = world.look("sqlite_write", &args).await.unwrap();
    assert_eq!(seen.summary, "delete 3 rows of payments; delete 2 rows of bookings; delete 1 row of cust");
    assert_eq!(seen.blast_radius.rows, Some(6));
    let paths: Vec<_> = seen.targets.iter().map(|target| target.path.shown()).collect();
    assert_eq!(paths, ["fleet/payments", "fleet/bookings", "fleet/cust"]);
    // Rows that the call does not touch do not void what was shown; rows that it does touch do.
    world
        .open()
        .execute_batch("INSERT INTO cust(name) VALUES ('c'); UPDATE bookings SET day = 'wed' WHERE id = 3")
        .unwrap();
    assert_eq!(world.look("sqlite_write", &args).await.unwrap().fingerprint, seen.fingerprint);
    world.open().execute_batch("UPDATE payments SET cents = 101 WHERE id = 1").unwrap();
    assert_ne!(world.look("sqlite_write", &args).await.unwrap().fingerprint, seen.fingerprint);
}

#[tokio::test]
async fn somebody_elses_insert_does_not_void_an_insert() {
    let world = Database::new(SHOP);
    let args = sql("INSERT INTO cust(name) VALUES ('me')");
    let seen = world.look("sqlite_write", &args).await.unwrap();
    world.open().execute_batch("INSERT INTO cust(name) VALUES ('them')").unwrap();
    assert_eq!(world.look("sqlite_write", &args).await.unwrap().fingerprint, seen.fingerprint);
}

#[tokio::test]
async fn an_undo_is_refused_once_the_rows_moved_on_or_no_longer_fit() {
    let world = Database::new(SHOP);
    let (_, outcome) = world.call("sqlite_write", &sql("DELETE FROM bookings WHERE id = 1")).await.unwrap();
    let undo = outcome.undo.unwrap();
    let looked = world.look(&undo.tool, &undo.args).await.unwrap();
    assert_eq!(looked.fingerprint, undo.expects);

    // The customer the booking belongs to goes: the booking must not come back without them.
    world.open().execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM cust WHERE id = 1").unwrap();
    let before = world.state().await;
    let (cause, reason, _) = advice(world.call(&undo.tool, &undo.args).await);
    assert_eq!(cause, Cause::Refused);
    assert!(reason.contains("no longer there"), "{reason}");
    assert_eq!(world.state().await, before);

    world.open().execute_batch("INSERT INTO bookings VALUES (1, 2, 'new')").unwrap();
    assert_ne!(world.look(&undo.tool, &undo.args).await.unwrap().fingerprint, undo.expects);
    world.open().execute_batch("ALTER TABLE bookings ADD COLUMN extra").unwrap();
    let (_, reason, _) = advice(world.look(&undo.tool, &undo.args).await);
    assert!(reason.contains("columns of `bookings` have changed"), "{reason}");
}

#[tokio::test]
async fn rows_that_pointed_to_nothing_before_may_do_so_again() {
    let world = Database::new(SHOP);
    world.open().execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO bookings VALUES (9, 77, 'lost')").unwrap();
    let before = world.state().await;
    let (_, outcome) = world.call("sqlite_write", &sql("DELETE FROM bookings WHERE id = 9")).await.unwrap();
    let undo = outcome.undo.unwrap();
    world.call(&undo.tool, &undo.args).await.unwrap();
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn a_row_put_back_under_a_higher_rowid_does_not_move_autoincrement() {
    let world =
        Database::new("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, note); INSERT INTO t(note) VALUES ('a')");
    // Moving a row does not count as an insert, so AUTOINCREMENT stays at 1; putting it back there must not count either.
    let ended = obeys(&world, &Sqlite::new(), "sqlite_write", &sql("UPDATE t SET id = 50 WHERE id = 1")).await.unwrap();
    assert!(matches!(ended, Ended::Done { class: Reversibility::Reversible, .. }), "{ended:?}");
}

#[tokio::test]
async fn somebody_elses_insert_does_not_stand_in_the_way_of_an_undo() {
    let world =
        Database::new("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, note); INSERT INTO t(note) VALUES ('a')");
    let (_, outcome) = world.call("sqlite_write", &sql("INSERT INTO t(note) VALUES ('mine')")).await.unwrap();
    world.open().execute_batch("INSERT INTO t(note) VALUES ('theirs')").unwrap();
    let undo = outcome.undo.unwrap();
    assert_eq!(world.look(&undo.tool, &undo.args).await.unwrap().fingerprint, undo.expects);
    world.call(&undo.tool, &undo.args).await.unwrap();
    let left = "SELECT group_concat(note) || (SELECT seq FROM sqlite_sequence) FROM t";
    let left: String = world.open().query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, "a,theirs3");
}

#[tokio::test]
async fn a_returning_clause_gives_its_rows_and_all_of_them_are_changed() {
    let mut world = Database::new(SHOP);
    world.limits.output_rows = 2;
    let (_, outcome) =
        world.call("sqlite_write", &sql("UPDATE bookings SET day = 'sun' RETURNING id, day")).await.unwrap();
    let returned = &outcome.output["returned"];
    assert_eq!((&returned["rows"], &returned["truncated"]), (&json!([[1, "sun"], [2, "sun"]]), &json!(true)));
    let changed = "SELECT count(*) FROM bookings WHERE day = 'sun'";
    assert_eq!(world.open().query_row(changed, [], |row| row.get::<_, i64>(0)).unwrap(), 3);
    let (_, outcome) = world.call("sqlite_write", &sql("DELETE FROM payments WHERE id = 1")).await.unwrap();
    assert!(outcome.output.get("returned").is_none());
}

#[tokio::test]
async fn a_deferred_foreign_key_that_fails_at_the_end_changes_nothing() {
    let world = Database::new(
        "CREATE TABLE p(id INTEGER PRIMARY KEY);
         CREATE TABLE c(p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED);",
    );
    let before = world.state().await;
    let (cause, reason, _) = advice(world.call("sqlite_write", &sql("INSERT INTO c VALUES (7)")).await);
    assert_eq!(cause, Cause::Failed);
    assert!(reason.contains("FOREIGN KEY"), "{reason}");
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn a_write_of_very_many_rows_is_counted_exactly_and_is_irreversible() {
    let mut world = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, note);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, i FROM n;",
    );
    world.limits.count = 1000;
    let args = sql("DELETE FROM t");
    let seen = world.look("sqlite_write", &args).await.unwrap();
    assert_eq!((seen.reversibility, seen.blast_radius.rows), (Reversibility::Irreversible, Some(5000)));
    assert_eq!(seen.summary, "delete 5,000 rows of t");
    assert!(told(&seen).contains("more than 1,000 rows change"), "{}", told(&seen));
    world.open().execute_batch("DELETE FROM t WHERE id = 7").unwrap();
    let refused = find("sqlite_write").execute(&args, &seen, &world.lend(Access::Write)).await;
    assert_eq!(advice(refused).0, Cause::Changed);
    let (_, outcome) = world.call("sqlite_write", &args).await.unwrap();
    assert_eq!((&outcome.output["rows_changed"], outcome.undo), (&json!(4999), None));

    let mut dropped = Database::new("CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3);");
    dropped.limits.count = 2;
    let seen = dropped.look("sqlite_drop_table", &table("t")).await.unwrap();
    assert!(seen.blast_radius.truncated && seen.summary.contains("with more than 2 rows"), "{}", seen.summary);
}

#[tokio::test]
async fn a_reader_that_does_not_let_go_leaves_a_write_undone() {
    let mut world = Database::new(SHOP);
    world.limits.deadline = Duration::from_millis(500);
    let before = world.state().await;
    let reader = world.open();
    reader.execute_batch("BEGIN; SELECT * FROM cust").unwrap();
    reader.query_row("SELECT count(*) FROM cust", [], |_| Ok(())).unwrap();
    let (cause, reason, _) = advice(world.call("sqlite_write", &sql("DELETE FROM payments")).await);
    assert_eq!(cause, Cause::Unavailable, "{reason}");
    drop(reader);
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn a_probe_tells_where_a_table_went() {
    let world = Database::new(SHOP);
    let (read, write) = (world.lend(Access::Read), world.lend(Access::Write));
    let payments = json!({ "target": "shop", "table": "payments" });
    let mut call = ("sqlite_drop_table".to_owned(), payments.clone());
    // Dropped, brought back, and purged: each time the same table.
    for undone in [true, false] {
        let (tool, args) = (find(&call.0), call.1.clone());
        let seen = world.look(&call.0, &args).await.unwrap();
        assert_eq!(tool.probe(&args, &seen, &read).await, Probe::Unchanged, "{}", call.0);
        let outcome = tool.execute(&args, &seen, &write).await.unwrap();
        assert_eq!(tool.probe(&args, &seen, &read).await, Probe::Changed, "{}", call.0);
        let plan = outcome.undo.unwrap();
        call = if undone { (plan.tool, plan.args) } else { ("sqlite_purge_table".to_owned(), payments.clone()) };
    }
    let tool = find("sqlite_purge_table");
    let seen = world.look("sqlite_purge_table", &payments).await.unwrap();
    tool.execute(&payments, &seen, &write).await.unwrap();
    assert_eq!(tool.probe(&payments, &seen, &read).await, Probe::Changed);
}

#[tokio::test]
async fn a_probe_tells_whether_a_call_took_effect() {
    let world = Database::new(SHOP);
    let tool = find("sqlite_write");
    let lease = world.lend(Access::Read);
    for text in ["INSERT INTO cust(name) VALUES ('new')", "DELETE FROM payments", "UPDATE bookings SET day = 'sun'"] {
        let seen = world.look("sqlite_write", &sql(text)).await.unwrap();
        assert_eq!(tool.probe(&sql(text), &seen, &lease).await, Probe::Unchanged, "{text}");
        tool.execute(&sql(text), &seen, &world.lend(Access::Write)).await.unwrap();
        assert_eq!(tool.probe(&sql(text), &seen, &lease).await, Probe::Changed, "{text}");
        let without = Preflight { pre_image: None, ..seen };
        assert_eq!(tool.probe(&sql(text), &without, &lease).await, Probe::Unknown, "{text}");
    }
}

#[tokio::test]
async fn a_full_text_table_behind_a_trigger_makes_a_write_irreversible() {
    let world = Database::new(
        "CREATE TABLE doc(id INTEGER PRIMARY KEY, body, note);
         CREATE VIRTUAL TABLE doc_words USING fts5(body);
         CREATE TRIGGER doc_in AFTER INSERT ON doc BEGIN INSERT INTO doc_words(rowid, body) VALUES (new.id, new.body); END;",
    );
    let (seen, outcome) = world.call("sqlite_write", &sql("INSERT INTO doc(body) VALUES ('hello')")).await.unwrap();
    assert_eq!(seen.reversibility, Reversibility::Irreversible);
    assert!(told(&seen).contains("`doc_words` is a virtual table"), "{}", told(&seen));
    assert_eq!(outcome.undo, None);
    let found = find("sqlite_query");
    let args = sql("SELECT rowid FROM doc_words WHERE doc_words MATCH 'hello'");
    let looked = found.preflight(&args, &world.lend(Access::Read)).await.unwrap();
    let answer = found.execute(&args, &looked, &world.lend(Access::Read)).await.unwrap();
    assert_eq!(answer.output["rows"], json!([[1]]));
    for name in ["doc_words", "doc_words_data", "sqlite_master"] {
        assert_eq!(advice(world.look("sqlite_drop_table", &table(name)).await).0, Cause::Refused);
    }
}

#[tokio::test]
async fn another_value_each_time_is_refused_with_advice() {
    let world = Database::new(SHOP);
    let (cause, reason, next) =
        advice(world.look("sqlite_write", &sql("UPDATE cust SET note = datetime('now')")).await);
    assert_eq!(cause, Cause::Refused);
    assert!(reason.contains("another value each time") && next.contains("pass the value"), "{reason} {next}");
}
