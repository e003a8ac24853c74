//! Tells people that a question waits, and what became of it: webhooks and a command. It answers nothing, what it says
//! answers nothing, and no call waits for it.

mod command;
mod follow;
mod line;
mod notice;
mod post;
mod signature;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::model::Confirmation;
use mollyguard_record::store::{Changes, Store, StoreError};
use mollyguard_tools::contract::{Preflight, Timestamp, now};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::{Address, Config};
use crate::credentials::{Broker, Redactor};
use crate::targets::overlap::Reaches;
use command::Hook;
use follow::ended;
pub(crate) use follow::{Ended, approvers, end_of};
use line::{Followed, Line};
use notice::Notice;
use post::Client;
use signature::Key;
use webhook::Webhook;

/// How many questions nobody has taken up yet are kept.
const QUEUE: usize = 64;
/// How many questions are followed to their end.
const FOLLOWED: usize = 256;
/// At most this often is the store read for those who were told.
const SETTLE: Duration = Duration::from_millis(100);
/// How long a failed read is waited out, and the most that lies between two.
const RETRY: Duration = Duration::from_secs(1);
/// How long what is under way may take once the gateway leaves.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why nobody could be told. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The URL a reference gives is none, or not one that is used.
    #[error("the URL of `{0}`: {1}")]
    Url(String, &'static str),
    /// What a reference gives is no signing secret.
    #[error("the signing secret `{0}`: {1}")]
    Secret(String, &'static str),
}

/// Whom to tell.
enum Notifier {
    Webhook(Webhook),
    Command(Hook),
}

/// Takes up questions as they are asked, and knows whom to tell.
pub(crate) struct Notices {
    asked: broadcast::Sender<Notice>,
    redactor: Redactor,
    notifiers: Vec<Arc<Notifier>>,
}

impl Notices {
    /// Whom the configuration names.
    pub(crate) fn open(config: &Config, broker: &Broker, reaches: &Arc<Reaches>) -> Result<Self, NotifyError> {
        let client = Arc::new(Client::default());
        let mut notifiers = Vec::new();
        for (webhook, held) in config.notify.webhooks.iter().zip(broker.webhooks()) {
            let name = webhook.url.to_string();
            let address = Address::parse(held.url.reveal()).map_err(|why| NotifyError::Url(name.clone(), why))?;
            let key = match (&webhook.secret, &held.secret) {
                (Some(source), Some(secret)) => {
                    Some(Key::parse(secret.reveal()).map_err(|why| NotifyError::Secret(source.to_string(), why))?)
                }
                _ => None,
            };
            let webhook = Webhook::new(name, address, key, webhook.tiers.clone(), Arc::clone(&client));
            notifiers.push(Arc::new(Notifier::Webhook(webhook)));
        }
        let hook = |command| Arc::new(Notifier::Command(Hook::new(command, Arc::clone(reaches))));
        notifiers.extend(config.notify.command.clone().map(hook));
        Ok(Self { asked: broadcast::Sender::new(QUEUE), redactor: broker.redactor().clone(), notifiers })
    }

    /// Says that a question was asked. Never waits: what nobody takes up in time is dropped, oldest first.
    pub(crate) fn asked(&self, confirmation: &Confirmation, seen: &Preflight) {
        if self.asked.receiver_count() > 0 {
            let _told = self.asked.send(Notice::of(confirmation, seen, &self.redactor));
        }
    }

    /// Tells whom the configuration names of every question this process asks from now on, until `leave`. `page` says where a
    /// question can be answered.
    pub(crate) fn start<F: Fn(Uuid) -> Option<String> + Send + Sync + 'static>(
        &self,
        store: Arc<dyn Store>,
        page: F,
        leave: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<F> {
        // Before the first call: a question that is asked before the task runs is told as well.
        let asked = (!self.notifiers.is_empty()).then(|| self.asked.subscribe());
        let lines: Vec<_> = self.notifiers.iter().map(|notifier| Line::new(Arc::clone(notifier))).collect();
        async move {
            if let Some(asked) = asked {
                let telling = Telling { store, lines, closing: CancellationToken::new(), open: BTreeMap::new() };
                telling.keep_on(asked, leave, &page).await;
            }
        }
    }
}

/// Tells of questions until it is told to leave.
struct Telling {
    store: Arc<dyn Store>,
    lines: Vec<Line>,
    /// Nothing is waited for any more: what is not told yet is told once, at once.
    closing: CancellationToken,
    /// The questions that were told of and still wait.
    open: BTreeMap<Uuid, Open>,
}

struct Open {
    ended: watch::Sender<Option<Ended>>,
    expires_at: Timestamp,
}

impl Telling {
    async fn keep_on(
        mut self,
        mut asked: broadcast::Receiver<Notice>,
        leave: CancellationToken,
        page: impl Fn(Uuid) -> Option<String>,
    ) {
        let (mut changes, mut due) = (None, None);
        loop {
            let next = tokio::select! {
                biased;
                () = leave.cancelled() => break,
                taken = taken(&mut asked) => taken,
                () = stirred(changes.as_mut(), due, self.next_expiry()) => {
                    // Asked for or not, the store is not read for nobody.
                    due = self.catch_up().await.err().map(|_| RETRY);
                    if self.open.is_empty() {
                        changes = None;
                    }
                    continue;
                }
            };
            let Some(notice) = next else { break };
            self.tell(notice, &page);
            if !self.open.is_empty() {
                changes.get_or_insert_with(|| self.store.changes());
                // It may have ended before changes were listened for.
                due = Some(SETTLE);
            }
        }
        while let Ok(notice) = asked.try_recv() {
            self.tell(notice, &page);
        }
        if let Err(error) = self.catch_up().await {
            tracing::warn!(%error, "what became of questions cannot be read, so nobody is told");
        }
        self.closing.cancel();
        let last_words = async {
            for line in &mut self.lines {
                line.finish().await;
            }
        };
        if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
            tracing::warn!("the gateway leaves before everybody was told what waits");
        }
    }

    fn tell(&mut self, mut notice: Notice, page: &impl Fn(Uuid) -> Option<String>) {
        notice.page = page(notice.confirmation);
        let (id, expires_at) = (notice.confirmation, notice.expires_at);
        let (sender, ended) = watch::channel(None);
        let (notice, followed) = (Arc::new(notice), Followed::new(ended, self.closing.clone()));
        for line in &mut self.lines {
            line.take(&notice, &followed);
        }
        drop(followed);
        if sender.receiver_count() > 0 {
            if self.open.len() >= FOLLOWED {
                self.open.pop_first();
            }
            self.open.insert(id, Open { ended: sender, expires_at });
        }
    }

    fn next_expiry(&self) -> Option<Timestamp> {
        self.open.values().map(|open| open.expires_at).min()
    }

    /// Finds out which questions ended, and how.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        // Those who were to tell of it have given up.
        self.open.retain(|_, open| open.ended.receiver_count() > 0);
        if self.open.is_empty() {
            return Ok(());
        }
        let followed: Vec<Uuid> = self.open.keys().copied().collect();
        let open = self.store.open_questions().await?;
        for (id, end) in ended(&*self.store, &followed, &open).await? {
            if let Some(open) = self.open.remove(&id) {
                open.ended.send_replace(Some(end));
            }
        }
        Ok(())
    }
}

/// The next question that was asked; `None` once none can come any more.
async fn taken(asked: &mut broadcast::Receiver<Notice>) -> Option<Notice> {
    loop {
        match asked.recv().await {
            Ok(notice) => return Some(notice),
            Err(broadcast::error::RecvError::Lagged(dropped)) => {
                tracing::warn!(dropped, "too many questions at once: nobody is told of the oldest");
            }
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

/// Returns when what was told of may have changed: something was written, a question ran out, or a look is due.
async fn stirred(changes: Option<&mut Changes>, due: Option<Duration>, expires: Option<Timestamp>) {
    let Some(changes) = changes else { return std::future::pending().await };
    if let Some(due) = due {
        return tokio::time::sleep(due).await;
    }
    // A question that runs out is a change that nobody writes.
    let runs_out = expires.map(|at| Duration::try_from(at.duration_since(now())).unwrap_or_default());
    tokio::select! {
        () = changes.changed() => tokio::time::sleep(SETTLE).await,
        () = tokio::time::sleep(runs_out.unwrap_or(RETRY * 60).max(SETTLE)) => {}
    }
}
