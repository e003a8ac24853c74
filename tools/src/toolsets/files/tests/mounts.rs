//! Other file systems mounted inside the root: real mounts, where the tests may make them.

use std::ffi::OsStr;
use std::process::Command;

use super::attacks::{CHANGING, args_for, open, place, refused};
use super::*;
use crate::toolsets::files::model::trash;

/// Something mounted for a test, and unmounted after it.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` where mounting is not permitted, as for most users.
    fn new(args: &[&OsStr], at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let output = Command::new("mount").args(args).arg(at).output().ok()?;
        if !output.status.success() {
            eprintln!("skipped: mounting is not permitted here");
        }
        output.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn mounts_stay(ground: &Ground, mounted: &Mounted) {
    std::fs::write(mounted.0.join("live"), "on the other side").unwrap();
    let before = ground.state().await;
    let inside = mounted.0.join("live").strip_prefix(&ground.root).unwrap().to_str().unwrap().to_owned();
    let (point, folder) = (inside.strip_suffix("/live").unwrap(), inside.split('/').next().unwrap());
    for path in [folder, point, &inside] {
        for tool in CHANGING {
            if tool == "files_write" && path != inside {
                continue;
            }
            let result = ground.call(tool, args_for(tool, path)).await;
            let reason = refused(&result);
            assert!(reason.contains("mounted at") && reason.contains(point), "{tool} {path}: {reason}");
        }
    }
    assert_eq!(before, ground.state().await);
    let args = json!({ "target": "uploads", "path": folder, "depth": 9 });
    let listed = ground.call("files_list", args).await.unwrap();
    let entries = listed.output["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["path"] == point).unwrap();
    assert_eq!(entry["mount"], true);
    assert!(entries.iter().all(|entry| entry["path"] != inside.as_str()));
    assert_eq!(ground.call("files_read", at(&inside)).await.unwrap().output["content"], "on the other side");
    let report = Files::new().check(&ground.lease(Access::Read)).await.unwrap();
    assert!(report.warnings.iter().any(|warning| warning.contains(point)), "{report:?}");
    // Should a mount appear after everything was looked at, removing stops there.
    let root = open(ground);
    assert!(trash::remove(&place(&root, folder)).is_err());
    assert!(mounted.0.join("live").exists());
}

/// Incident 10: `rm -rf` over a folder that holds a live mount.
#[tokio::test]
async fn a_live_mount_inside_stops_every_change() {
    let mut ground = Ground::new();
    ground.file("data/nas-backup/note", "x");
    let args = ["-t", "tmpfs", "tmpfs"].map(OsStr::new);
    if let Some(mounted) = Mounted::new(&args, &ground.root.join("data/the nas/live")) {
        mounts_stay(&ground, &mounted).await;
        ground.limits.count = 1;
        let error = ground.look("files_delete", at("data")).await.unwrap_err();
        assert!(reason(&error).contains("the nas/live"), "{error}");
    }
}

/// A bind mount has its folder's device id.
#[tokio::test]
async fn a_bind_mount_of_the_same_file_system_is_seen_too() {
    let ground = Ground::new();
    let args = [OsStr::new("--bind"), ground.outside.as_os_str()];
    if let Some(mounted) = Mounted::new(&args, &ground.root.join("data/bound")) {
        mounts_stay(&ground, &mounted).await;
        assert!(ground.outside.join("precious").exists());
    }
}
