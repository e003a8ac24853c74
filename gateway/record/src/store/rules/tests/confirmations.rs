//! Answers, and approvals that are used.

use super::*;
use crate::model::{CallDigests, Coverage, LONGEST, Moment, Need, Principal, TRIES};
use crate::store::laws::{spending, subject};
use crate::store::rules::confirmations::{Answered, Spending, answer, concerned, is_over, spend};
use crate::store::rules::{EndGrants, Which};
use crate::store::{AnswerSubmission, StoreError};

/// Who says yes, and how far that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    /// Somebody known only by name.
    Named,
    /// An operator who has not said yes before.
    Another,
    /// The operator whose yes there is.
    Again,
    /// One who is not enrolled any more.
    Removed,
}

/// What comes.
#[derive(Clone, Debug, PartialEq)]
enum Input {
    Yes(Who),
    /// Accepted with another answer than accepting.
    YesAs(Answer),
    YesToAnother,
    YesTooWeak,
    YesTooLate,
    Mistyped,
    No(Answer),
}

fn inputs() -> Vec<Input> {
    let yes = [Who::Named, Who::Another, Who::Again, Who::Removed].map(Input::Yes);
    let others = [Input::YesToAnother, Input::YesTooWeak, Input::YesTooLate, Input::Mistyped];
    let noes = NOES.map(Input::No).into_iter().chain(NOES.map(Input::YesAs));
    yes.into_iter().chain(others).chain(noes).collect()
}

/// How a question stands by kind: what there is of it, and how many yeses.
#[derive(Clone, Debug, PartialEq)]
enum Stands {
    Open(usize, u8),
    Approved(usize),
    Refused(String),
    Spent,
}

fn stands(state: &ConfirmationState) -> Stands {
    match state {
        ConfirmationState::Open { approvals, mistyped } => Stands::Open(approvals.len(), *mistyped),
        ConfirmationState::Approved { approvals } => Stands::Approved(approvals.len()),
        ConfirmationState::Refused { how, .. } => Stands::Refused(how.clone()),
        ConfirmationState::Spent { .. } => Stands::Spent,
    }
}

/// All transitions there are; `None` is a refusal. `needed` is how many people it takes.
fn listed(state: &Stands, input: &Input, needed: usize) -> Option<Stands> {
    let how = |answer: &Answer| match answer {
        Answer::Decline => "declined",
        Answer::Cancel => "cancelled",
        Answer::Timeout => "timeout",
        Answer::Failed => "failed",
        Answer::Accept { .. } => "mismatch",
    };
    match (state, input) {
        (Stands::Refused(_) | Stands::Spent, _) => None,
        (Stands::Open(n, tries), Input::Mistyped) if tries + 1 < TRIES => Some(Stands::Open(*n, tries + 1)),
        (Stands::Open(..), Input::Mistyped) => Some(Stands::Refused("mismatch".into())),
        (Stands::Approved(n), Input::Mistyped) => Some(Stands::Approved(*n)),
        (_, Input::No(answer)) => Some(Stands::Refused(how(answer).into())),
        (Stands::Open(_, _), Input::Yes(Who::Removed)) => None,
        // Whose yes there is already.
        (Stands::Open(1, _), Input::Yes(Who::Again)) => None,
        (Stands::Open(n, tries), Input::Yes(who)) => {
            // By name alone nobody is told from anybody, so that two people are two operators.
            let is_enough = needed == 1 || (*n == 1 && *who != Who::Named);
            Some(if is_enough { Stands::Approved(n + 1) } else { Stands::Open(n + 1, *tries) })
        }
        (Stands::Open(..) | Stands::Approved(_), _) => None,
    }
}

fn given(question: &Confirmation, input: &Input, [olga, piet, gone]: [&Operator; 3]) -> AnswerSubmission {
    let by = |who: Who| match who {
        Who::Named => None,
        Who::Again => Some(olga),
        Who::Another => Some(piet),
        Who::Removed => Some(gone),
    };
    let piets = || yes(question, Some(piet));
    let (answer, approval) = match input {
        Input::Yes(who) => (accept(), Some(yes(question, by(*who)))),
        Input::YesAs(answer) => (answer.clone(), Some(piets())),
        Input::YesToAnother => (accept(), Some(Approval { confirmation: Uuid::from_u128(7), ..piets() })),
        Input::YesTooWeak => (accept(), Some(Approval { assurance: Assurance::Acknowledged, ..piets() })),
        Input::YesTooLate => (accept(), Some(piets())),
        Input::Mistyped => (accept(), None),
        Input::No(answer) => (answer.clone(), None),
    };
    AnswerSubmission::by("somebody".into(), question.id, answer, Channel::Terminal, approval)
}

#[test]
fn an_answer_does_what_is_listed_and_nothing_else() {
    let (olga, piet, gone) = (operator(1, "olga"), operator(2, "piet"), operator(3, "gone"));
    let enrolled = [olga.clone(), piet.clone()];
    let mut seen = 0;
    for needed in [1, 2] {
        let question = Confirmation { need: Need::of(Assurance::Typed, needed), ..asked() };
        for yeses in [vec![], vec![yes(&question, Some(&olga))]] {
            for (state, input) in states(&yeses)
                .into_iter()
                .flat_map(|state| inputs().into_iter().map(move |input| (state.clone(), input)))
            {
                let at = if input == Input::YesTooLate { later(question.expires_at) } else { now() };
                let answered = Answered {
                    confirmation: &question,
                    state: state.clone(),
                    given: given(&question, &input, [&olga, &piet, &gone]),
                    operators: &enrolled,
                    is_quarantined: false,
                    at: Moment { at, since_boot: None },
                    grant: Uuid::from_u128(5),
                };
                let case = format!("{state:?} and {input:?}, {needed} needed");
                let expected = listed(&stands(&state), &input, needed as usize);
                let found = answer(answered, subject(Uuid::from_u128(8)));
                let Ok(found) = found else {
                    assert!(matches!(found, Err(StoreError::NotApproved(id, _)) if id == question.id), "{case}");
                    assert_eq!(expected, None, "{case}: {found:?}");
                    continue;
                };
                let after = state_after(&found).map_or_else(|| stands(&state), stands);
                assert_eq!(Some(&after), expected.as_ref(), "{case}");
                let is_try = input == Input::Mistyped && !matches!(after, Stands::Refused(_));
                assert_eq!(recorded(&found), [if is_try { "rejected" } else { "answered" }], "{case}");
                let ends: Vec<_> = found.writes.iter().filter(|write| matches!(write, Write::GrantEnds(_))).collect();
                assert_eq!(ends.len(), usize::from(input == Input::No(Answer::Decline)), "{case}");
                assert!(!found.writes.iter().any(|write| matches!(write, Write::Grant(_))), "{case}");
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn a_no_ends_what_contradicts_it_in_its_givers_name() {
    let (olga, question) = (operator(1, "olga"), asked());
    let given = AnswerSubmission::by("olga".into(), question.id, Answer::Decline, Channel::Page, None);
    let answered = Answered {
        confirmation: &question,
        state: ConfirmationState::unanswered(),
        given: AnswerSubmission { operator: Some(olga.id), ..given },
        operators: std::slice::from_ref(&olga),
        is_quarantined: false,
        at: Moment::now(),
        grant: Uuid::from_u128(5),
    };
    let found = answer(answered, subject(Uuid::from_u128(8))).unwrap();
    let which = Which::ContradictedBy(Box::new(question.clone()));
    let expected = EndGrants { how: crate::model::Ended::Declined, by: Some(olga.id), which };
    assert!(found.writes.contains(&Write::GrantEnds(expected)), "{found:?}");
}

/// Whoever is none of the operators any more answers nothing.
#[test]
fn only_who_is_enrolled_answers_as_an_operator() {
    let (olga, question) = (operator(1, "olga"), asked());
    for state in states(&[]) {
        for answer_ in NOES.into_iter().chain([accept()]) {
            let given = AnswerSubmission::by("olga".into(), question.id, answer_, Channel::Page, None);
            let answered = Answered {
                confirmation: &question,
                state: state.clone(),
                given: AnswerSubmission { operator: Some(olga.id), ..given },
                operators: &[],
                is_quarantined: false,
                at: Moment::now(),
                grant: Uuid::from_u128(5),
            };
            assert!(matches!(answer(answered, subject(Uuid::from_u128(8))), Err(StoreError::NotEnrolled(_))));
        }
    }
}

#[test]
fn only_dialogs_are_closed_by_an_answer() {
    let question = asked();
    for (channel, closes) in [
        (Channel::Elicitation, true),
        (Channel::InputRequired, true),
        (Channel::Terminal, false),
        (Channel::Page, false),
        (Channel::Desk, false),
    ] {
        let answered = Answered {
            confirmation: &question,
            state: ConfirmationState::unanswered(),
            given: AnswerSubmission::by("ada".into(), question.id, Answer::Timeout, channel, None),
            operators: &[],
            is_quarantined: false,
            at: Moment::now(),
            grant: Uuid::from_u128(5),
        };
        let found = answer(answered, subject(Uuid::from_u128(8))).unwrap();
        assert_eq!(found.writes.contains(&Write::ShownNoMore { question: question.id }), closes, "{channel:?}");
    }
}

#[test]
fn a_yes_stands_for_a_while_only_where_all_of_it_fits() {
    let olga = operator(1, "olga");
    let digest = Digest::of_bytes(b"x");
    let covers = Some(Coverage { targets: Vec::new(), exact: digest, declaration: digest, policies: digest });
    let good = Confirmation { covers, may_last: true, need: Need::of(Assurance::Typed, 1), ..asked() };
    let gives = |question: &Confirmation, change: &dyn Fn(&mut AnswerSubmission), is_quarantined: bool| {
        let mut given =
            AnswerSubmission::by("olga".into(), question.id, accept(), Channel::Page, Some(yes(question, Some(&olga))));
        (given.operator, given.lasts) = (Some(olga.id), Some(LONGEST));
        change(&mut given);
        let answered = Answered {
            confirmation: question,
            state: ConfirmationState::unanswered(),
            given,
            operators: std::slice::from_ref(&olga),
            is_quarantined,
            at: Moment::now(),
            grant: Uuid::from_u128(5),
        };
        answer(answered, subject(Uuid::from_u128(8)))
    };
    let found = gives(&good, &|_| {}, false).unwrap();
    let granted = found.writes.iter().filter_map(|write| match write {
        Write::Grant(grant) => Some((grant.id, grant.confirmation, grant.strength)),
        _ => None,
    });
    // As much as was asked for, though a passkey proves more.
    assert_eq!(granted.collect::<Vec<_>>(), [(Uuid::from_u128(5), good.id, good.need)]);
    let short = |lasts| move |given: &mut AnswerSubmission| given.lasts = Some(lasts);
    let changes: [&dyn Fn(&mut AnswerSubmission); 8] = [
        &short(Duration::ZERO),
        &short(LONGEST + Duration::from_millis(1)),
        &|given| given.operator = None,
        &|given| given.channel = Channel::Terminal,
        &|given| given.channel = Channel::Elicitation,
        &|given| given.channel = Channel::InputRequired,
        &|given| given.channel = Channel::Desk,
        &|given| given.approval = given.approval.take().map(|yes| Approval { operator: None, ..yes }),
    ];
    for (n, change) in changes.iter().enumerate() {
        assert!(matches!(gives(&good, *change, false), Err(StoreError::NotApproved(..))), "change {n}");
    }
    for answer in NOES {
        let no = |given: &mut AnswerSubmission| (given.answer, given.approval) = (answer.clone(), None);
        assert!(matches!(gives(&good, &no, false), Err(StoreError::NotApproved(..))), "{answer:?}");
    }
    for question in [
        Confirmation { covers: None, ..good.clone() },
        Confirmation { may_last: false, ..good.clone() },
        Confirmation { need: Need::of(Assurance::Typed, 2), ..good.clone() },
    ] {
        assert!(matches!(gives(&question, &|_| {}, false), Err(StoreError::NotApproved(..))));
    }
    assert!(matches!(gives(&good, &|_| {}, true), Err(StoreError::NotApproved(..))), "of nobody in quarantine");
}

#[test]
fn an_approval_is_spent_only_where_all_of_it_fits() {
    let (olga, gone) = (operator(1, "olga"), operator(3, "gone"));
    let digest = Digest::of_bytes(b"something");
    let digests = spending(Uuid::nil()).digests.unwrap();
    let covers = Coverage { targets: Vec::new(), exact: digests.targets, declaration: digest, policies: digest };
    let question = Confirmation { covers: Some(covers), ..asked() };
    let good = || spending(question.id);
    let approved = ConfirmationState::Approved { approvals: vec![yes(&question, Some(&olga))] };
    let spent = |question: &Confirmation, state: &ConfirmationState, start, (is_quarantined, at)| {
        let spending = Spending {
            id: question.id,
            found: Some((question.clone(), state.clone())),
            operators: std::slice::from_ref(&olga),
            is_quarantined,
            at,
        };
        spend(spending, &start)
    };
    let fine = (false, now());
    for state in states(&[yes(&question, Some(&olga))]) {
        let found = spent(&question, &state, good(), fine);
        match state {
            ConfirmationState::Approved { .. } => {
                let found = found.unwrap();
                let call = good_call(&found);
                assert_eq!(found.writes, [Write::State(Box::new(question.clone()), ConfirmationState::Spent { call })]);
            }
            state => assert!(matches!(found, Err(StoreError::NotApproved(..))), "{state:?}"),
        }
    }
    let with = |digests: Option<CallDigests>| crate::store::Start { digests, ..good() };
    let own = good().digests.unwrap();
    let mut starts = vec![with(None)];
    starts.extend(
        [
            CallDigests { request: another(), ..own },
            CallDigests { state: another(), ..own },
            CallDigests { targets: another(), ..own },
            CallDigests { declaration: another(), ..own },
            CallDigests { policies: another(), ..own },
        ]
        .map(|digests| with(Some(digests))),
    );
    let changes: [fn(&mut crate::audit::Subject); 7] = [
        |about| about.call = None,
        |about| about.tool = None,
        |about| about.tool = Some("another".into()),
        |about| about.arguments = None,
        |about| about.arguments = Some(another()),
        |about| about.principal = None,
        |about| about.principal = Some(Principal { user: "eve".into(), client: None, roles: Vec::new() }),
    ];
    starts.extend(changes.map(|change| {
        let mut start = good();
        change(&mut start.subject);
        start
    }));
    for (n, start) in starts.into_iter().enumerate() {
        assert!(matches!(spent(&question, &approved, start, fine), Err(StoreError::NotApproved(..))), "start {n}");
    }
    for when in [(true, now()), (false, later(question.expires_at)), (false, question.asked_at - HOUR)] {
        assert!(matches!(spent(&question, &approved, good(), when), Err(StoreError::NotApproved(..))), "{when:?}");
    }
    let by_gone = ConfirmationState::Approved { approvals: vec![yes(&question, Some(&gone))] };
    let more = Confirmation { need: Need::of(Assurance::Typed, 2), ..question.clone() };
    assert!(matches!(spent(&question, &by_gone, good(), fine), Err(StoreError::NotApproved(..))));
    assert!(matches!(spent(&more, &approved, good(), fine), Err(StoreError::NotApproved(..))));
    let none = Spending { id: question.id, found: None, operators: &[], is_quarantined: false, at: now() };
    assert!(matches!(spend(none, &good()), Err(StoreError::NotApproved(..))));
}

fn good_call(found: &Transition<()>) -> Uuid {
    match state_after(found) {
        Some(ConfirmationState::Spent { call }) => *call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn those_are_concerned_who_said_something() {
    let (olga, piet) = (operator(1, "olga"), operator(2, "piet"));
    let question = asked();
    let yeses = [yes(&question, Some(&olga)), yes(&question, None)];
    for state in states(&yeses) {
        let is_asked = matches!(state, ConfirmationState::Open { .. } | ConfirmationState::Approved { .. });
        assert_eq!(concerned(&state, None), if is_asked { vec![olga.id] } else { vec![] });
        let given = AnswerSubmission::by(
            "piet".into(),
            question.id,
            accept(),
            Channel::Page,
            Some(yes(&question, Some(&piet))),
        );
        let given = AnswerSubmission { operator: Some(olga.id), ..given };
        assert_eq!(concerned(&state, Some(&given)), [olga.id, piet.id], "{state:?}");
    }
}

#[test]
fn what_can_be_answered_or_used_is_not_over() {
    let question = asked();
    for state in states(&[]) {
        for (before, is_late) in [(now() - HOUR, false), (later(question.expires_at), true)] {
            let expected = is_late || matches!(state, ConfirmationState::Spent { .. });
            assert_eq!(is_over(&question, &state, before), expected, "{state:?} {is_late}");
        }
    }
}
