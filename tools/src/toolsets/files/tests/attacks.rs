//! Calls that try to get out of the root, onto other file systems, or past what was looked at.

use std::io;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use cap_std::fs::Dir;
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::contract::{About, Cause, Digest, on_target};
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Place, Root, Site};
use crate::toolsets::files::model::kind::Folders;
use crate::toolsets::files::model::trash::{self, Held, swap};
use crate::toolsets::files::model::walk::{open_file, survey};
use crate::toolsets::files::tools::r#move::{Rename, Way, carry};

pub(super) const CHANGING: [&str; 4] = ["files_write", "files_move", "files_delete", "files_purge"];

pub(super) fn args_for(tool: &str, path: &str) -> Value {
    match tool {
        "files_move" => json!({ "target": "uploads", "from": path, "to": "elsewhere" }),
        "files_write" => json!({ "target": "uploads", "path": path, "content": "x", "create_parents": true }),
        _ => at(path),
    }
}

pub(super) fn refused(result: &Result<Outcome, ToolError>) -> &str {
    match result {
        Err(ToolError::Untouched { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_root_or_into_the_trash() {
    let ground = Ground::new();
    ground.file("a/b", "kept");
    ground.call("files_delete", at("a/b")).await.unwrap();
    ground.file("a/b", "kept");
    let before = ground.state().await;
    let long = "x/".repeat(3000);
    let paths = [
        "..",
        "../outside/precious",
        "a/../../outside/precious",
        "a/..",
        "/etc/hostname",
        "//etc",
        "a\0b",
        "a/b\0",
        ".mollyguard-trash",
        ".MollyGuard-TRASH/x",
        "./.mollyguard-trash",
        "a/.mollyguard-trash/b",
        &long,
    ];
    for path in paths {
        for tool in CHANGING.iter().chain(&["files_list", "files_read"]) {
            refused(&ground.call(tool, args_for(tool, path)).await);
        }
        refused(&ground.call("files_move", json!({ "target": "uploads", "from": "a/b", "to": path })).await);
    }
    for root in ["", ".", "./", "./."] {
        for tool in CHANGING {
            let error = ground.look(tool, args_for(tool, root)).await.unwrap_err();
            assert!(reason(&error).contains("root itself"), "{error}");
        }
    }
    assert_eq!(before, ground.state().await);
}

#[tokio::test]
async fn links_out_are_not_followed_and_can_be_removed() {
    let ground = Ground::new();
    symlink(&ground.outside, ground.root.join("out")).unwrap();
    symlink("../outside/precious", ground.root.join("file")).unwrap();
    let before = ground.state().await;
    for path in ["out/precious", "out", "file"] {
        for tool in ["files_list", "files_read", "files_write"] {
            refused(&ground.call(tool, args_for(tool, path)).await);
        }
    }
    for tool in CHANGING {
        assert!(refused(&ground.call(tool, args_for(tool, "out/precious")).await).contains("symbolic link"));
    }
    assert_eq!(before, ground.state().await);
    ground.call("files_purge", at("out")).await.unwrap();
    ground.call("files_delete", at("file")).await.unwrap();
    assert!(std::fs::read_dir(&ground.root).unwrap().all(|entry| entry.unwrap().file_name() == ".mollyguard-trash"));
    assert_eq!(std::fs::read(ground.outside.join("precious")).unwrap(), b"outside");
}

#[tokio::test]
async fn links_inside_are_read_through_and_named_for_changes() {
    let ground = Ground::new();
    ground.file("releases/5/app.toml", "five");
    symlink("releases/5", ground.root.join("current")).unwrap();
    let read = ground.call("files_read", at("current/app.toml")).await.unwrap();
    assert_eq!((&read.output["path"], &read.output["content"]), (&json!("releases/5/app.toml"), &json!("five")));
    let error = ground.look("files_delete", at("current/app.toml")).await.unwrap_err();
    let ToolError::Untouched { next: Some(next), .. } = &error else { panic!("{error:?}") };
    assert!(next.contains("releases/5/app.toml"), "{next}");
}

#[tokio::test]
async fn a_link_into_the_trash_shows_nothing() {
    let ground = Ground::new();
    ground.file("secret", "gone");
    ground.call("files_delete", at("secret")).await.unwrap();
    let entry = ground.trash().remove(0);
    let item = Path::new(".mollyguard-trash").join(entry.file_name().unwrap()).join("item");
    symlink(item, ground.root.join("peek")).unwrap();
    symlink(".mollyguard-trash", ground.root.join("all")).unwrap();
    refused(&ground.call("files_read", at("peek")).await);
    refused(&ground.call("files_list", at("all")).await);
    let listed = ground.call("files_list", json!({ "target": "uploads", "depth": 5 })).await.unwrap();
    let paths: Vec<&str> =
        listed.output["entries"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["all", "peek"]);
}

#[tokio::test]
async fn a_link_put_in_place_after_the_look_is_not_followed() {
    for tool in CHANGING {
        let ground = Ground::new();
        ground.file("folder/precious", "inside");
        let args = args_for(tool, "folder/precious");
        let seen = ground.look(tool, args.clone()).await.unwrap();
        std::fs::rename(ground.root.join("folder"), ground.root.join("aside")).unwrap();
        symlink(&ground.outside, ground.root.join("folder")).unwrap();
        let before = ground.state().await;
        refused(&ground.run(tool, args, &seen).await);
        assert_eq!(before, ground.state().await, "{tool}");

        let args = args_for(tool, "aside");
        if tool != "files_write" {
            let seen = ground.look(tool, args.clone()).await.unwrap();
            std::fs::rename(ground.root.join("aside"), ground.root.join("further")).unwrap();
            symlink(&ground.outside, ground.root.join("aside")).unwrap();
            let before = ground.state().await;
            refused(&ground.run(tool, args, &seen).await);
            assert_eq!(before, ground.state().await, "{tool}");
        }
    }
}

#[tokio::test]
async fn a_folder_purged_takes_no_more_than_its_links() {
    let ground = Ground::new();
    ground.file("d/inner/file", "x");
    symlink(&ground.outside, ground.root.join("d/inner/out")).unwrap();
    symlink(ground.outside.join("precious"), ground.root.join("d/file")).unwrap();
    let done = ground.call("files_purge", at("d")).await.unwrap();
    assert_eq!((&done.output["files"], &done.output["folders"]), (&json!(3), &json!(2)));
    assert!(!ground.root.join("d").exists() && ground.trash().is_empty());
    assert_eq!(std::fs::read(ground.outside.join("precious")).unwrap(), b"outside");
}

#[tokio::test]
async fn a_fifo_is_never_waited_for() {
    let ground = Ground::new();
    let fifo = ground.file("d/other", "x").with_file_name("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let all = async {
        for tool in ["files_read", "files_write"] {
            assert!(refused(&ground.call(tool, args_for(tool, "d/fifo")).await).contains("regular"));
        }
        let listed = ground.call("files_list", at("d")).await.unwrap();
        assert_eq!(listed.output["entries"][0]["kind"], "special");
        let before = ground.state().await;
        for path in ["d/fifo", "d"] {
            let deleted = ground.call("files_delete", at(path)).await.unwrap();
            ground.undo(&deleted).await;
            assert_eq!(before, ground.state().await);
        }
        ground.call("files_purge", at("d")).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
}

/// A file that becomes a fifo between the look at it and its opening.
#[tokio::test]
async fn opening_a_fifo_does_not_wait_for_a_writer() {
    let ground = Ground::new();
    assert!(Command::new("mkfifo").arg(ground.root.join("fifo")).status().unwrap().success());
    let root = open(&ground);
    let place = place(&root, "fifo");
    let stat = place.stat().unwrap().unwrap();
    let opened = tokio::task::spawn_blocking(move || open_file(&place, stat).is_err());
    assert!(tokio::time::timeout(Duration::from_secs(5), opened).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_change_waits_for_the_one_before_it() {
    let mut ground = Ground::new();
    ground.file("a", "x");
    let before = ground.state().await;
    let root = open(&ground);
    let held = trash::lock(&root).unwrap();
    ground.limits.deadline = Duration::from_millis(200);
    for tool in CHANGING {
        let error = ground.call(tool, args_for(tool, "a")).await.unwrap_err();
        assert!(matches!(error, ToolError::Untouched { cause: Cause::Unavailable, .. }), "{tool}: {error:?}");
    }
    assert_eq!(before, ground.state().await);
    drop(held);
    ground.call("files_delete", at("a")).await.unwrap();
}

/// The walk would go on for two minutes if hanging up did not end it.
#[tokio::test]
async fn a_look_ends_when_nobody_waits_for_it() {
    let mut ground = Ground::new();
    ground.file("d/a", "x");
    ground.limits.deadline = Duration::from_secs(120);
    let (lease, (walks, mut walking)) = (ground.lease(Access::Read), mpsc::unbounded_channel());
    let (ends, ended) = oneshot::channel();
    let mut ends = Some(ends);
    let look = tokio::spawn(async move {
        on_target::<Folders, _>(&lease, move |root| {
            loop {
                for path in ["d", "d/a"] {
                    if let Err(error) = survey(root, &place(root, path)) {
                        ends.take().unwrap().send(error).unwrap();
                        return Ok(());
                    }
                }
                let _ = walks.send(());
            }
        })
        .await
    });
    walking.recv().await.unwrap();
    look.abort();
    let error = tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap().unwrap();
    assert!(matches!(error, ToolError::Untouched { cause: Cause::Unavailable, .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_waits_for_a_lock_after_hanging_up() {
    let mut ground = Ground::new();
    ground.file("a", "x");
    ground.limits.deadline = Duration::from_secs(120);
    let first = open(&ground);
    let _held = trash::lock(&first).unwrap();
    let second = Site::of(&ground.lease(Access::Write)).unwrap().open(Arc::new(AtomicBool::new(true))).unwrap();
    let error = trash::lock(&second).unwrap_err();
    assert!(matches!(error, ToolError::Untouched { cause: Cause::Unavailable, .. }), "{error:?}");
}

#[tokio::test]
async fn a_trash_that_is_something_else_stops_every_change() {
    let ground = Ground::new();
    ground.file("a", "x");
    symlink(&ground.outside, ground.root.join(".mollyguard-trash")).unwrap();
    for tool in ["files_write", "files_delete", "files_purge"] {
        refused(&ground.call(tool, args_for(tool, "a")).await);
    }
    assert_eq!(std::fs::read(ground.root.join("a")).unwrap(), b"x");
    assert_eq!(std::fs::read_dir(&ground.outside).unwrap().count(), 1);
}

pub(super) fn open(ground: &Ground) -> Root {
    Site::of(&ground.lease(Access::Write)).unwrap().open(Arc::default()).unwrap()
}

pub(super) fn place(root: &Root, path: &str) -> Place {
    root.place(&Rel::parse(path).unwrap()).unwrap()
}

#[tokio::test]
async fn what_moved_but_was_not_looked_at_moves_back() {
    let ground = Ground::new();
    ground.file("d/a", "other than seen");
    let before = ground.state().await;
    let (root, wrong) = (open(&ground), Some(Digest::of_bytes(b"seen")));
    for path in ["d", "d/a"] {
        let result = swap(&root, &place(&root, path), &trash::fresh_id(), Held { here: wrong, kept: None });
        assert!(matches!(result, Err(ToolError::Untouched { cause: Cause::Changed, .. })), "{result:?}");
        assert_eq!(before, ground.state().await);
        assert!(ground.trash().is_empty());
    }
    let result = swap(&root, &place(&root, "d/b"), &trash::fresh_id(), Held { here: wrong, kept: None });
    assert!(matches!(result, Err(ToolError::Untouched { .. })) && ground.trash().is_empty());
}

fn moving(root: &Root, from: &str, to: &str) -> Way {
    let args = json!({ "from": from, "to": to });
    Way::find(root, &serde_json::from_value(args).unwrap()).unwrap()
}

/// A rename of several steps whose last step, and the taking back of the first, are not permitted.
#[tokio::test]
async fn a_move_that_stopped_half_way_is_uncertain() {
    let ground = Ground::new();
    ground.file("a", "x");
    let root = open(&ground);
    let half: Rename = |from, old, to, new| {
        from.hard_link(old, to, new)?;
        Err(io::ErrorKind::PermissionDenied.into())
    };
    let result = carry(&root, &moving(&root, "a", "b"), half);
    assert!(matches!(&result, Err(ToolError::Uncertain { reason }) if reason.contains("half way")), "{result:?}");
    let not_at_all: Rename = |_, _, _, _| Err(io::ErrorKind::PermissionDenied.into());
    let result = carry(&root, &moving(&root, "a", "c"), not_at_all);
    assert!(matches!(result, Err(ToolError::Untouched { cause: Cause::Failed, .. })), "{result:?}");
}

/// What cannot be opened as a folder cannot be synced as one.
#[tokio::test]
async fn a_move_that_may_not_last_is_uncertain() {
    let ground = Ground::new();
    ground.file("a", "x");
    let root = open(&ground);
    let mut way = moving(&root, "a", "b");
    way.from.dir = Dir::from_std_file(std::fs::File::open(ground.root.join("a")).unwrap());
    let within: Rename = |_, old, to, new| to.rename(old, to, new);
    let result = carry(&root, &way, within);
    assert!(matches!(&result, Err(ToolError::Uncertain { reason }) if reason.contains("power cut")), "{result:?}");
    assert!(!ground.root.join("a").exists() && ground.root.join("b").exists());
}

#[tokio::test]
async fn names_cannot_forge_the_question() {
    let ground = Ground::new();
    let name = "x\n (0 files)\u{202e}\u{1b}[2J\" and nothing else";
    ground.file(&format!("{name}/a\r{name}"), "1");
    for tool in CHANGING {
        let path = if tool == "files_write" { format!("{name}/new") } else { name.to_owned() };
        let seen = ground.look(tool, args_for(tool, &path)).await.unwrap();
        let text = format!("{}{}", seen.summary, facts(&seen).replace('\n', " "));
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
        assert_eq!(seen.targets[0].path, format!("uploads/{path}"));
    }
    let error = ground.look("files_read", at(name)).await.unwrap_err();
    assert!(!error.to_string().contains('\n'));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn names_that_are_not_utf8_are_listed_and_survive() {
    let ground = Ground::new();
    let odd = ground.root.join("d").join(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    ground.file("d/a", "1");
    std::fs::write(&odd, "odd").unwrap();
    let listed = ground.call("files_list", at("d")).await.unwrap();
    let entry = &listed.output["entries"][1];
    assert_eq!((&entry["name_bytes"], &entry["path"]), (&json!("fffe"), &json!("d/\u{fffd}\u{fffd}")));
    refused(&ground.call("files_delete", at("d/\u{fffd}\u{fffd}")).await);
    let before = ground.state().await;
    let deleted = ground.call("files_delete", at("d")).await.unwrap();
    ground.undo(&deleted).await;
    assert_eq!(before, ground.state().await);
}

#[tokio::test]
async fn a_hard_link_is_said_to_live_on() {
    let ground = Ground::new();
    let file = ground.file("a", "shared");
    std::fs::hard_link(&file, ground.outside.join("same")).unwrap();
    for tool in ["files_delete", "files_purge"] {
        let seen = ground.look(tool, at("a")).await.unwrap();
        let fact = seen.evidence.iter().find(|evidence| evidence.about == About::Dependents).unwrap();
        assert!(fact.what.contains("lives on"), "{}", fact.what);
    }
    ground.call("files_purge", at("a")).await.unwrap();
    assert_eq!(std::fs::read(ground.outside.join("same")).unwrap(), b"shared");
}
