//! An undo makes no row point nowhere that pointed somewhere before it, unless that very row did so when the rows were as
//! they are put back.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use rusqlite::Connection;

use super::laws::{run, wait};
use super::world::{Database, advice, sql};
use crate::contract::Cause;

/// Parents and children of every sort: the columns of a child's key, and those that point, are told in the statements.
struct Family {
    schema: &'static str,
    /// Puts a parent, a child that points to it, and a child's pointer elsewhere.
    parent: &'static str,
    child: &'static str,
    moved: &'static str,
    mended: &'static str,
}

/// `{n}` is a number, `{m}` another, `{a}` a letter in either case.
const FAMILIES: [Family; 4] = [
    Family {
        schema: "CREATE TABLE p(id INTEGER PRIMARY KEY, note);
                 CREATE TABLE c(x, y, f TEXT REFERENCES p(id), g DEFAULT 0, note, PRIMARY KEY (x, y));",
        parent: "INSERT OR IGNORE INTO p VALUES ({n}, '{a}')",
        child: "INSERT OR IGNORE INTO c VALUES ({m}, '{a}', {n}, 0, 'c')",
        moved: "UPDATE c SET f = {n} WHERE x = {m}",
        mended: "UPDATE c SET f = NULL WHERE x = {m}",
    },
    Family {
        schema: "CREATE TABLE p(a TEXT COLLATE NOCASE, b INTEGER, note, PRIMARY KEY (a, b)) WITHOUT ROWID;
                 CREATE TABLE c(x INTEGER, y, f, g TEXT, note, PRIMARY KEY (x, y),
                    FOREIGN KEY (f, g) REFERENCES p(a, b)) WITHOUT ROWID;",
        parent: "INSERT OR IGNORE INTO p VALUES ('{a}', {n}, 'p')",
        child: "INSERT OR IGNORE INTO c VALUES ({m}, {n}, '{a}', '{n}', 'c')",
        moved: "UPDATE c SET f = '{a}', g = '{n}' WHERE x = {m}",
        mended: "UPDATE c SET g = NULL WHERE x = {m}",
    },
    Family {
        schema: "CREATE TABLE p(x INTEGER PRIMARY KEY, f REFERENCES p(x), g, note);",
        parent: "INSERT OR IGNORE INTO p VALUES ({n}, NULL, 0, 'p')",
        child: "INSERT OR IGNORE INTO p VALUES ({m}, {n}, 0, 'c')",
        moved: "UPDATE p SET f = {n} WHERE x = {m}",
        mended: "UPDATE p SET f = NULL WHERE x = {m}",
    },
    Family {
        schema: "CREATE TABLE p(k TEXT COLLATE RTRIM UNIQUE, n NUMERIC UNIQUE, note);
                 CREATE TABLE c(x, f REFERENCES p(k), g TEXT REFERENCES p(n), note);",
        parent: "INSERT OR IGNORE INTO p VALUES ('{a}', {n}, 'p')",
        child: "INSERT INTO c VALUES ({m}, '{a} ', '{n}.0', 'c')",
        moved: "UPDATE c SET f = '{a}', g = {n} WHERE x = {m}",
        mended: "UPDATE c SET g = NULL, f = NULL WHERE x = {m}",
    },
];

const VERBS: usize = 7;

impl Family {
    fn statement(&self, (verb, n, m, a): (usize, u8, u8, usize)) -> String {
        let gone = |at: &str| format!("DELETE FROM p WHERE {at}");
        let template = match verb {
            0 => self.parent.to_owned(),
            1 => self.child.to_owned(),
            2 => self.moved.to_owned(),
            3 => self.mended.to_owned(),
            4 if self.schema.contains("p(k") => "UPDATE p SET k = '{a}', n = {n} WHERE n = {m}".to_owned(),
            4 if self.schema.contains("p(a") => "UPDATE OR IGNORE p SET b = {n} WHERE b = {m}".to_owned(),
            4 => "UPDATE OR IGNORE p SET note = 'q' WHERE note = '{a}'".to_owned(),
            5 if self.schema.contains("p(k") => gone("n = {n}"),
            5 if self.schema.contains("p(a") => gone("b = {n}"),
            5 => gone("rowid = {n}"),
            _ if self.schema.contains("TABLE c") => "DELETE FROM c WHERE x = {m}".to_owned(),
            _ => gone("x = {m}"),
        };
        let letter = ["a", "A", "b", "B"][a];
        template.replace("{n}", &n.to_string()).replace("{m}", &m.to_string()).replace("{a}", letter)
    }
}

/// Every row that points nowhere with what it points to, as SQLite itself says of a copy in which each row has a rowid.
fn pointing_nowhere(family: &Family, world: &Database) -> BTreeSet<String> {
    let copy = Connection::open_in_memory().unwrap();
    copy.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    copy.execute_batch(&family.schema.replace("WITHOUT ROWID", "")).unwrap();
    copy.execute("ATTACH ?1 AS real", [world.path.to_string_lossy()]).unwrap();
    let tables: Vec<&str> =
        ["p", "c"].into_iter().filter(|name| family.schema.contains(&format!("TABLE {name}("))).collect();
    let mut found = BTreeSet::new();
    for table in &tables {
        // A table without rowids gets some, the others keep theirs.
        let columns = "SELECT group_concat(name, ', ') FROM pragma_table_info(?1, 'main')";
        let columns: String = copy.query_row(columns, [table], |row| row.get(0)).unwrap();
        let rowid = if family.schema.contains("WITHOUT") { "" } else { "rowid, " };
        let copied = format!("INSERT INTO main.{table}({rowid}{columns}) SELECT {rowid}{columns} FROM real.{table}");
        copy.execute_batch(&copied).unwrap();
    }
    let child = tables[tables.len() - 1];
    let mut check = copy.prepare("SELECT rowid, fkid FROM pragma_foreign_key_check(?1, 'main')").unwrap();
    let mut rows = check.query([child]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (rowid, key): (i64, i64) = (row.get(0).unwrap(), row.get(1).unwrap());
        let y = if family.schema.contains("y,") { "quote(y)" } else { "rowid" };
        let sql = format!("SELECT x || '/' || {y} || '/' || quote(f) || quote(g) FROM main.{child} WHERE rowid = ?1");
        let told: String = copy.query_row(&sql, [rowid], |row| row.get(0)).unwrap();
        found.insert(format!("{key}: {told}"));
    }
    found
}

fn disturb(world: &Database, statements: &[String]) {
    let conn = world.open();
    conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    for statement in statements {
        // What a UNIQUE key stands against does not happen.
        let _refused = conn.execute_batch(statement);
    }
}

#[test]
fn an_undo_makes_no_row_point_nowhere_that_pointed_somewhere() {
    let step = || (0..VERBS, 0_u8..4, 0_u8..4, 0_usize..4);
    let some = |most| proptest::collection::vec(step(), 0..most);
    let tally = RefCell::new((0, 0, 0));
    run(&(0..FAMILIES.len(), some(14), step(), some(6)), 400, |(at, before, change, since)| {
        let family = &FAMILIES[at];
        let say = |steps: &[_]| steps.iter().map(|step| family.statement(*step)).collect::<Vec<_>>();
        let world = Database::new(family.schema);
        disturb(&world, &say(&before));
        let then = pointing_nowhere(family, &world);
        let Ok((_, outcome)) = wait(world.call("sqlite_write", &sql(&family.statement(change)))) else { return Ok(()) };
        let Some(undo) = outcome.undo else { return Ok(()) };
        disturb(&world, &say(&since));
        let now = pointing_nowhere(family, &world);
        let undone = wait(world.call(&undo.tool, &undo.args));
        let left = pointing_nowhere(family, &world);
        let told = || format!("{:?} / {} / {:?}", say(&before), family.statement(change), say(&since));
        let mut tally = tally.borrow_mut();
        match undone {
            Ok(_) => {
                tally.0 += 1;
                let new: Vec<_> = left.iter().filter(|row| !now.contains(*row) && !then.contains(*row)).collect();
                prop_assert!(new.is_empty(), "{}: {:?}", told(), new);
            }
            Err(error) => {
                let text = error.to_string();
                prop_assert_eq!(&left, &now, "{}", told());
                prop_assert!(!since.is_empty(), "refused though nothing had moved: {}: {}", told(), text);
                if text.contains("point to rows") { tally.1 += 1 } else { tally.2 += 1 }
            }
        }
        Ok(())
    });
    let (undone, kept, other) = tally.into_inner();
    assert!(undone > 100 && kept > 0, "{undone} {kept} {other}");
}

#[tokio::test]
async fn an_older_orphan_that_was_mended_since_is_no_room_for_a_newer_one() {
    let world = Database::new(
        "CREATE TABLE p(id INTEGER PRIMARY KEY, note); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id));
         INSERT INTO c VALUES (1, 77);",
    );
    let (_, outcome) = world.call("sqlite_write", &sql("INSERT INTO p VALUES (5, 'new')")).await.unwrap();
    let undo = outcome.undo.unwrap();
    let app = world.open();
    app.execute_batch("PRAGMA foreign_keys = ON; UPDATE c SET p = NULL WHERE id = 1; INSERT INTO c VALUES (2, 5)")
        .unwrap();
    let before = super::world::state_of(&app);
    let (cause, reason, next) = advice(world.call(&undo.tool, &undo.args).await);
    assert_eq!(cause, Cause::Refused);
    assert!(reason.contains("c (p) -> p (id)") && next.contains("put the rows"), "{reason} {next}");
    assert_eq!(super::world::state_of(&app), before);
    // Once nothing points to it any more it goes.
    app.execute_batch("DELETE FROM c WHERE id = 2").unwrap();
    world.call(&undo.tool, &undo.args).await.unwrap();
    assert_eq!(app.query_row("SELECT count(*) FROM p", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}
