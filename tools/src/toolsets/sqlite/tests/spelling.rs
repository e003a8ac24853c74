//! What a no holds for: whoever changes the database meanwhile, and however a call is spelled.

use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::world::{Database, SHOP, find, sql, table};
use crate::laws::a_no_holds;
use crate::toolsets::sqlite::Sqlite;

/// Ways to write the same condition, and others that an agent could say it meant.
const CONDITIONS: [&str; 10] = [
    "id = 1",
    "1 = id",
    "((id) = (1))",
    "id < 2",
    "id IN (1)",
    "id = 2",
    "id = 0x1",
    "+id = 1 AND 7 = 7",
    "NOT id <> 1",
    "EXISTS (SELECT 1 FROM cust AS other WHERE other.id = cust.id AND other.id = 1)",
];

/// Ways to write one verb on one table.
fn statements(verb: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for condition in CONDITIONS {
        for name in ["cust", "CUST", "\"cust\"", "[Cust]", "`cust`", "main.cust", "main . \"cUSt\""] {
            all.extend(match verb {
                "delete" => vec![
                    sql(&format!("DELETE FROM {name} WHERE {condition}")),
                    sql(&format!("delete/**/from\n\t{name} where {condition} -- please")),
                    sql(&format!("WITH x AS (SELECT 1) DELETE FROM {name} WHERE {condition} RETURNING id")),
                ],
                "update" => vec![
                    sql(&format!("UPDATE {name} SET note = 'a' WHERE {condition}")),
                    sql(&format!("update {name} set note = 'b', name = name||'' where {condition}")),
                    sql(&format!("UPDATE {name} AS cust SET note = 1 + 1 WHERE {condition}")),
                ],
                _ => vec![
                    sql(&format!("INSERT INTO {name} (id, name) SELECT max(id) + 1, 'x' FROM cust WHERE {condition}")),
                    sql(&format!("insert into {name}(name) values ('{}')", condition.replace('\'', ""))),
                    sql(&format!("REPLACE INTO {name} (id, name) SELECT 9, 'y' WHERE EXISTS (SELECT 1 FROM cust WHERE {condition})")),
                ],
            });
        }
    }
    all
}

/// Something that somebody does to the database while nobody is asked.
fn change(path: &Path, n: usize) {
    let conn = Connection::open(path).unwrap();
    let again = |sql: &str| conn.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    match n % 7 {
        0 => again(&format!("UPDATE cust SET note = '{n}', name = 'n{n}'")),
        1 => again(&format!("INSERT OR IGNORE INTO cust (id, name) VALUES ({n}, 'somebody')")),
        2 => again("DELETE FROM payments WHERE id > 5; INSERT INTO payments (booking, cents) VALUES (1, 7)"),
        3 => again("ALTER TABLE cust RENAME TO away; ALTER TABLE away RENAME TO cust"),
        4 => again("CREATE INDEX IF NOT EXISTS by_note ON cust (note)"),
        5 => again("DROP INDEX IF EXISTS by_note; VACUUM"),
        // Another file, with the same in it.
        _ => {
            drop(conn);
            let copy = path.with_extension("copy");
            std::fs::copy(path, &copy).unwrap();
            std::fs::rename(&copy, path).unwrap();
        }
    }
}

#[tokio::test]
async fn a_no_to_a_statement_holds_whatever_is_changed_and_however_it_is_spelled() {
    for verb in ["delete", "update", "insert"] {
        let db = Database::new(SHOP);
        let calls = statements(verb);
        let looked = a_no_holds(&db, &Sqlite::new(), "sqlite_write", &calls, |n| change(&db.path, n)).await.unwrap();
        assert!(looked * 10 > calls.len() * 6, "{looked} of {} could be looked at", calls.len());
    }
}

#[tokio::test]
async fn a_no_to_the_end_of_a_table_holds_whatever_is_changed_and_however_it_is_spelled() {
    for tool in ["sqlite_drop_table", "sqlite_purge_table"] {
        let db = Database::new(SHOP);
        let calls: Vec<Value> =
            ["payments", "PAYMENTS", "Payments", "payments", "paymentS"].iter().map(|name| table(name)).collect();
        let calls = vec![calls; 4].concat();
        let looked = a_no_holds(&db, &Sqlite::new(), tool, &calls, |n| change(&db.path, n)).await.unwrap();
        assert_eq!(looked, calls.len());
    }
}

async fn aim(db: &Database, tool: &str, args: Value) -> Vec<Value> {
    let seen = db.look(tool, &args).await.unwrap_or_else(|error| panic!("{args}: {error}"));
    find(tool).aim(&args, &seen)
}

/// The other side: what a no does not hold for.
#[tokio::test]
async fn a_no_holds_for_nothing_that_is_done_to_other_tables_or_by_another_verb() {
    let db = Database::new(SHOP);
    let declined = aim(&db, "sqlite_write", sql("DELETE FROM cust WHERE id = 1")).await;
    for other in [
        "DELETE FROM bookings WHERE cust = 2",
        "DELETE FROM payments WHERE id IN (SELECT id FROM cust)",
        "UPDATE cust SET note = 'x' WHERE id = 1",
        "INSERT INTO cust (name) VALUES ('c')",
        "UPDATE bookings SET day = 'wed'",
    ] {
        let aim = aim(&db, "sqlite_write", sql(other)).await;
        assert!(aim.iter().all(|one| !declined.contains(one)), "{other}: {aim:?}");
    }
    // What does the same beside something else is the same still, and so is what does it to rows in the way.
    for same in ["REPLACE INTO cust (id, name) VALUES (1, 'a')", "UPDATE OR REPLACE cust SET note = 'x' WHERE id = 1"] {
        let aim = aim(&db, "sqlite_write", sql(same)).await;
        assert!(aim.iter().any(|one| declined.contains(one)), "{same}: {aim:?}");
    }
    let read = |text: &str| json!({ "target": "fleet", "sql": text });
    let declined = aim(&db, "sqlite_query", read("SELECT * FROM cust")).await;
    assert_eq!(aim(&db, "sqlite_query", read("select name from main.CUST c where (c.id)=1")).await, declined);
    let other = aim(&db, "sqlite_query", read("SELECT * FROM bookings")).await;
    assert!(other.iter().all(|one| !declined.contains(one)));
}

#[tokio::test]
async fn two_changes_whose_rows_are_not_kept_are_two() {
    let mut database = Database::new(SHOP);
    let mut effect = async |bytes: u64, statement: &str| {
        database.limits.undo_bytes = bytes;
        let seen = database.look("sqlite_write", &sql(statement)).await.unwrap();
        find("sqlite_write").effect(&sql(statement), &seen)
    };
    for bytes in [1, 1 << 20] {
        let one = effect(bytes, "INSERT INTO cust (id, name) VALUES (70, 'one')").await;
        let spelled = effect(bytes, "INSERT INTO cust(id,name) /* again */ VALUES (70,'one');").await;
        assert_eq!(one, spelled, "{bytes}");
        let two = effect(bytes, "INSERT INTO cust (id, name) VALUES (70, 'two')").await;
        assert_ne!(one, two, "with {bytes} bytes for undoing");
    }
}
