//! What lies in the quarantine: since when, how much it takes up, and that it goes to either an undo or a purge.

use serde_json::{Value, json};

use super::world::{Database, find};
use crate::contract::{Access, Kept, Toolset as _};
use crate::toolsets::sqlite::Sqlite;

async fn kept(database: &Database) -> Vec<Kept> {
    Sqlite::new().kept(&database.lend(Access::Trial)).await.unwrap()
}

async fn drop_table(database: &Database, table: &str) -> (String, Value) {
    let args = json!({ "target": "fleet", "table": table });
    let plan = database.call("sqlite_drop_table", &args).await.unwrap().1.undo.unwrap();
    (plan.tool, plan.args)
}

#[tokio::test]
async fn it_is_told_oldest_first_with_its_size_and_how_to_purge_it() {
    let database = Database::new(
        "CREATE TABLE a (n); CREATE TABLE \"b b\" (n PRIMARY KEY, m); CREATE INDEX i ON \"b b\" (m);
         INSERT INTO \"b b\" VALUES (1, zeroblob(100000)); CREATE TABLE stays (n)",
    );
    assert_eq!(kept(&database).await, []);
    for table in ["a", "b b"] {
        drop_table(&database, table).await;
    }
    database.open().execute("UPDATE mollyguard_trash SET at = '2026-01-02T03:04:05Z' WHERE name = 'b b'", []).unwrap();
    let found = kept(&database).await;
    let [first, second] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(first.since, "2026-01-02T03:04:05Z".parse().unwrap());
    // The blob once in the table and once in the index.
    assert!(first.bytes.is_some_and(|bytes| (200_000..260_000).contains(&bytes)), "{first:?}");
    assert_eq!(second.bytes, Some(4_096), "one page");
    assert!(second.what.starts_with("the table `a`, in the quarantine as `mollyguard_trash_"), "{}", second.what);
    for one in &found {
        assert!(database.call(one.tool, &one.args).await.unwrap().0.destroys_recovery);
    }
    assert_eq!(kept(&database).await, []);
    let left: i64 = database.open().query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "only the table that stays");
}

#[tokio::test]
async fn what_does_not_say_since_when_is_not_told() {
    let database = Database::new("CREATE TABLE a (n)");
    drop_table(&database, "a").await;
    database.open().execute("UPDATE mollyguard_trash SET at = 'long ago'", []).unwrap();
    assert_eq!(kept(&database).await, []);
}

#[tokio::test]
async fn a_purge_and_an_undo_of_one_table_do_not_both_have_it() {
    for undo_first in [true, false] {
        let database = Database::new("CREATE TABLE a (n); INSERT INTO a VALUES (7)");
        let (tool, undo) = drop_table(&database, "a").await;
        let purge = kept(&database).await[0].args.clone();
        // Both have looked before either acts.
        let to_undo = database.look(&tool, &undo).await.unwrap();
        let to_purge = database.look("sqlite_purge_table", &purge).await.unwrap();
        let lease = database.lend(Access::Write);
        let (undone, purged) = if undo_first {
            let undone = find(&tool).execute(&undo, &to_undo, &lease).await;
            (undone, find("sqlite_purge_table").execute(&purge, &to_purge, &lease).await)
        } else {
            let purged = find("sqlite_purge_table").execute(&purge, &to_purge, &lease).await;
            (find(&tool).execute(&undo, &to_undo, &lease).await, purged)
        };
        assert_eq!((undone.is_ok(), purged.is_ok()), (undo_first, !undo_first), "{undone:?} {purged:?}");
        let there = database.open().query_row("SELECT n FROM a", [], |row| row.get::<_, i64>(0));
        assert_eq!(there.ok(), undo_first.then_some(7));
        assert_eq!(kept(&database).await, []);
    }
}
