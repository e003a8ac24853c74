//! The questions that one webhook, or the command, is at work with: a bounded number, of which the oldest gives way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Notifier;
use super::follow::Ended;
use super::notice::{Event, Notice};

/// How many.
pub(super) const LINE: usize = 64;

/// Those who stand in line for one notifier.
pub(super) struct Line {
    notifier: Arc<Notifier>,
    tasks: JoinSet<()>,
    order: VecDeque<AbortHandle>,
}

impl Line {
    pub(super) fn new(notifier: Arc<Notifier>) -> Self {
        Self { notifier, tasks: JoinSet::new(), order: VecDeque::new() }
    }

    /// Begins to tell of a question.
    pub(super) fn take(&mut self, notice: &Arc<Notice>, followed: &Followed) {
        while self.tasks.try_join_next().is_some() {}
        self.order.retain(|task| !task.is_finished());
        if matches!(&*self.notifier, Notifier::Webhook(webhook) if !webhook.wants(notice)) {
            return;
        }
        if self.order.len() >= LINE
            && let Some(oldest) = self.order.pop_front()
        {
            tracing::warn!("too many questions wait to be told of: the oldest is dropped");
            oldest.abort();
        }
        let (notifier, notice, followed) = (Arc::clone(&self.notifier), Arc::clone(notice), followed.clone());
        self.order.push_back(self.tasks.spawn(async move {
            match &*notifier {
                Notifier::Webhook(webhook) => webhook.tell(&notice, followed).await,
                Notifier::Command(hook) => hook.tell(&notice, followed).await,
            }
        }));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Waits for what is under way.
    pub(super) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What becomes of a question, for those who tell of it.
#[derive(Clone)]
pub(super) struct Followed {
    ended: watch::Receiver<Option<Ended>>,
    closing: CancellationToken,
}

impl Followed {
    pub(super) const fn new(ended: watch::Receiver<Option<Ended>>, closing: CancellationToken) -> Self {
        Self { ended, closing }
    }

    /// Whether telling this is pointless by now.
    pub(super) fn is_over(&self, event: Event<'_>) -> bool {
        matches!(event, Event::Asked) && self.ended.borrow().is_some()
    }

    /// Whether the gateway leaves.
    pub(super) fn is_leaving(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// How it ended; `None` if nobody follows it any more.
    pub(super) async fn end(&mut self) -> Option<Ended> {
        tokio::select! {
            biased;
            ended = self.ended.wait_for(Option::is_some) => ended.ok()?.clone(),
            () = self.closing.cancelled() => None,
        }
    }

    /// Waits, but not for what makes telling this pointless.
    pub(super) async fn pause(&mut self, pause: Duration, event: Event<'_>) {
        let closing = self.closing.clone();
        let over = async {
            if !matches!(event, Event::Asked) || self.ended.wait_for(Option::is_some).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = over => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
