//! Two processes on one store, one of which holds an end that it could not write, or has left with it.

use std::fs;

use mollyguard_tools::contract::Reversibility;

use super::*;
use crate::audit::End;
use crate::store::harness::{hold, open, options, plain};
use crate::store::laws::{ended, ran, start};
use crate::store::sqlite::{OpenStore, SqliteStore};
use crate::store::{CallFilter, Calls as _, Start, Unfinished};

/// An end that one store could not write, another program having held the database meanwhile.
async fn unwritten(directory: &Path, store: &SqliteStore) -> Box<Unfinished> {
    let running = store.begin(start()).await.unwrap();
    let held = hold(directory);
    let unfinished = store.finish(running, ended(End::Succeeded)).await.unwrap_err();
    drop(held);
    unfinished
}

/// Refused, and nothing written.
async fn waits(store: &SqliteStore, call: Uuid, why: NoEnd) {
    assert_eq!(store.unsettled("fleet").await.unwrap(), Some((call, why)));
    let known = store.calls(CallFilter::default()).await.unwrap().len();
    let error = store.begin(start()).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unsettled { call: about, why: because, .. } if (*about, *because) == (call, why)),
        "{error}"
    );
    assert_eq!(store.calls(CallFilter::default()).await.unwrap().len(), known);
}

#[tokio::test]
async fn an_end_that_is_not_written_holds_its_target_up_in_every_process() {
    let place = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(50);
    let hasty = || SqliteStore::open(OpenStore { patience, ..options(place.path()) }).unwrap();
    let (one, other) = (hasty(), hasty());
    let running = other.begin(start()).await.unwrap();
    let Unfinished { intent, ending, .. } = *unwritten(place.path(), &one).await;
    let call = intent.call();
    for store in [&one, &other, &hasty()] {
        waits(store, call, NoEnd::Unwritten).await;
        let elsewhere = Start { target: "fleet_staging".into(), ..start() };
        ran(store, elsewhere, End::Succeeded).await;
        // Nothing changes, such as by a read that needed an approval.
        ran(store, Start { reversibility: Reversibility::ReadOnly, ..start() }, End::Succeeded).await;
    }
    one.finish(intent, ending).await.unwrap();
    for store in [&one, &other, &hasty()] {
        assert_eq!(store.unsettled("fleet").await.unwrap(), None, "what simply runs holds nothing up");
        ran(store, start(), End::Succeeded).await;
    }
    other.finish(running, ended(End::Succeeded)).await.unwrap();
}

#[tokio::test]
async fn an_end_that_is_lost_with_its_process_holds_its_target_up_until_it_is_settled() {
    let place = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(50);
    let leaving = SqliteStore::open(OpenStore { patience, ..options(place.path()) }).unwrap();
    let living = open(place.path());
    assert!(living.unfinished().await.unwrap().is_empty(), "it has looked before");
    let call = unwritten(place.path(), &leaving).await.intent.call();
    waits(&living, call, NoEnd::Unwritten).await;
    drop(leaving);
    waits(&living, call, NoEnd::CutOff).await;
    assert!(living.recover(call, ended(End::Uncertain)).await.unwrap());
    assert_eq!(living.unsettled("fleet").await.unwrap(), None);
    ran(&living, start(), End::Succeeded).await;
    assert_eq!(fs::read_dir(place.path().join("streams")).unwrap().count(), 2, "only the files of the living");
}

#[tokio::test]
async fn a_damaged_row_holds_nothing_up() {
    let place = tempfile::tempdir().unwrap();
    let call = open(place.path()).begin(start()).await.unwrap().call();
    let store = open(place.path());
    waits(&store, call, NoEnd::CutOff).await;
    plain(place.path()).execute("UPDATE calls SET subject = '{}' WHERE id = ?1", [call.to_string()]).unwrap();
    ran(&store, start(), End::Succeeded).await;
}

#[tokio::test]
async fn finding_what_is_unsettled_passes_over_what_has_ended() {
    let place = tempfile::tempdir().unwrap();
    ran(&open(place.path()), start(), End::Succeeded).await;
    let plan: String =
        plain(place.path()).query_row(&format!("EXPLAIN QUERY PLAN {OPEN}"), ["fleet"], |row| row.get(3)).unwrap();
    assert!(plan.contains("USING INDEX calls_unfinished"), "{plan}");
}
