//! Calls that begin and end, and the room they take.

use mollyguard_tools::contract::{Probe, Reversibility};

use super::*;
use crate::audit::End;
use crate::store::laws::start;
use crate::store::rules::calls::{Kept, is_settled, kept, may_take_back};
use crate::store::rules::quotas::{SMALL, Takes, fits};
use crate::store::{Ending, NoEnd, NoRoom, Room, Start, StoreError};

#[test]
fn only_a_change_waits_for_what_is_not_settled() {
    for reversibility in
        [Reversibility::ReadOnly, Reversibility::Reversible, Reversibility::Compensable, Reversibility::Irreversible]
    {
        let start = Start { reversibility, ..start() };
        is_settled(&start, None).unwrap();
        for why in [NoEnd::Unwritten, NoEnd::CutOff] {
            let found = is_settled(&start, Some((Uuid::from_u128(1), why)));
            assert_eq!(found.is_ok(), reversibility == Reversibility::ReadOnly, "{reversibility:?} {why:?}");
        }
    }
}

#[test]
fn a_call_is_taken_back_by_one() {
    let (call, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    may_take_back(call, true, None).unwrap();
    assert!(matches!(may_take_back(call, true, Some(other)), Err(StoreError::AlreadyUndone(..))));
    assert!(matches!(may_take_back(call, false, None), Err(StoreError::NotFound(..))));
    assert!(matches!(may_take_back(call, false, Some(other)), Err(StoreError::NotFound(..))));
}

#[test]
fn an_end_keeps_what_is_listed() {
    let keeps = |pre_image, claim, undone| Kept { pre_image, claim, undone };
    for (end, probe, expected) in [
        (End::Succeeded, None, keeps(false, true, true)),
        (End::Succeeded, Some(Probe::Unchanged), keeps(false, true, true)),
        (End::Succeeded, Some(Probe::Unknown), keeps(false, true, true)),
        (End::Untouched, None, keeps(false, false, false)),
        (End::Untouched, Some(Probe::Unchanged), keeps(false, false, false)),
        (End::Untouched, Some(Probe::Unknown), keeps(false, false, false)),
        (End::Uncertain, None, keeps(true, true, false)),
        (End::Uncertain, Some(Probe::Unchanged), keeps(true, false, false)),
        (End::Uncertain, Some(Probe::Unknown), keeps(true, true, false)),
    ] {
        assert_eq!(kept(&Ending { end, undo: None, note: None, probe }), expected, "{end:?} {probe:?}");
    }
}

#[test]
fn a_call_needs_room_on_the_disk_and_one_that_counts_in_what_is_kept_too() {
    let room = Room { kept: 1_000_000, free: 500_000 };
    for bytes in [0, SMALL, SMALL + 1, 1_000_000, 1_000_001, 2_000_000, 2_000_001, u64::MAX / 2] {
        for (is_confirmed, is_undo) in [(false, false), (false, true), (true, false), (true, true)] {
            for (free, kept) in [
                (0, 0),
                (250_000 + SMALL, 0),
                (500_000 + SMALL, 0),
                (u64::MAX, 0),
                (u64::MAX, 900_000),
                (u64::MAX, u64::MAX),
            ] {
                let takes = Takes { target: "fleet", bytes, is_confirmed, is_undo };
                let case = format!("{takes:?} with {free} free and {kept} kept");
                let found = fits(takes, room, Some(free), Some(kept));
                let bound = if is_undo { 2_000_000 } else { 1_000_000 };
                let floor = if is_undo { 250_000 } else { 500_000 };
                let is_on_disk = u128::from(free) >= floor + u128::from(bytes);
                let is_within = is_confirmed || bytes <= SMALL || u128::from(kept) + u128::from(bytes) <= bound;
                if is_on_disk && is_within {
                    found.expect(&case);
                    continue;
                }
                let Err(StoreError::NoRoom { why, .. }) = found else { panic!("{case}") };
                assert_eq!(matches!(why, NoRoom::Disk { .. }), !is_on_disk, "{case}: {why:?}");
            }
        }
    }
    let takes = Takes { target: "fleet", bytes: SMALL + 1, is_confirmed: false, is_undo: false };
    assert!(fits(takes, room, None, Some(0)).is_err(), "what cannot be told is no room");
    assert!(fits(takes, room, Some(u64::MAX), None).is_err());
}
