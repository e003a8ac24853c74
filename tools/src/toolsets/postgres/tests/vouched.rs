//! Code that nobody can tell the effect of: not tried until a person says yes, unless an operator vouches for exactly it.

use serde_json::json;

use super::world::{Ground, find};
use crate::contract::{Access, Preflight, Reversibility};

const SCHEMA: &str = "CREATE TABLE log (at text);
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'INSERT INTO log VALUES (''hit'')';
        RETURN NEW; END $$;
    CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1);
    CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch()";

const UPDATE: &str = "UPDATE t SET n = 2 WHERE id = 1";

async fn look(ground: &Ground) -> Preflight {
    ground.look("postgres_write", json!({ "sql": UPDATE })).await.unwrap()
}

/// What the question tells an operator to write down.
fn line(seen: &Preflight) -> String {
    let told = seen.evidence.iter().find_map(|evidence| {
        let (_, line) = evidence.what.split_once("vouched_functions = ")?;
        Some(format!("vouched_functions = {line}"))
    });
    told.unwrap_or_else(|| panic!("{:?}", seen.evidence))
}

#[tokio::test]
async fn what_is_vouched_for_is_tried_and_another_body_is_not() {
    let ground = Ground::roles(SCHEMA);
    let seen = look(&ground).await;
    assert_eq!(seen.reversibility, Reversibility::Irreversible);
    assert!(seen.evidence.iter().any(|evidence| evidence.what.contains("public.touch()")), "{:?}", seen.evidence);
    assert_eq!(ground.sql("SELECT count(*) FROM log").trim(), "0", "it was not tried");

    let ground = ground.with(format!("trial_ms = 60000\n{}", line(&seen)).parse().unwrap());
    let seen = look(&ground).await;
    assert_eq!(seen.reversibility, Reversibility::Irreversible, "the log has no key: {:?}", seen.evidence);
    assert_eq!(seen.blast_radius.rows, Some(2), "it was tried, and the row of the log counted");

    ground.sql(
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT 1'; \
                RETURN NEW; END $$",
    );
    let seen = look(&ground).await;
    assert_eq!(seen.blast_radius.rows, None, "another body is another function: {:?}", seen.evidence);
}

#[tokio::test]
async fn what_was_not_tried_runs_after_a_yes_and_only_as_it_was_seen() {
    let ground = Ground::roles(SCHEMA);
    let args = json!({ "target": "orders", "sql": UPDATE });
    let seen = look(&ground).await;
    let tool = find("postgres_write");
    tool.execute(&args, &seen, &ground.lend(Access::Write)).await.unwrap();
    assert_eq!(ground.sql("SELECT n FROM t; SELECT count(*) FROM log"), "2\n1\n");

    let seen = look(&ground).await;
    ground.sql(
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                EXECUTE 'DELETE FROM log'; RETURN NEW; END $$",
    );
    let refused = tool.execute(&args, &seen, &ground.lend(Access::Write)).await.unwrap_err().to_string();
    assert!(refused.contains("not those that were looked at"), "{refused}");
    assert_eq!(ground.sql("SELECT count(*) FROM log").trim(), "1", "the other body did not run");
}

#[tokio::test]
async fn what_came_to_run_code_since_the_look_is_refused() {
    let ground =
        Ground::roles("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1); CREATE SEQUENCE s");
    let args = json!({ "target": "orders", "sql": UPDATE });
    let seen = look(&ground).await;
    assert_eq!(seen.reversibility, Reversibility::Reversible);
    ground.sql("ALTER TABLE t ADD CHECK (setval('s', 7) > 0) NOT VALID");
    find("postgres_write").execute(&args, &seen, &ground.lend(Access::Write)).await.unwrap_err();
    assert_eq!(ground.sql("SELECT n FROM t; SELECT last_value FROM s"), "1\n1\n");
}

/// Functions that an operator vouches for, what they lead to, and what an agent puts in its place.
const CALLEES: &[(&str, &str, &str)] = &[
    // By name, in a body that can be read.
    (
        "CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM helper(); EXECUTE 'SELECT 1'; RETURN NEW; END $$",
        "touch",
        "CREATE OR REPLACE FUNCTION helper() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT setval(''s'', 9)'; RETURN 1; END $$",
    ),
    // In the text of a statement that it puts together.
    (
        "CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || 'helper' || '()'; RETURN NEW; END $$",
        "touch",
        "CREATE OR REPLACE FUNCTION helper() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT setval(''s'', 9)'; RETURN 1; END $$",
    ),
    // Under a quoted name, behind a schema.
    (
        "CREATE SCHEMA \"App\"; CREATE FUNCTION \"App\".\"Help er\"() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT \"App\".\"Help er\"()'; RETURN NEW; END $$",
        "touch",
        "CREATE OR REPLACE FUNCTION \"App\".\"Help er\"() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT setval(''s'', 9)'; \
         RETURN 1; END $$",
    ),
    // The trigger of a table that it writes to.
    (
        "CREATE TABLE log (at text); \
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'INSERT INTO log VALUES (''hit'')'; RETURN NEW; END $$",
        "touch",
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT setval(''s'', 9)'; RETURN NEW; END $$; \
         CREATE TRIGGER noted BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION noted()",
    ),
    // In a function that another one calls.
    (
        "CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE FUNCTION told() RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT 1'; RETURN 1 + helper(); END $$; \
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := told(); RETURN NEW; END $$",
        "told",
        "CREATE OR REPLACE FUNCTION helper() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT setval(''s'', 9)'; RETURN 1; END $$",
    ),
    // The function of an operator.
    (
        "CREATE FUNCTION helper(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE OPERATOR #~# (LEFTARG = int, RIGHTARG = int, FUNCTION = helper); \
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT 1 #~# 2'; RETURN NEW; END $$",
        "touch",
        "CREATE OR REPLACE FUNCTION helper(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT setval(''s'', 9)'; \
         RETURN 1; END $$",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_word_for_a_body_is_none_for_what_it_calls() {
    for (schema, vouched, replaced) in CALLEES {
        let ground = Ground::roles(&format!(
            "CREATE SEQUENCE s; CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1); {schema}; \
             CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch()"
        ));
        let seen = look(&ground).await;
        assert_eq!(seen.blast_radius.rows, None, "{schema}: {:?}", seen.evidence);
        let line = line(&seen);
        assert!(line.contains(&format!("public.{vouched}()")), "{line}");
        let ground = ground.with(format!("trial_ms = 60000\n{line}").parse().unwrap());
        let seen = look(&ground).await;
        assert!(seen.blast_radius.rows.is_some(), "{schema}: what is vouched for is tried: {:?}", seen.evidence);
        // Others replace what it leads to; its own body is the same still.
        ground.sql("SELECT setval('s', 3)");
        ground.sql(replaced);
        let seen = look(&ground).await;
        assert_eq!(seen.blast_radius.rows, None, "{replaced}: {:?}", seen.evidence);
        assert_eq!(ground.sql("SELECT last_value FROM s").trim(), "3", "{replaced}: it ran in a look");
    }
}

#[tokio::test]
async fn what_a_vouched_body_calls_by_itself_counts_when_somebody_else_calls_it() {
    let ground = Ground::roles(
        "CREATE SEQUENCE s; CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1); \
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT setval(''s'', 7)'; RETURN NEW; END $$; \
         CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch()",
    );
    let line = line(&look(&ground).await);
    let ground = ground.with(format!("trial_ms = 60000\n{line}").parse().unwrap());
    assert!(look(&ground).await.blast_radius.rows.is_some());
    ground.sql("SELECT setval('s', 3); ALTER TABLE t ADD CHECK (setval('s', 8) > 0) NOT VALID");
    let seen = look(&ground).await;
    assert_eq!(seen.blast_radius.rows, None, "{:?}", seen.evidence);
    assert_eq!(ground.sql("SELECT last_value FROM s").trim(), "3");
}

#[test]
fn what_cannot_be_read_is_an_error_at_the_key() {
    use crate::contract::Toolset as _;
    let form = |text: &str| {
        crate::toolsets::postgres::Postgres::new().settings(text.parse().unwrap(), std::path::Path::new("/"))
    };
    let digest = "sha256:".to_owned() + &"0a".repeat(32);
    assert!(
        form(&format!("vouched_functions = ['public.touch() {digest}', 'a.\"B\"(integer, text) {digest}']")).is_ok()
    );
    for wrong in ["'public.touch()'", "'touch() DIGEST'", "'public.touch DIGEST'", "'public.touch() sha256:00'", "7"] {
        let error = form(&format!("vouched_functions = [{}]", wrong.replace("DIGEST", &digest))).unwrap_err();
        assert_eq!(error.key.as_deref(), Some("vouched_functions"), "{wrong}");
    }
}
