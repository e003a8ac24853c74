//! Only what the statement may call is called.

use super::world::{Database, advice, sql};
use crate::contract::{Access, Cause};
use crate::sql::{Verb, Write};
use crate::sqlite::client::work;
use crate::sqlite::effects;
use crate::sqlite::query;

#[tokio::test]
async fn a_lease_for_looking_opens_nothing_for_writing_and_commits_no_trial() {
    let world = Database::new("CREATE TABLE t(id); INSERT INTO t VALUES (1), (2), (3)");
    let opened = work(&world.lend(Access::Read), |site| site.open_to_write().map(drop)).await;
    assert_eq!(advice(opened).0, Cause::Refused);
    let lease = world.lend(Access::Read);
    let committed = work(&lease, |site| {
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
        let asked = work(&world.lend(Access::Read), move |site| query::answer(site, text, 10).map(drop)).await;
        let (cause, reason, _) = advice(asked);
        assert_eq!(cause, Cause::Refused, "{text}");
        assert!(reason.contains("fts5_source_id"), "{text}: {reason}");

        let statement = format!("UPDATE t SET v = ({text})");
        let write = Write { verb: Verb::Update, tables: vec!["t".into()], replaces: false, volatile: Vec::new() };
        let lease = world.lend(Access::Read);
        let tried = work(&lease, move |site| effects::run(site, &statement, &write, effects::Purpose::Look).map(drop));
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
    let escaped = "\"x\\` with 0 rows\\u{a}\\u{202e}\"";
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
