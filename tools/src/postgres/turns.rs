//! Whose turn it is to have a connection: so many at once, each user's calls in their order of arrival, and the users in
//! turn. One user who has some never takes the last, so that nobody waits for another's long calls to end.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Places for a bounded number of connections.
pub(super) struct Turns(Arc<Room>);

struct Room {
    line: Mutex<Line>,
    most: usize,
}

#[derive(Default)]
struct Line {
    taken: usize,
    users: HashMap<String, User>,
    /// The users who wait, in the order of their turns.
    order: VecDeque<String>,
}

#[derive(Default)]
struct User {
    has: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// A place, for as long as it lives.
pub(super) struct Place {
    room: Option<Arc<Room>>,
    user: String,
}

impl Turns {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Room { line: Mutex::default(), most: most.max(1) }))
    }

    /// A place, as soon as it is this user's turn. Whoever stops waiting leaves the line.
    pub(super) async fn come(&self, user: &str) -> Option<Place> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut line = self.0.line();
            line.forget_those_who_left();
            let theirs = line.users.entry(user.to_owned()).or_default();
            theirs.waiting.push_back(sender);
            if theirs.waiting.len() == 1 {
                line.order.push_back(user.to_owned());
            }
            Room::call_up(&self.0, &mut line);
        }
        receiver.await.ok()
    }
}

impl Room {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_come(&self, line: &Line, user: &str) -> bool {
        let has_none = line.users.get(user).is_none_or(|user| user.has == 0);
        line.taken < if has_none { self.most } else { self.most - 1 }
    }

    /// Gives whatever places there are to those whose turn it is.
    fn call_up(this: &Arc<Self>, line: &mut Line) {
        while let Some(at) = line.order.iter().position(|user| this.may_come(line, user)) {
            let Some(user) = line.order.remove(at) else { return };
            let Some(theirs) = line.users.get_mut(&user) else { continue };
            let Some(next) = theirs.waiting.pop_front() else { continue };
            if !theirs.waiting.is_empty() {
                line.order.push_back(user.clone());
            }
            let place = Place { room: Some(Arc::clone(this)), user: user.clone() };
            match next.send(place) {
                Ok(()) => {
                    theirs.has += 1;
                    line.taken += 1;
                }
                // Whoever waited has left. The place was never theirs.
                Err(mut place) => place.room = None,
            }
            line.forget(&user);
        }
    }
}

impl Line {
    fn forget_those_who_left(&mut self) {
        for user in self.users.values_mut() {
            user.waiting.retain(|waiting| !waiting.is_closed());
        }
        let users = &self.users;
        self.order.retain(|user| users.get(user).is_some_and(|user| !user.waiting.is_empty()));
        self.users.retain(|_, user| user.has > 0 || !user.waiting.is_empty());
    }

    fn forget(&mut self, user: &str) {
        if self.users.get(user).is_some_and(|user| user.has == 0 && user.waiting.is_empty()) {
            self.users.remove(user);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(room) = self.room.take() else { return };
        let mut line = room.line();
        line.taken -= 1;
        if let Some(user) = line.users.get_mut(&self.user) {
            user.has -= 1;
        }
        line.forget(&self.user);
        Room::call_up(&room, &mut line);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;

    type Wait<'a> = Pin<Box<dyn Future<Output = Option<Place>> + Send + 'a>>;

    fn wait<'a>(turns: &'a Turns, user: &'a str) -> Wait<'a> {
        let mut wait: Wait<'a> = Box::pin(turns.come(user));
        // The first look at it puts it into the line.
        match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Box::pin(async move { place }),
            Poll::Pending => wait,
        }
    }

    fn now(wait: &mut Wait<'_>) -> Option<Place> {
        match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => place,
            Poll::Pending => None,
        }
    }

    #[test]
    fn nobody_waits_for_the_long_calls_of_another() {
        let turns = Turns::new(8);
        let mut annas: Vec<Wait<'_>> = (0..34).map(|_| wait(&turns, "anna")).collect();
        let mut has: Vec<Place> = annas.iter_mut().take(7).map(|wait| now(wait).expect("hers")).collect();
        assert!(annas.iter_mut().skip(7).all(|wait| now(wait).is_none()), "the last one is for somebody else");
        let mut ben = wait(&turns, "ben");
        let bens = now(&mut ben).expect("comes at once");
        let (mut second, mut carl) = (wait(&turns, "ben"), wait(&turns, "carl"));
        assert!(now(&mut second).is_none() && now(&mut carl).is_none());
        has.pop();
        let carls = now(&mut carl).expect("who has none comes before those who have some");
        assert!(annas.iter_mut().skip(7).all(|wait| now(wait).is_none()) && now(&mut second).is_none());
        drop(bens);
        assert!(now(&mut second).is_some(), "it is his turn before hers");
        drop(carls);
        assert!(now(&mut annas[7]).is_some());
    }

    #[test]
    fn one_connection_goes_round() {
        let turns = Turns::new(1);
        let place = now(&mut wait(&turns, "anna"));
        let (mut more, mut ben) = (wait(&turns, "anna"), wait(&turns, "ben"));
        drop(place);
        let hers = now(&mut more).expect("she came first");
        drop(hers);
        assert!(now(&mut ben).is_some());
    }

    #[test]
    fn who_stops_waiting_holds_nobody_up() {
        let turns = Turns::new(2);
        let place = now(&mut wait(&turns, "anna"));
        let left = wait(&turns, "anna");
        let mut stays = wait(&turns, "anna");
        drop(left);
        drop(place);
        assert!(now(&mut stays).is_some());
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_the_places_add_up(acts in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 0..200)) {
            const USERS: [&str; 4] = ["a", "b", "c", "d"];
            let turns = Turns::new(3);
            let mut waiting: Vec<(&str, Wait<'_>)> = Vec::new();
            let mut has: Vec<(&str, Place)> = Vec::new();
            for (act, which) in acts {
                match act {
                    0 | 1 => waiting.push((USERS[which.index(4)], wait(&turns, USERS[which.index(4)]))),
                    2 if !has.is_empty() => drop(has.swap_remove(which.index(has.len()))),
                    3 if !waiting.is_empty() => drop(waiting.remove(which.index(waiting.len()))),
                    _ => {}
                }
                waiting.retain_mut(|(user, wait)| match now(wait) {
                    Some(place) => {
                        has.push((user, place));
                        false
                    }
                    None => true,
                });
                prop_assert!(has.len() <= 3);
                prop_assert_eq!(turns.0.line().taken, has.len());
                for (user, _) in &waiting {
                    let has_none = has.iter().all(|(other, _)| other != user);
                    prop_assert!(has.len() >= 2, "two are free and {} waits", user);
                    prop_assert!(!has_none || has.len() == 3, "{} has none and waits for no reason", user);
                }
            }
            drop((waiting, has));
            let mut line = turns.0.line();
            line.forget_those_who_left();
            prop_assert!(line.users.is_empty() && line.order.is_empty());
            prop_assert_eq!(line.taken, 0);
        }
    }
}
