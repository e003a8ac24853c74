//! What somebody makes between the server's own types is somebody's, whosever functions it is made with.

use serde_json::json;

use super::world::Ground;
use crate::contract::Reversibility;

const LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid IN (42, 43)";

#[tokio::test]
async fn a_cast_that_somebody_made_of_built_in_types_and_functions_is_judged() {
    let ground = Ground::superuser("CREATE TABLE t (id int8 PRIMARY KEY, b bool)");
    ground.call("postgres_query", json!({ "sql": "SELECT 1 FROM t" })).await.unwrap();
    let acts = "pg_catalog.pg_try_advisory_lock(int8)";
    for (made, sql) in [
        (format!("(int8 AS bool) WITH FUNCTION {acts}"), "SELECT 42::int8::bool"),
        (format!("(int8 AS bool) WITH FUNCTION {acts} AS IMPLICIT"), "SELECT CASE WHEN 42::int8 THEN 1 END"),
    ] {
        ground.sql(&format!("CREATE CAST {made}"));
        let answer = ground.call("postgres_query", json!({ "sql": sql })).await;
        assert_eq!(ground.sql(LOCKS).trim(), "0", "{sql}");
        answer.unwrap_err();
        let seen = ground.look("postgres_write", json!({ "sql": "INSERT INTO t VALUES (1, 43::int8::bool)" })).await;
        assert_eq!(ground.sql(LOCKS).trim(), "0", "{sql}");
        assert_eq!(seen.unwrap().reversibility, Reversibility::Irreversible, "{sql}");
        ground.sql("DROP CAST (int8 AS bool)");
    }
    // What only converts goes through.
    ground.sql("CREATE CAST (varchar AS int4) WITH FUNCTION pg_catalog.length(text)");
    ground.call("postgres_query", json!({ "sql": "SELECT 'abc'::varchar::int4" })).await.unwrap();
}

const MOOD: &str = "
    CREATE SEQUENCE beyond; CREATE TABLE t (id int4 PRIMARY KEY); INSERT INTO t SELECT g FROM generate_series(1, 5000) g;
    ANALYZE t; CREATE TYPE mood AS ENUM ('1', '2', '3');
    CREATE FUNCTION lt(int, mood) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 < ($2::text)::int';
    CREATE FUNCTION eq(int, mood) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 = ($2::text)::int';
    CREATE FUNCTION cmp(int, mood) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        EXECUTE 'SELECT setval(''beyond'', 777)'; RETURN sign($1 - ($2::text)::int); END $$;
    CREATE OPERATOR < (FUNCTION = lt, LEFTARG = int, RIGHTARG = mood);
    CREATE OPERATOR = (FUNCTION = eq, LEFTARG = int, RIGHTARG = mood);
    ALTER OPERATOR FAMILY integer_ops USING btree ADD OPERATOR 1 < (int, mood), OPERATOR 3 = (int, mood),
        FUNCTION 1 (int, mood) cmp(int, mood);";

#[tokio::test]
async fn support_functions_added_to_the_servers_own_families_are_judged_whatever_types_they_compare() {
    let ground = Ground::superuser(MOOD);
    let stands = ground.sql("SELECT last_value, is_called FROM beyond");
    for sql in ["SELECT count(*) FROM t WHERE id < '2'::mood", "SELECT count(*) FROM t WHERE id = '2'::mood"] {
        let answer = ground.call("postgres_query", json!({ "sql": sql })).await;
        assert_eq!(ground.sql("SELECT last_value, is_called FROM beyond"), stands, "{sql}: {answer:?}");
        answer.unwrap_err();
    }
}

/// What somebody runs who reads a view of the server's own that was replaced.
const REPLACED: &str = "
    CREATE SEQUENCE beyond; CREATE TABLE t (id int4 PRIMARY KEY); INSERT INTO t VALUES (1);
    CREATE FUNCTION noted() RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE 'SELECT setval(''beyond'', 777)'; RETURN 1; END $$;
    SET allow_system_table_mods = on;";

#[tokio::test]
async fn a_view_of_the_servers_own_that_somebody_replaced_is_looked_into_like_any_other() {
    let name = "information_schema.information_schema_catalog_name";
    for (view, made, reads) in [
        (
            name,
            "SELECT current_database()::information_schema.sql_identifier AS catalog_name FROM {}",
            vec![format!("SELECT * FROM {name}"), "SELECT * FROM over".to_owned()],
        ),
        (
            "pg_catalog.pg_group",
            "SELECT rolname AS groname, oid AS grosysid, '{}'::oid[] AS grolist FROM pg_authid, {}",
            vec![
                "SELECT count(*) FROM pg_group".to_owned(),
                "SELECT count(*) FROM pg_catalog.pg_group".to_owned(),
                "SELECT count(*) FROM over".to_owned(),
            ],
        ),
    ] {
        for runs in ["(SELECT public.noted()) AS x", "(SELECT pg_try_advisory_lock(42)) AS x"] {
            let ground = Ground::superuser(REPLACED);
            ground.sql(&format!("CREATE VIEW over AS SELECT * FROM {view}"));
            for sql in &reads {
                ground.call("postgres_query", json!({ "sql": sql })).await.unwrap();
            }
            let made = made.replacen("FROM {}", &format!("FROM {runs}"), 1).replacen(", {}", &format!(", {runs}"), 1);
            ground.sql(&format!("SET allow_system_table_mods = on; CREATE OR REPLACE VIEW {view} AS {made}"));
            for sql in &reads {
                let answer = ground.call("postgres_query", json!({ "sql": sql })).await;
                let stands = || (ground.sql("SELECT last_value, is_called FROM beyond"), ground.sql(LOCKS));
                assert_eq!(stands(), ("1|f\n".into(), "0\n".into()), "{sql}: {answer:?}");
                assert!(answer.unwrap_err().to_string().contains("not known to be harmless"), "{sql}");
                let update = format!("UPDATE t SET id = 2 WHERE EXISTS ({sql})");
                let seen = ground.look("postgres_write", json!({ "sql": update })).await.unwrap();
                assert_eq!(stands(), ("1|f\n".into(), "0\n".into()), "{update}");
                assert_eq!(seen.reversibility, Reversibility::Irreversible, "{update}");
            }
        }
    }
}

#[tokio::test]
async fn all_views_that_the_server_brings_along_can_be_read() {
    let ground = Ground::superuser("");
    let views = ground.sql(
        "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'v' \
         AND n.nspname IN ('pg_catalog', 'information_schema') ORDER BY 1",
    );
    let mut refused = Vec::new();
    for view in views.lines() {
        let sql = format!("SELECT count(*) FROM {view}");
        if let Err(error) = ground.call("postgres_query", json!({ "sql": sql })).await {
            refused.push(format!("{view}: {error}"));
        }
    }
    assert!(views.lines().count() > 100 && refused.is_empty(), "{refused:#?}");
}
