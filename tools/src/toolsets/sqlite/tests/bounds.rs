//! A look takes little time of the lock and little memory, whatever it looks at; and only what the statement may call is
//! called.

use std::time::Duration;

use super::world::{Database, advice, find, sql, state_of, told};
use crate::contract::{Access, Cause, Reversibility, on_target};
use crate::sql::{Class, Dialect, classify};
use crate::toolsets::sqlite::model::effects;
use crate::toolsets::sqlite::model::kind::DatabaseFiles;
use crate::toolsets::sqlite::model::trial::Purpose;
use crate::toolsets::sqlite::tools::query;

const MODES: [&str; 2] = ["DELETE", "WAL"];

fn rows(mode: &str, count: u32) -> Database {
    Database::new(&format!(
        "PRAGMA journal_mode = {mode}; CREATE TABLE t(id INTEGER PRIMARY KEY, v);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) INSERT INTO t SELECT i, i FROM n;"
    ))
}

#[tokio::test]
async fn a_look_at_a_write_of_gigabytes_stops_early_and_what_is_approved_is_bound_to_the_whole_file() {
    for mode in MODES {
        let world = rows(mode, 4_000);
        let app = world.open();
        let before = state_of(&app);
        let bytes = std::fs::read(&world.path).unwrap();
        let args = sql("UPDATE t SET v = zeroblob(1000000)");
        let seen = world.look("sqlite_write", &args).await.unwrap();
        let visited = seen.blast_radius.rows.unwrap();
        // Of four gigabytes it made no more than the bound and a little.
        assert!((1..=200).contains(&visited), "{mode}: {visited}");
        assert!(seen.blast_radius.truncated && seen.reversibility == Reversibility::Irreversible, "{mode}");
        assert!(seen.pre_image.is_none() && told(&seen).contains("counting stopped"), "{mode}: {}", told(&seen));
        assert_eq!(seen.summary, format!("update at least {visited} row{} of t", if visited == 1 { "" } else { "s" }));
        assert!(std::fs::read(&world.path).unwrap() == bytes, "{mode}: the file was written");
        assert_eq!(state_of(&app), before, "{mode}");

        let same = world.look("sqlite_write", &args).await.unwrap();
        assert!(same.blast_radius.truncated, "{mode}");
        app.execute_batch("UPDATE t SET v = 'other' WHERE id = 4000").unwrap();
        let refused = find("sqlite_write").execute(&args, &same, &world.lend(Access::Write)).await;
        assert_eq!(advice(refused).0, Cause::Changed, "{mode}");
    }
}

#[tokio::test]
async fn a_look_has_a_budget_of_its_own_for_the_lock_and_refuses_what_it_cannot_count_at_all() {
    for mode in MODES {
        let mut world = rows(mode, 3);
        // Without a budget of its own the look would take this long.
        world.limits.deadline = Duration::from_secs(900);
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let late = sql(&format!("UPDATE t SET v = CASE id WHEN 1 THEN 'x' ELSE ({endless}) END"));
        let app = world.open();
        let before = state_of(&app);
        let seen = world.look("sqlite_write", &late).await.unwrap();
        assert_eq!((seen.blast_radius.rows, seen.blast_radius.truncated), (Some(1), true), "{mode}");
        assert!(told(&seen).contains("longer than 1 s; it changes at least 1 row"), "{}", told(&seen));
        assert_eq!(seen.summary, "update at least 1 row of t");
        let never = sql(&format!("UPDATE t SET v = ({endless})"));
        let (cause, reason, next) = advice(world.look("sqlite_write", &never).await);
        assert_eq!(cause, Cause::Refused);
        assert!(reason.contains("nobody can say how many") && next.contains("narrow"), "{reason} {next}");
        assert_eq!(state_of(&app), before);
    }
}

#[tokio::test]
async fn what_a_look_could_not_follow_is_done_whole_once_approved() {
    for mode in MODES {
        let world = rows(mode, 100);
        let app = world.open();
        let (seen, outcome) = world.call("sqlite_write", &sql("UPDATE t SET v = zeroblob(1000000)")).await.unwrap();
        assert!(seen.blast_radius.truncated, "{mode}");
        assert_eq!((&outcome.output["rows_changed"], outcome.undo), (&100.into(), None), "{mode}");
        let grown = "SELECT count(*) FROM t WHERE length(v) = 1000000";
        assert_eq!(app.query_row(grown, [], |row| row.get::<_, i64>(0)).unwrap(), 100, "{mode}");
    }
}

#[tokio::test]
async fn a_lease_for_looking_opens_nothing_for_writing_and_commits_no_trial() {
    let world = rows("DELETE", 3);
    let opened = on_target::<DatabaseFiles, _>(&world.lend(Access::Read), |site| site.open_to_write().map(drop)).await;
    assert_eq!(advice(opened).0, Cause::Refused);
    let lease = world.lend(Access::Read);
    let committed = on_target::<DatabaseFiles, _>(&lease, |site| {
        let mut conn = site.open_for_trial()?;
        conn.execute_batch("BEGIN; DELETE FROM t").map_err(|error| site.explain(&error))?;
        site.commit(&mut conn)
    });
    assert_eq!(advice(committed.await).0, Cause::Refused);
    assert_eq!(world.open().query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 3);
}

/// `fts5_source_id` is harmless, known to SQLite, and not on the list.
const VIEWS: &str = "
    CREATE TABLE t(id INTEGER PRIMARY KEY, v);
    INSERT INTO t VALUES (1, 1);
    CREATE VIEW source AS SELECT fts5_source_id() AS x;
    CREATE VIEW deep AS WITH c AS MATERIALIZED (SELECT fts5_source_id() AS x) SELECT x FROM c, source USING (x);
    CREATE TRIGGER noting AFTER INSERT ON t BEGIN UPDATE t SET v = (SELECT x FROM source) WHERE id = new.id; END;
";

const HIDDEN: [&str; 7] = [
    "SELECT fts5_source_id() AS x",
    "WITH c AS MATERIALIZED (SELECT fts5_source_id() AS x) SELECT x FROM c",
    "WITH c AS (SELECT Fts5_Source_Id() AS x) SELECT x FROM c",
    "WITH source AS MATERIALIZED (SELECT fts5_source_id() AS x) SELECT x FROM source",
    "WITH RECURSIVE c(x, i) AS (SELECT '', 1 UNION ALL SELECT \"fts5_source_id\"(), i + 1 FROM c WHERE i < 3) SELECT x FROM c",
    "WITH a AS MATERIALIZED (WITH b AS MATERIALIZED (SELECT fts5_source_id() AS x) SELECT x FROM b) SELECT x FROM a",
    "SELECT x FROM (SELECT * FROM source WHERE x = fts5_source_id())",
];

#[tokio::test]
async fn a_function_that_is_not_listed_is_the_schemas_own_or_refused() {
    let world = Database::new(VIEWS);
    for text in HIDDEN {
        let asked = on_target::<DatabaseFiles, _>(&world.lend(Access::Read), move |site| {
            query::answer(site, text, 10).map(drop)
        })
        .await;
        let (cause, reason, _) = advice(asked);
        assert_eq!(cause, Cause::Refused, "{text}");
        assert!(reason.contains("fts5_source_id"), "{text}: {reason}");

        let statement = format!("UPDATE t SET v = ({text})");
        let Ok(Class::Write(write)) = classify("UPDATE t SET a = 1", Dialect::Sqlite) else { panic!("it is a write") };
        let lease = world.lend(Access::Read);
        let tried = on_target::<DatabaseFiles, _>(&lease, move |site| {
            effects::run(site, &statement, &write, Purpose::Look).map(drop)
        });
        let (cause, reason, _) = advice(tried.await);
        assert_eq!(cause, Cause::Refused, "{text}");
        assert!(reason.contains("fts5_source_id"), "{text}: {reason}");
    }
    for text in ["SELECT x FROM source", "SELECT x FROM deep", "WITH c AS (SELECT x FROM deep) SELECT x FROM c"] {
        world.call("sqlite_query", &sql(text)).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    world.call("sqlite_write", &sql("INSERT INTO t(id) VALUES (2)")).await.unwrap();
}

#[tokio::test]
async fn a_hostile_name_forges_nothing_in_what_a_person_reads() {
    let name = "x` with 0 rows\n\u{202e}";
    let world = Database::new(&format!(
        "CREATE TABLE \"{name}\"(id INTEGER PRIMARY KEY, v); INSERT INTO \"{name}\" VALUES (1, 1);
         CREATE VIEW \"view {name}\" AS SELECT * FROM \"{name}\";"
    ));
    let escaped = "\"x\\u{60} with 0 rows\\u{a}\\u{202e}\"";
    let write = world.look("sqlite_write", &sql(&format!("DELETE FROM \"{name}\""))).await.unwrap();
    assert_eq!(write.summary, format!("delete 1 row of {escaped}"));
    let drop = world.look("sqlite_drop_table", &super::world::table(name)).await.unwrap();
    assert!(drop.summary.contains(escaped), "{}", drop.summary);
    for seen in [write, drop] {
        for line in seen.evidence.iter().map(|evidence| &evidence.what).chain([&seen.summary]) {
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_read_that_fills_the_disk_with_temporary_files_is_refused_and_another_goes_on() {
    use crate::toolsets::sqlite::connect::temporary::tests::{BIG, KEEPING, set_most};

    let world = Database::new(BIG);
    set_most(Some(1 << 20));
    // Enough of it that it is still at work when the files are looked at.
    let endless = "SELECT a.v FROM big AS a, big AS b, big AS c ORDER BY substr(a.v, 5) || b.v";
    let (cause, reason, next) = advice(world.call("sqlite_query", &sql(endless)).await);
    assert_eq!(cause, Cause::Refused, "{reason}");
    assert!(reason.contains("temporary files") && next.contains("narrow"), "{reason} {next}");
    set_most(None);
    for text in KEEPING {
        let (_, answer) = world.call("sqlite_query", &sql(&format!("{text} LIMIT 1"))).await.unwrap();
        assert_eq!(answer.output["row_count"], 1, "{text}");
    }
}

#[tokio::test]
async fn after_a_long_look_the_next_one_waits_and_gives_up_with_its_call() {
    let mut world = rows("WAL", 3);
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let never = sql(&format!("UPDATE t SET v = ({endless})"));
    let (_, reason, _) = advice(world.look("sqlite_write", &never).await);
    assert!(reason.contains("longer than 1 s"), "{reason}");
    // It held the lock for a second, so the rest goes on for four; a call that has less time is told so.
    world.limits.deadline = Duration::from_millis(1);
    let (cause, reason, next) = advice(world.look("sqlite_write", &sql("DELETE FROM t")).await);
    assert_eq!(cause, Cause::Unavailable, "{reason}");
    assert!(reason.contains("being tried out") && next.contains("try again"), "{reason} {next}");
    // Another database does not wait.
    rows("WAL", 3).look("sqlite_write", &sql("DELETE FROM t")).await.unwrap();
    world.limits.deadline = Duration::from_secs(900);
    let seen = world.look("sqlite_write", &sql("DELETE FROM t")).await.unwrap();
    assert_eq!(seen.blast_radius.rows, Some(3));
}
