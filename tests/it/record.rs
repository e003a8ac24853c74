//! The record: whatever is edited in it is found, and told where.

use std::fs;
use std::path::Path;
use std::process::Command;

use mollyguard_tests::{Era, Person, Result, World};
use mollyguard_tools::contract::Timestamp;
use serde_json::{Value, json};

use crate::behind::{records, sound, store};

/// A state directory with two streams and a record of every kind, its checkpoints, and an older copy of it in `older`.
pub(crate) async fn kept() -> Result<World> {
    let mut world = World::rental()?;
    world.set("audit.checkpoint", "heads.txt");
    let delete = json!({"target": "fleet_staging", "sql": "DELETE FROM bookings WHERE vehicle = 2"});
    let agent = world.stdio(Era::Legacy, Person::types("approve").but_first(Person::declines())).await?;
    agent.call("sqlite_query", json!({"target": "fleet", "sql": "SELECT 1"})).await?.done();
    let done = agent.call("sqlite_write", delete.clone()).await?;
    done.done();
    agent.call("sqlite_purge_table", json!({"target": "fleet", "table": "bookings"})).await?;
    let trip = json!({"target": "fleet", "sql": "UPDATE bookings SET days = 3 WHERE id = 1"});
    agent.call("sqlite_write", trip).await?.done();
    agent.close().await?;
    copy(&world.state(), &world.path().join("older"))?;
    let agent = world.stdio(Era::Modern, Person::declines()).await?;
    agent.call("undo_call", json!({"call_id": done.call_id()})).await?.done();
    agent.call("sqlite_write", delete).await?.done();
    agent.close().await?;
    sound(&world).await?;
    Ok(world)
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result {
    let _ = fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    if copied.success() { Ok(()) } else { Err(format!("cp: {copied}").into()) }
}

/// What `audit verify --json` finds wrong, and its exit code.
async fn verify(world: &World, more: &[&str]) -> Result<(Option<i32>, Vec<Value>, String)> {
    let printed = world.run(&[["audit", "verify", "--json"].as_slice(), more].concat()).await?;
    let report: Value = serde_json::from_str(&printed.stdout).unwrap_or_default();
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    Ok((printed.code, findings, format!("{}{}", printed.stdout, printed.stderr)))
}

/// An edit by somebody who can write the file but does not have the keys.
struct Edit {
    name: &'static str,
    sql: &'static str,
    /// A word of what is said to be wrong.
    says: &'static str,
    /// Found only by holding the record against the checkpoints.
    elsewhere: bool,
}

const fn edit(name: &'static str, sql: &'static str, says: &'static str) -> Edit {
    Edit { name, sql, says, elsewhere: false }
}

/// `FIRST` and `LAST` stand for the two streams.
const EDITS: &[Edit] = &[
    edit(
        "another user",
        "UPDATE records SET record = replace(record, 'alice', 'mallory') WHERE stream = FIRST AND seq = 2",
        "not what its digest says",
    ),
    edit(
        "another end",
        "UPDATE records SET record = replace(record, '\"succeeded\"', '\"untouched\"') WHERE stream = LAST",
        "not what its digest says",
    ),
    edit(
        "white space",
        "UPDATE records SET record = record || ' ' WHERE stream = LAST AND seq = 1",
        "not written as it was",
    ),
    edit("no JSON", "UPDATE records SET record = 'x' WHERE stream = LAST AND seq = 1", "cannot be read"),
    edit("deleted", "DELETE FROM records WHERE stream = FIRST AND seq = 3", "missing"),
    edit("the first deleted", "DELETE FROM records WHERE stream = FIRST AND seq = 0", "missing"),
    edit(
        "two swapped",
        "UPDATE records SET seq = 900 WHERE stream = FIRST AND seq = 1;
         UPDATE records SET seq = 1 WHERE stream = FIRST AND seq = 2;
         UPDATE records SET seq = 2 WHERE stream = FIRST AND seq = 900",
        "the record stored here says",
    ),
    edit(
        "one twice",
        "INSERT INTO records SELECT stream, seq + 100, record FROM records WHERE stream = FIRST AND seq = 1",
        "the record stored here says",
    ),
    edit(
        "moved to the other stream",
        "INSERT INTO records SELECT LAST, 100, record FROM records WHERE stream = FIRST AND seq = 1",
        "the record stored here says",
    ),
    edit(
        "the end cut off",
        "DELETE FROM records WHERE stream = LAST AND seq > 2",
        "the stream ends here, but its head is at",
    ),
    edit(
        "the end cut off and the head set back",
        "DELETE FROM records WHERE stream = LAST AND seq > 2;
         UPDATE heads SET seq = 2, digest = (SELECT json_extract(record, '$.digest') FROM records
             WHERE stream = LAST AND seq = 2) WHERE stream = LAST",
        "seal",
    ),
    edit("no heads", "DELETE FROM heads", "has no head"),
    edit("another signature", "UPDATE heads SET signature = zeroblob(64)", "seal"),
    edit("another seal", "UPDATE heads SET signature = zeroblob(32)", "seal"),
    edit("a stream without its head", "DELETE FROM records WHERE stream = LAST", "is gone: it had"),
    edit("a stream", "DELETE FROM records WHERE stream = LAST; DELETE FROM heads WHERE stream = LAST", "call"),
    Edit {
        name: "a stream with everything that tells of it",
        sql: "DELETE FROM records WHERE stream = LAST; DELETE FROM heads WHERE stream = LAST;
              DELETE FROM records WHERE stream = FIRST; DELETE FROM heads WHERE stream = FIRST;
              PRAGMA foreign_keys = OFF; DELETE FROM calls; DELETE FROM confirmations",
        says: "the checkpoint has signed it",
        elsewhere: true,
    },
    edit("a call's arguments", "UPDATE calls SET args = '{}'", "edited"),
    edit("a call's undo", "UPDATE calls SET undo_args = replace(undo_args, 'fleet_staging', 'fleet')", "edited"),
    edit("a call's end", "UPDATE calls SET ended = 'untouched' WHERE n = 1", "edited"),
    edit("a call", "PRAGMA foreign_keys = OFF; DELETE FROM calls WHERE n = 2", "call"),
    edit("an answer", "UPDATE confirmations SET standing = replace(standing, 'refused', 'approved')", "edited"),
    edit("a question", "PRAGMA foreign_keys = OFF; DELETE FROM confirmations WHERE n = 1", "confirmation"),
];

#[tokio::test]
async fn an_edited_record_is_found_and_told_where() -> Result {
    let mut world = kept().await?;
    let streams = streams(&world)?;
    let [first, last] = streams.as_slice() else { return Err(format!("two streams, not {streams:?}").into()) };
    let whole = world.state();
    for edit in EDITS {
        copy(&whole, &world.path().join("edited"))?;
        world.set("gateway.state", "edited");
        let sql = edit.sql.replace("FIRST", &format!("'{first}'")).replace("LAST", &format!("'{last}'"));
        let before = everything(&world.state())?;
        store(&world.state())?.execute_batch(&sql).map_err(|error| format!("{}: {error}", edit.name))?;
        assert_ne!(everything(&world.state())?, before, "`{}` should edit something", edit.name);
        let (code, findings, said) = verify(&world, &[]).await?;
        if edit.elsewhere {
            assert_eq!(code, Some(0), "{}: if this is found now, say so here: {said}", edit.name);
            let (code, findings, said) = verify(&world, &["--checkpoint", "heads.txt"]).await?;
            assert_eq!(code, Some(1), "{}: {said}", edit.name);
            assert!(says(&findings, edit.says), "{}: {said}", edit.name);
        } else {
            assert_eq!(code, Some(1), "{}: {said}", edit.name);
            assert!(says(&findings, edit.says), "{}: {said}", edit.name);
        }
        let told = world.run(&["audit", "verify", "--checkpoint", "heads.txt"]).await?;
        assert_eq!(told.code, Some(1), "{}", edit.name);
        assert!(told.stdout.starts_with("NOT SOUND") && told.stdout.contains("wrong:"), "{}", told.stdout);
    }
    Ok(())
}

fn says(findings: &[Value], word: &str) -> bool {
    findings.iter().any(|finding| finding["what"].as_str().is_some_and(|what| what.contains(word)))
}

/// The streams in the order they began.
fn streams(world: &World) -> Result<Vec<String>> {
    let mut begun: Vec<(String, String)> = Vec::new();
    for record in records(&world.state())?.iter().filter(|record| record["seq"] == 0) {
        let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
        begun.push((text("at"), text("stream")));
    }
    begun.sort();
    Ok(begun.into_iter().map(|(_, stream)| stream).collect())
}

/// All rows of all tables that could be edited.
fn everything(state: &Path) -> Result<String> {
    let store = store(state)?;
    let mut all = String::new();
    for table in ["records", "heads", "calls", "confirmations"] {
        let mut query = store.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = query.column_count();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                all.push_str(&format!("{:?}|", row.get::<_, rusqlite::types::Value>(column)?));
            }
        }
    }
    Ok(all)
}

/// Every field of every record: none can be changed unnoticed, and the place told is the place edited.
#[tokio::test]
async fn no_field_of_no_record_can_be_changed() -> Result {
    let mut world = kept().await?;
    let whole = world.state();
    let records = records(&whole)?;
    assert!(records.len() > 10, "{}", records.len());
    for (n, record) in records.iter().enumerate() {
        let fields: Vec<&String> = record.as_object().ok_or("a record is an object")?.keys().collect();
        // One field a record, another one with each, so that every kind of field has its turn.
        let field = fields.get(n * 5 % fields.len()).ok_or("a record has fields")?;
        let mut edited = record.clone();
        let value = &mut edited[field.as_str()];
        *value = match value.take() {
            Value::String(text) if text.starts_with("sha256:") => json!(format!("sha256:{}", "0".repeat(64))),
            Value::String(text) => json!(text.chars().rev().collect::<String>()),
            Value::Number(number) => json!(number.as_u64().unwrap_or_default() + 1),
            Value::Null => json!("something"),
            Value::Array(_) | Value::Bool(_) => json!([]),
            Value::Object(mut object) => {
                object.insert("more".into(), json!(1));
                Value::Object(object)
            }
        };
        if edited == *record {
            continue;
        }
        copy(&whole, &world.path().join("edited"))?;
        world.set("gateway.state", "edited");
        let (stream, seq) = (record["stream"].as_str().unwrap_or_default(), record["seq"].as_i64().unwrap_or_default());
        let sql = "UPDATE records SET record = ?1 WHERE stream = ?2 AND seq = ?3";
        assert_eq!(store(&world.state())?.execute(sql, rusqlite::params![edited.to_string(), stream, seq])?, 1);
        let (code, findings, said) = verify(&world, &[]).await?;
        assert_eq!(code, Some(1), "`{field}` of record {seq}: {said}");
        let at = |finding: &&Value| finding["stream"] == stream && finding["seq"] == seq;
        assert!(field.as_str() == "seq" || findings.iter().any(|finding| at(&finding)), "`{field}` at {seq}: {said}");
    }
    Ok(())
}

/// Every link made anew after an edit, and the heads set to the new ends: without the installation's key it shows.
#[tokio::test]
async fn a_chain_rewritten_whole_is_found_by_its_seals() -> Result {
    use mollyguard_record::audit::{AuditRecord, chain};

    let mut world = kept().await?;
    copy(&world.state(), &world.path().join("edited"))?;
    world.set("gateway.state", "edited");
    let store = store(&world.state())?;
    let mut previous = None;
    for record in records(&world.state())? {
        let mut record: AuditRecord = serde_json::from_value(record)?;
        if let Some(principal) = &mut record.subject.principal {
            principal.user = "mallory".into();
        }
        record.previous = previous.filter(|_| record.seq > 0).unwrap_or_else(|| chain::genesis(record.stream));
        record.digest = chain::digest(&record);
        previous = Some(record.digest);
        let (stream, seq, text) = (record.stream.to_string(), record.seq.cast_signed(), json!(record).to_string());
        store.execute("UPDATE records SET record = ?3 WHERE stream = ?1 AND seq = ?2", (&stream, seq, text))?;
        let digest = record.digest.to_string();
        store.execute("UPDATE heads SET digest = ?3 WHERE stream = ?1 AND seq = ?2", (&stream, seq, digest))?;
    }
    drop(store);
    let (code, findings, said) = verify(&world, &[]).await?;
    assert_eq!(code, Some(1), "{said}");
    let links = |finding: &Value| finding["wrong"] != "head" && finding["wrong"] != "table";
    assert!(!findings.iter().any(links), "the links themselves hold again: {said}");
    assert!(says(&findings, "seal is not by this installation's key"), "{said}");
    let (code, findings, said) = verify(&world, &["--checkpoint", "heads.txt"]).await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(says(&findings, "another one than the checkpoint has signed"), "{said}");
    Ok(())
}

/// Whoever holds the directory can put an older copy of all of it back; only heads kept elsewhere tell.
#[tokio::test]
async fn an_older_copy_put_back_is_found_by_the_checkpoint() -> Result {
    let mut world = kept().await?;
    copy(&world.path().join("older"), &world.path().join("edited"))?;
    world.set("gateway.state", "edited");
    let (code, _, said) = verify(&world, &[]).await?;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no checkpoint was given"), "it says what it cannot tell: {said}");
    let (code, findings, said) = verify(&world, &["--checkpoint", "heads.txt"]).await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(says(&findings, "the checkpoint has signed it"), "{said}");
    // The checkpoints themselves are signed.
    let heads = fs::read_to_string(world.path().join("heads.txt"))?;
    world.set("gateway.state", "state");
    for forged in [heads.replace("\n2\n", "\n1\n"), heads.replacen('A', "B", 1), String::new()] {
        fs::write(world.path().join("forged.txt"), &forged)?;
        if forged != heads {
            let (code, _, said) = verify(&world, &["--checkpoint", "forged.txt"]).await?;
            assert_eq!(code, Some(1), "{said}");
        }
    }
    let (code, _, said) = verify(&world, &["--checkpoint", "nowhere.txt"]).await?;
    assert_eq!(code, Some(2), "{said}");
    Ok(())
}

/// Whoever reads an export sees each character of it, and whoever parses it gets what was recorded.
#[tokio::test]
async fn an_export_hides_nothing_and_means_the_same() -> Result {
    const HIDDEN: &str = "gpj.\u{202e}\u{200b}\u{e0041}\u{7f}\u{2028}é日";
    let mut world = World::rental()?;
    world.sql("fleet", &format!("CREATE TABLE \"{HIDDEN}\" (a)"))?;
    world.set("gateway.user", "alice");
    let agent = world.stdio(Era::Legacy, Person::declines()).await?;
    agent.call("sqlite_purge_table", json!({"target": "fleet", "table": HIDDEN})).await?;
    agent.close().await?;
    let recorded = records(&world.state())?;
    assert!(recorded.iter().any(|record| record.to_string().contains(HIDDEN)), "what is recorded is exact");
    let exported = world.run(&["audit", "export"]).await?.stdout;
    assert!(!exported.contains(|c| c != '\n' && mollyguard_tools::text::is_unseen(c)), "{exported:?}");
    assert!(exported.contains("gpj.\\u202e\\u200b\\udb40\\udc41\\u007f\\u2028é日"), "{exported}");
    let parsed: Vec<Value> = exported.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    assert_eq!(parsed[..parsed.len() - 1], recorded[..]);
    let path = world.path().join("export.jsonl");
    // One that was written before verifies, too; another spelling of the same does not.
    let raw: Vec<String> = parsed.iter().map(Value::to_string).collect();
    let other = exported.replacen("gpj.", "\\u0067pj.", 1);
    for (text, code) in [(exported.clone(), 0), (raw.join("\n") + "\n", 0), (other, 1)] {
        fs::write(&path, text)?;
        let (found, _, said) = verify(&world, &["--export", "export.jsonl"]).await?;
        assert_eq!(found, Some(code), "{said}");
    }
    let listed = world.run(&["approvals", "list", "--json"]).await?.stdout;
    assert!(!listed.contains(|c| c != '\n' && mollyguard_tools::text::is_unseen(c)), "{listed:?}");
    Ok(())
}

#[tokio::test]
async fn an_export_is_verified_anywhere_and_its_edits_are_found() -> Result {
    let world = kept().await?;
    let exported = world.run(&["audit", "export"]).await?;
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let lines: Vec<&str> = exported.stdout.lines().collect();
    assert_eq!(lines.len(), records(&world.state())?.len() + 1, "every record, and where each stream ends");
    let path = world.path().join("export.jsonl");
    fs::write(&path, &exported.stdout)?;
    for more in [["--export", "export.jsonl"].as_slice(), &["--export", "export.jsonl", "--checkpoint", "heads.txt"]] {
        let (code, _, said) = verify(&world, more).await?;
        assert_eq!(code, Some(0), "{said}");
    }
    let without = |n: usize| -> Vec<&str> {
        lines.iter().enumerate().filter(|(at, _)| *at != n).map(|(_, line)| *line).collect()
    };
    let mut edits: Vec<(String, String)> = Vec::new();
    for n in [0, 1, lines.len() / 2, lines.len() - 2, lines.len() - 1] {
        edits.push((format!("without line {n}"), without(n).join("\n")));
        let mut twice = lines.clone();
        twice.insert(n, lines.get(n).copied().unwrap_or_default());
        edits.push((format!("line {n} twice"), twice.join("\n")));
    }
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    edits.push(("two swapped".into(), swapped.join("\n")));
    edits.push(("another user".into(), exported.stdout.replacen("alice", "mallory", 1)));
    edits.push(("another signature".into(), exported.stdout.replace("— mollyguard.dev", "— mollyguard.dev.example")));
    edits.push(("a line more".into(), format!("{}{{}}\n", exported.stdout)));
    edits.push(("nothing".into(), String::new()));
    for (name, edited) in edits {
        fs::write(&path, edited)?;
        let (code, _, said) = verify(&world, &["--export", "export.jsonl"]).await?;
        assert_eq!(code, Some(1), "{name}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_kept_for_so_long_can_be_undone_until_then_and_is_pruned_after() -> Result {
    let mut world = World::rental()?;
    let printed = world.run(&["prune"]).await?;
    assert_eq!(printed.code, Some(2), "without an age nothing is pruned: {}", printed.stdout);
    assert!(printed.stderr.contains("set `keep_days` in `[retention]`"), "{}", printed.stderr);

    world.set("retention.keep_days", 30);
    let agent = world.stdio(Era::Modern, Person::declines()).await?;
    let trip = json!({"target": "fleet_staging", "sql": "UPDATE bookings SET days = 3 WHERE id = 1"});
    let done = agent.call("sqlite_write", trip).await?;
    done.done();
    agent.close().await?;
    let shown = world.run(&["calls", "show", done.call_id(), "--json"]).await?;
    let shown: Value = serde_json::from_str(&shown.stdout)?;
    let until: Timestamp = serde_json::from_value(shown["undo"]["until"].clone())?;
    let started: Timestamp = serde_json::from_value(shown["started_at"].clone())?;
    let days = until.duration_since(started).as_hours() / 24;
    assert_eq!(days, 30, "{shown}");

    let printed = world.run(&["prune", "--json"]).await?;
    let pruned: Value = serde_json::from_str(&printed.stdout)?;
    assert_eq!((&pruned["records"], &pruned["calls"]), (&json!(0), &json!(0)), "nothing is that old");
    let printed = world.run(&["undo", done.call_id()]).await?;
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    sound(&world).await?;

    world.set("retention.keep_days", 3);
    let printed = world.run(&["prune"]).await?;
    assert_eq!(printed.code, Some(2), "{}", printed.stdout);
    assert!(printed.stderr.contains("retention.keep_days") && printed.stderr.contains("7 to"), "{}", printed.stderr);
    Ok(())
}

#[tokio::test]
async fn a_checkpoint_that_is_not_written_is_told_where_people_look() -> Result {
    let mut world = World::rental()?;
    // A folder stands where the file should be.
    world.set("audit.checkpoint", "heads.txt");
    fs::create_dir(world.path().join("heads.txt"))?;
    let agent = world.stdio(Era::Modern, Person::declines()).await?;
    agent.call("sqlite_query", json!({"target": "fleet", "sql": "SELECT 1"})).await?.done();
    agent.close().await?;
    let told = async || -> Result<(Option<i32>, String, String)> {
        let checked = world.run(&["targets", "check"]).await?;
        let doctor: Value = serde_json::from_str(&world.run(&["doctor", "--json"]).await?.stdout)?;
        let findings = doctor["findings"].as_array().cloned().unwrap_or_default();
        let found = findings.into_iter().find(|finding| finding["id"] == "checkpoint").unwrap_or_default();
        Ok((checked.code, checked.stderr, found.to_string()))
    };
    let (_, warned, found) = told().await?;
    assert!(!warned.contains("is behind") && !found.contains("is behind"), "it may be about to be written: {warned}");
    let earlier = "UPDATE records SET record = json_set(record, '$.at', '2026-01-01T00:00:00Z')";
    assert!(store(&world.state())?.execute(earlier, [])? > 0);
    let (code, warned, found) = told().await?;
    assert_eq!(code, Some(1), "{warned}");
    for said in [&warned, &found] {
        assert!(said.contains("is behind: it names nothing that was recorded since 2026-01-01"), "{said}");
    }
    assert!(found.contains("\"wrong\""), "{found}");
    Ok(())
}
