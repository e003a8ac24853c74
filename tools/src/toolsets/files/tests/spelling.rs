//! One effect, however a path or a content is spelled; and another one for another thing.

use super::*;
use crate::laws::a_no_holds;

async fn effect(ground: &Ground, tool: &str, args: Value) -> Value {
    let seen = ground.look(tool, args.clone()).await.unwrap_or_else(|error| panic!("{tool} {args}: {error}"));
    find(tool).effect(&args, &seen)
}

/// Ways to write one path.
fn spellings(path: &str) -> Vec<String> {
    let slashes = path.replace('/', "//");
    let dots = path.replace('/', "/./");
    [
        path.to_owned(),
        format!("./{path}"),
        format!("././{path}"),
        format!("{path}/"),
        format!("{path}//"),
        format!("{path}/."),
        slashes,
        dots,
    ]
    .into()
}

#[tokio::test]
async fn a_path_is_one_thing_however_it_is_spelled_and_whatever_becomes_of_it() {
    let ground = Ground::new();
    for path in ["x", "a/b", "a/folder"] {
        ground.file("a/folder/inside", "1");
        ground.file("a/b", "1");
        ground.file("x", "1");
        for tool in ["files_delete", "files_purge"] {
            let first = effect(&ground, tool, at(path)).await;
            for (n, spelling) in spellings(path).into_iter().enumerate() {
                // Whoever changes what is in it does not make it another thing.
                let inside = if path == "a/folder" { "a/folder/inside" } else { path };
                std::fs::write(ground.root.join(inside), "2".repeat(n)).unwrap();
                assert_eq!(effect(&ground, tool, at(&spelling)).await, first, "{tool} {spelling}");
            }
            for other in ["x", "a/b", "a/folder"].into_iter().filter(|other| *other != path) {
                assert_ne!(effect(&ground, tool, at(other)).await, first, "{tool} {other}");
            }
        }
        for (n, spelling) in spellings(path).into_iter().enumerate() {
            let to = |to: &str, from: &str| json!({ "target": "uploads", "from": from, "to": to });
            let first = effect(&ground, "files_move", to("new", path)).await;
            assert_eq!(effect(&ground, "files_move", to(&spellings("new")[n], &spelling)).await, first, "{spelling}");
            assert_ne!(effect(&ground, "files_move", to("newer", &spelling)).await, first, "{spelling}");
        }
    }
}

#[tokio::test]
async fn a_content_is_one_however_it_is_encoded() {
    let ground = Ground::new();
    ground.file("x", "old");
    for path in ["x", "new"] {
        let write = |path: &str, more: Value| {
            let mut args = json!({ "target": "uploads", "path": path, "content": "new\n" });
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            args
        };
        let first = effect(&ground, "files_write", write(path, json!({}))).await;
        for spelling in spellings(path) {
            for same in [
                json!({}),
                json!({ "encoding": "utf8" }),
                json!({ "encoding": "base64", "content": "bmV3Cg==" }),
                json!({ "create_parents": true }),
            ] {
                let args = write(&spelling, same);
                assert_eq!(effect(&ground, "files_write", args.clone()).await, first, "{args}");
            }
            let other = write(&spelling, json!({ "content": "newer" }));
            assert_ne!(effect(&ground, "files_write", other).await, first, "{spelling}");
        }
    }
}

/// A name that leads to the same file, as another letter case does where the file system ignores that.
#[tokio::test]
async fn another_name_of_the_same_file_is_the_same_file() {
    let ground = Ground::new();
    let file = ground.file("x", "1");
    std::fs::hard_link(&file, ground.root.join("X")).unwrap();
    ground.file("y", "1");
    for tool in ["files_delete", "files_purge"] {
        let first = effect(&ground, tool, at("x")).await;
        assert_eq!(effect(&ground, tool, at("X")).await, first);
        assert_ne!(effect(&ground, tool, at("y")).await, first);
    }
}

/// Something that somebody does to a file while nobody is asked.
fn change(path: &Path, n: usize) {
    let touch = |path: &Path| {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n as u64)).unwrap();
    };
    let away = path.with_extension("away");
    match n % 6 {
        0 => touch(path),
        1 => std::fs::write(path, format!("written {n}")).unwrap(),
        2 => {
            std::fs::rename(path, &away).unwrap();
            std::fs::rename(&away, path).unwrap();
        }
        // Another file of that name.
        3 => {
            std::fs::write(&away, format!("new {n}")).unwrap();
            std::fs::rename(&away, path).unwrap();
        }
        4 => std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600 + (n as u32 % 8))).unwrap(),
        // Too large for the journal, and small again with the next.
        _ => std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 30).unwrap(),
    }
}

#[tokio::test]
async fn a_no_holds_whatever_becomes_of_a_file_and_however_its_path_is_spelled() {
    for tool in ["files_delete", "files_purge", "files_move", "files_write"] {
        let ground = Ground::new();
        let file = ground.file("a/b", "1");
        let spellings: Vec<String> = spellings("a/b").into_iter().cycle().take(48).collect();
        let calls: Vec<Value> = spellings
            .iter()
            .enumerate()
            .map(|(n, path)| match tool {
                "files_move" => json!({ "target": "uploads", "from": path, "to": format!("to{n}") }),
                "files_write" => json!({ "target": "uploads", "path": path, "content": format!("content {n}") }),
                _ => at(path),
            })
            .collect();
        let looked = a_no_holds(&ground, &Files::new(), tool, &calls, |n| change(&file, n)).await.unwrap();
        assert!(looked * 2 > calls.len(), "{tool}: {looked} of {} could be looked at", calls.len());
    }
}

#[tokio::test]
async fn a_no_follows_a_file_that_is_moved_and_holds_for_no_other() {
    let ground = Ground::new();
    ground.file("x", "1");
    ground.file("y", "1");
    let aim = async |tool: &str, path: &str| {
        let seen = ground.look(tool, at(path)).await.unwrap();
        find(tool).aim(&at(path), &seen)
    };
    for tool in ["files_delete", "files_purge"] {
        let declined = aim(tool, "x").await;
        let holds = |other: Vec<Value>| other.iter().any(|one| declined.contains(one));
        assert!(!holds(aim(tool, "y").await), "{tool}");
        std::fs::rename(ground.root.join("x"), ground.root.join("z")).unwrap();
        assert!(holds(aim(tool, "z").await), "{tool}");
        ground.file("x", "another");
        assert!(holds(aim(tool, "x").await), "{tool}");
        std::fs::rename(ground.root.join("z"), ground.root.join("x")).unwrap();
    }
}
