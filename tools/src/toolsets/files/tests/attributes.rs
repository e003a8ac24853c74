//! Access lists and other attributes of files that are written.

use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};

use super::*;

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// An access list as the system keeps it: for the owner, one more user, the group, the mask and all others.
fn list(user: u32, mask: u16) -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, user), (4, 0, u32::MAX), (16, mask, u32::MAX), (32, 0, u32::MAX)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Everything a file has beside its content.
fn beside(path: &Path) -> (u32, BTreeMap<String, Vec<u8>>) {
    let mut buffer = vec![0; 64 << 10];
    let listed = llistxattr(path, &mut buffer[..]).unwrap();
    let names = String::from_utf8(buffer[..listed].to_vec()).unwrap();
    let value = |name: &str| {
        let mut buffer = vec![0; 64 << 10];
        let read = lgetxattr(path, name, &mut buffer[..]).unwrap();
        (name.to_owned(), buffer[..read].to_vec())
    };
    let all = names.split('\0').filter(|name| !name.is_empty()).map(value).collect();
    (path.metadata().unwrap().permissions().mode(), all)
}

fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    // Not every file system of a machine that builds this has them.
    lsetxattr(path, name, value, XattrFlags::empty()).is_ok()
}

#[tokio::test]
async fn what_a_file_has_beside_its_content_stays_and_comes_back() {
    let ground = Ground::new();
    // The folder would give what is made in it a list of its own.
    std::fs::create_dir(ground.root.join("d")).unwrap();
    let has_lists = set(&ground.root.join("d"), DEFAULT, &list(1_234, 6));
    let cases: [&[(&str, Vec<u8>)]; 5] = [
        &[],
        &[("user.origin", b"https://a.example".to_vec())],
        &[(ACCESS, list(1_000, 6))],
        &[(ACCESS, list(1_000, 4)), ("user.empty", Vec::new()), ("user.long", vec![7; 2_000])],
        &[(ACCESS, list(1_234, 0))],
    ];
    for (number, attributes) in cases.into_iter().enumerate() {
        for folder in ["", "d/"] {
            let name = format!("{folder}f{number}");
            let path = ground.file(&name, "old");
            if has_lists {
                let _ = rustix::fs::lremovexattr(&path, ACCESS);
            }
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            for (name, value) in attributes {
                assert!(set(&path, name, value) || !has_lists, "{name}");
            }
            let before = beside(&path);
            let args = json!({ "target": "uploads", "path": name, "content": "new" });
            let outcome = ground.call("files_write", args).await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
            assert_eq!(beside(&path), before, "{name}");
            let undone = ground.undo(&outcome).await;
            assert_eq!((std::fs::read(&path).unwrap(), beside(&path)), (b"old".to_vec(), before.clone()), "{name}");
            // And the undo of the undo.
            ground.undo(&undone).await;
            assert_eq!((std::fs::read(&path).unwrap(), beside(&path)), (b"new".to_vec(), before), "{name}");
        }
    }
}
