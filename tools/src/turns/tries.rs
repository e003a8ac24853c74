//! Looks that try a change out hold locks that others wait for, so those at one target take turns, and what they held is made up
//! for by a rest: of the target, which all share, and of the user, which holds up nobody else. A little may be had in advance.
//! After a long try it is the turn of somebody whose tries are short, and the other way round: whoever tries small changes now
//! and then waits for the try at work, and not for those of all others who hold locks whenever they may.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The rest that keeps locks free four fifths of the time, as many times as long as they were held.
pub(crate) const REST: u32 = 4;

/// How often who waits looks whether anybody still wants the answer.
pub(crate) const GLANCE: Duration = Duration::from_millis(20);

/// How much rest may be put off until later tries, and how long one is at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Of the target's rest.
    pub ahead: Duration,
    /// Of a user's own rest.
    pub own_ahead: Duration,
    /// What held locks no longer than this is followed by a rest just as long: others get in between anyway.
    pub moment: Duration,
    /// How many times as long as locks were held the target rests, where it was longer than a moment.
    pub times: u32,
    /// No target's rest grows by more at once.
    pub longest: Duration,
}

/// Who tries which target's changes out, and when the next may. It knows no clock.
pub(crate) struct Tries {
    terms: Terms,
    lines: BTreeMap<String, Line>,
    tickets: u64,
}

#[derive(Default)]
struct Line {
    users: BTreeMap<String, User>,
    /// The users who wait, in the order of their turns.
    order: VecDeque<String>,
    at_work: bool,
    /// The last try was longer than a moment.
    was_long: bool,
    rests_until: Option<Instant>,
}

#[derive(Default)]
struct User {
    waiting: VecDeque<u64>,
    /// Their last try was longer than a moment.
    is_long: bool,
    rests_until: Option<Instant>,
}

/// How long it is until then, less what may be put off.
fn left(until: Option<Instant>, ahead: Duration, now: Instant) -> Duration {
    until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now).saturating_sub(ahead))
}

impl Line {
    fn forget(&mut self, now: Instant) {
        self.users.retain(|_, user| !user.waiting.is_empty() || user.rests_until.is_some_and(|end| end > now));
    }

    fn is_in_use(&self, now: Instant) -> bool {
        self.at_work || !self.users.is_empty() || self.rests_until.is_some_and(|end| end > now)
    }
}

impl Tries {
    pub(crate) const fn new(terms: Terms) -> Self {
        Self { terms, lines: BTreeMap::new(), tickets: 0 }
    }

    /// A ticket at the end of this user's line.
    pub(crate) fn line_up(&mut self, target: &str, user: &str, now: Instant) -> u64 {
        self.lines.retain(|_, line| {
            line.forget(now);
            line.is_in_use(now)
        });
        self.tickets += 1;
        let line = self.lines.entry(target.to_owned()).or_default();
        let theirs = line.users.entry(user.to_owned()).or_default();
        if theirs.waiting.is_empty() {
            line.order.push_back(user.to_owned());
        }
        theirs.waiting.push_back(self.tickets);
        self.tickets
    }

    /// Begins the turn of a ticket, or says how long to wait at least before asking again.
    pub(crate) fn begin(&mut self, target: &str, user: &str, ticket: u64, now: Instant) -> Result<(), Duration> {
        let Terms { ahead, own_ahead, .. } = self.terms;
        let Some(line) = self.lines.get_mut(target) else { return Ok(()) };
        let owes = |user: &String| {
            let until = line.users.get(user).and_then(|user| user.rests_until);
            left(until, Duration::ZERO, now)
        };
        let is_long = |user: &String| line.users.get(user).is_some_and(|user| user.is_long);
        // Whoever has had more in advance than there is is passed over.
        let may_go = || line.order.iter().filter(|user| owes(user) <= own_ahead);
        let next = may_go().find(|user| is_long(user) != line.was_long).or_else(|| may_go().next());
        let is_next = next.is_some_and(|next| next == user);
        let first = line.users.get(user).and_then(|user| user.waiting.front());
        if line.at_work || !is_next || first != Some(&ticket) {
            return Err(GLANCE);
        }
        let wait = left(line.rests_until, ahead, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        line.order.retain(|other| other != user);
        if let Some(theirs) = line.users.get_mut(user) {
            theirs.waiting.pop_front();
            if !theirs.waiting.is_empty() {
                line.order.push_back(user.to_owned());
            }
        }
        line.at_work = true;
        Ok(())
    }

    /// Leaves the line.
    pub(crate) fn give_up(&mut self, target: &str, user: &str, ticket: u64) {
        let Some(line) = self.lines.get_mut(target) else { return };
        let Some(theirs) = line.users.get_mut(user) else { return };
        theirs.waiting.retain(|waiting| *waiting != ticket);
        if theirs.waiting.is_empty() {
            line.order.retain(|other| other != user);
        }
    }

    /// Ends a turn that held locks for so long. `own` is what its user rests for beside that.
    pub(crate) fn end(&mut self, target: &str, user: &str, held: Duration, own: Duration, now: Instant) {
        let Some(line) = self.lines.get_mut(target) else { return };
        line.at_work = false;
        let times = if held <= self.terms.moment { 1 } else { self.terms.times };
        let more = held.saturating_mul(times).min(self.terms.longest);
        // What was put off does not go by while locks are held.
        let owed = left(line.rests_until, Duration::ZERO, now.checked_sub(held).unwrap_or(now));
        line.rests_until = Some(now + owed + more);
        line.was_long = held > self.terms.moment;
        let theirs = line.users.entry(user.to_owned()).or_default();
        theirs.is_long = line.was_long;
        theirs.rests_until = Some(now + left(theirs.rests_until, Duration::ZERO, now) + own);
    }
}

#[cfg(test)]
#[path = "tests/tries.rs"]
mod tests;
