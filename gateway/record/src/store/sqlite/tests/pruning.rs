//! Pruning at any time, in any order with everything else: the record stays sound, and what stays is as it was.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;
use crate::audit::AuditRecord;
use crate::store::laws::pruning::long_after;
use crate::store::laws::{approved, question, spending};
use crate::store::sqlite::prune::{Look, Step as Looked};
use crate::store::{Intent, People as _, Pruned};
use crate::verify::export;

/// Something that happens in one of two processes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ran(End),
    /// A call approved in this process runs in the other.
    RanApproved,
    Undo(usize),
    Begin,
    /// Ends the call that began so many steps ago.
    Finish(usize),
    Asked,
    Approved,
    Read,
    Prune {
        all: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let step = prop_oneof![
        Just(Step::Ran(End::Succeeded)),
        Just(Step::Ran(End::Untouched)),
        Just(Step::Ran(End::Uncertain)),
        Just(Step::RanApproved),
        (0..4_usize).prop_map(Step::Undo),
        Just(Step::Begin),
        (0..3_usize).prop_map(Step::Finish),
        Just(Step::Asked),
        Just(Step::Approved),
        Just(Step::Read),
        any::<bool>().prop_map(|all| Step::Prune { all }),
    ];
    prop::collection::vec((any::<bool>(), step), 1..24)
}

/// What would go went. With a moment yet to come, the records of prunings went as well.
fn assert_went(pruned: &Pruned, would_go: &Pruned) {
    let rows = |pruned: &Pruned| (pruned.calls, pruned.questions, pruned.grants, pruned.more);
    assert_eq!(rows(pruned), rows(would_go), "{pruned:?} {would_go:?}");
    assert!(pruned.records >= would_go.records, "{pruned:?} {would_go:?}");
}

/// What was in the store, by the call.
async fn calls(store: &SqliteStore) -> BTreeMap<Uuid, String> {
    let listed = store.calls(CallFilter { limit: 1_000, ..CallFilter::default() }).await.unwrap();
    let mut calls = BTreeMap::new();
    for StoredCall { id, .. } in listed {
        let call = store.call(id).await.unwrap().unwrap();
        calls.insert(id, serde_json::to_string(&call).unwrap());
    }
    calls
}

async fn play(place: &Path, steps: &[(bool, Step)]) {
    let checkpoint = place.join("checkpoint");
    let stores = [(); 2]
        .map(|()| SqliteStore::open(OpenStore { checkpoint: Some(checkpoint.clone()), ..options(place) }).unwrap());
    let mut done: Vec<Uuid> = Vec::new();
    let mut running: Vec<(usize, Intent)> = Vec::new();
    for (other, step) in steps {
        let (at, store, beside) = (usize::from(*other), &stores[usize::from(*other)], &stores[usize::from(!*other)]);
        match *step {
            Step::Ran(end) => done.push(ran(store, start(), end).await),
            Step::RanApproved => {
                let confirmation = approved(store).await;
                done.push(ran(beside, spending(confirmation), End::Succeeded).await);
            }
            Step::Undo(n) => {
                let Some(call) = done.len().checked_sub(n + 1).map(|n| done[n]) else { continue };
                let Ok(intent) = store.begin(Start { undoes: Some(call), ..start() }).await else { continue };
                done.push(intent.call());
                store.finish(intent, ended(End::Succeeded)).await.unwrap();
            }
            Step::Begin => running.push((at, store.begin(start()).await.unwrap())),
            Step::Finish(n) if n < running.len() => {
                let (at, intent) = running.swap_remove(n);
                done.push(intent.call());
                stores[at].finish(intent, ended(End::Succeeded)).await.unwrap();
            }
            Step::Finish(_) => {}
            Step::Asked => laws::ask(store, &question(Duration::from_secs(600))).await,
            Step::Approved => drop(approved(store).await),
            Step::Read => store.record(subject(Uuid::now_v7()), a_read()).await.unwrap(),
            Step::Prune { all } => {
                let (before, was) = (if all { long_after() } else { jiff::Timestamp::now() }, calls(store).await);
                let would_go = store.prunable(before).await.unwrap();
                assert_eq!(calls(store).await, was, "telling what would go removes nothing");
                let pruned = crate::store::prune_all(store, before).await.unwrap();
                assert_went(&pruned, &would_go);
                let is = calls(beside).await;
                assert!(is.iter().all(|(id, call)| was.get(id) == Some(call)), "what stays is as it was");
                for (_, intent) in &running {
                    assert!(is.contains_key(&intent.call()), "what runs stays");
                }
            }
        }
        let report = verify_store(place, None).unwrap();
        assert!(report.is_sound(), "after {step:?}: {:#?}", report.findings);
    }
    for (at, intent) in running {
        stores[at].finish(intent, ended(End::Untouched)).await.unwrap();
    }
    for store in &stores {
        store.close().await.unwrap();
    }
    let report = verify_store(place, checkpoint.exists().then_some(&*checkpoint)).unwrap();
    assert!(report.is_sound(), "against the checkpoints: {:#?}", report.findings);
    let file = place.join("export");
    export(place, &mut fs::File::create(&file).unwrap()).unwrap();
    let key = crate::verify::public_key(place).unwrap();
    let report = verify_export(&file, checkpoint.exists().then_some(&*checkpoint), Some(&key)).unwrap();
    assert!(report.is_sound(), "exported: {:#?}", report.findings);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_record_stays_sound_whenever_it_is_pruned(steps in steps()) {
        let place = tempfile::tempdir().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(place.path(), &steps));
    }
}

#[tokio::test]
async fn those_who_may_answer_stay() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    laws::grants::operator(&store, "ada").await;
    ran(&store, start(), End::Succeeded).await;
    store.prune(long_after()).await.unwrap();
    let records = laws::all_records(&store).await;
    let [AuditRecord { event: AuditEvent::Pruned { passkeys, records, .. }, .. }] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!((passkeys.len(), *records), (0, 5), "they answer with a code");
    assert_eq!(store.operators().await.unwrap().len(), 1, "those who may answer stay");
}

/// A question that was answered first, so many records, and the call it allowed.
async fn far_apart(store: &SqliteStore, distance: usize) {
    let confirmation = approved(store).await;
    let reads = (0..distance).map(|_| store.record(subject(Uuid::now_v7()), a_read()));
    futures_util::future::try_join_all(reads).await.unwrap();
    ran(store, spending(confirmation), End::Succeeded).await;
}

#[tokio::test]
async fn what_can_go_goes_however_far_apart_it_is() {
    for distance in [0, 1, 57, 58, 59, 60, 61, 62, 63, 64, 65, 127, 255, 256, 257, 1_100, 4_200] {
        let place = tempfile::tempdir().unwrap();
        let store = open(place.path());
        far_apart(&store, distance).await;
        let would_go = store.prunable(long_after()).await.unwrap();
        let pruned = crate::store::prune_all(&store, long_after()).await.unwrap();
        assert_went(&pruned, &would_go);
        assert_eq!((pruned.calls, pruned.questions, pruned.more), (1, 1, false), "at {distance}");
        assert!(pruned.records >= distance as u64 + 5, "at {distance}: {pruned:?}");
        assert!(verify_store(place.path(), None).unwrap().is_sound());
    }
}

#[tokio::test]
async fn a_record_is_read_once_until_something_can_go() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    far_apart(&store, 2_000).await;
    let all = laws::all_records(&store).await.len();
    // What the gateway is configured with goes by itself, in front of the question.
    store.prune(long_after()).await.unwrap();
    let (mut look, mut steps) = (Look::new(long_after()), 0);
    let found = loop {
        let step;
        (look, step) =
            store.read(move |connection, seals| look.step(connection, seals).map(|step| (look, step))).await.unwrap();
        steps += 1;
        if step != Looked::Further {
            break step;
        }
    };
    assert_eq!(found, Looked::Found { all: true });
    // 64 are read in a step, and four times as many are wanted each time that nothing can go.
    let (reading, deciding) = (all.div_ceil(64), 5);
    assert!(steps <= reading + deciding, "{steps} steps for {all} records");
}

#[tokio::test]
async fn what_is_held_up_holds_up_no_other_stream() {
    let place = tempfile::tempdir().unwrap();
    let (held, free) = (open(place.path()), open(place.path()));
    let running = held.begin(start()).await.unwrap();
    let reads = |store: SqliteStore, count: usize| async move {
        futures_util::future::try_join_all((0..count).map(|_| store.record(subject(Uuid::now_v7()), a_read())))
            .await
            .unwrap();
        store
    };
    let held = reads(held, 3_000).await;
    let free = reads(free, 3_000).await;
    let pruned = crate::store::prune_all(&held, long_after()).await.unwrap();
    // Of the one in front only what it is configured with, of the other all there is.
    assert_eq!((pruned.records, pruned.calls), (3_002, 0));
    assert!(held.call(running.call()).await.unwrap().is_some());
    let before = free.records(None, 1).await.unwrap()[0].at;
    assert_eq!(held.prune(before).await.unwrap().records, 0);
    assert!(verify_store(place.path(), None).unwrap().is_sound());
    held.finish(running, ended(End::Untouched)).await.unwrap();
    let pruned = crate::store::prune_all(&held, long_after()).await.unwrap();
    assert!(pruned.records > 3_000 && pruned.calls == 1, "{pruned:?}");
}
