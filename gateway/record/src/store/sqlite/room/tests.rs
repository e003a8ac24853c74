//! That small calls on large rows fill no disk, whichever processes make them.

use std::sync::Arc;

use mollyguard_tools::contract::UndoPlan;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::KEPT;
use crate::audit::End;
use crate::model::Principal;
use crate::store::harness::{options, plain};
use crate::store::laws::pruning::long_after;
use crate::store::laws::{approved, ended, plan, spending, start};
use crate::store::{CallFilter, Calls, Ending, NoRoom, OpenStore, Records, Room, SqliteStore, Start, StoreError};

/// What each large call keeps, and how many of them fit.
const LARGE: usize = 300_000;
const FIT: usize = 3;

fn open(place: &TempDir, room: Room) -> SqliteStore {
    SqliteStore::open(OpenStore { room, ..options(place.path()) }).unwrap()
}

const fn room() -> Room {
    Room { kept: 1_000_000, free: 0 }
}

fn image() -> Value {
    json!("x".repeat(LARGE))
}

fn large() -> Start {
    let mut start = start();
    start.preflight.pre_image = Some(image());
    start
}

/// The same, of a call that a person approved.
fn approved_large(confirmation: Uuid) -> Start {
    Start { preflight: large().preflight, ..spending(confirmation) }
}

/// Runs it to its end; what takes it back is as large as what it was.
async fn run(store: &SqliteStore, start: Start) -> Result<Uuid, StoreError> {
    let intent = store.begin(start).await?;
    let call = intent.call();
    let undo = Some(UndoPlan { args: image(), ..plan() });
    store.finish(intent, Ending { undo, ..ended(End::Succeeded) }).await.unwrap();
    Ok(call)
}

fn is_over(result: &Result<Uuid, StoreError>) -> bool {
    matches!(result, Err(StoreError::NoRoom { why: NoRoom::Kept { .. }, .. }))
}

async fn calls(store: &SqliteStore) -> usize {
    store.calls(CallFilter { limit: 1_000, ..CallFilter::default() }).await.unwrap().len()
}

#[tokio::test]
async fn what_is_kept_of_one_users_calls_on_a_target_has_a_bound() {
    let place = tempfile::tempdir().unwrap();
    let store = open(&place, room());
    let mut first = None;
    for _ in 0..FIT {
        first = Some(run(&store, large()).await.unwrap());
    }
    let records = store.records(None, 100).await.unwrap().len();
    for _ in 0..FIT {
        assert!(is_over(&run(&store, large()).await));
        let args = Start { args: image(), ..start() };
        assert!(is_over(&run(&store, args).await), "whatever of it is large");
    }
    assert_eq!(calls(&store).await, FIT, "nothing of those is there");
    assert_eq!(store.records(None, 100).await.unwrap().len(), records);

    store.begin(start()).await.expect("one of which next to nothing is kept goes on");
    store.begin(Start { target: "other".into(), ..large() }).await.expect("and one of another target");
    let mut of_bea = large();
    of_bea.subject.principal = Some(Principal { user: "bea".into(), client: None, roles: Vec::new() });
    store.begin(of_bea).await.expect("and somebody else's");
    let by_a_person = store.begin(approved_large(approved(&store).await)).await;
    by_a_person.expect("and one that a person approved");
    run(&store, Start { undoes: first, ..large() }).await.expect("and one that takes another back");
}

#[tokio::test]
async fn undos_have_as_much_room_again_and_no_more() {
    let place = tempfile::tempdir().unwrap();
    let store = open(&place, room());
    let mut last = run(&store, large()).await.unwrap();
    let mut undone = 0;
    // Undos of undos, without an end.
    loop {
        match run(&store, Start { undoes: Some(last), ..large() }).await {
            Ok(call) => (last, undone) = (call, undone + 1),
            full => {
                assert!(is_over(&full));
                break;
            }
        }
        assert!(undone < 100);
    }
    assert_eq!(undone, 2 * FIT - 1);
}

#[tokio::test]
async fn what_is_pruned_makes_room() {
    let place = tempfile::tempdir().unwrap();
    let store = open(&place, room());
    for _ in 0..FIT {
        run(&store, large()).await.unwrap();
    }
    assert!(is_over(&run(&store, large()).await));
    store.prune(long_after()).await.unwrap();
    assert_eq!(calls(&store).await, 0);
    run(&store, large()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_share_the_room() {
    let place = tempfile::tempdir().unwrap();
    let stores = [(); 2].map(|()| Arc::new(open(&place, room())));
    let racing: Vec<_> = (0..16)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move { run(&store, large()).await.is_ok() })
        })
        .collect();
    let mut ran = 0;
    for racing in racing {
        ran += usize::from(racing.await.unwrap());
    }
    assert_eq!((ran, calls(&stores[0]).await), (FIT, FIT));
}

#[tokio::test]
async fn some_of_the_disk_stays_free() {
    let place = tempfile::tempdir().unwrap();
    let store = open(&place, Room { kept: u64::MAX, free: u64::MAX / 2 });
    let confirmation = approved(&store).await;
    for start in [large(), approved_large(confirmation)] {
        let full = run(&store, start).await;
        assert!(matches!(full, Err(StoreError::NoRoom { why: NoRoom::Disk { .. }, .. })), "{full:?}");
    }
    // However little each keeps, many of them fill a disk, and then nothing could be taken back.
    let small = run(&store, start()).await;
    assert!(matches!(small, Err(StoreError::NoRoom { why: NoRoom::Disk { .. }, .. })), "{small:?}");
    let store = open(&place, Room { kept: u64::MAX, free: 1 });
    run(&store, approved_large(confirmation)).await.expect("the approval was not spent");
}

#[tokio::test]
async fn calls_of_some_kilobytes_count_as_well() {
    let place = tempfile::tempdir().unwrap();
    let store = open(&place, room());
    let some = || {
        let mut start = start();
        start.preflight.pre_image = Some(json!("x".repeat(20_000)));
        start
    };
    let mut began = 0;
    while began < 200 {
        match store.begin(some()).await {
            Ok(intent) => {
                let undo = Some(UndoPlan { args: json!("x".repeat(10_000)), ..plan() });
                store.finish(intent, Ending { undo, ..ended(End::Succeeded) }).await.unwrap();
                began += 1;
            }
            full => {
                assert!(is_over(&full.map(|intent| intent.call())));
                break;
            }
        }
    }
    assert!((40..=100).contains(&began), "each counts as what is kept of it when it is over: {began}");
}

#[tokio::test]
async fn half_of_what_stays_free_is_for_undos() {
    let place = tempfile::tempdir().unwrap();
    let free = rustix::fs::statvfs(place.path()).map(|disk| disk.f_bavail * disk.f_frsize).unwrap();
    let store = open(&place, Room { kept: u64::MAX, free: 0 });
    let call = run(&store, start()).await.unwrap();
    drop(store);
    // More than is free, but less than twice of it.
    let store = open(&place, Room { kept: u64::MAX, free: free / 2 * 3 });
    assert!(run(&store, start()).await.is_err());
    run(&store, Start { undoes: Some(call), ..start() }).await.expect("the way back is open");
}

#[test]
fn it_is_added_up_without_reading_the_calls() {
    let place = tempfile::tempdir().unwrap();
    drop(open(&place, room()));
    let plan = KEPT.replace("?1", "'ada'").replace("?2", "'fleet'");
    let plan: String =
        plain(place.path()).query_row(&format!("EXPLAIN QUERY PLAN {plan}"), [], |row| row.get(3)).unwrap();
    assert!(plan.contains("COVERING INDEX calls_large"), "{plan}");
}
