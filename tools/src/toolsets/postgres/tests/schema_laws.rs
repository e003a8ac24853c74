//! Changes of schema over generated databases: the laws hold, and each call that should run ran.

use serde_json::{Value, json};

use super::world::Ground;
use crate::contract::Reversibility;
use crate::laws::{Ended, declares_well, needs_a_write_lease, obeys, refuses_when_moved};
use crate::toolsets::postgres::Postgres;

/// Databases with everything that can hang on a table.
pub(super) fn script(seed: u32) -> String {
    let on = |bit: u32, text: &'static str| if seed & (1 << bit) == 0 { "" } else { text };
    let action = ["CASCADE", "SET NULL", "RESTRICT", "NO ACTION", "SET DEFAULT"][seed as usize % 5];
    let mut sql = format!(
        r#"CREATE SCHEMA app; CREATE SCHEMA "Odd ""schema"; SET check_function_bodies = off;
        CREATE TYPE app.mood AS ENUM ('fine', 'so so');
        CREATE TABLE app.cust (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE {late},
            mood app.mood DEFAULT 'fine', up int8 REFERENCES app.cust {defer}, code serial,
            twice text GENERATED ALWAYS AS (name || name) STORED, note char(5), CHECK (name <> ''), need int NOT NULL);
        CREATE TABLE app.pay (id int PRIMARY KEY, cust int8 DEFAULT 1 REFERENCES app.cust ON DELETE {action} ON UPDATE CASCADE,
            amount numeric(10, 2) CHECK (amount > 0), at timestamptz DEFAULT now(), tags text[]);
        CREATE TABLE "Odd ""schema"."Odd ""table; --" (a int, "b c" text DEFAULT 'x', pay int REFERENCES app.pay ON DELETE CASCADE);
        CREATE UNIQUE INDEX "odd index" ON "Odd ""schema"."Odd ""table; --" (lower("b c")) WHERE a > 0;
        CREATE TABLE public.bookings (id int PRIMARY KEY, v text NOT NULL);
        CREATE TABLE app.bookings (LIKE public.bookings INCLUDING ALL);
        CREATE TABLE app.log (what text, who text DEFAULT current_user);
        CREATE TABLE app.part (id int, at date NOT NULL, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE public.part_2 PARTITION OF app.part FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
        CREATE INDEX ON app.part (v);
        CREATE UNLOGGED TABLE app.fast (v jsonb) WITH (fillfactor = 70);
        CREATE SEQUENCE app.numbers START 5 INCREMENT 3 CYCLE MAXVALUE 100; SELECT nextval('app.numbers');
        CREATE VIEW app.names AS SELECT id, name, mood FROM app.cust;
        CREATE VIEW public.totals WITH (security_barrier) AS SELECT c.name, sum(p.amount) FROM app.cust c JOIN app.pay p
            ON p.cust = c.id GROUP BY c.id;
        CREATE MATERIALIZED VIEW app.mat AS SELECT * FROM app.pay; CREATE INDEX ON app.mat (id);
        CREATE FUNCTION app.logs() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN INSERT INTO app.log VALUES (tg_table_name || tg_op); RETURN new; END$$;
        COMMENT ON TABLE app.cust IS 'it''s customers'; COMMENT ON COLUMN app.cust.note IS 'a note';
        COMMENT ON INDEX app.cust_pkey IS 'key'; COMMENT ON SCHEMA app IS 'the application';
        GRANT SELECT ON app.cust TO PUBLIC; GRANT UPDATE (note, name) ON app.cust TO pg_monitor;
        GRANT USAGE ON SCHEMA app TO pg_monitor; GRANT ALL ON SEQUENCE app.numbers TO pg_monitor WITH GRANT OPTION;
        INSERT INTO app.cust (name, mood, up, note, need) SELECT 'c' || n, 'so so', nullif(n / 2, 0), 'n' || n, n
            FROM generate_series(1, {rows}) n;
        INSERT INTO app.pay SELECT n, 1 + n % greatest({rows}, 1), n * 1.5, '2026-01-01', ARRAY['a"b', NULL, E'\n\t']
            FROM generate_series(1, {rows}) n;
        INSERT INTO "Odd ""schema"."Odd ""table; --" SELECT n, E'v\\\t' || n, n FROM generate_series(1, {rows}) n;
        INSERT INTO public.bookings SELECT n, 'p' FROM generate_series(1, {rows}) n;
        INSERT INTO app.bookings SELECT n, 'a' FROM generate_series(1, {rows}) n;
        INSERT INTO app.part SELECT n, '2026-01-20'::date + n, 'x' FROM generate_series(1, {rows}) n;
        INSERT INTO app.fast SELECT '{{"a": [1.50]}}' FROM generate_series(1, {rows}) n;
        "#,
        rows = seed % 7 * 3,
        late = on(1, "DEFERRABLE"),
        defer = on(2, "DEFERRABLE INITIALLY DEFERRED"),
    );
    for (bit, more) in [
        (
            0,
            "CREATE TRIGGER \"z odd\" AFTER INSERT OR DELETE ON app.cust FOR EACH ROW EXECUTE FUNCTION app.logs();
             ALTER TABLE app.cust ENABLE ALWAYS TRIGGER \"z odd\";",
        ),
        (
            1,
            "ALTER TABLE app.cust ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON app.cust TO pg_monitor USING (need > 1);",
        ),
        (
            2,
            "CREATE TRIGGER t BEFORE INSERT ON app.pay FOR EACH ROW EXECUTE FUNCTION app.logs();
             ALTER TABLE app.pay ENABLE REPLICA TRIGGER t;
             CREATE CONSTRAINT TRIGGER late AFTER INSERT ON app.bookings DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION app.logs();",
        ),
        (3, "CREATE STATISTICS app.st ON id, need FROM app.cust; ALTER TABLE app.cust REPLICA IDENTITY FULL;"),
        (
            4,
            "ALTER TABLE app.part ALTER COLUMN v SET NOT NULL; ALTER TABLE public.bookings ALTER COLUMN v SET STORAGE EXTERNAL;",
        ),
        (5, "CREATE TRIGGER p AFTER INSERT ON app.part FOR EACH ROW EXECUTE FUNCTION app.logs();"),
    ] {
        sql.push_str(on(bit, more));
    }
    sql
}

const SEEDS: [u32; 3] = [0, 38, 61];

const ODD: &str = r#""Odd ""schema"."Odd ""table; --""#;

fn droppable() -> Vec<Value> {
    let column = |table: &str, column: &str| json!({ "object": "column", "name": table, "column": column });
    let mut all: Vec<Value> =
        ["app.cust", "app.pay", ODD, "bookings", "app.bookings", "app.part", "app.fast", "app.log"]
            .map(|name| json!({ "object": "table", "name": name }))
            .into();
    all.extend(["app.names", "totals", "app.mat"].map(|name| json!({ "object": "view", "name": name })));
    all.push(json!({ "object": "sequence", "name": "app.numbers" }));
    all.extend([
        column("app.cust", "note"),
        column("app.cust", "need"),
        column("app.cust", "code"),
        column("app.cust", "name"),
        column("app.pay", "cust"),
        column("app.part", "v"),
        column(ODD, "b c"),
        json!({ "object": "schema", "name": "app" }),
        json!({ "object": "schema", "name": "Odd \"schema" }),
        json!({ "object": "schema", "name": "public" }),
    ]);
    for args in &mut all {
        args["target"] = json!("orders");
    }
    all
}

fn reversible(ended: &Ended) -> bool {
    matches!(ended, Ended::Done { class: Reversibility::Reversible, .. })
}

#[test]
fn the_toolset_declares_well() {
    declares_well(&Postgres::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dropped_comes_back_exactly() {
    for seed in SEEDS {
        let ground = Ground::roles_apart(&script(seed));
        for args in droppable() {
            let ended = obeys(&ground, &Postgres::new(), "postgres_drop", &args).await;
            let ended = ended.unwrap_or_else(|broken| panic!("{seed} {args}: {broken}"));
            assert!(reversible(&ended), "{seed} {args}: {ended:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_emptied_is_filled_again_exactly() {
    for seed in SEEDS {
        let ground = Ground::roles_apart(&script(seed));
        let calls = [
            json!({ "table": "app.cust", "cascade": true }),
            json!({ "table": "app.cust", "cascade": true, "restart_identity": true }),
            json!({ "table": "app.pay", "cascade": true }),
            json!({ "table": ODD }),
            json!({ "table": "bookings", "restart_identity": true }),
            json!({ "table": "app.bookings" }),
            json!({ "table": "app.part" }),
            json!({ "table": "app.fast" }),
        ];
        for mut args in calls {
            args["target"] = json!("orders");
            let ended = obeys(&ground, &Postgres::new(), "postgres_truncate", &args).await;
            let ended = ended.unwrap_or_else(|broken| panic!("{seed} {args}: {broken}"));
            assert!(reversible(&ended), "{seed} {args}: {ended:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_is_gone_and_nothing_else() {
    let ground = Ground::roles_apart(&script(61));
    for (args, left) in [
        (json!({ "object": "table", "name": ODD }), "SELECT count(*) FROM pg_class WHERE relname LIKE 'Odd%'"),
        (json!({ "object": "view", "name": "app.mat" }), "SELECT count(*) FROM pg_class WHERE relname = 'mat'"),
        (json!({ "object": "table", "name": "app.part" }), "SELECT count(*) FROM pg_class WHERE relname LIKE 'part%'"),
        (
            json!({ "object": "schema", "name": "Odd \"schema" }),
            "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'Odd%'",
        ),
        (
            json!({ "object": "column", "name": "app.cust", "column": "note" }),
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 'app.cust'::regclass AND attname = 'note'",
        ),
    ] {
        let mut args = args;
        args["target"] = json!("orders");
        needs_a_write_lease(&ground, &Postgres::new(), "postgres_purge", &args).await.unwrap();
        let ended = obeys(&ground, &Postgres::new(), "postgres_purge", &args).await.unwrap();
        assert!(matches!(ended, Ended::Done { class: Reversibility::Irreversible, .. }), "{args}: {ended:?}");
        assert_eq!(ground.sql(left).trim(), "0", "{args}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_altered_is_taken_back_exactly() {
    let ground = Ground::roles_apart(&format!(
        "{} CREATE DOMAIN filled AS int DEFAULT 5; CREATE UNIQUE INDEX spare ON bookings (id); \
         CREATE TABLE unkeyed (id int); CREATE UNIQUE INDEX unkeyed_id ON unkeyed (id); INSERT INTO unkeyed VALUES (1)",
        script(61)
    ));
    for (sql, exact) in [
        ("CREATE SCHEMA more", true),
        (
            "CREATE TABLE app.\"New one\" (id serial PRIMARY KEY, cust int8 REFERENCES app.cust, v text DEFAULT now()::text)",
            true,
        ),
        ("CREATE TABLE app.plain (id int GENERATED ALWAYS AS IDENTITY, v app.mood)", true),
        ("CREATE TABLE app.part_3 PARTITION OF app.part FOR VALUES FROM ('2027-01-01') TO ('2027-02-01')", true),
        ("CREATE VIEW v AS SELECT * FROM app.names", true),
        ("CREATE SEQUENCE app.more START 7", true),
        ("CREATE TYPE app.\"Odd type\" AS ENUM ('a', 'it''s')", true),
        ("CREATE TYPE pair AS (a int, b text)", true),
        ("CREATE INDEX ON app.pay (at)", true),
        ("CREATE UNIQUE INDEX odd ON bookings (lower(v), id) WHERE id > 3", true),
        ("ALTER TABLE bookings ADD COLUMN w text", true),
        ("ALTER TABLE app.log ADD COLUMN n int NOT NULL DEFAULT 7, ADD CHECK (n > 0)", true),
        ("ALTER TABLE bookings ADD COLUMN n int NOT NULL DEFAULT 7", false),
        ("ALTER TABLE bookings ADD CONSTRAINT c CHECK (id > 0) NOT VALID", true),
        ("ALTER TABLE app.fast ADD COLUMN k int, ADD CONSTRAINT u UNIQUE (k)", true),
        ("ALTER TABLE app.log ADD PRIMARY KEY (what)", true),
        ("ALTER TABLE app.bookings ADD FOREIGN KEY (id) REFERENCES bookings", true),
        (
            "ALTER TABLE app.log ADD COLUMN d int, ADD COLUMN day date, ADD FOREIGN KEY (d, day) REFERENCES app.part",
            true,
        ),
        ("ALTER TABLE app.pay ALTER COLUMN cust SET DEFAULT 5, ALTER amount SET NOT NULL", true),
        ("ALTER TABLE app.pay ALTER COLUMN at DROP DEFAULT", true),
        ("ALTER TABLE app.cust ALTER code DROP DEFAULT, ALTER COLUMN need DROP NOT NULL", true),
        ("ALTER TABLE app.cust RENAME COLUMN name TO \"the \"\"name\"", true),
        ("ALTER TABLE app.cust RENAME TO customers", true),
        ("ALTER TABLE app.pay RENAME CONSTRAINT pay_pkey TO key", true),
        ("ALTER TABLE app.part ADD COLUMN w int", false),
        ("ALTER TABLE bookings ADD COLUMN w public.filled", false),
        ("ALTER TABLE bookings ADD COLUMN w filled DEFAULT NULL", true),
        ("ALTER TABLE app.log ADD COLUMN w filled", true),
        ("ALTER TABLE bookings ADD CONSTRAINT one UNIQUE USING INDEX spare", false),
        ("ALTER TABLE unkeyed ADD PRIMARY KEY USING INDEX unkeyed_id", false),
        ("ALTER TABLE unkeyed ADD PRIMARY KEY (id)", true),
        // PostgreSQL has called the array type of another table like this.
        ("CREATE TABLE app._cust (id int)", false),
        ("CREATE VIEW app._pay AS SELECT 1 AS one", false),
        ("CREATE TYPE app._mood AS ENUM ('a')", false),
        ("ALTER TABLE app.log RENAME TO _pay", false),
        ("CREATE TABLE public._cust (id int)", true),
    ] {
        let args = json!({ "target": "orders", "sql": sql });
        if exact {
            let ended = obeys(&ground, &Postgres::new(), "postgres_alter", &args).await;
            let ended = ended.unwrap_or_else(|broken| panic!("{sql}: {broken}"));
            assert!(reversible(&ended), "{sql}: {ended:?}");
        } else {
            let seen = ground.look("postgres_alter", args).await.unwrap();
            assert_eq!(seen.reversibility, Reversibility::Irreversible, "{sql}");
        }
    }
}

/// Defaults that are written otherwise than they are meant: by implicit casts, modifiers and operators.
const DEFAULTS: [(&str, &str); 26] = [
    ("int8", "1 + 1"),
    ("int8", "-1"),
    ("numeric(5, 2)", "1"),
    ("numeric", "1.50::numeric(5, 1)"),
    ("varchar(3)", "'a' || 'b'"),
    ("char(5)", "'ab'"),
    ("text", "upper('x')"),
    ("text", "'x' COLLATE \"C\""),
    ("text", "now()"),
    ("text", "CASE WHEN true THEN 'a' ELSE NULL END"),
    ("text", "coalesce(NULL, current_user, 'x')"),
    ("text[]", "ARRAY['a', NULL, 'b c']"),
    ("int[]", "'{1,2}'"),
    ("date", "current_date + 1"),
    ("timestamptz", "current_timestamp(3)"),
    ("timestamp", "now() AT TIME ZONE 'utc'"),
    ("time", "localtime"),
    ("interval", "interval '1' day"),
    ("interval hour to minute", "'1 hour'"),
    ("bit(3)", "B'101'"),
    ("bool", "1 = ANY (ARRAY[1, 2]) AND NOT 3 IN (4, 5)"),
    ("bool", "'a' LIKE 'b%' OR 'x' IS DISTINCT FROM NULL"),
    ("jsonb", "'{\"a\": 1}'::jsonb -> 'a'"),
    ("point", "point(1, 2)"),
    ("int4range", "int4range(1, 5, '[]')"),
    ("app.mood", "'so so'"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_default_is_set_again_as_it_was() {
    let columns = DEFAULTS.iter().enumerate().map(|(at, (kind, value))| format!("c{at} {kind} DEFAULT ({value})"));
    let ground = Ground::roles_apart(&format!(
        "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('fine', 'so so'); CREATE TABLE t (id int, {}); INSERT INTO t VALUES (1)",
        columns.collect::<Vec<_>>().join(", ")
    ));
    let drops = (0..DEFAULTS.len()).map(|at| format!("ALTER c{at} DROP DEFAULT"));
    let args = json!({ "target": "orders", "sql": format!("ALTER TABLE t {}", drops.collect::<Vec<_>>().join(", ")) });
    let ended =
        obeys(&ground, &Postgres::new(), "postgres_alter", &args).await.unwrap_or_else(|broken| panic!("{broken}"));
    assert!(reversible(&ended), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_on_a_moved_state() {
    let ground = Ground::roles_apart(&script(61));
    for args in droppable() {
        let moved = refuses_when_moved(&ground, &Postgres::new(), "postgres_drop", &args).await;
        let moved = moved.unwrap_or_else(|broken| panic!("{args}: {broken}"));
        assert!(moved, "{args}");
        needs_a_write_lease(&ground, &Postgres::new(), "postgres_drop", &args).await.unwrap();
    }
    for (tool, args) in [
        ("postgres_truncate", json!({ "target": "orders", "table": ODD })),
        ("postgres_purge", json!({ "target": "orders", "object": "table", "name": "app.part" })),
    ] {
        assert!(refuses_when_moved(&ground, &Postgres::new(), tool, &args).await.unwrap(), "{tool}");
        needs_a_write_lease(&ground, &Postgres::new(), tool, &args).await.unwrap();
    }
}
