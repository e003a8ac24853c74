//! Files of other targets' databases that lie in the root.

use super::*;

fn reserve(ground: &mut Ground, paths: &[&str]) {
    let of = |path: &&str| Reserved { target: "app".into(), path: ground.root.join(path) };
    ground.reserved = paths.iter().map(of).collect();
}

/// Every way a call could change such a file, bring one about, or lead the path to it elsewhere.
#[tokio::test]
async fn what_another_target_alone_may_change_stays() {
    let mut ground = Ground::new();
    ground.file("data/app.db", "rows");
    ground.file("data/notes.txt", "notes");
    ground.file("spare/app.db-journal", "planted");
    ground.file("loose", "planted");
    let files = ["data/app.db", "data/app.db-wal", "data/app.db-shm", "data/app.db-journal", "late/db", "late/db-wal"];
    reserve(&mut ground, &[&files[..], &["data", "late"]].concat());
    let before = ground.state().await;
    let moved = |from: &str, to: &str| json!({ "target": "uploads", "from": from, "to": to });
    let mut calls = vec![
        ("files_delete", at("data")),
        ("files_purge", at("data")),
        ("files_move", moved("data", "elsewhere")),
        ("files_move", moved("data/app.db", "elsewhere")),
        ("files_move", moved("spare", "late")),
        ("files_delete", at("data/app.db")),
        ("files_purge", at("data/app.db")),
        ("files_write", json!({ "target": "uploads", "path": "late", "content": "x" })),
    ];
    for path in files {
        let write = |path: &str| json!({ "target": "uploads", "path": path, "content": "x", "create_parents": true });
        calls.extend([
            ("files_write", write(path)),
            ("files_write", write(&path.to_uppercase().replace("DATA", "data"))),
        ]);
        if !path.starts_with("late") && path != "data/app.db" {
            calls.push(("files_move", moved("loose", path)));
        }
    }
    for (tool, args) in calls {
        let error = ground.look(tool, args.clone()).await.unwrap_err();
        let said = reason(&error);
        assert!(said.contains("database of target `app`"), "{tool} {args}: {said}");
        assert_eq!(ground.state().await, before, "{tool} {args}");
    }
    // What lies beside is ordinary, and can be taken back.
    for path in ["data/notes.txt", "data/app.db.txt", "late/other", "app.db-journal"] {
        let args = json!({ "target": "uploads", "path": path, "content": "new", "create_parents": true });
        ground.call("files_write", args).await.unwrap();
        assert_eq!(std::fs::read(ground.root.join(path)).unwrap(), b"new");
    }
    ground.call("files_move", moved("data/notes.txt", "data/renamed.txt")).await.unwrap();
}

/// What was done before a database was another target's is not undone over it.
#[tokio::test]
async fn an_undo_leaves_it_as_well() {
    let mut ground = Ground::new();
    ground.file("app.db-journal", "old");
    let outcome = ground.call("files_delete", at("app.db-journal")).await.unwrap();
    reserve(&mut ground, &["app.db", "app.db-journal"]);
    let plan = outcome.undo.unwrap();
    let error = ground.look(&plan.tool, plan.args.clone()).await.unwrap_err();
    assert!(reason(&error).contains("database of target `app`"), "{error}");
    assert!(!ground.root.join("app.db-journal").exists());
}
