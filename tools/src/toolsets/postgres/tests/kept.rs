//! What lies in the quarantine: since when, how much it takes up, and that it goes to either an undo or a purge.

use serde_json::{Value, json};

use super::world::{Ground, find};
use crate::contract::{Access, Kept, Timestamp, Toolset as _};
use crate::toolsets::postgres::Postgres;

async fn kept(ground: &Ground) -> Vec<Kept> {
    Postgres::new().kept(&ground.lend(Access::Trial)).await.unwrap()
}

/// Everything that is left of the quarantine.
fn quarantine(ground: &Ground) -> String {
    ground.sql(
        "SELECT n.nspname FROM pg_namespace n WHERE n.nspname LIKE 'mollyguard\\_trash\\_%' \
         UNION ALL SELECT d.id FROM mollyguard_trash.dropped d \
         UNION ALL SELECT a.attname FROM pg_attribute a WHERE a.attname LIKE 'mollyguard\\_trash\\_%' AND NOT a.attisdropped",
    )
}

const MADE: &str = "CREATE TABLE \"a b\" (id serial PRIMARY KEY, x text);
    INSERT INTO \"a b\" (x) SELECT repeat('x', 100) FROM generate_series(1, 1000);
    CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9);
    CREATE VIEW v AS SELECT 1 AS one; CREATE SEQUENCE q;
    CREATE TABLE t (id int, c text); CREATE SCHEMA s; CREATE TABLE s.one (id int PRIMARY KEY);
    CREATE TABLE s.two (id int REFERENCES s.one); CREATE VIEW s.three AS SELECT * FROM s.two; CREATE SEQUENCE s.four;
    CREATE SCHEMA nothing";

#[tokio::test]
async fn whatever_was_dropped_is_told_and_can_be_purged_as_told() {
    let ground = Ground::roles(MADE);
    let things = [
        json!({ "object": "table", "name": "\"a b\"" }),
        json!({ "object": "table", "name": "p" }),
        json!({ "object": "view", "name": "v" }),
        json!({ "object": "sequence", "name": "q" }),
        json!({ "object": "column", "name": "t", "column": "c" }),
        json!({ "object": "schema", "name": "s" }),
        json!({ "object": "schema", "name": "nothing" }),
    ];
    for thing in &things {
        ground.call("postgres_drop", thing.clone()).await.unwrap();
    }
    ground.sql(
        "UPDATE mollyguard_trash.dropped SET at = '2026-01-02T03:04:05Z', \
         kept = jsonb_set(kept::jsonb, '{at}', '\"2026-01-02T03:04:05Z\"')::text WHERE what LIKE 'schema %'",
    );
    let found = kept(&ground).await;
    // A schema with something in it is not removed in parts.
    assert_eq!(found.len(), things.len() - 1, "{found:#?}");
    assert_eq!(found[0].since, "2026-01-02T03:04:05Z".parse().unwrap());
    assert!(found[1].bytes.is_some_and(|bytes| bytes > 100_000), "{:?}", found[1]);
    for one in &found {
        let purged = ground.call(one.tool, one.args.clone()).await;
        purged.unwrap_or_else(|error| panic!("{}: {}: {error}", one.what, one.args));
    }
    assert_eq!(kept(&ground).await, []);
    assert_eq!(quarantine(&ground).trim().lines().count(), 2, "the schema alone is still there, and on the list");
    assert_eq!(ground.sql("SELECT count(*) FROM pg_class WHERE relname = 't'").trim(), "1");
}

/// The clock of the server says when as well, and the later of both counts.
#[tokio::test]
async fn it_is_as_old_as_both_clocks_say() {
    let ground = Ground::roles("CREATE TABLE t (id int)");
    ground.call("postgres_drop", json!({ "object": "table", "name": "t" })).await.unwrap();
    let then: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    ground.sql(&format!(
        "UPDATE mollyguard_trash.dropped SET kept = jsonb_set(kept::jsonb, '{{at}}', '\"{then}\"')::text"
    ));
    assert!(kept(&ground).await[0].since > then);
    ground.sql(&format!("UPDATE mollyguard_trash.dropped SET at = '{then}'"));
    assert_eq!(kept(&ground).await[0].since, then);
}

#[tokio::test]
async fn a_purge_and_an_undo_of_one_table_do_not_both_have_it() {
    for undo_first in [true, false] {
        let ground = Ground::roles("CREATE TABLE t (id int); INSERT INTO t VALUES (7)");
        let plan = ground.call("postgres_drop", json!({ "object": "table", "name": "t" })).await.unwrap().undo.unwrap();
        let purge = kept(&ground).await[0].args.clone();
        let look =
            async |tool: &str, args: &Value| find(tool).preflight(args, &ground.lend(Access::Trial)).await.unwrap();
        // Both have looked before either acts.
        let (to_undo, to_purge) = (look(&plan.tool, &plan.args).await, look("postgres_purge", &purge).await);
        assert!(to_purge.destroys_recovery);
        let act =
            async |tool: &str, args: &Value, seen| find(tool).execute(args, seen, &ground.lend(Access::Write)).await;
        let (undone, purged) = if undo_first {
            let undone = act(&plan.tool, &plan.args, &to_undo).await;
            (undone, act("postgres_purge", &purge, &to_purge).await)
        } else {
            let purged = act("postgres_purge", &purge, &to_purge).await;
            (act(&plan.tool, &plan.args, &to_undo).await, purged)
        };
        assert_eq!((undone.is_ok(), purged.is_ok()), (undo_first, !undo_first), "{undone:?} {purged:?}");
        let there = ground.cluster.try_sql("postgres", &ground.database, "SELECT id FROM t");
        assert_eq!(there.is_ok_and(|rows| rows.trim() == "7"), undo_first);
        assert_eq!(kept(&ground).await, []);
    }
}
