//! What comes back is what was taken away: things in the quarantine that somebody wrote to, and kept rows of tables and
//! columns that were renamed, dropped and brought back in between.

use serde_json::{Value, json};

use super::schema_world::plain;
use super::world::{Ground, find};
use crate::contract::{Access, Limits, Outcome, ToolError};

const SCHEMA: &str = "CREATE SCHEMA app; CREATE TABLE app.top (id int PRIMARY KEY);
    CREATE TABLE app.t (id int PRIMARY KEY, n int, v text, top int REFERENCES app.top ON DELETE CASCADE);
    CREATE VIEW app.seen AS SELECT id, n, v FROM app.t; CREATE SEQUENCE app.s;
    CREATE MATERIALIZED VIEW app.m AS SELECT id, n FROM app.t;
    CREATE TABLE app.p (id int, n int, v text) PARTITION BY RANGE (id);
    CREATE TABLE app.p1 PARTITION OF app.p FOR VALUES FROM (0) TO (100);
    INSERT INTO app.top VALUES (1), (2); INSERT INTO app.t VALUES (1, 1, 'a', 1), (2, 2, 'b', 2), (3, 3, 'c', NULL);
    INSERT INTO app.p VALUES (1, 1, 'a'), (2, 2, 'b'); REFRESH MATERIALIZED VIEW app.m";

/// Everything there is, with the rows and what lies in the quarantine, but for its list.
const STATE: &str = "SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.relacl, c.relrowsecurity FROM pg_class c
      WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND c.relname <> 'dropped' ORDER BY 1;
    SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND c.relname <> 'dropped' ORDER BY 1, 2;
    SELECT oid, nspname FROM pg_namespace WHERE nspname <> 'mollyguard_trash' ORDER BY 1";

fn state(ground: &Ground) -> String {
    let rows = ground.sql(
        "SELECT pg_catalog.query_to_xml(pg_catalog.format('SELECT * FROM ONLY %s AS t ORDER BY t::text', oid::regclass), true, \
         false, '') FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm') AND relname <> 'dropped' ORDER BY oid",
    );
    plain(&(ground.sql(STATE) + &rows))
}

/// Takes a call back as the gateway does.
async fn undo(ground: &Ground, outcome: &Outcome) -> Result<Outcome, String> {
    let plan = outcome.undo.clone().expect("a plan");
    let tool = find(&plan.tool);
    let seen = tool.preflight(&plan.args, &ground.lend(Access::Trial)).await.map_err(told)?;
    if seen.fingerprint != plan.expects {
        return Err("the state is another one".into());
    }
    tool.execute(&plan.args, &seen, &ground.lend(Access::Write)).await.map_err(told)
}

fn told(error: ToolError) -> String {
    match error {
        ToolError::Untouched { reason, next, .. } => format!("{reason}; {next:?}"),
        error @ ToolError::Uncertain { .. } => panic!("{error}"),
    }
}

fn drop_of(object: &str, name: &str) -> Value {
    json!({ "object": object, "name": name })
}

/// What is dropped, how it is called in the quarantine `{q}`, and what somebody does to it there.
const WRITTEN: &[(&str, &str, &str, &[&str])] = &[
    ("sequence", "app.s", "{q}.s", &["SELECT nextval('{x}')", "SELECT setval('{x}', 50)"]),
    ("schema", "app", "{q}", &["SELECT nextval('{x}.s')"]),
    (
        "table",
        "app.t",
        "{q}.t",
        &[
            "INSERT INTO {x} VALUES (4, 4, 'd')",
            "UPDATE {x} SET n = 9 WHERE id = 1",
            "UPDATE {x} SET n = n",
            "DELETE FROM {x} WHERE id = 1",
            "DELETE FROM {x} WHERE id = 1; INSERT INTO {x} VALUES (1, 1, 'a', 1)",
            "TRUNCATE {x}",
            "UPDATE app.seen SET n = 9 WHERE id = 2",
            "DELETE FROM app.top WHERE id = 1",
            "ALTER TABLE {x} ADD more int",
            "ALTER TABLE {x} RENAME v TO w",
            "ALTER TABLE {x} DROP v CASCADE",
            "ALTER TABLE {x} ALTER n SET DEFAULT 7",
            "CREATE INDEX ON {x} (n)",
            "GRANT SELECT ON {x} TO PUBLIC",
            "COMMENT ON TABLE {x} IS 'x'",
            "ALTER TABLE {x} ENABLE ROW LEVEL SECURITY",
            "CREATE RULE r AS ON DELETE TO {x} DO ALSO NOTHING",
        ],
    ),
    (
        "table",
        "app.p",
        "{q}.p",
        &[
            "INSERT INTO {x} VALUES (4, 4, 'd')",
            "DELETE FROM {q}.p1 WHERE id = 1",
            "ALTER TABLE {x} DETACH PARTITION {q}.p1",
            "CREATE TABLE {q}.p2 PARTITION OF {x} FOR VALUES FROM (100) TO (200)",
        ],
    ),
    ("view", "app.m", "{q}.m", &["REFRESH MATERIALIZED VIEW {x}", "CREATE INDEX ON {x} (id)"]),
    (
        "schema",
        "app",
        "{q}",
        &[
            "INSERT INTO {x}.t VALUES (4, 4, 'd')",
            "DELETE FROM {x}.p WHERE id = 1",
            "DROP TABLE {x}.p",
            "CREATE TABLE {x}.other ()",
            "ALTER TABLE {x}.t DROP n CASCADE",
            "CREATE FUNCTION {x}.f() RETURNS int LANGUAGE sql RETURN 1",
            "GRANT USAGE ON SCHEMA {x} TO PUBLIC",
        ],
    ),
];

/// What maintenance and reading do changes nothing of it.
const KEPT: &[(&str, &str, &str, &[&str])] = &[
    (
        "table",
        "app.t",
        "{q}.t",
        &[
            "VACUUM FULL {x}",
            "VACUUM (FREEZE, ANALYZE) {x}",
            "CLUSTER {x} USING t_pkey; ALTER TABLE {x} SET WITHOUT CLUSTER",
            "REINDEX TABLE {x}",
            "SELECT count(*) FROM app.seen; SELECT * FROM {x} FOR UPDATE",
            "BEGIN; DELETE FROM {x}; ROLLBACK",
            "INSERT INTO app.top VALUES (9); DELETE FROM app.top WHERE id = 9",
        ],
    ),
    ("sequence", "app.s", "{q}.s", &["SELECT last_value FROM {x}"]),
    ("table", "app.p", "{q}.p", &["VACUUM FULL {q}.p1", "ANALYZE {x}"]),
    ("schema", "app", "{q}", &["VACUUM FULL {x}.t", "SELECT * FROM {x}.seen"]),
    ("column", "app.t", "{q}.t", &["INSERT INTO app.t (id) VALUES (4)", "DELETE FROM app.t WHERE id = 1"]),
];

fn args_of(object: &str, name: &str) -> Value {
    let mut args = drop_of(object, name);
    if object == "column" {
        args["column"] = json!("v");
    }
    args
}

async fn dropped_and(object: &str, name: &str, at: &str, since: &str) -> (Ground, Outcome) {
    let ground = Ground::roles(SCHEMA);
    let done = ground.call("postgres_drop", args_of(object, name)).await.unwrap_or_else(|error| panic!("{error}"));
    let trash = done.output["quarantined_as"].as_str().unwrap().to_owned();
    for one in since.split(if since.contains("BEGIN") { "\0" } else { "; " }) {
        ground.sql(&one.replace("{x}", at).replace("{q}", &trash));
    }
    (ground, done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_to_in_the_quarantine_does_not_come_back_as_what_was_dropped() {
    for (object, name, at, changes) in WRITTEN {
        for since in *changes {
            let (ground, done) = dropped_and(object, name, at, since).await;
            let before = state(&ground);
            let refused = undo(&ground, &done).await.map(|_| ()).expect_err(since);
            let says = ["while it lay in the quarantine", "was put away"].iter().any(|words| refused.contains(words));
            assert!(says, "{since}: {refused}");
            assert_eq!(state(&ground), before, "{since}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_keeps_nobody_from_bringing_something_back() {
    for (object, name, at, changes) in KEPT {
        for since in *changes {
            let (ground, done) = dropped_and(object, name, at, since).await;
            undo(&ground, &done).await.unwrap_or_else(|error| panic!("{object} {since}: {error}"));
            let there = ground.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'mollyguard_trash\\_%'");
            assert_eq!(there.trim(), "0", "{since}");
        }
    }
}

#[tokio::test]
async fn what_was_not_compared_is_said() {
    let mut ground = Ground::roles(SCHEMA);
    ground.limits = Limits { count: 2, ..Limits::default() };
    let done = ground.call("postgres_drop", drop_of("table", "app.t")).await.unwrap();
    let plan = done.undo.clone().unwrap();
    let seen = find(&plan.tool).preflight(&plan.args, &ground.lend(Access::Trial)).await.unwrap();
    assert!(seen.evidence.iter().any(|line| line.what.contains("behind them was not compared")), "{:?}", seen.evidence);
    // Another bound since then compares no more and no less.
    ground.limits = Limits::default();
    undo(&ground, &done).await.unwrap();

    let done = ground.call("postgres_drop", args_of("column", "app.t")).await.unwrap();
    let plan = done.undo.unwrap();
    let seen = find(&plan.tool).preflight(&plan.args, &ground.lend(Access::Trial)).await.unwrap();
    assert!(seen.evidence.iter().any(|line| line.what.contains("went on being used")), "{:?}", seen.evidence);
}

#[tokio::test]
async fn copies_of_truncated_rows_that_were_written_to_are_not_put_back() {
    for change in
        ["UPDATE {c} SET n = 9 WHERE id = 1", "DELETE FROM {c} WHERE id = 1; INSERT INTO {c} VALUES (7, 7, 'x')"]
    {
        let ground = Ground::roles(SCHEMA);
        let done = ground.call("postgres_truncate", json!({ "table": "app.t" })).await.unwrap();
        let copy = ground.sql("SELECT oid::regclass FROM pg_class WHERE relname LIKE 'rows\\_%' AND relkind = 'r'");
        ground.sql(&change.replace("{c}", copy.trim()));
        let before = state(&ground);
        let refused = undo(&ground, &done).await.map(|_| ()).unwrap_err();
        assert!(refused.contains("was changed while it lay in the quarantine"), "{refused}");
        assert_eq!(state(&ground), before);
        let whole = Ground::roles(SCHEMA);
        let done = whole.call("postgres_truncate", json!({ "table": "app.t" })).await.unwrap();
        undo(&whole, &done).await.unwrap();
        assert_eq!(whole.sql("SELECT count(*) FROM app.t").trim(), "3");
    }
}

/// Calls and what others do, in turn; the calls are then taken back in the order that is given.
enum Act {
    Call(&'static str, Value),
    Since(&'static str),
}

fn write(sql: &str) -> Act {
    Act::Call("postgres_write", json!({ "sql": sql }))
}

fn alter(sql: &str) -> Act {
    Act::Call("postgres_alter", json!({ "sql": sql }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_rows_find_their_columns_and_tables_by_number() {
    let update = || write("UPDATE app.t SET n = 9, v = 'z' WHERE id < 3");
    let delete = || write("DELETE FROM app.t WHERE id = 2");
    let drop_table = || Act::Call("postgres_drop", drop_of("table", "app.t"));
    let drop_column = || Act::Call("postgres_drop", args_of("column", "app.t"));
    // All of these lead back to where they began.
    let ways: Vec<(Vec<Act>, &[usize])> = vec![
        (vec![update(), drop_table()], &[1, 0]),
        (vec![delete(), drop_table()], &[1, 0]),
        (vec![update(), drop_column()], &[1, 0]),
        (vec![update(), drop_column()], &[0, 1]),
        (vec![delete(), drop_column()], &[0, 1]),
        (vec![update(), alter("ALTER TABLE app.t RENAME n TO m")], &[0, 1]),
        (
            vec![delete(), alter("ALTER TABLE app.t RENAME n TO m"), alter("ALTER TABLE app.t RENAME v TO n")],
            &[0, 2, 1],
        ),
        (vec![update(), alter("ALTER TABLE app.t RENAME TO u")], &[0, 1]),
        (vec![update(), Act::Call("postgres_drop", drop_of("schema", "app"))], &[1, 0]),
        (vec![update(), Act::Since("ALTER TABLE app.t RENAME n TO x; ALTER TABLE app.t RENAME x TO n")], &[0]),
    ];
    for (number, (acts, back)) in ways.iter().enumerate() {
        let ground = Ground::roles(SCHEMA);
        let before = state(&ground);
        let done = played(&ground, acts).await;
        for at in *back {
            undo(&ground, &done[*at]).await.unwrap_or_else(|error| panic!("way {number}, call {at}: {error}"));
        }
        assert_eq!(state(&ground), before, "way {number}");
    }
}

async fn played(ground: &Ground, acts: &[Act]) -> Vec<Outcome> {
    let mut done = Vec::new();
    for act in acts {
        match act {
            Act::Call(tool, args) => {
                done.push(ground.call(tool, args.clone()).await.unwrap_or_else(|error| panic!("{args}: {error}")));
            }
            Act::Since(sql) => drop(ground.sql(sql)),
        }
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_rows_that_no_longer_fit_are_refused_with_the_reason() {
    let write_of_two = || write("UPDATE app.t SET n = 9 WHERE id < 3");
    let since = |sql: &'static str| vec![write_of_two(), Act::Since(sql)];
    let cases: Vec<(Vec<Act>, &str)> = vec![
        (since("ALTER TABLE app.t ADD more int"), "the column more came to app.t since"),
        (since("ALTER TABLE app.t DROP v CASCADE"), "the column v of app.t was dropped since"),
        (
            since("ALTER TABLE app.t DROP v CASCADE; ALTER TABLE app.t ADD v text"),
            "the column v of app.t was dropped since",
        ),
        (
            since("DROP VIEW app.seen; DROP MATERIALIZED VIEW app.m; ALTER TABLE app.t ALTER n TYPE int8"),
            "the column n of app.t was of type integer and is bigint now",
        ),
        (
            since("ALTER TABLE app.t DROP CONSTRAINT t_pkey; ALTER TABLE app.t ADD PRIMARY KEY (id, v)"),
            "told apart by other columns",
        ),
        (vec![write_of_two(), Act::Call("postgres_drop", drop_of("table", "app.t"))], "was dropped, and what lies in"),
        (vec![write_of_two(), Act::Call("postgres_drop", drop_of("schema", "app"))], "was dropped, and what lies in"),
    ];
    for (acts, words) in cases {
        let ground = Ground::roles(SCHEMA);
        let done = played(&ground, &acts).await;
        let before = state(&ground);
        let refused = undo(&ground, &done[0]).await.map(|_| ()).expect_err(words);
        assert!(refused.contains(words), "{refused} does not say: {words}");
        assert_eq!(state(&ground), before, "{words}");
    }
}
