//! Progress notifications: for calls that take a while, where the client gave a token. They also keep clients waiting
//! that give up on silence.

use std::pin::pin;
use std::time::Duration;

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RoleServer};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Timing;
use crate::reply::Stage;

/// How long a call that is over waits for a notification that is just being sent.
const LAST_WORD: Duration = Duration::from_millis(50);

/// What a call shows of itself while it runs.
#[derive(Debug)]
pub(super) struct Seen {
    /// How far it has come.
    pub(super) stage: watch::Sender<Stage>,
    /// That it waits for a person, in words, while it does.
    pub(super) asking: watch::Sender<Option<String>>,
}

impl Seen {
    /// A call that has just begun.
    pub(super) fn new() -> Self {
        Self { stage: watch::Sender::new(Stage::Looking), asking: watch::Sender::new(None) }
    }
}

/// Runs `work`, and reports on it meanwhile with the client's token.
pub(super) async fn during<T>(
    work: impl Future<Output = T>,
    seen: &Seen,
    peer: &Peer<RoleServer>,
    token: ProgressToken,
    timing: &Timing,
) -> T {
    let over = CancellationToken::new();
    let mut report = pin!(report(seen, peer, token, timing, &over));
    let mut work = pin!(work);
    let done = tokio::select! {
        biased;
        done = &mut work => done,
        // The client cannot be reached any more, and what has reported is over: it must not be waited for again.
        () = &mut report => return work.await,
    };
    // Nothing may follow the result, so a notification on its way is let through first; but when the connection is
    // closing nobody sends it, and waiting longer would only hold the process.
    over.cancel();
    let _ = timeout(LAST_WORD, report).await;
    done
}

/// Reports until `over`, or until the client cannot be reached any more.
async fn report(seen: &Seen, peer: &Peer<RoleServer>, token: ProgressToken, timing: &Timing, over: &CancellationToken) {
    let (mut stage, mut asking) = (seen.stage.subscribe(), seen.asking.subscribe());
    tokio::select! {
        biased;
        () = over.cancelled() => return,
        () = sleep(timing.progress_after) => {}
    }
    let mut ticks = interval(timing.progress_every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut progress = 0.0;
    loop {
        tokio::select! {
            biased;
            () = over.cancelled() => return,
            _ = stage.changed() => {}
            _ = asking.changed() => {}
            _ = ticks.tick() => {}
        }
        progress += 1.0;
        let word = stage.borrow_and_update().as_str();
        let word = asking.borrow_and_update().clone().unwrap_or_else(|| word.to_owned());
        let said = ProgressNotificationParam::new(token.clone(), progress).with_message(word);
        if peer.notify_progress(said).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use rmcp::ServerHandler;
    use rmcp::model::NumberOrString;
    use rmcp::service::serve_directly;

    use super::*;

    struct Nothing;

    impl ServerHandler for Nothing {}

    #[tokio::test]
    async fn a_client_that_cannot_be_reached_does_not_keep_a_call_from_its_end() {
        let (ours, _theirs) = tokio::io::duplex(1 << 10);
        let running = serve_directly::<RoleServer, _, _, _, _>(Nothing, ours, None);
        let peer = running.peer().clone();
        running.cancel().await.unwrap();
        let timing = Timing { progress_after: Duration::ZERO, ..Timing::default() };
        let seen = Seen::new();
        let work = async {
            while seen.stage.receiver_count() == 0 {
                tokio::task::yield_now().await;
            }
            // Until nobody reports any more.
            seen.stage.closed().await;
            "done"
        };
        let token = ProgressToken(NumberOrString::Number(1));
        assert_eq!(during(work, &seen, &peer, token, &timing).await, "done");
    }
}
