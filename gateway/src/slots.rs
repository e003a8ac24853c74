//! Whose turn it is to run: so many calls at a time, each user's in their order of arrival, and the users in turn. A few
//! places are kept for those who have none running, so that nobody waits for another's long calls to end.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mollyguard_tools::contract::Reversibility;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::reply::{About, ReasonCode, Refusal, Request};

/// Beside every so many places one is kept for a user who has no call running.
const KEPT: usize = 4;

/// One place a running call, and a bounded number of calls that wait for one.
#[derive(Clone)]
pub(crate) struct Slots(Arc<Room>);

struct Room {
    turns: Mutex<Turns>,
    concurrent: usize,
    kept: usize,
    most_waiting: usize,
}

#[derive(Default)]
struct Turns {
    running: usize,
    waiting: usize,
    users: HashMap<String, User>,
    /// The users who have calls waiting, in the order of their turns.
    order: VecDeque<String>,
}

#[derive(Default)]
struct User {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Slot>>,
}

/// A place to run, for as long as it lives.
pub(crate) struct Slot {
    room: Option<Arc<Room>>,
    user: String,
}

/// Too many calls wait already.
pub(crate) struct Full;

/// A call's wait for its turn. Dropped, it leaves its place in the line to the next.
pub(crate) struct Turn(oneshot::Receiver<Slot>);

impl Slots {
    pub(crate) fn new(concurrent: usize, most_waiting: usize) -> Self {
        let (concurrent, kept) = (concurrent.max(1), (concurrent / KEPT).max(1));
        Self(Arc::new(Room { turns: Mutex::default(), concurrent, kept, most_waiting }))
    }

    /// A place in the line. One user never fills all of it.
    pub(crate) fn line_up(&self, user: &str) -> Result<Turn, Full> {
        let (sender, receiver) = oneshot::channel();
        let mut turns = self.0.turns();
        turns.forget_those_who_left();
        let theirs = turns.users.get(user).map_or(0, |user| user.waiting.len());
        // What is left of the line when one user is alone in it.
        let most = if theirs == 0 { self.0.most_waiting } else { self.0.most_waiting - self.0.most_waiting / KEPT };
        let runs_now = self.0.may_run(&turns, user) && theirs == 0;
        if !runs_now && (turns.waiting >= self.0.most_waiting || theirs >= most) {
            return Err(Full);
        }
        turns.waiting += 1;
        if theirs == 0 {
            turns.order.push_back(user.to_owned());
        }
        turns.users.entry(user.to_owned()).or_default().waiting.push_back(sender);
        Room::call_up(&self.0, &mut turns);
        Ok(Turn(receiver))
    }
}

impl Turn {
    /// The place to run, once it is there.
    pub(crate) async fn come(self) -> Option<Slot> {
        self.0.await.ok()
    }
}

impl Room {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_run(&self, turns: &Turns, user: &str) -> bool {
        let has_none = turns.users.get(user).is_none_or(|user| user.running == 0);
        turns.running < self.concurrent || (has_none && turns.running < self.concurrent + self.kept)
    }

    /// Gives whatever places there are to those whose turn it is.
    fn call_up(this: &Arc<Self>, turns: &mut Turns) {
        while let Some(at) = turns.order.iter().position(|user| this.may_run(turns, user)) {
            let Some(user) = turns.order.remove(at) else { return };
            let Some(theirs) = turns.users.get_mut(&user) else { continue };
            let Some(next) = theirs.waiting.pop_front() else { continue };
            turns.waiting -= 1;
            if !theirs.waiting.is_empty() {
                turns.order.push_back(user.clone());
            }
            let slot = Slot { room: Some(Arc::clone(this)), user: user.clone() };
            match next.send(slot) {
                Ok(()) => {
                    theirs.running += 1;
                    turns.running += 1;
                }
                // Whoever waited has left. The place was never theirs.
                Err(mut slot) => slot.room = None,
            }
            turns.forget(&user);
        }
    }
}

impl Turns {
    fn forget_those_who_left(&mut self) {
        for user in self.users.values_mut() {
            let before = user.waiting.len();
            user.waiting.retain(|waiting| !waiting.is_closed());
            self.waiting -= before - user.waiting.len();
        }
        let users = &self.users;
        self.order.retain(|user| users.get(user).is_some_and(|user| !user.waiting.is_empty()));
        self.users.retain(|_, user| user.running > 0 || !user.waiting.is_empty());
    }

    fn forget(&mut self, user: &str) {
        if self.users.get(user).is_some_and(|user| user.running == 0 && user.waiting.is_empty()) {
            self.users.remove(user);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(room) = self.room.take() else { return };
        let mut turns = room.turns();
        turns.running -= 1;
        if let Some(user) = turns.users.get_mut(&self.user) {
            user.running -= 1;
        }
        turns.forget(&self.user);
        Room::call_up(&room, &mut turns);
    }
}

impl Gateway {
    /// A turn to run; refused at once when too many wait.
    pub(crate) async fn slot(&self, request: &Request) -> Result<Slot, Box<Refusal>> {
        let about = || About::unseen(Uuid::now_v7(), Reversibility::Irreversible);
        let busy = |message: &str| {
            let next = "Wait for your other calls, then try again.";
            Box::new(Refusal::new(ReasonCode::Unavailable, message, next, about()))
        };
        let Ok(turn) = self.slots.line_up(&request.principal.user) else {
            return Err(busy("too many calls are waiting for their turn"));
        };
        tokio::select! {
            slot = turn.come() => slot.ok_or_else(|| busy("the gateway is closing")),
            () = request.cancel.cancelled() => Err(Box::new(Refusal::cancelled(about()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The place, if it is there already.
    fn now(turn: &mut Turn) -> Option<Slot> {
        turn.0.try_recv().ok()
    }

    fn line_up(slots: &Slots, user: &str) -> Turn {
        slots.line_up(user).ok().expect("there is room in the line")
    }

    #[test]
    fn nobody_waits_for_the_long_calls_of_another() {
        let slots = Slots::new(32, 256);
        let mut anna: Vec<Turn> = (0..34).map(|_| line_up(&slots, "anna")).collect();
        let running: Vec<Slot> = anna.iter_mut().filter_map(now).collect();
        assert_eq!(running.len(), 32, "alone, all of them");
        let ben = now(&mut line_up(&slots, "ben")).expect("runs at once");
        assert!(now(&mut line_up(&slots, "ben")).is_none(), "his second one waits his turn");
        drop(ben);
        assert!(anna[32..].iter_mut().all(|turn| now(turn).is_none()), "what was kept is not hers");
        drop(running);
        assert!(anna[32..].iter_mut().all(|turn| now(turn).is_some()));
    }

    #[test]
    fn users_take_turns() {
        let slots = Slots::new(4, 64);
        let mut running: Vec<Slot> = (0..4).filter_map(|_| now(&mut line_up(&slots, "anna"))).collect();
        running.extend(now(&mut line_up(&slots, "ben")));
        assert_eq!(running.len(), 5);
        // All of hers came before all of his.
        let mut waiting: Vec<_> =
            [["anna"; 6], ["ben"; 6]].concat().into_iter().map(|it| (it, line_up(&slots, it))).collect();
        let mut came = Vec::new();
        while !running.is_empty() {
            drop(running.remove(0));
            waiting.retain_mut(|(user, turn)| match now(turn) {
                Some(slot) => {
                    came.push(*user);
                    running.push(slot);
                    false
                }
                None => true,
            });
        }
        assert_eq!(came.len(), 12);
        let lead = came.iter().map(|user| if *user == "anna" { 1_i32 } else { -1 });
        let leads: Vec<i32> = lead
            .scan(0, |lead, by| {
                *lead += by;
                Some(*lead)
            })
            .collect();
        assert!(leads.iter().all(|lead| lead.abs() <= 2), "neither is served long before the other: {came:?}");
    }

    #[test]
    fn one_user_does_not_fill_the_line() {
        let slots = Slots::new(1, 8);
        let _running = now(&mut line_up(&slots, "anna")).unwrap();
        let annas: Vec<Turn> = (0..6).map(|_| line_up(&slots, "anna")).collect();
        assert!(slots.line_up("anna").is_err());
        let (_ben, _his) = (now(&mut line_up(&slots, "ben")).unwrap(), line_up(&slots, "ben"));
        drop(annas);
        assert!(slots.line_up("anna").is_ok(), "who has left does not stand in line");
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_the_places_add_up(acts in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 0..200)) {
            let slots = Slots::new(4, 12);
            let mut waiting: Vec<(usize, Turn)> = Vec::new();
            let mut running: Vec<(usize, Slot)> = Vec::new();
            for (act, which) in acts {
                match act {
                    0 | 1 => {
                        let user = which.index(5);
                        waiting.extend(slots.line_up(&user.to_string()).ok().map(|turn| (user, turn)));
                    }
                    2 if !running.is_empty() => drop(running.swap_remove(which.index(running.len()))),
                    3 if !waiting.is_empty() => drop(waiting.remove(which.index(waiting.len()))),
                    _ => {}
                }
                waiting.retain_mut(|(user, turn)| match now(turn) {
                    Some(slot) => {
                        running.push((*user, slot));
                        false
                    }
                    None => true,
                });
                prop_assert!(running.len() <= 5);
                let turns = slots.0.turns();
                prop_assert_eq!(turns.running, running.len());
                for (user, _) in &waiting {
                    let has_none = running.iter().all(|(other, _)| other != user);
                    prop_assert!(running.len() >= 4, "a place is free and {} waits", user);
                    prop_assert!(!has_none || running.len() == 5, "{} has none running and waits for no reason", user);
                }
            }
            drop((waiting, running));
            let mut turns = slots.0.turns();
            turns.forget_those_who_left();
            prop_assert!(turns.users.is_empty() && turns.order.is_empty());
            prop_assert_eq!((turns.running, turns.waiting), (0, 0));
        }
    }
}
