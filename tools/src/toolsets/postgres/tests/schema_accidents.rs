//! Accidents with tables and schemas that happened to somebody, and what becomes of them here.

use serde_json::{Value, json};

use super::schema_world::dump;
use super::world::{Ground, find};
use crate::contract::{Access, Cause, Outcome, Preflight, Probe, Reversibility, ToolError};

fn cause(result: Result<Outcome, ToolError>) -> Cause {
    match result {
        Err(ToolError::Untouched { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

fn evidence(seen: &Preflight) -> String {
    seen.evidence.iter().map(|one| one.what.as_str()).collect::<Vec<_>>().join("\n")
}

async fn execute(ground: &Ground, tool: &str, mut args: Value, seen: &Preflight) -> Result<Outcome, ToolError> {
    args["target"] = json!("orders");
    find(tool).execute(&args, seen, &ground.lend(Access::Write)).await
}

async fn undo(ground: &Ground, outcome: &Outcome) -> Result<Outcome, ToolError> {
    let plan = outcome.undo.clone().expect("a plan");
    let tool = find(&plan.tool);
    let seen = tool.preflight(&plan.args, &ground.lend(Access::Trial)).await?;
    if seen.fingerprint != plan.expects {
        return Err(ToolError::changed("another state"));
    }
    tool.execute(&plan.args, &seen, &ground.lend(Access::Write)).await
}

const BOOKINGS: &str = "CREATE TABLE bookings (id int PRIMARY KEY, guest text); \
    INSERT INTO bookings SELECT n, 'g' || n FROM generate_series(1, 120) n; \
    CREATE TABLE bills (id int PRIMARY KEY, booking int REFERENCES bookings); INSERT INTO bills VALUES (1, 1); \
    CREATE VIEW guests AS SELECT guest FROM bookings";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_to_be_destroyed_is_offered_the_quarantine() {
    let ground = Ground::roles(BOOKINGS);
    let args = json!({ "object": "table", "name": "bookings" });
    let refused = ground.look("postgres_purge", args.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("the view public.guests") && refused.contains("bills"), "{refused}");
    ground.sql("DROP VIEW guests; ALTER TABLE bills DROP CONSTRAINT bills_booking_fkey");
    let seen = ground.look("postgres_purge", args.clone()).await.unwrap();
    assert_eq!((seen.reversibility, seen.blast_radius.rows), (Reversibility::Irreversible, Some(120)));
    let instead = seen.alternative.unwrap();
    let outcome = ground.call(&instead.tool, instead.args).await.unwrap();
    assert_eq!(ground.sql("SELECT count(*) FROM pg_class WHERE oid = to_regclass('bookings')").trim(), "0");
    undo(&ground, &outcome).await.unwrap();
    assert_eq!(ground.sql("SELECT count(*) FROM bookings").trim(), "120");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_hangs_on_a_dropped_table_is_told_and_keeps_working() {
    let ground = Ground::roles(BOOKINGS);
    let args = json!({ "object": "table", "name": "bookings" });
    let told = evidence(&ground.look("postgres_drop", args.clone()).await.unwrap());
    assert!(told.contains("the view public.guests goes on reading it"), "{told}");
    assert!(told.contains("bills_booking_fkey on public.bills") && told.contains("goes on being enforced"), "{told}");
    assert!(told.contains("120 rows") && told.contains("no backup"), "{told}");
    ground.call("postgres_drop", args).await.unwrap();
    let role = ground.role.clone();
    let insert = |sql: &str| ground.cluster.try_sql(&role, &ground.database, sql);
    insert("INSERT INTO bills VALUES (2, 2)").unwrap();
    insert("INSERT INTO bills VALUES (3, 1000)").unwrap_err();
    assert_eq!(insert("SELECT count(*) FROM guests").unwrap().trim(), "120");
    let others = ground.cluster.try_sql(&ground.reader, &ground.database, "SELECT 1 FROM mollyguard_trash.dropped");
    others.unwrap();
    let stranger = ground.cluster.name("stranger");
    ground.sql(&format!("CREATE ROLE {stranger} LOGIN"));
    ground.cluster.try_sql(&stranger, &ground.database, "SELECT 1 FROM mollyguard_trash.dropped").unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_one_name_do_not_collide() {
    let ground = Ground::roles("CREATE TABLE bookings (id serial PRIMARY KEY, v text UNIQUE)");
    let args = json!({ "object": "table", "name": "bookings" });
    let first = ground.call("postgres_drop", args.clone()).await.unwrap();
    let role = ground.role.clone();
    ground
        .cluster
        .try_sql(&role, &ground.database, "CREATE TABLE bookings (id serial PRIMARY KEY, v text UNIQUE, w int)")
        .unwrap();
    let before = dump(&ground);
    assert_eq!(cause(undo(&ground, &first).await), Cause::Refused);
    assert_eq!(dump(&ground), before);
    let second = ground.call("postgres_drop", args).await.unwrap();
    undo(&ground, &first).await.unwrap();
    assert_eq!(
        ground.sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'bookings'::regclass AND attnum > 0").trim(),
        "2"
    );
    assert_eq!(cause(undo(&ground, &second).await), Cause::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_hang_together_come_back_in_any_order() {
    let ground = Ground::roles(BOOKINGS);
    let before = dump(&ground);
    let one = ground.call("postgres_drop", json!({ "object": "table", "name": "bookings" })).await.unwrap();
    let two = ground.call("postgres_drop", json!({ "object": "table", "name": "bills" })).await.unwrap();
    let three = ground.call("postgres_drop", json!({ "object": "view", "name": "guests" })).await.unwrap();
    for outcome in [&one, &three, &two] {
        undo(&ground, outcome).await.unwrap();
    }
    assert_eq!(dump(&ground), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_means_the_table_that_was_looked_at() {
    let ground = Ground::roles("CREATE SCHEMA a; CREATE TABLE public.t (v int); INSERT INTO t VALUES (1)");
    let role = ground.role.clone();
    ground.sql(&format!("ALTER ROLE {role} SET search_path = a, public"));
    for (tool, args) in [
        ("postgres_drop", json!({ "object": "table", "name": "t" })),
        ("postgres_truncate", json!({ "table": "t" })),
        ("postgres_purge", json!({ "object": "table", "name": "t" })),
    ] {
        let seen = ground.look(tool, args.clone()).await.unwrap();
        assert!(seen.targets[0].name() == "public.t", "{:?}", seen.targets);
        ground.cluster.try_sql(&role, &ground.database, "CREATE TABLE a.t (v int)").unwrap();
        let before = dump(&ground);
        assert_eq!(cause(execute(&ground, tool, args, &seen).await), Cause::Changed, "{tool}");
        assert_eq!(dump(&ground), before);
        ground.sql("DROP TABLE a.t");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_was_replaced_is_not_dropped() {
    let ground = Ground::roles("CREATE TABLE t (v int)");
    let args = json!({ "object": "table", "name": "t" });
    let seen = ground.look("postgres_drop", args.clone()).await.unwrap();
    let role = ground.role.clone();
    let own = |sql: &str| ground.cluster.try_sql(&role, &ground.database, sql).unwrap();
    own("DROP TABLE t; CREATE TABLE t (v int)");
    assert_eq!(cause(execute(&ground, "postgres_drop", args.clone(), &seen).await), Cause::Changed);
    let seen = ground.look("postgres_drop", args.clone()).await.unwrap();
    own("INSERT INTO t VALUES (1)");
    assert_eq!(cause(execute(&ground, "postgres_drop", args.clone(), &seen).await), Cause::Changed);
    own("DROP TABLE t");
    assert_eq!(cause(execute(&ground, "postgres_drop", args, &seen).await), Cause::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_not_waited_for_long_and_nothing_is_changed() {
    let ground = Ground::roles(BOOKINGS);
    let args = json!({ "object": "table", "name": "bills" });
    let seen = ground.look("postgres_drop", args.clone()).await.unwrap();
    let before = dump(&ground);
    let url = ground.cluster.url("postgres", &ground.database);
    let (holder, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    holder.batch_execute("BEGIN; LOCK TABLE bills IN ACCESS SHARE MODE;").await.unwrap();
    // A reader does not keep anybody from looking.
    ground.look("postgres_drop", args.clone()).await.unwrap();
    assert_eq!(cause(execute(&ground, "postgres_drop", args.clone(), &seen).await), Cause::Unavailable);
    assert_eq!(dump(&ground), before);
    holder.batch_execute("ROLLBACK; BEGIN; LOCK TABLE bills IN ACCESS EXCLUSIVE MODE;").await.unwrap();
    let looked = ground.look("postgres_drop", args).await;
    assert!(matches!(looked, Err(ToolError::Untouched { cause: Cause::Unavailable, .. })), "{looked:?}");
    connection.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_since_is_not_mixed_with_what_was() {
    let ground = Ground::roles(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, need text NOT NULL); \
        INSERT INTO t (need) VALUES ('a')",
    );
    let role = ground.role.clone();
    let own = |sql: &str| ground.cluster.try_sql(&role, &ground.database, sql).unwrap();
    let emptied = ground.call("postgres_truncate", json!({ "table": "t" })).await.unwrap();
    own("INSERT INTO t (need) VALUES ('b')");
    assert_eq!(cause(undo(&ground, &emptied).await), Cause::Changed);
    assert_eq!(ground.sql("SELECT * FROM t").trim(), "2|b");
    own("DELETE FROM t");
    undo(&ground, &emptied).await.unwrap();
    assert_eq!(ground.sql("SELECT * FROM t").trim(), "1|a");
    let column = json!({ "object": "column", "name": "t", "column": "need" });
    let dropped = ground.call("postgres_drop", column).await.unwrap();
    own("INSERT INTO t DEFAULT VALUES");
    assert_eq!(cause(undo(&ground, &dropped).await), Cause::Changed);
    own("DELETE FROM t WHERE id <> 1");
    undo(&ground, &dropped).await.unwrap();
    assert_eq!(ground.sql("SELECT need FROM t").trim(), "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_would_not_come_back_are_called_lost() {
    let mut ground = Ground::roles(
        "CREATE TABLE t (v text); INSERT INTO t SELECT 'x' FROM generate_series(1, 50); \
         CREATE TABLE log (v text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \
         INSERT INTO log VALUES ('t'); RETURN NULL; END$$; CREATE TABLE watched (v text); \
         CREATE TRIGGER w BEFORE TRUNCATE ON watched EXECUTE FUNCTION f(); \
         CREATE TABLE hidden (v text); INSERT INTO hidden VALUES ('secret'); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; \
         ALTER TABLE hidden FORCE ROW LEVEL SECURITY; \
         CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); \
         ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b; \
         CREATE TABLE unchecked (v int); INSERT INTO unchecked VALUES (-1); \
         ALTER TABLE unchecked ADD CHECK (v > 0) NOT VALID; \
         CREATE FUNCTION logs(v int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN v > (SELECT count(*) FROM log); END'; \
         CREATE TABLE asking (v int CHECK (logs(v))); INSERT INTO asking VALUES (1)",
    );
    let alone = ["watched", "hidden", "unchecked", "asking"].map(|name| json!({ "table": name }));
    for args in alone.into_iter().chain([json!({ "table": "a", "cascade": true })]) {
        let seen = ground.look("postgres_truncate", args.clone()).await.unwrap();
        assert_eq!(seen.reversibility, Reversibility::Irreversible, "{args}: {}", evidence(&seen));
    }
    ground.look("postgres_truncate", json!({ "table": "a" })).await.unwrap_err();
    ground.limits.count = 49;
    let seen = ground.look("postgres_truncate", json!({ "table": "t" })).await.unwrap();
    assert!(seen.blast_radius.truncated && seen.reversibility == Reversibility::Irreversible);
    let outcome = ground.call("postgres_truncate", json!({ "table": "t" })).await.unwrap();
    assert!(outcome.undo.is_none());
    assert_eq!(ground.sql("SELECT count(*) FROM t").trim(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_come_back_through_functions_that_rely_on_the_search_path() {
    let ground = Ground::roles(
        "CREATE FUNCTION half(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n / 2; END'; \
         CREATE FUNCTION fine(n int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN half(n) < 9; END'; \
         CREATE TABLE t (n int CHECK (fine(n))); INSERT INTO t VALUES (4), (5)",
    );
    let emptied = ground.call("postgres_truncate", json!({ "table": "t" })).await.unwrap();
    assert_eq!(ground.sql("TABLE t"), "");
    undo(&ground, &emptied).await.unwrap();
    assert_eq!(ground.sql("SELECT sum(n) FROM t").trim(), "9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purging_the_quarantine_destroys_recovery() {
    let ground = Ground::roles("CREATE TABLE t (v int); INSERT INTO t VALUES (1)");
    let dropped = ground.call("postgres_drop", json!({ "object": "table", "name": "t" })).await.unwrap();
    let name = format!("{}.t", dropped.output["quarantined_as"].as_str().unwrap());
    let args = json!({ "object": "table", "name": name });
    let seen = ground.look("postgres_purge", args.clone()).await.unwrap();
    assert!(seen.destroys_recovery && seen.alternative.is_none());
    ground.call("postgres_purge", args).await.unwrap();
    assert_eq!(ground.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'mollyguard_trash\\__%'").trim(), "0");
    assert_eq!(cause(undo(&ground, &dropped).await), Cause::NotFound);
    ground.look("postgres_purge", json!({ "object": "table", "name": "mollyguard_trash.dropped" })).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_not_is_told_why() {
    let ground = Ground::roles("CREATE TABLE mine (v int)");
    ground.sql("CREATE TABLE theirs (v int); CREATE SCHEMA closed");
    for (args, word) in [
        (json!({ "object": "table", "name": "theirs" }), "postgres"),
        (json!({ "object": "schema", "name": "closed" }), "postgres"),
        (json!({ "object": "table", "name": "pg_catalog.pg_class" }), "server"),
        (json!({ "object": "table", "name": "\"no such\"" }), "there is no relation"),
    ] {
        let error = ground.look("postgres_drop", args.clone()).await.unwrap_err();
        assert!(error.to_string().contains(word), "{args}: {error}");
    }
    ground.sql(&format!("ALTER DATABASE {} OWNER TO postgres", ground.database));
    let error = ground.look("postgres_drop", json!({ "object": "table", "name": "mine" })).await.unwrap_err();
    assert!(error.to_string().contains("quarantine"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_tells_whether_a_lost_call_took_effect() {
    let ground = Ground::roles("CREATE TABLE t (v int, w int); CREATE SCHEMA s");
    for args in [
        json!({ "object": "column", "name": "t", "column": "v", "target": "orders" }),
        json!({ "object": "table", "name": "t", "target": "orders" }),
        json!({ "object": "schema", "name": "s", "target": "orders" }),
    ] {
        let tool = find("postgres_drop");
        let seen = ground.look("postgres_drop", args.clone()).await.unwrap();
        let lease = ground.lend(Access::Trial);
        assert_eq!(tool.probe(&args, &seen, &lease).await, Probe::Unchanged, "{args}");
        let outcome = execute(&ground, "postgres_drop", args.clone(), &seen).await.unwrap();
        assert_eq!(tool.probe(&args, &seen, &lease).await, Probe::Changed, "{args}");
        undo(&ground, &outcome).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_into_an_addition_is_not_destroyed() {
    let ground = Ground::roles("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    let role = ground.role.clone();
    let own = |sql: &str| ground.cluster.try_sql(&role, &ground.database, sql).unwrap();
    let column = ground.call("postgres_alter", json!({ "sql": "ALTER TABLE t ADD COLUMN v text" })).await.unwrap();
    let table = ground.call("postgres_alter", json!({ "sql": "CREATE TABLE n (v text)" })).await.unwrap();
    own("UPDATE t SET v = 'kept'; INSERT INTO n VALUES ('kept')");
    let before = dump(&ground);
    assert_eq!(cause(undo(&ground, &column).await), Cause::Changed);
    assert_eq!(cause(undo(&ground, &table).await), Cause::Changed);
    assert_eq!(dump(&ground), before);
    own("UPDATE t SET v = NULL; DELETE FROM n; CREATE INDEX ON n (v)");
    undo(&ground, &column).await.unwrap();
    // What hangs on it since was never agreed to.
    assert_eq!(cause(undo(&ground, &table).await), Cause::Changed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_addition_is_sent_elsewhere() {
    let ground = Ground::roles("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1)");
    let before = dump(&ground);
    for (sql, word) in [
        ("DROP TABLE t", "drops"),
        ("ALTER TABLE t DROP COLUMN v", "drops"),
        ("ALTER TABLE t ADD COLUMN w int, DROP CONSTRAINT t_pkey", "drops"),
        ("TRUNCATE t", "empties"),
        ("DELETE FROM t", "rows"),
        ("SELECT 1", "reads"),
        ("CREATE TABLE u (); DROP TABLE t", "2 statements"),
        ("CREATE OR REPLACE VIEW w AS SELECT 1", "not offered"),
        ("CREATE INDEX CONCURRENTLY ON t (v)", "CONCURRENTLY"),
        ("GRANT ALL ON t TO PUBLIC", "not offered"),
        ("CREATE TABLE u AS SELECT * FROM t", ""),
        ("CREATE TEMPORARY TABLE u ()", "not offered"),
        ("CREATE TABLE t (v int)", "exists"),
        ("ALTER TABLE pg_catalog.pg_class ADD COLUMN v int", "server"),
    ] {
        let error = ground.look("postgres_alter", json!({ "sql": sql })).await.unwrap_err();
        assert!(error.to_string().contains(word), "{sql}: {error}");
    }
    assert_eq!(dump(&ground), before);
}

#[tokio::test]
async fn an_addition_that_runs_code_that_acts_cannot_be_taken_back() {
    let ground = Ground::roles(
        "CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE log (at text); \
         CREATE FUNCTION seen(int8) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0'; \
         CREATE FUNCTION noted(int8) RETURNS boolean LANGUAGE plpgsql AS \
           $$BEGIN INSERT INTO log VALUES ('ran'); RETURN true; END$$",
    );
    for (sql, class) in [
        ("ALTER TABLE t ADD CHECK (noted(id))", Reversibility::Irreversible),
        ("CREATE INDEX ON t (seen(id))", Reversibility::Reversible),
        ("ALTER TABLE t ADD CHECK (id > 0 AND abs(id) < 100)", Reversibility::Reversible),
        ("CREATE INDEX ON t (abs(id), (id::text))", Reversibility::Reversible),
    ] {
        let seen = ground.look("postgres_alter", json!({ "sql": sql })).await.unwrap();
        assert_eq!(seen.reversibility, class, "{sql}: {:?}", seen.evidence);
        assert_eq!(ground.sql("SELECT count(*) FROM log").trim(), "0", "the look ran it");
    }
}
