//! Every tool over generated databases: the laws hold, and a good share of the calls really ran.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::world::Database;
use crate::contract::Reversibility;
use crate::laws::{Ended, needs_a_write_lease, obeys, refuses_when_moved, suite};
use crate::toolsets::sqlite::Sqlite;

const CASES: u32 = 48;

pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// What a generated database is made of.
#[derive(Clone, Debug)]
struct Shape {
    wal: bool,
    autoincrement: bool,
    without_rowid: bool,
    nocase: bool,
    hidden_rowid: bool,
    log: bool,
    clock: bool,
    on_delete: usize,
    on_update: usize,
    rows: Vec<(i64, usize, usize)>,
}

const ACTIONS: [&str; 5] = ["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"];

const VALUES: [&str; 16] = [
    "NULL",
    "0",
    "1",
    "-1",
    "9007199254740993",
    "-9223372036854775808",
    "1.5",
    "1e300",
    "9e999",
    "''",
    "'a'",
    "'Ä; --'",
    "'1'",
    "x'00ff'",
    "CAST(x'ff41' AS TEXT)",
    "'line' || char(10) || char(0)",
];

fn shape() -> impl Strategy<Value = Shape> {
    let rows = proptest::collection::vec((1_i64..9, 0..VALUES.len(), 0..VALUES.len()), 0..14);
    let flags = (any::<[bool; 7]>(), 0..ACTIONS.len(), 0..ACTIONS.len(), rows);
    flags.prop_map(
        |([wal, autoincrement, without_rowid, nocase, hidden_rowid, log, clock], on_delete, on_update, rows)| Shape {
            wal,
            autoincrement,
            without_rowid,
            nocase,
            hidden_rowid,
            log,
            clock,
            on_delete,
            on_update,
            rows,
        },
    )
}

impl Shape {
    fn sql(&self) -> String {
        let when = |flag: bool, text: &'static str| if flag { text } else { "" };
        let (delete, update) = (ACTIONS[self.on_delete], ACTIONS[self.on_update]);
        let mut sql = format!(
            "PRAGMA journal_mode = {};
            CREATE TABLE cust(id INTEGER PRIMARY KEY {}, name TEXT UNIQUE {}, v, note,
                twice GENERATED ALWAYS AS (name || name) VIRTUAL, kept TEXT AS (upper(name)) STORED);
            CREATE TABLE \"pay ment\"(id INTEGER PRIMARY KEY, cust INTEGER DEFAULT 1 REFERENCES cust(id)
                ON DELETE {delete} ON UPDATE {update}, v REAL, note);
            CREATE INDEX pay_by_cust ON \"pay ment\" (cust) WHERE cust IS NOT NULL;
            CREATE TABLE kv(k TEXT {}, n INTEGER, v, note, cust INTEGER REFERENCES cust(id) ON DELETE {delete},
                PRIMARY KEY (n, k)) {};
            CREATE TABLE [odd \"name](a{}, \"b c\", note);
            CREATE UNIQUE INDEX \"odd index\" on [odd \"name] (\"b c\", lower(note));
            CREATE TABLE uq(a UNIQUE ON CONFLICT REPLACE, b UNIQUE, note, cust REFERENCES cust(id) ON DELETE CASCADE);
            CREATE TABLE tree(id INTEGER PRIMARY KEY DESC, up REFERENCES tree(id) ON DELETE CASCADE, note);
            CREATE TABLE log(what, old, new, note, at {});
            CREATE VIEW names AS SELECT id, name FROM cust;
            CREATE TRIGGER names_in INSTEAD OF INSERT ON names BEGIN INSERT INTO cust(name) VALUES (new.name); END;
            ",
            if self.wal { "WAL" } else { "DELETE" },
            when(self.autoincrement, "AUTOINCREMENT"),
            when(self.nocase, "COLLATE NOCASE"),
            when(self.nocase, "COLLATE NOCASE"),
            when(self.without_rowid, "WITHOUT ROWID"),
            when(self.hidden_rowid, ", rowid"),
            when(self.clock, "DEFAULT CURRENT_TIMESTAMP"),
        );
        if self.log {
            sql.push_str(
                "CREATE TRIGGER z AFTER DELETE ON cust BEGIN INSERT INTO log(what, old) VALUES ('gone', old.name); END;
                CREATE TRIGGER a AFTER UPDATE OF v ON cust WHEN new.v IS NOT old.v BEGIN
                    INSERT INTO log(what, old, new) VALUES ('v', old.v, new.v);
                    UPDATE \"odd \"\"name\" SET note = 'seen' WHERE a = new.v; END;
                CREATE TRIGGER m BEFORE INSERT ON \"pay ment\" BEGIN DELETE FROM kv WHERE n = new.cust; END;
                CREATE TRIGGER r AFTER INSERT ON kv BEGIN INSERT OR REPLACE INTO uq(a, b) VALUES (new.k, new.n); END;",
            );
        }
        for (at, (number, one, two)) in self.rows.iter().enumerate() {
            let (one, two) = (VALUES[*one], VALUES[*two]);
            sql.push_str(&format!(
                "INSERT OR IGNORE INTO cust(id, name, v) VALUES ({number}, {one}, {two});
                INSERT OR IGNORE INTO \"pay ment\" VALUES ({at} * 3, {number}, {two}, {one});
                INSERT OR IGNORE INTO kv VALUES ('k{number}', {at} % 3, {one}, {two}, {number});
                INSERT OR IGNORE INTO [odd \"name](a, \"b c\", note) VALUES ({one}, {two}, {number});
                INSERT OR IGNORE INTO uq VALUES ({number}, {at}, {one}, {number});
                INSERT OR IGNORE INTO tree VALUES ({number}, nullif({at} % 4, 0), {two});
                DELETE FROM cust WHERE id = 8;"
            ));
        }
        sql
    }
}

/// Statements with a number and two values in them.
const WRITES: [&str; 30] = [
    "DELETE FROM cust WHERE id = {n}",
    "DELETE FROM cust",
    "UPDATE cust SET v = {a} WHERE id >= {n}",
    "UPDATE cust SET id = id + 100",
    "UPDATE cust SET rowid = 50 WHERE rowid = {n}",
    "UPDATE cust SET name = {a} WHERE id = {n}",
    "UPDATE OR REPLACE cust SET name = 'a' WHERE id > {n}",
    "INSERT INTO cust(name, v) VALUES ({a}, {b})",
    "INSERT OR REPLACE INTO cust(id, name) VALUES ({n}, {a})",
    "REPLACE INTO cust(name, v) VALUES ('a', {b})",
    "INSERT INTO cust(id, name) VALUES ({n}, {a}) ON CONFLICT (id) DO UPDATE SET v = excluded.name",
    "INSERT INTO names(name) VALUES ({a})",
    "INSERT INTO \"pay ment\"(cust, v) VALUES ({n}, {a})",
    "DELETE FROM [pay ment] WHERE cust < {n} RETURNING id",
    "UPDATE \"pay ment\" SET cust = NULL, v = {a}",
    "INSERT INTO \"pay ment\" SELECT id + 1000, cust, v, note FROM \"pay ment\"",
    "DELETE FROM kv",
    "UPDATE kv SET n = n + 1 WHERE cust = {n}",
    "UPDATE kv SET k = upper(k)",
    "INSERT OR REPLACE INTO kv VALUES ('k{n}', 1, {a}, {b}, NULL)",
    "INSERT INTO kv(k, n, v) VALUES ({a}, {n}, {b})",
    "DELETE FROM \"odd \"\"name\" WHERE a IS {a}",
    "UPDATE [odd \"name] SET a = {a}, note = {b}",
    "INSERT INTO [odd \"name](a) VALUES ({a})",
    "INSERT INTO uq(a, b) VALUES ({n}, {n} + 1)",
    "UPDATE uq SET b = -b, note = {b}",
    "UPDATE uq SET a = 3 WHERE b > {n}",
    "DELETE FROM tree WHERE id = {n}",
    "INSERT INTO log(what, old) SELECT name, v FROM cust",
    "WITH big AS (SELECT max(id) AS id FROM cust) DELETE FROM cust WHERE id IN (SELECT id FROM big)",
];

fn statement() -> impl Strategy<Value = String> {
    (0..WRITES.len(), 0_i64..9, 0..VALUES.len(), 0..VALUES.len()).prop_map(|(write, n, a, b)| {
        WRITES[write].replace("{n}", &n.to_string()).replace("{a}", VALUES[a]).replace("{b}", VALUES[b])
    })
}

pub(crate) fn run<S: Strategy>(strategy: &S, cases: u32, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    TestRunner::new(config).run(strategy, test).unwrap_or_else(|error| panic!("{error}"));
}

suite! {
    Sqlite::new();
    writes: ["sqlite_write"] => writes_obey;
    writes_when_moved: ["sqlite_write"] => writes_refuse_when_moved_and_without_a_write_lease;
    writes_that_are_too_large: ["sqlite_write"] => a_write_too_large_for_the_journal_is_irreversible_and_says_so;
    drops_and_purges: ["sqlite_drop_table", "sqlite_purge_table"] => drops_and_purges_obey;
    restores: ["sqlite_restore_table", "sqlite_restore_rows"] => bringing_back_obeys;
    reads: ["sqlite_describe", "sqlite_query"] => reads_obey;
}

fn writes_obey() {
    let tally = RefCell::new(BTreeMap::<&str, u32>::new());
    run(&(shape(), proptest::collection::vec(statement(), 4)), CASES, |(shape, statements)| {
        let world = Database::new(&shape.sql());
        for sql in statements {
            let args = json!({ "target": "fleet", "sql": sql });
            let ended = wait(obeys(&world, &Sqlite::new(), "sqlite_write", &args))
                .map_err(|broken| TestCaseError::fail(format!("{sql}: {broken}")))?;
            let key = match ended {
                Ended::Refused(_) => "refused",
                Ended::Done { class: Reversibility::Reversible, .. } => "undone",
                Ended::Done { .. } => "irreversible",
            };
            *tally.borrow_mut().entry(key).or_default() += 1;
        }
        Ok(())
    });
    let tally = tally.into_inner();
    let undone = tally.get("undone").copied().unwrap_or_default();
    assert!(undone > CASES * 2, "{tally:?}");
    assert_eq!(tally.get("irreversible"), None, "{tally:?}");
}

fn writes_refuse_when_moved_and_without_a_write_lease() {
    let applied = RefCell::new(0);
    // What only adds rows does not depend on those that are disturbed.
    let changing = statement().prop_filter("adds", |sql| sql.starts_with("DELETE") || sql.starts_with("UPDATE"));
    run(&(shape(), changing), CASES, |(shape, sql)| {
        let args = json!({ "target": "fleet", "sql": sql });
        let world = Database::new(&shape.sql());
        wait(needs_a_write_lease(&world, &Sqlite::new(), "sqlite_write", &args)).map_err(TestCaseError::fail)?;
        // Rows that are written as they were count as touched, but a call that would leave every row as it is has nothing
        // that could move under it: only `parts` counts what really changes.
        let changes = wait(world.look("sqlite_write", &args)).is_ok_and(|seen| !seen.blast_radius.parts.is_empty());
        if changes {
            let moved = wait(refuses_when_moved(&world, &Sqlite::new(), "sqlite_write", &args));
            *applied.borrow_mut() +=
                u32::from(moved.map_err(|broken| TestCaseError::fail(format!("{sql}: {broken}")))?);
        }
        Ok(())
    });
    assert!(applied.into_inner() > CASES / 4);
}

fn a_write_too_large_for_the_journal_is_irreversible_and_says_so() {
    run(&(shape(), statement(), 0_u64..600, 0_u64..6), CASES, |(shape, sql, bytes, count)| {
        let mut world = Database::new(&shape.sql());
        world.limits.undo_bytes = bytes;
        world.limits.count = count;
        let args = json!({ "target": "fleet", "sql": sql });
        wait(obeys(&world, &Sqlite::new(), "sqlite_write", &args))
            .map_err(|broken| TestCaseError::fail(format!("{sql}: {broken}")))?;
        Ok(())
    });
}

const TABLES: [&str; 8] = ["cust", "pay ment", "kv", "odd \"name", "uq", "tree", "LOG", "names"];

fn drops_and_purges_obey() {
    let dropped = RefCell::new(0);
    run(&(shape(), 0..TABLES.len()), CASES, |(shape, table)| {
        let world = Database::new(&shape.sql());
        let args = json!({ "target": "fleet", "table": TABLES[table] });
        for tool in ["sqlite_drop_table", "sqlite_purge_table"] {
            wait(needs_a_write_lease(&world, &Sqlite::new(), tool, &args)).map_err(TestCaseError::fail)?;
            let moved = wait(refuses_when_moved(&Database::new(&shape.sql()), &Sqlite::new(), tool, &args));
            moved.map_err(|broken| TestCaseError::fail(format!("{args}: {broken}")))?;
            let ended = wait(obeys(&world, &Sqlite::new(), tool, &args))
                .map_err(|broken| TestCaseError::fail(format!("{args}: {broken}")))?;
            *dropped.borrow_mut() += u32::from(matches!(ended, Ended::Done { .. }));
        }
        Ok(())
    });
    assert!(dropped.into_inner() > CASES);
}

fn bringing_back_obeys() {
    let tally = RefCell::new((0, 0));
    run(&(shape(), 0..TABLES.len(), statement()), CASES, |(shape, table, sql)| {
        let toolset = Sqlite::new();
        let calls = [
            ("sqlite_drop_table", json!({ "target": "fleet", "table": TABLES[table] })),
            ("sqlite_write", json!({ "target": "fleet", "sql": sql })),
        ];
        for (tool, args) in calls {
            let world = Database::new(&shape.sql());
            let Ok((_, outcome)) = wait(world.call(tool, &args)) else { continue };
            let undo = outcome.undo.unwrap();
            wait(needs_a_write_lease(&world, &toolset, &undo.tool, &undo.args)).map_err(TestCaseError::fail)?;
            let ended = wait(obeys(&world, &toolset, &undo.tool, &undo.args)).map_err(TestCaseError::fail)?;
            tally.borrow_mut().0 += u32::from(matches!(ended, Ended::Done { .. }));
            let touched =
                wait(world.look(&undo.tool, &undo.args)).map_or(0, |seen| seen.blast_radius.rows.unwrap_or(0));
            // Rows that the call added and that are to go again may be all there is to disturb.
            if touched > 0 && !sql.contains("DELETE") {
                let moved = wait(refuses_when_moved(&world, &toolset, &undo.tool, &json!(undo.args)));
                tally.borrow_mut().1 += u32::from(moved.map_err(TestCaseError::fail)?);
            }
        }
        Ok(())
    });
    let (done, moved) = tally.into_inner();
    assert!(done > CASES / 2 && moved > CASES / 8, "{done} {moved}");
}

fn reads_obey() {
    let world = Database::new(
        &Shape {
            wal: true,
            autoincrement: true,
            without_rowid: true,
            nocase: true,
            hidden_rowid: true,
            log: true,
            clock: true,
            on_delete: 0,
            on_update: 0,
            rows: (0..9).map(|n| (n, n as usize, n as usize)).collect(),
        }
        .sql(),
    );
    let calls = [
        ("sqlite_describe", json!({ "target": "fleet" })),
        ("sqlite_describe", json!({ "target": "fleet", "table": "CUST" })),
        ("sqlite_query", json!({ "target": "fleet", "sql": "SELECT * FROM cust" })),
        ("sqlite_query", json!({ "target": "fleet", "sql": "EXPLAIN QUERY PLAN SELECT * FROM kv", "limit": 1 })),
        (
            "sqlite_query",
            json!({ "target": "fleet", "sql": "SELECT v->>'$' , v LIKE 'a%' FROM names JOIN cust USING (id)" }),
        ),
        ("sqlite_query", json!({ "target": "fleet", "sql": "SELECT * FROM pragma_table_info('cust')" })),
    ];
    for (tool, args) in calls {
        let ended: Ended = wait(obeys(&world, &Sqlite::new(), tool, &args)).unwrap();
        let done = match ended {
            Ended::Done { outcome, .. } => outcome.output,
            // `->>` on text that is no JSON is SQLite's own error.
            Ended::Refused(error) if args["sql"].as_str().is_some_and(|sql| sql.contains("->>")) => {
                json!(error.to_string())
            }
            Ended::Refused(error) => panic!("{args}: {error}"),
        };
        assert_ne!(done, Value::Null);
    }
}
