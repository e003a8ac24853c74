//! Room for open calls: so many in all and so much memory for what they hold, and a part of it for one user, so that one who
//! leaves questions unanswered does not shut out the others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many calls one process has open at a time. The gateway has fewer slots; this bounds what waits for them.
pub(super) const OPEN_CALLS: usize = 1024;

/// How many of them one user may have.
pub(super) const OPEN_CALLS_EACH: usize = 256;

/// How many bytes open calls take in memory together, and those of one user. The largest message fits
/// into either.
const OPEN_BYTES: usize = 64 << 20;
const OPEN_BYTES_EACH: usize = 32 << 20;

/// The calls open now.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    all: Taken,
    by_user: HashMap<String, Taken>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    calls: usize,
    bytes: usize,
}

impl Taken {
    const fn fits(self, calls: usize, bytes: usize) -> bool {
        self.calls <= calls && self.bytes <= bytes
    }

    const fn and(self, bytes: usize) -> Self {
        Self { calls: self.calls + 1, bytes: self.bytes.saturating_add(bytes) }
    }

    const fn without(self, bytes: usize) -> Self {
        Self { calls: self.calls - 1, bytes: self.bytes - bytes }
    }
}

/// One open call, counted for as long as it lives.
#[derive(Debug)]
pub(super) struct Place<'a> {
    room: &'a Room,
    user: String,
    bytes: usize,
}

impl Room {
    /// A place for one more call of this user that takes so many bytes, if there is one.
    pub(super) fn take(&self, user: &str, bytes: usize) -> Option<Place<'_>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = open.all.and(bytes);
        let of_user = open.by_user.get(user).copied().unwrap_or_default().and(bytes);
        if !all.fits(OPEN_CALLS, OPEN_BYTES) || !of_user.fits(OPEN_CALLS_EACH, OPEN_BYTES_EACH) {
            return None;
        }
        open.all = all;
        open.by_user.insert(user.to_owned(), of_user);
        Some(Place { room: self, user: user.to_owned(), bytes })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut open = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.without(self.bytes);
        if let Some(of_user) = open.by_user.get_mut(&self.user) {
            *of_user = of_user.without(self.bytes);
            if of_user.calls == 0 {
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
        let mut places: Vec<_> = (0..OPEN_CALLS_EACH).filter_map(|_| room.take("anna", 1)).collect();
        assert_eq!(places.len(), OPEN_CALLS_EACH);
        assert!(room.take("anna", 1).is_none());
        assert!(room.take("ben", 1).is_some());
        places.pop();
        assert!(room.take("anna", 1).is_some());
        places.clear();
        assert!(room.0.lock().unwrap().by_user.is_empty());
    }

    #[test]
    fn nor_with_few_large_calls() {
        let room = Room::default();
        let mut places: Vec<_> = (0..8).filter_map(|_| room.take("anna", OPEN_BYTES_EACH / 4)).collect();
        assert_eq!(places.len(), 4);
        assert!(room.take("anna", 1).is_none());
        let others = room.take("ben", OPEN_BYTES_EACH);
        assert!(others.is_some() && room.take("cleo", 1).is_none());
        places.pop();
        assert!(room.take("cleo", OPEN_BYTES_EACH / 4).is_some());
        drop((places, others));
        assert!(room.take("anna", usize::MAX).is_none());
        let open = room.0.lock().unwrap();
        assert_eq!((open.all.calls, open.all.bytes, open.by_user.len()), (0, 0, 0));
    }
}
