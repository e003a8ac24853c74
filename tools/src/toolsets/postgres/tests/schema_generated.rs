//! Changes of schema over generated ones: the laws hold, and a good share of the calls really ran.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::schema_shape::{Shape, shape};
use super::schema_world::plain;
use super::world::Ground;
use crate::contract::{Access, Configured, Limits, Reversibility, Secret};
use crate::laws::{Ended, World, needs_a_write_lease, obeys, refuses_when_moved};
use crate::toolsets::postgres::Postgres;

const CASES: u32 = 4;

/// One database, with everything in it dropped and made anew for each case.
struct Stage {
    ground: Ground,
    /// Somebody who may do what a schema grants him.
    guest: String,
    /// A place in [`DISTURBANCES`].
    disturbance: AtomicUsize,
}

impl Stage {
    fn new() -> Self {
        let ground = Ground::roles_apart("SELECT 1");
        let guest = ground.cluster.name("guest");
        ground.sql(&format!(
            "CREATE ROLE {guest}; CREATE EXTENSION btree_gist SCHEMA pg_catalog; CREATE PUBLICATION news"
        ));
        Self { ground, guest, disturbance: AtomicUsize::new(0) }
    }

    /// Gives the number of tables.
    fn play(&self, shape: &Shape) {
        let (role, reader) = (&self.ground.role, &self.ground.reader);
        let anew = format!(
            r"SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)' \gexec
            ALTER DEFAULT PRIVILEGES FOR ROLE {role} REVOKE ALL ON TABLES FROM {guest};
            ALTER DEFAULT PRIVILEGES FOR ROLE {role} REVOKE ALL ON SCHEMAS FROM {guest};
            ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
            ALTER ROLE {role} SET search_path = app; GRANT {guest} TO {role};",
            guest = self.guest,
        );
        self.ground.sql(&anew);
        let script = shape.sql(role, &self.guest);
        let made = self.ground.cluster.try_sql(role, &self.ground.database, &script);
        made.unwrap_or_else(|error| panic!("{script}: {error}"));
        self.ground.sql(&format!("GRANT USAGE ON SCHEMA app TO {reader}"));
        let published = format!("ALTER PUBLICATION news ADD TABLE {}", shape.tables()[0]);
        // What is not logged is not published.
        let _published = self.ground.cluster.try_sql("postgres", &self.ground.database, &published);
    }

    /// Everything that a call may name, refused or not.
    fn things(&self) -> Vec<Value> {
        let told = self.ground.sql(THINGS);
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const THINGS: &str = r"SET search_path = pg_catalog;
WITH c AS (SELECT c.*, c.oid::regclass AS shown FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE nspname !~ '^(pg_|information_schema$|mollyguard_trash)')
SELECT thing FROM (
SELECT 1 AS rank, shown::text AS place, json_build_object('target', 'orders', 'name', shown, 'object',
    CASE WHEN relkind IN ('r', 'p') THEN 'table' WHEN relkind = 'S' THEN 'sequence' ELSE 'view' END) AS thing FROM c
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
UNION ALL SELECT 2, shown || attname, json_build_object('target', 'orders', 'name', shown, 'object', 'column', 'column', attname)
    FROM c JOIN pg_attribute a ON a.attrelid = c.oid WHERE relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 3, nspname, json_build_object('target', 'orders', 'name', nspname, 'object', 'schema')
    FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|mollyguard_trash)') AS things ORDER BY rank, place;";

#[async_trait]
impl World for Stage {
    fn target(&self) -> Arc<Configured> {
        self.ground.target()
    }

    fn secret(&self, access: Access) -> Option<Arc<Secret>> {
        Some(self.ground.secret(access))
    }

    fn limits(&self) -> Limits {
        self.ground.limits
    }

    async fn state(&self) -> Value {
        plain(&self.ground.sql(include_str!("schema_state.sql"))).lines().collect()
    }

    async fn disturb(&self, args: &Value) -> bool {
        let name = args["name"].as_str().or(args["table"].as_str()).unwrap();
        let at = self.disturbance.load(Ordering::Relaxed) % DISTURBANCES.len();
        let sql = DISTURBANCES[at].replace("{t}", name).replace("{guest}", &self.guest);
        let before = self.state().await;
        self.ground.cluster.try_sql("postgres", &self.ground.database, &sql).is_ok() && before != self.state().await
    }
}

/// What somebody else may do to a table between the look and the call.
const DISTURBANCES: [&str; 23] = [
    "INSERT INTO {t} DEFAULT VALUES",
    "COMMENT ON TABLE {t} IS 'moved'",
    "GRANT DELETE ON {t} TO {guest}",
    "GRANT INSERT (id) ON {t} TO {guest}",
    "ALTER TABLE {t} RENAME COLUMN id TO moved",
    "ALTER TABLE {t} ADD moved int",
    "ALTER TABLE {t} DROP n CASCADE",
    "ALTER TABLE {t} ALTER id SET DEFAULT 12",
    "ALTER TABLE {t} ALTER \"b c\" SET NOT NULL",
    "ALTER TABLE {t} ADD CONSTRAINT moved CHECK (id > -100)",
    "CREATE INDEX moved ON {t} (id)",
    "COMMENT ON COLUMN {t}.id IS 'moved'",
    "CREATE POLICY moved ON {t} USING (true)",
    "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
    "CREATE TRIGGER moved AFTER DELETE ON {t} FOR EACH ROW EXECUTE FUNCTION app.noted()",
    "ALTER TABLE {t} SET (autovacuum_vacuum_threshold = 77)",
    "UPDATE {t} SET n = 77",
    "DELETE FROM {t} WHERE id = 1",
    "CREATE VIEW moved AS TABLE {t}",
    "CREATE RULE moved AS ON DELETE TO {t} DO ALSO NOTHING",
    "CREATE STATISTICS moved ON id, n FROM {t}",
    "ALTER TABLE {t} RENAME CONSTRAINT \"refers 0\" TO moved",
    "ALTER TABLE {t} DISABLE TRIGGER USER",
];

/// The runtime outlives every case: the connections of the pool live on it.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn run<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let more = std::env::var("MOLLYGUARD_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = more.unwrap_or(CASES);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    TestRunner::new(config).run(strategy, test).unwrap_or_else(|error| panic!("{error}"));
}

/// More rounds of cases, until so many calls as are needed to learn something ran: what is generated may not allow for many.
fn run_until<S: Strategy>(
    strategy: &S,
    enough: impl Fn() -> bool,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let ran = (0..8).any(|_| {
        run(strategy, &test);
        enough()
    });
    assert!(ran, "too few of the generated calls ran");
}

/// How calls ended, and how often.
#[derive(Default)]
struct Tally(RefCell<BTreeMap<String, u32>>);

impl Tally {
    fn note(&self, what: &str, ended: &Ended) {
        let key = match ended {
            Ended::Refused(error) => format!("refused: {error} ({what})"),
            Ended::Done { class, .. } => format!("{class:?}").to_lowercase(),
        };
        *self.0.borrow_mut().entry(key).or_default() += 1;
    }

    /// So many calls were reversible that something is learnt from them.
    fn is_enough(&self) -> bool {
        let tally = self.0.borrow();
        if std::env::var_os("MOLLYGUARD_TALLY").is_some() {
            eprintln!("{tally:#?}");
        }
        tally.get("reversible").is_some_and(|count| *count >= CASES * 2)
    }
}

fn chosen<'a, T>(among: &'a [T], places: &Places) -> Vec<&'a T> {
    places.iter().filter(|_| !among.is_empty()).map(|place| place.get(among)).collect()
}

type Places = Vec<Index>;

fn places(most: usize) -> impl Strategy<Value = Places> {
    vec(any::<Index>(), most)
}

fn fails(args: &Value) -> impl FnOnce(String) -> TestCaseError {
    move |broken| TestCaseError::fail(format!("{args}: {}", brief(&broken)))
}

/// The states in a broken law are long and mostly the same: only what differs is told.
fn brief(broken: &str) -> String {
    let states: Vec<Vec<Value>> = broken
        .match_indices("[\"")
        .filter_map(|(at, _)| serde_json::Deserializer::from_str(&broken[at..]).into_iter().next()?.ok())
        .collect();
    let [.., first, second] = states.as_slice() else { return broken.to_owned() };
    let only = |of: &[Value], other: &[Value]| -> Vec<String> {
        of.iter().filter(|fact| !other.contains(fact)).map(ToString::to_string).collect()
    };
    let head = broken.split("[\"").next().unwrap_or_default();
    format!(
        "{head}\nonly in the first:\n{}\nonly in the second:\n{}",
        only(first, second).join("\n"),
        only(second, first).join("\n")
    )
}

#[test]
fn what_is_dropped_comes_back_exactly() {
    let (runtime, stage, tally) = (runtime(), Stage::new(), Tally::default());
    run_until(
        &(shape(), places(3), places(3), places(1)),
        || tally.is_enough(),
        |(shape, relations, columns, schemas)| {
            stage.play(&shape);
            let things = stage.things();
            let of = |kinds: &[&str]| -> Vec<Value> {
                things.iter().filter(|thing| kinds.iter().any(|kind| thing["object"] == *kind)).cloned().collect()
            };
            let (all, fields, spaces) = (of(&["table", "view", "sequence"]), of(&["column"]), of(&["schema"]));
            let mut calls = chosen(&all, &relations);
            calls.extend(chosen(&fields, &columns));
            calls.extend(chosen(&spaces, &schemas));
            for args in calls {
                let ended =
                    runtime.block_on(obeys(&stage, &Postgres::new(), "postgres_drop", args)).map_err(fails(args))?;
                tally.note(&args.to_string(), &ended);
            }
            Ok(())
        },
    );
}

#[test]
fn what_lies_in_the_quarantine_is_open_to_nobody_else() {
    let (runtime, stage) = (runtime(), Stage::new());
    let open = "SELECT n.nspname FROM pg_namespace n, pg_roles r WHERE nspname ~ '^mollyguard_trash' AND r.rolname LIKE 'guest%' \
        AND has_schema_privilege(r.oid, n.oid, 'USAGE') UNION ALL SELECT c.relname FROM pg_class c JOIN pg_namespace n \
        ON n.oid = c.relnamespace, pg_roles r WHERE nspname = 'mollyguard_trash' AND r.rolname LIKE 'guest%' AND relkind = 'r' \
        AND has_any_column_privilege(r.oid, c.oid, 'SELECT')";
    let calls = RefCell::new(0);
    run_until(
        &(shape(), any::<Index>(), any::<Index>()),
        || *calls.borrow() > CASES,
        |(shape, dropped, emptied)| {
            stage.play(&shape);
            let tables = shape.tables();
            let (dropped, emptied) = (dropped.get(&tables), emptied.get(&tables));
            let truncate = json!({ "table": emptied, "cascade": true });
            let drop = json!({ "object": "table", "name": dropped });
            for (tool, args) in [("postgres_truncate", truncate), ("postgres_drop", drop)] {
                *calls.borrow_mut() += u32::from(runtime.block_on(stage.ground.call(tool, args)).is_ok());
            }
            prop_assert_eq!(stage.ground.sql(open), "");
            Ok(())
        },
    );
}

#[test]
fn what_is_emptied_is_filled_again_exactly() {
    let (runtime, stage, tally) = (runtime(), Stage::new(), Tally::default());
    run_until(
        &(shape(), vec((any::<Index>(), any::<bool>(), any::<bool>()), 5)),
        || tally.is_enough(),
        |(shape, calls)| {
            stage.play(&shape);
            for (table, restart, alone) in calls {
                let args = json!({ "target": "orders", "table": table.get(&shape.tables()), "restart_identity": restart,
                               "cascade": !alone });
                let ended = runtime.block_on(obeys(&stage, &Postgres::new(), "postgres_truncate", &args));
                let ended = ended.map_err(fails(&args))?;
                tally.note(&args.to_string(), &ended);
                // What does not come back leaves nothing for the next one.
                if matches!(ended, Ended::Done { class: Reversibility::Irreversible, .. }) {
                    stage.play(&shape);
                }
            }
            Ok(())
        },
    );
}

/// Changes of schema: `{t}` and `{o}` are tables, `{c}` is a column of the first one, `{s}` a schema.
const ALTERS: [&str; 34] = [
    "CREATE SCHEMA \"new {s}\"",
    "CREATE TABLE {s}.fresh (id serial PRIMARY KEY, o int REFERENCES {o} ON DELETE CASCADE, v text DEFAULT now()::text UNIQUE)",
    "CREATE TABLE {s}.\"fre sh\" (id int GENERATED ALWAYS AS IDENTITY, v app.mood, CHECK (id > 0))",
    "CREATE UNLOGGED TABLE {s}.fast (id int, v jsonb)",
    "CREATE VIEW {s}.seen AS SELECT * FROM {t}",
    "CREATE VIEW {s}.both AS SELECT t.id, o.n FROM {t} t JOIN {o} o ON o.id = t.up",
    "CREATE SEQUENCE {s}.counting START WITH 7 INCREMENT BY 2 CYCLE",
    "CREATE TYPE {s}.\"Odd type\" AS ENUM ('a', 'it''s')",
    "CREATE TYPE {s}.couple AS (a int, b text)",
    "CREATE INDEX ON {t} ({c})",
    "CREATE INDEX fresh ON {t} (lower(\"b c\"), id DESC) INCLUDE (n) WHERE id > 3",
    "CREATE UNIQUE INDEX fresh ON {t} (id)",
    "CREATE INDEX fresh ON {t} (app.half(id))",
    "ALTER TABLE {t} ADD COLUMN w text",
    "ALTER TABLE {t} ADD COLUMN w app.mood, ADD CONSTRAINT wu UNIQUE (w)",
    "ALTER TABLE {t} ADD COLUMN w int REFERENCES {o}",
    "ALTER TABLE {t} ADD COLUMN w int NOT NULL DEFAULT 7",
    "ALTER TABLE {t} ADD COLUMN w int GENERATED ALWAYS AS (id * 2) STORED",
    "ALTER TABLE {t} ADD CONSTRAINT many CHECK (id > 0)",
    "ALTER TABLE {t} ADD CONSTRAINT many CHECK (id > 0) NOT VALID",
    "ALTER TABLE {t} ADD CHECK (app.fine(id))",
    "ALTER TABLE {t} ADD UNIQUE (id, n)",
    "ALTER TABLE {t} ADD FOREIGN KEY (id) REFERENCES {o} NOT VALID",
    "ALTER TABLE {t} ADD FOREIGN KEY (up) REFERENCES {o} ON DELETE SET NULL DEFERRABLE",
    "ALTER TABLE {t} ALTER COLUMN {c} SET DEFAULT NULL",
    "ALTER TABLE {t} ALTER COLUMN \"b c\" SET DEFAULT 'other', ALTER n SET DEFAULT 5",
    "ALTER TABLE {t} ALTER COLUMN {c} DROP DEFAULT",
    "ALTER TABLE {t} ALTER COLUMN {c} SET NOT NULL",
    "ALTER TABLE {t} ALTER COLUMN {c} DROP NOT NULL",
    "ALTER TABLE {t} RENAME COLUMN {c} TO \"the \"\"name\"",
    "ALTER TABLE {t} RENAME TO renamed",
    "ALTER TABLE {t} RENAME CONSTRAINT \"refers 0\" TO key",
    "ALTER TABLE {t} ALTER COLUMN {c} TYPE text",
    "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY",
];

#[test]
fn what_is_altered_is_taken_back_exactly() {
    let (runtime, stage, tally) = (runtime(), Stage::new(), Tally::default());
    let calls = vec((0..ALTERS.len(), any::<Index>(), any::<Index>(), any::<bool>()), 6);
    run_until(
        &(shape(), calls),
        || tally.is_enough(),
        |(shape, calls)| {
            stage.play(&shape);
            let (tables, columns) = (shape.tables(), shape.columns());
            for (alter, column, other, odd) in calls {
                let (table, column) = column.get(&columns);
                let sql = ALTERS[alter]
                    .replace("{t}", &tables[*table])
                    .replace("{o}", &other.get::<String>(&tables)[..])
                    .replace("{c}", &format!("\"{}\"", column.replace('"', "\"\"")))
                    .replace("{s}.", if odd { "\"Odd \"\"schema\"." } else { "app." })
                    .replace("{s}", "s");
                let args = json!({ "target": "orders", "sql": sql });
                let ended = runtime.block_on(obeys(&stage, &Postgres::new(), "postgres_alter", &args));
                let ended = ended.map_err(fails(&args))?;
                tally.note(&sql, &ended);
                if matches!(ended, Ended::Done { class: Reversibility::Irreversible, .. }) {
                    stage.play(&shape);
                }
            }
            Ok(())
        },
    );
}

#[test]
fn what_is_purged_is_gone_and_nothing_else() {
    let (runtime, stage) = (runtime(), Stage::new());
    let purged = RefCell::new(0);
    run_until(
        &(shape(), places(5)),
        || *purged.borrow() > CASES / 2,
        |(shape, places)| {
            stage.play(&shape);
            let facts = || -> BTreeSet<String> {
                let state = runtime.block_on(stage.state());
                state.as_array().unwrap().iter().map(|fact| fact.as_str().unwrap().to_owned()).collect()
            };
            let things = stage.things();
            for args in chosen(&things, &places) {
                let name = args["name"].as_str().unwrap();
                let family = stage.ground.sql(&FAMILY.replace("{t}", &name.replace('\'', "''")));
                let before = facts();
                runtime
                    .block_on(needs_a_write_lease(&stage, &Postgres::new(), "postgres_purge", args))
                    .map_err(fails(args))?;
                let ended =
                    runtime.block_on(obeys(&stage, &Postgres::new(), "postgres_purge", args)).map_err(fails(args))?;
                let Ended::Done { class, .. } = ended else { continue };
                prop_assert_eq!(class, Reversibility::Irreversible);
                *purged.borrow_mut() += 1;
                let after = facts();
                let part = |fact: &str| {
                    fact.split('|').nth(1).is_some_and(|about| about == name || family.lines().any(|one| one == about))
                };
                // A foreign key that went has its triggers on both tables.
                let other: Vec<_> = before
                    .symmetric_difference(&after)
                    .filter(|fact| !part(fact) && !fact.contains("|\"RI_FKey_"))
                    .collect();
                prop_assert!(other.is_empty(), "{}: {:#?}", args, other);
                let left = after.iter().any(|fact| match args["column"].as_str() {
                    Some(column) => {
                        fact.starts_with(&format!("column|{name}|")) && fact.split('|').nth(3) == Some(column)
                    }
                    None => part(fact),
                });
                prop_assert!(!left, "{} is still there", args);
            }
            Ok(())
        },
    );
}

/// How facts name a schema, or a table with its partitions and children.
const FAMILY: &str = "SET search_path = pg_catalog; WITH RECURSIVE family (oid) AS ( \
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid::regclass::text = '{t}' \
    UNION SELECT inhrelid FROM family JOIN pg_inherits ON inhparent = family.oid) \
    SELECT oid::regclass::text FROM family UNION ALL SELECT oid::regnamespace::text FROM pg_namespace WHERE nspname = '{t}'";

#[test]
fn nothing_runs_on_a_moved_state() {
    let (runtime, stage) = (runtime(), Stage::new());
    let moved = RefCell::new(0);
    run_until(
        &(shape(), vec((any::<Index>(), 0..DISTURBANCES.len()), 4)),
        || *moved.borrow() > CASES,
        |(shape, calls)| {
            for (at, (table, disturbance)) in calls.into_iter().enumerate() {
                stage.play(&shape);
                stage.disturbance.store(disturbance, Ordering::Relaxed);
                let name = table.get(&shape.tables()).clone();
                let (tool, args) = match at % 3 {
                    0 => ("postgres_truncate", json!({ "target": "orders", "table": name, "cascade": true })),
                    1 => ("postgres_purge", json!({ "target": "orders", "object": "table", "name": name })),
                    _ => ("postgres_drop", json!({ "target": "orders", "object": "table", "name": name })),
                };
                let refused = runtime.block_on(refuses_when_moved(&stage, &Postgres::new(), tool, &args));
                let refused = refused.map_err(|broken| {
                    TestCaseError::fail(format!("{tool} {args} {}: {}", DISTURBANCES[disturbance], brief(&broken)))
                })?;
                *moved.borrow_mut() += u32::from(refused);
            }
            Ok(())
        },
    );
}
