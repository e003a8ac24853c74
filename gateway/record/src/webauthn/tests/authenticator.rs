//! An authenticator in software, and a browser: honest unless told otherwise, so that each lie can be tried alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::{Value, cbor};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::json;

use super::super::*;

pub(super) const CHALLENGE: Challenge = [7; 32];
pub(super) const ORIGIN: &str = "http://localhost:7420";
pub(super) const UP: u8 = 0x01;
pub(super) const UV: u8 = 0x04;
pub(super) const BE: u8 = 0x08;
pub(super) const BS: u8 = 0x10;
pub(super) const AT: u8 = 0x40;
pub(super) const ED: u8 = 0x80;

pub(super) fn rp() -> RelyingParty {
    RelyingParty { id: "localhost".into(), origins: vec![ORIGIN.into(), "http://127.0.0.1:7420".into()] }
}

pub(super) enum Pair {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Pair {
    pub(super) fn es256() -> Self {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self::Es256(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &SystemRandom::new()).unwrap())
    }

    pub(super) fn ed25519() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    /// Always the same: ring makes no keys of RSA.
    pub(super) fn rs256() -> Self {
        Self::Rs256(Box::new(RsaKeyPair::from_pkcs8(include_bytes!("rsa.pk8")).unwrap()))
    }

    pub(super) fn each() -> [Self; 3] {
        [Self::es256(), Self::ed25519(), Self::rs256()]
    }

    pub(super) fn algorithm(&self) -> i64 {
        match self {
            Self::Es256(_) => -7,
            Self::Ed25519(_) => -8,
            Self::Rs256(_) => -257,
        }
    }

    pub(super) fn public(&self) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.public_key().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Self::Rs256(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    pub(super) fn cose(&self) -> Value {
        let public = self.public();
        match self {
            Self::Es256(_) => cose(
                [(1, 2.into()), (3, (-7).into()), (-1, 1.into())],
                &[(-2, public[1..33].into()), (-3, public[33..].into())],
            ),
            Self::Ed25519(_) => {
                cose([(1, 1.into()), (3, (-8).into()), (-1, 6.into())], &[(-2, public.as_slice().into())])
            }
            Self::Rs256(pair) => {
                let parts = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                cose([(1, 3.into()), (3, (-257).into()), (-1, parts.n.into())], &[(-2, parts.e.into())])
            }
        }
    }

    pub(super) fn key(&self) -> PublicKey {
        PublicKey::from_cose(cbor::map(&bytes(&self.cose()), "").unwrap()).unwrap()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }
}

fn cose(first: [(i64, Value); 3], rest: &[(i64, Value)]) -> Value {
    let members = first.into_iter().chain(rest.iter().cloned());
    Value::Map(members.map(|(key, value)| (key.into(), value)).collect())
}

/// Encodes CBOR.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// What a ceremony is made of. Whatever is changed before it is signed is signed as it is.
pub(super) struct Ceremony {
    pub(super) pair: Pair,
    pub(super) client: serde_json::Value,
    pub(super) rp_id: String,
    pub(super) flags: u8,
    pub(super) count: u32,
    pub(super) aaguid: [u8; 16],
    pub(super) credential: Vec<u8>,
    pub(super) cose: Value,
    /// What follows all that the flags announce.
    pub(super) after: Vec<u8>,
}

impl Ceremony {
    fn new(pair: Pair, kind: &str, flags: u8) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode(CHALLENGE);
        let client = json!({"type": kind, "challenge": challenge, "origin": ORIGIN, "crossOrigin": false});
        let (cose, credential) = (pair.cose(), vec![9; 32]);
        Self {
            client,
            rp_id: "localhost".into(),
            flags,
            count: 0,
            aaguid: [3; 16],
            credential,
            cose,
            after: Vec::new(),
            pair,
        }
    }

    pub(super) fn create(pair: Pair) -> Self {
        Self::new(pair, "webauthn.create", UP | UV | AT)
    }

    pub(super) fn get(pair: Pair) -> Self {
        Self::new(pair, "webauthn.get", UP | UV)
    }

    pub(super) fn client_data(&self) -> Vec<u8> {
        serde_json::to_vec(&self.client).unwrap()
    }

    pub(super) fn authenticator_data(&self) -> Vec<u8> {
        let mut data = sha256(self.rp_id.as_bytes()).to_vec();
        data.push(self.flags);
        data.extend(self.count.to_be_bytes());
        if self.flags & AT != 0 {
            data.extend(self.aaguid);
            data.extend(u16::try_from(self.credential.len()).unwrap().to_be_bytes());
            data.extend(&self.credential);
            data.extend(bytes(&self.cose));
        }
        data.extend(&self.after);
        data
    }

    pub(super) fn signed(&self) -> Vec<u8> {
        [self.authenticator_data(), sha256(&self.client_data()).to_vec()].concat()
    }

    /// The attestation object with this statement.
    pub(super) fn object(&self, format: &str, statement: &Value) -> Vec<u8> {
        let data = Value::from(self.authenticator_data());
        bytes(&cbor!({"fmt" => format, "attStmt" => statement, "authData" => data}).unwrap())
    }

    pub(super) fn register(&self, format: &str, statement: &Value) -> Result<Enrolled, Wrong> {
        register(&rp(), &CHALLENGE, &self.client_data(), &self.object(format, statement))
    }

    /// Registers without attestation.
    pub(super) fn enrol(&self) -> Result<Enrolled, Wrong> {
        self.register("none", &Value::Map(vec![]))
    }

    pub(super) fn self_attested(&self) -> Value {
        packed(self.pair.algorithm(), self.pair.sign(&self.signed()), None)
    }

    pub(super) fn answer(&self) -> Assertion {
        Assertion {
            credential: CredentialId::new(&self.credential).unwrap(),
            authenticator_data: Base64Url::new(self.authenticator_data()).unwrap(),
            client_data_json: Base64Url::new(self.client_data()).unwrap(),
            signature: Base64Url::new(self.pair.sign(&self.signed())).unwrap(),
        }
    }

    pub(super) fn verify(&self, known_count: u32) -> Result<Seen, Wrong> {
        let key = self.pair.key();
        let known = Known { key: &key, count: known_count, backup_eligible: false };
        verify(&rp(), &CHALLENGE, known, &self.answer())
    }
}

pub(super) fn packed(algorithm: i64, signature: Vec<u8>, x5c: Option<Vec<Vec<u8>>>) -> Value {
    let mut members = vec![("alg".into(), algorithm.into()), ("sig".into(), signature.into())];
    if let Some(x5c) = x5c {
        members.push(("x5c".into(), Value::Array(x5c.into_iter().map(Value::from).collect())));
    }
    Value::Map(members)
}

/// A certificate in DER, of the shape §8.2.1 asks for unless changed. Its own signature is nothing: nobody verifies it.
pub(super) struct Leaf {
    pub(super) version: u8,
    pub(super) country: &'static str,
    pub(super) organisation: &'static str,
    pub(super) unit: &'static str,
    pub(super) name: &'static str,
    pub(super) issuer: &'static str,
    /// Basic constraints, by their content.
    pub(super) constraints: Option<Vec<u8>>,
    pub(super) aaguid: Option<Vec<u8>>,
    pub(super) aaguid_is_critical: bool,
    pub(super) key: Vec<u8>,
}

impl Leaf {
    pub(super) fn of(pair: &Pair) -> Self {
        let public = pair.public();
        let algorithm = match pair {
            Pair::Es256(_) => [oid(&EC), oid(&P256)].concat(),
            Pair::Ed25519(_) => oid(&[0x2b, 0x65, 0x70]),
            Pair::Rs256(_) => [oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]), der(5, &[])].concat(),
        };
        Self {
            version: 2,
            country: "SE",
            organisation: "Keys Ltd",
            unit: "Authenticator Attestation",
            name: "Key 7",
            issuer: "Keys Root",
            constraints: Some(vec![]),
            aaguid: Some(der(4, &[3; 16])),
            aaguid_is_critical: false,
            key: info(&algorithm, &public),
        }
    }

    pub(super) fn der(&self) -> Vec<u8> {
        let name =
            |kind: u8, text: &str| der(0x31, &der(0x30, &[oid(&[0x55, 4, kind]), der(12, text.as_bytes())].concat()));
        let subject = [name(6, self.country), name(10, self.organisation), name(11, self.unit), name(3, self.name)];
        let mut extensions = Vec::new();
        if let Some(constraints) = &self.constraints {
            extensions.extend(extension(&[0x55, 0x1d, 0x13], true, &der(0x30, constraints)));
        }
        if let Some(aaguid) = &self.aaguid {
            let id = [0x2b, 6, 1, 4, 1, 0x82, 0xe5, 0x1c, 1, 1, 4];
            extensions.extend(extension(&id, self.aaguid_is_critical, aaguid));
        }
        let signature = der(0x30, &oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]));
        let times = [der(23, b"240101000000Z"), der(23, b"340101000000Z")].concat();
        let mut parts = vec![
            der(0xa0, &der(2, &[self.version])),
            der(2, &[1]),
            signature.clone(),
            der(0x30, &name(3, self.issuer)),
            der(0x30, &times),
            der(0x30, &subject.concat()),
            self.key.clone(),
        ];
        if !extensions.is_empty() {
            parts.push(der(0xa3, &der(0x30, &extensions)));
        }
        let body = der(0x30, &parts.concat());
        der(0x30, &[body, signature, der(3, &[0, 1, 2, 3])].concat())
    }
}

pub(super) const EC: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
pub(super) const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// A SubjectPublicKeyInfo.
pub(super) fn info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    der(0x30, &[der(0x30, algorithm), der(3, &[&[0], key].concat())].concat())
}

fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der(1, &[0xff]) } else { vec![] };
    der(0x30, &[oid(id), critical, der(4, value)].concat())
}

pub(super) fn oid(id: &[u8]) -> Vec<u8> {
    der(6, id)
}

pub(super) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let [.., high, low] = length.to_be_bytes();
    let head = match length {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head.as_slice(), content].concat()
}

/// A passkey of one person, for the tests of what passkeys are used for.
pub(crate) struct SoftKey(Ceremony);

impl SoftKey {
    pub(crate) fn new() -> Self {
        let mut ceremony = Ceremony::create(Pair::es256());
        ceremony.credential = sha256(&ceremony.pair.public()).to_vec();
        Self(ceremony)
    }

    /// As it was enrolled.
    pub(crate) fn enrolled(&self) -> Enrolled {
        self.0.enrol().unwrap()
    }

    /// What it signs, with this counter.
    pub(crate) fn sign(&mut self, challenge: &Challenge, count: u32) -> Assertion {
        (self.0.client["type"], self.0.client["challenge"]) =
            ("webauthn.get".into(), URL_SAFE_NO_PAD.encode(challenge).into());
        (self.0.flags, self.0.count) = (UP | UV, count);
        self.0.answer()
    }
}
