//! Functions made so that a deadline ends them give what SQLite's own give; and nothing a statement can say goes on beyond
//! its deadline, or holds more than its share of memory.

use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value as Bound;
use serde_json::json;

use super::laws::run;
use super::world::{Database, SHOP, advice, sql};
use crate::contract::Cause;
use crate::toolsets::sqlite::connect::bounded;
use crate::toolsets::sqlite::model::value::exact;

const CALLS: [&str; 14] = [
    "instr(?1, ?2)",
    "replace(?1, ?2, ?3)",
    "trim(?1, ?2)",
    "ltrim(?1, ?2)",
    "rtrim(?1, ?2)",
    "unhex(?1, ?2)",
    "unhex(hex(?1) || ?2, ?2)",
    "?1 LIKE ?2",
    "?1 LIKE ?2 ESCAPE ?3",
    "?1 LIKE ?2 ESCAPE '!'",
    "?1 LIKE ?2 ESCAPE '%'",
    "?1 LIKE ?2 ESCAPE '_'",
    "?1 GLOB ?2",
    "replace(?1, ?3, ?2) GLOB ?2",
];

/// Few different ones, so that they meet; some are no UTF-8.
const PIECES: [&[u8]; 30] = [
    b"a",
    b"a",
    b"A",
    b"b",
    b"%",
    b"%",
    b"_",
    b"*",
    b"?",
    b"[",
    b"]",
    b"^",
    b"-",
    b"!",
    b" ",
    b"\0",
    b"1",
    b"0",
    b"f",
    "\u{e9}".as_bytes(),
    "\u{c9}".as_bytes(),
    "\u{1f600}".as_bytes(),
    b"\xff",
    b"\xc3",
    b"\x80",
    b"\xe9\x80",
    b"\xed\xa0\x80",
    b"[a-b]",
    b"[^a]",
    b"%a",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..PIECES.len(), 0..7)
        .prop_map(|at| at.iter().flat_map(|at| PIECES[*at]).copied().collect())
}

/// A value, and whether it is to be text.
fn value() -> impl Strategy<Value = (Bound, bool)> {
    prop_oneof![
        12 => bytes().prop_map(|bytes| (Bound::Blob(bytes), true)),
        2 => bytes().prop_map(|bytes| (Bound::Blob(bytes), false)),
        1 => (-20_i64..20).prop_map(|number| (Bound::Integer(number), false)),
        1 => any::<f64>().prop_map(|number| (Bound::Real(number), false)),
        1 => Just((Bound::Null, false)),
    ]
}

#[test]
fn they_give_what_sqlites_own_give() {
    let (own, theirs) = (Connection::open_in_memory().unwrap(), Connection::open_in_memory().unwrap());
    bounded::install(&own).unwrap();
    bounded::install_patterns(&own).unwrap();
    run(&(0..CALLS.len(), value(), value(), value()), 20_000, |(at, one, two, three)| {
        let mut call = CALLS[at].to_owned();
        let mut bound = Vec::new();
        for (place, (value, is_text)) in ["?1", "?2", "?3"].into_iter().zip([one, two, three]) {
            let as_text = format!("CAST({place} AS TEXT)");
            call = call.replace(place, if is_text { &as_text } else { place });
            bound.push(value);
        }
        let ask = |conn: &Connection| {
            let mut statement = conn.prepare_cached(&format!("SELECT {call}, ?1, ?2, ?3")).unwrap();
            let answer = statement.query_row(rusqlite::params_from_iter(&bound), |row| Ok(exact(row.get_ref(0)?)));
            answer.map_err(|_| ())
        };
        prop_assert_eq!(ask(&own), ask(&theirs), "{} of {:?}", call, bound);
        Ok(())
    });
}

/// What takes minutes or years unless something ends it between SQLite's own looks at the clock.
const ENDLESS: [&str; 11] = [
    "instr(hex(zeroblob(12000000)), hex(zeroblob(6000000)) || 'x')",
    "instr(zeroblob(24000000), CAST(zeroblob(12000000) || 'x' AS BLOB))",
    "length(replace(hex(zeroblob(12000000)), hex(zeroblob(6000000)) || 'x', ''))",
    "length(replace(hex(zeroblob(12000000)), '0', hex(zeroblob(12000000))))",
    "length(trim(hex(zeroblob(12000000)), replace(hex(zeroblob(6000000)), '00', 'x') || '0'))",
    "length(ltrim(hex(zeroblob(12000000)), replace(hex(zeroblob(6000000)), '00', 'x') || '0'))",
    "length(rtrim(hex(zeroblob(12000000)), replace(hex(zeroblob(6000000)), '00', 'x') || '0'))",
    "length(unhex(replace(hex(zeroblob(6000000)), '0', ' '), replace(hex(zeroblob(6000000)), '00', 'x') || ' '))",
    "hex(zeroblob(12000000)) LIKE '%' || hex(zeroblob(20000)) || 'x'",
    "hex(zeroblob(12000000)) GLOB '*' || hex(zeroblob(20000)) || 'x'",
    "hex(zeroblob(12000000)) GLOB '*[' || hex(zeroblob(20000)) || 'x][x]'",
];

#[tokio::test]
async fn whatever_a_read_calls_its_deadline_ends_it() {
    let mut world = Database::new(SHOP);
    world.limits.deadline = Duration::from_millis(200);
    for call in ENDLESS {
        let (cause, reason, _) = advice(world.call("sqlite_query", &sql(&format!("SELECT {call}"))).await);
        let over = cause == Cause::Unavailable && reason.contains("took longer than");
        assert!(over || reason.contains("longer than this statement may hold"), "{call}: {reason}");
    }
}

#[tokio::test]
async fn whatever_a_look_calls_it_lets_go_of_the_lock_in_its_own_time() {
    for mode in ["DELETE", "WAL"] {
        for call in ENDLESS {
            // A database each: looks at one rest after so long a look.
            let mut world = Database::new(&format!("PRAGMA journal_mode = {mode}; {SHOP}"));
            // Without a budget of its own the look would take this long.
            world.limits.deadline = Duration::from_secs(900);
            let before = super::world::state_of(&world.open());
            let write = sql(&format!("UPDATE cust SET note = {call} WHERE id = 1"));
            let (_, reason, _) = advice(world.look("sqlite_write", &write).await);
            let over = reason.contains("trying it out took longer than 1 s");
            assert!(over || reason.contains("longer than this statement may hold"), "{call}: {reason}");
            let other = world.open();
            other.busy_timeout(Duration::ZERO).unwrap();
            other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").unwrap();
            assert_eq!(super::world::state_of(&world.open()), before);
        }
    }
}

#[tokio::test]
async fn the_values_of_a_row_share_what_a_read_may_hold() {
    let world = Database::new(&format!(
        "CREATE TABLE big(id INTEGER PRIMARY KEY, v); INSERT INTO big VALUES (1, 'x'), (2, hex(zeroblob(15000000))); {SHOP}"
    ));
    let columns = |cell: &str, count: usize| {
        let cells: Vec<String> = (0..count).map(|at| cell.replace('#', &at.to_string())).collect();
        cells.join(", ")
    };
    for (count, each) in [(40, 60_000_000), (400, 2_000_000), (1_000, 500_000)] {
        for cell in [format!("hex(zeroblob({} + #))", each / 2), format!("printf('%{each}d', #)")] {
            let asked = world.call("sqlite_query", &sql(&format!("SELECT {}", columns(&cell, count)))).await;
            let (cause, reason, next) = advice(asked);
            assert_eq!(cause, Cause::Failed, "{count} of {each}");
            assert!(
                reason.contains("longer than this statement may hold") && next.contains("fewer"),
                "{reason} {next}"
            );
        }
    }
    // One column of the same value is no more than the output is cut to; its length is no load at all.
    let stored = format!("SELECT {} FROM big", columns("v", 40));
    let (_, cut) = world.call("sqlite_query", &sql(&stored)).await.unwrap();
    assert_eq!((&cut.output["row_count"], &cut.output["truncated"]), (&json!(1), &json!(true)));
    let (cause, reason, _) = advice(world.call("sqlite_query", &sql(&format!("{stored} WHERE id = 2"))).await);
    assert_eq!(cause, Cause::Failed, "{reason}");
    let lengths = format!("SELECT {} FROM big WHERE id = 2", columns("octet_length(v)", 40));
    let (_, answer) = world.call("sqlite_query", &sql(&lengths)).await.unwrap();
    assert_eq!(answer.output["rows"][0][1], json!(30_000_000));
}

#[tokio::test]
async fn long_texts_and_patterns_are_searched_as_before() {
    let world = Database::new(
        "CREATE TABLE doc(id INTEGER PRIMARY KEY, body TEXT);
         INSERT INTO doc VALUES (1, 'short'), (2, printf('%.*c', 4300000, 'x') || 'Needle'), (3, 'a needle');",
    );
    let long = "n%".repeat(200);
    for (condition, found) in [
        ("body LIKE '%needle'".to_owned(), json!([[2], [3]])),
        ("body GLOB '*Needle'".to_owned(), json!([[2]])),
        (format!("body LIKE '{long}' OR body LIKE 'sh%'"), json!([[1]])),
    ] {
        let (_, answer) =
            world.call("sqlite_query", &sql(&format!("SELECT id FROM doc WHERE {condition}"))).await.unwrap();
        assert_eq!(answer.output["rows"], found, "{condition}");
        let write = sql(&format!("DELETE FROM doc WHERE {condition}"));
        let seen = world.look("sqlite_write", &write).await.unwrap();
        assert_eq!(seen.blast_radius.rows, found.as_array().map(|rows| rows.len() as u64), "{condition}");
    }
    let (_, outcome) = world.call("sqlite_write", &sql("DELETE FROM doc WHERE body LIKE '%needle'")).await.unwrap();
    assert_eq!(outcome.output["rows_changed"], 2);
    let left: i64 = world.open().query_row("SELECT count(*) FROM doc", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn an_index_serves_a_prefix_search() {
    let world = Database::new(
        "CREATE TABLE t(k TEXT); CREATE INDEX i ON t(k); CREATE TABLE n(k TEXT COLLATE NOCASE PRIMARY KEY)",
    );
    for (table, condition) in [("t", "k GLOB 'abc*'"), ("n", "k LIKE 'abc%'")] {
        let plan = sql(&format!("EXPLAIN QUERY PLAN SELECT k FROM {table} WHERE {condition}"));
        let (_, answer) = world.call("sqlite_query", &plan).await.unwrap();
        assert!(answer.output["rows"].to_string().contains("SEARCH"), "{}", answer.output);
    }
}
