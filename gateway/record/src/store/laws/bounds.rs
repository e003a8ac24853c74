//! How many questions one user may have open, and how many they may ask.

use std::time::Duration;

use super::{DENIAL, Open, ROOM, ada, all_records, approve, put, question};
use crate::audit::AuditEvent;
use crate::model::{Confirmation, Principal};
use crate::store::{Asking, Bounds, StoreError};

/// Somebody else's question.
fn of(user: &str) -> Confirmation {
    Confirmation { principal: Principal { user: user.into(), ..ada() }, ..question(Duration::from_secs(600)) }
}

pub async fn one_user_has_so_many_questions_open(open: Open<'_>) {
    let stores = [open(), open()];
    let bounds = Bounds { open: 2, ..ROOM };
    let (first, second) = (question(Duration::from_secs(600)), question(Duration::from_secs(600)));
    let past = question(Duration::ZERO);
    for question in [&past, &first, &second] {
        assert!(matches!(put(&*stores[0], question, bounds).await, Asking::Asked), "what has expired does not count");
    }
    for store in &stores {
        let one_more = question(Duration::from_secs(600));
        assert!(matches!(put(&**store, &one_more, bounds).await, Asking::TooMany { open: 2 }));
        assert!(store.confirmation(one_more.id).await.unwrap().is_none());
    }
    assert!(matches!(put(&*stores[1], &of("eve"), bounds).await, Asking::Asked), "each has a share of their own");
    assert!(matches!(put(&*stores[1], &first, bounds).await, Asking::Already(..)), "it is none more");
    approve(&*stores[0], first.id).await.unwrap();
    assert!(matches!(put(&*stores[1], &question(Duration::from_secs(600)), bounds).await, Asking::Asked));
    let denied = all_records(&*stores[0]).await;
    let denied = denied.iter().filter(|record| matches!(record.event, AuditEvent::Denied { .. }));
    assert_eq!(denied.count(), 2, "what was one too many is on record");
}

pub async fn a_flood_of_questions_ends_them(open: Open<'_>) {
    let stores = [open(), open()];
    let bounds = Bounds { denial: DENIAL, open: 3, flood: 5 };
    for n in 0..5 {
        let asking = put(&*stores[n % 2], &question(Duration::from_secs(600)), bounds).await;
        assert_eq!(matches!(asking, Asking::Asked), n < 3, "{asking:?}");
    }
    assert!(stores[0].quarantined().await.unwrap().is_empty());
    for store in &stores {
        let Asking::Quarantined(quarantine) = put(&**store, &question(Duration::from_secs(600)), bounds).await else {
            panic!("that is one more than a flood")
        };
        assert_eq!(store.quarantined().await.unwrap(), [quarantine]);
    }
    assert!(matches!(put(&*stores[0], &of("eve"), bounds).await, Asking::Asked), "nobody else is in it");
    let again = stores[1].quarantine(ada(), "for another reason".into()).await.unwrap();
    assert_eq!(again.why, "more than 5 questions within 10 minutes", "the first reason stands");

    stores[1].lift("ada".into(), None).await.unwrap();
    assert!(matches!(stores[0].lift("ada".into(), None).await, Err(StoreError::NotQuarantined(user)) if user == "ada"));
    assert!(matches!(put(&*stores[0], &question(Duration::from_secs(600)), bounds).await, Asking::Asked));
    let kept: Vec<_> =
        all_records(&*stores[0]).await.into_iter().map(|record| (record.subject, record.event)).collect();
    let of_ada = kept.iter().filter(|(about, event)| match event {
        AuditEvent::Quarantined { .. } | AuditEvent::Lifted { by: None } => {
            about.principal.as_ref().is_some_and(|principal| principal.user == "ada")
        }
        _ => false,
    });
    assert_eq!(of_ada.count(), 2);
}
