//! A call that goes on without its client, and one that the gateway itself fails in: neither is lost sight of.

use std::task::Poll;

use super::*;

#[tokio::test]
async fn a_call_the_gateway_fails_in_gets_an_end() {
    let place = Place::new();
    place.tell(Next::Breaks, Some(Probe::Changed));
    let refusal = place.refused().await;
    assert_eq!(refusal.reason_code, ReasonCode::Uncertain);
    assert!(refusal.message.starts_with("the gateway failed while it ran"), "{}", refusal.message);
    place.until_ended().await;
    let stored = place.stored(&refusal).await;
    assert_eq!(stored.end, Some(End::Uncertain));
    let note = stored.note.unwrap();
    assert_eq!(note, "the gateway failed while it ran; a look found the target as the call would have left it");
    let records = mollyguard_record::store::laws::all_records(&*place.gateway.store).await;
    let of_it: Vec<_> = records.iter().filter(|record| record.subject.call == Some(refusal.about.id)).collect();
    let [started, finished] = of_it.as_slice() else { panic!("{of_it:?}") };
    assert!(matches!(started.event, AuditEvent::Started { .. }));
    assert!(matches!(finished.event, AuditEvent::Finished { end: End::Uncertain, probe: Some(Probe::Changed), .. }));
    // And then nothing stands in the way of the next.
    place.tell(Next::Succeeds, None);
    let Reply::Done(_) = place.ask("told_do", json!({"target": "it"})).await else { panic!("it runs") };
}

#[tokio::test]
async fn until_then_nothing_else_changes_its_target() {
    let place = Place::new();
    place.told.over.store(false, Ordering::SeqCst);
    place.tell(Next::Breaks, Some(Probe::Unchanged));
    let refusal = place.refused().await;
    let next = place.refused().await;
    assert_eq!(next.reason_code, ReasonCode::Unavailable, "{}", next.message);
    assert!(next.message.contains(&refusal.about.id.to_string()), "{}", next.message);
    assert_eq!(place.stored(&refusal).await.end, None);
    place.told.over.store(true, Ordering::SeqCst);
    place.until_ended().await;
    assert_eq!(place.stored(&refusal).await.end, Some(End::Uncertain));
}

/// A client that leaves does not get another call's place while its own still runs.
#[tokio::test]
async fn a_call_has_its_place_until_its_run_has_ended() {
    let place = Place::with("limits = { call_timeout_ms = 600000, concurrent_calls = 1 }");
    place.tell(Next::Hangs, None);
    let principal = Principal { user: "ada".into(), client: None, roles: Vec::new() };
    let request = Request::new("told_do", json!({"target": "it"}), principal);
    let mut stage = request.stage.subscribe();
    let gateway = Arc::clone(&place.gateway);
    let client = tokio::spawn(async move { call(&gateway, request).await });
    stage.wait_for(|stage| *stage == Stage::Executing).await.unwrap();
    client.abort();
    client.await.unwrap_err();
    let mut next = Box::pin(place.gateway.slots.line_up("ada").ok().unwrap().come());
    assert!(matches!(futures_util::poll!(&mut next), Poll::Pending), "it runs still");
    place.told.comes_back.notify_one();
    assert!(next.await.is_some());
    place.until_ended().await;
}
