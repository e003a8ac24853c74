//! What analysts ask is answered: ordinary statements, run for real.

use serde_json::json;

use super::hostile::folder;
use super::world::Ground;

/// The statements that are refused although they only read, with why.
const REFUSED: &[&str] = &[];

async fn refused(ground: &Ground) -> Vec<String> {
    let text = std::fs::read_to_string(folder().join("analyst.sql")).unwrap();
    let (_, statements) = text.split_once("-- statements\n").unwrap();
    let statements: Vec<_> = statements.lines().map(|line| line.replace('⏎', "\n")).collect();
    assert!(statements.len() >= 220);
    let mut refused = Vec::new();
    for statement in &statements {
        if let Err(error) = ground.call("postgres_query", json!({ "sql": statement })).await {
            refused.push(format!("{statement}: {error}"));
        }
    }
    println!("{} statements, {} refused", statements.len(), refused.len());
    refused
}

fn script() -> String {
    let text = std::fs::read_to_string(folder().join("analyst.sql")).unwrap();
    text.split_once("-- statements\n").unwrap().0.to_owned()
}

#[tokio::test]
async fn ordinary_statements_are_answered() {
    let ground = Ground::superuser(&script());
    assert_eq!(refused(&ground).await, REFUSED, "as a superuser");
    let ground = Ground::roles("");
    ground.sql(&script());
    assert_eq!(refused(&ground).await, REFUSED, "as a role that only reads");
}
