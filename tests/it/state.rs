//! The state directory: closed to everybody else, refused when it is damaged, and where it cannot be written nothing runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use mollyguard_tests::{Era, Person, Result, World};
use serde_json::json;

use crate::behind::{calls, sound, store};
use crate::record::{copy, kept};

#[tokio::test]
async fn the_state_is_closed_to_everybody_else() -> Result {
    let mut world = kept().await?;
    let agent = world.stdio(Era::Modern, Person::declines()).await?;
    agent.call("list_calls", json!({})).await?.done();
    let mut folders = vec![world.state()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder)?.permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                seen += 1;
                assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600, "{}", path.display());
            }
        }
    }
    assert!(seen >= 5, "database, log, keys and locks, not {seen} files");
    agent.close().await?;

    for (path, mode) in [("", 0o770), ("", 0o707), ("mollyguard.db", 0o660), ("args.key", 0o640)] {
        copy(&world.path().join("older"), &world.path().join("edited"))?;
        world.set("gateway.state", "edited");
        let path = world.state().join(path);
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
        for command in [["serve"].as_slice(), &["calls", "list"]] {
            let printed = world.run(command).await?;
            assert_eq!(printed.code, Some(2), "{}: {}", path.display(), printed.stderr);
            let name = path.display().to_string();
            assert!(printed.stderr.contains(name.trim_end_matches('/')), "{}", printed.stderr);
            assert!(printed.stderr.contains(&format!("{mode:o}")), "{}", printed.stderr);
        }
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, mode, "it is left as it is");
    }
    Ok(())
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_left_as_it_is() -> Result {
    let mut world = kept().await?;
    // What a process left in its log is brought into the file, where it is damaged.
    let older = world.path().join("older/mollyguard.db");
    rusqlite::Connection::open(&older)?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let whole = fs::read(older)?;
    let mut broken = whole.clone();
    broken.iter_mut().skip(100).for_each(|byte| *byte ^= 0x5a);
    let half = whole.get(..whole.len() / 2 + 77).unwrap_or_default().to_vec();
    let other = world.path().join("other.db");
    rusqlite::Connection::open(&other)?.execute_batch("CREATE TABLE somebody (elses TEXT)")?;
    for (name, bytes) in [
        ("text", b"not a database, but a letter\n".to_vec()),
        ("broken", broken),
        ("half", half),
        ("other", fs::read(&other)?),
    ] {
        copy(&world.path().join("older"), &world.path().join("edited"))?;
        world.set("gateway.state", "edited");
        let path = world.state().join("mollyguard.db");
        fs::write(&path, &bytes)?;
        // Else the log would be the database: it holds whole pages, and is read first.
        for log in ["mollyguard.db-wal", "mollyguard.db-shm"] {
            let log = world.state().join(log);
            if log.exists() {
                fs::remove_file(log)?;
            }
        }
        let printed = world.run(&["serve"]).await?;
        if name != "half" {
            assert_eq!(printed.code, Some(2), "{name}: {}", printed.stderr);
            assert!(printed.stderr.contains("mollyguard.db"), "{name}: {}", printed.stderr);
        }
        let verified = world.run(&["audit", "verify"]).await?;
        assert!(matches!(verified.code, Some(1 | 2)), "{name}: {}{}", verified.stdout, verified.stderr);
        assert!(fs::read(&path)? == bytes, "{name}: the damaged file is evidence, and stays as it is");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_place_to_write_nothing_runs() -> Result {
    let mut world = World::rental()?;
    // A file in its place, and a place below a file.
    fs::write(world.path().join("file"), "")?;
    for state in ["file", "file/state", "/proc/mollyguard-state"] {
        world.set("gateway.state", state);
        let printed = world.run(&["serve"]).await?;
        assert_eq!(printed.code, Some(2), "{}", printed.stderr);
        assert!(printed.stderr.contains("state directory"), "{}", printed.stderr);
    }
    // A store that another program keeps locked for longer than anybody waits.
    world.set("gateway.state", "state");
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    agent.call("list_calls", json!({})).await?.done();
    let before = world.dump("fleet_staging")?;
    let holder = store(&world.state())?;
    holder.execute_batch("BEGIN IMMEDIATE")?;
    let delete = json!({"target": "fleet_staging", "sql": "DELETE FROM bookings"});
    agent.call("sqlite_write", delete.clone()).await?.refused("unavailable");
    let read = agent.call("sqlite_query", json!({"target": "fleet", "sql": "SELECT 4711"})).await?;
    read.refused("unavailable");
    assert!(!read.raw().to_string().contains("[[4711]]"), "what was read is not handed out unrecorded: {}", read.raw());
    assert_eq!(world.dump("fleet_staging")?, before);
    holder.execute_batch("ROLLBACK")?;
    assert!(calls(&world)?.is_empty());
    agent.call("sqlite_write", delete).await?.done();
    assert_eq!(world.rows("fleet_staging", "bookings")?, 0);
    agent.close().await?;
    sound(&world).await
}

/// A tmpfs mounted for a test, and unmounted after it.
pub(crate) struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// `None` where the test may not mount.
    pub(crate) fn new(path: &'a Path, options: &str) -> Result<Option<Self>> {
        fs::create_dir_all(path)?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).output()?;
        Ok(mounted.status.success().then_some(Self(path)))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_or_read_only_disk_stops_changes_before_they_run() -> Result {
    let mut world = World::rental()?;
    let disk = world.path().join("disk");
    let Some(mounted) = Mounted::new(&disk, "size=1m,mode=0700")? else {
        eprintln!("skipped: no right to mount here");
        return Ok(());
    };
    world.set("gateway.state", "disk/state");
    // Some of a disk stays free otherwise, and changes stop before it is full.
    let delete = json!({"target": "fleet_staging", "sql": "DELETE FROM bookings"});
    let before = world.dump("fleet_staging")?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let refused = agent.call("sqlite_write", delete.clone()).await?;
    refused.refused("unavailable");
    assert!(refused.text().contains("stay free"), "{}", refused.text());
    assert_eq!(world.dump("fleet_staging")?, before);
    agent.close().await?;
    world.set("limits.free_bytes", 0);
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    agent.call("list_calls", json!({})).await?.done();
    let filler = disk.join("filler");
    let mut size = 1 << 20;
    let mut full = Vec::new();
    while size > 0 {
        full.resize(full.len() + size, 0_u8);
        if fs::write(&filler, &full).is_err() {
            full.truncate(full.len() - size);
            size /= 2;
        }
    }
    fs::write(&filler, &full)?;
    // What is free within the database's own pages is used up first.
    let mut refused = agent.call("sqlite_write", delete.clone()).await?;
    for _ in 0..40 {
        if !refused.is_done() {
            break;
        }
        agent.call("undo_call", json!({"call_id": refused.call_id()})).await?;
        refused = agent.call("sqlite_write", delete.clone()).await?;
    }
    refused.refused("unavailable");
    assert_eq!(world.dump("fleet_staging")?, before);
    fs::remove_file(&filler)?;
    agent.close().await?;

    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).output()?;
    if remounted.status.success() {
        let before = world.dump("fleet_staging")?;
        let printed = world.run(&["serve"]).await?;
        assert_eq!(printed.code, Some(2), "{}", printed.stderr);
        assert!(printed.stderr.contains("disk/state"), "{}", printed.stderr);
        assert_eq!(world.dump("fleet_staging")?, before);
    }
    drop(mounted);
    Ok(())
}
