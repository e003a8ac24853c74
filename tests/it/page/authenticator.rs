//! An authenticator in software, for what no browser would send.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mollyguard_tests::Result;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// The user was there, and was verified.
pub(crate) const VERIFIED: u8 = 0x05;
/// The user was there.
pub(crate) const PRESENT: u8 = 0x01;

/// One passkey for `localhost`.
pub(crate) struct Authenticator {
    pair: EcdsaKeyPair,
    credential: [u8; 16],
    /// What it says of its owner.
    pub(crate) flags: u8,
    /// What it says of the page that asks.
    pub(crate) origin: String,
    /// How often it has signed; 0 for ever where it does not count.
    pub(crate) count: u32,
}

impl Authenticator {
    pub(crate) fn new(origin: &str, credential: u8) -> Result<Self> {
        let random = SystemRandom::new();
        let wrong = |_| "no key could be made";
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(wrong)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random);
        let pair = pair.map_err(|_| "the key is none")?;
        Ok(Self { pair, credential: [credential; 16], flags: VERIFIED, origin: origin.to_owned(), count: 0 })
    }

    fn client_data(&self, kind: &str, challenge: &str) -> String {
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false}).to_string()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let rp = digest(&SHA256, b"localhost");
        [rp.as_ref(), &[flags], &self.count.to_be_bytes()].concat()
    }

    /// What `navigator.credentials.create` would answer (Web Authentication §6.5), without attestation.
    pub(crate) fn create(&self, challenge: &str) -> Value {
        let public = self.pair.public_key().as_ref();
        let (x, y) = public.split_at(33);
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        let cose = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], &x[1..], &[0x22, 0x58, 32], y].concat();
        let attested = [&[0; 16][..], &[0, 16], &self.credential, &cose].concat();
        let data = [self.data(self.flags | 0x40), attested].concat();
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let length = u8::try_from(data.len()).unwrap_or(u8::MAX);
        let object = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[length], &data].concat();
        json!({
            "client_data_json": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", challenge)),
            "attestation_object": URL_SAFE_NO_PAD.encode(object),
        })
    }

    /// What `navigator.credentials.get` would answer.
    pub(crate) fn sign(&mut self, challenge: &str) -> Result<Value> {
        let client = self.client_data("webauthn.get", challenge);
        let data = self.data(self.flags);
        let signed = [&data[..], digest(&SHA256, client.as_bytes()).as_ref()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).map_err(|_| "nothing was signed")?;
        Ok(json!({
            "credential": URL_SAFE_NO_PAD.encode(self.credential),
            "authenticator_data": URL_SAFE_NO_PAD.encode(data),
            "client_data_json": URL_SAFE_NO_PAD.encode(client),
            "signature": URL_SAFE_NO_PAD.encode(signature),
        }))
    }
}
