//! Recovering what was cut off: target by target, so that one that does not answer holds up no other.

use super::*;

impl Place {
    /// Calls on this target whose process is gone.
    async fn cut_off(&self, target: &str, how_many: usize) -> Vec<Uuid> {
        let store = open(&self.folder.path().join("state"));
        let mut calls = Vec::new();
        for _ in 0..how_many {
            let mut start = Start { target: target.into(), ..mollyguard_record::store::laws::start() };
            start.subject.tool = Some("told_do".into());
            start.args = json!({"target": target});
            calls.push(store.begin(start).await.unwrap().call());
        }
        calls
    }

    async fn ends(&self, calls: &[Uuid]) -> Vec<Option<End>> {
        let mut ends = Vec::new();
        for call in calls {
            ends.push(self.gateway.store.call(*call).await.unwrap().unwrap().end);
        }
        ends
    }
}

/// Longer than any test: a probe that hangs until then hangs for ever.
const FOR_EVER: &str = "limits = { call_timeout_ms = 600000 }";

#[tokio::test]
async fn a_target_that_does_not_answer_holds_up_its_own_changes_only() {
    let place = Place::with(FOR_EVER);
    place.tell(Next::Succeeds, Some(Probe::Unchanged));
    place.told.silent.lock().unwrap().push("it".into());
    let hanging = place.cut_off("it", 3).await;
    let answering = place.cut_off("other", 2).await;
    let gateway = Arc::clone(&place.gateway);
    let recovering = tokio::spawn(async move { recovery::recover(&gateway).await });
    // All of one target are looked at side by side: three deadlines are not waited for one after the other.
    let mut probes = place.told.probes.subscribe();
    probes.wait_for(|begun| *begun == 5).await.unwrap();
    let Reply::Done(_) = place.ask("told_do", json!({"target": "other"})).await else { panic!("it runs") };
    assert_eq!(place.ends(&answering).await, [Some(End::Uncertain); 2], "settled by looking");
    assert_eq!(place.ends(&hanging).await, [None; 3], "and these are not");
    let held = tokio::spawn(place.ask("told_do", json!({"target": "it"})));
    let Reply::Done(_) = place.ask("told_do", json!({"target": "other"})).await else { panic!("it runs") };
    assert!(!held.is_finished(), "a change of the target itself waits");
    held.abort();
    recovering.abort();
}

#[tokio::test]
async fn a_change_settles_what_was_cut_off_on_its_own_target() {
    let place = Place::with(FOR_EVER);
    place.tell(Next::Succeeds, Some(Probe::Changed));
    place.told.silent.lock().unwrap().push("it".into());
    let hanging = place.cut_off("it", 3).await;
    let answering = place.cut_off("other", 3).await;
    let Reply::Done(_) = place.ask("told_do", json!({"target": "other"})).await else { panic!("it runs") };
    assert_eq!(place.ends(&answering).await, [Some(End::Uncertain); 3]);
    assert_eq!(place.ends(&hanging).await, [None; 3], "nobody looked");
    // Once it answers, all are settled, each once.
    place.told.silent.lock().unwrap().clear();
    let mut settled = recovery::recover(&place.gateway).await.unwrap();
    settled.sort();
    assert_eq!(settled, hanging);
}
