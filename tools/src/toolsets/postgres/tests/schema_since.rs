//! What came to an addition since is never destroyed by taking the addition back: each kind of addition, with each kind of
//! thing that can hang on it.

use serde_json::json;

use super::schema_world::plain;
use super::world::{Ground, find};
use crate::contract::{Access, Outcome, ToolError};

/// An addition, and what somebody may do with it. `{x}` is what was added, `{t}` the table it is on, `{guest}` a role.
struct Addition {
    sql: &'static str,
    name: &'static str,
    on: &'static str,
    since: &'static [&'static [&'static str]],
}

const SCHEMA: &[&str] = &[
    "GRANT USAGE ON SCHEMA {x} TO {guest}",
    "COMMENT ON SCHEMA {x} IS 'ours'",
    "ALTER SCHEMA {x} OWNER TO postgres",
    "ALTER SCHEMA {x} RENAME TO other",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {x} GRANT SELECT ON TABLES TO {guest}",
    "ALTER PUBLICATION news ADD TABLES IN SCHEMA {x}",
    "CREATE TABLE {x}.held ()",
    "CREATE TYPE {x}.held AS ENUM ()",
    "CREATE FUNCTION {x}.held() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE COLLATION {x}.held (locale = 'C')",
    "CREATE STATISTICS {x}.held ON id, n FROM app.base",
    "CREATE TEXT SEARCH DICTIONARY {x}.held (TEMPLATE = simple)",
    "CREATE OPERATOR {x}.@#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = pg_catalog.int4eq)",
    "CREATE OPERATOR FAMILY {x}.held USING btree",
    "CREATE CONVERSION {x}.held FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "CREATE EXTENSION btree_gist SCHEMA {x}",
    "ALTER TABLE app.base SET SCHEMA {x}",
];

/// For everything that has rows of columns `id`, `n` and `v`, tables and views alike.
const RELATION: &[&str] = &[
    "GRANT SELECT ON {x} TO {guest}",
    "REVOKE DELETE ON {x} FROM {owner}",
    "GRANT UPDATE (n) ON {x} TO {guest}",
    "COMMENT ON COLUMN {x}.n IS 'ours'",
    "CREATE VIEW app.over AS SELECT n FROM {x}",
    "CREATE MATERIALIZED VIEW app.over AS SELECT n FROM {x}",
    "CREATE FUNCTION app.over() RETURNS SETOF {x} LANGUAGE sql BEGIN ATOMIC SELECT * FROM {x}; END",
    "CREATE FUNCTION app.over(one {x}) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE app.over (whole {x})",
    "CREATE TABLE app.over (whole {x}[])",
    "CREATE RULE over AS ON DELETE TO {x} DO ALSO INSERT INTO app.base (id) VALUES (1)",
    "CREATE POLICY over ON app.base USING (id IN (SELECT n FROM {x}))",
    "ALTER TABLE {x} ALTER n SET DEFAULT 5",
    "ALTER TABLE {x} OWNER TO postgres",
    "ALTER TABLE {x} RENAME TO other",
    "ALTER TABLE {x} SET SCHEMA public",
];

const TABLE: &[&str] = &[
    "COMMENT ON TABLE {x} IS 'ours'",
    "INSERT INTO {x} VALUES (11, 1, 'x')",
    "CREATE INDEX over ON {x} (n)",
    "ALTER TABLE {x} ADD UNIQUE (id, n)",
    "ALTER TABLE {x} ADD CHECK (n > 0)",
    "ALTER TABLE {x} ALTER n SET NOT NULL",
    "CREATE TRIGGER over AFTER INSERT ON {x} FOR EACH ROW EXECUTE FUNCTION app.noted()",
    "CREATE POLICY over ON {x} USING (n > 1)",
    "ALTER TABLE {x} ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE {x} FORCE ROW LEVEL SECURITY",
    "CREATE STATISTICS app.over ON id, n FROM {x}",
    "CREATE STATISTICS app.over ON (n + 1) FROM {x}",
    "ALTER TABLE {x} ALTER n SET STATISTICS 77",
    "ALTER TABLE {x} ALTER n SET (n_distinct = 5)",
    "ALTER TABLE {x} ALTER v SET STORAGE EXTERNAL",
    "ALTER TABLE {x} ALTER v SET COMPRESSION pglz",
    "ALTER TABLE {x} REPLICA IDENTITY FULL",
    "ALTER PUBLICATION news ADD TABLE {x}",
    "ALTER PUBLICATION news ADD TABLE {x} (id, n) WHERE (n > 1)",
    "SET SESSION AUTHORIZATION {owner}; CREATE SEQUENCE app.over OWNED BY {x}.n",
    "ALTER TABLE app.base ALTER n SET DEFAULT 1, ADD CONSTRAINT over CHECK (n IS NOT NULL); COMMENT ON TYPE {x} IS 'ours'",
];

/// Not for a partition, or one that is partitioned.
const ALONE: &[&str] = &[
    "ALTER TABLE {x} RENAME COLUMN n TO other",
    "ALTER TABLE {x} ADD more int",
    "ALTER TABLE {x} SET (fillfactor = 70)",
    "ALTER TABLE {x} SET (toast.autovacuum_enabled = off)",
    "ALTER TABLE {x} SET UNLOGGED",
    "ALTER TABLE {x} CLUSTER ON fresh_pkey",
    "ALTER TABLE {x} ALTER n TYPE int8",
    "ALTER TABLE {x} ADD FOREIGN KEY (n) REFERENCES app.base",
    "ALTER TABLE app.kid ADD FOREIGN KEY (id) REFERENCES {x}",
    "CREATE TABLE app.over () INHERITS ({x})",
    "ALTER TABLE app.kid INHERIT {x}",
    "COMMENT ON CONSTRAINT fresh_pkey ON {x} IS 'ours'",
    "COMMENT ON INDEX app.fresh_pkey IS 'ours'",
    "ALTER INDEX app.fresh_pkey SET (fillfactor = 70)",
    "ALTER INDEX app.fresh_pkey RENAME TO other",
    "ALTER TABLE {x} REPLICA IDENTITY USING INDEX fresh_pkey",
    "GRANT USAGE ON SEQUENCE app.fresh_id_seq TO {guest}",
    "COMMENT ON SEQUENCE app.fresh_id_seq IS 'ours'",
    "ALTER SEQUENCE app.fresh_id_seq INCREMENT 5",
    "ALTER TABLE app.base ALTER n SET DEFAULT nextval('app.fresh_id_seq')",
    "CREATE VIEW app.over AS SELECT id, n FROM {x} GROUP BY id",
];

const PARTITIONED: &[&str] = &[
    "CREATE TABLE app.over PARTITION OF {x} FOR VALUES FROM (1) TO (5)",
    "CREATE TABLE app.over PARTITION OF {x} DEFAULT; INSERT INTO app.over VALUES (1, 1, 'x')",
];

const VIEW: &[&str] = &[
    "COMMENT ON VIEW {x} IS 'ours'",
    "ALTER VIEW {x} SET (security_barrier)",
    "CREATE TRIGGER over INSTEAD OF INSERT ON {x} FOR EACH ROW EXECUTE FUNCTION app.noted()",
    "CREATE OR REPLACE VIEW {x} AS SELECT id, n, v, 1 AS more FROM app.base",
    "ALTER VIEW {x} RENAME COLUMN n TO other",
];

const SEQUENCE: &[&str] = &[
    "GRANT USAGE ON SEQUENCE {x} TO {guest}",
    "COMMENT ON SEQUENCE {x} IS 'ours'",
    "ALTER SEQUENCE {x} INCREMENT 5",
    "ALTER SEQUENCE {x} OWNED BY app.base.n",
    "ALTER SEQUENCE {x} OWNER TO postgres",
    "ALTER SEQUENCE {x} RENAME TO other",
    "ALTER TABLE app.base ALTER n SET DEFAULT nextval('{x}')",
    "CREATE VIEW app.over AS SELECT last_value FROM {x}",
    "SELECT nextval('{x}')",
];

const TYPE: &[&str] = &[
    "GRANT USAGE ON TYPE {x} TO {guest}",
    "REVOKE USAGE ON TYPE {x} FROM PUBLIC",
    "COMMENT ON TYPE {x} IS 'ours'",
    "ALTER TYPE {x} OWNER TO postgres",
    "ALTER TYPE {x} RENAME TO other",
    "ALTER TYPE {x} SET SCHEMA public",
    "CREATE TABLE app.over (v {x})",
    "ALTER TABLE app.base ADD more {x}[]",
    "CREATE DOMAIN app.over AS {x}",
    "CREATE TYPE app.over AS (v {x})",
    "CREATE FUNCTION app.over({x}) RETURNS int LANGUAGE sql RETURN 1",
    "CREATE FUNCTION app.over() RETURNS {x}[] LANGUAGE sql AS 'SELECT NULL::{x}[]'",
    "CREATE CAST ({x} AS int) WITH INOUT",
    "CREATE VIEW app.over AS SELECT NULL::{x} AS v",
];

const ENUM: &[&str] = &[
    "ALTER TYPE {x} ADD VALUE 'c' BEFORE 'a'",
    "ALTER TYPE {x} RENAME VALUE 'a' TO 'other'",
    "CREATE TYPE app.over AS RANGE (subtype = {x})",
];

const COMPOSITE: &[&str] = &[
    "ALTER TYPE {x} ADD ATTRIBUTE more int",
    "ALTER TYPE {x} DROP ATTRIBUTE a",
    "ALTER TYPE {x} RENAME ATTRIBUTE a TO other",
    "ALTER TYPE {x} ALTER ATTRIBUTE a TYPE int8",
    "COMMENT ON COLUMN {x}.a IS 'ours'",
    "CREATE TABLE app.over OF {x}",
];

const INDEX: &[&str] = &[
    "COMMENT ON INDEX {x} IS 'ours'",
    "ALTER INDEX {x} SET (fillfactor = 70)",
    "ALTER INDEX {x} RENAME TO other",
    "ALTER INDEX {x} DEPENDS ON EXTENSION plpgsql",
    "ALTER TABLE {t} CLUSTER ON fresh",
];

const EXPRESSION: &[&str] = &["ALTER INDEX {x} ALTER COLUMN 1 SET STATISTICS 77"];

const UNIQUE: &[&str] = &[
    "ALTER TABLE {t} REPLICA IDENTITY USING INDEX fresh",
    "ALTER TABLE app.kid ADD FOREIGN KEY (id) REFERENCES {t} (code)",
    "ALTER TABLE {t} ADD CONSTRAINT over UNIQUE USING INDEX fresh",
];

/// `fresh` of the table: of numbers.
const COLUMN: &[&str] = &[
    "GRANT UPDATE (fresh) ON {t} TO {guest}",
    "COMMENT ON COLUMN {t}.fresh IS 'ours'",
    "UPDATE {t} SET fresh = 1 WHERE id = 1",
    "CREATE INDEX over ON {t} (fresh)",
    "CREATE INDEX over ON {t} (id) INCLUDE (fresh)",
    "CREATE INDEX over ON {t} (id) WHERE fresh > 1",
    "ALTER TABLE {t} ADD UNIQUE (id, fresh)",
    "ALTER TABLE {t} ADD CHECK (fresh > 0)",
    "ALTER TABLE {t} ADD FOREIGN KEY (fresh) REFERENCES app.base",
    "ALTER TABLE {t} ADD more int GENERATED ALWAYS AS (fresh + 1) STORED",
    "ALTER TABLE {t} ALTER fresh SET DEFAULT 5",
    "ALTER TABLE {t} ALTER fresh SET STATISTICS 77",
    "ALTER TABLE {t} ALTER fresh SET (n_distinct = 5)",
    "ALTER TABLE {t} ALTER fresh TYPE int8",
    "ALTER TABLE {t} RENAME COLUMN fresh TO other",
    "CREATE STATISTICS app.over ON id, fresh FROM {t}",
    "CREATE STATISTICS app.over ON (fresh + 1) FROM {t}",
    "CREATE TRIGGER over AFTER UPDATE OF fresh ON {t} FOR EACH ROW EXECUTE FUNCTION app.noted()",
    "CREATE TRIGGER over AFTER UPDATE ON {t} FOR EACH ROW WHEN (new.fresh > 1) EXECUTE FUNCTION app.noted()",
    "CREATE POLICY over ON {t} USING (fresh > 1)",
    "CREATE VIEW app.over AS SELECT fresh FROM {t}",
    "CREATE RULE over AS ON DELETE TO {t} WHERE old.fresh > 1 DO ALSO NOTHING",
    "CREATE FUNCTION app.over() RETURNS SETOF int LANGUAGE sql BEGIN ATOMIC SELECT fresh FROM {t}; END",
    "SET SESSION AUTHORIZATION {owner}; CREATE SEQUENCE app.over OWNED BY {t}.fresh",
    "ALTER PUBLICATION news ADD TABLE {t} (id, fresh)",
    "ALTER PUBLICATION news ADD TABLE {t} WHERE (fresh > 1)",
];

const CONSTRAINT: &[&str] =
    &["COMMENT ON CONSTRAINT fresh ON {t} IS 'ours'", "ALTER TABLE {t} RENAME CONSTRAINT fresh TO other"];

const KEY: &[&str] = &[
    "COMMENT ON INDEX app.fresh IS 'ours'",
    "ALTER INDEX app.fresh SET (fillfactor = 70)",
    "ALTER TABLE {t} CLUSTER ON fresh",
    "ALTER TABLE {t} REPLICA IDENTITY USING INDEX fresh",
    "ALTER TABLE app.kid ADD FOREIGN KEY (id) REFERENCES {t} (code)",
    "ALTER INDEX app.fresh DEPENDS ON EXTENSION plpgsql",
];

const FOREIGN: &[&str] = &[
    "ALTER TABLE {t} ALTER CONSTRAINT fresh DEFERRABLE",
    "ALTER TABLE {t} VALIDATE CONSTRAINT fresh",
    "ALTER TABLE {t} DISABLE TRIGGER ALL",
    "ALTER TABLE app.base DISABLE TRIGGER ALL",
];

const ADDITIONS: &[Addition] = &[
    Addition { sql: "CREATE SCHEMA fresh", name: "fresh", on: "", since: &[SCHEMA] },
    Addition {
        sql: "CREATE TABLE app.fresh (id serial PRIMARY KEY, n int, v text)",
        name: "app.fresh",
        on: "",
        since: &[RELATION, TABLE, ALONE],
    },
    Addition {
        sql: "CREATE TABLE app.fresh PARTITION OF app.part FOR VALUES FROM (10) TO (20)",
        name: "app.fresh",
        on: "",
        since: &[RELATION, TABLE],
    },
    Addition {
        sql: "CREATE TABLE app.fresh (id int, n int, v text) PARTITION BY RANGE (id)",
        name: "app.fresh",
        on: "",
        since: &[PARTITIONED],
    },
    Addition {
        sql: "CREATE VIEW app.fresh AS SELECT id, n, v FROM app.base",
        name: "app.fresh",
        on: "",
        since: &[RELATION, VIEW],
    },
    Addition { sql: "CREATE SEQUENCE app.fresh", name: "app.fresh", on: "", since: &[SEQUENCE] },
    Addition { sql: "CREATE TYPE app.fresh AS ENUM ('a', 'b')", name: "app.fresh", on: "", since: &[TYPE, ENUM] },
    Addition { sql: "CREATE TYPE app.fresh AS (a int, b text)", name: "app.fresh", on: "", since: &[TYPE, COMPOSITE] },
    Addition {
        sql: "CREATE INDEX fresh ON app.base ((n + 1))",
        name: "app.fresh",
        on: "app.base",
        since: &[INDEX, EXPRESSION],
    },
    Addition {
        sql: "CREATE UNIQUE INDEX fresh ON app.base (code)",
        name: "app.fresh",
        on: "app.base",
        since: &[INDEX, UNIQUE],
    },
    Addition { sql: "ALTER TABLE app.base ADD fresh int", name: "fresh", on: "app.base", since: &[COLUMN] },
    Addition {
        sql: "ALTER TABLE app.base ADD CONSTRAINT fresh UNIQUE (code)",
        name: "fresh",
        on: "app.base",
        since: &[CONSTRAINT, KEY],
    },
    Addition {
        sql: "ALTER TABLE app.base ADD CONSTRAINT fresh CHECK (n > 0)",
        name: "fresh",
        on: "app.base",
        since: &[CONSTRAINT],
    },
    Addition {
        sql: "ALTER TABLE app.kid ADD CONSTRAINT fresh FOREIGN KEY (n) REFERENCES app.base NOT VALID",
        name: "fresh",
        on: "app.kid",
        since: &[CONSTRAINT, FOREIGN],
    },
];

/// What takes nothing away from anybody, and keeps nobody from taking an addition back.
const HARMLESS: &[(&str, &str)] = &[
    ("CREATE SCHEMA fresh", "CREATE TABLE fresh.held (); DROP TABLE fresh.held"),
    (
        "CREATE TABLE app.fresh (id int PRIMARY KEY, n int DEFAULT 1, v text)",
        "INSERT INTO app.fresh VALUES (1); ANALYZE app.fresh; DELETE FROM app.fresh; VACUUM (FULL, ANALYZE) app.fresh; \
         REINDEX TABLE app.fresh; TRUNCATE app.fresh; CLUSTER app.fresh USING fresh_pkey; ALTER TABLE app.fresh SET WITHOUT CLUSTER; \
         ALTER TABLE app.fresh ADD more text; ALTER TABLE app.fresh DROP more; ALTER TABLE app.fresh ALTER n DROP DEFAULT; \
         ALTER TABLE app.fresh ALTER n SET DEFAULT 1; CREATE VIEW app.over AS TABLE app.fresh; DROP VIEW app.over; \
         CREATE INDEX over ON app.fresh (n); DROP INDEX app.over; COMMENT ON TABLE app.fresh IS 'x'; COMMENT ON TABLE app.fresh IS NULL",
    ),
    (
        "CREATE VIEW app.fresh AS SELECT id, n FROM app.base",
        "INSERT INTO app.base (id, code) VALUES (7, 7); ANALYZE app.base; SELECT * FROM app.fresh",
    ),
    ("CREATE TYPE app.fresh AS ENUM ('a')", "CREATE TABLE app.over (v app.fresh); DROP TABLE app.over"),
    ("CREATE INDEX fresh ON app.base (n)", "UPDATE app.base SET n = 9; REINDEX TABLE app.base; ANALYZE app.base"),
    (
        "ALTER TABLE app.base ADD fresh text",
        "UPDATE app.base SET n = 9; CREATE VIEW app.over AS SELECT id, n FROM app.base; ANALYZE app.base",
    ),
    (
        "ALTER TABLE app.base ADD CONSTRAINT fresh UNIQUE (code)",
        "UPDATE app.base SET code = code + 10; VACUUM app.base",
    ),
    (
        "ALTER TABLE app.base RENAME TO renamed",
        "CREATE VIEW app.over AS SELECT id, n FROM app.renamed; UPDATE app.renamed SET n = 9",
    ),
    (
        "ALTER TABLE app.base ALTER n SET DEFAULT 7",
        "UPDATE app.base SET n = 9; CREATE VIEW app.over AS SELECT id, n FROM app.base",
    ),
];

/// One database, made anew for each case.
struct Stage {
    ground: Ground,
    guest: String,
}

impl Stage {
    fn new() -> Self {
        let ground = Ground::roles_apart("SELECT 1");
        let guest = ground.cluster.name("guest");
        ground.sql(&format!("CREATE ROLE {guest}; CREATE PUBLICATION news"));
        Self { ground, guest }
    }

    fn play(&self) {
        let role = &self.ground.role;
        self.ground.sql(&format!(
            "DROP SCHEMA IF EXISTS app, fresh, other CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public; \
             GRANT ALL ON SCHEMA public TO {role}; CREATE SCHEMA app AUTHORIZATION {role}; SET SESSION AUTHORIZATION {role}; \
             CREATE TABLE app.base (id int PRIMARY KEY, n int, v text, code int NOT NULL); \
             INSERT INTO app.base VALUES (1, 1, 'x', 1), (2, 2, 'y', 2); \
             CREATE TABLE app.kid (id int NOT NULL, n int, v text); \
             CREATE TABLE app.part (id int, n int, v text) PARTITION BY RANGE (id); \
             CREATE FUNCTION app.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        ));
    }

    fn state(&self) -> String {
        plain(&self.ground.sql(include_str!("schema_state.sql")))
    }

    /// Takes a call back as the gateway does; `None` where that is refused because the state is another one.
    async fn undo(&self, outcome: &Outcome) -> Result<Option<()>, ToolError> {
        let plan = outcome.undo.clone().expect("a plan");
        let tool = find(&plan.tool);
        match tool.preflight(&plan.args, &self.ground.lend(Access::Trial)).await {
            Ok(seen) if seen.fingerprint == plan.expects => {
                tool.execute(&plan.args, &seen, &self.ground.lend(Access::Write)).await.map(|_| Some(()))
            }
            // Whoever may no longer look at it cannot take it back either.
            Ok(_) | Err(ToolError::Untouched { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Every part-th addition, so that they run beside each other.
async fn nothing_is_taken_along(part: usize) {
    let stage = Stage::new();
    for addition in ADDITIONS.iter().skip(part).step_by(4) {
        for since in addition.since.iter().copied().flatten() {
            stage.play();
            let done = stage.ground.call("postgres_alter", json!({ "sql": addition.sql })).await;
            let done = done.unwrap_or_else(|error| panic!("{}: {error}", addition.sql));
            let since = since.replace("{x}", addition.name).replace("{t}", addition.on);
            let since = since.replace("{guest}", &stage.guest).replace("{owner}", &stage.ground.role);
            stage.ground.sql(&format!("SET search_path = app; {since}"));
            let before = stage.state();
            let undone = stage.undo(&done).await.unwrap_or_else(|error| panic!("{since}: {error}"));
            assert!(undone.is_none(), "{} was taken back, and with it what {since} did", addition.sql);
            assert_eq!(stage.state(), before, "{since}");
            stage.ground.sql("DROP EXTENSION IF EXISTS btree_gist CASCADE");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_to_an_addition_since_is_not_taken_along_1() {
    nothing_is_taken_along(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_to_an_addition_since_is_not_taken_along_2() {
    nothing_is_taken_along(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_to_an_addition_since_is_not_taken_along_3() {
    nothing_is_taken_along(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_to_an_addition_since_is_not_taken_along_4() {
    nothing_is_taken_along(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordinary_work_keeps_nobody_from_taking_an_addition_back() {
    let stage = Stage::new();
    for (sql, since) in HARMLESS {
        stage.play();
        let done = stage.ground.call("postgres_alter", json!({ "sql": sql })).await;
        let done = done.unwrap_or_else(|error| panic!("{sql}: {error}"));
        for one in since.split("; ") {
            stage.ground.sql(one);
        }
        let undone = stage.undo(&done).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(undone.is_some(), "{sql} is not taken back after {since}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_since_is_named() {
    let stage = Stage::new();
    stage.play();
    let done =
        stage.ground.call("postgres_alter", json!({ "sql": "CREATE TYPE app.fresh AS ENUM ('a')" })).await.unwrap();
    stage.ground.sql("CREATE TABLE app.over (v app.fresh)");
    let plan = done.undo.unwrap();
    let refused = find(&plan.tool).preflight(&plan.args, &stage.ground.lend(Access::Trial)).await.unwrap_err();
    assert!(refused.to_string().contains("app.over"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_changes_is_taken_back_one_by_one() {
    let stage = Stage::new();
    stage.play();
    let before = stage.state();
    let mut done = Vec::new();
    for sql in [
        "CREATE SCHEMA fresh",
        "CREATE TYPE fresh.mood AS ENUM ('a', 'b')",
        "CREATE TABLE fresh.t (id serial PRIMARY KEY, mood fresh.mood DEFAULT 'a', n int DEFAULT 1 + 1)",
        "ALTER TABLE fresh.t ADD base int REFERENCES app.base, ADD v text",
        "CREATE INDEX ON fresh.t (n)",
        "ALTER TABLE fresh.t ALTER n DROP DEFAULT, ALTER mood SET NOT NULL",
        "ALTER TABLE fresh.t RENAME n TO m",
        "ALTER TABLE fresh.t RENAME TO u",
        "ALTER TABLE fresh.u ADD CONSTRAINT c UNIQUE (m)",
        "CREATE VIEW fresh.v AS TABLE fresh.u",
    ] {
        done.push((sql, stage.ground.call("postgres_alter", json!({ "sql": sql })).await.unwrap()));
    }
    for (sql, done) in done.iter().rev() {
        let undone = stage.undo(done).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(undone.is_some(), "{sql} is not taken back");
    }
    assert_eq!(stage.state(), before);
}
