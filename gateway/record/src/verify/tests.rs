//! Everything somebody could do to the records, and that it is found: in the database by plain SQL, in an exported file
//! by a text editor, and against a checkpoint where the installation's own key was used.

mod pruned;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use mollyguard_tools::contract::Digest;
use proptest::prelude::*;
use rusqlite::{Connection, params};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::audit::chain::genesis;
use crate::audit::{AuditEvent, End};
use crate::model::{Answer, Channel};
use crate::store::laws::{approved, ask, question, ran, spending, start, subject};
use crate::store::{AnswerSubmission, Inspection, OpenStore, Questions, Records, SqliteStore, Start, Store};

const FILES: [&str; 3] = ["mollyguard.db", "args.key", "audit.key"];

fn options(directory: &Path, checkpoint: Option<PathBuf>) -> OpenStore {
    OpenStore { checkpoint, ..crate::store::harness::options(directory) }
}

/// Two processes' worth of calls, questions, undos and reads, closed, with a checkpoint.
fn original() -> &'static TempDir {
    static ORIGINAL: OnceLock<TempDir> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        block_on(async {
            let stores = [(); 2]
                .map(|()| SqliteStore::open(options(place.path(), Some(place.path().join("checkpoint")))).unwrap());
            for store in &stores {
                fill(store).await;
            }
            for store in &stores {
                store.close().await.unwrap();
            }
        });
        place
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn fill(store: &SqliteStore) {
    let call = ran(store, start(), End::Succeeded).await;
    let confirmation = approved(store).await;
    ran(store, Start { undoes: Some(call), ..spending(confirmation) }, End::Succeeded).await;
    ran(store, start(), End::Uncertain).await;
    let open = question(Duration::from_secs(600));
    ask(store, &open).await;
    let refused = question(Duration::from_secs(600));
    ask(store, &refused).await;
    let about = subject(Uuid::now_v7());
    store
        .answer(about, AnswerSubmission::by("ada".into(), refused.id, Answer::Decline, Channel::Terminal, None))
        .await
        .unwrap();
    approved(store).await;
    let taken_back = approved(store).await;
    let about = subject(Uuid::now_v7());
    store
        .answer(about, AnswerSubmission::by("ada".into(), taken_back, Answer::Decline, Channel::Terminal, None))
        .await
        .unwrap();
    let read = AuditEvent::Read { policies: vec!["reads-are-free — é".into()], failed: None };
    store.record(subject(Uuid::now_v7()), read).await.unwrap();
    let denied = AuditEvent::Denied { reason_code: "denied".into(), because: Vec::new(), left_out: 0 };
    store.record(subject(Uuid::now_v7()), denied).await.unwrap();
    ran(store, start(), End::Untouched).await;
}

/// A copy of the original to do harm to.
struct Copy {
    place: TempDir,
    database: Connection,
}

impl Copy {
    fn new() -> Self {
        Self::of(original())
    }

    fn of(original: &TempDir) -> Self {
        let place = tempfile::tempdir().unwrap();
        for file in FILES {
            fs::copy(original.path().join(file), place.path().join(file)).unwrap();
        }
        let database = Connection::open(place.path().join("mollyguard.db")).unwrap();
        // A forger's database need not survive a power cut.
        database.execute_batch("PRAGMA foreign_keys = off; PRAGMA synchronous = off; BEGIN").unwrap();
        Self { place, database }
    }

    fn run(&self, sql: &str) -> usize {
        self.database.execute(sql, []).unwrap()
    }

    fn records(&self) -> Vec<(String, i64, String)> {
        let mut query = self.database.prepare("SELECT stream, seq, record FROM records ORDER BY stream, seq").unwrap();
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
    }

    /// Commits what was done so far.
    fn done(&self) {
        self.database.execute_batch("COMMIT; BEGIN").unwrap();
    }

    fn put(&self, stream: &str, seq: i64, record: &str) {
        self.database
            .execute("INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3)", params![stream, seq, record])
            .unwrap();
    }

    fn rewrite(&self, records: &[(String, i64, String)]) {
        self.run("DELETE FROM records");
        for (stream, seq, record) in records {
            self.put(stream, *seq, record);
        }
    }

    /// Where a stream begins that was pruned.
    fn begins(&self, stream: &str) -> Option<(i64, Digest)> {
        let find = "SELECT first, previous FROM marks WHERE stream = ?1";
        let found = self.database.query_row(find, [stream], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        found.ok().map(|(first, previous)| (first, Digest::parse(&previous).unwrap()))
    }

    /// Makes every link anew, as somebody without the key can.
    fn relink(&self) {
        let mut reached: HashMap<String, (i64, Digest)> = HashMap::new();
        let mut made = Vec::new();
        for (stream, _, text) in self.records() {
            let begins = || self.begins(&stream).unwrap_or((0, genesis(stream.parse().unwrap())));
            let (seq, previous) = reached.get(&stream).copied().unwrap_or_else(begins);
            let mut record: Value = serde_json::from_str(&text).unwrap();
            let fields = record.as_object_mut().unwrap();
            fields.insert("stream".into(), stream.clone().into());
            fields.insert("seq".into(), seq.into());
            fields.insert("previous".into(), previous.to_string().into());
            let mut bare = Value::Object(fields.clone());
            bare.as_object_mut().unwrap().remove("digest");
            fields.insert("digest".into(), Digest::of(&bare).to_string().into());
            reached.insert(stream.clone(), (seq + 1, Digest::of(&bare)));
            made.push((stream, seq, record.to_string()));
        }
        self.rewrite(&made);
        for (stream, (next, last)) in reached {
            let put = "UPDATE heads SET seq = ?2, digest = ?3 WHERE stream = ?1";
            self.database.execute(put, params![stream, next - 1, last.to_string()]).unwrap();
        }
    }

    fn report(&self, checkpoint: Option<&Path>) -> Report {
        self.done();
        verify_store(self.place.path(), checkpoint).unwrap()
    }
}

fn checkpoint() -> PathBuf {
    original().path().join("checkpoint")
}

fn assert_found(report: &Report, what: &str) {
    assert!(!report.is_sound(), "not found: {what}");
}

/// What can be done to one leaf or object of a record.
fn edited(text: &str, choice: usize, how: u8) -> Option<String> {
    let mut value: Value = serde_json::from_str(text).unwrap();
    let mut places = Vec::new();
    pointers(&value, &mut String::new(), &mut places);
    let place = &places[choice % places.len()];
    let leaf = value.pointer_mut(place).unwrap();
    match (leaf, how % 3) {
        (Value::Object(fields), 0) => {
            let last = fields.keys().next_back()?.clone();
            fields.remove(&last);
        }
        (Value::Object(fields), _) => {
            fields.insert("more".into(), Value::Null);
        }
        (Value::Array(items), 0) => {
            items.pop()?;
        }
        (Value::Array(items), _) => items.push(Value::Null),
        (leaf @ Value::String(_), 0) => *leaf = Value::Null,
        (Value::String(text), 1) => text.push('x'),
        (Value::String(text), _) => {
            text.pop()?;
        }
        (Value::Number(number), _) => *number = (number.as_u64().unwrap() + 1).into(),
        (leaf, _) => *leaf = Value::from("x"),
    }
    Some(value.to_string())
}

fn pointers(value: &Value, place: &mut String, places: &mut Vec<String>) {
    places.push(place.clone());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let length = place.len();
        place.push('/');
        place.push_str(&key);
        pointers(child, place, places);
        place.truncate(length);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_record_is_found(n: prop::sample::Index, choice: u16, how: u8, relink: bool) {
        let copy = Copy::new();
        let records = copy.records();
        let (stream, seq, text) = n.get(&records);
        let Some(forged) = edited(text, choice.into(), how) else { return Ok(()) };
        copy.put(stream, *seq, &forged);
        // Making the links anew needs a record that can be read, and undoes an edit of what links it.
        let touches = |name: &str| {
            let of = |text: &str| serde_json::from_str::<Value>(text).unwrap().get(name).cloned();
            of(text) != of(&forged)
        };
        if relink && !["stream", "seq", "previous", "digest"].iter().any(|name| touches(name)) {
            copy.relink();
        }
        prop_assert!(!copy.report(None).is_sound(), "{forged}");
    }

    #[test]
    fn records_in_another_order_are_found(a: prop::sample::Index, b: prop::sample::Index, relink: bool) {
        let copy = Copy::new();
        let records = copy.records();
        let (one, two) = (a.get(&records), b.get(&records));
        prop_assume!(one != two);
        copy.put(&one.0, one.1, &two.2);
        copy.put(&two.0, two.1, &one.2);
        if relink {
            copy.relink();
        }
        prop_assert!(!copy.report(None).is_sound());
    }

    #[test]
    fn a_dropped_record_is_found(n: prop::sample::Index, relink: bool) {
        let copy = Copy::new();
        let mut records = copy.records();
        records.remove(n.index(records.len()));
        copy.rewrite(&records);
        if relink {
            copy.relink();
        }
        prop_assert!(!copy.report(None).is_sound());
    }

    #[test]
    fn a_record_put_in_is_found(n: prop::sample::Index, at: prop::sample::Index, relink: bool) {
        let copy = Copy::new();
        let records = copy.records();
        let twin = n.get(&records).clone();
        let (stream, seq, _) = at.get(&records).clone();
        let shifted: Vec<_> = records
            .into_iter()
            .map(|(s, n, text)| if s == stream && n >= seq { (s, n + 1, text) } else { (s, n, text) })
            .chain([(stream.clone(), seq, twin.2)])
            .collect();
        copy.rewrite(&shifted);
        if relink {
            copy.relink();
        }
        prop_assert!(!copy.report(None).is_sound());
    }

    #[test]
    fn a_chain_cut_short_is_found(n: prop::sample::Index, relink: bool) {
        let copy = Copy::new();
        let records = copy.records();
        let (stream, seq, _) = n.get(&records).clone();
        copy.rewrite(&records.into_iter().filter(|(s, n, _)| *s != stream || *n < seq).collect::<Vec<_>>());
        if relink {
            copy.relink();
        }
        prop_assert!(!copy.report(None).is_sound());
    }

    #[test]
    fn a_changed_byte_of_an_export_is_found(at: prop::sample::Index, mask in 1..=255_u8) {
        let (mut bytes, key) = exported();
        // The last byte ends the last line; what it is changes nothing.
        let place = at.index(bytes.len() - 1);
        bytes[place] ^= mask;
        prop_assert!(!report_of(&bytes, &key).is_sound(), "byte {place} ^ {mask}");
    }

    #[test]
    fn moved_dropped_and_doubled_lines_of_an_export_are_found(a: prop::sample::Index, b: prop::sample::Index) {
        let (bytes, key) = exported();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let (a, b) = (a.index(lines.len()), b.index(lines.len()));
        let found = |lines: &[&str]| {
            let mut text = lines.join("\n");
            text.push('\n');
            !report_of(text.as_bytes(), &key).is_sound()
        };
        prop_assert!(found(&[&lines[..a], &lines[a + 1..]].concat()), "dropped");
        prop_assert!(found(&lines[..a]), "cut short");
        prop_assert!(found(&[&lines[..b], &lines[a..=a], &lines[b..]].concat()), "doubled");
        if a != b {
            let mut swapped = lines;
            swapped.swap(a, b);
            prop_assert!(found(&swapped), "swapped");
        }
    }
}

fn exported() -> (Vec<u8>, PublicKey) {
    static EXPORTED: OnceLock<(Vec<u8>, PublicKey)> = OnceLock::new();
    EXPORTED
        .get_or_init(|| {
            let mut bytes = Vec::new();
            export(original().path(), &mut bytes).unwrap();
            (bytes, public_key(original().path()).unwrap())
        })
        .clone()
}

fn report_of(bytes: &[u8], key: &PublicKey) -> Report {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    verify_export(file.path(), None, Some(key)).unwrap()
}

#[test]
fn what_nobody_touched_is_sound() {
    let report = Copy::new().report(Some(&checkpoint()));
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!((report.streams, report.calls), (2, 8));
    assert_eq!(report.notes, Vec::<String>::new());
    let (bytes, key) = exported();
    let report = report_of(&bytes, &key);
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!(report.records, u64::try_from(bytes.split(|byte| *byte == b'\n').count()).unwrap() - 2);
}

#[test]
fn an_edit_of_any_column_is_found() {
    let mut effective = 0;
    for table in ["records", "heads", "calls", "confirmations"] {
        let columns: Vec<String> = {
            let copy = Copy::new();
            let mut query = copy.database.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
            query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        for column in columns.iter().filter(|column| *column != "n") {
            let changes = [
                format!("UPDATE OR IGNORE {table} SET {column} = {column} || '1' WHERE {column} IS NOT NULL"),
                format!("UPDATE OR IGNORE {table} SET {column} = {column} + 1 WHERE {column} IS NOT NULL"),
                format!(
                    "UPDATE OR IGNORE {table} SET {column} = CAST({column} || '1' AS BLOB) WHERE {column} IS NOT NULL"
                ),
                format!("UPDATE OR IGNORE {table} SET {column} = NULL WHERE {column} IS NOT NULL"),
                format!("UPDATE OR IGNORE {table} SET {column} = '{{}}' WHERE {column} IS NULL"),
                format!("UPDATE OR IGNORE {table} SET {column} = 7 WHERE {column} IS NULL"),
            ];
            for change in changes {
                let copy = Copy::new();
                let Ok(1..) = copy.database.execute(&change, []) else { continue };
                // An image of the state before a call that has ended is never read again.
                let settled = "UPDATE calls SET pre_image = NULL WHERE pre_image IS NOT NULL AND ended IS NOT NULL";
                if change.contains("SET pre_image = NULL") && copy.run(settled) == 0 {
                    continue;
                }
                effective += 1;
                copy.done();
                match verify_store(copy.place.path(), None) {
                    Ok(report) => assert_found(&report, &change),
                    Err(AuditError::Store(
                        crate::store::StoreError::Corrupt(_) | crate::store::StoreError::Failed(_),
                    )) => {}
                    Err(other) => panic!("{change}: {other}"),
                }
            }
        }
    }
    assert!(effective > 70, "{effective}");
}

#[test]
fn a_removed_row_is_found() {
    for table in ["records", "heads", "calls", "confirmations"] {
        let rows = {
            let copy = Copy::new();
            let count: i64 =
                copy.database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
            count
        };
        for n in 0..rows {
            let copy = Copy::new();
            let key = if table == "heads" { "stream" } else { "rowid" };
            let sql = format!("DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} LIMIT 1 OFFSET {n})");
            assert_eq!(copy.run(&sql), 1);
            assert_found(&copy.report(None), &sql);
        }
    }
}

#[test]
fn a_call_that_is_made_to_look_unfinished_is_found() {
    let copy = Copy::new();
    copy.run("UPDATE calls SET ended = NULL, finished_at = NULL, note = NULL, undo = NULL, end_seal = NULL");
    let report = copy.report(None);
    assert!(report.findings.iter().any(|finding| finding.what.contains("another end")), "{report:#?}");
}

#[test]
fn a_stream_removed_whole_is_found_with_a_checkpoint_only() {
    let copy = Copy::new();
    let stream = copy.records()[0].0.clone();
    let asked = "SELECT record ->> '$.event.confirmation' FROM records WHERE stream = ?1";
    let all = [
        format!("DELETE FROM confirmations WHERE id IN ({asked})"),
        "DELETE FROM calls WHERE stream = ?1".into(),
        "DELETE FROM heads WHERE stream = ?1".into(),
        "DELETE FROM records WHERE stream = ?1".into(),
    ];
    for sql in all {
        assert!(copy.database.execute(&sql, [&stream]).unwrap() > 0, "{sql}");
    }
    let report = copy.report(None);
    assert!(report.is_sound() && report.notes.len() == 1, "{report:#?}");
    let report = copy.report(Some(&checkpoint()));
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    assert!(report.findings[0].what.ends_with("is gone: the checkpoint has signed it"));
}

#[test]
fn a_store_rewritten_with_its_own_key_is_found_with_a_checkpoint_only() {
    let copy = Copy::new();
    for table in ["confirmations", "calls", "heads", "records"] {
        copy.run(&format!("DELETE FROM {table}"));
    }
    copy.done();
    block_on(async {
        let store = SqliteStore::open(options(copy.place.path(), None)).unwrap();
        fill(&store).await;
    });
    let report = copy.report(None);
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!(copy.report(Some(&checkpoint())).findings.len(), 2, "each signed head once");
}

#[test]
fn an_older_copy_put_back_is_found_with_a_checkpoint_only() {
    let copy = Copy::new();
    let later = tempfile::tempdir().unwrap();
    for file in FILES {
        fs::copy(copy.place.path().join(file), later.path().join(file)).unwrap();
    }
    let newer = later.path().join("checkpoint");
    block_on(async {
        let store = SqliteStore::open(options(later.path(), Some(newer.clone()))).unwrap();
        fill(&store).await;
        store.close().await.unwrap();
    });
    assert!(verify_store(later.path(), Some(&newer)).unwrap().is_sound());
    assert!(verify_store(later.path(), Some(&checkpoint())).unwrap().is_sound(), "older checkpoints still hold");
    assert!(copy.report(None).is_sound());
    assert_found(&copy.report(Some(&newer)), "an older copy");
}

#[test]
fn a_checkpoint_of_another_key_or_installation_is_not_trusted() {
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("checkpoint");
    block_on(async {
        let store = SqliteStore::open(options(other.path(), Some(path.clone()))).unwrap();
        fill(&store).await;
        store.close().await.unwrap();
    });
    let report = Copy::new().report(Some(&path));
    assert!(report.findings[0].what.contains("of another installation"), "{report:#?}");

    let copy = Copy::new();
    fs::remove_file(copy.place.path().join("audit.key")).unwrap();
    assert_found(&copy.report(None), "the key is gone");
    let mut bytes = Vec::new();
    export(copy.place.path(), &mut bytes).unwrap_err();
    assert!(!copy.place.path().join("audit.key").exists(), "a new one would hide that");
    fs::copy(other.path().join("audit.key"), copy.place.path().join("audit.key")).unwrap();
    assert_found(&copy.report(None), "another key");
    let error = export(copy.place.path(), &mut bytes).unwrap_err().to_string();
    assert!(error.contains("nothing of it is signed"), "{error}");

    let empty = copy.place.path().join("empty");
    fs::write(&empty, "").unwrap();
    assert_found(&Copy::new().report(Some(&empty)), "an emptied checkpoint file");
}

#[test]
fn an_export_is_held_against_a_checkpoint() {
    let (bytes, key) = exported();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &bytes).unwrap();
    let report = verify_export(file.path(), Some(&checkpoint()), Some(&key)).unwrap();
    assert!(report.is_sound() && report.checkpoints > 0 && report.notes.is_empty(), "{report:#?}");
    let report = verify_export(file.path(), None, None).unwrap();
    assert!(report.is_sound() && report.notes.len() == 2, "{report:#?}");
}

#[test]
fn a_store_whose_heads_were_signed_is_sound_and_as_hard_to_edit() {
    let copy = Copy::new();
    let store = Inspection::open(copy.place.path()).unwrap();
    let (installation, heads) = (store.installation().unwrap(), store.heads().unwrap());
    drop(store);
    let key = AuditKey::existing(copy.place.path(), installation).unwrap().unwrap();
    for sealed in &heads {
        let signature = key.sign_head(&sealed.head);
        let put = "UPDATE heads SET signature = ?2 WHERE stream = ?1";
        copy.database.execute(put, params![sealed.head.stream.to_string(), signature]).unwrap();
    }
    let report = copy.report(None);
    assert!(report.is_sound(), "{report:#?}");

    // Each head at another's place, and one place back.
    for (mine, other) in [(0, 1), (1, 0)] {
        let wrong = key.sign_head(&heads[other].head);
        let put = "UPDATE heads SET signature = ?2 WHERE stream = ?1";
        copy.database.execute(put, params![heads[mine].head.stream.to_string(), wrong]).unwrap();
    }
    let report = copy.report(None);
    assert_eq!(report.findings.iter().filter(|finding| finding.wrong == Wrong::Head).count(), 2, "{report:#?}");
}
