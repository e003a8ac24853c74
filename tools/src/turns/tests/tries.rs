//! Turns of looks that try changes out, on a clock of their own.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

const STEP: Duration = Duration::from_millis(1);

const fn terms(ahead: Duration) -> Terms {
    Terms {
        ahead,
        own_ahead: Duration::from_secs(2),
        moment: Duration::ZERO,
        times: REST,
        longest: Duration::from_secs(5),
    }
}

fn check<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(strategy, test).unwrap_or_else(|error| panic!("{error}"));
}

/// Looks that all want the locks of one target all the time; returns how long they were held, and how long that took.
fn looks(ahead: Duration, each: &[u64]) -> (Duration, Duration) {
    let begun = Instant::now();
    let (mut turns, mut now, mut held) = (Tries::new(terms(ahead)), begun, Duration::ZERO);
    let mut waiting: VecDeque<(u64, u64)> = each.iter().map(|long| (turns.line_up("a", "anna", now), *long)).collect();
    let mut served = Vec::new();
    while let Some((ticket, long)) = waiting.pop_front() {
        // Whoever is behind may ask as often as they like.
        if let Some((behind, _)) = waiting.back() {
            assert!(turns.begin("a", "anna", *behind, now).is_err());
        }
        while let Err(wait) = turns.begin("a", "anna", ticket, now) {
            assert!(wait <= Duration::from_secs(5));
            now += wait.max(STEP);
        }
        for (other, _) in &waiting {
            assert!(turns.begin("a", "anna", *other, now).is_err(), "two at a time");
        }
        let long = Duration::from_millis(long);
        now += long;
        held += long;
        turns.end("a", "anna", long, Duration::ZERO, now);
        served.push(ticket);
    }
    assert!(served.is_sorted(), "first come, first served");
    // The rest of the last is over too, but for what may be put off.
    let last = turns.line_up("a", "anna", now);
    while let Err(wait) = turns.begin("a", "anna", last, now) {
        now += wait;
    }
    (held, now - begun)
}

#[test]
fn together_they_hold_locks_a_fifth_of_the_time_in_their_order() {
    check(&(proptest::collection::vec(1_u64..1_200, 1..40), 0_u64..4_000), |(each, ahead)| {
        let ahead = Duration::from_millis(ahead);
        let (held, took) = looks(ahead, &each);
        prop_assert!(held * 5 <= took + ahead + STEP, "{:?} of {:?}", held, took);
        // A short look makes nobody wait long.
        prop_assert!(took <= held * 5 + STEP * 2 * u32::try_from(each.len()).unwrap_or_default());
        Ok(())
    });
}

#[test]
fn short_tries_wait_for_nothing_while_something_is_left_in_advance() {
    let (mut turns, mut now) = (Tries::new(terms(Duration::from_secs(4))), Instant::now());
    for _ in 0..100 {
        let ticket = turns.line_up("a", "anna", now);
        turns.begin("a", "anna", ticket, now).unwrap();
        now += Duration::from_millis(10);
        turns.end("a", "anna", Duration::from_millis(10), Duration::ZERO, now);
    }
    let ticket = turns.line_up("a", "anna", now);
    turns.begin("a", "anna", ticket, now).unwrap();
}

#[test]
fn tries_of_a_moment_rest_as_long_as_they_held_locks() {
    let moment = Duration::from_millis(25);
    let (mut turns, mut now) = (Tries::new(Terms { moment, ..terms(Duration::ZERO) }), Instant::now());
    for (held, rest) in [(1, 1), (25, 25), (26, 104)] {
        let ticket = turns.line_up("a", "anna", now);
        turns.begin("a", "anna", ticket, now).unwrap();
        now += Duration::from_millis(held);
        turns.end("a", "anna", Duration::from_millis(held), Duration::ZERO, now);
        let ticket = turns.line_up("a", "anna", now);
        assert_eq!(turns.begin("a", "anna", ticket, now), Err(Duration::from_millis(rest)));
        turns.give_up("a", "anna", ticket);
        now += Duration::from_millis(rest);
    }
}

#[test]
fn users_take_turns_and_who_wrote_much_rests_alone() {
    let (mut turns, mut now) = (Tries::new(terms(Duration::ZERO)), Instant::now());
    let hers: Vec<u64> = (0..3).map(|_| turns.line_up("a", "anna", now)).collect();
    let his = turns.line_up("a", "ben", now);
    turns.begin("a", "anna", hers[0], now).unwrap();
    turns.end("a", "anna", Duration::ZERO, Duration::from_secs(10), now);
    assert_eq!(turns.begin("a", "anna", hers[1], now), Err(GLANCE));
    turns.begin("a", "ben", his, now).unwrap();
    turns.end("a", "ben", Duration::ZERO, Duration::ZERO, now);
    assert!(turns.begin("a", "anna", hers[1], now).is_err(), "with nobody else there, too");
    now += Duration::from_secs(8);
    turns.begin("a", "anna", hers[1], now).unwrap();
    turns.end("a", "anna", Duration::ZERO, Duration::ZERO, now);
    let his = turns.line_up("a", "ben", now);
    turns.begin("a", "anna", hers[2], now).unwrap_or_else(|_| turns.give_up("a", "anna", hers[2]));
    turns.end("a", "anna", Duration::ZERO, Duration::ZERO, now);
    turns.begin("a", "ben", his, now).unwrap();
}

/// Users who hold locks as long as they may, whenever they may, and one who does so for a moment now and then.
#[test]
fn who_needs_a_moment_waits_for_one_try_and_not_for_everybody_else() {
    check(&(1_usize..12, 100_u64..1_000, 1_u64..25), |(others, long, short)| {
        let (long, short) = (Duration::from_millis(long), Duration::from_millis(short));
        let own_ahead = long * REST;
        let terms = Terms { own_ahead, moment: Duration::from_millis(25), times: 1, ..terms(Duration::ZERO) };
        let (mut turns, mut now, begun) = (Tries::new(terms), Instant::now(), Instant::now());
        let names: Vec<String> = (0..others).map(|n| format!("other{n}")).collect();
        let mut tickets: Vec<u64> = names.iter().map(|name| turns.line_up("a", name, now)).collect();
        let mut ben = turns.line_up("a", "ben", now);
        let (mut since, mut held, mut rounds) = (now, Duration::ZERO, 0);
        while rounds < 20 {
            let mut went = false;
            if turns.begin("a", "ben", ben, now).is_ok() {
                let waited = now - since;
                // At first nobody knows whose tries are long.
                let is_bound = rounds == 0 || waited <= long * 2 + short + STEP * 4;
                prop_assert!(is_bound, "waited {waited:?} where others hold {long:?}");
                now += short;
                turns.end("a", "ben", short, Duration::ZERO, now);
                (ben, since, went) = (turns.line_up("a", "ben", now), now, true);
                rounds += 1;
            }
            for (name, ticket) in names.iter().zip(&mut tickets) {
                if turns.begin("a", name, *ticket, now).is_ok() {
                    now += long;
                    held += long;
                    turns.end("a", name, long, long * REST, now);
                    (*ticket, went) = (turns.line_up("a", name, now), true);
                }
            }
            if !went {
                now += STEP;
            }
        }
        let took = now - begun;
        let each = u32::try_from(others).unwrap_or(u32::MAX);
        prop_assert!(held <= (took + long) / 2 + long, "the others held locks {held:?} of {took:?}");
        prop_assert!(held <= (took / 5 + long * 4) * each, "each of them {held:?} of {took:?}");
        Ok(())
    });
}

#[test]
fn targets_do_not_wait_for_each_other_and_nothing_is_kept_of_those_that_rested() {
    let (mut turns, now) = (Tries::new(terms(Duration::ZERO)), Instant::now());
    for target in ["a", "b"] {
        let ticket = turns.line_up(target, "anna", now);
        turns.begin(target, "anna", ticket, now).unwrap();
    }
    let (first, second) = (turns.line_up("a", "anna", now), turns.line_up("a", "anna", now));
    turns.end("a", "anna", Duration::from_millis(10), Duration::ZERO, now);
    assert_eq!(turns.begin("a", "anna", first, now), Err(Duration::from_millis(40)));
    turns.give_up("a", "anna", first);
    let later = now + Duration::from_millis(40);
    turns.begin("a", "anna", second, later).unwrap();
    let later = later + Duration::from_secs(3_600);
    turns.end("a", "anna", Duration::from_secs(3_600), Duration::ZERO, later);
    turns.end("b", "anna", Duration::ZERO, Duration::from_secs(1), later);
    let much_later = later + Duration::from_secs(5);
    let ticket = turns.line_up("c", "anna", much_later);
    assert_eq!(turns.lines.keys().collect::<Vec<_>>(), ["c"]);
    turns.begin("c", "anna", ticket, much_later).unwrap();
}
