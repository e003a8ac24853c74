//! One effect, however a path or a content is spelled; and another one for another thing.

use super::*;

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
