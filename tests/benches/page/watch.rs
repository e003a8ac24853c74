//! Browsers that watch: each is told of changes on `/live` and fetches the inbox again, as the page's script does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mollyguard_tests::Result;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::site::Site;

/// What the script waits between two fetches.
const APART: Duration = Duration::from_millis(200);

pub(crate) struct Watchers {
    tasks: JoinSet<Result>,
    fetched: Arc<AtomicUsize>,
}

impl Watchers {
    /// So many, each of which has fetched the inbox once.
    pub(crate) async fn start(site: &Site, count: usize) -> Result<Self> {
        let fetched = Arc::new(AtomicUsize::new(0));
        let (sender, mut first) = mpsc::channel(count);
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let (mut events, mut inbox) = (site.visitor().await?, site.visitor().await?);
            let (fetched, sender) = (Arc::clone(&fetched), sender.clone());
            // As in a browser: an event that comes during a fetch is not missed, and two are one.
            let (told, mut news) = tokio::sync::watch::channel(());
            tasks.spawn(async move {
                let request = events.request("GET", "/live");
                events.line.send(&request).await?;
                loop {
                    events.line.skip_to(b"event: changed").await?;
                    told.send_replace(());
                }
            });
            tasks.spawn(async move {
                while news.changed().await.is_ok() {
                    // The gateway closes what was idle for long; a browser then connects anew.
                    if inbox.get("/").await.is_err() {
                        inbox = inbox.again().await?;
                        inbox.get("/").await?;
                    }
                    if fetched.fetch_add(1, Ordering::Relaxed) < count {
                        sender.send(()).await?;
                    }
                    tokio::time::sleep(APART).await;
                }
                Err("an event stream ended".into())
            });
        }
        for _ in 0..count {
            tokio::select! {
                _ = first.recv() => {}
                Some(ended) = tasks.join_next() => return Err(format!("a watcher ended: {:?}", ended?).into()),
            }
        }
        Ok(Self { tasks, fetched })
    }

    /// How often they have fetched the inbox, all together; an error if one of them could not go on.
    pub(crate) fn fetched(&mut self) -> Result<usize> {
        match self.tasks.try_join_next() {
            Some(ended) => Err(format!("a watcher ended: {:?}", ended?).into()),
            None => Ok(self.fetched.load(Ordering::Relaxed)),
        }
    }
}
