//! Where blocking work runs: off the runtime's threads, or right where it is asked for on a thread that is there to be blocked.

use std::cell::RefCell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::ToolError;

thread_local! {
    /// Who waits for this thread, where it is one of [`on_one_thread`].
    static HERE: RefCell<Option<Arc<Caller>>> = const { RefCell::new(None) };
}

type HangUp = Box<dyn FnOnce() + Send>;

/// Whoever waits for a thread of [`on_one_thread`].
#[derive(Default)]
struct Caller(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Waits,
    /// While work is being done that can be told when the caller leaves.
    WaitsForWork(HangUp),
    Gone,
}

impl Caller {
    fn set(&self, state: State) -> State {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state)
    }

    /// Work begins here. It is told at once where nobody waits any more.
    fn begin(&self, hang_up: HangUp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Gone) {
            drop(state);
            hang_up();
        } else {
            *state = State::WaitsForWork(hang_up);
        }
    }

    fn end(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::WaitsForWork(_)) {
            *state = State::Waits;
        }
    }

    fn leave(&self) {
        if let State::WaitsForWork(hang_up) = self.set(State::Gone) {
            hang_up();
        }
    }
}

/// The caller's end of a thread: dropped when the caller leaves, and when all is done.
struct CallersEnd {
    caller: Arc<Caller>,
    /// Its drop wakes the thread where that waits for something itself.
    _wakes: oneshot::Sender<Infallible>,
}

impl Drop for CallersEnd {
    fn drop(&mut self) {
        self.caller.leave();
    }
}

/// The mark that this thread is there to be blocked.
struct Here;

impl Here {
    fn begin(caller: Arc<Caller>) -> Self {
        HERE.set(Some(caller));
        Self
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        HERE.set(None);
    }
}

/// Runs all of `future` on one thread that may block, so that the [`blocking_until`] work in it needs no thread of its own. Where
/// whoever awaits this leaves, blocking work in it is told, and what it awaits itself is dropped.
///
/// # Errors
/// `Uncertain` if it panicked, since nobody knows how far it got.
pub async fn on_one_thread<F>(future: F) -> Result<F::Output, ToolError>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let caller = Arc::new(Caller::default());
    let (wakes, left) = oneshot::channel();
    let _end = CallersEnd { caller: Arc::clone(&caller), _wakes: wakes };
    let runtime = Handle::current();
    let all = move || {
        let _here = Here::begin(caller);
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = left => None,
                done = future => Some(done),
            }
        })
    };
    match spawn_blocking(all).await {
        Ok(Some(done)) => Ok(done),
        Ok(None) => Err(cut_off(&"nobody waits for it")),
        Err(error) => Err(cut_off(&error)),
    }
}

/// Runs blocking work off the runtime's threads; on a thread of [`on_one_thread`], right there. `hang_up` is called when whoever
/// waits for the work leaves, from another thread than the work's.
///
/// # Errors
/// What the work returns; `Uncertain` if it panicked, since nobody knows how far it got.
pub async fn blocking_until<T, F, H>(hang_up: H, work: F) -> Result<T, ToolError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, ToolError> + Send + 'static,
    H: FnOnce() + Send + 'static,
{
    if let Some(caller) = HERE.with_borrow(Clone::clone) {
        caller.begin(Box::new(hang_up));
        let done = catch_unwind(AssertUnwindSafe(work));
        caller.end();
        return done.unwrap_or_else(|_| Err(cut_off(&"it panicked")));
    }
    let mut waits = Waits(Some(hang_up));
    let done = spawn_blocking(work).await;
    waits.0 = None;
    done.unwrap_or_else(|error| Err(cut_off(&error)))
}

/// Hangs up when dropped with something still in it: when the future that waits for the work is.
struct Waits<H: FnOnce()>(Option<H>);

impl<H: FnOnce()> Drop for Waits<H> {
    fn drop(&mut self) {
        if let Some(hang_up) = self.0.take() {
            hang_up();
        }
    }
}

fn cut_off(why: &dyn std::fmt::Display) -> ToolError {
    ToolError::uncertain(format!("the work was cut off: {why}"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    async fn blocking<T: Send + 'static>(
        work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
    ) -> Result<T, ToolError> {
        blocking_until(|| {}, work).await
    }

    fn here() -> Result<thread::ThreadId, ToolError> {
        Ok(thread::current().id())
    }

    #[tokio::test]
    async fn work_runs_where_it_is_asked_for_only_on_a_thread_that_may_block() {
        let runtime = thread::current().id();
        assert_ne!(blocking(here).await, Ok(runtime));
        let threads = on_one_thread(async {
            let first = blocking(here).await?;
            tokio::task::yield_now().await;
            Ok::<_, ToolError>([first, blocking(here).await?, thread::current().id()])
        });
        let [first, second, all] = threads.await.unwrap().unwrap();
        assert_eq!((first, second), (all, all));
        assert_ne!(all, runtime);
        // The thread goes back to the others, and is no such thread any more.
        let on_its_own = on_one_thread(async { tokio::spawn(blocking(here)).await.unwrap() });
        assert_ne!(on_its_own.await.unwrap(), Ok(runtime));
    }

    #[tokio::test]
    async fn work_is_told_when_its_caller_leaves_whichever_thread_it_runs_on() {
        for one_thread in [false, true] {
            let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
            let (told, hears) = mpsc::channel();
            let (ended, ends) = mpsc::channel();
            let work = async move {
                let hang_up = move || told.send(()).unwrap();
                let work = move || {
                    begun.send(()).unwrap();
                    hears.recv().unwrap();
                    ended.send(()).unwrap();
                    Ok(())
                };
                blocking_until(hang_up, work).await
            };
            let awaited = tokio::spawn(async move {
                if one_thread { on_one_thread(work).await.and_then(|done| done) } else { work.await }
            });
            begins.recv().await.unwrap();
            awaited.abort();
            assert!(awaited.await.unwrap_err().is_cancelled());
            tokio::task::spawn_blocking(move || ends.recv()).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn what_begins_after_the_caller_left_is_told_at_once_and_what_is_awaited_is_dropped() {
        struct Dropped(mpsc::Sender<&'static str>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.send("dropped").unwrap();
            }
        }
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let (says, said) = mpsc::channel();
        let (goes_on, waits) = mpsc::channel::<()>();
        let tells = says.clone();
        let work = async move {
            let _dropped = Dropped(says.clone());
            begun.send(()).unwrap();
            // The caller leaves while this is between two pieces of work.
            waits.recv().unwrap();
            let worked = move || {
                says.send("worked").unwrap();
                Ok(())
            };
            blocking_until(move || tells.send("told").unwrap(), worked).await.unwrap();
            std::future::pending::<()>().await;
        };
        let awaited = tokio::spawn(on_one_thread(work));
        begins.recv().await.unwrap();
        awaited.abort();
        assert!(awaited.await.unwrap_err().is_cancelled());
        goes_on.send(()).unwrap();
        let all = tokio::task::spawn_blocking(move || said.iter().collect::<Vec<_>>()).await.unwrap();
        assert_eq!(all, ["told", "worked", "dropped"]);
    }

    #[tokio::test]
    async fn a_panic_is_uncertain_and_the_thread_goes_on() {
        let panics = || -> Result<(), ToolError> { panic!("as told") };
        let uncertain = |result: Result<(), ToolError>| matches!(result, Err(ToolError::Uncertain { .. }));
        assert!(uncertain(blocking(panics).await));
        let after = on_one_thread(async move { (blocking(panics).await, blocking(|| Ok(())).await) });
        let (panicked, after) = after.await.unwrap();
        assert!(uncertain(panicked));
        assert_eq!(after, Ok(()));
        assert!(uncertain(on_one_thread(async { panic!("as told") }).await));
    }
}
