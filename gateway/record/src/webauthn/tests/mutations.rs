//! Nothing that was signed can be changed, and nothing that comes in can make us fall over.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::*;
use super::authenticator::*;

/// The bytes with this one bit turned.
fn turned(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn no_bit_of_an_answer_can_be_turned() {
    for pair in Pair::each() {
        let mut ceremony = Ceremony::get(pair);
        ceremony.count = 5;
        let (key, answer) = (ceremony.pair.key(), ceremony.answer());
        let known = Known { key: &key, count: 4, backup_eligible: false };
        let judge = |answer: &Assertion| {
            let offline = verify_offline("localhost", &CHALLENGE, &key, answer);
            (verify(&rp(), &CHALLENGE, known, answer).is_ok(), offline.is_ok())
        };
        assert_eq!(judge(&answer), (true, true));
        for bit in 0..answer.authenticator_data.len() * 8 {
            let authenticator_data = Base64Url::new(turned(&answer.authenticator_data, bit)).unwrap();
            assert_eq!(judge(&Assertion { authenticator_data, ..answer.clone() }), (false, false), "data, bit {bit}");
        }
        for bit in 0..answer.client_data_json.len() * 8 {
            let client_data_json = Base64Url::new(turned(&answer.client_data_json, bit)).unwrap();
            assert_eq!(judge(&Assertion { client_data_json, ..answer.clone() }), (false, false), "client, bit {bit}");
        }
        for bit in 0..answer.signature.len() * 8 {
            let signature = Base64Url::new(turned(&answer.signature, bit)).unwrap();
            assert_eq!(judge(&Assertion { signature, ..answer.clone() }), (false, false), "signature, bit {bit}");
        }
    }
}

#[test]
fn no_bit_under_an_attestation_can_be_turned() {
    let ceremony = Ceremony::create(Pair::es256());
    let attestation = Pair::es256();
    let signature = attestation.sign(&ceremony.signed());
    let certified = packed(-7, signature, Some(vec![Leaf::of(&attestation).der()]));
    for statement in [ceremony.self_attested(), certified] {
        let (client, object) = (ceremony.client_data(), ceremony.object("packed", &statement));
        let data = ceremony.authenticator_data();
        let start = object.windows(data.len()).position(|window| window == data).unwrap();
        assert!(register(&rp(), &CHALLENGE, &client, &object).is_ok());
        for bit in start * 8..(start + data.len()) * 8 {
            let object = turned(&object, bit);
            assert!(register(&rp(), &CHALLENGE, &client, &object).is_err(), "bit {bit} of the object");
        }
        for bit in 0..client.len() * 8 {
            let client = turned(&client, bit);
            assert!(register(&rp(), &CHALLENGE, &client, &object).is_err(), "bit {bit} of the client data");
        }
    }
}

/// What somebody may do to bytes.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index),
    Repeat(Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        any::<Index>().prop_map(Edit::Cut),
        (any::<Index>(), 1..30_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ]
}

fn edited(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for edit in edits {
        let place = |at: &Index| at.index(bytes.len() + 1);
        match edit {
            Edit::Set(at, byte) => {
                let at = place(at);
                bytes.get_mut(at).into_iter().for_each(|old| *old = *byte);
            }
            Edit::Insert(at, more) => {
                let at = place(at);
                bytes.splice(at..at, more.iter().copied());
            }
            Edit::Cut(at) => bytes.truncate(place(at)),
            Edit::Repeat(at, length) => {
                let at = place(at);
                let end = bytes.len().min(at + length);
                bytes.extend_from_within(at..end);
            }
        }
    }
    bytes
}

proptest! {
    #[test]
    fn any_bytes_are_judged(client in prop::collection::vec(any::<u8>(), 0..300), object in prop::collection::vec(any::<u8>(), 0..600)) {
        let good = Ceremony::create(Pair::ed25519()).client_data();
        // Most stop at the client data: let some go on.
        for client in [&client, &good] {
            prop_assert!(register(&rp(), &CHALLENGE, client, &object).is_err());
        }
        let ceremony = Ceremony::get(Pair::ed25519());
        let (key, answer) = (ceremony.pair.key(), ceremony.answer());
        let known = Known { key: &key, count: 0, backup_eligible: false };
        let authenticator_data = Base64Url::new(object.clone()).unwrap();
        let client_data_json = Base64Url::new(client).unwrap();
        let signature = Base64Url::new(object).unwrap();
        for answer in [
            Assertion { authenticator_data, ..answer.clone() },
            Assertion { client_data_json, ..answer.clone() },
            Assertion { signature, ..answer },
        ] {
            let verdict = verify(&rp(), &CHALLENGE, known, &answer);
            prop_assert!(verdict.is_err(), "{:?}", answer);
        }
    }

    #[test]
    fn an_edited_answer_is_no_answer(data in prop::collection::vec(edit(), 0..4), client in prop::collection::vec(edit(), 0..4), signature in prop::collection::vec(edit(), 0..4)) {
        let ceremony = Ceremony::get(Pair::ed25519());
        let (key, answer) = (ceremony.pair.key(), ceremony.answer());
        let changed = Assertion {
            credential: answer.credential.clone(),
            authenticator_data: Base64Url::new(edited(&answer.authenticator_data, &data)).unwrap(),
            client_data_json: Base64Url::new(edited(&answer.client_data_json, &client)).unwrap(),
            signature: Base64Url::new(edited(&answer.signature, &signature)).unwrap(),
        };
        let known = Known { key: &key, count: 0, backup_eligible: false };
        prop_assert_eq!(verify(&rp(), &CHALLENGE, known, &changed).is_ok(), changed == answer);
    }

    #[test]
    fn an_edited_certificate_is_judged(edits in prop::collection::vec(edit(), 1..5)) {
        let (ceremony, attestation) = (Ceremony::create(Pair::ed25519()), Pair::ed25519());
        let certificate = edited(&Leaf::of(&attestation).der(), &edits);
        let statement = packed(-8, attestation.sign(&ceremony.signed()), Some(vec![certificate]));
        if let Ok(enrolled) = ceremony.register("packed", &statement) {
            prop_assert_eq!(enrolled.key, ceremony.pair.key());
        }
    }

    #[test]
    fn an_edited_attestation_object_enrols_nothing_else(edits in prop::collection::vec(edit(), 1..5)) {
        let ceremony = Ceremony::create(Pair::ed25519());
        let object = edited(&ceremony.object("packed", &ceremony.self_attested()), &edits);
        match register(&rp(), &CHALLENGE, &ceremony.client_data(), &object) {
            // An edited name of the format is all that is left to edit.
            Ok(enrolled) if enrolled.attestation == Attestation::SelfSigned => {
                prop_assert_eq!(enrolled, ceremony.register("packed", &ceremony.self_attested()).unwrap());
            }
            Ok(enrolled) => prop_assert_eq!(enrolled.kept(), Kept::Unknown),
            Err(_) => {}
        }
    }
}
