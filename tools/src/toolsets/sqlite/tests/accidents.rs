//! Accidents replayed, and what a person or an agent is told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::{Database, SHOP, advice, sql, state_of, table, told};
use crate::contract::{Access, Cause, Lease, Reversibility, Toolset as _};
use crate::laws::World as _;
use crate::toolsets::sqlite::Sqlite;

#[tokio::test]
async fn a_drop_of_staging_on_production_shows_where_and_how_much_and_can_be_taken_back() {
    let world = Database::new(
        "CREATE TABLE poc_staging(id INTEGER PRIMARY KEY, body TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1508)
         INSERT INTO poc_staging SELECT i, 'row ' || i FROM n;",
    );
    let (cause, _, next) = advice(world.look("sqlite_write", &sql("DROP TABLE poc_staging")).await);
    assert_eq!(cause, Cause::Refused);
    assert!(next.contains("sqlite_drop_table"), "{next}");

    let purge = world.look("sqlite_purge_table", &table("poc_staging")).await.unwrap();
    assert_eq!(purge.reversibility, Reversibility::Irreversible);
    assert_eq!(purge.blast_radius.rows, Some(1508));
    assert_eq!(purge.summary, "destroy for good the table poc_staging with 1,508 rows");
    assert_eq!(purge.targets[0].environment.name, "prod");
    assert!(told(&purge).contains(&*world.path.canonicalize().unwrap().to_string_lossy()));
    let alternative = purge.alternative.unwrap();
    assert_eq!((alternative.tool.as_str(), &alternative.args), ("sqlite_drop_table", &table("poc_staging")));

    let before = world.state().await;
    let (seen, outcome) = world.call(&alternative.tool, &alternative.args).await.unwrap();
    assert_eq!(seen.reversibility, Reversibility::Reversible);
    assert!(told(&seen).contains("no backup"));
    let undo = outcome.undo.unwrap();
    world.call(&undo.tool, &undo.args).await.unwrap();
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn a_read_after_a_read_sees_the_file_that_stands_there_now() {
    for mode in ["WAL", "DELETE"] {
        let holding = |n: u8| {
            Database::new(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t(n); INSERT INTO t VALUES ({n})"))
        };
        let world = holding(1);
        let found = async || {
            let (_, outcome) = world.call("sqlite_query", &sql("SELECT n FROM t")).await.unwrap();
            outcome.output["rows"][0][0].clone()
        };
        assert_eq!(found().await, 1);
        world.open().execute_batch("UPDATE t SET n = 2").unwrap();
        assert_eq!(found().await, 2, "another process wrote");
        world.open().execute_batch("DROP TABLE t; CREATE TABLE t(m, n); INSERT INTO t VALUES (0, 3)").unwrap();
        assert_eq!(found().await, 3, "another process changed the schema");
        std::fs::rename(&holding(4).path, &world.path).unwrap();
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(world.path.with_file_name(format!("fleet.db{beside}")));
        }
        assert_eq!(found().await, 4, "another file took its place");
        assert_eq!(found().await, 4);
        if mode == "DELETE" {
            std::fs::copy(&holding(5).path, &world.path).unwrap();
            assert_eq!(found().await, 5, "the file was written over");
        }
    }
}

#[tokio::test]
async fn a_commit_and_drop_is_no_read() {
    let world = Database::new(SHOP);
    let before = world.state().await;
    for text in
        ["COMMIT; DROP TABLE cust", "SELECT 1; DROP TABLE cust", "PRAGMA writable_schema = 1", "ATTACH 'x' AS y"]
    {
        let (cause, reason, _) = advice(world.look("sqlite_query", &sql(text)).await);
        assert_eq!(cause, Cause::Refused, "{reason}");
        let (cause, _, _) = advice(world.look("sqlite_write", &sql(text)).await);
        assert_eq!(cause, Cause::Refused);
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn the_quarantine_is_not_for_writing_and_its_purge_says_what_dies() {
    let world = Database::new(SHOP);
    let (seen, outcome) = world.call("sqlite_drop_table", &table("bookings")).await.unwrap();
    assert!(told(&seen).contains("`payments` refers to it by a foreign key, from 5 rows"), "{}", told(&seen));
    assert!(told(&seen).contains("the view `busy` mentions it"));
    let kept = outcome.output["quarantined_as"].as_str().unwrap().to_owned();
    for text in [
        format!("DELETE FROM \"{kept}\""),
        "DELETE FROM mollyguard_trash".into(),
        "DELETE FROM Mollyguard_Trash".into(),
    ] {
        assert_eq!(advice(world.look("sqlite_write", &sql(&text)).await).0, Cause::Refused, "{text}");
    }
    for name in [kept.as_str(), "mollyguard_trash"] {
        assert_eq!(advice(world.look("sqlite_drop_table", &table(name)).await).0, Cause::Refused);
    }
    assert_eq!(advice(world.look("sqlite_purge_table", &table("mollyguard_trash")).await).0, Cause::Refused);

    let described = world.call("sqlite_describe", &json!({ "target": "fleet" })).await.unwrap().1.output;
    assert_eq!(described["quarantine"][0]["table"], "bookings");
    assert!(described["tables"].as_array().unwrap().iter().all(|table| table["name"] != kept.as_str()));

    let (seen, _) = world.call("sqlite_purge_table", &table(&kept)).await.unwrap();
    assert!(seen.destroys_recovery && seen.alternative.is_none());
    let undo = outcome.undo.unwrap();
    assert_eq!(advice(world.look(&undo.tool, &undo.args).await).0, Cause::NotFound);
    let left: i64 = world
        .open()
        .query_row("SELECT count(*) FROM sqlite_master WHERE name LIKE '%trash%'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_table_made_anew_keeps_the_old_one_in_the_quarantine() {
    let world = Database::new(SHOP);
    let before = world.state().await;
    let (_, outcome) = world.call("sqlite_drop_table", &table("bookings")).await.unwrap();
    // The names of its indexes are free again as well.
    world.open().execute_batch("CREATE TABLE bookings(day); CREATE INDEX by_day ON bookings(day); VACUUM").unwrap();
    let undo = outcome.undo.unwrap();
    let (cause, reason, _) = advice(world.look(&undo.tool, &undo.args).await);
    assert_eq!(cause, Cause::Refused);
    assert!(reason.contains("in use again"), "{reason}");
    world.open().execute_batch("DROP TABLE bookings").unwrap();
    world.call(&undo.tool, &undo.args).await.unwrap();
    let mut after = world.state().await;
    // VACUUM puts tables before views; that order is its doing.
    let sorted = |state: &mut Value| {
        let mut rows = state["schema"].as_array().unwrap().clone();
        rows.sort_by_key(ToString::to_string);
        state["schema"] = rows.into();
    };
    let mut before = before;
    sorted(&mut before);
    sorted(&mut after);
    assert_eq!(after, before);
}

#[tokio::test]
async fn other_connections_see_a_table_go_and_come_back() {
    let world = Database::new(&format!("PRAGMA journal_mode = WAL; {SHOP}"));
    let application = world.open();
    let mut counting = application.prepare("SELECT count(*) FROM bookings").unwrap();
    let count = |statement: &mut rusqlite::Statement<'_>| statement.query_row([], |row| row.get::<_, i64>(0));
    assert_eq!(count(&mut counting).unwrap(), 3);
    let (_, outcome) = world.call("sqlite_drop_table", &table("bookings")).await.unwrap();
    assert!(count(&mut counting).unwrap_err().to_string().contains("no such table"));
    let undo = outcome.undo.unwrap();
    world.call(&undo.tool, &undo.args).await.unwrap();
    assert_eq!(count(&mut counting).unwrap(), 3);
    application.execute_batch("INSERT INTO bookings VALUES (4, 2, 'fri')").unwrap();
    assert_eq!(state_of(&application)["integrity"], "ok");
}

#[tokio::test]
async fn a_missing_file_is_not_created_and_a_missing_table_names_the_others() {
    let world = Database::new(SHOP);
    let (cause, reason, next) = advice(world.call("sqlite_query", &sql("SELECT * FROM custs")).await);
    assert_eq!(cause, Cause::NotFound);
    assert!(reason.contains("`custs`") && next.contains("cust"), "{reason} {next}");
    let (cause, _, next) = advice(world.look("sqlite_write", &sql("DELETE FROM custs")).await);
    assert_eq!(cause, Cause::NotFound);
    assert!(next.contains("bookings"), "{next}");
    std::fs::remove_file(&world.path).unwrap();
    for tool in Sqlite::new().tools() {
        let args = match tool.declaration().name.as_ref() {
            "sqlite_query" => sql("SELECT 1"),
            "sqlite_write" => sql("DELETE FROM cust"),
            "sqlite_restore_table" => json!({ "target": "fleet", "id": "x" }),
            "sqlite_restore_rows" => {
                json!({ "target": "fleet", "rows": { "tables": [], "sequences": [] }, "left": [], "orphans": {} })
            }
            "sqlite_describe" => json!({ "target": "fleet" }),
            _ => table("cust"),
        };
        let (cause, reason, _) = advice(tool.preflight(&args, &world.lend(Access::Read)).await);
        assert_eq!(cause, Cause::NotFound, "{}: {reason}", tool.declaration().name);
    }
    assert!(!world.path.exists());
}

#[tokio::test]
async fn an_answer_is_cut_honestly() {
    let mut world = Database::new(SHOP);
    let ask = sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i / 2.0 AS half FROM n");
    let answer = world.call("sqlite_query", &ask).await.unwrap().1.output;
    assert_eq!((&answer["row_count"], &answer["truncated"]), (&json!(1000), &json!(true)));
    assert_eq!(answer["rows"][2], json!([3, 1.5]));
    world.limits.output_bytes = 100;
    let answer = world.call("sqlite_query", &sql("SELECT zeroblob(1000)")).await.unwrap().1.output;
    assert_eq!((&answer["row_count"], &answer["truncated"]), (&json!(0), &json!(true)));
    let odd = sql("SELECT 9007199254740993, 9e999, x'00ff', NULL, 'é'");
    let answer = world.call("sqlite_query", &odd).await.unwrap().1.output;
    assert_eq!(answer["rows"][0], json!([9_007_199_254_740_993_i64, "inf", { "base64": "AP8=" }, null, "é"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_and_a_hang_up_stop_the_work() {
    let mut world = Database::new(SHOP);
    world.limits.deadline = Duration::from_millis(200);
    let endless = sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
    let started = Instant::now();
    assert_eq!(advice(world.call("sqlite_query", &endless).await).0, Cause::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(20));

    world.limits.deadline = Duration::from_secs(600);
    let write = sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) UPDATE cust SET note = (SELECT count(*) FROM n)",
    );
    let hung_up = tokio::time::timeout(Duration::from_millis(200), world.look("sqlite_write", &write)).await;
    assert!(hung_up.is_err());
    // The lock is free again only once the work has really ended.
    let waiting = world.open();
    waiting.busy_timeout(Duration::from_secs(20)).unwrap();
    waiting.execute_batch("UPDATE cust SET note = 'free'").unwrap();
}

#[tokio::test]
async fn a_locked_database_is_unavailable_and_untouched() {
    let mut world = Database::new(SHOP);
    world.limits.deadline = Duration::from_millis(300);
    let other = world.open();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (cause, reason, _) = advice(world.look("sqlite_write", &sql("DELETE FROM cust")).await);
    assert_eq!(cause, Cause::Unavailable);
    assert!(reason.contains("locked"), "{reason}");
}

#[tokio::test]
async fn what_a_check_tells() {
    let world = Database::new(SHOP);
    world.open().execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM cust WHERE id = 2").unwrap();
    let report = Sqlite::new().check(&world.lend(Access::Read)).await.unwrap();
    assert!(report.summary.contains("3 tables"), "{}", report.summary);
    assert!(report.warnings.iter().any(|warning| warning.starts_with("1 row whose")), "{:?}", report.warnings);
    world.open().execute_batch("INSERT INTO cust(name) VALUES ('x')").unwrap();
    assert_eq!(Sqlite::new().check(&world.lend(Access::Read)).await.unwrap().identity, report.identity);

    std::fs::write(&world.path, vec![b'x'; 4096]).unwrap();
    let (cause, reason, _) = advice(Sqlite::new().check(&world.lend(Access::Read)).await);
    assert_eq!(cause, Cause::Failed);
    assert!(reason.contains("no SQLite database"), "{reason}");
}

#[test]
fn settings_are_strict() {
    let base = std::path::Path::new("/srv");
    let settings = |text: &str| Sqlite::new().settings(text.parse().unwrap(), base);
    assert!(settings("path = 'a.db'").is_ok());
    for (text, key) in [("", "path"), ("path = 3", "path"), ("path = ''", "path"), ("path = 'a'\nmode = 'rw'", "mode")]
    {
        assert_eq!(settings(text).err().and_then(|error| error.key).as_deref(), Some(key), "{text}");
    }
    let lease_of_another_kind = |world: &Database| {
        let mut target = (*world.target()).clone();
        target.settings = std::sync::Arc::new(());
        Lease::new(Access::Read, std::sync::Arc::new(target), None, world.limits)
    };
    let world = Database::new(SHOP);
    assert!(lease_of_another_kind(&world).settings::<crate::toolsets::sqlite::connect::Settings>().is_err());
}
