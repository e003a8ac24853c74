//! What analysts ask is answered: ordinary statements, run for real.

use serde_json::json;

use super::hostile::{folder, world};
use super::world::Ground;

/// Those that are refused although they only read, with why, are in `analyst.refused`: syntax that the parser does not know.
fn known() -> Vec<String> {
    let text = std::fs::read_to_string(folder().join("analyst.refused")).unwrap();
    text.lines().map(str::to_owned).collect()
}

async fn refused(ground: &Ground) -> Vec<String> {
    let text = std::fs::read_to_string(folder().join("analyst.sql")).unwrap();
    let (_, statements) = text.split_once("-- statements\n").unwrap();
    let statements: Vec<_> = statements.lines().map(|line| line.replace('⏎', "\n")).collect();
    assert!(statements.len() >= 220);
    let mut refused = Vec::new();
    let before = world(ground);
    for statement in &statements {
        // What the text and the catalogue let through changes nothing in a transaction that may write, either.
        let plain = format!("BEGIN READ WRITE; {}; COMMIT", statement.trim_end_matches(';'));
        if let Err(error) = ground.call("postgres_query", json!({ "sql": statement })).await {
            refused.push(format!("{}: {error}", statement.replace('\n', "⏎")));
        } else if let Err(error) = ground.cluster.try_sql("postgres", &ground.database, &plain) {
            panic!("{statement}: {error}");
        }
    }
    assert_eq!(before, world(ground));
    println!("{} statements, {} refused", statements.len(), refused.len());
    refused
}

fn script() -> String {
    let text = std::fs::read_to_string(folder().join("analyst.sql")).unwrap();
    text.split_once("-- statements\n").unwrap().0.to_owned()
}

#[tokio::test]
async fn ordinary_statements_are_answered() {
    let ground = Ground::superuser_apart(&script());
    let found = refused(&ground).await;
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(folder().join("analyst.refused"), found.join("\n") + "\n").unwrap();
    }
    assert_eq!(found, known(), "as a superuser");
    let ground = Ground::roles_apart("");
    ground.sql(&script());
    assert_eq!(refused(&ground).await, known(), "as a role that only reads");
}
