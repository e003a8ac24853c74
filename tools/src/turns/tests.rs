//! Turns at the gateway's places to run.

mod pool;

use proptest::prelude::*;

use super::*;

/// The place, if it is there already.
fn now(turn: &mut Turn) -> Option<Place> {
    turn.0.try_recv().ok()
}

/// As the gateway's calls have them.
fn slots(calls: usize, most_waiting: usize) -> Turns {
    Turns::new(calls, (calls / 4).max(1), most_waiting)
}

fn line_up(slots: &Turns, user: &str) -> Turn {
    slots.line_up(user).expect("there is room in the line")
}

#[test]
fn nobody_waits_for_the_long_calls_of_another() {
    let slots = slots(32, 256);
    let mut anna: Vec<Turn> = (0..34).map(|_| line_up(&slots, "anna")).collect();
    let running: Vec<Place> = anna.iter_mut().filter_map(now).collect();
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
    let slots = slots(4, 64);
    let mut running: Vec<Place> = (0..4).filter_map(|_| now(&mut line_up(&slots, "anna"))).collect();
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
    let slots = slots(1, 8);
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
        let slots = slots(4, 12);
        let mut waiting: Vec<(usize, Turn)> = Vec::new();
        let mut running: Vec<(usize, Place)> = Vec::new();
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
            let line = slots.0.line();
            prop_assert_eq!(line.taken, running.len());
            for (user, _) in &waiting {
                let has_none = running.iter().all(|(other, _)| other != user);
                prop_assert!(running.len() >= 4, "a place is free and {} waits", user);
                prop_assert!(!has_none || running.len() == 5, "{} has none running and waits for no reason", user);
            }
        }
        drop((waiting, running));
        let mut line = slots.0.line();
        line.forget_those_who_left();
        prop_assert!(line.users.is_empty() && line.order.is_empty());
        prop_assert_eq!((line.taken, line.waiting), (0, 0));
    }
}
