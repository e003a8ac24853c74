//! What every store must obey, whatever keeps it. Each law is a function over a way to open stores on one and the same
//! place; dropping a store there stands for its process coming to an end.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "only tests are built with it")]
#![expect(missing_docs, reason = "a law says in its name what must hold")]

pub mod bound;
pub mod bounds;
pub mod declined;
pub mod grants;
pub mod pruning;

use std::sync::Arc;
use std::time::Duration;

use mollyguard_tools::contract::{
    BlastRadius, Digest, Environment, Preflight, Probe, Reversibility, Scope, Target, TargetPath, Tier, UndoPlan, now,
};
use serde_json::json;
use uuid::Uuid;

use super::{AnswerSubmission, Asking, Bounds, CallFilter, Ending, Like, Start, Store, StoreError};
use crate::audit::{AuditEvent, AuditRecord, End, Subject, chain};
use crate::model::{
    Aim, Answer, Approval, Assurance, CallDigests, Channel, Confirmation, ConfirmationState, Need, Principal,
};

/// Opens another store on the same place.
pub type Open<'a> = &'a (dyn Fn() -> Arc<dyn Store> + Sync);

pub fn ada() -> Principal {
    Principal { user: "ada".into(), client: Some("probe".into()), roles: vec!["developer".into()] }
}

pub fn target() -> Target {
    let environment = Environment { name: "production".into(), tier: Tier::Production };
    Target { kind: "sqlite_table".into(), path: TargetPath::of("fleet").below("bookings"), uid: None, environment }
}

pub fn subject(call: Uuid) -> Subject {
    Subject {
        call: Some(call),
        principal: Some(ada()),
        tool: Some("sqlite_delete_rows".into()),
        targets: vec![target()],
        arguments: Some(Digest::of(&json!({"table": "bookings"}))),
    }
}

pub fn start() -> Start {
    let preflight = Preflight {
        targets: vec![target()],
        blast_radius: BlastRadius { rows: Some(3), ..BlastRadius::one(Scope::Resource) },
        reversibility: Reversibility::Reversible,
        destroys_recovery: false,
        evidence: Vec::new(),
        alternative: None,
        fingerprint: Digest::of_bytes(b"state"),
        summary: "delete 3 rows of bookings".into(),
        pre_image: Some(json!([{"id": 1}, {"id": 2}, {"id": 3}])),
    };
    Start {
        subject: subject(Uuid::now_v7()),
        args: json!({"target": "fleet", "table": "bookings"}),
        target: "fleet".into(),
        identity: Some("it".into()),
        preflight,
        reversibility: Reversibility::Reversible,
        policies: vec!["reversible-is-free".into()],
        confirmation: None,
        grant: None,
        digests: None,
        undoes: None,
    }
}

/// What a call comes to that the yes to this question was given to.
pub fn digests_of(request: Digest) -> CallDigests {
    let (something, state) = (Digest::of_bytes(b"something"), Digest::of_bytes(b"state"));
    let targets = Digest::of(&[target()]);
    CallDigests { request, state, targets, declaration: something, policies: something }
}

/// The call that [`question`] with this id was asked about.
pub fn spending(confirmation: Uuid) -> Start {
    let request = Digest::of_bytes(confirmation.as_bytes());
    Start { confirmation: Some(confirmation), digests: Some(digests_of(request)), ..start() }
}

pub fn plan() -> UndoPlan {
    UndoPlan {
        tool: "sqlite_restore_rows".into(),
        args: json!({"rows": [1, 2, 3]}),
        expects: Digest::of_bytes(b"after"),
        until: None,
        lossy: Vec::new(),
    }
}

pub fn ended(end: End) -> Ending {
    let undo = (end == End::Succeeded).then(plan);
    let note = (end != End::Succeeded).then(|| "it did not work".to_owned());
    Ending { end, undo, note, probe: None }
}

pub fn question(lives: Duration) -> Confirmation {
    let id = Uuid::now_v7();
    Confirmation {
        id,
        principal: ada(),
        tool: "sqlite_delete_rows".into(),
        request: Digest::of_bytes(id.as_bytes()),
        state: Digest::of_bytes(b"state"),
        effect: Some(Digest::of_bytes(id.as_bytes())),
        aim: Aim::default(),
        arguments: subject(id).arguments,
        call: Digest::of_bytes(id.as_bytes()),
        need: Need::IN_CLIENT,
        typed_name: "bookings".into(),
        text: "Delete 3 rows of bookings?".into(),
        facts: None,
        because: Vec::new(),
        asked_at: now(),
        expires_at: now() + lives,
        covers: None,
        may_last: false,
    }
}

fn yes(confirmation: Uuid) -> Approval {
    let (assurance, channel) = (Assurance::Typed, Channel::Elicitation);
    Approval { confirmation, approver: "ada".into(), operator: None, user: None, assurance, channel, at: now() }
}

fn accept() -> Answer {
    Answer::Accept { typed: Some("bookings".into()) }
}

pub async fn ask(store: &dyn Store, question: &Confirmation) {
    let asking = put(store, question, ROOM).await;
    assert!(matches!(asking, Asking::Asked), "{asking:?}");
}

/// How long a no holds.
const DENIAL: Duration = Duration::from_secs(600);

/// Bounds nothing here reaches.
const ROOM: Bounds = Bounds { denial: DENIAL, open: 1_000, flood: 1_000 };

async fn put(store: &dyn Store, question: &Confirmation, bounds: Bounds) -> Asking {
    let about = subject(Uuid::now_v7());
    store.ask(about, question.clone(), Some(Channel::Elicitation), bounds).await.unwrap()
}

pub async fn approve(store: &dyn Store, id: Uuid) -> Result<(), StoreError> {
    let about = subject(Uuid::now_v7());
    store.answer(about, AnswerSubmission::by("ada".into(), id, accept(), Channel::Elicitation, Some(yes(id)))).await
}

pub async fn approved(store: &dyn Store) -> Uuid {
    let question = question(Duration::from_secs(600));
    ask(store, &question).await;
    approve(store, question.id).await.unwrap();
    question.id
}

/// The question about this request and this state that can be answered or used still.
async fn pending(store: &dyn Store, request: Digest, state: Digest) -> Option<Uuid> {
    let asked = store.asked_before(Like { request, effect: request, aim: Aim::default() }).await.unwrap();
    let usable = |(question, standing): &(Confirmation, ConfirmationState)| {
        let waits = matches!(standing, ConfirmationState::Open { .. } | ConfirmationState::Approved { .. });
        waits && question.is_in_time(now()) && (question.request, question.state) == (request, state)
    };
    asked.into_iter().find(usable).map(|(question, _)| question.id)
}

/// A call from start to end.
pub async fn ran(store: &dyn Store, start: Start, end: End) -> Uuid {
    let intent = store.begin(start).await.unwrap();
    let call = intent.call();
    store.finish(intent, ended(end)).await.unwrap();
    call
}

pub async fn all_records(store: &dyn Store) -> Vec<AuditRecord> {
    let mut all: Vec<AuditRecord> = Vec::new();
    loop {
        let after = all.last().map(|record| (record.stream, record.seq));
        let more = store.records(after, 7).await.unwrap();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// Runs every law, each on a place of its own.
pub async fn all(mut place: impl FnMut() -> Box<dyn Fn() -> Arc<dyn Store> + Sync>) {
    a_call_is_written_down_before_it_runs(&*place()).await;
    an_end_is_written_once(&*place()).await;
    an_approval_is_used_once(&*place()).await;
    an_approval_raced_for_is_used_once(&*place()).await;
    an_approval_is_used_only_as_given(&*place()).await;
    bound::an_approval_is_used_only_for_what_it_was_given_to(&*place()).await;
    the_first_answer_stands(&*place()).await;
    a_yes_is_taken_back_until_it_is_used(&*place()).await;
    the_newest_usable_question_is_pending(&*place()).await;
    the_same_question_is_not_put_twice(&*place()).await;
    the_same_effect_is_not_asked_about_twice(&*place()).await;
    declined::a_no_holds_for_whatever_shares_its_aim(&*place()).await;
    declined::each_showing_counts(&*place()).await;
    declined::a_question_is_shown_by_one_process_at_a_time(&*place()).await;
    declined::a_dialog_ends_with_what_shows_it(&*place()).await;
    declined::who_mistypes_may_try_again(&*place()).await;
    a_need_that_grew_is_asked_about_anew(&*place()).await;
    what_was_asked_before_is_found(&*place()).await;
    bounds::one_user_has_so_many_questions_open(&*place()).await;
    bounds::a_flood_of_questions_ends_them(&*place()).await;
    a_call_is_taken_back_once(&*place()).await;
    an_undo_that_changed_nothing_may_be_tried_again(&*place()).await;
    calls_are_listed_newest_first(&*place()).await;
    a_listing_leaves_out_what_is_large(&*place()).await;
    records_stand_in_order_without_gaps(&*place()).await;
    only_calls_of_the_dead_are_unfinished(&*place()).await;
    what_is_settled_is_settled_once(&*place()).await;
    closing_writes_what_waits(&*place()).await;
    grants::a_grant_stands_in_for_what_it_is_about(&*place()).await;
    grants::a_grant_is_given_only_with_a_sufficient_yes_on_the_page(&*place()).await;
    grants::a_grant_runs_out(&*place()).await;
    grants::a_grant_is_ended_by_whatever_makes_less_possible(&*place()).await;
    grants::no_call_begins_under_a_grant_after_its_end(&*place()).await;
    pruning::what_is_old_goes_and_what_rests_on_it(&*place()).await;
    pruning::what_is_in_use_stays(&*place()).await;
    pruning::a_call_stays_while_its_undo_does(&*place()).await;
}

async fn a_call_is_written_down_before_it_runs(open: Open<'_>) {
    let store = open();
    let start = start();
    let intent = store.begin(start.clone()).await.unwrap();
    let stored = open().call(intent.call()).await.unwrap().unwrap();
    assert_eq!(stored.args, start.args);
    assert_eq!(stored.preflight, start.preflight, "with its pre-image");
    assert_eq!((stored.end, stored.finished_at), (None, None));

    store.finish(intent, ended(End::Succeeded)).await.unwrap();
    let stored = open().call(stored.id).await.unwrap().unwrap();
    assert_eq!(stored.end, Some(End::Succeeded));
    assert_eq!(stored.undo, Some(plan()));
    assert_eq!(stored.preflight.pre_image, None);
    let kinds: Vec<AuditEvent> = all_records(&*store).await.into_iter().map(|record| record.event).collect();
    let [AuditEvent::Configured { .. }, AuditEvent::Started { .. }, AuditEvent::Finished { .. }] = kinds.as_slice()
    else {
        panic!("{kinds:?}")
    };
}

async fn an_end_is_written_once(open: Open<'_>) {
    let store = open();
    let intent = store.begin(start()).await.unwrap();
    let call = intent.call();
    assert!(store.recover(call, ended(End::Uncertain)).await.unwrap());
    let unfinished = store.finish(intent, ended(End::Succeeded)).await.unwrap_err();
    assert!(matches!(unfinished.error, StoreError::AlreadyEnded(about) if about == call), "{unfinished}");
    let stored = store.call(call).await.unwrap().unwrap();
    assert_eq!(stored.end, Some(End::Uncertain));
    assert!(stored.preflight.pre_image.is_some(), "of an uncertain end the image is all that is known");
}

async fn an_approval_is_used_once(open: Open<'_>) {
    let store = open();
    let id = approved(&*store).await;
    let call = ran(&*store, spending(id), End::Untouched).await;
    let again = store.begin(spending(id)).await;
    assert!(matches!(again, Err(StoreError::NotApproved(about, _)) if about == id));
    assert_eq!(open().confirmation(id).await.unwrap().unwrap().1, ConfirmationState::Spent { call });
    assert_eq!(store.calls(CallFilter::default()).await.unwrap().len(), 1, "the refused call left nothing");
}

async fn an_approval_raced_for_is_used_once(open: Open<'_>) {
    let stores = [open(), open()];
    let id = approved(&*stores[0]).await;
    let racers: Vec<_> = (0..16)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move { store.begin(spending(id)).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += usize::from(racer.await.unwrap());
    }
    assert_eq!(won, 1);
}

async fn an_approval_is_used_only_as_given(open: Open<'_>) {
    let store = open();
    let refused = async |id, start: Start| match store.begin(Start { confirmation: Some(id), ..start }).await {
        Err(StoreError::NotApproved(about, why)) if about == id => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Uuid::now_v7(), start()).await, "it was never asked");

    let open_one = question(Duration::from_secs(600));
    ask(&*store, &open_one).await;
    assert_eq!(refused(open_one.id, start()).await, "not enough people have approved it");

    let short = question(Duration::from_millis(120));
    ask(&*store, &short).await;
    approve(&*store, short.id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(130)).await;
    assert!(refused(short.id, start()).await.starts_with("it expired"));

    let id = approved(&*store).await;
    let mut other = spending(id);
    other.subject.tool = Some("sqlite_drop_table".into());
    assert_eq!(refused(id, other).await, "it was asked about another tool");
    let mut other = spending(id);
    other.subject.principal.as_mut().unwrap().user = "eve".into();
    assert_eq!(refused(id, other).await, "it was asked for somebody else");
    for arguments in [None, Some(Digest::of(&json!({"table": "bookings", "limit": 1})))] {
        let mut other = spending(id);
        other.subject.arguments = arguments;
        assert_eq!(refused(id, other).await, "it was asked about other arguments");
    }
    let (_, standing) = store.confirmation(id).await.unwrap().unwrap();
    assert!(
        matches!(standing, ConfirmationState::Approved { approvals } if approvals.len() == 1),
        "a refusal spends nothing"
    );
    assert!(store.calls(CallFilter::default()).await.unwrap().is_empty());
}

/// What became of it, if it was a no.
async fn refusal_of(store: &dyn Store, id: Uuid) -> Option<String> {
    match store.confirmation(id).await.unwrap().unwrap().1 {
        ConfirmationState::Refused { how, by, .. } => Some(format!("{how} by {by}")),
        _ => None,
    }
}

async fn the_first_answer_stands(open: Open<'_>) {
    let store = open();
    let question = question(Duration::from_secs(600));
    ask(&*store, &question).await;
    let id = question.id;
    let about = subject(Uuid::now_v7());
    store
        .answer(about, AnswerSubmission::by("ada".into(), id, Answer::Decline, Channel::Elicitation, None))
        .await
        .unwrap();
    assert!(matches!(approve(&*open(), id).await, Err(StoreError::NotApproved(..))));
    assert_eq!(store.confirmation(id).await.unwrap().unwrap().0, question);
    assert_eq!(refusal_of(&*store, id).await.as_deref(), Some("declined by ada"));

    let late = self::question(Duration::ZERO);
    ask(&*store, &late).await;
    assert!(matches!(approve(&*store, late.id).await, Err(StoreError::NotApproved(..))), "a late yes is none");
    let about = subject(Uuid::now_v7());
    store
        .answer(about, AnswerSubmission::by("ada".into(), late.id, Answer::Timeout, Channel::Elicitation, None))
        .await
        .unwrap();
}

async fn a_yes_is_taken_back_until_it_is_used(open: Open<'_>) {
    let (store, other) = (open(), open());
    let no = async |id, answer| {
        other
            .answer(subject(Uuid::now_v7()), AnswerSubmission::by("ada".into(), id, answer, Channel::Terminal, None))
            .await
    };
    let id = approved(&*store).await;
    assert!(matches!(approve(&*other, id).await, Err(StoreError::NotApproved(..))), "a yes is not given twice");
    no(id, Answer::Decline).await.unwrap();
    assert_eq!(refusal_of(&*store, id).await.as_deref(), Some("declined by ada"));
    let spent = store.begin(spending(id)).await;
    assert!(matches!(spent, Err(StoreError::NotApproved(..))));
    assert!(matches!(no(id, Answer::Decline).await, Err(StoreError::NotApproved(..))), "a no is not given twice");
    assert!(matches!(approve(&*store, id).await, Err(StoreError::NotApproved(..))), "a no stands");
    let answers = all_records(&*store).await;
    let answers = answers.iter().filter(|record| matches!(record.event, AuditEvent::Answered { .. }));
    assert_eq!(answers.count(), 2, "both are recorded");

    let id = approved(&*store).await;
    ran(&*store, spending(id), End::Succeeded).await;
    assert!(matches!(no(id, Answer::Decline).await, Err(StoreError::NotApproved(..))), "what was used is used");
}

async fn the_newest_usable_question_is_pending(open: Open<'_>) {
    let store = open();
    let about = question(Duration::ZERO);
    let pending = async || pending(&*store, about.request, about.state).await;
    assert_eq!(pending().await, None);
    let again = |lives| Confirmation { request: about.request, ..question(lives) };
    let expired = again(Duration::ZERO);
    ask(&*store, &expired).await;
    assert_eq!(pending().await, None, "it has expired");
    let first = again(Duration::from_secs(600));
    ask(&*store, &first).await;
    assert_eq!(pending().await, Some(first.id));
    approve(&*store, first.id).await.unwrap();
    assert_eq!(pending().await, Some(first.id), "approved and not used yet");
    ran(&*store, Start { digests: Some(digests_of(about.request)), ..spending(first.id) }, End::Succeeded).await;
    assert_eq!(pending().await, None);
    let second = again(Duration::from_secs(600));
    ask(&*store, &second).await;
    assert_eq!(pending().await, Some(second.id));
    let elsewhere = self::pending(&*store, about.request, Digest::of_bytes(b"another state")).await;
    assert_eq!(elsewhere, None);
}

async fn the_same_question_is_not_put_twice(open: Open<'_>) {
    let stores = [open(), open()];
    let about = question(Duration::from_secs(600));
    let racers: Vec<_> = (0..16)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            let question = Confirmation { request: about.request, ..question(Duration::from_secs(600)) };
            tokio::spawn(async move {
                match put(&*store, &question, ROOM).await {
                    Asking::Asked => (true, question.id),
                    Asking::Already(found, ConfirmationState::Open { .. }) => (false, found.id),
                    other => panic!("{other:?}"),
                }
            })
        })
        .collect();
    let mut put_by = Vec::new();
    let mut ids = std::collections::HashSet::new();
    for racer in racers {
        let (is_put, id) = racer.await.unwrap();
        put_by.extend(is_put.then_some(id));
        ids.insert(id);
    }
    assert_eq!((put_by.len(), ids.len()), (1, 1), "all of them were told of the one");
    approve(&*stores[0], put_by[0]).await.unwrap();
    let again = Confirmation { request: about.request, ..question(Duration::from_secs(600)) };
    let Asking::Already(_, ConfirmationState::Approved { .. }) = put(&*stores[1], &again, ROOM).await else {
        panic!("it is approved")
    };
    let used = Start { digests: Some(digests_of(about.request)), ..spending(put_by[0]) };
    ran(&*stores[0], used, End::Succeeded).await;
    ask(&*stores[1], &again).await;
}

async fn the_same_effect_is_not_asked_about_twice(open: Open<'_>) {
    let (store, other) = (open(), open());
    let first = question(Duration::from_secs(600));
    ask(&*store, &first).await;
    let in_other_words = || Confirmation { effect: first.effect, ..question(Duration::from_secs(600)) };
    for _ in 0..3 {
        match put(&*other, &in_other_words(), ROOM).await {
            Asking::InOtherWords(asked) => assert_eq!(asked.id, first.id),
            asking => panic!("{asking:?}"),
        }
    }
    assert_eq!(other.open_questions().await.unwrap().len(), 1);
    let denied = all_records(&*store).await;
    let denied = denied.iter().filter(|record| matches!(record.event, AuditEvent::Denied { .. })).count();
    assert_eq!(denied, 3, "each is on record");
    approve(&*store, first.id).await.unwrap();
    assert!(matches!(put(&*other, &in_other_words(), ROOM).await, Asking::InOtherWords(_)), "until it is used");
    // What was found is something else, or the rules are: then the old answer could not be used.
    let moved = Confirmation { state: Digest::of_bytes(b"another state"), ..in_other_words() };
    assert!(matches!(put(&*other, &moved, ROOM).await, Asking::Asked));
    ran(&*store, spending(first.id), End::Succeeded).await;
    assert!(matches!(put(&*other, &in_other_words(), ROOM).await, Asking::Asked), "what was used is over");
}

/// Nobody waits for an answer that would not be enough.
async fn a_need_that_grew_is_asked_about_anew(open: Open<'_>) {
    for answered in [false, true] {
        let store = open();
        let first = question(Duration::from_secs(600));
        ask(&*store, &first).await;
        if answered {
            approve(&*store, first.id).await.unwrap();
        }
        let again = |need| Confirmation { request: first.request, need, ..question(Duration::from_secs(600)) };
        let less = put(&*store, &again(Need::of(Assurance::Acknowledged, 1)), ROOM).await;
        assert!(matches!(less, Asking::Already(asked, _) if asked.id == first.id), "it asks for no less");
        let more = again(Need::of(Assurance::OutOfBand, 2));
        assert!(matches!(put(&*store, &more, ROOM).await, Asking::Asked));
        assert_eq!(refusal_of(&*store, first.id).await.as_deref(), Some("failed by mollyguard"));
        assert!(matches!(approve(&*store, first.id).await, Err(StoreError::NotApproved(..))));
        assert_eq!(pending(&*store, more.request, more.state).await, Some(more.id));
        assert!(matches!(put(&*store, &again(more.need), ROOM).await, Asking::Already(..)), "once");
    }
}

async fn what_was_asked_before_is_found(open: Open<'_>) {
    let store = open();
    let about = question(Duration::from_secs(600));
    let found = async || {
        store.asked_before(Like { request: about.request, effect: about.request, aim: Aim::default() }).await.unwrap()
    };
    assert!(found().await.is_empty());
    ask(&*store, &question(Duration::from_secs(600))).await;
    ask(&*store, &about).await;
    let state = Digest::of_bytes(b"another state");
    let later = Confirmation { request: about.request, state, ..question(Duration::ZERO) };
    ask(&*store, &later).await;
    let declined = AnswerSubmission::by("ada".into(), about.id, Answer::Decline, Channel::Page, None);
    store.answer(subject(Uuid::now_v7()), declined).await.unwrap();
    let asked = found().await;
    assert_eq!(asked.iter().map(|(it, _)| it.id).collect::<Vec<_>>(), [later.id, about.id], "newest first");
    assert_eq!(asked[0].1, ConfirmationState::unanswered());
    assert!(matches!(&asked[1].1, ConfirmationState::Refused { how, by, .. } if how == "declined" && by == "ada"));
}

async fn a_call_is_taken_back_once(open: Open<'_>) {
    let store = open();
    let call = ran(&*store, start(), End::Succeeded).await;
    let undo = || Start { undoes: Some(call), ..start() };
    let intent = store.begin(undo()).await.unwrap();
    let by = intent.call();
    assert!(
        matches!(open().begin(undo()).await, Err(StoreError::AlreadyUndone(c, b)) if (c, b) == (call, by)),
        "while it is being taken back"
    );
    let claims = async || {
        let stored = store.call(call).await.unwrap().unwrap();
        (stored.undone_by, stored.claimed_by, stored.is_undoable())
    };
    assert_eq!(claims().await, (None, Some(by), false));
    store.finish(intent, ended(End::Succeeded)).await.unwrap();
    assert!(matches!(store.begin(undo()).await, Err(StoreError::AlreadyUndone(..))));
    assert_eq!(claims().await, (Some(by), None, false));
    let undone = all_records(&*store).await.into_iter().find(|record| record.event == AuditEvent::Undone { by });
    assert_eq!(undone.unwrap().subject.call, Some(call));
    let undoable = CallFilter { undoable: true, ..CallFilter::default() };
    let undoable: Vec<Uuid> = store.calls(undoable).await.unwrap().into_iter().map(|call| call.id).collect();
    assert_eq!(undoable, [by], "the undo can itself be undone");
    let unknown = store.begin(Start { undoes: Some(Uuid::now_v7()), ..start() }).await;
    assert!(matches!(unknown, Err(StoreError::NotFound("call", _))));
}

async fn an_undo_that_changed_nothing_may_be_tried_again(open: Open<'_>) {
    let store = open();
    let call = ran(&*store, start(), End::Succeeded).await;
    let undo = || Start { undoes: Some(call), ..start() };
    let claims = async || {
        let stored = store.call(call).await.unwrap().unwrap();
        (stored.undone_by, stored.claimed_by, stored.is_undoable())
    };
    let looked_at = |found| Ending { probe: Some(found), ..ended(End::Uncertain) };
    ran(&*store, undo(), End::Untouched).await;
    assert_eq!(claims().await, (None, None, true));
    let intent = store.begin(undo()).await.unwrap();
    store.finish(intent, looked_at(Probe::Unchanged)).await.unwrap();
    assert_eq!(claims().await, (None, None, true), "a look found nothing changed");
    let intent = store.begin(undo()).await.unwrap();
    assert!(store.recover(intent.call(), looked_at(Probe::Unchanged)).await.unwrap());
    assert_eq!(claims().await, (None, None, true));
    let intent = store.begin(undo()).await.unwrap();
    let by = intent.call();
    store.finish(intent, looked_at(Probe::Unknown)).await.unwrap();
    assert_eq!(claims().await, (None, Some(by), false));
    assert!(
        matches!(store.begin(undo()).await, Err(StoreError::AlreadyUndone(..))),
        "an uncertain one may have taken it back"
    );

    let late = Ending { undo: Some(UndoPlan { until: Some(now()), ..plan() }), ..ended(End::Succeeded) };
    let intent = store.begin(start()).await.unwrap();
    let call = intent.call();
    store.finish(intent, late).await.unwrap();
    assert!(!store.call(call).await.unwrap().unwrap().is_undoable(), "its time is over");
}

async fn calls_are_listed_newest_first(open: Open<'_>) {
    let store = open();
    let mut calls = Vec::new();
    for n in 0..5 {
        let mut start = start();
        start.target = if n % 2 == 0 { "fleet".into() } else { "files".into() };
        calls.push(ran(&*store, start, End::Succeeded).await);
    }
    calls.reverse();
    let list =
        async |filter| -> Vec<Uuid> { store.calls(filter).await.unwrap().into_iter().map(|call| call.id).collect() };
    assert_eq!(list(CallFilter::default()).await, calls);
    assert_eq!(list(CallFilter { limit: 2, ..CallFilter::default() }).await, calls[..2]);
    assert_eq!(list(CallFilter { before: Some(calls[1]), ..CallFilter::default() }).await, calls[2..]);
    assert_eq!(list(CallFilter { target: Some("files".into()), ..CallFilter::default() }).await, [calls[1], calls[3]]);
    assert!(list(CallFilter { user: Some("eve".into()), ..CallFilter::default() }).await.is_empty());
}

async fn a_listing_leaves_out_what_is_large(open: Open<'_>) {
    let store = open();
    let mut large = start();
    large.args = json!({"rows": "x".repeat(100_000)});
    let args = large.args.clone();
    ran(&*store, start(), End::Succeeded).await;
    let large = ran(&*store, large, End::Succeeded).await;
    let running = store.begin(start()).await.unwrap();
    let listed = store.calls(CallFilter::default()).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|call| call.preflight.pre_image.is_none()));
    assert_eq!(listed[1].undo, Some(UndoPlan { args: serde_json::Value::Null, ..plan() }));
    assert_eq!((&listed[1].args, &listed[2].args), (&serde_json::Value::Null, &start().args));
    let whole = store.call(large).await.unwrap().unwrap();
    assert_eq!((whole.args, whole.undo), (args, Some(plan())));
    assert_eq!(store.call(running.call()).await.unwrap().unwrap().preflight, start().preflight);
}

async fn records_stand_in_order_without_gaps(open: Open<'_>) {
    let stores = [open(), open()];
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move {
                for _ in 0..4 {
                    let read = AuditEvent::Read { policies: Vec::new(), failed: None };
                    store.record(subject(Uuid::now_v7()), read).await.unwrap();
                    ran(&*store, start(), End::Succeeded).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let records = all_records(&*stores[0]).await;
    assert_eq!(records.len(), 2 + 8 * 4 * 3);
    for (n, record) in records.iter().enumerate() {
        let before = n.checked_sub(1).map(|n| &records[n]).filter(|before| before.stream == record.stream);
        assert_eq!(record.seq, before.map_or(0, |before| before.seq + 1));
        assert_eq!(record.previous, before.map_or_else(|| chain::genesis(record.stream), |before| before.digest));
        assert_eq!(record.digest, chain::digest(record));
        assert_eq!(record.seq == 0, matches!(record.event, AuditEvent::Configured { .. }));
    }
    let forged = stores[0].record(subject(Uuid::now_v7()), AuditEvent::Undone { by: Uuid::now_v7() }).await;
    forged.unwrap_err();
}

async fn only_calls_of_the_dead_are_unfinished(open: Open<'_>) {
    let (living, dying) = (open(), open());
    let running = living.begin(start()).await.unwrap();
    let cut_off = dying.begin(start()).await.unwrap().call();
    ran(&*dying, start(), End::Succeeded).await;
    for store in [&living, &dying, &open()] {
        assert_eq!(store.unfinished().await.unwrap().len(), 0, "both processes live");
    }
    drop(dying);
    let unfinished = living.unfinished().await.unwrap();
    assert_eq!(unfinished.iter().map(|call| call.id).collect::<Vec<_>>(), [cut_off]);
    assert_eq!(unfinished[0].preflight, start().preflight, "with its pre-image");
    living.finish(running, ended(End::Succeeded)).await.unwrap();
}

async fn what_is_settled_is_settled_once(open: Open<'_>) {
    let call = ran(&*open(), start(), End::Succeeded).await;
    let cut_off = open().begin(Start { undoes: Some(call), ..start() }).await.unwrap().call();
    let stores = [open(), open()];
    let mut settled = 0;
    for store in &stores {
        settled += usize::from(store.recover(cut_off, ended(End::Untouched)).await.unwrap());
        assert!(store.unfinished().await.unwrap().is_empty());
    }
    assert_eq!(settled, 1);
    stores[0].begin(Start { undoes: Some(call), ..start() }).await.expect("the claim is released");
    assert!(matches!(
        stores[0].recover(Uuid::now_v7(), ended(End::Untouched)).await,
        Err(StoreError::NotFound("call", _))
    ));
}

async fn closing_writes_what_waits(open: Open<'_>) {
    let store = open();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.begin(start()).await.is_ok() })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let mut begun = 0;
    for begin in waiting {
        begun += usize::from(begin.await.unwrap());
    }
    assert_eq!(open().calls(CallFilter::default()).await.unwrap().len(), begun);
    store.begin(start()).await.unwrap_err();
    store.close().await.unwrap_err();
}
