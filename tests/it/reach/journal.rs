//! A folder of files with a database in it that is a target as well, as projects have them.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mollyguard_tests::{Era, Person, Result, World};
use serde_json::json;

/// A journal that, rolled back, cuts a database to one page.
fn journal(pages: u32) -> Vec<u8> {
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    for number in [0, 0, pages, 512, 4096] {
        journal.extend_from_slice(&u32::to_be_bytes(number));
    }
    journal.resize(512, 0);
    journal
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.to_path_buf().into_os_string();
    name.push(suffix);
    name.into()
}

#[tokio::test]
async fn a_planted_journal_does_not_take_a_database_along() -> Result {
    let mut world = World::empty()?;
    world.folder("project", "development", &[("notes.txt", "notes")])?;
    world.database("app", "development", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, 'row ' || i FROM n")?;
    world.set("targets.app.path", "project/app.db");
    let database = world.path().join("project/app.db");
    fs::rename(world.path().join("app.db"), &database)?;
    for suffix in ["-wal", "-shm"] {
        let _ = fs::rename(beside(&world.path().join("app.db"), suffix), beside(&database, suffix));
    }
    let before = fs::read(&database)?;
    assert!(before.len() > 8192, "it has many pages");

    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let content = STANDARD.encode(journal(1));
    for suffix in ["-journal", "-wal", "-shm", ""] {
        let path = format!("app.db{suffix}");
        let args = json!({"target": "project", "path": path, "content": content, "encoding": "base64"});
        let reply = agent.call("files_write", args).await?;
        reply.refused("untouched");
        assert!(reply.text().contains("database of target `app`"), "{}", reply.text());
        assert!(suffix.is_empty() || !beside(&database, suffix).exists(), "{suffix} is there");
    }
    // Under another name it is a file like any other, and a move does not make it a journal either.
    let args = json!({"target": "project", "path": "planted", "content": content, "encoding": "base64"});
    agent.call("files_write", args).await?.done();
    let args = json!({"target": "project", "from": "planted", "to": "app.db-journal"});
    agent.call("files_move", args).await?.refused("untouched");

    let count = json!({"target": "app", "sql": "SELECT count(*) FROM t"});
    assert_eq!(agent.call("sqlite_query", count).await?.done()["rows"], json!([[5000]]));
    assert_eq!(fs::read(&database)?, before, "not a byte of it changed");
    agent.close().await?;
    Ok(())
}
