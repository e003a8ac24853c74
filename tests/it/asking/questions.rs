//! The questions, word for word, as a person reads them.

use mollyguard_tests::{Agent, Era, Person, Redaction, Result, World, golden};
use serde_json::{Value, json};

/// A shop in production, whose tables depend on each other, and its uploads.
fn shop() -> Result<World> {
    let mut world = World::empty()?;
    let sql = "CREATE TABLE orders (id INTEGER PRIMARY KEY, total_cents INTEGER NOT NULL);
        CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders (id) ON DELETE CASCADE, name TEXT);
        CREATE INDEX items_by_order ON items (order_id);
        CREATE VIEW big_orders AS SELECT id FROM orders WHERE total_cents > 100000;
        CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1508)
        INSERT INTO orders SELECT i, i * 100 FROM n;
        INSERT INTO items SELECT id, id, 'a thing' FROM orders WHERE id <= 40;
        INSERT INTO notes VALUES (1, 'call Ada'), (2, 'send the key back');";
    world.database("shop", "production", sql)?;
    let files = [
        ("reports/2026-05.txt", "May\n"),
        ("reports/2026-06.txt", "June\n"),
        ("logo.svg", "<svg/>\n"),
        ("terms.txt", "old terms\n"),
    ];
    world.folder("public", "production", &files)?;
    Ok(world)
}

/// What a person is shown for a call, compared with `tests/golden/questions/NAME.txt`. They decline.
async fn shown(world: &World, agent: &Agent, name: &str, tool: &str, args: Value) -> Result {
    let before = agent.asked().len();
    let reply = agent.call(tool, args).await?;
    reply.refused("confirmation_declined");
    let asked = agent.asked();
    assert_eq!(asked.len(), before + 1, "{name}");
    let question = asked.last().ok_or("nobody was asked")?;
    let mut redaction = Redaction::new().text(world.path().display().to_string(), "<world>");
    for target in reply.about()["targets"].as_array().into_iter().flatten() {
        redaction = redaction.text(target["uid"].as_str().unwrap_or("(no uid)"), "<uid>");
    }
    let by = question.message.rsplit_once("no answer by ").and_then(|(_, rest)| rest.split_once(" UTC"));
    let (time, _) = by.ok_or("the question says until when")?;
    let text = format!("{}\n\n{}\n", question.message.replace(time, "<time of day>"), question.schema);
    golden(&format!("questions/{name}.txt"), &text, &redaction)
}

#[tokio::test]
async fn the_questions_read_as_they_are_written_down() -> Result {
    let mut world = shop()?;
    // A write of more than this cannot be taken back.
    world.set("limits.undo_bytes", 20_000);
    let agent = world.stdio(Era::Modern, Person::declines()).await?;
    let table = |table: &str| json!({"target": "shop", "table": table});
    let sql = |sql: &str| json!({"target": "shop", "sql": sql});
    let path = |path: &str| json!({"target": "public", "path": path});
    let cases = [
        ("sqlite_purge_table_with_dependents", "sqlite_purge_table", table("orders")),
        ("sqlite_purge_table_alone", "sqlite_purge_table", table("notes")),
        ("sqlite_write_reversible", "sqlite_write", sql("UPDATE notes SET text = 'call Grace' WHERE id = 1")),
        ("sqlite_write_irreversible", "sqlite_write", sql("DELETE FROM orders")),
        ("sqlite_drop_table_in_production", "sqlite_drop_table", table("notes")),
        ("files_purge_file", "files_purge", path("logo.svg")),
        ("files_purge_folder", "files_purge", path("reports")),
        (
            "files_write_over_kept",
            "files_write",
            json!({"target": "public", "path": "terms.txt", "content": "new terms\n"}),
        ),
        ("files_delete_in_production", "files_delete", path("reports")),
    ];
    for (name, tool, args) in cases {
        shown(&world, &agent, name, tool, args).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_question_of_an_undo_says_what_comes_back() -> Result {
    let world = shop()?;
    let people = [Person::types("approve"), Person::declines(), Person::types("approve"), Person::declines()];
    let agent = world.stdio(Era::Modern, super::in_turn(people.into_iter())).await?;
    let write = json!({"target": "shop", "sql": "DELETE FROM notes WHERE id = 2"});
    let wrote = agent.call("sqlite_write", write).await?;
    wrote.done();
    shown(&world, &agent, "undo_call_of_rows", "undo_call", json!({"call_id": wrote.call_id()})).await?;
    let deleted = agent.call("files_delete", json!({"target": "public", "path": "logo.svg"})).await?;
    deleted.done();
    shown(&world, &agent, "undo_call_of_a_file", "undo_call", json!({"call_id": deleted.call_id()})).await?;
    assert_eq!(world.rows("shop", "notes")?, 1);
    assert!(world.file("public", "logo.svg").is_err());
    Ok(())
}
