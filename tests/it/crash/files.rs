//! The calls on folders that are cut off.

use std::fs;
use std::path::Path;

use mollyguard_tests::{Result, World};
use serde_json::json;

use super::matrix::{Case, at_the_rental, table};

const RENAME: &[(&str, &[&str])] = &[("files_rename", &["kill", "fail"]), ("files_renamed", &["kill"])];
const STAGE: &[(&str, &[&str])] =
    &[("files_staged", &["kill"]), ("files_rename", &["kill", "fail"]), ("files_renamed", &["kill"])];
const REMOVE: &[(&str, &[&str])] =
    &[("files_rename", &["kill", "fail"]), ("files_renamed", &["kill"]), ("files_remove", &["kill"])];

/// Paths and contents, but for the trash.
fn state(world: &World) -> Result<String> {
    fn walk(root: &Path, folder: &Path, lines: &mut Vec<String>) -> Result {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(root)?.display().to_string();
            if path.is_dir() && name != ".mollyguard-trash" {
                lines.push(format!("{name}/"));
                walk(root, &path, lines)?;
            } else if path.is_file() {
                lines.push(format!("{name}: {:?}", fs::read_to_string(&path)?));
            }
        }
        Ok(())
    }
    let (root, mut lines) = (world.path().join("scratch"), Vec::new());
    walk(&root, &root, &mut lines)?;
    lines.sort();
    Ok(lines.join("\n"))
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name, tool, args, undo, places| Case {
        name,
        tool,
        args,
        ground: at_the_rental,
        types: "licence-4711.txt",
        undo,
        state,
        places,
        only: None,
    };
    let licence = json!({"target": "scratch", "path": "licence-4711.txt"});
    let new = json!({"target": "scratch", "path": "new.txt", "content": "new"});
    let over = json!({"target": "scratch", "path": "licence-4711.txt", "content": "of Grace"});
    let shift = json!({"target": "scratch", "from": "damage", "to": "damages"});
    let folder = json!({"target": "scratch", "path": "damage"});
    vec![
        case("files_read", "files_read", licence.clone(), false, &[]),
        case("files_write, a new file", "files_write", new.clone(), false, STAGE),
        case("files_write, over a file", "files_write", over.clone(), false, STAGE),
        case("files_move", "files_move", shift.clone(), false, RENAME),
        case("files_delete", "files_delete", folder.clone(), false, RENAME),
        case("files_purge", "files_purge", licence, false, REMOVE),
        case("undo of a new file", "files_write", new, true, RENAME),
        case("undo of an overwriting", "files_write", over, true, RENAME),
        case("undo of files_move", "files_move", shift, true, RENAME),
        case("undo of files_delete", "files_delete", folder, true, RENAME),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_a_call_on_a_folder_is_cut_off_nothing_is_lost() -> Result {
    table("files", cases()).await
}
