//! Large calls take turns. What a call's arguments are made into while it is looked at and runs takes many times their own
//! memory, so those of the large calls that are worked on at once have a bound together. Small calls never wait here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mollyguard_tools::contract::Reversibility;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::registry::{BuiltinTool, Entry};
use crate::reply::{About, ReasonCode, Refusal, Request};

/// Arguments up to this are small: as many calls as may run at all may have them.
const SMALL: usize = 64 << 10;

/// How much the arguments of all large calls that are worked on may take. One that is larger still runs alone.
const AT_ONCE: usize = 2 << 20;

/// How many large calls wait for their turn, at most. Their arguments are in memory meanwhile.
const MOST_WAITING: usize = 64;

/// What an undo is taken for: what it puts back is in the store, and not known before it is read.
const UNDO: usize = 256 << 10;

const KIB: usize = 1024;

/// The turns of large calls.
pub(crate) struct Bulk {
    /// One permit a KiB.
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Bulk {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(AT_ONCE / KIB)), waiting: AtomicUsize::new(0) }
    }
}

/// Counts a waiting call for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Bulk {
    /// A turn for a call, in order of arrival; none for a small one, which needs none.
    pub(crate) async fn turn(
        &self,
        entry: &Entry,
        request: &Request,
    ) -> Result<Option<OwnedSemaphorePermit>, Box<Refusal>> {
        let weight = match entry {
            Entry::Builtin(BuiltinTool::Undo) => UNDO,
            Entry::Builtin(_) | Entry::Native(_) => weight(&request.args),
        };
        if weight <= SMALL {
            return Ok(None);
        }
        let permits = u32::try_from(weight.min(AT_ONCE).div_ceil(KIB)).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(permits) {
            return Ok(Some(permit));
        }
        let about = || About::unseen(Uuid::now_v7(), Reversibility::Irreversible);
        let busy = |message: &str| {
            let next = "Wait for other large calls, then try again, or pass less at once.";
            Box::new(Refusal::new(ReasonCode::Unavailable, message, next, about()))
        };
        let _waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            return Err(busy("too many calls with large arguments are waiting for their turn"));
        }
        tokio::select! {
            permit = Arc::clone(&self.free).acquire_many_owned(permits) => permit.map(Some).map_err(|_| busy("the gateway is closing")),
            () = request.cancel.cancelled() => Err(Box::new(Refusal::cancelled(about()))),
        }
    }
}

/// About how many bytes a value takes in memory.
fn weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(fields) => weight_of(fields.iter()),
        }
}

/// The same of what an object holds.
pub(crate) fn weight_of<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>) -> usize {
    /// What a field takes beside its name and its value: a hash, a place in the table, the name's own three words.
    const FIELD: usize = 48;
    fields.map(|(name, item)| FIELD + name.len() + weight(item)).sum()
}

#[cfg(test)]
mod tests {
    use mollyguard_record::model::Principal;
    use serde_json::json;

    use super::*;

    fn request(bytes: usize) -> Request {
        let principal = Principal { user: "ada".into(), client: None, roles: Vec::new() };
        Request::new("preview_call", json!({"sql": "x".repeat(bytes)}), principal)
    }

    async fn until(mut is_so: impl FnMut() -> bool) {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    }

    const ANY: Entry = Entry::Builtin(BuiltinTool::Preview);

    #[tokio::test]
    async fn six_statements_of_a_megabyte_take_turns_and_small_ones_do_not_wait() {
        let bulk = Arc::new(Bulk::default());
        let (held, most, over) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let calls: Vec<_> = (0..6)
            .map(|_| {
                let (bulk, held, most, over) =
                    (Arc::clone(&bulk), Arc::clone(&held), Arc::clone(&most), Arc::clone(&over));
                tokio::spawn(async move {
                    let request = request(1_000_000);
                    let _turn = bulk.turn(&ANY, &request).await.unwrap();
                    let now = held.fetch_add(weight(&request.args), Ordering::SeqCst) + weight(&request.args);
                    most.fetch_max(now, Ordering::SeqCst);
                    over.acquire().await.unwrap().forget();
                    held.fetch_sub(weight(&request.args), Ordering::SeqCst);
                })
            })
            .collect();
        until(|| bulk.waiting.load(Ordering::Relaxed) == 4).await;
        // One that is small goes past those that wait.
        assert!(bulk.turn(&ANY, &request(1_000)).await.unwrap().is_none());
        assert!(bulk.turn(&ANY, &request(SMALL - 1_000)).await.unwrap().is_none());
        over.add_permits(6);
        for call in calls {
            call.await.unwrap();
        }
        let most = most.load(Ordering::SeqCst);
        assert!((1_000_000..=AT_ONCE).contains(&most), "{most}");
        assert_eq!(bulk.free.available_permits(), AT_ONCE / KIB);
    }

    #[tokio::test]
    async fn one_that_is_larger_than_all_may_be_runs_alone() {
        let bulk = Bulk::default();
        let _alone = bulk.turn(&ANY, &request(3 * AT_ONCE)).await.unwrap();
        assert_eq!(bulk.free.available_permits(), 0);
    }

    #[tokio::test]
    async fn who_waits_leaves_with_its_client_and_is_not_waited_with_without_end() {
        let bulk = Arc::new(Bulk::default());
        let all = bulk.turn(&ANY, &request(AT_ONCE)).await.unwrap();
        let waiting: Vec<_> = (0..MOST_WAITING)
            .map(|_| {
                let request = request(2 * SMALL);
                let (bulk, cancel) = (Arc::clone(&bulk), request.cancel.clone());
                (tokio::spawn(async move { bulk.turn(&ANY, &request).await.map(|_| ()) }), cancel)
            })
            .collect();
        until(|| bulk.waiting.load(Ordering::Relaxed) == MOST_WAITING).await;
        let refusal = bulk.turn(&ANY, &request(2 * SMALL)).await.unwrap_err();
        assert_eq!(refusal.reason_code, ReasonCode::Unavailable);
        assert!(refusal.message.contains("large arguments"), "{}", refusal.message);
        waiting.iter().for_each(|(_, cancel)| cancel.cancel());
        for (call, _) in waiting {
            assert!(call.await.unwrap().is_err(), "it is cancelled");
        }
        assert_eq!(bulk.waiting.load(Ordering::Relaxed), 0);
        drop(all);
        assert_eq!(bulk.free.available_permits(), AT_ONCE / KIB);
    }

    #[test]
    fn what_is_many_small_things_weighs_what_it_takes() {
        let zeros = json!(vec![0; 10_000]);
        assert!(weight(&zeros) >= 10_000 * size_of::<Value>());
        assert!(weight(&json!({"a": "x".repeat(5_000)})) > 5_000);
    }
}
