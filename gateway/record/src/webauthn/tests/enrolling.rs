use ciborium::{Value, cbor};
use uuid::uuid;

use super::super::*;
use super::authenticator::*;

fn none() -> Value {
    Value::Map(vec![])
}

/// Registers with a certificate of this leaf, signed with the attestation key.
fn certified(leaf: impl FnOnce(&mut Leaf)) -> Result<Enrolled, Wrong> {
    let (ceremony, attestation) = (Ceremony::create(Pair::es256()), Pair::es256());
    let mut certificate = Leaf::of(&attestation);
    leaf(&mut certificate);
    let signature = attestation.sign(&ceremony.signed());
    ceremony.register("packed", &packed(-7, signature, Some(vec![certificate.der()])))
}

fn changed(change: impl FnOnce(&mut Ceremony)) -> Result<Enrolled, Wrong> {
    let mut ceremony = Ceremony::create(Pair::es256());
    change(&mut ceremony);
    ceremony.enrol()
}

#[test]
fn a_credential_of_every_algorithm_is_enrolled() {
    for pair in Pair::each() {
        let mut ceremony = Ceremony::create(pair);
        ceremony.count = 0x0102_0304;
        let enrolled = ceremony.enrol().unwrap();
        let expected = Enrolled {
            credential: CredentialId::new(&[9; 32]).unwrap(),
            key: ceremony.pair.key(),
            count: 0x0102_0304,
            aaguid: uuid!("03030303-0303-0303-0303-030303030303"),
            backup_eligible: false,
            backed_up: false,
            attestation: Attestation::None,
        };
        assert_eq!(enrolled, expected);
        assert_eq!(enrolled.key.algorithm(), ceremony.pair.algorithm());
        assert!(ALGORITHMS.contains(&enrolled.key.algorithm()));

        let itself = ceremony.register("packed", &ceremony.self_attested()).unwrap();
        assert_eq!(itself, Enrolled { attestation: Attestation::SelfSigned, ..expected });
    }
}

#[test]
fn the_signature_of_self_attestation_must_be_the_keys_own() {
    for pair in Pair::each() {
        let ceremony = Ceremony::create(pair);
        let algorithm = ceremony.pair.algorithm();
        let broken = Err(Wrong::Attestation("its signature does not fit"));
        let other = packed(algorithm, Pair::es256().sign(&ceremony.signed()), None);
        assert_eq!(ceremony.register("packed", &other), broken);
        let elsewhere = packed(algorithm, ceremony.pair.sign(b"something else"), None);
        assert_eq!(ceremony.register("packed", &elsewhere), broken);
        let claimed = packed(-35, ceremony.pair.sign(&ceremony.signed()), None);
        let wrong = Err(Wrong::Attestation("it is for another algorithm than the key"));
        assert_eq!(ceremony.register("packed", &claimed), wrong);
    }
}

#[test]
fn backup_flags_are_told_and_must_not_contradict_each_other() {
    let eligible = changed(|c| c.flags |= BE).unwrap();
    assert!((eligible.backup_eligible, eligible.backed_up) == (true, false) && !eligible.is_bound_to_device());
    let synced = changed(|c| c.flags |= BE | BS).unwrap();
    assert!((synced.backup_eligible, synced.backed_up) == (true, true) && !synced.is_bound_to_device());
    assert!(matches!(changed(|c| c.flags |= BS), Err(Wrong::Backup(_))));
    assert!(changed(|_| {}).unwrap().is_bound_to_device());
}

#[test]
fn every_step_that_fails_refuses() {
    assert_eq!(changed(|c| c.client["type"] = "webauthn.get".into()), Err(Wrong::Type("webauthn.create")));
    assert_eq!(changed(|c| c.client["challenge"] = "Bwc".into()), Err(Wrong::Challenge));
    assert_eq!(changed(|c| c.client["origin"] = "http://localhost:7421".into()), Err(Wrong::Origin));
    assert_eq!(changed(|c| c.client["origin"] = format!("{ORIGIN}/").into()), Err(Wrong::Origin));
    assert_eq!(changed(|c| c.client["crossOrigin"] = true.into()), Err(Wrong::CrossOrigin));
    assert_eq!(changed(|c| c.client["topOrigin"] = ORIGIN.into()), Err(Wrong::CrossOrigin));
    assert_eq!(changed(|c| c.rp_id = "evil.example".into()), Err(Wrong::RelyingParty));
    assert_eq!(changed(|c| c.flags &= !UP), Err(Wrong::NotPresent));
    assert_eq!(changed(|c| c.flags &= !UV), Err(Wrong::NotVerified));
    assert_eq!(changed(|c| c.flags &= !AT), Err(Wrong::Malformed("there is no credential in it")));
    assert!(matches!(changed(|c| c.credential = vec![9; 15]), Err(Wrong::Malformed(_))));
    assert!(matches!(changed(|c| c.credential = vec![9; 1024]), Err(Wrong::TooLong(_))));
    assert!(matches!(changed(|c| c.after = vec![0]), Err(Wrong::Malformed(_))));
    // ES384, and an algorithm nobody knows.
    assert_eq!(changed(|c| c.cose = cbor!({1 => 2, 3 => -35, -1 => 2}).unwrap()), Err(Wrong::Algorithm));
    assert_eq!(changed(|c| c.cose = cbor!({1 => 2, 3 => i64::MIN}).unwrap()), Err(Wrong::Algorithm));
}

#[test]
fn ids_of_any_allowed_length_and_both_origins_are_taken() {
    for length in [16, 1023] {
        let enrolled = changed(|c| c.credential = vec![1; length]).unwrap();
        assert_eq!(enrolled.credential.as_bytes().len(), length);
    }
    assert!(changed(|c| c.client["origin"] = "http://127.0.0.1:7420".into()).is_ok());
}

#[test]
fn a_certificate_names_its_issuer_and_proves_no_more() {
    let enrolled = certified(|_| {}).unwrap();
    assert_eq!(enrolled.attestation, Attestation::Certified { issuer: "CN=Keys Root".into() });
    assert_eq!(enrolled.kept(), Kept::Claimed);

    let lying = certified(|leaf| leaf.issuer = "Ke\u{202e}ys\n\u{200b}Root").unwrap();
    assert_eq!(lying.attestation, Attestation::Certified { issuer: "CN=Ke\\u{202e}ys\\0a\\u{200b}Root".into() });
    let Attestation::Certified { issuer } =
        certified(|leaf| leaf.issuer = Box::leak("x".repeat(500).into_boxed_str())).unwrap().attestation
    else {
        panic!("it is certified");
    };
    assert_eq!(issuer.len(), 200);
    assert!(certified(|leaf| leaf.aaguid = None).is_ok(), "the model need not be named");
}

#[test]
fn certificates_with_keys_of_every_algorithm_are_verified() {
    for attestation in Pair::each() {
        let ceremony = Ceremony::create(Pair::es256());
        let certificates = Some(vec![Leaf::of(&attestation).der()]);
        let statement = packed(attestation.algorithm(), attestation.sign(&ceremony.signed()), certificates.clone());
        let enrolled = ceremony.register("packed", &statement).unwrap();
        assert!(matches!(enrolled.attestation, Attestation::Certified { .. }));
        assert_eq!(enrolled.key, ceremony.pair.key());

        let forged = packed(attestation.algorithm(), ceremony.pair.sign(&ceremony.signed()), certificates.clone());
        let wrong = Err(Wrong::Attestation("its signature does not fit"));
        assert_eq!(ceremony.register("packed", &forged), wrong);
        let mixed = packed(-35, attestation.sign(&ceremony.signed()), certificates);
        let wrong = Err(Wrong::Attestation("it is for another algorithm than its certificate"));
        assert_eq!(ceremony.register("packed", &mixed), wrong);
    }
}

#[test]
fn a_certificate_that_is_no_authenticators_is_refused() {
    let changes: [fn(&mut Leaf); 14] = [
        |leaf| leaf.version = 1,
        |leaf| leaf.country = "SWE",
        |leaf| leaf.country = "5E",
        |leaf| leaf.organisation = "",
        |leaf| leaf.unit = "Authenticator attestation",
        |leaf| leaf.name = "",
        |leaf| leaf.constraints = None,
        |leaf| leaf.constraints = Some(der(1, &[0xff])),
        |leaf| leaf.constraints = Some(vec![1, 1]),
        |leaf| leaf.aaguid = Some(der(4, &[4; 16])),
        |leaf| leaf.aaguid = Some(vec![3; 16]),
        |leaf| leaf.aaguid_is_critical = true,
        |leaf| leaf.key = info(&[oid(&EC), oid(&P256)].concat(), &[2; 33]),
        |leaf| leaf.key = info(&oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]), &der(0x30, &[])),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert!(matches!(certified(change), Err(Wrong::Attestation(_))), "change {at}");
    }
    let off_curve = |leaf: &mut Leaf| leaf.key = info(&[oid(&EC), oid(&P256)].concat(), &[4; 65]);
    assert_eq!(certified(off_curve), Err(Wrong::Key("it is no point of P-256")));

    let ceremony = Ceremony::create(Pair::es256());
    let mut extended = Leaf::of(&ceremony.pair).der();
    extended.push(0);
    for certificate in [vec![], vec![0x30, 0x80], extended] {
        let statement = packed(-7, vec![], Some(vec![certificate]));
        assert_eq!(ceremony.register("packed", &statement), Err(Wrong::Attestation("its certificate cannot be read")));
    }
    let empty = ceremony.register("packed", &packed(-7, vec![], Some(vec![])));
    assert!(matches!(empty, Err(Wrong::Malformed(_))));
}

#[test]
fn what_cannot_be_verified_is_taken_as_unverified() {
    let p384 = [0x2b, 0x81, 4, 0, 0x22];
    let strange = [[oid(&EC), oid(&p384)].concat(), oid(&[0x2b, 0x65, 0x71])];
    for algorithm in strange {
        let enrolled = certified(|leaf| leaf.key = info(&algorithm, &[4; 97])).unwrap();
        assert_eq!(enrolled.attestation, Attestation::Unverified { format: "packed".into() });
        assert_eq!(enrolled.kept(), Kept::Unknown);
    }
    let ceremony = Ceremony::create(Pair::rs256());
    let statement = cbor!({"ver" => "2.0", "x5c" => [[1, 2]], "deep" => {"er" => {}}}).unwrap();
    for format in ["tpm", "apple", "android-key", "fido-u2f", "com.example.$7"] {
        let enrolled = ceremony.register(format, &statement).unwrap();
        assert_eq!(enrolled.attestation, Attestation::Unverified { format: format.into() });
    }
    assert!(ceremony.register("compound", &cbor!([{"fmt" => "tpm"}, {}]).unwrap()).is_ok());
    for format in ["", "a b", "a\"b", "a\\b", "ä", "123456789012345678901234567890123"] {
        assert!(matches!(ceremony.register(format, &statement), Err(Wrong::Malformed(_))), "{format}");
    }
}

#[test]
fn statements_of_another_shape_are_refused() {
    let ceremony = Ceremony::create(Pair::es256());
    let wrong = Err(Wrong::Attestation("it says `none`, and more"));
    assert_eq!(ceremony.register("none", &cbor!({"alg" => -7}).unwrap()), wrong);
    assert_eq!(ceremony.register("none", &cbor!([]).unwrap()), wrong);
    let good = ceremony.self_attested().into_map().unwrap();
    for at in 0..good.len() {
        let mut missing = good.clone();
        missing.remove(at);
        assert!(matches!(ceremony.register("packed", &Value::Map(missing)), Err(Wrong::Malformed(_))));
        let mut strange = good.clone();
        strange[at].1 = "text".into();
        assert!(matches!(ceremony.register("packed", &Value::Map(strange)), Err(Wrong::Malformed(_))));
    }
    for (name, value) in [("ecdaaKeyId", Value::from(vec![1])), ("x5c", Value::Null), ("x5c", cbor!([1]).unwrap())] {
        let mut more = good.clone();
        more.push((name.into(), value));
        assert!(matches!(ceremony.register("packed", &Value::Map(more)), Err(Wrong::Malformed(_))), "{name}");
    }
    assert!(matches!(ceremony.register("packed", &cbor!([]).unwrap()), Err(Wrong::Malformed(_))));
}

#[test]
fn it_is_said_where_a_key_may_be_kept() {
    let virtual_one = changed(|c| c.aaguid = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    assert_eq!(virtual_one.kept(), Kept::Software);
    assert_eq!(Enrolled { attestation: Attestation::SelfSigned, ..virtual_one.clone() }.kept(), Kept::Software);
    let certified = Attestation::Certified { issuer: "CN=Keys Root".into() };
    assert_eq!(Enrolled { attestation: certified, ..virtual_one }.kept(), Kept::Software);
    assert_eq!(changed(|c| c.aaguid = [0; 16]).unwrap().kept(), Kept::Unknown);
    assert_eq!(Kept::Unknown.to_string(), "cannot be told apart from a software key");
}

#[test]
fn an_attestation_object_is_exactly_one() {
    let ceremony = Ceremony::create(Pair::es256());
    let (client, object) = (ceremony.client_data(), ceremony.object("none", &none()));
    let read = |object: &[u8]| register(&rp(), &CHALLENGE, &client, object);
    assert!(read(&object).is_ok());
    let malformed = Err(Wrong::Malformed("the attestation object is none"));
    assert_eq!(read(&[object.as_slice(), &[0]].concat()), malformed);
    for cut in 0..object.len() {
        assert!(matches!(read(&object[..cut]), Err(Wrong::Malformed(_))), "cut at {cut}");
    }
    let data = Value::from(ceremony.authenticator_data());
    let more = cbor!({"fmt" => "none", "attStmt" => {}, "authData" => data, "epAtt" => true}).unwrap();
    assert_eq!(read(&bytes(&more)), malformed);
    assert_eq!(read(&bytes(&cbor!({"fmt" => "none", "authData" => data}).unwrap())), malformed);
    assert_eq!(read(&vec![0; ATTESTATION_OBJECT_BYTES + 1]), Err(Wrong::TooLong("the attestation object")));
}
