//! What a no holds for, and how often a question may be shown.

use std::time::Duration;

use mollyguard_tools::contract::Digest;
use serde_json::json;
use uuid::Uuid;

use super::{Open, ROOM, all_records, approve, ask, put, question, refusal_of, subject};
use crate::audit::{AuditEvent, AuditRecord};
use crate::model::{Aim, Answer, Channel, Confirmation, ConfirmationState};
use crate::store::{AnswerSubmission, Asking, Bounds, Like, Showing, Store};

/// A question of ada's that is aimed at these.
fn aimed(at: &[&str]) -> Confirmation {
    let names: Vec<_> = at.iter().map(|name| json!(name)).collect();
    let aim = Aim::of("sqlite_write", "fleet", "ada", None, &names);
    Confirmation { aim, ..question(Duration::from_secs(600)) }
}

async fn answer(store: &dyn Store, question: &Confirmation, answer: Answer) {
    let given = AnswerSubmission::by("ada".into(), question.id, answer, Channel::Page, None);
    store.answer(subject(Uuid::now_v7()), given).await.unwrap();
}

pub async fn a_no_holds_for_whatever_shares_its_aim(open: Open<'_>) {
    let (store, other) = (open(), open());
    let first = aimed(&["path a", "id 1"]);
    ask(&*store, &first).await;
    answer(&*store, &first, Answer::Decline).await;
    for same in [&["path a", "id 1"][..], &["path a"], &["id 1"], &["path b", "id 1"], &["path a", "id 2"]] {
        match put(&*other, &aimed(same), ROOM).await {
            Asking::Declined(no, ConfirmationState::Refused { how, .. }) => {
                assert_eq!((no.id, how.as_str()), (first.id, "declined"));
            }
            asking => panic!("{same:?}: {asking:?}"),
        }
        let aim = aimed(same).aim;
        let like = Like { request: Digest::of_bytes(b"x"), effect: Digest::of_bytes(b"y"), aim };
        let found = other.asked_before(like).await.unwrap();
        assert_eq!(found.iter().map(|(no, _)| no.id).collect::<Vec<_>>(), [first.id], "{same:?}");
    }
    let denied = all_records(&*store).await.into_iter().filter(|record| {
        matches!(&record.event, AuditEvent::Denied { reason_code, .. } if reason_code == "confirmation_declined")
    });
    assert_eq!(denied.count(), 5, "each is on record");
    for others in [&["path b", "id 2"][..], &[]] {
        ask(&*other, &aimed(others)).await;
    }
    // What is no person's no, or holds no longer.
    let closed = aimed(&["path c"]);
    ask(&*store, &closed).await;
    answer(&*store, &closed, Answer::Cancel).await;
    ask(&*store, &aimed(&["path c"])).await;
    let over = Bounds { denial: Duration::ZERO, ..ROOM };
    assert!(matches!(put(&*store, &aimed(&["path a"]), over).await, Asking::Asked));
}

pub async fn who_mistypes_may_try_again(open: Open<'_>) {
    let (store, other) = (open(), open());
    let first = question(Duration::from_secs(600));
    ask(&*store, &first).await;
    let wrong = || Answer::Accept { typed: Some("booking".into()) };
    for n in 1..3 {
        answer(&*other, &first, wrong()).await;
        assert_eq!(
            store.confirmation(first.id).await.unwrap().unwrap().1,
            ConfirmationState::Open { approvals: Vec::new(), mistyped: n }
        );
        assert_eq!(store.open_questions().await.unwrap().len(), 1);
    }
    answer(&*store, &first, wrong()).await;
    assert_eq!(refusal_of(&*store, first.id).await.as_deref(), Some("mismatch by ada"));
    let records = all_records(&*store).await;
    let tries = records.iter().filter(|record| {
        matches!(&record.event, AuditEvent::Rejected { confirmation, why, .. } if *confirmation == first.id && why.contains("`booking`"))
    });
    assert_eq!(tries.count(), 2, "each is on record");
    let last = records.iter().filter(|record| matches!(record.event, AuditEvent::Answered { sufficient: false, .. }));
    assert_eq!(last.count(), 1);
    // A yes after a try that failed is one, and a try that fails after a yes takes nothing back.
    let second = question(Duration::from_secs(600));
    ask(&*store, &second).await;
    answer(&*store, &second, wrong()).await;
    approve(&*other, second.id).await.unwrap();
    for _ in 0..4 {
        answer(&*store, &second, wrong()).await;
    }
    assert!(matches!(store.confirmation(second.id).await.unwrap().unwrap().1, ConfirmationState::Approved { .. }));
    answer(&*store, &second, Answer::Decline).await;
    assert_eq!(refusal_of(&*store, second.id).await.as_deref(), Some("declined by ada"));
}

pub async fn each_showing_counts(open: Open<'_>) {
    let (store, other) = (open(), open());
    let first = question(Duration::from_secs(600));
    ask(&*store, &first).await;
    let shown = async |store: &dyn Store| shown(store, first.id, 5).await;
    for _ in 0..4 {
        assert_eq!(shown(&*other).await, Showing::Elsewhere, "that is none more");
        assert_eq!(shown(&*store).await, Showing::Here);
    }
    assert!(store.quarantined().await.unwrap().is_empty());
    let records = all_records(&*store).await;
    let shows =
        |record: &&AuditRecord| matches!(record.event, AuditEvent::Shown { confirmation } if confirmation == first.id);
    assert_eq!(records.iter().filter(shows).count(), 4, "each is on record");
    for store in [&store, &other, &store] {
        let found = shown(&**store).await;
        assert!(matches!(&found, Showing::Quarantined(of) if of.user == "ada"), "and from then on: {found:?}");
    }
    assert!(matches!(put(&*other, &question(Duration::from_secs(600)), ROOM).await, Asking::Quarantined(_)));
    // One question is one that is open, however often it was shown.
    other.lift("ada".into(), None).await.unwrap();
    let two = Bounds { open: 2, ..ROOM };
    let second = question(Duration::from_secs(600));
    assert!(matches!(put(&*store, &second, two).await, Asking::Asked));
    assert_eq!(self::shown(&*store, second.id, 100).await, Showing::Here);
    assert!(matches!(put(&*store, &question(Duration::from_secs(600)), two).await, Asking::Asked));
}

async fn shown(store: &dyn Store, question: Uuid, flood: u32) -> Showing {
    store.shown(Uuid::now_v7(), question, Channel::Elicitation, flood).await.unwrap()
}

pub(super) async fn a_question_is_shown_by_one_process_at_a_time(open: Open<'_>) {
    let (store, other) = (open(), open());
    let counted = async |id: Uuid| {
        let of =
            |record: &&AuditRecord| matches!(record.event, AuditEvent::Shown { confirmation } if confirmation == id);
        all_records(&*other).await.iter().filter(of).count()
    };
    // By the one that asked, until its dialog came to something, or its process to an end.
    let first = question(Duration::from_secs(600));
    ask(&*store, &first).await;
    assert_eq!(shown(&*other, first.id, 100).await, Showing::Elsewhere);
    answer(&*store, &first, Answer::Accept { typed: Some("booking".into()) }).await;
    assert_eq!(shown(&*other, first.id, 100).await, Showing::Elsewhere, "what is typed on the page closes no dialog");
    let mistyped = Answer::Accept { typed: Some("booking".into()) };
    let given = AnswerSubmission::by("ada".into(), first.id, mistyped, Channel::Elicitation, None);
    store.answer(subject(Uuid::now_v7()), given).await.unwrap();
    assert_eq!(counted(first.id).await, 0);
    assert_eq!(shown(&*other, first.id, 100).await, Showing::Here);
    assert_eq!(shown(&*store, first.id, 100).await, Showing::Elsewhere);
    assert_eq!(counted(first.id).await, 1);
    let second = question(Duration::from_secs(600));
    let dying = open();
    ask(&*dying, &second).await;
    assert_eq!(shown(&*other, second.id, 100).await, Showing::Elsewhere);
    drop(dying);
    assert_eq!(shown(&*other, second.id, 100).await, Showing::Here);
    // One that was put nowhere yet is shown by whoever comes first.
    let third = question(Duration::from_secs(600));
    store.ask(subject(Uuid::now_v7()), third.clone(), None, ROOM).await.unwrap();
    let (one, two) = tokio::join!(shown(&*store, third.id, 100), shown(&*other, third.id, 100));
    assert!([(&one, &two), (&two, &one)].contains(&(&Showing::Here, &Showing::Elsewhere)), "{one:?} and {two:?}");
    assert_eq!(counted(third.id).await, 1);
    // Over with the question's own time.
    let past = question(Duration::ZERO);
    ask(&*store, &past).await;
    assert_eq!(shown(&*other, past.id, 100).await, Showing::Here);
}

pub(super) async fn a_dialog_ends_with_what_shows_it(open: Open<'_>) {
    let (store, other, third) = (open(), open(), open());
    for channel in [Channel::Elicitation, Channel::InputRequired] {
        let first = question(Duration::from_secs(600));
        let shown = async |store: &dyn Store| store.shown(Uuid::now_v7(), first.id, channel, 100).await.unwrap();
        store.ask(subject(Uuid::now_v7()), first.clone(), Some(channel), ROOM).await.unwrap();
        let before = all_records(&*store).await;
        other.shown_no_more(first.id).await.unwrap();
        assert_eq!(shown(&*other).await, Showing::Elsewhere, "only who shows it knows that it is over");
        for _ in 0..2 {
            store.shown_no_more(first.id).await.unwrap();
        }
        assert_eq!(all_records(&*third).await, before, "it is no fact about a call");
        assert_eq!(third.confirmation(first.id).await.unwrap().unwrap().1, ConfirmationState::unanswered());
        assert_eq!(shown(&*other).await, Showing::Here);
        store.shown_no_more(first.id).await.unwrap();
        for elsewhere in [&store, &third] {
            assert_eq!(shown(&**elsewhere).await, Showing::Elsewhere, "the one that is over was another");
        }
        other.shown_no_more(first.id).await.unwrap();
        let (one, two) = tokio::join!(shown(&*store), shown(&*third));
        assert!([(&one, &two), (&two, &one)].contains(&(&Showing::Here, &Showing::Elsewhere)), "{one:?} and {two:?}");
    }
}
