//! What lies in the trash: since when, and that it goes to either an undo or a purge.

use std::fs::File;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{Ground, at, reason};
use crate::contract::{Access, Kept, Outcome, Timestamp, Toolset as _, now};
use crate::toolsets::files::Files;

const DAY: Duration = Duration::from_secs(86_400);

async fn kept(ground: &Ground) -> Vec<Kept> {
    Files::new().kept(&ground.lease(Access::Trial)).await.unwrap()
}

/// Has an entry say that it has kept its item for so many days.
fn set_back(ground: &Ground, kept: &Kept, days: u32) {
    let entry = ground.root.join(".mollyguard-trash").join(kept.args["trash_entry"].as_str().unwrap());
    let then = SystemTime::now() - DAY * days - Duration::from_secs(60);
    let mut about: serde_json::Value =
        serde_json::from_slice(&std::fs::read(entry.join("about.json")).unwrap()).unwrap();
    about["at"] = json!(Timestamp::try_from(then).unwrap());
    std::fs::write(entry.join("about.json"), about.to_string()).unwrap();
    File::open(entry).unwrap().set_modified(then).unwrap();
}

fn days(kept: &Kept) -> i64 {
    now().duration_since(kept.since).as_hours() / 24
}

#[tokio::test]
async fn it_is_told_oldest_first_with_its_size_and_how_to_purge_it() {
    let ground = Ground::new();
    assert_eq!(kept(&ground).await, []);
    ground.file("a", "12345");
    ground.file("b/c", "1234567");
    ground.file("b/d/e", "123");
    for path in ["a", "b"] {
        ground.call("files_delete", at(path)).await.unwrap();
    }
    let first = kept(&ground).await;
    set_back(&ground, &first[1], 3);
    let found = kept(&ground).await;
    let said: Vec<_> = found.iter().map(|kept| (days(kept), kept.bytes, kept.tool)).collect();
    assert_eq!(said, [(3, Some(10), "files_purge"), (0, Some(5), "files_purge")]);
    assert!(found[0].what.starts_with("`b`, in the trash as `"), "{}", found[0].what);
    for one in found {
        ground.call("files_purge", one.args).await.unwrap();
    }
    assert_eq!((kept(&ground).await, ground.trash().len()), (Vec::new(), 0));
}

#[tokio::test]
async fn what_does_not_say_since_when_is_not_told() {
    let ground = Ground::new();
    ground.file("a", "12345");
    ground.call("files_delete", at("a")).await.unwrap();
    std::fs::remove_file(ground.trash()[0].join("about.json")).unwrap();
    std::fs::create_dir(ground.root.join(".mollyguard-trash/somebody's")).unwrap();
    assert_eq!(kept(&ground).await, []);
}

/// An undo leaves in the entry what came after, and that has not been there for as long.
#[tokio::test]
async fn what_an_undo_puts_there_is_not_as_old_as_its_entry() {
    let ground = Ground::new();
    ground.file("a", "before");
    let written =
        ground.call("files_write", json!({ "target": "uploads", "path": "a", "content": "after" })).await.unwrap();
    set_back(&ground, &kept(&ground).await[0], 40);
    assert_eq!(days(&kept(&ground).await[0]), 40);
    ground.undo(&written).await;
    assert_eq!(days(&kept(&ground).await[0]), 0, "`after` has just come there");
}

#[tokio::test]
async fn a_purge_and_an_undo_of_one_entry_do_not_both_have_it() {
    for undo_first in [true, false] {
        let ground = Ground::new();
        let path = ground.file("a", "precious");
        let Outcome { undo: Some(plan), .. } = ground.call("files_delete", at("a")).await.unwrap() else {
            panic!("no undo")
        };
        let args = kept(&ground).await[0].args.clone();
        // Both have looked before either acts.
        let to_undo = ground.look(&plan.tool, plan.args.clone()).await.unwrap();
        let to_purge = ground.look("files_purge", args.clone()).await.unwrap();
        assert!(to_purge.destroys_recovery);
        if undo_first {
            ground.run(&plan.tool, plan.args, &to_undo).await.unwrap();
            ground.run("files_purge", args, &to_purge).await.unwrap_err();
            assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
        } else {
            ground.run("files_purge", args, &to_purge).await.unwrap();
            let error = ground.run(&plan.tool, plan.args, &to_undo).await.unwrap_err();
            assert!(reason(&error).contains("nothing can be brought back"), "{error}");
            assert!(!path.exists());
        }
        assert_eq!(ground.trash().len(), 0);
    }
}

/// An undo puts something else under the id of the same entry.
#[tokio::test]
async fn what_an_undo_exchanged_is_not_what_was_told_of() {
    let ground = Ground::new();
    ground.file("a", "old");
    let written =
        ground.call("files_write", json!({ "target": "uploads", "path": "a", "content": "new" })).await.unwrap();
    let is_kept = async |kept: &Kept| Files::new().is_kept(&ground.lease(Access::Trial), kept).await.unwrap();
    let found = kept(&ground).await;
    set_back(&ground, &found[0], 30);
    let [old] = kept(&ground).await.try_into().unwrap();
    assert!(is_kept(&old).await);
    let plan = written.undo.unwrap();
    let seen = ground.look(&plan.tool, plan.args.clone()).await.unwrap();
    ground.run(&plan.tool, plan.args, &seen).await.unwrap();
    let [new] = kept(&ground).await.try_into().unwrap();
    assert_eq!(new.args, old.args, "the same entry");
    assert!(!is_kept(&old).await && is_kept(&new).await);
    ground.call("files_purge", new.args.clone()).await.unwrap();
    assert!(!is_kept(&new).await, "what is gone");
}
