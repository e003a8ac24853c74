//! Questions that are to be put or shown.

use super::*;
use crate::audit::Subject;
use crate::model::{Coverage, Need, Principal};
use crate::store::rules::asking::{
    Before, Dialog, OF_LATE, Show, ask, is_open, is_pending, is_same_effect, lift, of_late, quarantine, show,
    shown_no_more,
};
use crate::store::{Asking, Bounds, Quarantine, Showing, StoreError};

const BOUNDS: Bounds = Bounds { denial: Duration::from_secs(600), open: 3, flood: 5 };

fn in_quarantine() -> Quarantine {
    Quarantine { user: "ada".into(), since: now(), why: "a flood".into() }
}

fn about(question: &Confirmation) -> Subject {
    Subject::from(question)
}

fn declined(at: Timestamp) -> (Confirmation, ConfirmationState) {
    (asked(), ConfirmationState::Refused { how: "declined".into(), by: "olga".into(), at })
}

/// Which way it goes, by the first thing that is in its way; in this order.
#[derive(Debug, PartialEq)]
enum Way {
    Quarantined,
    Already,
    InOtherWords,
    Declined,
    Flood,
    TooMany,
    Asked,
}

fn way(asking: &Asking, was_in_quarantine: bool) -> Way {
    match asking {
        Asking::Quarantined(_) if was_in_quarantine => Way::Quarantined,
        Asking::Quarantined(_) => Way::Flood,
        Asking::Already(..) => Way::Already,
        Asking::InOtherWords(_) => Way::InOtherWords,
        Asking::Declined(..) => Way::Declined,
        Asking::TooMany { .. } => Way::TooMany,
        Asking::Asked => Way::Asked,
    }
}

/// What is pending about the same.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Same {
    None,
    Open,
    Approved,
    /// Approved by somebody who is not enrolled any more.
    ApprovedByGone,
    /// Of less than is needed now.
    OfLess,
}

#[test]
fn a_question_goes_the_way_that_is_listed() {
    let (asked, olga) = (Confirmation { need: Need::of(Assurance::Typed, 1), ..asked() }, operator(1, "olga"));
    let approved = |by: &Operator| ConfirmationState::Approved { approvals: vec![yes(&asked, Some(by))] };
    let mut cases = 0;
    for is_quarantined in [false, true] {
        for same in [Same::None, Same::Open, Same::Approved, Same::ApprovedByGone, Same::OfLess] {
            for in_other_words in [false, true] {
                for no in [None, Some(now()), Some(now() - HOUR)] {
                    for (of_late, open) in [(0, 0), (2, 2), (3, 3), (4, 2), (4, 4), (5, 0), (6, 6)] {
                        let less = Confirmation { need: Need::of(Assurance::Acknowledged, 1), ..asked.clone() };
                        let pending = match same {
                            Same::None => None,
                            Same::Open => Some((asked.clone(), ConfirmationState::unanswered())),
                            Same::Approved => Some((asked.clone(), approved(&olga))),
                            Same::ApprovedByGone => Some((asked.clone(), approved(&operator(2, "gone")))),
                            Same::OfLess => Some((less, ConfirmationState::unanswered())),
                        };
                        let before = Before {
                            quarantine: is_quarantined.then(in_quarantine),
                            same: pending,
                            operators: std::slice::from_ref(&olga),
                            in_other_words: in_other_words.then(super::asked),
                            declined: no.map(declined).into_iter().collect(),
                            of_late,
                            open,
                        };
                        let case = format!("{before:?}");
                        let found = ask(&asked, (about(&asked), Some(Channel::Elicitation)), before, BOUNDS, now());
                        let closes = matches!(same, Same::ApprovedByGone | Same::OfLess);
                        let holds = no.is_some_and(|at| at > now() - BOUNDS.denial);
                        let expected = match () {
                            () if is_quarantined => Way::Quarantined,
                            () if matches!(same, Same::Open | Same::Approved) => Way::Already,
                            () if same == Same::None && in_other_words => Way::InOtherWords,
                            () if holds => Way::Declined,
                            () if of_late >= 5 => Way::Flood,
                            () if open >= 3 => Way::TooMany,
                            () => Way::Asked,
                        };
                        assert_eq!(way(&found.told, is_quarantined), expected, "{case}");
                        let mut records = match expected {
                            Way::Already => vec![],
                            Way::Asked => vec!["asked"],
                            Way::Flood => vec!["quarantined", "denied"],
                            _ => vec!["denied"],
                        };
                        let is_closed = closes && !is_quarantined;
                        if is_closed {
                            records.insert(0, "answered");
                        }
                        assert_eq!(recorded(&found), records, "{case}");
                        let state = state_after(&found);
                        assert_eq!(
                            is_closed,
                            matches!(state, Some(ConfirmationState::Refused { how, by, .. }) if how == "failed" && by == "mollyguard"),
                            "{case}"
                        );
                        let has = |meant: fn(&Write) -> bool| found.writes.iter().filter(|write| meant(write)).count();
                        let counts = usize::from(matches!(expected, Way::Asked | Way::TooMany));
                        assert_eq!(has(|write| matches!(write, Write::Counted { .. })), counts, "{case}");
                        let put = usize::from(expected == Way::Asked);
                        assert_eq!(has(|write| matches!(write, Write::Question(_))), put, "{case}");
                        assert_eq!(has(|write| matches!(write, Write::Shown { .. })), put, "{case}");
                        let ends = usize::from(expected == Way::Flood);
                        assert_eq!(has(|write| matches!(write, Write::GrantEnds(_))), ends, "{case}");
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 2 * 5 * 2 * 3 * 7);
}

#[test]
fn one_too_many_is_counted_without_a_question() {
    let asked = asked();
    let before = |open| Before {
        quarantine: None,
        same: None,
        operators: &[],
        in_other_words: None,
        declined: Vec::new(),
        of_late: open,
        open,
    };
    for (open, question) in [(2, Some(asked.id)), (3, None)] {
        let found = ask(&asked, (about(&asked), None), before(open), BOUNDS, now());
        let counted = found.writes.iter().find_map(|write| match write {
            Write::Counted { question, .. } => Some(*question),
            _ => None,
        });
        assert_eq!(counted, Some(question));
        assert!(!found.writes.iter().any(|write| matches!(write, Write::Shown { .. })), "it is shown nowhere yet");
    }
}

#[test]
fn a_question_is_shown_by_one_process_at_a_time() {
    let question = asked();
    let dialogs = [true, false].into_iter().flat_map(|is_own| {
        let dead = [true, false].into_iter();
        dead.flat_map(move |is_dead| [now() - HOUR, now() + HOUR].map(|until| Dialog { is_own, is_dead, until }))
    });
    let dialogs: Vec<_> = dialogs.map(Some).chain([None]).collect();
    for is_quarantined in [false, true] {
        for dialog in &dialogs {
            for of_late in [0, 4, 5, 6] {
                let shown = Show {
                    call: Uuid::from_u128(1),
                    channel: Channel::Elicitation,
                    quarantine: is_quarantined.then(in_quarantine),
                    dialog: *dialog,
                    of_late,
                    flood: 5,
                    at: now(),
                };
                let case = format!("{shown:?}");
                let found = show(&question, shown);
                let elsewhere = dialog.is_some_and(|it| !it.is_own && !it.is_dead && it.until > now());
                let (told, records) = match () {
                    () if is_quarantined => (matches!(found.told, Showing::Quarantined(_)), vec!["denied"]),
                    () if elsewhere => (found.told == Showing::Elsewhere, vec![]),
                    () if of_late >= 5 => {
                        (matches!(found.told, Showing::Quarantined(_)), vec!["quarantined", "denied"])
                    }
                    () => (found.told == Showing::Here, vec!["shown"]),
                };
                assert!(told, "{case}: {:?}", found.told);
                assert_eq!(recorded(&found), records, "{case}");
                let shows = found.writes.iter().any(|write| matches!(write, Write::Shown { .. }));
                assert_eq!(shows, found.told == Showing::Here, "{case}");
                assert_eq!(found.writes.is_empty(), elsewhere && !is_quarantined, "{case}");
            }
        }
    }
}

#[test]
fn the_end_of_a_dialog_is_nothing_but_that() {
    let question = Uuid::from_u128(3);
    assert_eq!(shown_no_more(question).writes, [Write::ShownNoMore { question }]);
}

#[test]
fn what_waits_or_can_be_used_is_pending_and_only_that() {
    let question = asked();
    let covers = |digest| {
        let exact = Digest::of_bytes(b"x");
        Some(Coverage { targets: Vec::new(), exact, declaration: digest, policies: exact })
    };
    for state in states(&[]) {
        let waits = matches!(state, ConfirmationState::Open { .. } | ConfirmationState::Approved { .. });
        for (at, in_time) in [(now(), true), (later(question.expires_at), false), (question.asked_at - HOUR, false)] {
            assert_eq!(is_pending(&question, &state, at), waits && in_time, "{state:?}");
            let is_waiting = matches!(state, ConfirmationState::Open { .. }) && in_time;
            assert_eq!(is_open(Ok(Some((question.clone(), state.clone()))), at), is_waiting, "{state:?}");
            for (other, is_same) in [
                (question.clone(), true),
                (Confirmation { request: another(), ..question.clone() }, true),
                (Confirmation { state: another(), ..question.clone() }, false),
                (Confirmation { effect: Some(another()), ..question.clone() }, false),
                (Confirmation { effect: None, ..question.clone() }, false),
                (Confirmation { covers: covers(another()), ..question.clone() }, false),
            ] {
                let found = is_same_effect(&other, &state, &question, at);
                assert_eq!(found, waits && in_time && is_same, "{state:?} {other:?}");
            }
        }
    }
    let of_no_effect = Confirmation { effect: None, ..question };
    assert!(!is_same_effect(&of_no_effect, &ConfirmationState::unanswered(), &of_no_effect, now()));
    assert!(!is_open(Ok(None), now()));
    assert!(is_open(Err(StoreError::Corrupt("a row".into())), now()), "nobody can tell");
    assert!(of_late(now()).duration_until(now()) >= OF_LATE);
}

#[test]
fn a_quarantine_begins_and_ends_once() {
    let ada = Principal { user: "ada".into(), client: None, roles: Vec::new() };
    let found = quarantine(&ada, "a flood".into(), None, now());
    assert_eq!((found.told.user.as_str(), recorded(&found)), ("ada", vec!["quarantined"]));
    let again = quarantine(&ada, "another reason".into(), Some(in_quarantine()), now());
    assert_eq!((again.told.why.as_str(), again.writes.len()), ("a flood", 0), "the first reason stands");
    for by in [None, Some(Uuid::from_u128(1))] {
        let lifted = lift("ada", true, by).unwrap();
        assert_eq!(recorded(&lifted), ["lifted"]);
        assert!(lifted.writes.contains(&Write::CountsForgotten { user: "ada".into() }), "with a clean slate");
        assert!(matches!(lift("ada", false, by), Err(StoreError::NotQuarantined(user)) if user == "ada"));
    }
}
