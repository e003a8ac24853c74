//! What goes when old records are pruned, and what stays.

use std::time::Duration;

use mollyguard_tools::contract::now;
use uuid::Uuid;

use super::{Open, all_records, approve, approved, ask, ended, question, ran, spending, start, subject};
use crate::audit::{AuditEvent, AuditRecord, End};
use crate::model::ConfirmationState;
use crate::store::{CallFilter, Pruned, Start, Store};

/// A moment after which nothing is in force that exists now.
pub fn long_after() -> mollyguard_tools::contract::Timestamp {
    now() + Duration::from_secs(86_400)
}

/// What the records say that are there, without those of a stream's beginning and of pruning.
async fn kinds(store: &dyn Store) -> Vec<&'static str> {
    let records = all_records(store).await.into_iter();
    let kind = |record: AuditRecord| match record.event {
        AuditEvent::Started { .. } => Some("started"),
        AuditEvent::Finished { .. } => Some("finished"),
        AuditEvent::Undone { .. } => Some("undone"),
        AuditEvent::Asked { .. } => Some("asked"),
        AuditEvent::Answered { .. } => Some("answered"),
        AuditEvent::Read { .. } => Some("read"),
        _ => None,
    };
    records.filter_map(kind).collect()
}

pub async fn what_is_old_goes_and_what_rests_on_it(open: Open<'_>) {
    let store = open();
    let read = AuditEvent::Read { policies: Vec::new(), failed: None };
    store.record(subject(Uuid::now_v7()), read).await.unwrap();
    let confirmation = approved(&*store).await;
    let call = ran(&*store, spending(confirmation), End::Succeeded).await;

    let early = store.prune(now() - Duration::from_secs(60)).await.unwrap();
    assert_eq!((early.records, early.more), (0, false), "nothing is that old");
    assert_eq!(kinds(&*store).await, ["read", "asked", "answered", "started", "finished"]);

    let before = long_after();
    let pruned = open().prune(before).await.unwrap();
    assert_eq!(pruned, Pruned { before, records: 6, calls: 1, questions: 1, grants: 0, more: false });
    assert_eq!(kinds(&*store).await, Vec::<&str>::new());
    assert!(store.call(call).await.unwrap().is_none());
    assert!(store.confirmation(confirmation).await.unwrap().is_none());

    // The process whose records went goes on where it was.
    let call = ran(&*store, start(), End::Succeeded).await;
    assert!(store.call(call).await.unwrap().unwrap().is_undoable());
    assert_eq!(kinds(&*store).await, ["started", "finished"]);
}

pub async fn what_is_in_use_stays(open: Open<'_>) {
    let store = open();
    let running = store.begin(start()).await.unwrap();
    let read = AuditEvent::Read { policies: Vec::new(), failed: None };
    store.record(subject(Uuid::now_v7()), read).await.unwrap();
    store.prune(long_after()).await.unwrap();
    assert_eq!(kinds(&*store).await, ["started", "read"], "a call that runs, and all after it");
    store.finish(running, ended(End::Succeeded)).await.unwrap();
    store.prune(long_after()).await.unwrap();

    // Of what is asked and not answered, as long as it can be.
    let question = question(Duration::from_secs(600));
    ask(&*store, &question).await;
    store.prune(now()).await.unwrap();
    assert_eq!(kinds(&*store).await, ["asked"]);
    approve(&*store, question.id).await.unwrap();
    store.prune(now()).await.unwrap();
    ran(&*store, spending(question.id), End::Succeeded).await;
    assert!(matches!(store.confirmation(question.id).await.unwrap().unwrap().1, ConfirmationState::Spent { .. }));
}

pub async fn a_call_stays_while_its_undo_does(open: Open<'_>) {
    let (store, other) = (open(), open());
    let call = ran(&*store, start(), End::Succeeded).await;
    let undo = other.begin(Start { undoes: Some(call), ..start() }).await.unwrap();
    store.prune(long_after()).await.unwrap();
    let held = store.call(call).await.unwrap().expect("what it is taken back by still runs");
    assert_eq!((held.claimed_by, held.is_undoable()), (Some(undo.call()), false));
    other.finish(undo, ended(End::Succeeded)).await.unwrap();
    store.prune(long_after()).await.unwrap();
    assert_eq!(store.calls(CallFilter::default()).await.unwrap().len(), 0, "both went together");
    assert_eq!(kinds(&*store).await, Vec::<&str>::new());
}
