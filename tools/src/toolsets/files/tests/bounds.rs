//! What has no end, or no end in sight: read in bounded parts, counted up to a bound, removed in bounded steps.

use std::process::Command;

use super::attacks::{open, place, refused};
use super::*;
use crate::toolsets::files::model::trash;

/// A file that says it is this long and takes no room.
fn sparse(ground: &Ground, path: &str, bytes: u64) {
    let path = ground.file(path, "");
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn a_file_of_a_terabyte_is_read_in_parts_of_the_size_of_an_output() {
    let mut ground = Ground::new();
    ground.limits.output_bytes = 1 << 10;
    let whole = 1 << 40;
    sparse(&ground, "huge", whole);
    for (offset, limit) in [(0, None), (0, Some(u64::MAX)), (whole - 10, None), (whole, None), (u64::MAX / 2, None)] {
        let args = json!({ "target": "uploads", "path": "huge", "offset": offset, "limit": limit });
        let read = ground.call("files_read", args).await;
        let Ok(read) = read else { continue };
        let content = read.output["content"].as_str().unwrap();
        assert!(content.len() <= 1 << 10, "{offset}: {} bytes", content.len());
        assert_eq!((&read.output["sha256"], &read.output["bytes"]), (&json!(null), &json!(whole)));
        assert_eq!(read.output["truncated"], offset < whole - 10, "{offset}");
    }
    // Nor is it read to be overwritten or moved; what is not read is not kept, and said to be lost.
    let args = json!({ "target": "uploads", "path": "huge", "content": "small" });
    let seen = ground.look("files_write", args.clone()).await.unwrap();
    assert_eq!(seen.reversibility, crate::contract::Reversibility::Irreversible);
    let deleted = ground.call("files_delete", at("huge")).await.unwrap();
    ground.undo(&deleted).await;
    assert_eq!(ground.root.join("huge").metadata().unwrap().len(), whole);
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_opened() {
    let ground = Ground::new();
    fifo(&ground.root.join("fifo"));
    let _socket = std::os::unix::net::UnixListener::bind(ground.root.join("socket")).unwrap();
    symlink("fifo", ground.root.join("link")).unwrap();
    for name in ["fifo", "socket", "link"] {
        let error = ground.call("files_read", at(name)).await;
        assert!(refused(&error).contains("no regular file"), "{error:?}");
    }
    let listed = ground.call("files_list", json!({ "target": "uploads" })).await.unwrap();
    assert_eq!(listed.output["entries"].as_array().unwrap().len(), 3);
}

/// Folders in folders, each with as many names as may be counted: what is in memory of them at once is what was counted.
#[tokio::test]
async fn names_count_when_they_are_read() {
    let mut ground = Ground::new();
    for depth in 0..10 {
        let folder = ["0"; 10][..depth].join("/");
        for n in 1..10 {
            ground.file(&format!("tree/{folder}/{n}"), "x");
        }
    }
    ground.limits.count = 10;
    let seen = ground.look("files_delete", at("tree")).await.unwrap();
    assert!(seen.blast_radius.truncated);
    // The ten names of the first folder, one of them a folder that is not looked into any more.
    assert!(seen.summary.contains("at least 9 files"), "{}", seen.summary);
    let before = ground.state().await;
    let deleted = ground.call("files_delete", at("tree")).await.unwrap();
    ground.undo(&deleted).await;
    assert_eq!(before, ground.state().await);
    // With room for all of them, all are counted.
    ground.limits.count = 100;
    let seen = ground.look("files_delete", at("tree")).await.unwrap();
    assert!(!seen.blast_radius.truncated && seen.summary.contains("(90 files"), "{}", seen.summary);
}

#[tokio::test]
async fn a_listing_holds_no_more_names_than_a_few_times_what_it_lists() {
    let ground = Ground::new();
    for depth in 0..20 {
        let folder = ["0"; 20][..depth].join("/");
        for n in 1..10 {
            ground.file(&format!("tree/{folder}/{n}"), "x");
        }
    }
    for limit in [1, 5, 30, 100, 198, 199, 500] {
        let args = json!({ "target": "uploads", "path": "tree", "depth": 100, "limit": limit });
        let listed = ground.call("files_list", args).await.unwrap();
        let entries = listed.output["entries"].as_array().unwrap();
        // 19 folders and 180 files.
        assert_eq!(entries.len(), limit.min(199), "{limit}");
        assert_eq!(listed.output["truncated"], limit < 199, "{limit}");
        let paths: Vec<_> = entries.iter().map(|entry| entry["path"].as_str().unwrap()).collect();
        assert!(paths.is_sorted(), "{paths:?}");
    }
}

#[tokio::test]
async fn a_large_folder_goes_in_steps_and_wholly() {
    let ground = Ground::new();
    for n in 0..700 {
        ground.file(&format!("many/{n}"), "");
        ground.file(&format!("many/inner/{n}"), "");
    }
    let purged = ground.call("files_purge", at("many")).await.unwrap();
    assert_eq!((&purged.output["files"], &purged.output["folders"]), (&json!(1_400), &json!(2)));
    assert!(!ground.root.join("many").exists() && ground.trash().is_empty());
}

/// Deeper than a look goes, so it came after it: neither the stack nor the open files are used up on it.
#[tokio::test]
async fn what_came_to_lie_too_deep_is_not_removed() {
    let ground = Ground::new();
    ground.file(&format!("deep/{}/file", ["d"; 150].join("/")), "x");
    let root = open(&ground);
    let (gone, error) = trash::remove(&place(&root, "deep")).unwrap_err();
    assert_eq!(gone, 0, "{error}");
    assert!(error.to_string().contains("deeper"), "{error}");
    assert!(ground.root.join("deep").join(["d"; 150].join("/")).join("file").exists());
}

#[tokio::test]
async fn what_a_trash_entry_says_of_itself_is_not_waited_for_and_not_read_whole() {
    let ground = Ground::new();
    let spoil: [fn(&Path); 4] = [
        fifo,
        |path| std::fs::write(path, " ".repeat(1 << 20) + "{}").unwrap(),
        |path| symlink("../../precious", path).unwrap(),
        |path| std::fs::create_dir(path).unwrap(),
    ];
    for spoil in spoil {
        ground.file("a", "kept");
        ground.call("files_delete", at("a")).await.unwrap();
        let entry = ground.trash().pop().unwrap();
        let about = entry.join("about.json");
        std::fs::remove_file(&about).unwrap();
        spoil(&about);
        let id = entry.file_name().unwrap().to_str().unwrap();
        let args = json!({ "target": "uploads", "trash_entry": id });
        let seen = ground.look("files_purge", args).await.unwrap();
        assert!(seen.evidence.iter().any(|fact| fact.what.contains("does not say since when")), "{:?}", seen.evidence);
        std::fs::remove_dir_all(entry).unwrap();
    }
}
