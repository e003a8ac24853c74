//! Who may invite, enrol, link and remove whom.

use super::*;
use crate::model::{Enrolment, Invitation, MOST_PASSKEYS, Means, Passkey, Session};
use crate::store::rules::people::{answering, enroll, invite, is_open, link, remove, sign_in};
use crate::store::{AnswerSubmission, StoreError};
use crate::webauthn::tests::authenticator::SoftKey;

fn passkey(count: u32) -> Passkey {
    let mut credential = SoftKey::new().enrolled();
    credential.count = count;
    Passkey { relying_party: "localhost".into(), credential }
}

fn invitation(name: &str, by: Option<Uuid>, adds_to: Option<Uuid>) -> Invitation {
    let user = adds_to.is_none().then(|| name.to_owned());
    let (id, code, expires_at) = (Uuid::from_u128(50), Digest::of_bytes(b"code"), later(now()));
    Invitation { id, name: name.into(), user, by, adds_to, code, expires_at }
}

fn is_refused<T: std::fmt::Debug>(found: &Result<T, StoreError>) -> bool {
    match found {
        Ok(_) => false,
        Err(StoreError::NotEnrolled(_)) => true,
        Err(other) => panic!("{other:?}"),
    }
}

/// Who invites, whom, and whether anybody was ever enrolled.
#[test]
fn only_the_first_is_invited_by_nobody() {
    let (olga, piet) = (operator(1, "olga"), operator(2, "piet"));
    for (enrolled, is_fresh) in
        [(vec![], true), (vec![], false), (vec![olga.clone()], false), (vec![olga.clone(), piet.clone()], false)]
    {
        for by in [None, Some(olga.id), Some(Uuid::from_u128(9))] {
            for (name, adds_to) in [
                ("zed", None),
                ("olga", None),
                ("olga", Some(olga.id)),
                ("olga", Some(piet.id)),
                ("zed", Some(olga.id)),
            ] {
                let has = |id| enrolled.iter().any(|operator: &Operator| operator.id == id);
                let may = by.map_or(is_fresh, has);
                let fits = match adds_to {
                    None => name == "zed" || !has(olga.id),
                    Some(to) => name == "olga" && to == olga.id && has(to),
                };
                let found = invite(invitation(name, by, adds_to), &enrolled, is_fresh);
                let case = format!("{name} by {by:?} for {adds_to:?} among {enrolled:?}");
                assert_eq!(is_refused(&found), !(may && fits), "{case}: {found:?}");
                let Ok(found) = found else { continue };
                assert_eq!(recorded(&found), ["invited"], "{case}");
                assert_eq!(found.writes.contains(&Write::FirstInvitationsVoid), by.is_none(), "{case}");
            }
        }
    }
    let linking = Invitation { user: Some("olga".into()), ..invitation("olga", Some(olga.id), Some(olga.id)) };
    assert!(is_refused(&invite(linking, std::slice::from_ref(&olga), false)), "another passkey links nobody");
    let full = Operator { passkeys: vec![passkey(0); MOST_PASSKEYS], ..olga.clone() };
    assert!(is_refused(&invite(invitation("olga", Some(olga.id), Some(olga.id)), &[full], false)));
}

#[test]
fn nobody_is_enrolled_but_as_they_were_invited() {
    let (olga, zed) = (operator(1, "olga"), operator(3, "zed"));
    let among = [olga.clone()];
    let new = |operator: &Operator, code: Option<Digest>| Enrolment::New {
        invitation: Uuid::from_u128(50),
        operator: operator.clone(),
        code,
    };
    let code = Some(Digest::of_bytes(b"zed's"));
    let good = || Some(invitation("zed", Some(olga.id), None));
    let found = enroll(new(&zed, code), good(), &among, false, now()).unwrap();
    assert_eq!(recorded(&found), ["enrolled"]);
    assert_eq!(found.writes[0], Write::Operator(Box::new(zed.clone()), code));
    assert!(found.writes.contains(&Write::InvitationUsed(Uuid::from_u128(50))));
    let first = enroll(new(&zed, code), Some(invitation("zed", None, None)), &[], true, now());
    first.expect("the first needs nobody");

    let gone = Some(Uuid::from_u128(9));
    for (n, (operator, code, invited, is_fresh)) in [
        (zed.clone(), code, None, false),
        (zed.clone(), code, Some(Invitation { expires_at: now() - HOUR, ..good().unwrap() }), false),
        (zed.clone(), code, Some(invitation("zed", gone, None)), false),
        (zed.clone(), code, Some(invitation("zed", None, None)), false),
        (zed.clone(), code, Some(invitation("zed", Some(olga.id), Some(olga.id))), false),
        (zed.clone(), None, good(), false),
        (Operator { name: "zoe".into(), ..zed.clone() }, code, good(), false),
        (Operator { user: Some("zoe".into()), ..zed.clone() }, code, good(), false),
        (Operator { user: None, ..zed.clone() }, code, good(), false),
        (operator(4, "olga"), code, Some(invitation("olga", Some(olga.id), None)), false),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(is_refused(&enroll(new(&operator, code), invited, &among, is_fresh, now())), "case {n}");
    }

    let another_key = |operator| Enrolment::Another { invitation: Uuid::from_u128(50), operator, passkey: passkey(0) };
    let adds = |to: Uuid| Some(invitation("olga", Some(olga.id), Some(to)));
    let found = enroll(another_key(olga.id), adds(olga.id), &among, false, now()).unwrap();
    assert_eq!(recorded(&found), ["enrolled"]);
    assert!(matches!(found.writes[0], Write::NewPasskey(of, _) if of == olga.id));
    let full = [Operator { passkeys: vec![passkey(0); MOST_PASSKEYS], ..olga.clone() }];
    assert!(is_refused(&enroll(another_key(olga.id), adds(olga.id), &full, false, now())));
    assert!(is_refused(&enroll(another_key(zed.id), adds(zed.id), &among, false, now())), "who is enrolled");
    assert!(is_refused(&enroll(another_key(olga.id), adds(zed.id), &among, false, now())));
    assert!(is_refused(&enroll(another_key(olga.id), good(), &among, false, now())));
}

#[test]
fn people_are_told_apart_by_names_and_users() {
    let olga = Operator { user: Some("ovg".into()), ..operator(1, "olga") };
    for (name, user, is_apart) in [
        ("zed", Some("zed"), true),
        ("zed", None, true),
        ("olga", None, false),
        ("Olga", None, false),
        ("o.l.g.a", None, false),
        ("оlga", None, false),
        ("ovg", None, false),
        ("OVG", None, false),
        ("zed", Some("ovg"), false),
        ("zed", Some("O-V-G"), false),
        ("zed", Some("olga"), false),
    ] {
        let invited = Invitation { user: user.map(Into::into), ..invitation(name, Some(olga.id), None) };
        let found = invite(invited, std::slice::from_ref(&olga), false);
        assert_eq!(is_refused(&found), !is_apart, "{name} {user:?}");
    }
}

#[test]
fn a_link_is_made_once() {
    let (olga, nobody) = (operator(1, "olga"), Operator { user: None, ..operator(2, "piet") });
    let among = [olga.clone(), nobody.clone()];
    let found = link(nobody.id, "piet".into(), &among).unwrap();
    assert_eq!(recorded(&found), ["linked"]);
    assert_eq!(found.writes[0], Write::Linked(nobody.id, "piet".into()));
    for (who, user) in [(olga.id, "zed"), (nobody.id, "olga"), (nobody.id, "OLGA"), (Uuid::from_u128(9), "zed")] {
        assert!(is_refused(&link(who, user.into(), &among)), "{user}");
    }
}

#[test]
fn the_last_one_stays() {
    let (olga, piet, gone) = (operator(1, "olga"), operator(2, "piet"), Uuid::from_u128(9));
    let both = [olga.clone(), piet.clone()];
    for (who, by, among, is_removed) in [
        (olga.id, None, &both[..], true),
        (olga.id, Some(piet.id), &both, true),
        (olga.id, Some(olga.id), &both, true),
        (olga.id, Some(gone), &both, false),
        (gone, None, &both, false),
        (olga.id, None, &both[..1], false),
        (olga.id, Some(olga.id), &both[..1], false),
        (olga.id, None, &[], false),
    ] {
        let found = remove(who, by, among, now());
        assert_eq!(is_refused(&found), !is_removed, "{who} by {by:?} among {}", among.len());
        let Ok(found) = found else { continue };
        assert_eq!(recorded(&found), ["removed"]);
        assert!(found.writes.iter().any(|write| matches!(write, Write::GrantEnds(_))));
    }
}

#[test]
fn a_counter_only_goes_on() {
    let mut key = SoftKey::new();
    let (enrolled, question) = (key.enrolled(), asked());
    for (known, new, counts) in
        [(0, 0, true), (0, 1, true), (1, 0, false), (1, 1, false), (1, 2, true), (7, 6, false), (7, u32::MAX, true)]
    {
        let mut own = Passkey { relying_party: "localhost".into(), credential: enrolled.clone() };
        own.credential.count = known;
        let olga = Operator { passkeys: vec![own.clone()], ..operator(1, "olga") };
        let moved = Passkey { credential: crate::webauthn::Enrolled { count: new, ..own.credential.clone() }, ..own };
        let expected = Write::Passkey(olga.id, Box::new(moved.clone()));
        let among = std::slice::from_ref(&olga);

        let given = AnswerSubmission::by("olga".into(), question.id, accept(), Channel::Page, None);
        let signed = Some((key.sign(question.call.as_bytes(), new), new));
        let found = answering(&AnswerSubmission { operator: Some(olga.id), signed, ..given }, among);
        let (opened_at, expires_at) = (now(), later(now()));
        let means = Means::Passkey { id: moved.id() };
        let session = Session { token: another(), operator: olga.id, means, opened_at, expires_at };
        let in_ = sign_in(&session, Some(new), among);
        for found in [found, in_] {
            assert_eq!(is_refused(&found), !counts, "{known} and then {new}");
            if counts {
                assert_eq!(found.unwrap(), Some(expected.clone()));
            }
        }
        assert_eq!(sign_in(&Session { means: Means::Code, ..session.clone() }, None, among).unwrap(), None);
        assert!(is_refused(&sign_in(&session, Some(new), &[])), "who is not enrolled");
        let other = Session { means: Means::Passkey { id: "another".into() }, ..session };
        assert!(is_refused(&sign_in(&other, Some(new), among)), "nor is the passkey");
    }
}

#[test]
fn a_session_is_open_in_its_time_and_by_its_token() {
    let at = now();
    let session = Session {
        token: another(),
        operator: Uuid::from_u128(1),
        means: Means::Code,
        opened_at: at,
        expires_at: later(at),
    };
    for (token, at, expected) in [
        (another(), at, true),
        (another(), later(at), false),
        (another(), at - HOUR, false),
        (Digest::of_bytes(b"other"), at, false),
    ] {
        assert_eq!(is_open(&session, token, at), expected);
    }
}
