//! That an approval is bound to the one call it was given to.

use std::time::Duration;

use mollyguard_tools::contract::Digest;

use super::{Open, all_records, approve, ask, grants, question, ran, spending, target};
use crate::audit::End;
use crate::model::{CallDigests, Confirmation, ConfirmationState};
use crate::store::{CallFilter, Start, StoreError};

/// Whatever who begins the call has made sure of before.
pub async fn an_approval_is_used_only_for_what_it_was_given_to(open: Open<'_>) {
    let store = open();
    let covers = Some(grants::covers(&[target()]));
    let question = Confirmation { covers, ..question(Duration::from_secs(600)) };
    ask(&*store, &question).await;
    approve(&*store, question.id).await.unwrap();
    let records = all_records(&*store).await.len();
    let (good, other) = (spending(question.id), Digest::of_bytes(b"another"));
    let digests = good.digests.unwrap();
    for (digests, why) in [
        (None, "what the call comes to"),
        (Some(CallDigests { request: other, ..digests }), "another call"),
        (Some(CallDigests { state: other, ..digests }), "the target has changed"),
        (Some(CallDigests { targets: other, ..digests }), "other targets"),
        (Some(CallDigests { declaration: other, ..digests }), "declaration"),
        (Some(CallDigests { policies: other, ..digests }), "policies"),
    ] {
        match store.begin(Start { digests, ..good.clone() }).await {
            Err(StoreError::NotApproved(id, told)) if id == question.id => assert!(told.contains(why), "{told}"),
            other => panic!("{why}: {other:?}"),
        }
        let (_, standing) = open().confirmation(question.id).await.unwrap().unwrap();
        assert!(matches!(standing, ConfirmationState::Approved { .. }), "{why}: a refusal spends nothing");
        assert!(store.calls(CallFilter::default()).await.unwrap().is_empty(), "{why}");
        assert_eq!(all_records(&*store).await.len(), records, "{why}");
    }
    ran(&*store, good, End::Succeeded).await;
}
