//! What is put back is what was there, byte for byte: text that is none in UTF-16, and schemas that name themselves.

use rusqlite::Connection;
use serde_json::Value;

use super::world::{Database, find, sql, state_of, table, told};
use crate::contract::{Access, Outcome, on_target};
use crate::toolsets::sqlite::model::kind::DatabaseFiles;
use crate::toolsets::sqlite::tools::query;

/// High and low halves of a character alone, before and behind others, the wrong way round, and texts that are whole.
const TEXTS: [&str; 9] =
    ["D800", "DC000041", "0041D800", "D8000041", "DC00D800", "DFFFDFFF00E9", "D83DDE00", "00E9", "FEFF0041FFFD"];

/// Every text of every row, as its bytes.
fn bytes(conn: &Connection) -> Vec<(String, String, String)> {
    let mut statement = conn
        .prepare("SELECT typeof(v), hex(CAST(v AS BLOB)), id FROM t UNION ALL SELECT typeof(k), hex(CAST(k AS BLOB)), v FROM w")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, format!("{:?}", row.get_ref(2)?)))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

async fn undo(world: &Database, done: Outcome) {
    let plan = done.undo.expect("there is an undo");
    let seen = find(&plan.tool).preflight(&plan.args, &world.lend(Access::Read)).await.unwrap();
    assert_eq!(seen.fingerprint, plan.expects);
    find(&plan.tool).execute(&plan.args, &seen, &world.lend(Access::Write)).await.unwrap();
}

#[tokio::test]
async fn text_that_is_none_in_utf_16_is_put_back_byte_for_byte() {
    for encoding in ["UTF-16le", "UTF-16be", "UTF-8"] {
        let written = |hex: &str| {
            let swapped: String =
                hex.as_bytes().chunks(4).map(|unit| format!("{}{}", text(&unit[2..]), text(&unit[..2]))).collect();
            format!("CAST(x'{}' AS TEXT)", if encoding == "UTF-16le" { swapped } else { hex.to_owned() })
        };
        let rows: Vec<String> = TEXTS.iter().enumerate().map(|(at, hex)| format!("({at}, {})", written(hex))).collect();
        let keys: Vec<String> = TEXTS.iter().enumerate().map(|(at, hex)| format!("({}, {at})", written(hex))).collect();
        let world = Database::new(&format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE t(id INTEGER PRIMARY KEY, v);
             CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
             INSERT INTO t VALUES {}; INSERT INTO w VALUES {};",
            rows.join(", "),
            keys.join(", ")
        ));
        let app = world.open();
        let before = bytes(&app);
        for change in
            ["UPDATE t SET v = 'x'", "DELETE FROM t", "DELETE FROM w WHERE v > 0", "UPDATE w SET v = 9 WHERE v = 3"]
        {
            let (seen, done) = world.call("sqlite_write", &sql(change)).await.unwrap();
            assert!(done.undo.is_some(), "{encoding} {change}: {}", told(&seen));
            assert_ne!(bytes(&app), before, "{encoding} {change}");
            undo(&world, done).await;
            assert_eq!(bytes(&app), before, "{encoding} {change}");
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_table_that_names_itself_goes_to_the_quarantine_and_comes_back_as_it_was() {
    for (name, schema) in [
        ("t", "CREATE TABLE t(a CHECK (t.a > 0), b)"),
        ("t", "CREATE TABLE \"T\"(a, b, CHECK ([t].a <> \"b\" OR main . t.b = 't.a')) WITHOUT ROWID"),
        ("t", "CREATE TABLE t(a, b); CREATE INDEX i ON t(a) WHERE t.a > 5 AND \"t\".b IS NOT NULL"),
        (
            "a b",
            "CREATE TABLE \"a b\"(t, a CHECK (\"a b\".a > 0), b); CREATE UNIQUE INDEX i ON `a b`(a) WHERE `A B`.a > 5",
        ),
    ] {
        let keyed = schema.replace("(a, b, CHECK", "(a PRIMARY KEY, b, CHECK");
        let world = Database::new(&format!("{keyed}; INSERT INTO \"{name}\"(a, b) VALUES (6, 1), (7, 2)"));
        let app = world.open();
        let before: Value = state_of(&app);
        let (_, done) =
            world.call("sqlite_drop_table", &table(name)).await.unwrap_or_else(|error| panic!("{schema}: {error}"));
        let gone = "SELECT count(*) FROM sqlite_master WHERE name = ?1 COLLATE NOCASE";
        assert_eq!(app.query_row(gone, [name], |row| row.get::<_, i64>(0)), Ok(0), "{schema}");
        undo(&world, done).await;
        assert_eq!(state_of(&app), before, "{schema}");
    }
}

#[tokio::test]
async fn an_r_tree_is_read_and_stays_as_it_is() {
    let world = Database::new(
        "CREATE VIRTUAL TABLE r USING rtree(id, low, high, +note); CREATE TABLE plain_node(a); INSERT INTO plain_node VALUES (1);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO r SELECT i, i, i + 5, 'x' FROM n;
         CREATE VIEW seen AS SELECT id FROM r WHERE high < 10;",
    );
    let before = std::fs::read(&world.path).unwrap();
    for (text, rows) in [
        ("SELECT id, note FROM r WHERE low > 490", 10),
        ("SELECT * FROM seen", 4),
        ("SELECT count(*) FROM r", 1),
        ("SELECT nodeno FROM r_node", 1),
    ] {
        let (_, answer) =
            world.call("sqlite_query", &sql(text)).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(answer.output["row_count"].as_u64() >= Some(rows), "{text}: {}", answer.output);
    }
    for text in [
        "INSERT INTO r VALUES (1000, 0, 1, 'x')",
        "DELETE FROM r_node",
        "INSERT INTO plain_node VALUES (2) RETURNING a",
        "WITH d AS (SELECT 1) DELETE FROM plain_node RETURNING *",
        "UPDATE r_rowid SET nodeno = 9",
    ] {
        assert!(world.call("sqlite_query", &sql(text)).await.is_err(), "{text}");
        // Nor without the first layer: the text itself is not what keeps it.
        let lease = world.lend(Access::Read);
        let answered = on_target::<DatabaseFiles, _>(&lease, move |site| query::answer(site, text, 10).map(drop)).await;
        assert!(answered.is_err(), "{text}");
    }
    assert!(std::fs::read(&world.path).unwrap() == before, "the file was written");
}
