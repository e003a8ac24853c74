//! The laws over generated trees and calls.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::*;
use crate::contract::{Cause, Reversibility};
use crate::laws::{self, Ended};

const NAMES: [&str; 12] =
    ["a", "b", "sub", "backups", "my file", "büro", "-rf", "x\ny", "\u{202e}gnp.exe", ".hidden", "db.dump", "日本"];

#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>, u32),
    Folder(u32),
    LinkInside(String),
    LinkOutside,
    Dangling,
    HardLink,
}

#[derive(Clone, Debug)]
struct Tree(Vec<(String, Node)>);

fn path() -> impl Strategy<Value = String> {
    vec(select(NAMES.to_vec()), 1..4).prop_map(|names| names.join("/"))
}

fn node() -> impl Strategy<Value = Node> {
    let content = prop_oneof![vec(any::<u8>(), 0..200), "[a-z\n]{0,80}".prop_map(String::into_bytes)];
    let mode = select(vec![0o644, 0o600, 0o755, 0o444, 0o640, 0o666]);
    prop_oneof![
        6 => (content, mode).prop_map(|(content, mode)| Node::File(content, mode)),
        3 => select(vec![0o755, 0o700, 0o775]).prop_map(Node::Folder),
        1 => path().prop_map(Node::LinkInside),
        1 => Just(Node::LinkOutside),
        1 => Just(Node::Dangling),
        1 => Just(Node::HardLink),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    vec((path(), node()), 0..14).prop_map(Tree)
}

/// A path to call with: mostly one that is there.
fn aim() -> impl Strategy<Value = (Option<Index>, String)> {
    let known = prop_oneof![8 => any::<Index>().prop_map(Some), 2 => Just(None)];
    (known, path())
}

impl Tree {
    fn grow(&self) -> (Ground, Vec<String>) {
        let mut ground = Ground::new();
        // Small, so that some prior content fits and some does not.
        ground.limits.undo_bytes = 100;
        let mut there = Vec::new();
        for (path, node) in &self.0 {
            let full = ground.root.join(path);
            // A node whose way is barred by another one is left out; what lies outside is not for the tree to change.
            let free = full.symlink_metadata().is_err();
            let inside = |made: &Path| made.canonicalize().is_ok_and(|real| real.starts_with(&ground.root));
            let parent = full.parent().unwrap();
            if !free || std::fs::create_dir_all(parent).is_err() || !inside(parent) {
                continue;
            }
            match node {
                Node::File(content, mode) => {
                    std::fs::write(&full, content).unwrap();
                    std::fs::set_permissions(&full, std::fs::Permissions::from_mode(*mode)).unwrap();
                }
                Node::Folder(mode) => {
                    std::fs::create_dir(&full).unwrap();
                    std::fs::set_permissions(&full, std::fs::Permissions::from_mode(*mode)).unwrap();
                }
                Node::LinkInside(to) => symlink(ground.root.join(to), &full).unwrap(),
                Node::LinkOutside => symlink(&ground.outside, &full).unwrap(),
                Node::Dangling => symlink("nowhere/at all", &full).unwrap(),
                Node::HardLink => match there.iter().find(|path| ground.root.join(path).is_file()) {
                    Some(other) => std::fs::hard_link(ground.root.join(other), &full).unwrap(),
                    None => continue,
                },
            }
            let mut known = path.as_str();
            while !there.iter().any(|path| path == known) {
                there.push(known.to_owned());
                known = known.rsplit_once('/').map_or(known, |(parent, _)| parent);
            }
        }
        (ground, there)
    }
}

fn aimed((known, path): &(Option<Index>, String), there: &[String]) -> String {
    match known {
        Some(index) if !there.is_empty() => index.get(there).clone(),
        _ => path.clone(),
    }
}

/// The paths nothing lies below: mostly files.
fn leaves(there: &[String]) -> Vec<String> {
    let leaf = |path: &&String| !there.iter().any(|other| other.starts_with(&format!("{path}/")));
    there.iter().filter(leaf).cloned().collect()
}

/// What became of the generated calls.
#[derive(Default)]
struct Share {
    ran: AtomicU32,
    moved: AtomicU32,
    reversible: AtomicU32,
    all: AtomicU32,
}

impl Share {
    fn note(&self, ended: &Ended) {
        self.all.fetch_add(1, Relaxed);
        if let Ended::Done { class, .. } = ended {
            self.ran.fetch_add(1, Relaxed);
            self.reversible.fetch_add(u32::from(*class == Reversibility::Reversible), Relaxed);
        }
    }

    fn at_least(&self, percent: u32) {
        let (ran, all) = (self.ran.load(Relaxed), self.all.load(Relaxed));
        assert!(ran * 100 >= all * percent, "only {ran} of {all} calls ran");
    }
}

/// Runs the laws that apply to every tool on generated trees and arguments.
fn check<S: Strategy>(tool: &str, percent: u32, calls: S, args: impl Fn(&S::Value, &[String]) -> Value) -> Share {
    let (share, runtime) = (Share::default(), tokio::runtime::Builder::new_current_thread().build().unwrap());
    let config = Config { cases: 96, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let (toolset, mutates) = (Files::new(), find(tool).declaration().mutates());
    let result = TestRunner::new(config).run(&(tree(), calls), |(tree, call)| {
        runtime
            .block_on(async {
                let args = args(&call, &tree.grow().1);
                let (ended, moved) = laws::all(|| tree.grow().0, &toolset, tool, &args).await?;
                share.note(&ended);
                share.moved.fetch_add(u32::from(moved), Relaxed);
                Ok::<(), String>(())
            })
            .map_err(TestCaseError::fail)
    });
    if let Err(broken) = result {
        panic!("{broken}");
    }
    share.at_least(percent);
    let (ran, moved) = (share.ran.load(Relaxed), share.moved.load(Relaxed));
    assert!(!mutates || moved * 10 >= ran * 7, "only {moved} of {ran} calls were tried on a moved state");
    share
}

laws::suite! {
    Files::new();
    lists: ["files_list"] => listing_obeys;
    reads: ["files_read"] => reading_obeys;
    writes: ["files_write"] => writing_obeys;
    moves: ["files_move"] => moving_obeys;
    deletes: ["files_delete"] => deleting_obeys;
    purges: ["files_purge"] => purging_obeys;
    purges_trash: ["files_purge"] => purging_a_trash_entry_obeys;
    restores: ["files_restore"] => restoring_obeys_after_every_change;
}

fn listing_obeys() {
    check(
        "files_list",
        30,
        (aim(), 1_u32..5, 1_u64..40),
        |(aim, depth, limit), there| json!({ "target": "uploads", "path": aimed(aim, there), "depth": depth, "limit": limit }),
    );
}

fn reading_obeys() {
    check(
        "files_read",
        25,
        (aim(), 0_u64..150, 1_u64..150),
        |(aim, offset, limit), there| json!({ "target": "uploads", "path": aimed(aim, &leaves(there)), "offset": offset, "limit": limit }),
    );
}

fn writing_obeys() {
    let calls = (aim(), ".{0,60}", any::<bool>());
    let share = check("files_write", 30, calls, |(aim, content, create_parents), there| {
        json!({
            "target": "uploads", "path": aimed(aim, &leaves(there)), "content": content, "create_parents": create_parents,
        })
    });
    assert!(share.reversible.load(Relaxed) > 0 && share.reversible.load(Relaxed) < share.ran.load(Relaxed));
}

fn moving_obeys() {
    check("files_move", 25, (aim(), aim()), |(from, to), there| {
        // Mostly a fresh name in a folder that is there.
        let to = match (&to.0, aimed(to, there)) {
            (Some(_), near) => {
                near.rsplit_once('/').map_or_else(|| "moved".into(), |(folder, _)| format!("{folder}/new"))
            }
            (None, path) => path,
        };
        json!({ "target": "uploads", "from": aimed(from, there), "to": to })
    });
}

fn deleting_obeys() {
    check("files_delete", 60, aim(), |aim, there| at(&aimed(aim, there)));
}

fn purging_obeys() {
    let share = check("files_purge", 60, aim(), |aim, there| at(&aimed(aim, there)));
    assert_eq!(share.reversible.load(Relaxed), 0);
}

fn restoring_obeys_after_every_change() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let (toolset, share) = (Files::new(), Share::default());
    let result = TestRunner::new(config).run(&(tree(), aim(), any::<bool>()), |(tree, aim, write)| {
        runtime
            .block_on(async {
                let (world, there) = tree.grow();
                let mut args = at(&aimed(&aim, &there));
                let tool = if write { "files_write" } else { "files_delete" };
                if write {
                    (args["content"], args["create_parents"]) = ("new".into(), true.into());
                }
                let Ok(Outcome { undo: Some(plan), .. }) = world.call(tool, args).await else { return Ok(()) };
                laws::needs_a_write_lease(&world, &toolset, &plan.tool, &plan.args).await?;
                share.note(&laws::obeys(&world, &toolset, &plan.tool, &plan.args).await?);
                let moved = laws::refuses_when_moved(&world, &toolset, &plan.tool, &plan.args).await?;
                if moved { Ok(()) } else { Err("an undo was not refused on a moved state".to_owned()) }
            })
            .map_err(TestCaseError::fail)
    });
    if let Err(broken) = result {
        panic!("{broken}");
    }
    assert!(share.ran.load(Relaxed) > 15);
    share.at_least(100);
}

fn purging_a_trash_entry_obeys() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let (toolset, share) = (Files::new(), Share::default());
    let result = TestRunner::new(config).run(&(tree(), aim()), |(tree, aim)| {
        runtime
            .block_on(async {
                let (world, there) = tree.grow();
                let Ok(deleted) = world.call("files_delete", at(&aimed(&aim, &there))).await else { return Ok(()) };
                let args = json!({ "target": "uploads", "trash_entry": deleted.output["trash_entry"] });
                laws::needs_a_write_lease(&world, &toolset, "files_purge", &args).await?;
                share.note(&laws::obeys(&world, &toolset, "files_purge", &args).await?);
                let plan = deleted.undo.ok_or("no plan")?;
                match world.look(&plan.tool, plan.args).await {
                    Err(ToolError::Untouched { cause: Cause::NotFound, .. }) if world.trash().is_empty() => Ok(()),
                    other => Err(format!("what is purged can still be undone: {other:?}")),
                }
            })
            .map_err(TestCaseError::fail)
    });
    if let Err(broken) = result {
        panic!("{broken}");
    }
    assert!(share.ran.load(Relaxed) > 10);
    share.at_least(100);
}
