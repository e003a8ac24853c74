//! Every refusal is on record, whichever step it came from, and no more of one user than so many.

use mollyguard_record::audit::AuditRecord;

use super::*;
use crate::reply::OnRecord;

impl Place {
    async fn records(&self) -> Vec<AuditRecord> {
        mollyguard_record::store::laws::all_records(&*self.gateway.store).await
    }

    /// What was refused: the tool, the reason, and how many before it were left out.
    async fn denied(&self) -> Vec<(Option<Uuid>, String, String, u64)> {
        let denied = self.records().await.into_iter().filter_map(|record| match record.event {
            AuditEvent::Denied { reason_code, left_out, .. } => {
                Some((record.subject.call, record.subject.tool.unwrap_or_default(), reason_code, left_out))
            }
            _ => None,
        });
        denied.collect()
    }
}

/// A principal none of whose calls were made here.
fn eve() -> Principal {
    Principal { user: "eve".into(), client: None, roles: Vec::new() }
}

#[tokio::test]
async fn a_refusal_of_any_step_is_on_record_once() {
    let place = Place::new();
    let Reply::Done(done) = place.ask("told_do", json!({"target": "it"})).await else { panic!("it runs") };
    let id = done.about.id;
    let unknown = Uuid::now_v7();
    let cases = [
        ("told_do", json!({}), "invalid_arguments"),
        ("told_do", json!({"target": "nowhere"}), "invalid_arguments"),
        ("undo_call", json!({"call_id": unknown}), "untouched"),
        ("undo_call", json!({"call_id": 7}), "invalid_arguments"),
        ("confirmation_status", json!({"confirmation_id": unknown}), "untouched"),
        ("preview_call", json!({"tool": "nothing", "arguments": {}}), "invalid_arguments"),
        ("preview_call", json!({"tool": "told_do", "arguments": {"target": "nowhere"}}), "invalid_arguments"),
        ("list_calls", json!({"limit": "all"}), "invalid_arguments"),
    ];
    for (tool, args, expected) in cases {
        let before = place.denied().await.len();
        let Reply::Refused(refusal) = place.ask(tool, args.clone()).await else { panic!("{tool} {args} is refused") };
        let denied = place.denied().await;
        let recorded = (Some(refusal.about.id), tool.to_owned(), expected.to_owned(), 0);
        assert_eq!(denied[before..], [recorded], "{tool} {args}: {}", refusal.message);
        assert_eq!(refusal.reason_code.as_str(), expected);
    }
    // What is another's, and what names no tool.
    let before = place.denied().await.len();
    let request = Request::new("undo_call", json!({"call_id": id}), eve());
    assert!(matches!(call(&place.gateway, request).await, Ok(Reply::Refused(_))));
    call(&place.gateway, Request::new("x".repeat(10_000), json!({}), eve())).await.unwrap_err();
    let denied = place.denied().await;
    let [(_, _, undo, 0), (_, name, unknown, 0)] = &denied[before..] else { panic!("{denied:?}") };
    assert_eq!((undo.as_str(), unknown.as_str()), ("untouched", "unknown_tool"));
    assert!(name.len() <= 200, "a name as long as it likes is not kept");
    let stored = place.gateway.store.call(id).await.unwrap().unwrap();
    assert_eq!(stored.undone_by, None, "and nothing was taken back");
}

/// Of whichever step: a refusal that cannot be written down is one still, with its own reason, and says that it is not on
/// record.
#[tokio::test]
async fn a_refusal_that_cannot_be_written_down_says_so() {
    let place = Place::new();
    let held = hold(&place.folder.path().join("state"));
    let unknown = Uuid::now_v7();
    for (tool, args, expected) in [
        ("told_do", json!({"target": "nowhere"}), "invalid_arguments"),
        ("told_do", json!({}), "invalid_arguments"),
        ("undo_call", json!({"call_id": unknown}), "untouched"),
    ] {
        let Reply::Refused(refusal) = place.ask(tool, args.clone()).await else { panic!("{tool} {args} is refused") };
        assert_eq!(refusal.reason_code.as_str(), expected, "{tool} {args}: {}", refusal.message);
        assert!(refusal.message.contains("this refusal is not on record"), "{tool} {args}: {}", refusal.message);
    }
    // What a step of a call writes down itself.
    let refusal =
        Refusal::new(ReasonCode::Denied, "no", "Do something else.", About::unseen(unknown, Reversibility::Reversible));
    let subject = mollyguard_record::store::laws::subject(unknown);
    let request = Request::new("told_do", json!({}), eve());
    let refusal = conclude::on_record(&place.gateway, &request, refusal.recorded_as(subject)).await;
    assert!(
        matches!(refusal.on_record, OnRecord::Done) && refusal.message.contains("this refusal is not on record"),
        "{}",
        refusal.message
    );
    drop(held);
    assert!(place.denied().await.is_empty());
    let Reply::Refused(refusal) = place.ask("told_do", json!({})).await else { panic!("it is refused") };
    assert!(!refusal.message.contains("record"), "{}", refusal.message);
}

#[tokio::test]
async fn an_agent_does_not_flood_the_record_and_what_is_left_out_is_counted() {
    let place = Place::new();
    for _ in 0..500 {
        let Reply::Refused(_) = place.ask("told_do", json!({"target": "nowhere"})).await else { panic!("refused") };
    }
    let other = Request::new("told_do", json!({}), eve());
    assert!(matches!(call(&place.gateway, other).await, Ok(Reply::Refused(_))));
    place.gateway.refusals.account_for(&*place.gateway.store).await;
    let denied = place.denied().await;
    let told: u64 = denied.iter().map(|(.., left_out)| left_out + 1).sum();
    assert_eq!(told, 501, "each is written down, or counted");
    // One is due a second, so a slow machine writes down more.
    assert!(denied.len() < 400 && denied.len() >= 61, "{}", denied.len());
    place.gateway.refusals.account_for(&*place.gateway.store).await;
    assert_eq!(place.denied().await.len(), denied.len(), "counted once");
}
