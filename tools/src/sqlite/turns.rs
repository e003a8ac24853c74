//! Looks that try a change out hold the database's write lock, so looks at one database take turns, and after each there is a
//! rest in proportion to how long it held the lock: together they have it about a fifth of the time, however many there are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client::Site;
use crate::contract::ToolError;

/// The rest after a look, as many times as long as it held the lock.
const REST: u32 = 4;

/// No rest is longer.
const LONGEST: Duration = Duration::from_secs(5);

/// How often who waits looks whether anybody still wants the answer.
const GLANCE: Duration = Duration::from_millis(20);

/// Who looks at which database, and when the next may. It knows no clock.
#[derive(Default)]
struct Turns {
    lines: BTreeMap<String, Line>,
    tickets: u64,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<u64>,
    at_work: bool,
    rests_until: Option<Instant>,
}

impl Turns {
    const fn new() -> Self {
        Self { lines: BTreeMap::new(), tickets: 0 }
    }

    fn line_up(&mut self, database: &str, now: Instant) -> u64 {
        let in_use =
            |line: &Line| line.at_work || !line.waiting.is_empty() || line.rests_until.is_some_and(|end| end > now);
        self.lines.retain(|_, line| in_use(line));
        self.tickets += 1;
        self.lines.entry(database.to_owned()).or_default().waiting.push_back(self.tickets);
        self.tickets
    }

    /// Begins the turn of a ticket, or says how long to wait at least before asking again.
    fn begin(&mut self, database: &str, ticket: u64, now: Instant) -> Result<(), Duration> {
        let Some(line) = self.lines.get_mut(database) else { return Ok(()) };
        if line.at_work || line.waiting.front() != Some(&ticket) {
            return Err(GLANCE);
        }
        match line.rests_until {
            Some(end) if end > now => Err(end.duration_since(now)),
            _ => {
                line.waiting.pop_front();
                line.at_work = true;
                Ok(())
            }
        }
    }

    fn give_up(&mut self, database: &str, ticket: u64) {
        if let Some(line) = self.lines.get_mut(database) {
            line.waiting.retain(|waiting| *waiting != ticket);
        }
    }

    /// Ends a turn that held the lock for so long.
    fn end(&mut self, database: &str, held: Duration, now: Instant) {
        if let Some(line) = self.lines.get_mut(database) {
            line.at_work = false;
            line.rests_until = Some(now + held.saturating_mul(REST).min(LONGEST));
        }
    }
}

static TURNS: Mutex<Turns> = Mutex::new(Turns::new());
static ENDED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Turns> {
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A look's turn; it ends when dropped.
pub(super) struct Turn {
    database: String,
    since: Option<Instant>,
}

impl Turn {
    /// Waits for it, no longer than the call lasts.
    pub(super) fn wait(site: &Site) -> Result<Self, ToolError> {
        let mut turns = lock();
        let ticket = turns.line_up(&site.uid, Instant::now());
        loop {
            if site.is_over() {
                turns.give_up(&site.uid, ticket);
                let reason =
                    format!("not run: too many changes of `{}` are being tried out at the same time", site.name);
                return Err(ToolError::unavailable(reason).with_next("try again in a moment, with fewer calls at once"));
            }
            match turns.begin(&site.uid, ticket, Instant::now()) {
                Ok(()) => return Ok(Self { database: site.uid.clone(), since: None }),
                Err(wait) => {
                    turns = ENDED.wait_timeout(turns, wait.min(GLANCE)).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// Says that the lock is held from now on.
    pub(super) fn holds(&mut self) {
        self.since = Some(Instant::now());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = Instant::now();
        let held = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        lock().end(&self.database, held, now);
        ENDED.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sqlite::tests::run;

    const STEP: Duration = Duration::from_millis(1);

    /// Looks that all want the lock of one database all the time, on a clock of its own; returns how long it was held, and
    /// how long that took.
    fn looks(each: &[u64]) -> (Duration, Duration) {
        let begun = Instant::now();
        let (mut turns, mut now, mut held) = (Turns::default(), begun, Duration::ZERO);
        let mut waiting: VecDeque<(u64, u64)> = each.iter().map(|long| (turns.line_up("a", now), *long)).collect();
        let mut served = Vec::new();
        while let Some((ticket, long)) = waiting.pop_front() {
            // Whoever is behind may ask as often as they like.
            if let Some((behind, _)) = waiting.back() {
                assert!(turns.begin("a", *behind, now).is_err());
            }
            while let Err(wait) = turns.begin("a", ticket, now) {
                assert!(wait <= LONGEST);
                now += wait.max(STEP);
            }
            for (other, _) in &waiting {
                assert!(turns.begin("a", *other, now).is_err(), "two at a time");
            }
            let long = Duration::from_millis(long);
            now += long;
            held += long;
            turns.end("a", long, now);
            served.push(ticket);
        }
        assert!(served.is_sorted(), "first come, first served");
        // The rest of the last is over too.
        let last = turns.line_up("a", now);
        while let Err(wait) = turns.begin("a", last, now) {
            now += wait;
        }
        (held, now - begun)
    }

    #[test]
    fn together_they_hold_the_lock_a_fifth_of_the_time_in_their_order() {
        run(&proptest::collection::vec(1_u64..1_200, 1..40), 200, |each| {
            let (held, took) = looks(&each);
            prop_assert!(held * 5 <= took + Duration::from_millis(1), "{:?} of {:?}", held, took);
            // A short look makes nobody wait long.
            prop_assert!(took <= held * 5 + STEP * 2 * u32::try_from(each.len()).unwrap_or_default());
            Ok(())
        });
    }

    #[test]
    fn databases_do_not_wait_for_each_other_and_nothing_is_kept_of_those_that_rested() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        for database in ["a", "b"] {
            let ticket = turns.line_up(database, now);
            turns.begin(database, ticket, now).unwrap();
        }
        let (first, second) = (turns.line_up("a", now), turns.line_up("a", now));
        turns.end("a", Duration::from_millis(10), now);
        assert_eq!(turns.begin("a", first, now), Err(Duration::from_millis(40)));
        turns.give_up("a", first);
        let later = now + Duration::from_millis(40);
        turns.begin("a", second, later).unwrap();
        turns.end("a", Duration::from_secs(3_600), later);
        turns.end("b", Duration::ZERO, later);
        let ticket = turns.line_up("c", later + LONGEST);
        assert_eq!(turns.lines.keys().collect::<Vec<_>>(), ["c"]);
        turns.begin("c", ticket, later + LONGEST).unwrap();
    }
}
