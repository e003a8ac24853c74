//! Work for the writer, with an answer.

use tokio::sync::oneshot;

use super::writing::Writing;
use crate::store::StoreError;

/// One piece of work for the writer.
pub(super) trait Work: Send {
    /// Whether it must be on disk before it is answered.
    fn durable(&self) -> bool;
    /// Whether it is pointless now that nobody waits for it: a call that is not to run any more. What has happened is
    /// written down all the same.
    fn abandoned(&self) -> bool;
    /// Runs it; `false` takes back what it wrote.
    fn run(&mut self, writing: &mut Writing<'_>) -> bool;
    /// Answers it, once the transaction is committed or has failed. May leave further work.
    fn answer(self: Box<Self>, failed: Option<&str>) -> Option<Box<dyn Work>>;
}

pub(super) type Run<T> = Box<dyn FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send>;

pub(super) type Lost<T> = Box<dyn FnOnce(T) -> Box<dyn Work> + Send>;

/// Work with an answer.
pub(super) struct Task<T> {
    pub(super) durable: bool,
    pub(super) run: Option<Run<T>>,
    pub(super) result: Option<Result<T, StoreError>>,
    pub(super) reply: Option<oneshot::Sender<Result<T, StoreError>>>,
    /// What is left to do when the answer finds nobody: a call whose intent reached no one did not run.
    pub(super) lost: Option<Lost<T>>,
}

impl<T: Send> Work for Task<T> {
    fn durable(&self) -> bool {
        self.durable
    }

    fn abandoned(&self) -> bool {
        self.lost.is_some() && self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    fn run(&mut self, writing: &mut Writing<'_>) -> bool {
        let Some(run) = self.run.take() else { return false };
        let result = run(writing);
        let wrote = result.is_ok();
        self.result = Some(result);
        wrote
    }

    fn answer(self: Box<Self>, failed: Option<&str>) -> Option<Box<dyn Work>> {
        let result = match (failed, self.result) {
            // What it found out itself says more than that the others' transaction failed.
            (_, Some(Err(error))) => Err(error),
            (Some(why), _) => Err(StoreError::Failed(why.to_owned())),
            (None, Some(done)) => done,
            (None, None) => Err(StoreError::Failed("the work was given up before it was written".into())),
        };
        match (self.reply?.send(result), self.lost) {
            (Err(Ok(done)), Some(lost)) => Some(lost(done)),
            _ => None,
        }
    }
}
