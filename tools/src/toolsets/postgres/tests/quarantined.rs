//! What lies in the quarantine comes back as it was put there, or is not said to; values that SQL calls null are values.

use serde_json::json;

use super::world::Ground;
use crate::contract::Reversibility;

#[tokio::test]
async fn a_column_with_a_row_of_nulls_in_it_holds_a_value() {
    let ground = Ground::roles(
        "CREATE TYPE pt AS (a int, b int); CREATE DOMAIN dpt AS pt; CREATE TABLE t (id int8 PRIMARY KEY);
         INSERT INTO t VALUES (1), (2)",
    );
    for kind in ["pt", "dpt", "t", "pt[]", "int", "jsonb"] {
        let add = json!({ "sql": format!("ALTER TABLE t ADD COLUMN c {kind}") });
        for value in ["(1,)", "(,)", "(1,2)", "{NULL}", "0", "null"] {
            let fits = match kind {
                "pt" | "dpt" => value.starts_with('('),
                "t" => false,
                "pt[]" => value.starts_with('{'),
                _ => value == "0" || (kind == "jsonb" && value == "null"),
            };
            if !fits {
                continue;
            }
            let added = ground.call("postgres_alter", add.clone()).await.unwrap().undo.unwrap();
            ground.sql(&format!("UPDATE t SET c = '{value}' WHERE id = 1"));
            let held = ground.sql("TABLE t ORDER BY id");
            let undone = ground.call(&added.tool, added.args.clone()).await;
            assert_eq!(ground.sql("TABLE t ORDER BY id"), held, "{kind} {value}: {undone:?}");
            undone.unwrap_err();
            ground.sql("UPDATE t SET c = NULL");
            ground.call(&added.tool, added.args).await.unwrap();
            assert_eq!(ground.sql("TABLE t ORDER BY id").trim(), "1\n2", "{kind}");
        }
    }
}

#[tokio::test]
async fn a_dropped_column_of_rows_of_nulls_comes_back() {
    let ground = Ground::roles(
        "CREATE TYPE pt AS (a int, b int); CREATE TABLE t (id int8 PRIMARY KEY, c pt NOT NULL);
         INSERT INTO t VALUES (1, '(,)'), (2, '(1,)')",
    );
    let held = ground.sql("TABLE t ORDER BY id");
    let drop = json!({ "object": "column", "name": "t", "column": "c" });
    let dropped = ground.call("postgres_drop", drop).await.unwrap().undo.unwrap();
    ground.sql("INSERT INTO t (id) VALUES (3)");
    ground.call(&dropped.tool, dropped.args.clone()).await.unwrap_err();
    ground.sql("DELETE FROM t WHERE id = 3");
    ground.call(&dropped.tool, dropped.args).await.unwrap();
    assert_eq!(ground.sql("TABLE t ORDER BY id"), held);
    ground.cluster.try_sql("postgres", &ground.database, "INSERT INTO t VALUES (4, NULL)").unwrap_err();
}

const SEQUENCES: &str = "CREATE TABLE t (id bigserial PRIMARY KEY, n int8 GENERATED ALWAYS AS IDENTITY);
    INSERT INTO t VALUES (DEFAULT), (DEFAULT); CREATE SEQUENCE q; CREATE SCHEMA s; CREATE TABLE s.t (id serial); CREATE SEQUENCE s.q";

/// The name of the sequence with this id, as SQL.
const NAME: &str = "SELECT pg_catalog.quote_ident(n.nspname) || '.' || c.relname FROM pg_class c JOIN pg_namespace n \
    ON n.oid = c.relnamespace WHERE c.oid = ";

#[tokio::test]
async fn a_sequence_that_was_drawn_from_in_the_quarantine_is_not_said_to_come_back() {
    let whole = [
        ("table", "t", "public.t_id_seq"),
        ("table", "t", "public.t_n_seq"),
        ("sequence", "q", "public.q"),
        ("schema", "s", "s.t_id_seq"),
        ("schema", "s", "s.q"),
    ];
    for (object, name, sequence) in whole {
        let ground = Ground::roles(SEQUENCES);
        let oid = ground.sql(&format!("SELECT '{sequence}'::regclass::oid::int8")).trim().to_owned();
        let stands = ground.sql(&format!("SELECT last_value, is_called FROM {sequence}"));
        let drop = json!({ "object": object, "name": name });
        let dropped = ground.call("postgres_drop", drop).await.unwrap().undo.unwrap();
        let kept = ground.sql(&format!("{NAME}{oid}")).trim().to_owned();
        assert!(kept.starts_with("mollyguard_trash"), "{kept}");
        // By its id, and by a text: both reach it.
        let speaks = json!({ "sql": format!("CREATE TABLE x (k int8 PRIMARY KEY, a int8 DEFAULT nextval('{kept}'))") });
        ground.look("postgres_alter", speaks).await.unwrap_err();
        let role = ground.role.clone();
        let made = format!("CREATE TABLE x (k int8 PRIMARY KEY, a int8 DEFAULT nextval('{kept}'))");
        ground.cluster.try_sql(&role, &ground.database, &made).unwrap();
        let seen = ground.look("postgres_write", json!({ "sql": "INSERT INTO x (k) VALUES (1)" })).await.unwrap();
        assert_eq!(ground.sql(&format!("SELECT last_value, is_called FROM {kept}")), stands, "{sequence}: a look drew");
        assert_eq!(seen.reversibility, Reversibility::Irreversible, "{sequence}: {:?}", seen.evidence);
        assert!(seen.destroys_recovery, "{sequence}");
        ground.sql("DROP TABLE x");
        // As it was, it comes back; once drawn from, it does not.
        ground.sql(&format!("SELECT nextval('{kept}')"));
        let undone = ground.call(&dropped.tool, dropped.args.clone()).await;
        assert_eq!(ground.sql(&format!("{NAME}{oid}")).trim(), kept, "{sequence}: {undone:?}");
        undone.unwrap_err();
        let [last, called] = stands.trim().split('|').collect::<Vec<_>>()[..] else { panic!("{stands}") };
        ground.sql(&format!("SELECT setval('{kept}', {last}, '{called}')"));
        ground.call(&dropped.tool, dropped.args).await.unwrap();
        assert_eq!(ground.sql(&format!("SELECT last_value, is_called FROM {sequence}")), stands, "{sequence}");
    }
}

#[tokio::test]
async fn what_draws_from_the_quarantine_destroys_it_although_it_is_not_tried() {
    let ground = Ground::roles(SEQUENCES);
    let oid = ground.sql("SELECT 'q'::regclass::oid::int8").trim().to_owned();
    ground.call("postgres_drop", json!({ "object": "sequence", "name": "q" })).await.unwrap();
    let kept = ground.sql(&format!("{NAME}{oid}")).trim().to_owned();
    let stands = ground.sql(&format!("SELECT last_value, is_called FROM {kept}"));
    let made = |draws: &str| {
        format!(
            "CREATE TABLE x (k int8 PRIMARY KEY, a int8 DEFAULT {draws}); \
             CREATE FUNCTION acts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT 1'; RETURN NEW; END $$; \
             CREATE TRIGGER acts BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION acts()"
        )
    };
    for (draws, destroys) in [(format!("nextval('{kept}')"), true), ("7".to_owned(), false)] {
        ground.cluster.try_sql(&ground.role, &ground.database, &made(&draws)).unwrap();
        let seen = ground.look("postgres_write", json!({ "sql": "INSERT INTO x (k) VALUES (1)" })).await.unwrap();
        assert!(seen.summary.contains("not tried out"), "{}", seen.summary);
        assert_eq!(seen.destroys_recovery, destroys, "{draws}");
        assert_eq!(ground.sql(&format!("SELECT last_value, is_called FROM {kept}")), stands);
        ground.sql("DROP TABLE x; DROP FUNCTION acts");
    }
}
