//! Turns at a target's connections, of which one user never has the last.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use crate::turns::{Place, Turns};

type Wait<'a> = Pin<Box<dyn Future<Output = Option<Place>> + Send + 'a>>;

/// As a PostgreSQL target's connections are had.
fn pool(connections: usize) -> Turns {
    Turns::new(connections - 1, 1, usize::MAX)
}

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
    let turns = pool(8);
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
    let turns = pool(1);
    let place = now(&mut wait(&turns, "anna"));
    let (mut more, mut ben) = (wait(&turns, "anna"), wait(&turns, "ben"));
    drop(place);
    let hers = now(&mut more).expect("she came first");
    drop(hers);
    assert!(now(&mut ben).is_some());
}

#[test]
fn who_stops_waiting_holds_nobody_up() {
    let turns = pool(2);
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
        let turns = pool(3);
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
