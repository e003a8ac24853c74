//! What each tool does, says and gives back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::contract::{Cause, Digest, Probe, Reversibility};

fn write(path: &str, content: &str) -> Value {
    json!({ "target": "uploads", "path": path, "content": content })
}

fn inode(path: &Path) -> u64 {
    path.metadata().unwrap().ino()
}

#[tokio::test]
async fn writing_keeps_mode_and_owner_and_undoing_brings_the_file_itself_back() {
    let ground = Ground::new();
    let file = ground.file("conf/app.toml", "old");
    // Only root can give files away; for everybody else the owner stays who it is.
    let _ = std::os::unix::fs::chown(&file, Some(1234), Some(1234));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4750)).unwrap();
    let (old, before) = (file.metadata().unwrap(), ground.state().await);
    let done = ground.call("files_write", write("conf/app.toml", "new")).await.unwrap();
    let new = file.metadata().unwrap();
    assert_eq!((new.uid(), new.gid(), new.mode() & 0o7777), (old.uid(), old.gid(), 0o750));
    assert_eq!(std::fs::read(&file).unwrap(), b"new");
    assert_eq!((&done.output["created"], &done.output["bytes"]), (&json!(false), &json!(3)));
    assert_eq!(done.output["sha256"], hex::encode(Digest::of_bytes(b"new").as_bytes()));
    ground.undo(&done).await;
    assert_eq!((before, inode(&file)), (ground.state().await, old.ino()));
}

#[tokio::test]
async fn writing_a_new_file_names_the_folder_it_changes() {
    let ground = Ground::new();
    ground.file("conf/x", "");
    let seen = ground.look("files_write", write("conf/new", "12345")).await.unwrap();
    assert_eq!(seen.summary, "create conf/new (5 bytes)");
    let targets: Vec<_> = seen.targets.iter().map(|t| (t.kind.as_str(), t.path.shown(), t.uid.is_some())).collect();
    assert_eq!(targets, [("file", "uploads/conf/new", false), ("directory", "uploads/conf", true)]);
    assert_eq!(seen.reversibility, Reversibility::Reversible);
}

#[tokio::test]
async fn missing_folders_are_made_only_when_asked_for_and_go_again() {
    let ground = Ground::new();
    let mut args = write("a/b/c.txt", "x");
    let error = ground.look("files_write", args.clone()).await.unwrap_err();
    assert!(matches!(&error, ToolError::Untouched { cause: Cause::NotFound, next: Some(_), .. }), "{error:?}");
    args["create_parents"] = true.into();
    let before = ground.state().await;
    let done = ground.call("files_write", args).await.unwrap();
    assert_eq!(std::fs::read(ground.root.join("a/b/c.txt")).unwrap(), b"x");
    let undone = ground.undo(&done).await;
    assert_eq!(before, ground.state().await);
    ground.undo(&undone).await;
    assert_eq!(std::fs::read(ground.root.join("a/b/c.txt")).unwrap(), b"x");
    assert!(ground.trash().is_empty());
}

#[tokio::test]
async fn undoing_does_not_sweep_up_what_came_later() {
    let ground = Ground::new();
    let mut args = write("a/b", "x");
    args["create_parents"] = true.into();
    let plan = ground.call("files_write", args).await.unwrap().undo.unwrap();
    ground.file("a/later", "y");
    let seen = ground.look(&plan.tool, plan.args).await.unwrap();
    assert_ne!(seen.fingerprint, plan.expects);
}

#[tokio::test]
async fn overwriting_a_backup_is_grave_only_when_it_is_lost() {
    let mut ground = Ground::new();
    ground.file("backups/db.sql", "x".repeat(50));
    let seen = ground.look("files_write", write("backups/db.sql", "")).await.unwrap();
    assert!(!seen.destroys_recovery && seen.reversibility == Reversibility::Reversible);
    assert!(facts(&seen).contains("it matches `backups/**`"), "{}", facts(&seen));
    ground.limits.undo_bytes = 10;
    let seen = ground.look("files_write", write("backups/db.sql", "")).await.unwrap();
    assert!(seen.destroys_recovery && seen.reversibility == Reversibility::Irreversible);
    assert_eq!(seen.alternative.as_ref().unwrap().tool, "files_delete");
    let done = ground.run("files_write", write("backups/db.sql", ""), &seen).await.unwrap();
    assert!(done.undo.is_none() && ground.trash().is_empty());
    assert_eq!(ground.file("other", "").metadata().unwrap().len(), 0);
}

#[tokio::test]
async fn base64_content_is_written_as_bytes() {
    let ground = Ground::new();
    let mut args = write("bin", &STANDARD.encode([0, 255, 7]));
    args["encoding"] = "base64".into();
    ground.call("files_write", args.clone()).await.unwrap();
    assert_eq!(std::fs::read(ground.root.join("bin")).unwrap(), [0, 255, 7]);
    args["content"] = "!".into();
    assert!(reason(&ground.look("files_write", args).await.unwrap_err()).contains("base64"));
}

#[tokio::test]
async fn deleting_says_what_where_and_how_much() {
    let ground = Ground::new();
    ground.file("uploads/2025/a.png", [0; 700]);
    ground.file("uploads/2025/sub/b.dump", [0; 550]);
    let seen = ground.look("files_delete", at("uploads/2025")).await.unwrap();
    assert_eq!(seen.summary, "move uploads/2025 (2 files, 1.2 kB) to the trash");
    assert_eq!((seen.blast_radius.resources, seen.blast_radius.bytes), (4, Some(1250)));
    let facts = facts(&seen);
    assert_eq!(seen.evidence[0].what, format!("below {}", ground.root.display()));
    for part in ["1 file matching `**/*.dump` lies inside", "b.dump", "newest change at "] {
        assert!(facts.contains(part), "{part} in {facts}");
    }
    assert!(!seen.destroys_recovery);
    assert_eq!((seen.targets[0].kind.as_str(), seen.targets[0].path.shown()), ("directory", "uploads/uploads/2025"));
    let folder = ground.root.join("uploads/2025").metadata().unwrap();
    assert_eq!(seen.targets[0].uid, Some(format!("{}:{}", folder.dev(), folder.ino())));
}

#[tokio::test]
async fn the_trash_is_closed_to_others_and_says_where_things_were() {
    let ground = Ground::new();
    ground.file("a/b", "x");
    let done = ground.call("files_delete", at("a/b")).await.unwrap();
    let entry = ground.root.join(".mollyguard-trash").join(done.output["trash_entry"].as_str().unwrap());
    let about: Value = serde_json::from_slice(&std::fs::read(entry.join("about.json")).unwrap()).unwrap();
    assert_eq!(about["path"], "a/b");
    assert_eq!(std::fs::read(entry.join("item")).unwrap(), b"x");
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    assert_eq!((mode(&entry), mode(entry.parent().unwrap())), (0o700, 0o700));
}

#[tokio::test]
async fn purging_offers_the_trash_and_knows_backups() {
    let ground = Ground::new();
    ground.file("old/x", "1");
    let seen = ground.look("files_purge", at("old")).await.unwrap();
    assert_eq!((seen.reversibility, seen.destroys_recovery), (Reversibility::Irreversible, false));
    let alternative = seen.alternative.unwrap();
    assert_eq!((alternative.tool.as_str(), &alternative.args), ("files_delete", &at("old")));
    assert_eq!(seen.summary, "delete old (1 file, 1 byte) for good");
    for path in ["old/daily.dump", "old/inner/.mollyguard-trash/x/item"] {
        let file = ground.file(path, "1");
        assert!(ground.look("files_purge", at("old")).await.unwrap().destroys_recovery, "{path}");
        std::fs::remove_file(file).unwrap();
    }
}

#[tokio::test]
async fn a_trash_entry_can_be_purged_by_its_id_only() {
    let ground = Ground::new();
    ground.file("a/b", "x");
    let done = ground.call("files_delete", at("a")).await.unwrap();
    let id = done.output["trash_entry"].as_str().unwrap();
    let entry = json!({ "target": "uploads", "trash_entry": id });
    let seen = ground.look("files_purge", entry.clone()).await.unwrap();
    assert!(seen.destroys_recovery && facts(&seen).contains("it is what was a until"), "{}", facts(&seen));
    assert_eq!(seen.targets[0].path, format!("uploads/.mollyguard-trash/{id}"));
    for bad in ["..", "x", "../../outside", ""] {
        let args = json!({ "target": "uploads", "trash_entry": bad });
        assert!(ground.look("files_purge", args).await.is_err());
    }
    let both = json!({ "target": "uploads", "trash_entry": id, "path": "a" });
    assert!(ground.look("files_purge", both).await.is_err());
    assert!(ground.look("files_purge", json!({ "target": "uploads" })).await.is_err());
    ground.run("files_purge", entry, &seen).await.unwrap();
    assert!(ground.trash().is_empty());
}

#[tokio::test]
async fn counting_stops_and_says_so() {
    let mut ground = Ground::new();
    for n in 0..20 {
        ground.file(&format!("many/{n}"), "x");
    }
    ground.limits.count = 10;
    let seen = ground.look("files_delete", at("many")).await.unwrap();
    assert!(seen.blast_radius.truncated && seen.summary.contains("at least 10 files"), "{}", seen.summary);
    let before = ground.state().await;
    let done = ground.run("files_delete", at("many"), &seen).await.unwrap();
    assert_eq!(done.output["truncated"], true);
    ground.undo(&done).await;
    assert_eq!(before, ground.state().await);
    let error = ground.look("files_purge", at("many")).await.unwrap_err();
    assert!(reason(&error).contains("more than could be looked at"));
}

#[tokio::test]
async fn depth_is_bounded_too() {
    let ground = Ground::new();
    ground.file(&format!("deep/{}/file", ["d"; 150].join("/")), "x");
    assert!(ground.look("files_delete", at("deep")).await.unwrap().blast_radius.truncated);
    assert!(ground.look("files_purge", at("deep")).await.is_err());
    let listed = ground.call("files_list", json!({ "target": "uploads", "depth": 100 })).await.unwrap();
    assert_eq!(listed.output["entries"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn moving_replaces_nothing() {
    let ground = Ground::new();
    let args = |from: &str, to: &str| json!({ "target": "uploads", "from": from, "to": to });
    ground.file("a", "1");
    ground.file("d/b", "2");
    for (from, to) in [("a", "d/b"), ("a", "d"), ("d", "d/e"), ("a", "a"), ("a", "none/a"), ("none", "b")] {
        assert!(ground.look("files_move", args(from, to)).await.is_err(), "{from} to {to}");
    }
    let seen = ground.look("files_move", args("a", "d/c")).await.unwrap();
    assert_eq!(seen.summary, "move a (1 byte) to d/c");
    ground.file("d/c", "came between");
    assert!(ground.run("files_move", args("a", "d/c"), &seen).await.is_err());
    assert_eq!(std::fs::read(ground.root.join("d/c")).unwrap(), b"came between");
    assert_eq!(std::fs::read(ground.root.join("a")).unwrap(), b"1");
}

#[tokio::test]
async fn moving_backups_to_where_they_are_none_is_held_for_destroying_them() {
    let ground = Ground::with(r#"backups = ["backups/**", "db/*.gz", "**/*.dump"]"#);
    let args = |from: &str, to: &str| json!({ "target": "uploads", "from": from, "to": to });
    for path in ["backups/full.tar", "backups/2025/a", "backups/2025/b", "db/old.gz", "db/x.dump", "other/x"] {
        ground.file(path, "1");
    }
    std::fs::create_dir(ground.root.join("tmp")).unwrap();
    let lost = [
        ("backups/full.tar", "tmp/x", "backups/full.tar would not count as a backup any more"),
        ("backups", "tmp/b", "3 files would not count as backups any more where they move to (backups/2025/a, "),
        ("backups/2025", "2025", "2 files would not count"),
        ("db", "tmp/db", "db/old.gz would not count"),
        ("db/old.gz", "db/old.zip", "db/old.gz would not count"),
        ("db/x.dump", "db/x.tmp", "db/x.dump would not count"),
    ];
    for (from, to, fact) in lost {
        let seen = ground.look("files_move", args(from, to)).await.unwrap();
        assert!(seen.destroys_recovery && seen.reversibility == Reversibility::Irreversible, "{from} to {to}");
        assert!(facts(&seen).contains(fact), "{}", facts(&seen));
        let before = ground.state().await;
        let done = ground.run("files_move", args(from, to), &seen).await.unwrap();
        let back = ground.look("files_move", done.undo.as_ref().unwrap().args.clone()).await.unwrap();
        assert!(!back.destroys_recovery && back.reversibility == Reversibility::Reversible, "{to} to {from}");
        ground.undo(&done).await;
        assert_eq!(before, ground.state().await);
    }
    let kept = [
        ("backups/full.tar", "backups/2025/c"),
        ("backups/2025", "backups/old"),
        ("backups/full.tar", "db/full.gz"),
        ("db/x.dump", "tmp/y.dump"),
        ("other", "backups/other"),
        ("other/x", "tmp/x"),
    ];
    for (from, to) in kept {
        let seen = ground.look("files_move", args(from, to)).await.unwrap();
        assert!(!seen.destroys_recovery && seen.reversibility == Reversibility::Reversible, "{from} to {to}");
    }
}

#[tokio::test]
async fn what_was_not_counted_may_be_a_backup_that_moves() {
    let mut ground = Ground::with(r#"backups = ["data/*/full.tar", "**/*.dump"]"#);
    ground.limits.count = 2;
    for n in 0..5 {
        ground.file(&format!("data/pg/{n}"), "1");
        ground.file(&format!("node_modules/{n}"), "1");
    }
    for (from, to, lost) in [("data/pg", "pg", true), ("data/pg", "data/pg16", false), ("node_modules", "x", false)] {
        let seen = ground.look("files_move", json!({ "target": "uploads", "from": from, "to": to })).await.unwrap();
        assert_eq!((seen.blast_radius.truncated, seen.destroys_recovery), (true, lost), "{from} to {to}");
        assert_eq!(facts(&seen).contains("what was not counted may hold backups"), lost, "{}", facts(&seen));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_calls_on_one_state_one_runs() {
    for tool in ["files_write", "files_delete", "files_purge", "files_move"] {
        let ground = Arc::new(Ground::new());
        let file = ground.file("a", "old");
        let args = match tool {
            "files_write" => write("a", "new"),
            "files_move" => json!({ "target": "uploads", "from": "a", "to": "b" }),
            _ => at("a"),
        };
        let seen = Arc::new(ground.look(tool, args.clone()).await.unwrap());
        let calls: Vec<_> = (0..16)
            .map(|_| {
                let (ground, args, seen) = (ground.clone(), args.clone(), seen.clone());
                tokio::spawn(async move { ground.run(tool, args, &seen).await })
            })
            .collect();
        let mut ran = Vec::new();
        for call in calls {
            match call.await.unwrap() {
                Ok(outcome) => ran.push(outcome),
                Err(ToolError::Untouched { .. }) => {}
                Err(error) => panic!("{tool}: {error:?}"),
            }
        }
        assert_eq!(ran.len(), 1, "{tool}");
        assert!(ground.trash().len() <= 1);
        if tool != "files_purge" {
            ground.undo(&ran[0]).await;
            assert_eq!(std::fs::read(&file).unwrap(), b"old");
        }
    }
}

#[tokio::test]
async fn a_probe_tells_what_became_of_a_call() {
    let moving = json!({ "target": "uploads", "from": "a", "to": "b" });
    let calls = [
        ("files_write", write("a", "new")),
        ("files_write", write("fresh", "new")),
        ("files_delete", at("a")),
        ("files_move", moving),
        ("files_purge", at("a")),
    ];
    for (name, args) in calls {
        let ground = Ground::new();
        ground.file("a", "old");
        let (tool, lease) = (find(name), ground.lease(Access::Write));
        let seen = ground.look(name, args.clone()).await.unwrap();
        assert_eq!(tool.probe(&args, &seen, &lease).await, Probe::Unchanged, "{name}");
        ground.run(name, args.clone(), &seen).await.unwrap();
        assert_eq!(tool.probe(&args, &seen, &lease).await, Probe::Changed, "{name}");
        ground.file("a", "something else");
        ground.file("fresh", "something else");
        assert_eq!(tool.probe(&args, &seen, &lease).await, Probe::Unknown, "{name}");
    }
}

#[tokio::test]
async fn a_file_is_read_in_parts_that_fit_together() {
    let mut ground = Ground::new();
    let text = "naïve – 日本語 ".repeat(40);
    ground.file("text", &text);
    ground.limits.output_bytes = 100;
    let (mut read, mut offset, mut parts) = (String::new(), Some(0), 0);
    while let Some(at) = offset {
        let args = json!({ "target": "uploads", "path": "text", "offset": at });
        let output = ground.call("files_read", args).await.unwrap().output;
        assert_eq!(output["encoding"], "utf8");
        assert_eq!(output["sha256"], hex::encode(Digest::of_bytes(text.as_bytes()).as_bytes()));
        assert_eq!(output["truncated"], output["next_offset"].is_u64());
        read.push_str(output["content"].as_str().unwrap());
        (offset, parts) = (output["next_offset"].as_u64(), parts + 1);
    }
    assert!(read == text && parts > 5);
}

#[tokio::test]
async fn bytes_are_read_as_base64() {
    let mut ground = Ground::new();
    let bytes: Vec<u8> = (0..=255).collect();
    ground.file("bin", &bytes);
    ground.limits.output_bytes = 100;
    let output = ground.call("files_read", at("bin")).await.unwrap().output;
    assert_eq!((&output["encoding"], &output["next_offset"]), (&json!("base64"), &json!(75)));
    assert_eq!(STANDARD.decode(output["content"].as_str().unwrap()).unwrap(), bytes[..75]);
    ground.limits.undo_bytes = 10;
    let args = json!({ "target": "uploads", "path": "bin", "offset": 1000 });
    let output = ground.call("files_read", args).await.unwrap().output;
    assert_eq!((&output["content"], &output["truncated"]), (&json!(""), &json!(false)));
    assert!(output["sha256"].is_null());
}

#[tokio::test]
async fn listing_shows_kinds_links_and_where_it_stops() {
    let ground = Ground::new();
    ground.file("d/inner/x", "123");
    ground.file("z", "1");
    symlink("d/inner", ground.root.join("link")).unwrap();
    let list = |extra: Value| {
        let mut args = json!({ "target": "uploads" });
        args.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        args
    };
    let output = ground.call("files_list", list(json!({}))).await.unwrap().output;
    let entries = output["entries"].as_array().unwrap();
    let told: Vec<_> = entries.iter().map(|e| (e["path"].as_str().unwrap(), e["kind"].as_str().unwrap())).collect();
    assert_eq!(told, [("d", "directory"), ("link", "symlink"), ("z", "file")]);
    assert_eq!((&entries[1]["link_target"], &entries[2]["bytes"]), (&json!("d/inner"), &json!(1)));
    assert_eq!(output["truncated"], false);
    let output = ground.call("files_list", list(json!({ "depth": 3, "limit": 3 }))).await.unwrap().output;
    assert_eq!((output["entries"][2]["path"].as_str(), &output["truncated"]), (Some("d/inner/x"), &json!(true)));
    let output = ground.call("files_list", list(json!({ "path": "link" }))).await.unwrap().output;
    assert_eq!((&output["path"], &output["entries"][0]["path"]), (&json!("d/inner"), &json!("d/inner/x")));
}

#[test]
fn settings_take_nothing_unknown() {
    let parse = |text: &str| Files::new().settings(toml::from_str(text).unwrap(), Path::new("/base"));
    let settings = parse("root = 'x'\nbackups = ['a/**']").unwrap();
    let folder = settings.downcast_ref::<crate::toolsets::files::Folder>().unwrap();
    assert_eq!((folder.root.as_path(), folder.backups[0].as_str()), (Path::new("/base/x"), "a/**"));
    for (bad, key) in [("", None), ("root = ''", Some("root")), ("root = 'x'\nrot = 1", None), ("root = 3", None)] {
        assert_eq!(parse(bad).err().unwrap().key.as_deref(), key, "{bad}");
    }
    assert_eq!(parse("root = 'x'\nbackups = ['../y']").err().unwrap().key.as_deref(), Some("backups"));
}

#[tokio::test]
async fn a_check_says_what_a_careful_operator_should_know() {
    let ground = Ground::with("");
    ground.file("Backups-daily/a", "12345");
    ground.file("b", "1");
    ground.call("files_delete", at("b")).await.unwrap();
    std::fs::set_permissions(&ground.root, std::fs::Permissions::from_mode(0o777)).unwrap();
    let report = Files::new().check(&ground.lease(Access::Read)).await.unwrap();
    let root = ground.root.metadata().unwrap();
    assert_eq!(report.identity, format!("files:{}#{}:{}", ground.root.display(), root.dev(), root.ino()));
    assert!(report.summary.contains("1 file, 1 folder, 5 bytes"), "{}", report.summary);
    let warnings = report.warnings.join("\n");
    for part in ["everybody on this machine", "Backups-daily", "keeps 1 entry"] {
        assert!(warnings.contains(part), "{part} in {warnings}");
    }
    std::fs::remove_dir_all(&ground.root).unwrap();
    let error = Files::new().check(&ground.lease(Access::Read)).await.unwrap_err();
    assert!(matches!(error, ToolError::Untouched { cause: Cause::Unavailable, .. }));
}
