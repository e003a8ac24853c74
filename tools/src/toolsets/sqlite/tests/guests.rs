//! The gateway is a guest of the application whose database it reads: it leaves the folder as it was, and does not stand in
//! the way of writers.

use std::fs::{Permissions, read_dir, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::world::{Database, advice, find, sql, told};
use crate::contract::{Access, Cause, Toolset as _};
use crate::toolsets::sqlite::Sqlite;
use crate::toolsets::sqlite::connect::beside::tests::be_another;

const ROWS: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a');";

const READS: &str = "SELECT v FROM t";
const WRITES: &str = "UPDATE t SET v = 'b'";

fn files(world: &Database) -> usize {
    read_dir(world.path.parent().unwrap()).unwrap().count()
}

#[tokio::test]
async fn a_database_in_write_ahead_mode_gets_no_files_that_its_owner_cannot_write() {
    let world = Database::new(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    be_another(&world.path);
    assert_eq!(files(&world), 1);
    let lease = world.lend(Access::Read);
    let all = [
        world.call("sqlite_query", &sql(READS)).await.map(drop),
        world.look("sqlite_write", &sql(WRITES)).await.map(drop),
        find("sqlite_describe").preflight(&serde_json::json!({ "target": "fleet" }), &lease).await.map(drop),
        Sqlite::new().check(&lease).await.map(drop),
    ];
    assert_eq!(files(&world), 1, "{all:?}");
    for (at, refused) in all.into_iter().enumerate().filter(|(at, _)| *at != 2) {
        let (cause, reason, next) = advice(refused);
        assert_eq!(cause, Cause::Unavailable, "{at}: {reason}");
        assert!(reason.contains("its owner could no longer write") && next.contains("setgid"), "{at}: {reason} {next}");
    }

    // While its application has it open, the files are there, and they are its own.
    let app = world.open();
    app.execute_batch("INSERT INTO t VALUES (2, 'b')").unwrap();
    assert_eq!(files(&world), 3);
    let (_, answer) = world.call("sqlite_query", &sql("SELECT id FROM t ORDER BY id")).await.unwrap();
    assert_eq!(answer.output["row_count"], 2);
    world.call("sqlite_write", &sql(WRITES)).await.unwrap();
    let warnings = Sqlite::new().check(&lease).await.unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("belongs to another user")), "{warnings:?}");
    drop(app);

    // Where the group shares the folder, whoever makes the files makes them for the group.
    let shared = Database::new(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    be_another(&shared.path);
    set_permissions(shared.path.parent().unwrap(), Permissions::from_mode(0o2775)).unwrap();
    world_refuses(&shared).await;
    set_permissions(&shared.path, Permissions::from_mode(0o664)).unwrap();
    shared.call("sqlite_query", &sql(READS)).await.unwrap();
}

async fn world_refuses(world: &Database) {
    assert_eq!(advice(world.call("sqlite_query", &sql(READS)).await).0, Cause::Unavailable);
    assert_eq!(files(world), 1);
}

#[tokio::test]
async fn another_users_database_with_a_rollback_journal_is_read_and_written_as_ever() {
    let world = Database::new(ROWS);
    be_another(&world.path);
    world.call("sqlite_query", &sql(READS)).await.unwrap();
    let (seen, _) = world.call("sqlite_write", &sql(WRITES)).await.unwrap();
    assert!(told(&seen).contains("fit the journal"));
    assert_eq!(files(&world), 1);
}

#[tokio::test]
async fn a_read_of_a_database_with_a_rollback_journal_lets_writers_in_soon() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 FROM t UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let mut world = Database::new(ROWS);
    // Without a bound of its own it would read, and keep others from writing, for this long.
    world.limits.deadline = Duration::from_secs(3_600);
    let (cause, reason, next) = advice(world.call("sqlite_query", &sql(endless)).await);
    assert_eq!(cause, Cause::Unavailable);
    assert!(reason.contains("rollback journal") && next.contains("journal_mode = WAL"), "{reason} {next}");
    world.open().execute_batch(WRITES).unwrap();
    // The next one has all of that time again.
    world.call("sqlite_query", &sql(READS)).await.unwrap();

    let mut log = Database::new(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    log.limits.deadline = Duration::from_millis(3_100);
    let (_, reason, _) = advice(log.call("sqlite_query", &sql(endless)).await);
    assert!(reason.contains("longer than 3.1 s"), "{reason}");
}
