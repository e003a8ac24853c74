//! Whose turn it is to have one of a bounded number of places: each user's calls in their order of arrival, and the users in
//! turn. A few places are kept for those who have none, so that nobody waits for another's long calls to end.

pub(crate) mod tries;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// What is left of the line when one user is alone in it: all but one part in so many.
const LEFT: usize = 4;

/// Places, and a line of those who wait for one.
#[derive(Clone)]
pub struct Turns(Arc<Room>);

struct Room {
    line: Mutex<Line>,
    places: usize,
    kept: usize,
    most_waiting: usize,
}

#[derive(Default)]
struct Line {
    taken: usize,
    waiting: usize,
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
pub struct Place {
    room: Option<Arc<Room>>,
    user: String,
}

/// Too many wait already.
#[derive(Debug)]
pub struct Full;

/// A wait for a place. Dropped, it leaves its turn to the next.
pub struct Turn(oneshot::Receiver<Place>);

impl Turns {
    /// So many places for everybody, `kept` beside them for users who have none, and a line of at most so many.
    #[must_use]
    pub fn new(places: usize, kept: usize, most_waiting: usize) -> Self {
        Self(Arc::new(Room { line: Mutex::default(), places, kept, most_waiting }))
    }

    /// A turn in the line. One user never fills all of it.
    ///
    /// # Errors
    /// The line is full.
    pub fn line_up(&self, user: &str) -> Result<Turn, Full> {
        let (sender, receiver) = oneshot::channel();
        let mut line = self.0.line();
        line.forget_those_who_left();
        let theirs = line.users.get(user).map_or(0, |user| user.waiting.len());
        let most = if theirs == 0 { self.0.most_waiting } else { self.0.most_waiting - self.0.most_waiting / LEFT };
        let runs_now = self.0.may_come(&line, user) && theirs == 0;
        if !runs_now && (line.waiting >= self.0.most_waiting || theirs >= most) {
            return Err(Full);
        }
        line.waiting += 1;
        if theirs == 0 {
            line.order.push_back(user.to_owned());
        }
        line.users.entry(user.to_owned()).or_default().waiting.push_back(sender);
        Room::call_up(&self.0, &mut line);
        Ok(Turn(receiver))
    }
}

impl Turns {
    /// A place, as soon as it is this user's turn. Whoever stops waiting leaves the line.
    pub async fn come(&self, user: &str) -> Option<Place> {
        self.line_up(user).ok()?.come().await
    }
}

impl Turn {
    /// The place, once it is there.
    pub async fn come(self) -> Option<Place> {
        self.0.await.ok()
    }
}

impl Room {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_come(&self, line: &Line, user: &str) -> bool {
        let has_none = line.users.get(user).is_none_or(|user| user.has == 0);
        line.taken < self.places || (has_none && line.taken < self.places + self.kept)
    }

    /// Gives whatever places there are to those whose turn it is.
    fn call_up(this: &Arc<Self>, line: &mut Line) {
        while let Some(at) = line.order.iter().position(|user| this.may_come(line, user)) {
            let Some(user) = line.order.remove(at) else { return };
            let Some(theirs) = line.users.get_mut(&user) else { continue };
            let Some(next) = theirs.waiting.pop_front() else { continue };
            line.waiting -= 1;
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
            let before = user.waiting.len();
            user.waiting.retain(|waiting| !waiting.is_closed());
            self.waiting -= before - user.waiting.len();
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
mod tests;
