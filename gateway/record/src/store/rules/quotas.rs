//! How much of the disk calls may take that nobody was asked about: small statements can touch large rows, and what those were
//! is kept for taking them back.

use crate::store::{NoRoom, Room, StoreError};

/// What a call may take that is not added up: no more than its records do.
pub(crate) const SMALL: u64 = 4 << 10;

/// A call that is about to start, by what is kept of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes<'a> {
    /// The configured target's name.
    pub(crate) target: &'a str,
    /// How many bytes are kept of it.
    pub(crate) bytes: u64,
    /// Whether a person has approved it by itself.
    pub(crate) is_confirmed: bool,
    /// Whether it takes another one back.
    pub(crate) is_undo: bool,
}

impl Takes<'_> {
    /// What stays free on the disk whatever begins, since what runs must be written down to its end; undos may use half of
    /// that, so that there is a way back.
    const fn floor(&self, room: Room) -> u64 {
        if self.is_undo { room.free / 2 } else { room.free }
    }

    /// Whether how much is free on the disk matters.
    pub(crate) const fn asks_for_disk(&self, room: Room) -> bool {
        self.floor(room) > 0
    }

    /// Whether how much is kept already matters.
    pub(crate) const fn asks_for_kept(&self) -> bool {
        self.bytes > SMALL && !self.is_confirmed
    }
}

/// Lets a call begin only where there is room for what is kept of it. What a person has approved by itself takes whatever
/// room the disk has; an undo may take as much again as all that can be taken back, so that it always can.
///
/// `free` and `kept` are what is free on the disk and kept of the user's calls on the target, where that matters.
pub(crate) fn fits(takes: Takes<'_>, room: Room, free: Option<u64>, kept: Option<u64>) -> Result<(), StoreError> {
    let no = |why| Err(StoreError::NoRoom { target: takes.target.to_owned(), takes: takes.bytes, why });
    if takes.asks_for_disk(room) {
        let (free, floor) = (free.unwrap_or(0), takes.floor(room));
        if free < floor.saturating_add(takes.bytes) {
            return no(NoRoom::Disk { free, floor });
        }
    }
    if takes.asks_for_kept() {
        let kept = kept.unwrap_or(u64::MAX);
        let bound = if takes.is_undo { room.kept.saturating_mul(2) } else { room.kept };
        if kept.saturating_add(takes.bytes) > bound {
            return no(NoRoom::Kept { kept, bound });
        }
    }
    Ok(())
}
