//! What a write shows, refuses and brings back.

use serde_json::{Value, json};

use super::world::Ground;
use crate::contract::{Cause, Preflight, Reversibility, ToolError};

const SHOP: &str = "CREATE TABLE cust (id serial PRIMARY KEY, name text);
    CREATE TABLE pay (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, cust int REFERENCES cust ON DELETE CASCADE, n numeric);
    INSERT INTO cust(name) VALUES ('a'), ('b'); INSERT INTO pay(cust, n) VALUES (1, 1.50), (1, 2), (2, 3);";

const SEQUENCES: &str = "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2";

fn write(sql: &str) -> Value {
    json!({ "sql": sql })
}

async fn look(ground: &Ground, sql: &str) -> Preflight {
    ground.look("postgres_write", write(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

async fn refusal(ground: &Ground, sql: &str) -> String {
    match ground.look("postgres_write", write(sql)).await {
        Err(ToolError::Untouched { reason, .. }) => reason,
        other => panic!("{sql}: {other:?}"),
    }
}

#[tokio::test]
async fn a_look_counts_every_row_and_moves_no_sequence() {
    let ground = Ground::roles(SHOP);
    let before = ground.sql(SEQUENCES);
    let seen = look(&ground, "DELETE FROM cust WHERE id = 1").await;
    assert_eq!(seen.reversibility, Reversibility::Reversible);
    assert_eq!(seen.summary, "delete 2 rows of public.pay (by a cascade or trigger); delete 1 row of public.cust");
    assert_eq!(seen.targets[0].name(), "public.pay", "the worst is the name to type");
    assert_eq!(json!(seen.blast_radius.parts), json!({ "public.cust": 1, "public.pay": 2 }));
    let seen = look(&ground, "INSERT INTO pay(cust, n) SELECT id, 7 FROM cust").await;
    assert_eq!(seen.blast_radius.rows, Some(2));
    assert_eq!(ground.sql(SEQUENCES), before);
    let outcome =
        ground.call("postgres_write", write("INSERT INTO cust(name) VALUES ('c') RETURNING id")).await.unwrap();
    assert_eq!(outcome.output["returned"]["rows"], json!([[3]]));
    assert_ne!(ground.sql(SEQUENCES), before);
    let undo = outcome.undo.unwrap();
    ground.call(&undo.tool, undo.args).await.unwrap();
    assert_eq!(ground.sql(SEQUENCES), before);
}

/// What a statement does beside its first word is told first where it is worse, and counted.
#[tokio::test]
async fn every_table_is_told_with_its_own_verb_the_worst_first() {
    let ground = Ground::roles(&format!(
        "{SHOP} CREATE TABLE part (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10); INSERT INTO part VALUES (1, 1), (2, 1);
        CREATE VIEW cheap AS SELECT * FROM pay WHERE n < 2;"
    ));
    let gone = "WITH gone AS (DELETE FROM pay RETURNING cust) UPDATE cust SET name = 'x' WHERE id = 1";
    for (sql, summary, first) in [
        ("UPDATE cust SET name = 'x' WHERE id = 1", "update 1 row of public.cust", "public.cust"),
        ("UPDATE cust SET name = 'x' WHERE id = 9", "update 0 rows of public.cust", "public.cust"),
        (gone, "delete 3 rows of public.pay; update 1 row of public.cust", "public.pay"),
        (
            "INSERT INTO cust(id, name) VALUES (1, 'z'), (8, 'y') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            "insert 1 and update 1 rows of public.cust",
            "public.cust",
        ),
        (
            "WITH new AS (INSERT INTO pay(cust, n) SELECT 1, 5 RETURNING 1) UPDATE cust SET name = 'x' WHERE id = 1",
            "update 1 row of public.cust; insert 1 row of public.pay",
            "public.cust",
        ),
        (
            "DELETE FROM part WHERE id < 9",
            "delete 2 rows of public.part_1 (through public.part, a cascade or a trigger)",
            "public.part",
        ),
        (
            "DELETE FROM cheap",
            "delete 1 row of public.pay (through public.cheap, a cascade or a trigger)",
            "public.cheap",
        ),
    ] {
        let before = ground.sql(SEQUENCES);
        let seen = look(&ground, sql).await;
        assert_eq!(seen.summary, summary, "{sql}");
        assert_eq!(seen.targets[0].name(), first, "{sql}");
        assert_eq!(ground.sql(SEQUENCES), before, "a look moves no sequence: {sql}");
    }
    let outcome = ground.call("postgres_write", write(gone)).await.unwrap();
    assert_eq!(outcome.output["rows_changed"], 4);
    assert_eq!(ground.sql("SELECT count(*) FROM pay; SELECT name FROM cust ORDER BY id"), "0\nx\nb\n");
}

#[tokio::test]
async fn what_is_not_tried_is_told_by_its_text_and_counted_by_the_server() {
    let mut ground = Ground::superuser(SHOP);
    let clerk = ground.cluster.name("teller");
    ground.sql(&format!(
        "CREATE ROLE {clerk} LOGIN; GRANT ALL ON cust, pay TO {clerk};
        GRANT USAGE ON SEQUENCE cust_id_seq, pay_id_seq TO {clerk}"
    ));
    ground.role = clerk;
    let gone = "WITH gone AS (DELETE FROM pay RETURNING 1), more AS (UPDATE cust SET name = 'u' RETURNING 1) \
        INSERT INTO cust(name) VALUES ('c'), ('d')";
    let seen = look(&ground, gone).await;
    assert_eq!(
        seen.summary,
        "delete rows of public.pay; update rows of public.cust; insert rows of public.cust, not tried out"
    );
    assert_eq!(seen.targets[0].name(), "public.pay", "the worst is the name to type");
    let outcome = ground.call("postgres_write", write(gone)).await.unwrap();
    assert_eq!(outcome.output["rows_changed"], 2);
    assert!(outcome.output["not_counted"].as_str().unwrap().contains("common table expressions"), "{}", outcome.output);
    assert_eq!(ground.sql("SELECT count(*) FROM pay; SELECT count(*) FROM cust"), "0\n4\n");
    let asked =
        "WITH new AS (INSERT INTO cust(name) VALUES ('e') RETURNING id) SELECT id FROM new, generate_series(1, 9)";
    let outcome = ground.call("postgres_write", write(asked)).await.unwrap();
    assert_eq!(outcome.output["rows_changed"], Value::Null, "what is given back is not what is changed");
    let back = "INSERT INTO cust(name) VALUES ('f'), ('g') RETURNING name";
    assert_eq!(ground.call("postgres_write", write(back)).await.unwrap().output["rows_changed"], 2);
}

#[tokio::test]
async fn a_sequence_that_somebody_drew_from_since_stays_where_it_is() {
    let ground = Ground::roles(SHOP);
    let outcome = ground.call("postgres_write", write("INSERT INTO cust(name) VALUES ('c')")).await.unwrap();
    ground.sql("INSERT INTO cust(name) VALUES ('d')");
    let undo = outcome.undo.unwrap();
    ground.call(&undo.tool, undo.args).await.unwrap();
    assert_eq!(ground.sql("SELECT id, name FROM cust ORDER BY 1; SELECT nextval('cust_id_seq')"), "1|a\n2|b\n4|d\n5\n");
}

#[tokio::test]
async fn what_a_role_cannot_take_back_is_not_tried() {
    let mut ground = Ground::superuser(SHOP);
    let clerk = ground.cluster.name("clerk");
    ground.sql(&format!(
        "CREATE ROLE {clerk} LOGIN; GRANT ALL ON cust TO {clerk}; GRANT USAGE ON SEQUENCE cust_id_seq TO {clerk}"
    ));
    ground.role = clerk;
    let before = ground.sql(SEQUENCES);
    let seen = look(&ground, "INSERT INTO cust(name) VALUES ('c')").await;
    assert_eq!(seen.reversibility, Reversibility::Irreversible);
    assert!(seen.evidence.iter().any(|evidence| evidence.what.contains("only its owner")), "{:?}", seen.evidence);
    assert_eq!(ground.sql(SEQUENCES), before);
    let outcome = ground.call("postgres_write", write("INSERT INTO cust(name) VALUES ('c')")).await.unwrap();
    assert!(outcome.undo.is_none());
    assert_eq!(ground.sql("SELECT count(*) FROM cust").trim(), "3");
    let denied = refusal(&ground, "UPDATE pay SET n = 0").await;
    assert!(denied.contains("the role may not do that"), "{denied}");
}

#[tokio::test]
async fn what_reaches_beyond_rows_is_not_tried() {
    let body = |body: &str, table: &str| {
        format!(
            "CREATE FUNCTION f_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN new; END $$;
            CREATE TABLE {table} (id int PRIMARY KEY); CREATE TRIGGER f AFTER INSERT ON {table} FOR EACH ROW
            EXECUTE FUNCTION f_{table}();"
        )
    };
    let script = format!(
        "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1); {}{}{}{}",
        body("TRUNCATE other", "truncating"),
        body("EXECUTE 'TRUNCATE ot' || 'her'", "covering"),
        body("CREATE TABLE made (id int)", "making"),
        body("PERFORM lo_export(1, '/x')", "exporting")
    );
    let ground = Ground::roles(&script);
    for (table, word) in
        [("truncating", "TRUNCATE"), ("covering", "EXECUTE"), ("making", "CREATE"), ("exporting", "lo_export")]
    {
        let seen = look(&ground, &format!("INSERT INTO {table} VALUES (1)")).await;
        assert_eq!(seen.reversibility, Reversibility::Irreversible, "{table}");
        assert!(seen.evidence.iter().any(|evidence| evidence.what.contains(word)), "{table}: {:?}", seen.evidence);
    }
    assert_eq!(ground.sql("SELECT count(*) FROM other; SELECT to_regclass('made')"), "1\n\n");
    for (sql, word) in [
        ("SELECT 1", "only reads"),
        ("DROP TABLE other", "DROP TABLE"),
        ("UPDATE other SET id = id + (random() * 9)::int", "another value each time"),
        ("DELETE FROM other; DELETE FROM other", "2 statements"),
        ("DELETE FROM pg_catalog.pg_class", "belongs to PostgreSQL"),
    ] {
        let reason = refusal(&ground, sql).await;
        assert!(reason.contains(word) || reason.contains("may not do that"), "{sql}: {reason}");
    }
}

#[tokio::test]
async fn what_cannot_be_put_back_says_why() {
    let ground = Ground::roles(
        "CREATE TABLE bare (a int); INSERT INTO bare VALUES (1), (1);
        CREATE TABLE veiled (id int PRIMARY KEY); INSERT INTO veiled VALUES (1);
        ALTER TABLE veiled ENABLE ROW LEVEL SECURITY; ALTER TABLE veiled FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON veiled USING (true);",
    );
    for (sql, word) in [("DELETE FROM bare", "told apart"), ("DELETE FROM veiled", "row security")] {
        let seen = look(&ground, sql).await;
        assert_eq!(seen.reversibility, Reversibility::Irreversible, "{sql}");
        assert!(seen.evidence.iter().any(|evidence| evidence.what.contains(word)), "{sql}: {:?}", seen.evidence);
    }
}

#[tokio::test]
async fn an_undo_that_would_take_others_rows_along_is_refused() {
    let ground = Ground::roles(SHOP);
    let outcome = ground.call("postgres_write", write("INSERT INTO cust(name) VALUES ('c')")).await.unwrap();
    ground.sql("INSERT INTO pay(cust, n) VALUES (3, 9)");
    let before = ground.sql("TABLE cust; TABLE pay");
    let undo = outcome.undo.unwrap();
    let error = ground.call(&undo.tool, undo.args).await.unwrap_err();
    assert!(matches!(&error, ToolError::Untouched { cause: Cause::Refused, .. }), "{error:?}");
    assert_eq!(ground.sql("TABLE cust; TABLE pay"), before);
}

#[tokio::test]
async fn a_locked_row_is_not_waited_for() {
    let ground = Ground::roles(SHOP);
    ground.sql("BEGIN; UPDATE cust SET name = 'held' WHERE id = 1; PREPARE TRANSACTION 'held'");
    let reason = refusal(&ground, "UPDATE cust SET name = 'x' WHERE id = 1").await;
    assert!(reason.contains("locked by another session"), "{reason}");
    ground.sql("ROLLBACK PREPARED 'held'");
    assert_eq!(look(&ground, "UPDATE cust SET name = 'x' WHERE id = 1").await.blast_radius.rows, Some(1));
}

#[tokio::test]
async fn parameters_are_values() {
    let ground = Ground::roles(SHOP);
    let args = json!({ "sql": "UPDATE cust SET name = $1 WHERE id = $2", "params": ["x'; DROP TABLE pay; --", 2] });
    ground.call("postgres_write", args).await.unwrap();
    assert_eq!(ground.sql("SELECT name FROM cust WHERE id = 2").trim(), "x'; DROP TABLE pay; --");
}
