//! Undo beside what others did since: it changes the rows of its own call and no other, or it refuses and changes nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::Value;

use super::laws::{run, wait};
use super::world::{Database, advice, sql, state_of, told};
use crate::contract::{Cause, Reversibility};
use crate::laws::{Ended, obeys};
use crate::toolsets::sqlite::Sqlite;

const CLAUSES: [&str; 6] =
    ["", "ON CONFLICT REPLACE", "ON CONFLICT IGNORE", "ON CONFLICT FAIL", "ON CONFLICT ROLLBACK", "ON CONFLICT ABORT"];
const COLLATIONS: [&str; 3] = ["COLLATE NOCASE", "COLLATE RTRIM", ""];
const TYPES: [&str; 6] = ["", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB"];
const STRICT_TYPES: [&str; 6] = ["ANY", "TEXT", "INTEGER", "REAL", "ANY", "BLOB"];

const INDEXES: [&str; 5] = [
    "",
    "CREATE UNIQUE INDEX i ON t (lower(k));",
    "CREATE UNIQUE INDEX i ON t (v) WHERE v IS NOT NULL;",
    "CREATE UNIQUE INDEX i ON t (k COLLATE NOCASE, v);",
    "CREATE UNIQUE INDEX i ON t (coalesce(note, k));",
];

const TRIGGERS: [&str; 5] = [
    "",
    "CREATE TRIGGER g AFTER DELETE ON t BEGIN INSERT INTO log VALUES ('gone', old.k); END;",
    "CREATE TRIGGER g AFTER UPDATE ON t WHEN new.note = 'x' BEGIN UPDATE t SET note = 'y' WHERE note = 'x'; END;",
    "CREATE TRIGGER g BEFORE INSERT ON t BEGIN DELETE FROM log WHERE k = new.k; END;",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT OR REPLACE INTO log VALUES ('new', new.k); END;",
];

/// Alike to some collation or affinity, and never the same. What meets in one database is of one line.
const VALUES: [[&str; 3]; 7] = [
    ["'Theme'", "'theme'", "'THEME'"],
    ["'a'", "'a  '", "'A'"],
    ["'a'", "x'61'", "'a '"],
    ["1", "1.0", "'1'"],
    ["'1'", "'1.0'", "'01'"],
    ["NULL", "'b'", "'B'"],
    ["9007199254740993", "-0.0", "0"],
];

#[derive(Clone, Debug)]
struct Shape {
    clause: usize,
    other_clause: usize,
    collation: usize,
    kind: usize,
    layout: usize,
    strict: bool,
    index: usize,
    trigger: usize,
    child: bool,
    values: usize,
    rows: Vec<(usize, usize)>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let rows = proptest::collection::vec((0_usize..3, 0_usize..3), 1..5);
    let values = 0..VALUES.len();
    let clauses = (prop_oneof![Just(1_usize), 0..CLAUSES.len()], 0..CLAUSES.len(), 0..COLLATIONS.len(), 0..TYPES.len());
    let parts = (0_usize..5, any::<bool>(), 0..INDEXES.len(), 0..TRIGGERS.len(), any::<bool>());
    (clauses, parts, values, rows).prop_map(|((clause, other_clause, collation, kind), parts, values, rows)| {
        let (layout, strict, index, trigger, child) = parts;
        Shape { clause, other_clause, collation, kind, layout, strict, index, trigger, child, values, rows }
    })
}

impl Shape {
    fn sql(&self) -> String {
        let (clause, other) = (CLAUSES[self.clause], CLAUSES[self.other_clause]);
        let kind = if self.strict { STRICT_TYPES[self.kind] } else { TYPES[self.kind] };
        let any = if self.strict { "ANY" } else { "" };
        let k = format!("k {kind} {}", COLLATIONS[self.collation]);
        let v = format!("v {any} NOT NULL {other} DEFAULT 'd'");
        let note = format!("note {any}, CHECK (note IS NOT 'bad') {other}");
        let (columns, options) = match self.layout {
            0 => (format!("id INTEGER PRIMARY KEY {clause}, {k} UNIQUE {clause}, {v} UNIQUE {other}, {note}"), ""),
            1 => (format!("{k} PRIMARY KEY {clause}, {v}, {note}, UNIQUE (v, note) {clause}"), ""),
            2 => (format!("{k} PRIMARY KEY {clause}, {v} UNIQUE {other}, {note}"), "WITHOUT ROWID"),
            3 => (
                format!("{k} NOT NULL {other}, {v}, {note}, UNIQUE (k) {clause}, PRIMARY KEY (v, k) {clause}"),
                "WITHOUT ROWID",
            ),
            _ => (format!("{k} UNIQUE {clause}, {v}, {note}"), ""),
        };
        let options: Vec<&str> = [options, if self.strict { "STRICT" } else { "" }]
            .into_iter()
            .filter(|option| !option.is_empty())
            .collect();
        let mut sql = format!(
            "CREATE TABLE t({columns}) {};
            CREATE TABLE log(what, k UNIQUE ON CONFLICT REPLACE);
            CREATE VIEW seen AS SELECT k, v, note FROM t;
            CREATE TRIGGER seen_in INSTEAD OF INSERT ON seen BEGIN INSERT INTO t(k, v) VALUES (new.k, new.v); END;
            {}",
            options.join(", "),
            TRIGGERS[self.trigger],
        );
        if self.child {
            sql.push_str(
                "CREATE TABLE child(n INTEGER PRIMARY KEY, k REFERENCES t(k) ON DELETE CASCADE ON UPDATE CASCADE);",
            );
        }
        sql.push_str(INDEXES[self.index]);
        sql
    }

    /// Writes the rows that the schema takes.
    fn fill(&self, conn: &Connection) {
        for (k, v) in &self.rows {
            let (k, v) = (VALUES[self.values][*k], VALUES[self.values][*v]);
            let _taken = conn.execute_batch(&format!("INSERT OR ABORT INTO t(k, v, note) VALUES ({k}, {v}, {v})"));
        }
        if self.child {
            conn.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO child(k) SELECT k FROM t").unwrap();
        }
    }
}

const WRITES: [&str; 12] = [
    "DELETE FROM t WHERE k = {a}",
    "DELETE FROM t",
    "DELETE FROM t WHERE v = {b}",
    "INSERT INTO t(k, v) VALUES ({a}, {b})",
    "INSERT OR REPLACE INTO t(k, v) VALUES ({a}, {b})",
    "INSERT OR IGNORE INTO t(k, v) VALUES ({a}, {b}), ({b}, {a})",
    "UPDATE t SET k = {a} WHERE v = {b}",
    "UPDATE t SET note = {a}",
    "UPDATE t SET note = 'x', v = {b} WHERE k = {a}",
    "UPDATE OR REPLACE t SET k = {a}",
    "INSERT INTO t(k, v) VALUES ({a}, {b}) ON CONFLICT DO UPDATE SET note = excluded.k",
    "INSERT INTO seen(k, v) VALUES ({a}, {b})",
];

/// What somebody else runs between the call and its undo.
const OTHERS: [&str; 7] = [
    "INSERT INTO t(k, v, note) VALUES ({a}, {b}, 'theirs')",
    "INSERT OR REPLACE INTO t(k, v, note) VALUES ({a}, {b}, 'theirs')",
    "UPDATE t SET note = 'theirs' WHERE k = {a}",
    "UPDATE t SET k = {b} WHERE k = {a}",
    "DELETE FROM t WHERE k = {a}",
    "INSERT INTO log VALUES ('theirs', {a})",
    "INSERT INTO t(k, v) SELECT {a}, {b} WHERE NOT EXISTS (SELECT 1 FROM t WHERE k = {a})",
];

/// A text with two places for values of the database's own line.
#[derive(Clone, Debug)]
struct Statement(&'static str, usize, usize);

impl Statement {
    fn on(&self, shape: &Shape) -> String {
        let values = VALUES[shape.values];
        self.0.replace("{a}", values[self.1]).replace("{b}", values[self.2])
    }
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Statement> {
    (0..texts.len(), 0_usize..3, 0_usize..3).prop_map(|(at, a, b)| Statement(texts[at], a, b))
}

/// Every row of every table, how often it is there.
fn rows(state: &Value) -> BTreeMap<String, i64> {
    let mut all = BTreeMap::new();
    for (table, rows) in state["rows"].as_object().unwrap() {
        for row in rows.as_array().unwrap() {
            *all.entry(format!("{table} {row}")).or_default() += 1;
        }
    }
    all
}

/// The rows of `state`, without those that a change added and with those it took.
fn taken_back(state: &Value, before: &Value, after: &Value) -> BTreeMap<String, i64> {
    let mut left = rows(state);
    for (sign, of) in [(-1, after), (1, before)] {
        for (row, times) in rows(of) {
            *left.entry(row).or_default() += sign * times;
        }
    }
    left.retain(|_, times| *times != 0);
    left
}

#[test]
fn writes_obey_the_laws_whatever_the_schema_says() {
    let undone = RefCell::new(0);
    run(&(shape(), one_of(&WRITES)), 150, |(shape, write)| {
        let write = write.on(&shape);
        let world = Database::new(&shape.sql());
        shape.fill(&world.open());
        let ended = wait(obeys(&world, &Sqlite::new(), "sqlite_write", &sql(&write)));
        let ended = ended.map_err(|broken| TestCaseError::fail(format!("{write}: {broken}; {}", shape.sql())))?;
        let reversible = matches!(ended, Ended::Done { class: Reversibility::Reversible, .. });
        *undone.borrow_mut() += u32::from(reversible);
        Ok(())
    });
    assert!(undone.into_inner() > 40);
}

#[test]
fn an_undo_changes_what_its_call_changed_and_nothing_else() {
    let tally = RefCell::new(BTreeMap::<&str, u32>::new());
    let others = proptest::collection::vec(one_of(&OTHERS), 0..3);
    run(&(shape(), one_of(&WRITES), others), 400, |(shape, write, others)| {
        let write = write.on(&shape);
        let others: Vec<String> = others.iter().map(|other| other.on(&shape)).collect();
        let world = Database::new(&shape.sql());
        shape.fill(&world.open());
        let state = || state_of(&world.open());
        let first = state();
        let Ok((seen, outcome)) = wait(world.call("sqlite_write", &sql(&write))) else { return Ok(()) };
        let Some(undo) = outcome.undo else {
            prop_assert_ne!(seen.reversibility, Reversibility::Reversible);
            return Ok(());
        };
        let after = state();
        let conn = world.open();
        for other in &others {
            // What does not fit the schema is nobody's change.
            let _ran = conn.execute_batch(other);
            let _ended = if conn.is_autocommit() { Ok(()) } else { conn.execute_batch("ROLLBACK") };
        }
        drop(conn);
        let found = state();
        let looked = wait(world.look(&undo.tool, &undo.args));
        let as_left = looked.as_ref().is_ok_and(|looked| looked.fingerprint == undo.expects);
        let undone = wait(world.call(&undo.tool, &undo.args));
        let left = state();
        let key = match (&undone, as_left) {
            (Ok(_), true) => {
                let wanted = taken_back(&found, &first, &after);
                prop_assert_eq!(rows(&left), wanted, "{} then {:?}: {}", write, others, shape.sql());
                if found == after { "undone alone" } else { "undone beside others" }
            }
            // Put back over what others left there on purpose: the rows of the call are as they were before it.
            (Ok(_), false) => "over others",
            (Err(_), _) => {
                prop_assert_eq!(&left, &found, "{} then {:?}", write, others);
                prop_assert!(found != after, "{} was called reversible: {:?} {}", write, undone, shape.sql());
                "refused beside others"
            }
        };
        prop_assert_eq!(&left["integrity"], "ok");
        *tally.borrow_mut().entry(key).or_default() += 1;
        Ok(())
    });
    let tally = tally.into_inner();
    for (key, least) in [("undone alone", 20), ("undone beside others", 5), ("refused beside others", 3)] {
        assert!(tally.get(key).copied().unwrap_or_default() >= least, "{tally:?}");
    }
}

/// A schema, a call, what somebody else does then, and a row of theirs that must still be there.
const TRAPS: [(&str, &str, &str, &str); 7] = [
    (
        "CREATE TABLE t(id INTEGER PRIMARY KEY, k UNIQUE ON CONFLICT REPLACE, note); INSERT INTO t VALUES (1, 'a', 'old')",
        "DELETE FROM t WHERE id = 1",
        "INSERT INTO t VALUES (2, 'a', 'theirs')",
        "id = 2",
    ),
    (
        "CREATE TABLE t(id INTEGER PRIMARY KEY, k, note, UNIQUE (k, note) ON CONFLICT REPLACE); INSERT INTO t VALUES (1, 'a', 'b')",
        "UPDATE t SET k = 'x' WHERE id = 1",
        "INSERT INTO t VALUES (2, 'a', 'b')",
        "id = 2",
    ),
    (
        "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, note) WITHOUT ROWID; INSERT INTO t VALUES ('Theme', 'old')",
        "DELETE FROM t WHERE k = 'Theme'",
        "INSERT INTO t VALUES ('theme', 'theirs')",
        "k = 'theme' COLLATE BINARY",
    ),
    (
        "CREATE TABLE t(k TEXT COLLATE RTRIM PRIMARY KEY, note) WITHOUT ROWID; INSERT INTO t VALUES ('a  ', 'old')",
        "DELETE FROM t WHERE k = 'a'",
        "INSERT INTO t VALUES ('a', 'theirs')",
        "k = 'a' COLLATE BINARY",
    ),
    (
        "CREATE TABLE t(k PRIMARY KEY, note) WITHOUT ROWID; INSERT INTO t VALUES (1.0, 'old')",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 'theirs')",
        "typeof(k) = 'integer'",
    ),
    (
        "CREATE TABLE t(k TEXT PRIMARY KEY ON CONFLICT REPLACE, note); INSERT INTO t VALUES ('a', 'old')",
        "UPDATE t SET k = 'b'",
        "INSERT INTO t VALUES ('a', 'theirs')",
        "note = 'theirs'",
    ),
    (
        "CREATE TABLE t(a, k, note); CREATE UNIQUE INDEX i ON t (lower(k)) WHERE a; INSERT INTO t VALUES (1, 'a', 'old')",
        "DELETE FROM t",
        "INSERT INTO t(rowid, a, k, note) VALUES (7, 1, 'A', 'theirs')",
        "k = 'A'",
    ),
];

#[tokio::test]
async fn a_newer_row_in_the_way_is_kept_and_named() {
    for (schema, write, other, theirs) in TRAPS {
        let world = Database::new(schema);
        let (seen, outcome) = world.call("sqlite_write", &sql(write)).await.unwrap();
        assert_eq!(seen.reversibility, Reversibility::Reversible, "{schema}");
        let undo = outcome.undo.unwrap();
        world.open().execute_batch(other).unwrap();
        let before = state_of(&world.open());
        let (cause, reason, _) = advice(world.call(&undo.tool, &undo.args).await);
        assert_eq!(cause, Cause::Refused, "{schema}: {reason}");
        assert!(reason.contains("cannot come back beside what is there now"), "{schema}: {reason}");
        assert_eq!(state_of(&world.open()), before, "{schema}");
        // Once their row is out of the way, ours comes back.
        world.open().execute_batch(&format!("DELETE FROM t WHERE {theirs}")).unwrap();
        world.call(&undo.tool, &undo.args).await.unwrap();
        let back = "SELECT count(*) FROM t";
        assert_eq!(world.open().query_row(back, [], |row| row.get::<_, i64>(0)).unwrap(), 1, "{schema}");
    }
}

/// A row that the schema would not store any more as it is.
const MISFITS: [&str; 5] = [
    "CREATE TABLE t(id INTEGER PRIMARY KEY, n, note); INSERT INTO t VALUES (1, '12', 'x');
     UPDATE sqlite_master SET sql = replace(sql, 'n, note', 'n INTEGER, note') WHERE name = 't'",
    "CREATE TABLE t(id INTEGER PRIMARY KEY, n, note); INSERT INTO t VALUES (1, 12, 'x');
     UPDATE sqlite_master SET sql = replace(sql, 'n, note', 'n TEXT, note') WHERE name = 't'",
    "CREATE TABLE t(id INTEGER PRIMARY KEY, n, note); INSERT INTO t VALUES (1, NULL, 'x');
     UPDATE sqlite_master SET sql = replace(sql, 'n, note', 'n NOT NULL, note') WHERE name = 't'",
    "CREATE TABLE t(id INTEGER PRIMARY KEY, n ANY, note ANY); INSERT INTO t VALUES (1, 'a', 'x');
     UPDATE sqlite_master SET sql = replace(sql, 'n ANY, note ANY)', 'n INTEGER, note ANY) STRICT') WHERE name = 't'",
    "CREATE TABLE t(k PRIMARY KEY, n, note) WITHOUT ROWID; INSERT INTO t VALUES ('12', 1, 'x');
     UPDATE sqlite_master SET sql = replace(sql, 'k PRIMARY', 'k INTEGER PRIMARY') WHERE name = 't'",
];

#[tokio::test]
async fn a_row_that_could_not_be_written_as_it_is_makes_a_write_irreversible() {
    for schema in MISFITS {
        let world = Database::new(&format!("PRAGMA writable_schema = ON; {schema}"));
        let before = state_of(&world.open());
        let seen = world.look("sqlite_write", &sql("DELETE FROM t")).await.unwrap();
        assert_eq!(seen.reversibility, Reversibility::Irreversible, "{schema}");
        assert!(seen.pre_image.is_none() && told(&seen).contains("cannot be taken back"), "{}", told(&seen));
        assert_eq!(state_of(&world.open()), before, "{schema}");
        let (_, outcome) = world.call("sqlite_write", &sql("DELETE FROM t")).await.unwrap();
        assert_eq!((outcome.undo, &outcome.output["rows_changed"]), (None, &1.into()), "{schema}");
    }
}
