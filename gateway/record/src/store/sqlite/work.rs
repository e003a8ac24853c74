//! Work for the writer, with an answer.

use tokio::sync::oneshot;

use super::writing::Writing;
use crate::store::StoreError;

/// Why work fails that would change rows and says nothing of it in the record.
const UNRECORDED: &str = "rows would change and no record says so: nothing was written";

/// One piece of work for the writer.
pub(super) trait Work: Send {
    /// Whether it must be on disk before it is answered.
    fn durable(&self) -> bool;
    /// Whether it is pointless now that nobody waits for it: a call that is not to run any more. What has happened is
    /// written down all the same.
    fn abandoned(&self) -> bool;
    /// Runs it.
    fn run(&mut self, writing: &mut Writing<'_>) -> Outcome;
    /// Answers it, once the transaction is committed or has failed. May leave further work.
    fn answer(self: Box<Self>, failed: Option<&str>) -> Option<Box<dyn Work>>;
}

/// What becomes of what a piece of work wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is committed with the others'.
    Kept,
    /// It is taken back, and nobody else's.
    TakenBack,
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

    fn run(&mut self, writing: &mut Writing<'_>) -> Outcome {
        let Some(run) = self.run.take() else { return Outcome::TakenBack };
        let before = writing.written();
        let result = run(writing).and_then(|done| match before.is_on_record(writing.written()) {
            true => Ok(done),
            false => Err(StoreError::Failed(UNRECORDED.to_owned())),
        });
        let outcome = if result.is_ok() { Outcome::Kept } else { Outcome::TakenBack };
        self.result = Some(result);
        outcome
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
