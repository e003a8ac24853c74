use serde_json::json;

use super::super::*;
use super::authenticator::*;

fn changed(change: impl FnOnce(&mut Ceremony)) -> Result<Seen, Wrong> {
    let mut ceremony = Ceremony::get(Pair::es256());
    change(&mut ceremony);
    ceremony.verify(0)
}

#[test]
fn an_enrolled_credential_of_every_algorithm_answers() {
    for pair in Pair::each() {
        let new = Ceremony::create(pair);
        let enrolled = new.enrol().unwrap();
        let known = Known { key: &enrolled.key, count: enrolled.count, backup_eligible: enrolled.backup_eligible };
        let answer = Ceremony::get(new.pair).answer();
        assert_eq!(answer.credential, enrolled.credential);
        assert_eq!(verify(&rp(), &CHALLENGE, known, &answer), Ok(Seen { count: 0, backed_up: false }));
    }
}

#[test]
fn every_step_that_fails_refuses() {
    assert_eq!(changed(|c| c.client["type"] = "webauthn.create".into()), Err(Wrong::Type("webauthn.get")));
    assert_eq!(changed(|c| c.client["challenge"] = "CAgI".into()), Err(Wrong::Challenge));
    assert_eq!(changed(|c| c.client["origin"] = "https://localhost:7420".into()), Err(Wrong::Origin));
    assert_eq!(changed(|c| c.client["crossOrigin"] = true.into()), Err(Wrong::CrossOrigin));
    assert_eq!(changed(|c| c.client["topOrigin"] = "https://evil.example".into()), Err(Wrong::CrossOrigin));
    assert_eq!(changed(|c| c.rp_id = "Localhost".into()), Err(Wrong::RelyingParty));
    assert_eq!(changed(|c| c.flags = UV), Err(Wrong::NotPresent));
    assert_eq!(changed(|c| c.flags = UP), Err(Wrong::NotVerified));
    assert!(matches!(changed(|c| c.flags |= BS), Err(Wrong::Backup(_))));
    assert_eq!(changed(|c| c.flags |= AT), Err(Wrong::Malformed("an answer brings no new credential")));
    assert_eq!(changed(|_| {}), Ok(Seen { count: 0, backed_up: false }), "without a lie");
}

#[test]
fn only_the_enrolled_key_answers() {
    for pair in Pair::each() {
        let ceremony = Ceremony::get(pair);
        for other in [Pair::es256().key(), Pair::ed25519().key()] {
            let known = Known { key: &other, count: 0, backup_eligible: false };
            assert_eq!(verify(&rp(), &CHALLENGE, known, &ceremony.answer()), Err(Wrong::Signature));
            assert_eq!(verify_offline("localhost", &CHALLENGE, &other, &ceremony.answer()), Err(Wrong::Signature));
        }
    }
}

#[test]
fn an_answer_is_to_one_challenge() {
    let ceremony = Ceremony::get(Pair::es256());
    let key = ceremony.pair.key();
    let known = Known { key: &key, count: 0, backup_eligible: false };
    for at in 0..32 {
        let mut other = CHALLENGE;
        other[at] ^= 1;
        assert_eq!(verify(&rp(), &other, known, &ceremony.answer()), Err(Wrong::Challenge));
        assert_eq!(verify_offline("localhost", &other, &key, &ceremony.answer()), Err(Wrong::Challenge));
    }
}

#[test]
fn the_counter_goes_up_or_is_not_there() {
    let with = |count: u32, known: u32| {
        let mut ceremony = Ceremony::get(Pair::ed25519());
        ceremony.count = count;
        ceremony.verify(known).map(|seen| seen.count)
    };
    assert_eq!(with(0, 0), Ok(0));
    assert_eq!(with(1, 0), Ok(1));
    assert_eq!(with(u32::MAX, u32::MAX - 1), Ok(u32::MAX));
    for (count, known) in [(0, 1), (1, 1), (4, 5), (u32::MAX, u32::MAX)] {
        assert_eq!(with(count, known), Err(Wrong::CounterWentBack), "{count} after {known}");
    }
}

#[test]
fn whether_a_key_may_leave_its_device_does_not_change() {
    let mut ceremony = Ceremony::get(Pair::es256());
    let key = ceremony.pair.key();
    ceremony.flags |= BE | BS;
    let known = Known { key: &key, count: 0, backup_eligible: true };
    let seen = verify(&rp(), &CHALLENGE, known, &ceremony.answer());
    assert_eq!(seen, Ok(Seen { count: 0, backed_up: true }));
    let bound = Known { backup_eligible: false, ..known };
    assert!(matches!(verify(&rp(), &CHALLENGE, bound, &ceremony.answer()), Err(Wrong::Backup(_))));
    ceremony.flags = UP | UV;
    assert!(matches!(verify(&rp(), &CHALLENGE, known, &ceremony.answer()), Err(Wrong::Backup(_))));
}

#[test]
fn extensions_are_well_formed_or_refused() {
    let with = |after: &[u8], flag: u8| {
        changed(|c| {
            c.flags |= flag;
            c.after = after.to_vec();
        })
    };
    // {"credProtect": 2}, and the same of indefinite length.
    assert!(with(b"\xa1\x6bcredProtect\x02", ED).is_ok());
    assert!(with(b"\xbf\x6bcredProtect\x02\xff", ED).is_ok());
    for (after, flag) in [
        (&b"\xa1\x6bcredProtect\x02"[..], 0),
        (b"", ED),
        (b"\xa1\x6bcredProtect", ED),
        (b"\xa1\x6bcredProtect\x02\x00", ED),
        (b"\xa2\x61a\x01\x61a\x02", ED),
        (b"\x80", ED),
        (b"\x02", ED),
    ] {
        assert!(matches!(with(after, flag), Err(Wrong::Malformed(_))), "{after:?}");
    }
}

#[test]
fn offline_the_origin_and_the_counter_are_told() {
    let mut ceremony = Ceremony::get(Pair::rs256());
    ceremony.client["origin"] = "https://elsewhere.example".into();
    ceremony.count = 7;
    ceremony.flags |= BE;
    let key = ceremony.pair.key();
    let seen = verify_offline("localhost", &CHALLENGE, &key, &ceremony.answer()).unwrap();
    let origin = "https://elsewhere.example".into();
    assert_eq!(seen, SeenOffline { origin, count: 7, backup_eligible: true, backed_up: false });
    assert_eq!(verify_offline("other", &CHALLENGE, &key, &ceremony.answer()), Err(Wrong::RelyingParty));
    ceremony.flags = UP;
    assert_eq!(verify_offline("localhost", &CHALLENGE, &key, &ceremony.answer()), Err(Wrong::NotVerified));
    ceremony.flags |= UV;
    for origin in ["a b", "http://ex\u{e4}mple", "http://\u{202e}", "\n", &"x".repeat(301)] {
        ceremony.client["origin"] = origin.into();
        let seen = verify_offline("localhost", &CHALLENGE, &key, &ceremony.answer());
        assert!(matches!(seen, Err(Wrong::Malformed(_))), "{origin}");
    }
}

#[test]
fn client_data_may_say_more_but_nothing_twice() {
    let told = |text: &str| {
        let ceremony = Ceremony::get(Pair::ed25519());
        let key = ceremony.pair.key();
        let mut answer = ceremony.answer();
        let signed = [ceremony.authenticator_data(), sha256(text.as_bytes()).to_vec()].concat();
        answer.client_data_json = Base64Url::new(text.as_bytes()).unwrap();
        answer.signature = Base64Url::new(ceremony.pair.sign(&signed)).unwrap();
        verify(&rp(), &CHALLENGE, Known { key: &key, count: 0, backup_eligible: false }, &answer)
    };
    let good = String::from_utf8(Ceremony::get(Pair::ed25519()).client_data()).unwrap();
    let with = |more: &str| good.replacen('{', &format!("{{{more},"), 1);
    assert!(told(&good).is_ok());
    assert!(told(&format!("\u{feff} {good}\n")).is_ok(), "a byte order mark is no part of the text");
    assert!(told(&with(r#""other_keys_can_be_added_here":{"a":[1]},"tokenBinding":null"#)).is_ok());
    assert!(told(&good.replace(r#","crossOrigin":false"#, "")).is_ok());
    for twice in [r#""type":"webauthn.get""#, r#""challenge":"""#, r#""origin":"""#, r#""crossOrigin":false"#] {
        assert!(matches!(told(&with(twice)), Err(Wrong::Malformed(_))), "{twice}");
    }
    let escaped = with(r#""ty\u0070e":"webauthn.create""#);
    assert!(matches!(told(&escaped), Err(Wrong::Malformed(_))), "the same name in other letters");
    assert_eq!(told(&with(r#""topOrigin":null"#)), Err(Wrong::CrossOrigin));
    let members = json!(["webauthn.get", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc", ORIGIN, false]).to_string();
    let null = good.replace("false", "null");
    for strange in [members.as_str(), "", "{}", "null", &null, &format!("{good}x"), &format!("{good}{good}")] {
        assert!(matches!(told(strange), Err(Wrong::Malformed(_))), "{strange}");
    }
}
