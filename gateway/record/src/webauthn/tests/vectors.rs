//! The test vectors of the specification (Web Authentication Level 3, §16), for the algorithms we accept.

use serde::Deserialize;

use super::super::attestation::AttestationObject;
use super::super::authenticator_data::AuthenticatorData;
use super::super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    create_challenge: String,
    create_client_data: String,
    attestation_object: String,
    get_challenge: String,
    get_client_data: String,
    authenticator_data: String,
    signature: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn challenge(hex: &str) -> Challenge {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn example() -> RelyingParty {
    RelyingParty { id: "example.org".into(), origins: vec!["https://example.org".into()] }
}

impl Vector {
    fn register(&self) -> Result<Enrolled, Wrong> {
        let client = hex::decode(&self.create_client_data).unwrap();
        let object = hex::decode(&self.attestation_object).unwrap();
        register(&example(), &challenge(&self.create_challenge), &client, &object)
    }

    /// Key, attestation and whether it is backup eligible, without asking whether the person was verified.
    fn unasked(&self) -> (PublicKey, Attestation, bool) {
        let object = AttestationObject::read(&hex::decode(&self.attestation_object).unwrap()).unwrap();
        let data = AuthenticatorData::read(&object.authenticator_data).unwrap();
        let eligible = data.is_backup_eligible();
        let attested = data.attested.unwrap();
        let key = PublicKey::from_cose(attested.key.clone()).unwrap();
        let hash = sha256(&hex::decode(&self.create_client_data).unwrap());
        let signed = [object.authenticator_data.as_slice(), &hash].concat();
        let attestation = object.verify(&attested, &key, &signed).unwrap();
        (key, attestation, eligible)
    }

    fn answer(&self) -> Assertion {
        Assertion {
            credential: CredentialId::new(&[1; 16]).unwrap(),
            authenticator_data: Base64Url::new(hex::decode(&self.authenticator_data).unwrap()).unwrap(),
            client_data_json: Base64Url::new(hex::decode(&self.get_client_data).unwrap()).unwrap(),
            signature: Base64Url::new(hex::decode(&self.signature).unwrap()).unwrap(),
        }
    }
}

#[test]
fn the_signatures_of_the_specification_hold() {
    let root = "C=AA,OU=Authenticator Attestation CA,O=W3C,CN=WebAuthn test vectors";
    let mut algorithms = Vec::new();
    for vector in vectors() {
        let (key, attestation, _) = vector.unasked();
        match vector.name.split(' ').next_back().unwrap().split('.').next().unwrap() {
            "none" => assert_eq!(attestation, Attestation::None, "{}", vector.name),
            "packed-self" => assert_eq!(attestation, Attestation::SelfSigned),
            _ => assert_eq!(attestation, Attestation::Certified { issuer: root.into() }, "{}", vector.name),
        }
        let answer = vector.answer();
        let signed = [&*answer.authenticator_data, &sha256(&answer.client_data_json)].concat();
        assert_eq!(key.verify(&signed, &answer.signature), Ok(()), "{}", vector.name);
        assert_eq!(key.verify(&signed[1..], &answer.signature), Err(Wrong::Signature), "{}", vector.name);
        algorithms.push(key.algorithm());
    }
    assert!(ALGORITHMS.iter().all(|algorithm| algorithms.contains(algorithm)), "{algorithms:?}");
}

#[test]
fn the_ceremonies_of_the_specification_are_judged_by_our_demands() {
    // Those that verified the person, and within one page, hold; the others are refused for just that.
    let verdicts = vectors().into_iter().map(|vector| {
        let (key, _, backup_eligible) = vector.unasked();
        let known = Known { key: &key, count: 0, backup_eligible };
        let answered = verify(&example(), &challenge(&vector.get_challenge), known, &vector.answer());
        (vector.name.clone(), vector.register().err(), answered.err())
    });
    let (cross, unverified) = (Some(Wrong::CrossOrigin), Some(Wrong::NotVerified));
    let expected = [
        ("§16.2 none.ES256", unverified.clone(), unverified.clone()),
        ("§16.3 packed-self.ES256", None, unverified.clone()),
        ("§16.4 none.ES256.crossOrigin", cross.clone(), cross.clone()),
        ("§16.5 none.ES256.topOrigin", cross.clone(), cross),
        ("§16.7 packed.ES256", None, None),
        ("§16.10 packed.RS256", None, unverified.clone()),
        ("§16.11 packed.EdDSA", unverified.clone(), unverified),
    ];
    let expected = expected.map(|(name, created, answered)| (name.to_owned(), created, answered));
    assert_eq!(verdicts.collect::<Vec<_>>(), expected);
}
