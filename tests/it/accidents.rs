//! Public accidents of agents, replayed: what the look finds, what the person is asked, that nothing ran without one, and
//! the reversible way that was offered. Only those that databases in files and folders can play.

use std::fs;
use std::path::Path;
use std::process::Command;

use mollyguard_tests::{Agent, Era, Person, Reply, Result, World};
use serde_json::json;

use crate::behind::{calls, tree};

/// The question the person was asked last.
#[track_caller]
fn question(agent: &Agent) -> String {
    agent.asked().last().map(|asked| asked.message.clone()).unwrap_or_default()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` should be in:\n{text}");
    }
}

/// The class the look found.
#[track_caller]
fn class(reply: &Reply, reversibility: &str) {
    assert_eq!(reply.about()["reversibility"], reversibility, "{}", reply.about());
}

/// A table with `staging` in its name, on the production database: 1,508 rows.
fn poc() -> Result<World> {
    let world = World::rental()?;
    world.sql(
        "fleet",
        "CREATE TABLE poc_staging (id INTEGER PRIMARY KEY, note TEXT);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1508)
         INSERT INTO poc_staging SELECT i, 'note ' || i FROM n",
    )?;
    Ok(world)
}

/// claude-code#21227: `DROP TABLE poc_staging` on the production server.
#[tokio::test]
async fn a_table_whose_name_says_staging_is_productions() -> Result {
    for era in Era::BOTH {
        let world = poc()?;
        let before = world.dump("fleet")?;
        let agent = world.stdio(era, Person::declines()).await?;
        let sql = json!({"target": "fleet", "sql": "DROP TABLE poc_staging"});
        for tool in ["sqlite_write", "sqlite_query"] {
            let refused = agent.call(tool, sql.clone()).await?;
            refused.refused("untouched");
            says(&refused.text(), &["sqlite_drop_table"]);
        }
        let table = json!({"target": "fleet", "table": "poc_staging"});
        let purge = agent.call("sqlite_purge_table", table.clone()).await?;
        purge.refused("confirmation_declined");
        class(&purge, "irreversible");
        says(&question(&agent), &["poc_staging", "production", "1,508", "sqlite_drop_table", "NONE"]);
        assert_eq!(world.dump("fleet")?, before);

        // The reversible way asks for less, and comes back.
        let drop = agent.call("sqlite_drop_table", table.clone()).await?;
        drop.refused("confirmation_declined");
        class(&drop, "reversible");
        says(&question(&agent), &["production", "1,508"]);
        assert_eq!(world.dump("fleet")?, before);
        agent.close().await?;

        let agent = world.stdio(era, Person::types("approve")).await?;
        let drop = agent.call("sqlite_drop_table", table).await?;
        drop.done();
        assert!(world.rows("fleet", "poc_staging").is_err());
        agent.call("undo_call", json!({"call_id": drop.call_id()})).await?.done();
        assert_eq!(world.dump("fleet")?, before);
        agent.close().await?;
    }
    Ok(())
}

/// claude-code#45463: `dropdb`. The nearest to it that a database in a file has is removing the file.
#[tokio::test]
async fn a_database_file_is_not_removed_without_a_person() -> Result {
    let world = World::rental()?;
    fs::copy(world.path().join("fleet.db"), world.path().join("uploads/fleet.db"))?;
    let before = tree(&world.path().join("uploads"))?;
    let size = fs::metadata(world.path().join("uploads/fleet.db"))?.len();
    let agent = world.stdio(Era::Legacy, Person::declines()).await?;
    let purge = agent.call("files_purge", json!({"target": "uploads", "path": "fleet.db"})).await?;
    purge.refused("confirmation_declined");
    class(&purge, "irreversible");
    assert_eq!(purge.about()["blast_radius"]["bytes"], size);
    says(&question(&agent), &["fleet.db", "production", "files_delete", "NONE"]);
    agent.call("sqlite_write", json!({"target": "fleet", "sql": "DROP DATABASE fleet"})).await?.refused("untouched");
    assert_eq!(tree(&world.path().join("uploads"))?, before);
    assert!(calls(&world)?.is_empty());
    Ok(())
}

/// PocketOS: the volume holds its own backups, so removing it removes those.
#[tokio::test]
async fn a_folder_with_its_backups_inside_is_not_purged_on_one_word() -> Result {
    let mut world = World::rental()?;
    let files =
        [("volume/contract.txt", "a"), ("volume/backups/monday.dump", "b"), ("volume/backups/friday.dump", "c")];
    for (name, environment) in [("vol_production", "production"), ("vol_staging", "staging")] {
        world.folder(name, environment, &files)?;
        world.set(&format!("targets.{name}.backups"), vec!["**/backups/**"]);
    }
    for (target, expected) in [("vol_production", "denied"), ("vol_staging", "confirmation_declined")] {
        let before = tree(&world.path().join(target))?;
        let agent = world.stdio(Era::Modern, Person::declines()).await?;
        let reply = agent.call("files_purge", json!({"target": target, "path": "volume"})).await?;
        reply.refused(expected);
        class(&reply, "irreversible");
        let facts = reply.about().to_string();
        says(&facts, &["backup", "newest"]);
        if expected == "denied" {
            assert_eq!(reply.structured()["alternative"]["tool"], "files_delete", "{}", reply.raw());
            reply.because("destroying-recovery-in-production-is-refused");
            assert!(agent.asked().is_empty());
        } else {
            says(&question(&agent), &["backup", "staging", "files_delete"]);
        }
        assert_eq!(tree(&world.path().join(target))?, before);
        agent.close().await?;
    }
    assert!(calls(&world)?.is_empty());
    Ok(())
}

/// The Amazon Q prompt: `rm --recursive`.
#[tokio::test]
async fn a_recursive_removal_is_counted_and_asked() -> Result {
    let world = World::rental()?;
    for n in 0..60 {
        let folder = world.path().join(format!("uploads/photos/{}", n % 6));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{n}.jpg")), vec![b'j'; 1_000])?;
    }
    let before = tree(&world.path().join("uploads"))?;
    let agent = world.stdio(Era::Legacy, Person::declines()).await?;
    let purge = agent.call("files_purge", json!({"target": "uploads", "path": "photos"})).await?;
    purge.refused("confirmation_declined");
    class(&purge, "irreversible");
    assert_eq!(purge.about()["blast_radius"]["bytes"], 60_000, "{}", purge.about());
    says(&question(&agent), &["60 files", "photos", "production", "files_delete"]);
    // The whole root is nobody's to remove, whatever it is called.
    for path in ["", ".", "/", "./", "photos/.."] {
        for tool in ["files_purge", "files_delete"] {
            let reply = agent.call(tool, json!({"target": "uploads", "path": path})).await?;
            assert!(!reply.is_done() && reply.structured()["changed"] == false, "{tool} `{path}`: {}", reply.text());
        }
    }
    assert_eq!(agent.asked().len(), 1);
    assert_eq!(tree(&world.path().join("uploads"))?, before);
    assert!(calls(&world)?.is_empty());
    Ok(())
}

/// A file system mounted for a test.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// claude-code#36640: `rm -rf` over a folder with a live mount inside.
#[tokio::test]
async fn a_removal_stops_before_a_mount() -> Result {
    let world = World::rental()?;
    let nas = world.path().join("scratch/old/nas");
    fs::create_dir_all(&nas)?;
    let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&nas).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no right to mount here");
        return Ok(());
    }
    let _mount = Mount(&nas);
    fs::write(nas.join("precious.txt"), "the only copy")?;
    let before = tree(&world.path().join("scratch"))?;
    let agent = world.stdio(Era::Modern, Person::types("old")).await?;
    for path in ["old", "old/nas", "old/nas/precious.txt"] {
        for tool in ["files_purge", "files_delete"] {
            let reply = agent.call(tool, json!({"target": "scratch", "path": path})).await?;
            reply.refused("untouched");
            says(&reply.text(), &["mount"]);
        }
    }
    assert!(agent.asked().is_empty());
    assert_eq!(tree(&world.path().join("scratch"))?, before);
    assert!(calls(&world)?.is_empty());
    Ok(())
}

/// Anthropic's reference Postgres server, pgAdmin CVE-2026-12045: more than one statement, sent as a read.
#[tokio::test]
async fn what_only_looks_like_a_read_never_reaches_the_database() -> Result {
    let world = World::rental()?;
    let before = world.dump("fleet")?;
    let agent = world.stdio(Era::Modern, Person::types("approve")).await?;
    let tricks = [
        "COMMIT; DROP TABLE bookings",
        "COMMIT; DROP SCHEMA public CASCADE;",
        "SELECT 1; DELETE FROM bookings",
        "SELECT 1 /* */; DROP TABLE bookings --",
        "WITH x AS (SELECT 1) DELETE FROM bookings",
        "EXPLAIN SELECT 1; DROP TABLE bookings",
        "PRAGMA writable_schema = ON",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'copy.db'",
        "BEGIN",
        "SELECT load_extension('x')",
        "SELECT writefile('x', 'y')",
        "CREATE TABLE x AS SELECT * FROM bookings",
        "DELETE FROM bookings RETURNING *",
    ];
    for sql in tricks {
        let reply = agent.call("sqlite_query", json!({"target": "fleet", "sql": sql})).await?;
        reply.refused("untouched");
        assert_eq!(world.dump("fleet")?, before, "{sql}");
    }
    for sql in
        ["COMMIT; DROP TABLE bookings", "DELETE FROM bookings; DELETE FROM vehicles", "PRAGMA foreign_keys = OFF"]
    {
        agent.call("sqlite_write", json!({"target": "fleet_dev", "sql": sql})).await?.refused("untouched");
    }
    assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
    assert!(agent.asked().is_empty());
    assert!(!world.path().join("other.db").exists() && !world.path().join("copy.db").exists());
    assert!(calls(&world)?.is_empty());
    Ok(())
}

/// SaaStr: a change of the schema, during a freeze that the instructions spoke of and the policies keep.
#[tokio::test]
async fn a_freeze_is_kept_by_policy_and_not_by_the_prompt() -> Result {
    let mut world = World::rental()?;
    fs::create_dir(world.path().join("policies"))?;
    let freeze = "@id(\"code-freeze\")\n@reason(\"Production is frozen.\")\nforbid (principal, action, resource)\n\
                  when { context.call.tier == \"production\" && context.call.reversibility != \"read_only\" };\n";
    fs::write(world.path().join("policies/freeze.cedar"), freeze)?;
    world.own_policies("policies");
    let before = world.dump("fleet")?;
    let agent = world.stdio(Era::Legacy, Person::types("bookings")).await?;
    for tool in ["sqlite_drop_table", "sqlite_purge_table"] {
        let reply = agent.call(tool, json!({"target": "fleet", "table": "bookings"})).await?;
        reply.refused("denied").because("code-freeze");
    }
    assert!(agent.asked().is_empty());
    assert_eq!(world.dump("fleet")?, before);
    Ok(())
}
