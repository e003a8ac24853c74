//! Between two places where SQLite can be stopped no statement goes through more bytes than it may, wherever what goes
//! through them is written: in the statement or in the schema under it.

use std::time::Duration;

use super::world::{Database, advice, find, sql, state_of, told};
use crate::contract::{Access, Cause, Reversibility, on_target};
use crate::toolsets::sqlite::connect::budget::UNSTOPPED;
use crate::toolsets::sqlite::model::kind::DatabaseFiles;
use crate::toolsets::sqlite::tools::query;

/// An expression over `v`, what it takes at least for a byte of a long text (in tenths of a nanosecond), and a condition.
struct Piece {
    over: &'static str,
    takes: u64,
}

const fn piece(over: &'static str, takes: u64) -> Piece {
    Piece { over, takes }
}

impl Piece {
    fn of(&self, row: &str) -> String {
        self.over.replace('$', row)
    }
}

const PIECES: [Piece; 17] = [
    piece("CAST($v AS INTEGER)", 3),
    piece("CAST($v AS REAL)", 3),
    piece("- $v", 3),
    piece("$v + 1", 3),
    piece("(NOT $v)", 3),
    piece("($v & 1)", 3),
    piece("($v = $w COLLATE NOCASE)", 5),
    piece("($v < $w COLLATE RTRIM)", 1),
    piece("($v = 5)", 3),
    piece("length($v)", 3),
    piece("upper($v)", 3),
    piece("quote($v)", 3),
    piece("hex($v)", 3),
    piece("($v || 'x')", 1),
    piece("json_valid($v)", 5),
    piece("($v LIKE '%a_b_a_b_a_b_c%')", 20),
    piece("json_patch($v, $w)", 20),
];

/// How many pieces, and how long the values are that they go through.
const SIZES: [(usize, usize); 5] = [(1, 600_000), (5, 300_000), (50, 40_000), (300, 2_000), (300, 12_000_000)];

/// Every place where the text of a schema or statement has SQLite work on a row that is changed.
const PLACES: [&str; 7] = ["SET", "WHERE", "CHECK", "trigger", "generated", "index", "RETURNING"];

/// A database with the pieces in one place, and a statement that goes through them.
fn case(place: &str, piece: &Piece, count: usize) -> (String, String) {
    // Each a little different, or SQLite would compute one for all.
    let many = |piece: &str| (0..count).map(|at| format!("({piece} = {at})")).collect::<Vec<_>>();
    let all = |piece: &str| many(piece).join(" + ");
    let (mut column, mut after, mut set, mut condition) = (String::new(), String::new(), "w".to_owned(), String::new());
    let mut returning = String::new();
    match place {
        "SET" => set = all(&piece.of("")),
        "WHERE" => condition = format!("WHERE {} >= 0", all(&piece.of(""))),
        "CHECK" => column = format!(", CHECK ({} >= 0)", all(&piece.of(""))),
        "generated" => column = format!(", g GENERATED ALWAYS AS ({}) STORED", all(&piece.of(""))),
        "index" => after = format!("CREATE INDEX i ON t({});", all(&piece.of(""))),
        "RETURNING" => returning = format!("RETURNING {}", all(&piece.of(""))),
        _ => {
            after = format!(
                "CREATE TRIGGER z AFTER UPDATE ON t BEGIN UPDATE u SET x = {}; END; INSERT INTO u VALUES (1);",
                all(&piece.of("new."))
            );
        }
    }
    let schema =
        format!("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, w TEXT, d{column}); CREATE TABLE u(x); {after}");
    (schema, format!("UPDATE t SET d = {set}, v = v {condition} {returning}"))
}

/// Fills `v` and `w` with texts of that many bytes, whatever the schema says.
fn fill(world: &Database, bytes: usize) {
    let conn = world.open();
    let value = format!("replace(hex(zeroblob({})), '0', '1')", bytes / 2);
    conn.execute_batch(&format!(
        "PRAGMA ignore_check_constraints = ON; INSERT INTO t(id, v, w) VALUES (1, {value}, {value})"
    ))
    .unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn what_a_look_goes_through_unasked_is_bounded_wherever_it_is_written() {
    let (mut tried, mut untried) = (0, 0);
    for place in PLACES {
        for (at, piece) in PIECES.iter().enumerate() {
            // Not every size of each: every pair of place and size occurs with a dozen pieces.
            for (count, bytes) in
                SIZES.into_iter().enumerate().filter(|(size, _)| (at + size) % 3 == 0).map(|(_, size)| size)
            {
                // A check, a generated column or an index of such a piece would take its time when the row is put there.
                let long = count as u64 * piece.takes * bytes as u64 > UNSTOPPED / 5;
                if long && !matches!(place, "SET" | "WHERE" | "CHECK" | "RETURNING" | "trigger") {
                    continue;
                }
                let (schema, statement) = case(place, piece, count);
                let world = Database::new(&schema);
                fill(&world, bytes);
                let least = count as u64 * piece.takes * bytes as u64;
                let seen = match world.look("sqlite_write", &sql(&statement)).await {
                    Ok(seen) => seen,
                    Err(error) => {
                        // JSON that is none is an error of its own; so is what holds too much or takes too long.
                        let said = error.to_string();
                        let known = ["malformed JSON", "longer than", "may hold at once", "took longer"];
                        assert!(known.iter().any(|known| said.contains(known)), "{place} {}: {said}", piece.over);
                        continue;
                    }
                };
                let too_long = told(&seen).contains("a value is too long");
                assert!(too_long || least <= UNSTOPPED, "{place} {} x {count} of {bytes}", piece.over);
                if too_long {
                    assert_eq!(seen.reversibility, Reversibility::Irreversible);
                    assert!(seen.blast_radius.truncated && seen.pre_image.is_none());
                    untried += 1;
                } else {
                    tried += 1;
                }
                let other = world.open();
                other.busy_timeout(Duration::ZERO).unwrap();
                other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").unwrap();
            }
        }
    }
    assert!(tried > 100 && untried > 15, "{tried} {untried}");
}

#[tokio::test]
async fn what_was_too_long_to_be_tried_runs_once_somebody_approved_it() {
    let (schema, statement) = case("CHECK", &PIECES[0], 300);
    let world = Database::new(&schema);
    fill(&world, 2_000_000);
    let before = state_of(&world.open());
    let seen = world.look("sqlite_write", &sql(&statement)).await.unwrap();
    assert_eq!((seen.reversibility, seen.blast_radius.rows), (Reversibility::Irreversible, Some(0)));
    assert_eq!(seen.summary, "update at least 0 rows of t");
    assert_eq!(state_of(&world.open()), before);
    let done = find("sqlite_write").execute(&sql(&statement), &seen, &world.lend(Access::Write)).await.unwrap();
    assert_eq!((&done.output["rows_changed"], done.undo), (&1.into(), None));
    let changed = "SELECT count(*) FROM t WHERE d = w";
    assert_eq!(world.open().query_row(changed, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[tokio::test]
async fn a_read_that_would_go_through_too_much_is_refused_with_advice() {
    for piece in &PIECES[..14] {
        let (schema, _) = case("SET", piece, 1);
        let world = Database::new(&schema);
        fill(&world, 8_000_000);
        let all = (0..400).map(|at| format!("({} = {at})", piece.of("")));
        let asked = format!("SELECT {} FROM t", all.collect::<Vec<_>>().join(", "));
        let (cause, reason, next) = advice(world.call("sqlite_query", &sql(&asked)).await);
        assert_eq!(cause, Cause::Failed, "{}: {reason}", piece.over);
        assert!(reason.contains("may hold at once") && next.contains("fewer columns"), "{reason} {next}");
    }
}

#[tokio::test]
async fn long_values_stay_readable_and_changeable_in_ordinary_statements() {
    let columns: Vec<String> = (0..40).map(|at| format!("c{at} {}", ["INTEGER", "TEXT", "REAL"][at % 3])).collect();
    let world = Database::new(&format!(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT NOT NULL, {}, file BLOB);
         CREATE INDEX by_c0 ON t(c0); CREATE TABLE other(t REFERENCES t(id), note);
         INSERT INTO t(id, name, file) VALUES (1, 'a', zeroblob(50000000)), (2, 'b', x'00');",
        columns.join(", ")
    ));
    for (asked, said) in [
        ("SELECT octet_length(file), name FROM t WHERE id = 1", "50000000"),
        ("SELECT name, substr(file, 1, 4) FROM t WHERE id = 1", "\"a\""),
        ("SELECT count(*) FROM t WHERE name = 'a' AND c0 IS NULL AND file IS NOT NULL", "1"),
        ("SELECT id FROM t WHERE id IN (1, 2, 3, 4, 5) ORDER BY name DESC", "2"),
    ] {
        let (_, answer) =
            world.call("sqlite_query", &sql(asked)).await.unwrap_or_else(|error| panic!("{asked}: {error}"));
        assert!(answer.output["rows"].to_string().contains(said), "{asked}: {}", answer.output);
    }
    let (_, whole) = world.call("sqlite_query", &sql("SELECT file FROM t ORDER BY id")).await.unwrap();
    assert_eq!(whole.output["truncated"], true);
    for statement in [
        "UPDATE t SET name = 'c' WHERE id = 1",
        "UPDATE t SET c1 = 'x', c2 = c2 + 1 WHERE name = 'c' AND c0 IS NULL",
        "INSERT INTO other SELECT id, name FROM t WHERE octet_length(file) > 1000",
    ] {
        let (seen, done) = world.call("sqlite_write", &sql(statement)).await.unwrap();
        assert!(!told(&seen).contains("too long"), "{statement}: {}", told(&seen));
        assert_eq!(done.output["rows_changed"], 1, "{statement}");
    }
    // Hundreds of literals are no values of a row.
    let ids: Vec<String> = (0..1_500).map(|at| at.to_string()).collect();
    let listed = format!("UPDATE t SET name = 'd' WHERE id IN ({})", ids.join(", "));
    let (seen, _) = world.call("sqlite_write", &sql(&listed)).await.unwrap();
    assert!(!told(&seen).contains("too long"), "{}", told(&seen));
}

#[tokio::test]
async fn a_schema_of_too_many_expressions_is_not_run_through_at_all() {
    let (schema, _) = case("SET", &PIECES[0], 1);
    let world = Database::new(&schema);
    fill(&world, 2_000);
    let many: Vec<String> = (0..300).map(|at| format!("{} v AS c{at}", "- ".repeat(100))).collect();
    world.open().execute_batch(&format!("CREATE VIEW many AS SELECT {} FROM t;", many.join(", "))).unwrap();
    let asked = "SELECT * FROM many AS a, many AS b, many AS c, many AS d, many AS e, many AS f";
    let lease = world.lend(Access::Read);
    let (cause, reason, _) =
        advice(on_target::<DatabaseFiles, _>(&lease, move |site| query::answer(site, asked, 10).map(drop)).await);
    assert_eq!(cause, Cause::Failed, "{reason}");
    assert!(reason.contains("may hold at once"), "{reason}");
}
