//! The laws on SQLite, and what is peculiar to it: files, locks, other programs, a full batch, a killed process.

mod pruning;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::harness::{hold, open, options, plain};
use super::*;
use crate::audit::{AuditEvent, End};
use crate::model::Aim;
use crate::store::laws::{self, ended, ran, spending, start, subject};
use crate::store::{CallFilter, Calls, Like, NotHere, Questions, Records, Start, Store, StoredCall};
use crate::verify::{verify_export, verify_store};

fn error_of(result: Result<SqliteStore, StoreError>) -> String {
    result.err().expect("an error").to_string()
}

fn a_read() -> AuditEvent {
    AuditEvent::Read { policies: Vec::new(), failed: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn obeys_the_laws() {
    let mut places = Vec::new();
    laws::all(|| {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().to_owned();
        places.push(place);
        Box::new(move || Arc::new(open(&path)) as Arc<dyn Store>)
    })
    .await;
    for place in places {
        let report = verify_store(place.path(), None).unwrap();
        assert!(report.is_sound(), "{:#?}", report.findings);
    }
}

#[tokio::test]
async fn a_record_is_written_on_the_callers_thread_where_nobody_else_writes() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let record = || (subject(Uuid::now_v7()), a_read());
    store.record_here(record()).unwrap();
    assert_eq!(store.records(None, 10).await.unwrap().len(), 2, "behind what the process is configured with");

    let writing = store.writer.lock().unwrap();
    let given = record();
    let Err(NotHere::Busy(back)) = store.record_here(given.clone()) else { panic!("somebody else is writing") };
    assert_eq!(*back, given, "it comes back whole");
    drop(writing);
    store.record(back.0, back.1).await.unwrap();
    // The answer comes before the thread that wrote it is done.
    drop(store.writer.lock().unwrap());
    store.record_here(record()).unwrap();

    let held = hold(place.path());
    let impatient = SqliteStore::open(OpenStore { patience: Duration::ZERO, ..options(place.path()) }).unwrap();
    assert!(matches!(impatient.record_here(record()), Err(NotHere::Failed(_))));
    drop(held);
    impatient.record_here(record()).unwrap();
    let started = AuditEvent::Undone { by: Uuid::now_v7() };
    assert!(matches!(store.record_here((subject(Uuid::now_v7()), started)), Err(NotHere::Failed(_))));

    store.close().await.unwrap();
    assert!(matches!(store.record_here(record()), Err(NotHere::Failed(_))));
    drop((store, impatient));
    let report = verify_store(place.path(), None).unwrap();
    assert!(report.is_sound() && report.records == 6, "{report:#?}");
}

#[test]
fn opening_writes_no_record_and_takes_no_lock() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("state/mollyguard");
    for _ in 0..3 {
        drop(open(&directory));
    }
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
    assert!(!directory.join("streams").exists() && !directory.join("audit.key").exists());
    let report = verify_store(&directory, None).unwrap();
    assert!(report.is_sound() && report.records == 0 && report.streams == 0);
}

#[tokio::test]
async fn every_file_is_its_owners_alone() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    ran(&store, start(), End::Succeeded).await;
    let mut seen = 0;
    for folder in [place.path().to_owned(), place.path().join("streams")] {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{:?}", entry.path());
            seen += 1;
        }
    }
    assert!(seen >= 6);
    drop(store);
    assert_eq!(fs::read_dir(place.path().join("streams")).unwrap().count(), 0, "no lock is left behind");
}

#[test]
fn refuses_what_others_can_change() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path()));
    fs::set_permissions(schema::path(place.path()), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(error_of(SqliteStore::open(options(place.path()))).contains("can be changed by other users"));
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(error_of(SqliteStore::open(options(place.path()))).contains("can be changed by other users"));
}

#[test]
fn refuses_a_newer_a_foreign_and_a_damaged_database() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path()));
    plain(place.path()).pragma_update(None, "user_version", 11).unwrap();
    assert!(error_of(SqliteStore::open(options(place.path()))).contains("newer mollyguard (schema 11"));
    verify_store(place.path(), None).unwrap_err();
    plain(place.path()).pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)).unwrap();

    let place = tempfile::tempdir().unwrap();
    plain(place.path()).execute_batch("CREATE TABLE bookings (id)").unwrap();
    let error = SqliteStore::open(options(place.path()));
    assert!(error_of(error).contains("is not a mollyguard database"));

    let place = tempfile::tempdir().unwrap();
    fs::write(schema::path(place.path()), [b'x'; 8_192]).unwrap();
    fs::set_permissions(schema::path(place.path()), fs::Permissions::from_mode(0o600)).unwrap();
    let error = SqliteStore::open(options(place.path()));
    assert!(matches!(&error, Err(StoreError::Corrupt(why)) if why.contains("mollyguard.db")), "{}", error_of(error));
}

#[tokio::test]
async fn a_key_that_is_gone_is_not_replaced() {
    let place = tempfile::tempdir().unwrap();
    ran(&open(place.path()), start(), End::Succeeded).await;
    fs::remove_file(place.path().join("audit.key")).unwrap();
    let error = open(place.path()).begin(start()).await.unwrap_err().to_string();
    assert!(error.contains("audit.key` is gone"), "{error}");
    fs::remove_file(place.path().join("args.key")).unwrap();
    assert!(error_of(SqliteStore::open(options(place.path()))).contains("args.key` is gone"));
}

#[test]
fn many_open_a_new_place_at_once() {
    let place = tempfile::tempdir().unwrap();
    let ids: Vec<Uuid> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| open(place.path()).installation())).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_held_lock_is_an_error_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(OpenStore { patience: Duration::from_millis(100), ..options(place.path()) }).unwrap();
    let call = ran(&store, start(), End::Succeeded).await;
    let running = store.begin(start()).await.unwrap();
    let before = store.health();

    let holder = plain(place.path());
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.begin(start()).await.unwrap_err();
    assert!(error.to_string().contains("another process holds the database"), "{error}");
    store.record(subject(call), a_read()).await.unwrap_err();
    store.recover(running.call(), ended(End::Succeeded)).await.unwrap_err();
    let unfinished = store.finish(running, ended(End::Succeeded)).await.unwrap_err();
    assert!(unfinished.error.to_string().contains("another process holds the database"), "{unfinished}");
    assert_eq!(store.health(), before);
    holder.execute_batch("ROLLBACK").unwrap();

    assert_eq!(store.calls(CallFilter::default()).await.unwrap().len(), 2);
    let call = unfinished.intent.call();
    store.finish(unfinished.intent, unfinished.ending).await.unwrap();
    assert_eq!(store.call(call).await.unwrap().unwrap().undo, Some(laws::plan()), "nothing of it was lost");
    let report = verify_store(place.path(), None).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!(report.records, 5);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    ran(&store, start(), End::Succeeded).await;
    // The page limit belongs to the connection that writes: set by the work itself.
    store
        .write(false, |writing| {
            let pages: i64 = writing.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            writing.connection.pragma_update(None, "max_page_count", pages).unwrap();
            Ok(())
        })
        .await
        .unwrap();
    let mut big = start();
    big.args = serde_json::json!({"text": "x".repeat(100_000)});
    let (big, small) = tokio::join!(store.begin(big), store.record(subject(Uuid::now_v7()), a_read()));
    let error = big.unwrap_err().to_string();
    assert!(error.contains("full"), "{error}");
    drop(small);
    store
        .write(false, |writing| {
            writing.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
            Ok(())
        })
        .await
        .unwrap();
    ran(&store, start(), End::Succeeded).await;
    let report = verify_store(place.path(), None).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!(report.calls, 2);
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let place = tempfile::tempdir().unwrap();
    let store = Arc::new(open(place.path()));
    // Another process's transaction keeps the writer busy with the first while the others queue.
    let holder = plain(place.path());
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begins: Vec<_> = (0..64)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.begin(start()).await.unwrap() })
        })
        .collect();
    // On this one thread every task comes to its turn, and so into the queue.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    holder.execute_batch("ROLLBACK").unwrap();
    for begin in begins {
        begin.await.unwrap();
    }
    let health = store.health();
    assert!(health.commits <= 2, "{health:?}");

    store.record(subject(Uuid::now_v7()), a_read()).await.unwrap();
    assert_eq!(store.health().durable_commits, health.durable_commits, "a read does not wait for the disk");
    assert_eq!(store.health().commits, health.commits + 1);

    ran(store.as_ref(), start(), End::Succeeded).await;
    let ran = store.health().durable_commits - health.durable_commits;
    assert_eq!(ran, 2, "a call that changes something waits for the disk once before it and once after");
}

#[tokio::test]
async fn a_full_queue_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(200);
    let store = Arc::new(SqliteStore::open(OpenStore { patience, queue: 2, ..options(place.path()) }).unwrap());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (at_work, busy) = oneshot::channel();
    let blocker = Arc::clone(&store);
    let blocked = tokio::spawn(async move {
        blocker
            .write(false, move |_| {
                let _ = at_work.send(());
                let _ = wait.recv();
                Ok(())
            })
            .await
    });
    // From here on the writer takes nothing out of the queue.
    busy.await.unwrap();
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(&store);
        others.spawn(async move { store.begin(start()).await.map(drop) });
    }
    for _ in 0..2 {
        assert!(matches!(others.join_next().await.unwrap().unwrap(), Err(StoreError::Full)));
    }
    go.send(()).unwrap();
    while let Some(other) = others.join_next().await {
        other.unwrap().unwrap();
    }
    blocked.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_whose_caller_left_does_not_stay_open() {
    let place = tempfile::tempdir().unwrap();
    let store = Arc::new(open(place.path()));
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let leaver = {
        let store = Arc::clone(&store);
        let (reply, answer) = oneshot::channel();
        let run = move |writing: &mut Writing<'_>| {
            let _ = wait.recv();
            begun::begin(writing, start())
        };
        let task = Task {
            durable: true,
            run: Some(Box::new(run)),
            result: None,
            reply: Some(reply),
            lost: Some(Box::new(begun::never_ran)),
        };
        tokio::spawn(async move { store.send(Box::new(task), answer).await.map(drop) })
    };
    while store.queue.as_ref().unwrap().capacity() < 1_024 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    leaver.abort();
    let _ = leaver.await;
    go.send(()).unwrap();
    store.record(subject(Uuid::now_v7()), a_read()).await.unwrap();
    let calls = store.calls(CallFilter::default()).await.unwrap();
    assert_eq!(calls.iter().map(|call| call.end).collect::<Vec<_>>(), [Some(End::Untouched)]);
}

#[tokio::test]
async fn a_row_edited_by_another_program_is_not_believed() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let call = ran(&store, start(), End::Succeeded).await;
    let question = laws::question(Duration::from_secs(600));
    laws::ask(&store, &question).await;
    let editor = plain(place.path());
    editor.execute("UPDATE calls SET undo = replace(undo, 'restore', 'destroy')", []).unwrap();
    assert!(matches!(store.call(call).await, Err(StoreError::Corrupt(_))));
    let other = laws::question(Duration::from_secs(600));
    laws::ask(&store, &other).await;
    laws::approve(&store, other.id).await.unwrap();
    let copy = "UPDATE confirmations SET standing = (SELECT standing FROM confirmations WHERE id = ?1) WHERE id = ?2";
    editor.execute(copy, [other.id.to_string(), question.id.to_string()]).unwrap();
    let forged = spending(question.id);
    assert!(matches!(store.begin(forged).await, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn a_listing_does_not_read_what_it_does_not_show() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let call = ran(&store, start(), End::Succeeded).await;
    let edits = ["undo_args = '{}'", "undo_args = NULL", "args = '[]'"];
    for edit in edits {
        let editor = plain(place.path());
        editor.execute_batch(&format!("BEGIN; UPDATE calls SET {edit}; COMMIT")).unwrap();
        let listed = store.calls(CallFilter::default()).await;
        assert_eq!(listed.is_ok_and(|calls| calls.len() == 1), edit.starts_with("undo_args"), "{edit}");
        assert!(matches!(store.call(call).await, Err(StoreError::Corrupt(_))), "{edit}");
        assert!(!verify_store(place.path(), None).unwrap().is_sound(), "{edit}");
    }
}

#[tokio::test]
async fn a_damaged_row_does_not_hide_the_others() {
    let place = tempfile::tempdir().unwrap();
    let mut sound = Vec::new();
    let mut damaged = Vec::new();
    for (calls, target) in [(&mut damaged, "fleet"), (&mut sound, "fleet_staging")] {
        let store = open(place.path());
        let question = laws::question(Duration::from_secs(600));
        laws::ask(&store, &question).await;
        let start = || Start { target: target.into(), ..start() };
        calls.extend([question.id, store.begin(start()).await.unwrap().call()]);
        store.begin(start()).await.unwrap();
    }
    let editor = plain(place.path());
    editor.execute("UPDATE calls SET subject = '{}' WHERE id = ?1", [damaged[1].to_string()]).unwrap();
    editor.execute("UPDATE confirmations SET confirmation = '' WHERE id = ?1", [damaged[0].to_string()]).unwrap();

    let store = open(place.path());
    let ids = |calls: Vec<StoredCall>| calls.into_iter().map(|call| call.id).collect::<Vec<_>>();
    let listed = ids(store.calls(CallFilter::default()).await.unwrap());
    assert!(listed.len() == 3 && listed.contains(&sound[1]) && !listed.contains(&damaged[1]), "{listed:?}");
    let unfinished = ids(store.unfinished().await.unwrap());
    assert!(unfinished.len() == 3 && unfinished.contains(&sound[1]), "{unfinished:?}");
    let open = store.open_confirmations().await.unwrap();
    assert_eq!(open.iter().map(|question| question.id).collect::<Vec<_>>(), [sound[0]]);
    let asked = store
        .asked_before(Like { request: open[0].request, effect: open[0].request, aim: Aim::default() })
        .await
        .unwrap();
    assert_eq!(asked.iter().map(|(question, _)| question.id).collect::<Vec<_>>(), [sound[0]]);
    assert!(matches!(store.call(damaged[1]).await, Err(StoreError::Corrupt(_))));
    let report = verify_store(place.path(), None).unwrap();
    for id in damaged {
        assert!(report.findings.iter().any(|finding| finding.what.contains(&id.to_string())), "{report:#?}");
    }
}

/// Not a test by itself: the process that the next test kills.
#[tokio::test]
async fn process_to_be_killed() {
    let Some(directory) = std::env::var_os("MOLLYGUARD_TEST_KILLED_IN") else { return };
    let store = open(Path::new(&directory));
    ran(&store, start(), End::Succeeded).await;
    store.begin(start()).await.unwrap();
    fs::write(Path::new(&directory).join("ready"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[tokio::test]
async fn a_killed_process_is_known_dead_at_once() {
    let place = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::sqlite::tests::process_to_be_killed"])
        .env("MOLLYGUARD_TEST_KILLED_IN", place.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !place.path().join("ready").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the child ended early");
        std::thread::sleep(Duration::from_millis(5));
    }
    let store = open(place.path());
    assert!(store.unfinished().await.unwrap().is_empty(), "it lives");
    child.kill().unwrap();
    child.wait().unwrap();
    let unfinished = store.unfinished().await.unwrap();
    assert_eq!(unfinished.len(), 1);
    let locks = || fs::read_dir(place.path().join("streams")).unwrap().count();
    assert_eq!(locks(), 2);
    assert!(store.recover(unfinished[0].id, ended(End::Uncertain)).await.unwrap());
    assert!(store.unfinished().await.unwrap().is_empty());
    assert_eq!(locks(), 2, "only those of the living are left");
    let report = verify_store(place.path(), None).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!((report.streams, report.records), (2, 6));
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_written_is_told() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("gone/checkpoint");
    let with = OpenStore { checkpoint: Some(path), checkpoint_delay: Duration::ZERO, ..options(place.path()) };
    let store = SqliteStore::open(with).unwrap();
    ran(&store, start(), End::Succeeded).await;
    while store.health().checkpoint_failed.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(store.close().await.unwrap_err().to_string().contains("No such file"));
}

#[tokio::test]
async fn checkpoints_are_written_after_a_change_and_on_closing() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("checkpoint");
    let with = |delay| OpenStore { checkpoint: Some(path.clone()), checkpoint_delay: delay, ..options(place.path()) };
    let notes = || fs::read_to_string(&path).unwrap_or_default().matches("\n\u{2014} ").count();
    let store = SqliteStore::open(with(Duration::from_millis(10))).unwrap();
    ran(&store, start(), End::Succeeded).await;
    while store.health().checkpoint_at.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(notes() >= 1);
    drop(store);
    let before = notes();
    let store = SqliteStore::open(with(Duration::from_secs(3_600))).unwrap();
    ran(&store, start(), End::Succeeded).await;
    assert_eq!(notes(), before);
    store.close().await.unwrap();
    assert_eq!(notes(), before + 1);
    let report = verify_store(place.path(), Some(&path)).unwrap();
    assert!(report.is_sound() && report.checkpoints > 1, "{report:#?}");
}

#[test]
fn an_export_of_an_empty_store_is_sound() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path()));
    let path = place.path().join("export.jsonl");
    assert_eq!(crate::verify::export(place.path(), &mut fs::File::create(&path).unwrap()).unwrap(), 0);
    let key = crate::verify::public_key(place.path()).unwrap();
    assert!(verify_export(&path, None, Some(&key)).unwrap().is_sound());
}

/// How many rows a piece of work may have left, by what it wrote there.
fn left(place: &Path, user: &str) -> i64 {
    plain(place).query_row("SELECT count(*) FROM askings WHERE user = ?1", [user], |row| row.get(0)).unwrap()
}

/// Writes a row in somebody's name, and ends as it is told.
async fn writes(store: &SqliteStore, user: &'static str, record: bool, fails: bool) -> Result<(), StoreError> {
    let run = move |writing: &mut Writing<'_>| {
        let insert = "INSERT INTO askings (user, at) VALUES (?1, 0)";
        writing.connection.execute(insert, [user]).map_err(schema::failed)?;
        if record {
            writing.append(subject(Uuid::now_v7()), a_read())?;
        }
        if fails { Err(StoreError::NotQuarantined(user.into())) } else { Ok(()) }
    };
    store.write(true, run).await
}

/// Work that closes a dialog needs no record for that, but for whatever else it writes.
#[tokio::test]
async fn what_held_for_a_moment_goes_without_a_record_and_nothing_else_does() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let question = laws::question(std::time::Duration::from_secs(600));
    let (subject, shown) = (subject(Uuid::now_v7()), Some(crate::model::Channel::Elicitation));
    let bounds = crate::store::Bounds { denial: std::time::Duration::ZERO, open: 9, flood: 9 };
    store.ask(subject, question.clone(), shown, bounds).await.unwrap();
    let dialogs =
        || -> i64 { plain(place.path()).query_row("SELECT count(*) FROM dialogs", [], |row| row.get(0)).unwrap() };
    let id = question.id;
    for fails in [false, true] {
        let run = move |writing: &mut Writing<'_>| {
            dialogs::close(writing, id)?;
            if fails {
                return Err(StoreError::NotQuarantined("it".into()));
            }
            let insert = "INSERT INTO askings (user, at) VALUES ('unrecorded', 0)";
            writing.connection.execute(insert, []).map_err(schema::failed)?;
            Ok(())
        };
        store.write(true, run).await.unwrap_err();
        assert_eq!((dialogs(), left(place.path(), "unrecorded")), (1, 0), "fails: {fails}");
    }
    store.write(false, move |writing| dialogs::close(writing, id)).await.unwrap();
    assert_eq!(dialogs(), 0);
    assert!(verify_store(place.path(), None).unwrap().is_sound());
}

#[tokio::test]
async fn work_leaves_rows_with_a_record_or_fails_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let mut records = 0;
    for in_company in [false, true] {
        // Another process's transaction keeps the writer busy until all of them wait, so that they are one batch.
        let holder = in_company.then(|| hold(place.path()));
        let let_go = async {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            drop(holder);
        };
        let unrecorded = async {
            let error = writes(&store, "unrecorded", false, false).await.unwrap_err();
            assert!(error.to_string().contains("no record says so"), "{error}");
        };
        let failing = async {
            for record in [false, true] {
                let error = writes(&store, "failing", record, true).await.unwrap_err();
                assert!(matches!(error, StoreError::NotQuarantined(_)), "{error}");
            }
        };
        let recorded = async { writes(&store, "recorded", true, false).await.unwrap() };
        let reading = async { store.write(true, |_| Ok(())).await.unwrap() };
        if in_company {
            tokio::join!(reading, unrecorded, recorded, failing, let_go);
        } else {
            unrecorded.await;
            failing.await;
            reading.await;
            assert_eq!(laws::all_records(&store).await.len(), 0, "nothing was recorded yet");
            recorded.await;
        }
        records += 1;
        let found = ["unrecorded", "failing", "recorded"].map(|user| left(place.path(), user));
        assert_eq!(found, [0, 0, records], "in company: {in_company}");
        assert_eq!(laws::all_records(&store).await.len(), 1 + usize::try_from(records).unwrap());
        assert!(verify_store(place.path(), None).unwrap().is_sound());
    }
}
