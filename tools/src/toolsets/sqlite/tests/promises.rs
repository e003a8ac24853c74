//! What was looked at as reversible, cheap or small is that when it runs, or does not last: a schema may have the clock or
//! chance decide what a statement does, and the rows of a table that no look covers may be other ones by then.

use std::time::Duration;

use super::world::{Database, advice, find, sql, told};
use crate::contract::{Access, Cause, Reversibility};
use crate::laws::World as _;
use crate::toolsets::sqlite::model::trial::tests::run_out;

/// A trigger whose work is as much as `much` says, which nothing that a look covers tells.
fn schema(work: &str) -> String {
    format!(
        "CREATE TABLE much(n); INSERT INTO much VALUES (10);
         CREATE TABLE t(id INTEGER PRIMARY KEY, v, at TEXT DEFAULT CURRENT_TIMESTAMP);
         INSERT INTO t(id, v) VALUES (1, 'precious'), (2, 'precious too');
         CREATE TRIGGER grows AFTER UPDATE OF at ON t BEGIN
             UPDATE t SET v = {work} WHERE id = new.id AND CURRENT_TIMESTAMP > '';
         END;"
    )
}

const LARGE: &str = "zeroblob((SELECT n FROM much))";
const LONG: &str = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < (SELECT n FROM much))
                     SELECT count(*) FROM n)";

/// Looks while it is little, and runs when it is much. Returns what was said instead of running.
async fn grown(world: &Database, much: i64) -> (Cause, String) {
    let args = sql("UPDATE t SET at = 'x'");
    let seen = world.look("sqlite_write", &args).await.unwrap();
    assert_eq!(seen.reversibility, Reversibility::Reversible, "{}", told(&seen));
    world.open().execute("UPDATE much SET n = ?1", [much]).unwrap();
    let before = world.state().await;
    let ran = find("sqlite_write").execute(&args, &seen, &world.lend(Access::Write)).await;
    let after = world.state().await;
    assert_eq!(after, before, "something lasts: {ran:?}");
    let (cause, reason, _) = advice(ran);
    (cause, reason)
}

#[tokio::test]
async fn what_was_looked_at_as_reversible_lasts_only_with_its_undo() {
    let world = Database::new(&schema(LARGE));
    let (cause, reason) = grown(&world, 9_000_000).await;
    assert_eq!(cause, Cause::Changed, "{reason}");
    assert!(reason.contains("undo"), "{reason}");
}

#[tokio::test]
async fn a_run_that_takes_much_longer_than_its_look_ends_soon_and_lets_go_of_the_lock() {
    for mode in ["WAL", "DELETE"] {
        let mut world = Database::new(&format!("PRAGMA journal_mode = {mode}; {}", schema(LONG)));
        // Without a bound of its own the run would take this long.
        world.limits.deadline = Duration::from_secs(3_600);
        let (cause, reason) = grown(&world, 1 << 60).await;
        assert_eq!(cause, Cause::Changed, "{mode}: {reason}");
        assert!(reason.contains("unlike when it was looked at"), "{mode}: {reason}");
        world.open().execute_batch("UPDATE t SET v = 1").unwrap();
    }
}

#[tokio::test]
async fn what_is_new_by_the_clock_is_only_what_a_default_fills_in() {
    // Rows that are there already get nothing from a default, so what becomes of them is in the fingerprint.
    let world = Database::new(
        "CREATE TABLE much(n); INSERT INTO much VALUES (10);
         CREATE TABLE t(id INTEGER PRIMARY KEY, v UNIQUE, at TEXT DEFAULT CURRENT_TIMESTAMP, n DEFAULT (random()));
         INSERT INTO t(id, v) VALUES (1, 'a'), (2, 'b');",
    );
    let args = sql("UPDATE t SET v = id || (SELECT n FROM much)");
    let seen = world.look("sqlite_write", &args).await.unwrap();
    assert_eq!(world.look("sqlite_write", &args).await.unwrap().fingerprint, seen.fingerprint);
    world.open().execute_batch("UPDATE much SET n = 11").unwrap();
    assert_ne!(world.look("sqlite_write", &args).await.unwrap().fingerprint, seen.fingerprint);
    // Rows that are made, also in the place of another, are filled in anew each time.
    for text in ["INSERT INTO t(v) VALUES ('c')", "INSERT OR REPLACE INTO t(id, v) VALUES (1, 'a')"] {
        let (seen, outcome) =
            world.call("sqlite_write", &sql(text)).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(seen.reversibility, Reversibility::Reversible, "{text}");
        assert!(outcome.undo.is_some(), "{text}");
    }
}

#[tokio::test]
async fn a_try_whose_time_ran_out_says_so_and_nothing_untrue() {
    // SQLite names no row of a table without rowids, so what changed is only known once all of it is compared.
    for (rowids, place) in [("WITHOUT ROWID", "reading"), ("WITHOUT ROWID", "putting back"), ("", "putting back")] {
        let world = Database::new(&format!(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, v) {rowids};
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) INSERT INTO t SELECT i, i FROM n;"
        ));
        run_out(&world.path, place);
        let before = world.state().await;
        let seen = world.look("sqlite_write", &sql("UPDATE t SET v = v + 1")).await.unwrap();
        assert_eq!((seen.blast_radius.rows, seen.reversibility), (Some(900), Reversibility::Irreversible), "{place}");
        let told = told(&seen);
        assert!(told.contains("took longer than 1 s"), "{place}: {told}");
        assert!(!told.contains("interrupted") && !told.contains("failed"), "{place}: {told}");
        assert_eq!(world.state().await, before);
    }
}
