//! Who counts as somebody else than whom a call is made for: those who are linked to another user, and nobody by a name.

use super::*;
use crate::store::harness::text;
use crate::store::laws::{approve, spending};
use crate::store::{Asking, Bounds, Calls as _};

impl House {
    async fn invites(&self, name: &str, user: Option<&str>) -> Result<Uuid, StoreError> {
        let by = self.store.operators().await.unwrap().first().map(|operator| operator.id);
        let (id, code) = (Uuid::now_v7(), Digest::of_bytes(Uuid::now_v7().as_bytes()));
        let (name, user, expires_at) = (name.to_owned(), user.map(ToOwned::to_owned), now() + Duration::from_secs(60));
        self.store.invite(Invitation { id, name, user, by, adds_to: None, code, expires_at }).await.map(|()| id)
    }

    async fn enrolls(
        &self,
        invitation: Uuid,
        name: &str,
        user: Option<&str>,
    ) -> Result<(Operator, SoftKey), StoreError> {
        let key = SoftKey::new();
        let passkey = Passkey { relying_party: "localhost".into(), credential: key.enrolled() };
        let operator = Operator {
            id: Uuid::now_v7(),
            name: name.to_owned(),
            user: user.map(ToOwned::to_owned),
            enrolled_at: now(),
            passkeys: vec![passkey],
            has_code: false,
        };
        self.store.enroll(Enrolment::New { invitation, operator: operator.clone(), code: None }).await?;
        Ok((operator, key))
    }

    async fn linked(&self, name: &str, user: Option<&str>) -> (Operator, SoftKey) {
        let invitation = self.invites(name, user).await.unwrap();
        self.enrolls(invitation, name, user).await.unwrap()
    }

    async fn is_open(&self, question: &Confirmation) -> bool {
        matches!(self.standing(question).await, ConfirmationState::Open { .. })
    }
}

const ELSE: [Need; 3] = [
    Need::of(Assurance::OutOfBand, 1).by_others(),
    Need::of(Assurance::OutOfBand, 2),
    Need::of(Assurance::OutOfBand, 2).by_others(),
];

/// The calls are made for `ada`.
#[tokio::test]
async fn nobody_is_somebody_else_by_a_name() {
    let house = House::new();
    let mut people = Vec::new();
    for (name, user) in [("Ada", Some("ada")), ("Ada L.", None), ("Somebody Else", None), ("Lovelace", None)] {
        people.push(house.linked(name, user).await);
    }
    for need in ELSE {
        let question = house.question(need).await;
        for (n, (operator, key)) in people.iter_mut().enumerate() {
            let count = u32::try_from(n).unwrap() + 1 + key_count(&house, operator).await;
            house.yes(&question, operator, key, count).await.unwrap();
            assert!(house.is_open(&question).await, "{need}: {} is nobody else", operator.name);
        }
        let spent = house.store.begin(spending(question.id)).await;
        assert!(matches!(spent, Err(StoreError::NotApproved(..))), "{need}");
    }
    // Once one of them is linked to another user, they are somebody else, and their yes is one of two people's.
    house.store.link(people[1].0.id, "bea".into()).await.unwrap();
    let question = house.question(ELSE[0]).await;
    let (operator, key) = &mut people[1];
    let count = key_count(&house, operator).await + 1;
    house.yes(&question, operator, key, count).await.unwrap();
    assert!(!house.is_open(&question).await);
    house.store.begin(spending(question.id)).await.unwrap();
}

/// The counter of somebody's passkey, as the store has it.
async fn key_count(house: &House, operator: &Operator) -> u32 {
    let all = house.store.operators().await.unwrap();
    all.iter().find(|it| it.id == operator.id).unwrap().passkeys[0].credential.count
}

#[tokio::test]
async fn a_link_is_made_once_and_to_nobody_elses_user() {
    let house = House::new();
    let (ada, _) = house.linked("ada", Some("ada")).await;
    let (bea, _) = house.linked("bea", None).await;
    for (who, user) in
        [(ada.id, "zed"), (bea.id, "ada"), (bea.id, "Ada"), (bea.id, "аda"), (bea.id, "a.d.a"), (Uuid::now_v7(), "zed")]
    {
        assert!(is_not_enrolled(&house.store.link(who, user.into()).await), "{user}");
    }
    house.store.link(bea.id, "beatrice".into()).await.unwrap();
    assert!(is_not_enrolled(&house.store.link(bea.id, "zed".into()).await), "it stays");
    let users: Vec<_> = house.store.operators().await.unwrap().into_iter().map(|operator| operator.user).collect();
    assert_eq!(users, [Some("ada".into()), Some("beatrice".into())]);
    let linked = house.records().await;
    let linked = linked.iter().filter(|record| matches!(&record.event, AuditEvent::Linked { .. }));
    assert_eq!(linked.count(), 1, "and is on record");
    // Nobody makes themselves somebody else in the database.
    run(&house.place.path().join("mollyguard.db"), "UPDATE operators SET user = 'zed' WHERE name = 'ada'");
    assert!(matches!(house.store.operators().await, Err(StoreError::Corrupt(_))));
    run(&house.place.path().join("mollyguard.db"), "UPDATE operators SET user = NULL WHERE name = 'ada'");
    assert!(matches!(house.store.operators().await, Err(StoreError::Corrupt(_))));
}

/// As the first versions kept them.
#[tokio::test]
async fn who_was_enrolled_before_there_were_links_is_linked_to_nobody() {
    let mut house = House::new();
    let (bea, mut key) = house.linked("bea", None).await;
    let asked = house.question(ELSE[0]).await;
    house.store.close().await.unwrap();
    let before =
        "DROP TABLE dialogs; DROP TABLE marks; DROP TABLE aims; DROP INDEX calls_by_undone; DROP INDEX calls_large;
                  DROP INDEX confirmations_by_effect; DROP INDEX open_confirmations;
                  ALTER TABLE confirmations DROP COLUMN effect; ALTER TABLE confirmations DROP COLUMN stands;
                  CREATE INDEX open_confirmations ON confirmations (n) WHERE substr(standing, 1, 15) = '{\"state\":\"open\"';
                  ALTER TABLE operators DROP COLUMN user; PRAGMA user_version = 4";
    run(&house.place.path().join("mollyguard.db"), before);
    house.store = open(house.place.path());
    assert_eq!(house.store.operators().await.unwrap(), std::slice::from_ref(&bea));
    house.yes(&asked, &bea, &mut key, 1).await.unwrap();
    assert!(house.is_open(&asked).await);
    house.store.link(bea.id, "bea".into()).await.unwrap();
    let question = house.question(ELSE[0]).await;
    house.yes(&question, &bea, &mut key, 2).await.unwrap();
    assert!(!house.is_open(&question).await);
    house.store.close().await.unwrap();
    assert!(verify_store(house.place.path(), None).unwrap().is_sound());
}

#[tokio::test]
async fn nobody_is_enrolled_under_a_name_that_is_taken_for_another() {
    let house = House::new();
    house.linked("Ada Lovelace", Some("ada")).await;
    for (name, user) in [
        ("ada lovelace", None),
        ("Ada  Lovelace.", None),
        ("Adа Lovelace", None),
        ("Ada LoveIace", None),
        ("ada", None),
        ("АDA", None),
        ("bea", Some("Ada")),
        ("bea", Some("ada_lovelace")),
    ] {
        assert!(is_not_enrolled(&house.invites(name, user).await), "{name}");
    }
    // Both were invited before either was enrolled.
    let first = house.invites("Bea", Some("bea")).await.unwrap();
    let second = house.invites("bea.", None).await.unwrap();
    assert!(house.enrolls(first, "Bea", Some("somebody")).await.is_err(), "as they were invited");
    house.enrolls(first, "Bea", Some("bea")).await.unwrap();
    assert!(house.enrolls(second, "bea.", None).await.is_err());
    assert_eq!(house.names().await, ["Ada Lovelace", "Bea"]);
    for mixed in ["аda", "bеа", "Οlga"] {
        assert!(check_name(mixed).is_err(), "{mixed} is of two alphabets");
    }
}

#[tokio::test]
async fn a_question_whose_approver_was_removed_is_asked_anew() {
    let house = House::new();
    house.linked("ada", Some("ada")).await;
    let (bea, mut key) = house.linked("bea", Some("bea")).await;
    let question = house.question(ELSE[0]).await;
    house.yes(&question, &bea, &mut key, 1).await.unwrap();
    house.store.remove(bea.id, None).await.unwrap();
    let spent = house.store.begin(spending(question.id)).await;
    assert!(matches!(spent, Err(StoreError::NotApproved(..))));
    let again = Confirmation { id: Uuid::now_v7(), ..question.clone() };
    let bounds = Bounds { denial: std::time::Duration::ZERO, open: 1_000, flood: 1_000 };
    let asking = house.store.ask(subject(Uuid::now_v7()), again, Some(Channel::Elicitation), bounds).await.unwrap();
    assert!(matches!(asking, Asking::Asked), "{asking:?}");
    assert!(matches!(house.standing(&question).await, ConfirmationState::Refused { .. }), "and the old one is closed");
}

/// However a question came to stand as approved.
#[tokio::test]
async fn too_few_yeses_are_not_spent_whoever_gave_them() {
    let house = House::new();
    let two = house.question(ELSE[1]).await;
    let easy = house.question(Need::IN_CLIENT).await;
    approve(&house.store, easy.id).await.unwrap();
    // As a store would have it that counted otherwise.
    house.store.stands_as(two.id, &house.standing(&easy).await).unwrap();
    let spent = house.store.begin(spending(two.id)).await;
    assert!(matches!(&spent, Err(StoreError::NotApproved(_, why)) if why.contains("by 2 people")), "{spent:?}");
    let database = house.place.path().join("mollyguard.db");
    assert_eq!(text(&database, "SELECT cast(count(*) AS TEXT) FROM calls"), "0");
}
