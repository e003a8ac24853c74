//! What is due, whatever lies in a quarantine.

use std::time::Duration;

use mollyguard_tools::contract::{Kept, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::kept::due;
use crate::config::Quarantine;

const DAY: u64 = 86_400;

fn days(n: u64) -> Duration {
    Duration::from_secs(n * DAY)
}

/// Things kept for so many hours and taking up so much, the oldest first.
fn kept(now: Timestamp, mut all: Vec<(u64, Option<u64>)>) -> Vec<Kept> {
    all.sort_by_key(|(hours, _)| std::cmp::Reverse(*hours));
    let one = |(at, (hours, bytes)): (usize, (u64, Option<u64>))| Kept {
        tool: "purge",
        args: json!({ "n": at }),
        since: now - Duration::from_secs(hours * 3_600),
        bytes,
        what: format!("thing {at}"),
    };
    all.into_iter().enumerate().map(one).collect()
}

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

#[test]
fn what_is_old_enough_goes_and_of_too_much_the_oldest() {
    let all =
        kept(now(), vec![(40 * 24, Some(5)), (30 * 24, None), (20 * 24, Some(50)), (10 * 24, Some(9)), (24, Some(90))]);
    let names = |quarantine: Quarantine| -> Vec<(String, u32, bool, bool)> {
        let due = due(&all, quarantine, now());
        due.iter().map(|(kept, why)| (kept.what.clone(), why.age_days, why.over_age, why.over_size)).collect()
    };
    let said = |of: &[(&str, u32, bool, bool)]| -> Vec<(String, u32, bool, bool)> {
        of.iter().map(|(what, days, age, size)| ((*what).to_owned(), *days, *age, *size)).collect()
    };
    assert_eq!(names(Quarantine::default()), [], "nothing unless configured");
    let aged = Quarantine { age: Some(days(30)), bytes: None };
    assert_eq!(names(aged), said(&[("thing 0", 40, true, false), ("thing 1", 30, true, false)]));
    // Of those that have been there for a week, 64 are kept.
    let large = |bytes| Quarantine { age: None, bytes: Some(bytes) };
    assert_eq!(names(large(64)), []);
    assert_eq!(names(large(59)), said(&[("thing 0", 40, false, true)]));
    assert_eq!(names(large(9)), said(&[("thing 0", 40, false, true), ("thing 2", 20, false, true)]));
    let three = [("thing 0", 40, false, true), ("thing 2", 20, false, true), ("thing 3", 10, false, true)];
    assert_eq!(names(large(0)), said(&three), "of a day or of no known size, nothing goes for it");
    // What goes for its age makes room.
    let both = Quarantine { age: Some(days(20)), bytes: Some(58) };
    let both_said = [("thing 0", 40, true, true), ("thing 1", 30, true, false), ("thing 2", 20, true, true)];
    assert_eq!(names(both), said(&both_said));
}

proptest! {
    #[test]
    fn no_more_goes_than_the_configuration_says_and_no_less(
        all in prop::collection::vec((0..60 * 24_u64, prop::option::of(0..100_u64)), 0..30),
        age in prop::option::of(7..60_u64),
        bytes in prop::option::of(0..2_000_u64),
    ) {
        let (now, quarantine) = (now(), Quarantine { age: age.map(days), bytes });
        let all = kept(now, all);
        let due = due(&all, quarantine, now);
        let goes = |kept: &Kept| due.iter().any(|(one, _)| one.what == kept.what);
        let older = |kept: &Kept, than: u64| now.duration_since(kept.since).as_secs() >= (than * DAY) as i64;
        for (kept, why) in &due {
            prop_assert!(why.over_age || why.over_size);
            prop_assert_eq!(why.over_age, age.is_some_and(|age| older(kept, age)));
            prop_assert!(older(kept, 7), "nothing younger than a week goes");
            prop_assert!(!why.over_size || (bytes.is_some() && kept.bytes.is_some_and(|bytes| bytes > 0)));
        }
        let size = |kept: &&Kept| kept.bytes.unwrap_or(0);
        let left: u64 = all.iter().filter(|kept| !goes(kept) && older(kept, 7)).map(|kept| size(&kept)).sum();
        for kept in all.iter().filter(|kept| !goes(kept)) {
            prop_assert!(age.is_none_or(|age| !older(kept, age)), "what is old enough goes");
            // What stays is not too much, or nothing that stays may go for that.
            let may_go = kept.bytes.is_some_and(|bytes| bytes > 0) && older(kept, 7);
            prop_assert!(bytes.is_none_or(|most| left <= most) || !may_go);
        }
        // Nothing went for its size that was not in the way, and the oldest went first.
        if let (Some(most), Some((last, _))) = (bytes, due.iter().rev().find(|(_, why)| why.over_size && !why.over_age)) {
            let after: u64 = all.iter().filter(|kept| !goes(kept) && older(kept, 7)).map(|kept| size(&kept)).sum();
            prop_assert!(after + size(last) > most);
        }
    }
}
