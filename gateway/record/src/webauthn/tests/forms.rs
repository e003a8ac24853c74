//! What is written and read: JSON, base64url, COSE and CBOR, and what is refused of each.

use ciborium::{Value, cbor};
use proptest::prelude::*;
use serde_json::json;

use super::super::cbor::{first_map, map};
use super::super::*;
use super::authenticator::*;

fn read(key: &Value) -> Result<PublicKey, Wrong> {
    PublicKey::from_cose(map(&bytes(key), "no map")?)
}

/// The key with this parameter as given, or without it.
fn with(pair: &Pair, parameter: i64, value: Option<Value>) -> Result<PublicKey, Wrong> {
    let mut members = pair.cose().into_map().unwrap();
    members.retain(|(key, _)| *key != Value::from(parameter));
    members.extend(value.map(|value| (parameter.into(), value)));
    read(&Value::Map(members))
}

#[test]
fn keys_are_written_in_json_as_they_are_read() {
    let forms = [("ES256", vec!["x", "y"]), ("EdDSA", vec!["x"]), ("RS256", vec!["n", "e"])];
    for (pair, (name, members)) in Pair::each().iter().zip(forms) {
        let written = serde_json::to_value(pair.key()).unwrap();
        assert_eq!(written["alg"], name);
        assert_eq!(written.as_object().unwrap().len(), members.len() + 1);
        assert_eq!(serde_json::from_value::<PublicKey>(written.clone()).unwrap(), pair.key());
        for member in members {
            let mut without = written.clone();
            without.as_object_mut().unwrap().remove(member);
            assert!(serde_json::from_value::<PublicKey>(without).is_err(), "{name} without {member}");
            for strange in [json!(""), json!("AA"), json!("AA=="), json!(7), json!("A".repeat(2000))] {
                let mut other = written.clone();
                other[member] = strange.clone();
                // 0 is an even exponent and a short anything.
                assert!(serde_json::from_value::<PublicKey>(other).is_err(), "{name} with {member} = {strange}");
            }
        }
        let mut more = written.clone();
        more["d"] = "AA".into();
        assert!(serde_json::from_value::<PublicKey>(more).is_err());
    }
    let twice = r#"{"alg":"EdDSA","x":"AA","x":"AA"}"#;
    assert!(serde_json::from_str::<PublicKey>(twice).unwrap_err().to_string().contains("duplicate"));
}

#[test]
fn a_cose_key_has_its_parameters_and_no_others() {
    for pair in Pair::each() {
        assert_eq!(read(&pair.cose()), Ok(pair.key()));
        for (parameter, _) in pair.cose().into_map().unwrap() {
            let parameter: i64 = parameter.into_integer().unwrap().try_into().unwrap();
            assert!(matches!(with(&pair, parameter, None), Err(Wrong::Key(_))), "without {parameter}");
            for strange in [Value::Null, "text".into(), 77.into(), vec![2].into()] {
                let wrong = with(&pair, parameter, Some(strange));
                assert!(matches!(wrong, Err(Wrong::Key(_) | Wrong::Algorithm)), "strange {parameter}");
            }
        }
        assert!(matches!(with(&pair, 2, Some(vec![1].into())), Err(Wrong::Key(_))), "a key id is too much");
    }
    let (es256, rs256) = (Pair::es256(), Pair::rs256());
    assert_eq!(with(&es256, 3, Some((-35).into())), Err(Wrong::Algorithm));
    assert_eq!(with(&es256, 3, Some((-8).into())), Err(Wrong::Key("its type does not fit its algorithm")));
    assert_eq!(with(&rs256, 3, Some((-7).into())), Err(Wrong::Key("its type does not fit its algorithm")));
    assert_eq!(with(&es256, -1, Some(2.into())), Err(Wrong::Key("its curve does not fit its algorithm")));
    assert_eq!(with(&Pair::ed25519(), -1, Some(4.into())), Err(Wrong::Key("its curve does not fit its algorithm")));
    // y as one bit, which stands for a compressed point.
    assert!(matches!(with(&es256, -3, Some(true.into())), Err(Wrong::Key(_))));
}

#[test]
fn what_is_no_point_and_no_modulus_is_no_key() {
    let off_curve = Err(Wrong::Key("it is no point of P-256"));
    assert_eq!(PublicKey::es256(&[1; 32], &[1; 32]), off_curve);
    assert_eq!(PublicKey::es256(&[0; 32], &[0; 32]), off_curve);
    assert_eq!(PublicKey::es256(&[0xff; 32], &[0xff; 32]), off_curve);
    let public = Pair::es256().public();
    let (x, y) = public[1..].split_at(32);
    assert!(PublicKey::es256(x, y).is_ok());
    assert_eq!(PublicKey::es256(y, x), off_curve);
    assert!(matches!(PublicKey::es256(x, &y[..31]), Err(Wrong::Key(_))));
    assert!(matches!(PublicKey::es256(&[x, &[0]].concat(), y), Err(Wrong::Key(_))));

    // The neutral element, a point of order 2, and no point at all.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut order_2 = [0xff; 32];
    (order_2[0], order_2[31]) = (0xec, 0x7f);
    for x in [neutral, order_2, [2; 32]] {
        assert!(matches!(PublicKey::ed25519(&x), Err(Wrong::Key(_))), "{x:?}");
    }

    let modulus = |bytes: usize| vec![0xff; bytes];
    let exponent = [1, 0, 1];
    for n in [modulus(255), modulus(1025), vec![], vec![0; 256], [&[0], modulus(256).as_slice()].concat()] {
        assert!(matches!(PublicKey::rs256(&n, &exponent), Err(Wrong::Key(_))), "{} bytes", n.len());
    }
    let mut narrow = modulus(256);
    narrow[0] = 0x7f;
    assert!(matches!(PublicKey::rs256(&narrow, &exponent), Err(Wrong::Key(_))), "2047 bits");
    let even = [modulus(255).as_slice(), &[0xfe]].concat();
    assert!(matches!(PublicKey::rs256(&even, &exponent), Err(Wrong::Key(_))));
    for e in [&[][..], &[0], &[1], &[2], &[0, 3], &[1, 0, 0], &[2, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 1]] {
        assert!(matches!(PublicKey::rs256(&modulus(256), e), Err(Wrong::Key(_))), "{e:?}");
    }
    for e in [&[3][..], &[1, 0, 1], &[1, 0xff, 0xff, 0xff, 0xff]] {
        assert!(PublicKey::rs256(&modulus(256), e).is_ok(), "{e:?}");
    }
    assert!(PublicKey::rs256(&modulus(1024), &exponent).is_ok());
}

#[test]
fn an_answer_is_written_in_json_as_it_is_read() {
    let answer = Ceremony::get(Pair::es256()).answer();
    let written = serde_json::to_value(&answer).unwrap();
    assert_eq!(written["credential"], answer.credential.to_string());
    assert_eq!(serde_json::from_value::<Assertion>(written.clone()).unwrap(), answer);
    assert_eq!(written.as_object().unwrap().len(), 4);
    for (name, most) in [
        ("credential", 1023),
        ("authenticator_data", AUTHENTICATOR_DATA_BYTES),
        ("client_data_json", CLIENT_DATA_BYTES),
        ("signature", SIGNATURE_BYTES),
    ] {
        let of = |bytes: usize| {
            let mut other = written.clone();
            other[name] = Base64Url::<10_000>::new(vec![1; bytes]).unwrap().to_string().into();
            serde_json::from_value::<Assertion>(other)
        };
        assert!(of(most).is_ok(), "{name}");
        assert!(of(most + 1).unwrap_err().to_string().contains("more bytes than it may"), "{name}");
        let mut without = written.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(serde_json::from_value::<Assertion>(without).is_err(), "{name}");
    }
    let mut more = written;
    more["userHandle"] = "AA".into();
    assert!(serde_json::from_value::<Assertion>(more).is_err());
}

#[test]
fn base64url_has_one_form() {
    let id = CredentialId::new(&[0xfb; 16]).unwrap();
    assert_eq!(id.to_string(), "-_v7-_v7-_v7-_v7-_v7-w");
    assert_eq!("-_v7-_v7-_v7-_v7-_v7-w".parse(), Ok(id));
    for strange in
        ["-_v7-_v7-_v7-_v7-_v7-w==", "+/v7-_v7-_v7-_v7-_v7-w", "-_v7-_v7-_v7-_v7-_v7-x", "-_v7 -_v7-_v7-_v7-_v7-w"]
    {
        assert!(matches!(strange.parse::<CredentialId>(), Err(Wrong::Malformed(_))), "{strange}");
    }
    assert!(matches!("AA".parse::<CredentialId>(), Err(Wrong::Malformed(_))));
    assert!(matches!("A".repeat(1400).parse::<CredentialId>(), Err(Wrong::TooLong(_))));
    assert!(serde_json::from_value::<CredentialId>(json!("AA")).is_err());
}

#[test]
fn what_was_enrolled_is_written_in_json_as_it_is_read() {
    for attestation in [
        Attestation::None,
        Attestation::SelfSigned,
        Attestation::Certified { issuer: "CN=Keys Root".into() },
        Attestation::Unverified { format: "tpm".into() },
    ] {
        let enrolled = Enrolled { attestation, ..Ceremony::create(Pair::ed25519()).enrol().unwrap() };
        let text = serde_json::to_string(&enrolled).unwrap();
        assert_eq!(serde_json::from_str::<Enrolled>(&text).unwrap(), enrolled);
    }
}

#[test]
fn cbor_is_read_strictly() {
    // Other ways to write the same: longer numbers, indefinite lengths.
    for same in [&b"\xa1\x01\x02"[..], b"\xa1\x18\x01\x19\x00\x02", b"\xbf\x01\x02\xff"] {
        assert_eq!(map(same, "no map").unwrap().take(1), Some(2.into()), "{same:?}");
    }
    let deep = |levels: usize| [&b"\xa1\x01"[..], &vec![0x81; levels], &[0]].concat();
    let wide = |members: i64| bytes(&Value::Map((0..members).map(|key| (key.into(), Value::Null)).collect()));
    assert!(map(&deep(8), "no map").is_ok());
    assert!(map(&wide(64), "no map").is_ok());
    assert!(matches!(map(&wide(65), "no map"), Err(Wrong::TooLong(_))));
    for strange in [
        &b""[..],
        b"\x80",
        b"\xa1\x01",
        b"\xa1\x01\x02\x00",
        b"\xa2\x01\x02\x01\x03",
        b"\xa2\x01\x02\x18\x01\x03",
        b"\xa1\x01\xa2\x61a\x01\x61a\x01",
        b"\xa1\x81\x01\x02",
        b"\xa1\x41a\x02",
        b"\xa1\x01\xc1\x02",
        b"\xa1\x61\xff\x02",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x01\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        &deep(100),
        &deep(60_000),
    ] {
        let start = strange.get(..9).unwrap_or(strange);
        assert_eq!(map(strange, "no map"), Err(Wrong::Malformed("no map")), "{start:?}");
    }
}

fn item() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(-4_i64..9, inner, 0..6)
                .prop_map(|map| Value::Map(map.into_iter().map(|(key, value)| (key.into(), value)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_map_ends_where_it_ends(item in item(), rest in prop::collection::vec(any::<u8>(), 0..20)) {
        let whole = cbor!({1 => item}).unwrap();
        let written = [bytes(&whole), rest.clone()].concat();
        let (mut read, after) = first_map(&written, "no map").unwrap();
        prop_assert_eq!(read.take(1), Some(item));
        prop_assert!(read.is_empty());
        prop_assert_eq!(after, rest.as_slice());
    }

    #[test]
    fn any_statement_and_any_key_are_judged(statement in item(), key in item(), format in "(packed|none|tpm)") {
        let mut ceremony = Ceremony::create(Pair::ed25519());
        let object = register(&rp(), &CHALLENGE, &ceremony.client_data(), &ceremony.object(&format, &statement));
        let expected = match format.as_str() {
            "tpm" => true,
            "none" => statement == Value::Map(vec![]),
            _ => false,
        };
        prop_assert_eq!(object.is_ok(), expected, "{:?}", object);
        ceremony.cose = key;
        prop_assert!(ceremony.enrol().is_err());
    }
}
