//! Every answer, to everything that can be needed, by every way: held against what a yes is in one sentence.

use std::time::Duration;

use mollyguard_record::model::Channel::{Desk, Elicitation, InputRequired, Page, Terminal};
use mollyguard_record::store::laws::question;
use mollyguard_tools::contract::now;

use super::*;

const ASSURANCES: [Assurance; 4] =
    [Assurance::Acknowledged, Assurance::Typed, Assurance::OutOfBand, Assurance::Passkey];

fn needs() -> Vec<Need> {
    let of = |assurance| [Need::of(assurance, 1), Need::of(assurance, 2), Need::of(assurance, 1).by_others()];
    ASSURANCES.into_iter().flat_map(of).collect()
}

/// Somebody unknown by each way, and operators who are the asker, somebody else, or linked to nobody.
fn approvers() -> Vec<Approver> {
    let unknown = [Elicitation, InputRequired, Terminal, Desk].map(|way| Approver::unproven("ada".into(), way));
    let operators = [Some("ada"), Some("bea"), None].into_iter().flat_map(|user| {
        ASSURANCES.into_iter().flat_map(move |proves| {
            [Page, Desk].map(|channel| Approver {
                name: "operator".into(),
                operator: Some(Uuid::from_u128(1)),
                user: user.map(ToOwned::to_owned),
                proves,
                channel,
            })
        })
    });
    unknown.into_iter().chain(operators).collect()
}

fn answers() -> Vec<Answer> {
    let typed = [None, Some(""), Some("bookings"), Some("Bookings"), Some("bookings "), Some(APPROVE), Some(DECLINE)];
    let typed = typed.into_iter().map(|typed| Answer::Accept { typed: typed.map(ToOwned::to_owned) });
    typed.chain([Answer::Decline, Answer::Cancel, Answer::Timeout, Answer::Failed]).collect()
}

/// A yes counts of whoever proves as much as is needed; where somebody else is needed, they are known to be a person, and
/// not the asker where nobody else is enough.
fn counts(need: &Need, by: &Approver) -> bool {
    let is_known = by.operator.is_some() || *need <= Need::IN_CLIENT && need.others == 0 && need.approvers == 1;
    let is_other = match (need.others, by.user.as_deref()) {
        (0, _) => true,
        (_, None) => false,
        (others, Some(user)) => others < need.approvers || user != "ada",
    };
    is_known && is_other && by.proves >= need.assurance
}

fn asked(need: Need) -> Confirmation {
    Confirmation { need, ..question(Duration::from_secs(600)) }
}

#[test]
fn only_the_exact_text_of_somebody_who_counts_is_a_yes() {
    let (mut yes, mut weak) = (0, 0);
    for need in needs() {
        let question = asked(need);
        let wanted = if need.assurance >= Assurance::Typed { "bookings" } else { "approve" };
        for by in approvers() {
            for answer in answers() {
                let found = verdict((&question, &ConfirmationState::unanswered()), &answer, &by, now());
                let case = format!("{need} {by:?} {answer:?}: {found:?}");
                match (&answer, &found) {
                    (Answer::Accept { typed: Some(word) }, Verdict::No(No::Declined)) => {
                        assert!(word == DECLINE && need.assurance == Assurance::Acknowledged, "{case}");
                    }
                    (Answer::Accept { .. }, Verdict::TooWeak(why)) => {
                        weak += 1;
                        assert!(!counts(&need, &by) && !why.is_empty(), "{case}");
                    }
                    (Answer::Accept { typed }, Verdict::No(No::Mistyped { is_last: false })) => {
                        assert!(counts(&need, &by) && typed.as_deref() != Some(wanted), "{case}");
                    }
                    (Answer::Accept { typed }, Verdict::Yes(approval)) => {
                        yes += 1;
                        assert!(counts(&need, &by) && typed.as_deref() == Some(wanted), "{case}");
                        assert_eq!((approval.confirmation, approval.channel), (question.id, by.channel), "{case}");
                        assert_eq!((approval.operator, &approval.user), (by.operator, &by.user), "{case}");
                        assert!(approval.assurance >= need.assurance && approval.assurance <= by.proves, "{case}");
                    }
                    (Answer::Decline, Verdict::No(No::Declined))
                    | (Answer::Cancel, Verdict::No(No::Cancelled))
                    | (Answer::Timeout, Verdict::No(No::Late))
                    | (Answer::Failed, Verdict::No(No::Failed)) => {}
                    _ => panic!("{case}"),
                }
            }
        }
    }
    assert!(yes > 20 && weak > 100, "{yes} {weak}");
}

#[test]
fn the_way_is_part_of_the_answer_only_by_what_it_proves() {
    for need in needs() {
        let question = asked(need);
        for answer in answers() {
            let by = |channel| {
                let by = Approver::unproven("ada".into(), channel);
                match verdict((&question, &ConfirmationState::unanswered()), &answer, &by, now()) {
                    Verdict::Yes(approval) => {
                        Verdict::Yes(Approval { channel: Elicitation, at: question.asked_at, ..approval })
                    }
                    other => other,
                }
            };
            for channel in [InputRequired, Terminal, Desk, Page] {
                assert_eq!(by(channel), by(Elicitation), "{need} {answer:?} {channel:?}");
            }
        }
    }
}

#[test]
fn whoever_was_not_asked_to_type_has_not_typed() {
    let question = asked(Need::of(Assurance::Acknowledged, 1));
    let answer = Answer::Accept { typed: Some(APPROVE.into()) };
    let by = Approver::unproven("ada".into(), Terminal);
    let Verdict::Yes(yes) = verdict((&question, &ConfirmationState::unanswered()), &answer, &by, now()) else {
        panic!("a yes")
    };
    assert_eq!(yes.assurance, Assurance::Acknowledged);
}

#[test]
fn the_last_try_is_told_apart() {
    let question = asked(Need::IN_CLIENT);
    let by = Approver::unproven("ada".into(), Terminal);
    let typed = |standing: &ConfirmationState, typed: &str| {
        verdict((&question, standing), &Answer::Accept { typed: Some(typed.into()) }, &by, now())
    };
    for mistyped in 0..TRIES {
        let standing = ConfirmationState::Open { approvals: Vec::new(), mistyped };
        let is_last = mistyped + 1 == TRIES;
        assert_eq!(typed(&standing, "booking"), Verdict::No(No::Mistyped { is_last }), "{mistyped}");
        assert!(matches!(typed(&standing, "bookings"), Verdict::Yes(_)), "{mistyped}");
    }
}
