//! Approvals that stand for a while: how they are given, what they are good for, and everything that ends them.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_tools::contract::{Digest, Reversibility, Target, TargetPath, now};
use uuid::Uuid;

use super::{Open, accept, ada, all_records, approved, ask, digests_of, question, ran, start, subject, target, yes};
use crate::audit::{AuditEvent, End};
use crate::model::{
    Answer, Approval, Assurance, CallDigests, Channel, Confirmation, ConfirmationState, Coverage, Ended, Enrolment,
    Grant, Invitation, LONGEST, Need, Operator, Principal,
};
use crate::store::{AnswerSubmission, CallFilter, Start, Store, StoreError};

/// Somebody enrolled with a code; the first is invited by the owner.
pub async fn operator(store: &dyn Store, name: &str) -> Operator {
    let first = store.operators().await.unwrap().first().map(|operator| operator.id);
    let (invitation, name) = (Uuid::now_v7(), name.to_owned());
    let code = |what: &str| Digest::of_bytes(format!("{name}'s {what}").as_bytes());
    let expires_at = now() + Duration::from_secs(600);
    let invited = Invitation {
        id: invitation,
        name: name.clone(),
        user: Some(name.clone()),
        by: first,
        adds_to: None,
        code: code("invitation"),
        expires_at,
    };
    store.invite(invited).await.unwrap();
    let passkeys = Vec::new();
    let user = Some(name.clone());
    let operator =
        Operator { id: Uuid::now_v7(), name: name.clone(), user, enrolled_at: now(), passkeys, has_code: true };
    let code = Some(code("code"));
    store.enroll(Enrolment::New { invitation, operator: operator.clone(), code }).await.unwrap();
    operator
}

pub(super) fn covers(targets: &[Target]) -> Coverage {
    let digest = Digest::of_bytes(b"something");
    Coverage { targets: targets.to_vec(), exact: Digest::of(targets), declaration: digest, policies: digest }
}

/// A question about a call that can be undone, as [`start`] is.
pub fn lasting() -> Confirmation {
    let need = Need::of(Assurance::Acknowledged, 1);
    Confirmation { need, covers: Some(covers(&[target()])), may_last: true, ..question(Duration::from_secs(600)) }
}

/// The operator's yes on the page, for so long.
fn yes_for(operator: &Operator, id: Uuid, lasts: Duration) -> AnswerSubmission {
    let approval = Approval { approver: operator.name.clone(), operator: Some(operator.id), ..yes(id) };
    let given = AnswerSubmission::by(operator.name.clone(), id, accept(), Channel::Page, Some(approval));
    AnswerSubmission { operator: Some(operator.id), lasts: Some(lasts), ..given }
}

/// An approval for a while.
pub async fn given(store: &dyn Store, operator: &Operator, lasts: Duration) -> Grant {
    let question = lasting();
    ask(store, &question).await;
    store.answer(subject(Uuid::now_v7()), yes_for(operator, question.id, lasts)).await.unwrap();
    let about = question.covers.as_ref().unwrap().about(&question.tool, &question.principal);
    let granted = store.granted(about).await.unwrap();
    granted.into_iter().find(|grant| grant.confirmation == question.id).expect("it was given")
}

pub fn under(grant: Uuid) -> Start {
    Start { grant: Some(grant), digests: Some(digests_of(Digest::of_bytes(b"request"))), ..start() }
}

fn with_digest(of: fn(&mut CallDigests) -> &mut Digest) -> Option<CallDigests> {
    let mut digests = digests_of(Digest::of_bytes(b"request"));
    *of(&mut digests) = Digest::of_bytes(b"another");
    Some(digests)
}

/// Why no call begins under it; nothing is left of the try.
async fn refused(store: &dyn Store, start: Start) -> String {
    let calls = store.calls(CallFilter::default()).await.unwrap().len();
    let grant = start.grant.unwrap();
    let why = match store.begin(start).await {
        Err(StoreError::NotGranted(about, why)) if about == grant => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(store.calls(CallFilter::default()).await.unwrap().len(), calls);
    why
}

/// How those that ended did, in order.
async fn ends(store: &dyn Store) -> Vec<(Uuid, Ended, Option<Uuid>)> {
    let of = |event| match event {
        AuditEvent::GrantEnded { grant, how, by } => Some((grant, how, by)),
        _ => None,
    };
    all_records(store).await.into_iter().filter_map(|record| of(record.event)).collect()
}

const QUARTER: Duration = Duration::from_secs(15 * 60);

pub async fn a_grant_stands_in_for_what_it_is_about(open: Open<'_>) {
    let (store, other) = (open(), open());
    let olga = operator(&*store, "olga").await;
    let grant = given(&*store, &olga, QUARTER).await;
    // As much as was asked for, though the answer proves more.
    assert_eq!((grant.operator, grant.strength), (olga.id, lasting().need));
    assert_eq!(grant.expires_at, grant.given.at + QUARTER);
    let first = ran(&*store, under(grant.id), End::Succeeded).await;
    let second = ran(&*other, under(grant.id), End::Untouched).await;
    let free = ran(&*other, start(), End::Succeeded).await;
    for (call, expected) in [(first, Some(grant.id)), (second, Some(grant.id)), (free, None)] {
        assert_eq!(store.call(call).await.unwrap().unwrap().grant, expected);
        let records = all_records(&*store).await;
        let told = records.iter().find_map(|record| match &record.event {
            AuditEvent::Started { grant, .. } if record.subject.call == Some(call) => Some(*grant),
            _ => None,
        });
        assert_eq!(told, Some(expected), "its record names it");
    }
    let listed = other.grants().await.unwrap();
    assert_eq!((listed.len(), listed[0].uses, &listed[0].grant), (1, 2, &grant));

    let with = |change: fn(&mut Start)| {
        let mut start = under(grant.id);
        change(&mut start);
        start
    };
    for (start, why) in [
        (under(Uuid::now_v7()), "it was never given"),
        (with(|start| start.subject.tool = Some("sqlite_drop_table".into())), "it is about another tool"),
        (with(|start| start.subject.principal.as_mut().unwrap().user = "eve".into()), "it was given for somebody else"),
        (with(|start| start.subject.principal.as_mut().unwrap().roles.clear()), "it was given for somebody else"),
        (
            with(|start| start.subject.targets[0].path = TargetPath::of("fleet").below("cars")),
            "it is about other targets",
        ),
        (with(|start| start.subject.targets[0].uid = Some("2".into())), "it is about other targets"),
        (
            with(|start| start.subject.targets.push(Target { uid: Some("2".into()), ..target() })),
            "it is about other targets",
        ),
        (with(|start| start.subject.targets.clear()), "it is about other targets"),
        (with(|start| start.digests = None), "what the call comes to is not known"),
        (with(|start| start.digests = with_digest(|of| &mut of.targets)), "it is about other targets"),
        (with(|start| start.digests = with_digest(|of| &mut of.declaration)), "the tool's declaration has changed"),
        (with(|start| start.digests = with_digest(|of| &mut of.policies)), "the policies have changed"),
    ] {
        let told = refused(&*store, start).await;
        assert!(told.starts_with(why), "{told}");
    }
    for start in [
        with(|start| start.reversibility = Reversibility::Compensable),
        with(|start| start.reversibility = Reversibility::Irreversible),
        with(|start| start.preflight.destroys_recovery = true),
        Start { undoes: Some(first), ..under(grant.id) },
        Start { confirmation: Some(approved(&*store).await), ..under(grant.id) },
    ] {
        assert!(refused(&*store, start).await.starts_with("it is about calls that can be undone"));
    }
    assert_eq!(store.grants().await.unwrap()[0].uses, 2);
}

pub async fn a_grant_is_given_only_with_a_sufficient_yes_on_the_page(open: Open<'_>) {
    let store = open();
    let (olga, piet) = (operator(&*store, "olga").await, operator(&*store, "piet").await);
    let refused = async |question: &Confirmation, given: AnswerSubmission, why: &str| {
        match store.answer(subject(Uuid::now_v7()), given).await {
            Err(StoreError::NotApproved(id, told)) if id == question.id => assert!(told.contains(why), "{told}"),
            other => panic!("{why}: {other:?}"),
        }
        let standing = store.confirmation(question.id).await.unwrap().unwrap().1;
        assert_eq!(standing, ConfirmationState::unanswered(), "{why}: not even the yes was taken");
        assert!(store.grants().await.unwrap().is_empty(), "{why}");
    };
    let question = lasting();
    ask(&*store, &question).await;
    let id = question.id;
    let good = || yes_for(&olga, id, LONGEST);
    for lasts in [Duration::ZERO, LONGEST + Duration::from_millis(1), QUARTER * 40, Duration::MAX] {
        refused(&question, AnswerSubmission { lasts: Some(lasts), ..good() }, "longer than an hour").await;
    }
    for channel in [Channel::Terminal, Channel::Elicitation, Channel::InputRequired] {
        refused(&question, AnswerSubmission { channel, ..good() }, "only an operator").await;
    }
    refused(&question, AnswerSubmission { operator: None, ..good() }, "only an operator").await;
    refused(&question, AnswerSubmission { operator: Some(piet.id), ..good() }, "another person's").await;
    for answer in [Answer::Decline, Answer::Cancel, Answer::Timeout, Answer::Failed] {
        refused(&question, AnswerSubmission { answer, approval: None, ..good() }, "enough by itself").await;
    }
    let need = Need::of(Assurance::Typed, 2);
    for other in [
        Confirmation { may_last: false, ..lasting() },
        Confirmation { covers: None, ..lasting() },
        Confirmation { need, ..lasting() },
    ] {
        let other = Confirmation { request: Digest::of_bytes(other.id.as_bytes()), ..other };
        ask(&*store, &other).await;
        let why = if other.need == need { "enough by itself" } else { "only a call that can be undone" };
        refused(&other, yes_for(&olga, other.id, QUARTER), why).await;
    }
    // Two people's yeses together stand for no while either.
    let several = Confirmation { need, ..lasting() };
    ask(&*store, &several).await;
    let first = AnswerSubmission { lasts: None, ..yes_for(&olga, several.id, QUARTER) };
    store.answer(subject(Uuid::now_v7()), first).await.unwrap();
    let second = store.answer(subject(Uuid::now_v7()), yes_for(&piet, several.id, QUARTER)).await;
    assert!(matches!(second, Err(StoreError::NotApproved(..))), "{second:?}");

    store.answer(subject(Uuid::now_v7()), good()).await.unwrap();
    assert_eq!(store.grants().await.unwrap().len(), 1, "an hour may be");
    let again = store.answer(subject(Uuid::now_v7()), good()).await;
    assert!(matches!(again, Err(StoreError::NotApproved(..))), "one answer gives one");
    let granted = all_records(&*store).await;
    let granted: Vec<_> = granted.iter().filter(|record| matches!(record.event, AuditEvent::Granted { .. })).collect();
    assert!(matches!(granted[..], [record] if record.subject.targets == [target()]));

    let late = lasting();
    ask(&*store, &late).await;
    store.quarantine(ada(), "a flood".into()).await.unwrap();
    refused(&late, yes_for(&olga, late.id, QUARTER), "nobody is asked any more").await;
}

pub async fn a_grant_runs_out(open: Open<'_>) {
    let store = open();
    let olga = operator(&*store, "olga").await;
    let short = given(&*store, &olga, Duration::from_secs(1)).await;
    let long = given(&*store, &olga, LONGEST).await;
    let left = Duration::try_from(short.expires_at.duration_since(now())).unwrap_or_default();
    tokio::time::sleep(left + Duration::from_millis(1)).await;
    assert!(refused(&*store, under(short.id)).await.starts_with("it expired at"));
    assert!(ends(&*store).await.is_empty(), "nobody has looked yet");
    let left: Vec<_> = store.granted(short.about()).await.unwrap().into_iter().map(|grant| grant.id).collect();
    assert_eq!(left, [long.id]);
    assert_eq!(ends(&*store).await, [(short.id, Ended::RanOut, None)], "whoever sees that writes it down, once");
    assert_eq!(open().grants().await.unwrap().len(), 1);
    assert_eq!(ends(&*store).await.len(), 1);
    assert!(refused(&*store, under(short.id)).await.starts_with("run out at"));
    assert!(matches!(store.revoke(short.id, None).await, Err(StoreError::NotGranted(..))));
}

pub async fn a_grant_is_ended_by_whatever_makes_less_possible(open: Open<'_>) {
    let (store, other) = (open(), open());
    let (olga, piet) = (operator(&*store, "olga").await, operator(&*store, "piet").await);
    let no = async |question: Confirmation| {
        ask(&*other, &question).await;
        let declined = AnswerSubmission::by("ada".into(), question.id, Answer::Decline, Channel::Elicitation, None);
        other.answer(subject(Uuid::now_v7()), declined).await.unwrap();
    };
    let grant = given(&*store, &olga, QUARTER).await;
    other.revoke(grant.id, Some(Uuid::now_v7())).await.unwrap_err();
    ran(&*store, under(grant.id), End::Succeeded).await;
    other.revoke(grant.id, Some(piet.id)).await.unwrap();
    assert!(refused(&*store, under(grant.id)).await.starts_with("revoked at"));
    assert!(matches!(store.revoke(grant.id, None).await, Err(StoreError::NotGranted(id, _)) if id == grant.id));
    assert!(matches!(store.revoke(Uuid::now_v7(), None).await, Err(StoreError::NotFound(..))));
    let mut expected = vec![(grant.id, Ended::Revoked, Some(piet.id))];

    let grant = given(&*store, &olga, QUARTER).await;
    // A no to something else, or for somebody else, leaves it, and so does silence.
    let cars = Target { path: TargetPath::of("fleet").below("cars"), ..target() };
    no(Confirmation { tool: "sqlite_drop_table".into(), ..lasting() }).await;
    no(Confirmation { principal: Principal { user: "eve".into(), ..ada() }, ..lasting() }).await;
    no(Confirmation { covers: Some(covers(std::slice::from_ref(&cars))), ..lasting() }).await;
    let silent = lasting();
    ask(&*other, &silent).await;
    let silence = AnswerSubmission::by("ada".into(), silent.id, Answer::Timeout, Channel::Elicitation, None);
    other.answer(subject(Uuid::now_v7()), silence).await.unwrap();
    ran(&*store, under(grant.id), End::Succeeded).await;
    // One to more than the same, which could not have been approved for a while itself, does not.
    no(Confirmation { covers: Some(covers(&[cars, target()])), may_last: false, ..lasting() }).await;
    assert!(refused(&*store, under(grant.id)).await.starts_with("ended by a no to the same"));
    expected.push((grant.id, Ended::Declined, None));

    let [grant, piets] = [given(&*store, &olga, QUARTER).await, given(&*store, &piet, QUARTER).await];
    other.remove(olga.id, Some(piet.id)).await.unwrap();
    assert!(refused(&*store, under(grant.id)).await.contains("may not answer any more"));
    expected.push((grant.id, Ended::Removed, Some(piet.id)));
    ran(&*store, under(piets.id), End::Succeeded).await;

    other.quarantine(Principal { user: "eve".into(), ..ada() }, "a flood".into()).await.unwrap();
    ran(&*store, under(piets.id), End::Succeeded).await;
    other.quarantine(ada(), "a flood".into()).await.unwrap();
    assert!(refused(&*store, under(piets.id)).await.starts_with("ended by a quarantine"));
    other.lift("ada".into(), None).await.unwrap();
    assert!(refused(&*store, under(piets.id)).await.starts_with("ended by a quarantine"), "lifting gives nothing back");
    expected.push((piets.id, Ended::Quarantined, None));
    let mut told = ends(&*store).await;
    told.sort_by_key(|(grant, ..)| *grant);
    expected.sort_by_key(|(grant, ..)| *grant);
    assert_eq!(told, expected);
    assert!(store.grants().await.unwrap().is_empty());
}

pub async fn no_call_begins_under_a_grant_after_its_end(open: Open<'_>) {
    let stores = [open(), open()];
    let olga = operator(&*stores[0], "olga").await;
    let grant = given(&*stores[0], &olga, QUARTER).await.id;
    let racers: Vec<_> = (0..32)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move {
                if n == 15 {
                    store.revoke(grant, None).await.unwrap();
                    return None;
                }
                store.begin(under(grant)).await.ok().map(|intent| intent.call())
            })
        })
        .collect();
    let mut begun = Vec::new();
    for racer in racers {
        begun.extend(racer.await.unwrap());
    }
    for store in &stores {
        refused(&**store, under(grant)).await;
    }
    assert_eq!(stores[0].calls(CallFilter::default()).await.unwrap().len(), begun.len());
    // In the stream of the process that revoked it, in the order it was written.
    let records = all_records(&*stores[0]).await;
    let end = records.iter().find(|record| matches!(record.event, AuditEvent::GrantEnded { .. })).unwrap();
    for record in records.iter().filter(|record| record.stream == end.stream && record.seq > end.seq) {
        assert!(!matches!(record.event, AuditEvent::Started { grant: Some(_), .. }), "{record:?}");
    }
}
