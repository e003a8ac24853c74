//! Ways to call something else than what a text seems to call, and into the quarantine.

use serde_json::json;

use super::world::Ground;
use crate::contract::{Preflight, Reversibility};

const SCHEMA: &str =
    "CREATE SEQUENCE s; CREATE TABLE t (id int8 PRIMARY KEY, n int8); INSERT INTO t VALUES (1, 1), (2, 2);";

async fn looked(ground: &Ground, tool: &str, sql: &str) -> Preflight {
    let before = ground.sql("SELECT last_value, is_called FROM s");
    let seen = ground.look(tool, json!({ "sql": sql })).await;
    assert_eq!(ground.sql("SELECT last_value, is_called FROM s"), before, "the look drew: {sql}");
    seen.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

#[tokio::test]
async fn a_change_of_schema_that_draws_is_asked_about_and_a_default_is_ordinary() {
    let ground = Ground::roles(SCHEMA);
    for (sql, class) in [
        ("ALTER TABLE t ADD CHECK (nextval('s') > 0)", Reversibility::Irreversible),
        ("ALTER TABLE t ADD COLUMN m int8 CHECK (nextval('s') > 0)", Reversibility::Irreversible),
        ("CREATE TABLE made (a int8 DEFAULT nextval('s') CHECK (nextval('s') > 0))", Reversibility::Irreversible),
        ("CREATE VIEW made AS SELECT lastval(), currval('s')", Reversibility::Reversible),
        ("ALTER TABLE t ALTER COLUMN n SET DEFAULT set_config('app.x', 'y', false)::int8", Reversibility::Irreversible),
        ("CREATE TABLE made (a int8 DEFAULT nextval('s'), b bigserial)", Reversibility::Reversible),
        ("ALTER TABLE t ALTER COLUMN n SET DEFAULT nextval('s'::regclass)", Reversibility::Reversible),
    ] {
        let seen = looked(&ground, "postgres_alter", sql).await;
        assert_eq!(seen.reversibility, class, "{sql}: {:?}", seen.evidence);
    }
}

/// Bodies of a trigger, each with what has to be there, and whether it may be tried.
const BODIES: [(&str, &str, bool); 10] = [
    ("", "BEGIN NEW.n := nextval('s'); RETURN NEW; END", true),
    ("", "BEGIN NEW.n := nextval('public.s'::regclass); RETURN NEW; END", true),
    ("", "BEGIN PERFORM set_config('app.x', 'y', true); RETURN NEW; END", true),
    ("", "BEGIN NEW.n := nextval(TG_ARGV[0]); RETURN NEW; END", false),
    ("", "BEGIN NEW.n := nextval('{oid}'); RETURN NEW; END", false),
    ("", "BEGIN NEW.n := nextval(TG_ARGV[0]) + length($x$ nextval('s') $x$); RETURN NEW; END", false),
    ("", "BEGIN PERFORM set_config('search_path', 'x', true); RETURN NEW; END", false),
    (
        "CREATE FUNCTION nextval(text) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN PERFORM setval('s', 7); RETURN 1; END $$;",
        "BEGIN NEW.n := nextval('s'); RETURN NEW; END",
        false,
    ),
    (
        "CREATE FUNCTION set_config(text, int, boolean) RETURNS text LANGUAGE sql AS 'SELECT setval(''s'', 7)::text';",
        "BEGIN PERFORM set_config('app.x', 5, true); RETURN NEW; END",
        false,
    ),
    (
        "CREATE DOMAIN evil AS int8 CHECK (VALUE IS NULL OR setval('s', 7) > 0); CREATE TABLE cfg (v evil);",
        "DECLARE c cfg.v%TYPE; BEGIN c := 1; RETURN NEW; END",
        false,
    ),
];

#[tokio::test]
async fn a_body_calls_what_the_catalogue_says_and_not_what_it_looks_like() {
    for (at, (made, body, tried)) in BODIES.iter().enumerate() {
        let ground = Ground::roles(SCHEMA);
        let body = body.replace("{oid}", ground.sql("SELECT 's'::regclass::oid").trim());
        let role = &ground.role;
        ground.sql(&format!(
            "SET ROLE {role}; {made} CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $f$ {body} $f$; \
             CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f('s')"
        ));
        let seen = looked(&ground, "postgres_write", "INSERT INTO t (id) VALUES (3)").await;
        assert_eq!(seen.blast_radius.rows.is_some(), *tried, "{at}: {body}: {:?}", seen.evidence);
    }
}

#[tokio::test]
async fn what_lies_in_the_quarantine_is_changed_by_nobody_unasked() {
    let ground = Ground::roles(
        "CREATE TABLE cust (id int PRIMARY KEY, note text); CREATE TABLE orders (id int PRIMARY KEY, \
         cust int REFERENCES cust ON DELETE CASCADE); INSERT INTO cust VALUES (1, 'x'); INSERT INTO orders VALUES (1, 1)",
    );
    ground.call("postgres_drop", json!({ "object": "table", "name": "orders" })).await.unwrap();
    let seen = ground.look("postgres_write", json!({ "sql": "DELETE FROM cust" })).await.unwrap();
    assert_eq!(
        (seen.reversibility, seen.destroys_recovery),
        (Reversibility::Irreversible, true),
        "{:?}",
        seen.evidence
    );
    let done =
        ground.call("postgres_drop", json!({ "object": "column", "name": "cust", "column": "note" })).await.unwrap();
    let column = done.output["quarantined_as"].as_str().unwrap().to_owned();
    for (tool, sql) in [
        ("postgres_write", format!("UPDATE cust SET \"{column}\" = 'y'")),
        ("postgres_alter", format!("ALTER TABLE cust RENAME COLUMN {column} TO note")),
        ("postgres_alter", "CREATE TABLE mollyguard_trash.made (id int)".into()),
        ("postgres_alter", "CREATE SCHEMA mollyguard_trash_made".into()),
    ] {
        let refused = ground.look(tool, json!({ "sql": sql })).await.unwrap_err().to_string();
        assert!(refused.contains("quarantine"), "{sql}: {refused}");
    }
    assert_eq!(ground.sql(&format!("SELECT {column} FROM cust")).trim(), "x");
}
