use mollyguard_tools::contract::{Environment, Target, TargetPath, Tier, now};
use serde_json::json;

use super::*;
use crate::model::{Assurance, CallFacts, SinceBoot};

fn person(user: &str) -> Principal {
    Principal { user: user.to_owned(), client: None, roles: vec!["developer".to_owned()] }
}

fn target(path: &str) -> Target {
    let environment = Environment { name: "production".to_owned(), tier: Tier::Production };
    Target { kind: "sqlite_table".to_owned(), path: TargetPath::as_shown(path), uid: Some("7".to_owned()), environment }
}

fn facts<'a>(targets: &'a [Target], principal: &'a Principal, args: &'a serde_json::Value) -> CallFacts<'a> {
    CallFacts {
        tool: "sqlite_write",
        declaration: Digest::of_bytes(b"declaration"),
        args,
        principal,
        targets,
        fingerprint: Digest::of_bytes(b"state"),
        effect: Digest::of_bytes(b"effect"),
        undoes: None,
        policies: Digest::of_bytes(b"policies"),
    }
}

fn about(facts: &CallFacts<'_>) -> Digest {
    Coverage::of(facts, facts.targets.to_vec()).about(facts.tool, facts.principal)
}

const HOUR: Duration = LONGEST;

fn up(boot: Uuid, seconds: u64) -> Option<SinceBoot> {
    Some(SinceBoot::new(boot, Duration::from_secs(seconds)))
}

fn given_at(given: Moment) -> Grant {
    let (principal, args, targets) = (person("ada"), json!({}), [target("fleet/bookings")]);
    Grant {
        id: Uuid::now_v7(),
        covers: Coverage::of(&facts(&targets, &principal, &args), targets.to_vec()),
        principal,
        tool: "sqlite_write".to_owned(),
        strength: Need::of(Assurance::OutOfBand, 1),
        operator: Uuid::now_v7(),
        by: "olga".to_owned(),
        passkey: None,
        confirmation: Uuid::now_v7(),
        expires_at: given.at + HOUR,
        given,
    }
}

#[test]
fn it_is_about_one_tool_one_person_and_exactly_those_targets() {
    let (ada, eve) = (person("ada"), person("eve"));
    let (args, others) = (json!({"sql": "DELETE"}), json!({"sql": "UPDATE"}));
    let [bookings, cars] = [target("fleet/bookings"), target("fleet/cars")];
    let both = [bookings.clone(), cars.clone()];
    let reversed = [cars.clone(), bookings.clone()];
    let first = facts(&both, &ada, &args);
    for same in [
        facts(&reversed, &ada, &args),
        facts(&both, &ada, &others),
        CallFacts { fingerprint: Digest::of_bytes(b"another state"), ..first },
    ] {
        assert_eq!(about(&same), about(&first));
    }
    let client = Principal { client: Some("another".to_owned()), ..ada.clone() };
    assert_eq!(about(&facts(&both, &client, &args)), about(&first), "what the client calls itself says nothing");
    let promoted = Principal { roles: Vec::new(), ..ada.clone() };
    let staging = Environment { name: "staging".to_owned(), tier: Tier::Staging };
    let moved = [bookings.clone(), Target { environment: staging, ..cars.clone() }];
    let another = [bookings.clone(), Target { uid: Some("8".to_owned()), ..cars.clone() }];
    let third = [bookings.clone(), cars.clone(), target("fleet/people")];
    for other in [
        facts(&both, &eve, &args),
        facts(&both, &promoted, &args),
        facts(&both[..1], &ada, &args),
        facts(&third, &ada, &args),
        facts(&moved, &ada, &args),
        facts(&another, &ada, &args),
        CallFacts { tool: "sqlite_drop_table", ..first },
        CallFacts { declaration: Digest::of_bytes(b"another"), ..first },
        CallFacts { policies: Digest::of_bytes(b"another"), ..first },
    ] {
        assert_ne!(about(&other), about(&first), "{other:?}");
    }
}

#[test]
fn its_time_is_over_by_either_clock() {
    let (boot, at) = (Uuid::now_v7(), now());
    let grant = given_at(Moment { at, since_boot: up(boot, 100) });
    let is_good =
        |wall: i64, since_boot| grant.is_in_time(&Moment { at: at + SignedDuration::from_secs(wall), since_boot });
    assert!(is_good(0, up(boot, 100)) && is_good(3_599, up(boot, 3_699)));
    assert!(!is_good(3_600, up(boot, 3_699)), "by the wall's clock");
    // The clock was corrected by a little, or set back: by the other one, time went on.
    assert!(is_good(-4, up(boot, 101)) && !is_good(-6, up(boot, 101)), "before it was given");
    assert!(is_good(10, up(boot, 3_699)) && !is_good(10, up(boot, 3_700)), "set back, it lasts no longer");
    assert!(!is_good(10, up(boot, 99)), "the other clock does not go back");
    assert!(!is_good(10, up(Uuid::now_v7(), 110)), "another start of the system");
    assert!(!is_good(10, None), "nobody can tell");
    let alone = given_at(Moment { at, since_boot: None });
    let then = |wall: i64| Moment { at: at + SignedDuration::from_secs(wall), since_boot: up(boot, 1) };
    assert!(alone.is_in_time(&then(3_599)) && !alone.is_in_time(&then(3_600)) && !alone.is_in_time(&then(-6)));
}

#[test]
fn this_systems_clock_only_goes_on() {
    let (first, second) = (Moment::now(), Moment::now());
    if cfg!(target_os = "linux") {
        let (first, second) = (first.since_boot.unwrap(), second.since_boot.unwrap());
        assert!(second.passed_since(&first).is_some_and(|passed| passed < HOUR));
    }
}
