//! Who may answer, as the store keeps it and the record proves it.

use std::time::Duration;

use mollyguard_tools::contract::{Digest, now};
use tempfile::TempDir;
use uuid::Uuid;

use crate::audit::{AuditEvent, AuditRecord};
use crate::model::{
    Answer, Approval, Assurance, Channel, Confirmation, ConfirmationState, Enrolment, Invitation, MOST_PASSKEYS, Means,
    Need, Operator, Passkey, Session, check_name,
};
use crate::store::harness::{open, run};
use crate::store::laws::pruning::long_after;
use crate::store::laws::{ask, question, subject};
use crate::store::{AnswerSubmission, People, Questions, Records, Sessions, SqliteStore, Store, StoreError};
use crate::verify::verify_store;
use crate::webauthn::tests::authenticator::SoftKey;

mod somebody_else;

/// A store with nobody enrolled.
struct House {
    place: TempDir,
    store: SqliteStore,
}

impl House {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        Self { store: open(place.path()), place }
    }

    async fn invite(&self, name: &str, by: Option<Uuid>) -> Result<Uuid, StoreError> {
        self.invite_for(name, by, Duration::from_secs(60)).await
    }

    async fn invite_for(&self, name: &str, by: Option<Uuid>, life: Duration) -> Result<Uuid, StoreError> {
        let (id, name) = (Uuid::now_v7(), name.to_owned());
        let code = Digest::of_bytes(id.as_bytes());
        let user = Some(name.clone());
        let invitation = Invitation { id, name, user, by, adds_to: None, code, expires_at: now() + life };
        self.store.invite(invitation).await.map(|()| id)
    }

    async fn enroll(&self, invitation: Uuid, name: &str, key: Option<&SoftKey>) -> Result<Operator, StoreError> {
        let passkeys = key.map(|key| Passkey { relying_party: "localhost".into(), credential: key.enrolled() });
        let code = key.is_none().then(|| Digest::of_bytes(name.as_bytes()));
        let operator = Operator {
            id: Uuid::now_v7(),
            name: name.to_owned(),
            user: Some(name.to_owned()),
            enrolled_at: now(),
            passkeys: passkeys.into_iter().collect(),
            has_code: code.is_some(),
        };
        self.store.enroll(Enrolment::New { invitation, operator: operator.clone(), code }).await.map(|()| operator)
    }

    /// Somebody with a passkey.
    async fn person(&self, name: &str, by: Option<Uuid>) -> (Operator, SoftKey) {
        let key = SoftKey::new();
        let invitation = self.invite(name, by).await.unwrap();
        (self.enroll(invitation, name, Some(&key)).await.unwrap(), key)
    }

    async fn names(&self) -> Vec<String> {
        self.store.operators().await.unwrap().into_iter().map(|operator| operator.name).collect()
    }

    /// A question that needs so much.
    async fn question(&self, need: Need) -> Confirmation {
        let question = Confirmation { need, ..question(Duration::from_secs(600)) };
        ask(&self.store, &question).await;
        question
    }

    /// A yes signed by this passkey with this counter.
    async fn yes(
        &self,
        question: &Confirmation,
        operator: &Operator,
        key: &mut SoftKey,
        count: u32,
    ) -> Result<(), StoreError> {
        let given = signed_yes(question, operator, key, count);
        self.store.answer(subject(Uuid::now_v7()), given).await
    }

    async fn standing(&self, question: &Confirmation) -> ConfirmationState {
        self.store.confirmation(question.id).await.unwrap().unwrap().1
    }

    async fn records(&self) -> Vec<AuditRecord> {
        self.store.records(None, 1_000).await.unwrap()
    }
}

fn signed_yes(question: &Confirmation, operator: &Operator, key: &mut SoftKey, count: u32) -> AnswerSubmission {
    let approval = Approval {
        confirmation: question.id,
        approver: operator.name.clone(),
        operator: Some(operator.id),
        user: None,
        assurance: Assurance::Passkey,
        channel: Channel::Page,
        at: now(),
    };
    AnswerSubmission {
        confirmation: question.id,
        answer: Answer::Accept { typed: Some(question.typed_name.clone()) },
        channel: Channel::Page,
        by: operator.name.clone(),
        operator: Some(operator.id),
        approval: Some(approval),
        signed: Some((key.sign(question.call.as_bytes(), count), count)),
        lasts: None,
    }
}

fn is_not_enrolled<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NotEnrolled(_)))
}

#[tokio::test]
async fn the_first_is_invited_by_the_owner_and_everybody_else_by_one_of_them() {
    let house = House::new();
    let replaced = house.invite("eve", None).await.unwrap();
    let invitation = house.invite("ada", None).await.unwrap();
    assert!(is_not_enrolled(&house.enroll(replaced, "eve", Some(&SoftKey::new())).await), "there is one first");
    assert!(is_not_enrolled(&house.enroll(invitation, "eve", Some(&SoftKey::new())).await), "it names somebody");
    let ada = house.enroll(invitation, "ada", Some(&SoftKey::new())).await.unwrap();
    assert!(is_not_enrolled(&house.enroll(invitation, "ada", Some(&SoftKey::new())).await), "a code works once");
    assert!(is_not_enrolled(&house.invite("eve", None).await));
    assert!(is_not_enrolled(&house.invite("eve", Some(Uuid::now_v7())).await));
    assert!(is_not_enrolled(&house.invite("ada", Some(ada.id)).await), "a name is one person's");
    let invitation = house.invite("bob", Some(ada.id)).await.unwrap();
    house.enroll(invitation, "bob", None).await.unwrap();
    assert_eq!(house.names().await, ["ada", "bob"]);
    let late = house.invite_for("eve", Some(ada.id), Duration::ZERO).await.unwrap();
    assert!(is_not_enrolled(&house.enroll(late, "eve", None).await), "an invitation expires");
    house.store.close().await.unwrap();
    let report = verify_store(house.place.path(), None).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
}

#[tokio::test]
async fn who_is_removed_answers_no_more_and_leaves_no_way_to_become_the_first_anew() {
    let house = House::new();
    let (ada, mut key) = house.person("ada", None).await;
    let (bob, _) = house.person("bob", Some(ada.id)).await;
    let invited_by_bob = house.invite("eve", Some(bob.id)).await.unwrap();
    let token = Digest::of_bytes(b"token");
    let (opened_at, expires_at) = (now(), now() + Duration::from_secs(60));
    let session = Session { token, operator: ada.id, means: Means::Code, opened_at, expires_at };
    house.store.sign_in(session, None).await.unwrap();
    assert!(house.store.session(token).await.unwrap().is_some());

    house.store.remove(bob.id, Some(ada.id)).await.unwrap();
    assert!(is_not_enrolled(&house.enroll(invited_by_bob, "eve", None).await), "what they started ends with them");
    let (cleo, _) = house.person("cleo", Some(ada.id)).await;
    house.store.remove(ada.id, None).await.unwrap();
    assert_eq!(house.names().await, ["cleo"]);
    assert!(house.store.session(token).await.unwrap().is_none());
    let question = house.question(Need::IN_CLIENT).await;
    assert!(is_not_enrolled(&house.yes(&question, &ada, &mut key, 1).await));
    assert_eq!(house.standing(&question).await, ConfirmationState::unanswered());
    assert!(is_not_enrolled(&house.invite("eve", None).await), "not even now");
    for by in [None, Some(cleo.id)] {
        assert!(is_not_enrolled(&house.store.remove(cleo.id, by).await), "the last one stays");
    }
    assert_eq!(house.names().await, ["cleo"]);
}

#[tokio::test]
async fn two_removals_at_a_time_leave_somebody() {
    for _ in 0..8 {
        let house = House::new();
        let (ada, _) = house.person("ada", None).await;
        let (bob, _) = house.person("bob", Some(ada.id)).await;
        let other = open(house.place.path());
        let (first, second) = tokio::join!(house.store.remove(ada.id, None), other.remove(bob.id, None));
        assert_eq!([&first, &second].iter().filter(|removed| removed.is_ok()).count(), 1, "{first:?} {second:?}");
        assert!(is_not_enrolled(&first) || is_not_enrolled(&second));
        assert_eq!(house.names().await.len(), 1);
    }
}

#[tokio::test]
async fn another_passkey_is_added_by_an_invitation_of_its_own() {
    let house = House::new();
    let (ada, _) = house.person("ada", None).await;
    let (bob, _) = house.person("bob", Some(ada.id)).await;
    let passkey = || Passkey { relying_party: "localhost".into(), credential: SoftKey::new().enrolled() };
    let add =
        |invitation, operator| house.store.enroll(Enrolment::Another { invitation, operator, passkey: passkey() });
    let invite = async |name: &str, adds_to: &Operator, by: &Operator| {
        let (id, name) = (Uuid::now_v7(), name.to_owned());
        let (adds_to, code) = (Some(adds_to.id), Digest::of_bytes(id.as_bytes()));
        let expires_at = now() + Duration::from_secs(60);
        let invitation = Invitation { id, name, user: None, by: Some(by.id), adds_to, code, expires_at };
        house.store.invite(invitation).await.map(|()| id)
    };
    assert!(is_not_enrolled(&invite("bob", &ada, &bob).await), "it names whom it is for");
    assert!(is_not_enrolled(&invite("eve", &ada, &bob).await));
    let for_eve = house.invite("eve", Some(ada.id)).await.unwrap();
    assert!(is_not_enrolled(&add(for_eve, ada.id).await), "an invitation of a new person adds no passkey");
    let for_ada = invite("ada", &ada, &bob).await.unwrap();
    assert!(is_not_enrolled(&add(for_ada, bob.id).await), "nor to another");
    assert!(is_not_enrolled(&house.enroll(for_ada, "ada", None).await), "nor makes it a person");
    add(for_ada, ada.id).await.unwrap();
    assert!(is_not_enrolled(&add(for_ada, ada.id).await), "it works once");
    let after_bob = invite("ada", &ada, &bob).await.unwrap();
    house.store.remove(bob.id, Some(ada.id)).await.unwrap();
    assert!(is_not_enrolled(&add(after_bob, ada.id).await), "what he started ends with him");
    let passkeys = async || house.store.operators().await.unwrap().remove(0).passkeys.len();
    assert_eq!(passkeys().await, 2);
    while passkeys().await < MOST_PASSKEYS {
        add(invite("ada", &ada, &ada).await.unwrap(), ada.id).await.unwrap();
    }
    assert!(is_not_enrolled(&invite("ada", &ada, &ada).await), "there is an end to them");
    house.store.close().await.unwrap();
    assert!(verify_store(house.place.path(), None).unwrap().is_sound());
}

#[tokio::test]
async fn a_session_ends_with_its_time_and_when_it_is_closed() {
    let house = House::new();
    let (ada, mut key) = house.person("ada", None).await;
    let session = |token: &[u8], life: Duration| {
        let means = Means::Passkey { id: ada.passkeys[0].id() };
        let (opened_at, expires_at) = (now(), now() + life);
        Session { token: Digest::of_bytes(token), operator: ada.id, means, opened_at, expires_at }
    };
    house.store.sign_in(session(b"short", Duration::ZERO), Some(3)).await.unwrap();
    assert!(house.store.session(Digest::of_bytes(b"short")).await.unwrap().is_none());
    let back = house.store.sign_in(session(b"copied", Duration::from_secs(60)), Some(3)).await;
    assert!(is_not_enrolled(&back), "a counter that stands still is a copy of the key");
    house.store.sign_in(session(b"long", Duration::from_secs(60)), Some(4)).await.unwrap();
    let long = Digest::of_bytes(b"long");
    assert_eq!(house.store.session(long).await.unwrap().unwrap().1.name, "ada");
    house.store.sign_out(long).await.unwrap();
    assert!(house.store.session(long).await.unwrap().is_none());
    let question = house.question(Need::IN_CLIENT).await;
    assert!(is_not_enrolled(&house.yes(&question, &ada, &mut key, 4).await), "one counter for all it is used for");
    house.yes(&question, &ada, &mut key, 5).await.unwrap();
}

#[tokio::test]
async fn two_people_are_two_people() {
    let house = House::new();
    let (ada, mut adas) = house.person("ada", None).await;
    let (bob, mut bobs) = house.person("bob", Some(ada.id)).await;
    let (eve, mut eves) = house.person("eve", Some(ada.id)).await;
    let two = Need::of(Assurance::OutOfBand, 2);

    let question = house.question(two).await;
    house.yes(&question, &ada, &mut adas, 1).await.unwrap();
    assert!(
        matches!(house.standing(&question).await, ConfirmationState::Open { approvals, .. } if approvals.len() == 1)
    );
    let again = house.yes(&question, &ada, &mut adas, 2).await;
    assert!(matches!(again, Err(StoreError::NotApproved(..))), "{again:?}");
    house.yes(&question, &bob, &mut bobs, 1).await.unwrap();
    assert!(
        matches!(house.standing(&question).await, ConfirmationState::Approved { approvals } if approvals.len() == 2)
    );

    // The call is made for ada: with her yes and one more, only one of them is somebody else's.
    let others = house.question(two.by_others()).await;
    house.yes(&others, &ada, &mut adas, 3).await.unwrap();
    house.yes(&others, &bob, &mut bobs, 2).await.unwrap();
    assert!(matches!(house.standing(&others).await, ConfirmationState::Open { .. }));
    house.yes(&others, &eve, &mut eves, 1).await.unwrap();
    assert!(matches!(house.standing(&others).await, ConfirmationState::Approved { .. }));

    let denied = house.question(two).await;
    house.yes(&denied, &ada, &mut adas, 4).await.unwrap();
    let no = AnswerSubmission::by("bob".into(), denied.id, Answer::Decline, Channel::Page, None);
    house.store.answer(subject(Uuid::now_v7()), no).await.unwrap();
    assert!(matches!(house.standing(&denied).await, ConfirmationState::Refused { .. }), "one no ends it");
    assert!(house.yes(&denied, &eve, &mut eves, 2).await.is_err());

    house.store.close().await.unwrap();
    let report = verify_store(house.place.path(), None).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(report.signed, 6);
}

#[tokio::test]
async fn a_signed_answer_proves_offline_which_call_it_was() {
    let house = House::new();
    let (ada, mut key) = house.person("ada", None).await;
    let (bob, _) = house.person("bob", Some(ada.id)).await;
    let question = house.question(Need::IN_CLIENT).await;
    house.yes(&question, &ada, &mut key, 1).await.unwrap();
    let records = house.records().await;
    let findings = |records: &[AuditRecord]| {
        let (mut signatures, mut report) = (crate::audit::Signatures::default(), crate::audit::Report::default());
        records.iter().for_each(|record| signatures.record(record));
        signatures.finish(&mut report);
        assert_eq!(report.signed, 1);
        report.findings.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
    };
    assert_eq!(findings(&records), Vec::<String>::new());

    let edited = |edit: &dyn Fn(&mut AuditEvent)| {
        let mut records = records.clone();
        records.iter_mut().for_each(|record| edit(&mut record.event));
        findings(&records)
    };
    let other_call = edited(&|event| {
        if let AuditEvent::Asked { call, .. } = event {
            *call = Digest::of_bytes(b"another call");
        }
    });
    assert!(other_call[0].contains("challenge"), "{other_call:?}");
    let other_key = edited(&|event| {
        if let AuditEvent::Enrolled { passkey: Some(passkey), .. } = event {
            passkey.credential.key = SoftKey::new().enrolled().key;
        }
    });
    assert!(other_key[0].contains("signature"), "{other_key:?}");
    let other_person = edited(&|event| {
        if let AuditEvent::Answered { operator, .. } = event {
            *operator = Some(bob.id);
        }
    });
    assert!(other_person[0].contains("another person's"), "{other_person:?}");
    let unenrolled: Vec<_> =
        records.iter().filter(|record| !matches!(record.event, AuditEvent::Enrolled { .. })).cloned().collect();
    assert!(findings(&unenrolled)[0].contains("enrolled"));
}

#[tokio::test]
async fn a_signed_answer_is_verified_after_the_record_of_its_passkey_was_pruned() {
    let house = House::new();
    let (ada, mut key) = house.person("ada", None).await;
    house.store.prune(long_after()).await.unwrap();
    let kept = house.records().await.into_iter().map(|record| record.event);
    assert!(kept.into_iter().all(|event| !matches!(event, AuditEvent::Enrolled { .. })), "it went");
    let question = house.question(Need::IN_CLIENT).await;
    house.yes(&question, &ada, &mut key, 1).await.unwrap();
    let verified = || verify_store(house.place.path(), None).unwrap();
    let report = verified();
    assert!(report.is_sound() && report.signed == 1, "{report:#?}");

    // What the pruning has told of the passkey is what counts, as the enrolment was.
    let sound = house.records().await;
    let edited = |edit: &dyn Fn(&mut AuditEvent)| {
        let (mut signatures, mut report) = (crate::audit::Signatures::default(), crate::audit::Report::default());
        let mut records = sound.clone();
        records.iter_mut().for_each(|record| edit(&mut record.event));
        records.iter().for_each(|record| signatures.record(record));
        report.pruned = verified().pruned;
        signatures.finish(&mut report);
        (report.findings.len(), report.signed, report.notes.len())
    };
    assert_eq!(edited(&|_| ()), (0, 1, 0));
    let other_key = edited(&|event| {
        if let AuditEvent::Pruned { passkeys, .. } = event {
            passkeys[0].passkey.credential.key = SoftKey::new().enrolled().key;
        }
    });
    assert_eq!(other_key, (1, 1, 0));
    let untold = edited(&|event| {
        if let AuditEvent::Pruned { passkeys, .. } = event {
            passkeys.clear();
        }
    });
    assert_eq!(untold, (0, 0, 1), "it is not counted as verified, and that is said");
}

#[tokio::test]
async fn a_row_that_was_edited_makes_nobody_an_operator() {
    let edits = [
        "UPDATE operators SET name = 'eve'",
        "UPDATE operators SET removed_at = NULL, code = 'x'",
        "UPDATE passkeys SET passkey = replace(passkey, '\"count\":0', '\"count\":1')",
        "UPDATE passkeys SET id = 'other'",
    ];
    for edit in edits {
        let house = House::new();
        house.person("ada", None).await;
        run(&house.place.path().join("mollyguard.db"), edit);
        assert!(matches!(house.store.operators().await, Err(StoreError::Corrupt(_))), "{edit}");
    }
}

#[tokio::test]
async fn those_who_wait_are_told_of_what_another_process_wrote() {
    let house = House::new();
    let other = open(house.place.path());
    let mut changes = house.store.changes();
    let question = question(Duration::from_secs(600));
    let (waited, ()) = tokio::join!(
        async {
            // What comes first may be the opening of the other store.
            while house.store.confirmation(question.id).await.unwrap().is_none() {
                changes.changed().await;
            }
            true
        },
        ask(&other, &question)
    );
    assert!(waited);
}
