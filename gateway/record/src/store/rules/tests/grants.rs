//! Calls under an approval for a while, and what ends one.

use mollyguard_tools::contract::Reversibility;

use super::*;
use crate::model::{Ended, Grant, GrantEnd, Moment, Principal};
use crate::store::laws::grants::{lasting, under};
use crate::store::laws::{digests_of, subject, target};
use crate::store::rules::grants::{ended, may_begin, revoke, run_out};
use crate::store::rules::{EndGrants, Which};
use crate::store::{Start, StoreError};

fn grant(giver: &Operator) -> Grant {
    let question = lasting();
    Grant {
        id: Uuid::from_u128(5),
        principal: question.principal.clone(),
        tool: question.tool.clone(),
        covers: question.covers.clone().unwrap(),
        strength: question.need,
        operator: giver.id,
        by: giver.name.clone(),
        passkey: None,
        confirmation: question.id,
        given: Moment { at: now(), since_boot: None },
        expires_at: later(now()),
    }
}

const ENDS: [Ended; 5] = [Ended::Revoked, Ended::Declined, Ended::Quarantined, Ended::Removed, Ended::RanOut];

fn end(how: Ended) -> GrantEnd {
    GrantEnd { how, by: None, at: now() }
}

#[test]
fn a_call_begins_under_it_only_where_all_of_it_fits() {
    let olga = operator(1, "olga");
    let good = grant(&olga);
    let moment = Moment { at: now(), since_boot: None };
    let begins = |found: Option<(Grant, Option<GrantEnd>)>, giver, start: &Start, at: &Moment| match may_begin(
        good.id,
        found.as_ref(),
        giver,
        start,
        at,
    ) {
        Ok(()) => true,
        Err(StoreError::NotGranted(id, _)) if id == good.id => false,
        other => panic!("{other:?}"),
    };
    let standing = || Some((good.clone(), None));
    assert!(begins(standing(), Some(&olga), &under(good.id), &moment));
    assert!(!begins(None, Some(&olga), &under(good.id), &moment));
    for how in ENDS {
        assert!(!begins(Some((good.clone(), Some(end(how)))), Some(&olga), &under(good.id), &moment), "{how:?}");
    }
    for at in [later(good.expires_at), good.given.at - HOUR] {
        assert!(!begins(standing(), Some(&olga), &under(good.id), &Moment { at, since_boot: None }), "{at}");
    }
    let piet = operator(2, "piet");
    for giver in [None, Some(&piet)] {
        assert!(!begins(standing(), giver, &under(good.id), &moment), "{giver:?}");
    }
    let with_passkey = Grant { passkey: Some("one that is gone".into()), ..good.clone() };
    assert!(!begins(Some((with_passkey, None)), Some(&olga), &under(good.id), &moment));
    let changes: [fn(&mut Start); 17] = [
        |start| start.subject.tool = None,
        |start| start.subject.tool = Some("another".into()),
        |start| start.subject.principal = None,
        |start| start.subject.principal = Some(Principal { user: "eve".into(), client: None, roles: Vec::new() }),
        |start| start.subject.targets.clear(),
        |start| start.subject.targets[0].path = mollyguard_tools::contract::TargetPath::of("fleet").below("cars"),
        |start| start.subject.targets.push(mollyguard_tools::contract::Target { uid: Some("2".into()), ..target() }),
        |start| start.reversibility = Reversibility::ReadOnly,
        |start| start.reversibility = Reversibility::Compensable,
        |start| start.reversibility = Reversibility::Irreversible,
        |start| start.preflight.destroys_recovery = true,
        |start| start.undoes = Some(Uuid::from_u128(6)),
        |start| start.confirmation = Some(Uuid::from_u128(6)),
        |start| start.digests = None,
        |start| start.digests.as_mut().unwrap().targets = another(),
        |start| start.digests.as_mut().unwrap().declaration = another(),
        |start| start.digests.as_mut().unwrap().policies = another(),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut start = under(good.id);
        change(&mut start);
        assert!(!begins(standing(), Some(&olga), &start, &moment), "change {n}");
    }
    // It is about calls like it, with whatever arguments and whatever was found.
    let mut start = under(good.id);
    start.digests = Some(crate::model::CallDigests { state: another(), ..digests_of(another()) });
    start.subject = crate::audit::Subject { arguments: None, ..subject(Uuid::from_u128(7)) };
    assert!(begins(standing(), Some(&olga), &start, &moment));
}

#[test]
fn it_is_revoked_once_by_who_is_enrolled() {
    let (olga, piet) = (operator(1, "olga"), operator(2, "piet"));
    let good = grant(&olga);
    for by in [None, Some(piet.id)] {
        let enrolled = [piet.clone()];
        let found = revoke(good.id, Some((good.clone(), None)), by, &enrolled, now()).unwrap();
        assert!(
            matches!(&found.writes[..], [Write::GrantEnd(of, end)] if of.id == good.id && (end.how, end.by) == (Ended::Revoked, by))
        );
        assert!(matches!(revoke(good.id, None, by, &enrolled, now()), Err(StoreError::NotFound(..))));
        for how in ENDS {
            let ended = Some((good.clone(), Some(end(how))));
            assert!(matches!(revoke(good.id, ended, by, &enrolled, now()), Err(StoreError::NotGranted(..))), "{how:?}");
        }
    }
    let by_nobody = revoke(good.id, Some((good.clone(), None)), Some(piet.id), &[], now());
    assert!(matches!(by_nobody, Err(StoreError::NotEnrolled(_))));
}

#[test]
fn what_ended_does_not_run_out_as_well() {
    let good = grant(&operator(1, "olga"));
    let found = ENDS.map(|how| (good.clone(), Some(end(how)))).into_iter().chain([(good.clone(), None)]);
    let writes = run_out(found.collect(), now()).writes;
    assert!(
        matches!(&writes[..], [Write::GrantEnd(_, end)] if (end.how, end.by) == (Ended::RanOut, None)),
        "{writes:?}"
    );
}

#[test]
fn those_end_that_are_meant() {
    let (olga, piet) = (operator(1, "olga"), operator(2, "piet"));
    let of_olga = grant(&olga);
    let eve = Principal { user: "eve".into(), client: None, roles: Vec::new() };
    let of_piet = Grant { id: Uuid::from_u128(6), operator: piet.id, principal: eve, ..of_olga.clone() };
    let question = lasting();
    let elsewhere = Confirmation { tool: "another".into(), ..question.clone() };
    for (which, expected) in [
        (Which::GivenBy(olga.id), vec![of_olga.id]),
        (Which::GivenBy(piet.id), vec![of_piet.id]),
        (Which::GivenBy(Uuid::from_u128(9)), vec![]),
        (Which::ForUser("ada".into()), vec![of_olga.id]),
        (Which::ForUser("eve".into()), vec![of_piet.id]),
        (Which::ForUser("zed".into()), vec![]),
        (Which::ContradictedBy(Box::new(question)), vec![of_olga.id]),
        (Which::ContradictedBy(Box::new(elsewhere)), vec![]),
    ] {
        let ends = EndGrants { how: Ended::Removed, by: Some(olga.id), which };
        let found = ended(vec![of_olga.clone(), of_piet.clone()], &ends, now());
        let ids: Vec<_> = found
            .iter()
            .map(|write| match write {
                Write::GrantEnd(of, end) if (end.how, end.by) == (Ended::Removed, Some(olga.id)) => of.id,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ids, expected, "{ends:?}");
    }
}
