//! The same where old records were pruned: what is left proves itself, and nothing else can pass for pruned.

use super::*;
use crate::store::Calls as _;
use crate::store::laws::pruning::long_after;

/// Two processes' worth of calls, pruned in between: one stream is gone but for its end, one is cut before a call that ran
/// at that time.
fn pruned() -> &'static TempDir {
    static PRUNED: OnceLock<TempDir> = OnceLock::new();
    PRUNED.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        let checkpoint = || Some(place.path().join("checkpoint"));
        block_on(async {
            let gone = SqliteStore::open(options(place.path(), checkpoint())).unwrap();
            fill(&gone).await;
            gone.close().await.unwrap();
            let store = SqliteStore::open(options(place.path(), checkpoint())).unwrap();
            fill(&store).await;
            let running = store.begin(start()).await.unwrap();
            fill(&store).await;
            assert!(store.prune(long_after()).await.unwrap().records > 20);
            store.finish(running, crate::store::laws::ended(End::Succeeded)).await.unwrap();
            fill(&store).await;
            store.close().await.unwrap();
        });
        place
    })
}

fn found(copy: &Copy, what: &str) {
    copy.done();
    match verify_store(copy.place.path(), None) {
        Ok(report) => assert_found(&report, what),
        Err(AuditError::Store(_)) => {}
        Err(other) => panic!("{what}: {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_record_is_found(n: prop::sample::Index, choice: u16, how: u8, relink: bool) {
        let copy = Copy::of(pruned());
        let records = copy.records();
        let (stream, seq, text) = n.get(&records);
        let Some(forged) = edited(text, choice.into(), how) else { return Ok(()) };
        copy.put(stream, *seq, &forged);
        let of = |text: &str, name: &str| serde_json::from_str::<Value>(text).unwrap().get(name).cloned();
        let links = ["stream", "seq", "previous", "digest"];
        if relink && !links.iter().any(|name| of(text, name) != of(&forged, name)) {
            copy.relink();
        }
        prop_assert!(!copy.report(None).is_sound(), "{forged}");
    }

    #[test]
    fn a_dropped_record_is_found(n: prop::sample::Index, first: bool, relink: bool) {
        let copy = Copy::of(pruned());
        let mut records = copy.records();
        // The first that is left is the one that would pass for pruned.
        let n = if first { 0 } else { n.index(records.len()) };
        records.remove(n);
        copy.rewrite(&records);
        if relink {
            copy.relink();
        }
        prop_assert!(!copy.report(None).is_sound());
    }
}

#[test]
fn what_is_left_is_sound_in_the_store_and_in_an_export() {
    let checkpoint = pruned().path().join("checkpoint");
    let report = Copy::of(pruned()).report(Some(&checkpoint));
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert!(report.streams == 1 && report.pruned.is_some(), "{report:#?}");
    assert!(report.notes.iter().any(|note| note.contains("were pruned, last at")), "{:?}", report.notes);

    let mut bytes = Vec::new();
    export(pruned().path(), &mut bytes).unwrap();
    let key = public_key(pruned().path()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &bytes).unwrap();
    let report = verify_export(file.path(), Some(&checkpoint), Some(&key)).unwrap();
    assert!(report.is_sound() && report.checkpoints > 0, "{:#?}", report.findings);
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for gone in 0..lines.len() {
        let left = [&lines[..gone], &lines[gone + 1..]].concat().join("\n");
        assert_found(&report_of(left.as_bytes(), &key), &format!("line {gone} of an export is gone"));
    }
}

#[test]
fn marks_cannot_be_edited_moved_or_removed() {
    let marks = {
        let copy = Copy::of(pruned());
        let mut query = copy.database.prepare("SELECT stream, first FROM marks ORDER BY first").unwrap();
        let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(marks.len(), 2);
    for (stream, first) in &marks {
        for edit in [
            format!("DELETE FROM marks WHERE stream = '{stream}'"),
            format!("UPDATE marks SET first = {} WHERE stream = '{stream}'", first + 1),
            format!("UPDATE marks SET first = {} WHERE stream = '{stream}'", first - 1),
            format!("UPDATE marks SET pruning = pruning + 1 WHERE stream = '{stream}'"),
            format!(
                "UPDATE marks SET seal = (SELECT seal FROM marks WHERE stream <> '{stream}') WHERE stream = '{stream}'"
            ),
            format!(
                "UPDATE marks SET previous = (SELECT previous FROM marks WHERE stream <> '{stream}') WHERE stream = '{stream}'"
            ),
        ] {
            let copy = Copy::of(pruned());
            assert_eq!(copy.run(&edit), 1, "{edit}");
            found(&copy, &edit);
        }
    }
    // One record more gone from the front, and the mark moved with it as well as it can be without the key.
    let copy = Copy::of(pruned());
    let (stream, first, text) = copy.records().into_iter().next().unwrap();
    let next = serde_json::from_str::<Value>(&text).unwrap()["digest"].as_str().unwrap().to_owned();
    copy.database.execute("DELETE FROM records WHERE stream = ?1 AND seq = ?2", params![stream, first]).unwrap();
    let moved = "UPDATE marks SET first = first + 1, previous = ?2 WHERE stream = ?1";
    copy.database.execute(moved, params![stream, next]).unwrap();
    found(&copy, "one record more");
}

#[test]
fn rows_and_records_that_went_cannot_come_back() {
    // The same store, before and after it was pruned.
    let place = tempfile::tempdir().unwrap();
    let before = tempfile::tempdir().unwrap();
    block_on(async {
        let store = SqliteStore::open(options(place.path(), None)).unwrap();
        fill(&store).await;
        for file in FILES.iter().chain(&["mollyguard.db-wal"]) {
            fs::copy(place.path().join(file), before.path().join(file)).unwrap();
        }
        store.prune(long_after()).await.unwrap();
        fill(&store).await;
    });
    assert!(verify_store(place.path(), None).unwrap().is_sound());
    for table in ["calls", "confirmations", "records"] {
        let copy = Copy::of(&place);
        copy.database.execute_batch("COMMIT; PRAGMA foreign_keys = off").unwrap();
        let old = before.path().join("mollyguard.db");
        copy.database.execute("ATTACH ?1 AS old", [old.to_str().unwrap()]).unwrap();
        if table != "records" {
            copy.run(&format!("UPDATE old.{table} SET n = n + 1000"));
        }
        copy.database.execute_batch("BEGIN").unwrap();
        assert!(copy.run(&format!("INSERT OR IGNORE INTO {table} SELECT * FROM old.{table}")) > 0, "{table}");
        found(&copy, table);
    }
}

#[test]
fn nothing_is_pruned_from_what_was_edited() {
    let copy = Copy::of(original());
    let (stream, seq, text) = copy.records().swap_remove(4);
    copy.put(&stream, seq, &text.replace("\"ada\"", "\"bob\""));
    copy.done();
    let before = copy.records();
    let error = block_on(async {
        let store = SqliteStore::open(options(copy.place.path(), None)).unwrap();
        store.prune(long_after()).await.unwrap_err().to_string()
    });
    assert!(error.contains("record 4") && error.contains("nothing is pruned"), "{error}");
    copy.done();
    assert_eq!(copy.records(), before, "not even what stands before it");
}

/// What is left of a stream whose first records were deleted, dressed up as pruned as well as it can be without a key.
#[test]
fn what_passes_for_pruned_is_not_signed() {
    let copy = Copy::of(original());
    let records = copy.records();
    let (stream, ..) = records[0].clone();
    let digest_of = |seq: i64| {
        let (.., text) = records.iter().find(|(of, at, _)| *of == stream && *at == seq).unwrap();
        serde_json::from_str::<Value>(text).unwrap()["digest"].as_str().unwrap().to_owned()
    };
    copy.database.execute("DELETE FROM records WHERE stream = ?1 AND seq < 3", [&stream]).unwrap();
    let mark =
        Mark { stream: stream.parse().unwrap(), first: 3, previous: Digest::parse(&digest_of(2)).unwrap(), pruning: 1 };
    let put = "INSERT INTO marks (stream, first, previous, pruning, seal) VALUES (?1, 3, ?2, 1, 'forged')";
    copy.database.execute(put, params![stream, digest_of(2)]).unwrap();
    let (last, seq, text) = records.last().unwrap().clone();
    let mut forged: Value = serde_json::from_str(&text).unwrap();
    let at = mollyguard_tools::contract::now();
    let event = AuditEvent::Pruned {
        pruning: 1,
        before: at,
        records: 3,
        calls: 1,
        questions: 0,
        grants: 0,
        marks: Mark::digest_of(&[mark]),
        passkeys: Vec::new(),
    };
    forged["event"] = serde_json::to_value(event).unwrap();
    forged["seq"] = (seq + 1).into();
    copy.put(&last, seq + 1, &forged.to_string());
    copy.relink();
    found(&copy, "the store");
    let mut bytes = Vec::new();
    let error = export(copy.place.path(), &mut bytes).unwrap_err();
    assert!(matches!(error, AuditError::NotSound { .. }), "{error}");
    let key = public_key(original().path()).unwrap();
    assert_found(&report_of(&bytes, &key), "an export that was not signed");
}

#[test]
fn what_a_no_and_a_quarantine_are_found_by_cannot_be_removed() {
    let place = tempfile::tempdir().unwrap();
    block_on(async {
        let store = SqliteStore::open(options(place.path(), None)).unwrap();
        fill(&store).await;
        let aimed = crate::model::Aim::of("sqlite_write", "fleet", "ada", None, &["a table".into()]);
        ask(&store, &crate::model::Confirmation { aim: aimed, ..question(Duration::from_secs(600)) }).await;
        for user in ["eve", "bob"] {
            let principal = crate::model::Principal { user: user.into(), client: None, roles: Vec::new() };
            store.quarantine(principal, "a flood".into()).await.unwrap();
        }
        store.lift("bob".into(), None).await.unwrap();
    });
    assert!(Copy::of(&place).report(None).is_sound(), "{:#?}", Copy::of(&place).report(None).findings);
    for edit in ["DELETE FROM aims", "DELETE FROM quarantines"] {
        let copy = Copy::of(&place);
        assert_eq!(copy.run(edit), 1, "{edit}");
        found(&copy, edit);
    }
}
