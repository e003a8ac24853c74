//! Room for open calls: so many in all, and so many of them for one user, so that one who leaves questions unanswered does
//! not shut out the others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many calls one process has open at a time. The gateway has fewer slots; this bounds what waits for them.
pub(super) const OPEN_CALLS: usize = 1024;

/// How many of them one user may have.
pub(super) const OPEN_CALLS_EACH: usize = 256;

/// The calls open now.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_user: HashMap<String, usize>,
}

/// One open call, counted for as long as it lives.
#[derive(Debug)]
pub(super) struct Place<'a> {
    room: &'a Room,
    user: String,
}

impl Room {
    /// A place for one more call of this user, if there is one.
    pub(super) fn take(&self, user: &str) -> Option<Place<'_>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = open.by_user.get(user).copied().unwrap_or_default();
        if open.all >= OPEN_CALLS || of_user >= OPEN_CALLS_EACH {
            return None;
        }
        open.all += 1;
        open.by_user.insert(user.to_owned(), of_user + 1);
        Some(Place { room: self, user: user.to_owned() })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut open = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(of_user) = open.by_user.get_mut(&self.user) {
            *of_user -= 1;
            if *of_user == 0 {
                open.by_user.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_does_not_shut_out_the_others() {
        let room = Room::default();
        let mut places: Vec<_> = (0..OPEN_CALLS_EACH).filter_map(|_| room.take("anna")).collect();
        assert_eq!(places.len(), OPEN_CALLS_EACH);
        assert!(room.take("anna").is_none());
        assert!(room.take("ben").is_some());
        places.pop();
        assert!(room.take("anna").is_some());
        places.clear();
        assert!(room.0.lock().unwrap().by_user.is_empty());
    }
}
