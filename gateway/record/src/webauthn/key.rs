//! The public key of a credential: ES256, EdDSA with Ed25519, or RS256, each checked to be one when it is read.

use ring::agreement::{self, ECDH_P256, EphemeralPrivateKey, agree_ephemeral};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};

use super::cbor::Map;
use super::{Base64Url, Wrong};

/// The COSE algorithms of keys that are accepted, in the order to ask for them (§5.4, pubKeyCredParams).
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// A key that signatures can be verified with. In JSON: `alg` and, in base64url, `x` and `y`, `x`, or `n` and `e`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct PublicKey(Parts);

/// What a key is made of; in a [`PublicKey`], checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alg", deny_unknown_fields)]
enum Parts {
    /// The coordinates of a point of P-256.
    #[serde(rename = "ES256")]
    Es256 { x: Base64Url<32>, y: Base64Url<32> },
    #[serde(rename = "EdDSA")]
    Ed25519 { x: Base64Url<32> },
    /// Modulus and exponent, big-endian and without leading zeros.
    #[serde(rename = "RS256")]
    Rs256 { n: Base64Url<1024>, e: Base64Url<5> },
}

impl PublicKey {
    /// The COSE number of the algorithm it verifies.
    pub const fn algorithm(&self) -> i64 {
        match self.0 {
            Parts::Es256 { .. } => ES256,
            Parts::Ed25519 { .. } => EDDSA,
            Parts::Rs256 { .. } => RS256,
        }
    }

    /// Reads a COSE key. Exactly the parameters its algorithm needs may be there (§6.5.1, §5.8.5).
    pub(super) fn from_cose(mut map: Map) -> Result<Self, Wrong> {
        let kind = number(&mut map, 1)?;
        let key = match (number(&mut map, 3)?, kind) {
            (ES256, 2) => {
                curve(&mut map, 1)?;
                Self::es256(&bytes(&mut map, -2)?, &bytes(&mut map, -3)?)?
            }
            (EDDSA, 1) => {
                curve(&mut map, 6)?;
                Self::ed25519(&bytes(&mut map, -2)?)?
            }
            (RS256, 3) => Self::rs256(&bytes(&mut map, -1)?, &bytes(&mut map, -2)?)?,
            (ES256 | EDDSA | RS256, _) => return Err(Wrong::Key("its type does not fit its algorithm")),
            _ => return Err(Wrong::Algorithm),
        };
        if map.is_empty() { Ok(key) } else { Err(Wrong::Key("it has parameters beyond those it needs")) }
    }

    pub(super) fn es256(x: &[u8], y: &[u8]) -> Result<Self, Wrong> {
        Parts::Es256 { x: part(x)?, y: part(y)? }.try_into()
    }

    pub(super) fn ed25519(x: &[u8]) -> Result<Self, Wrong> {
        Parts::Ed25519 { x: part(x)? }.try_into()
    }

    pub(super) fn rs256(n: &[u8], e: &[u8]) -> Result<Self, Wrong> {
        Parts::Rs256 { n: part(n)?, e: part(e)? }.try_into()
    }

    /// Whether this key's owner has signed these bytes.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Wrong> {
        match &self.0 {
            Parts::Es256 { x, y } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point(x, y)).verify(message, signature)
            }
            Parts::Ed25519 { x } => UnparsedPublicKey::new(&ED25519, &**x).verify(message, signature),
            Parts::Rs256 { n, e } => {
                let key = RsaPublicKeyComponents { n: &**n, e: &**e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        }
        .map_err(|_| Wrong::Signature)
    }
}

impl TryFrom<Parts> for PublicKey {
    type Error = Wrong;

    fn try_from(parts: Parts) -> Result<Self, Wrong> {
        match &parts {
            Parts::Es256 { x, y } => check_p256(x, y)?,
            Parts::Ed25519 { x } => check_ed25519(x)?,
            Parts::Rs256 { n, e } => check_rsa(n, e)?,
        }
        Ok(Self(parts))
    }
}

impl From<PublicKey> for Parts {
    fn from(key: PublicKey) -> Self {
        key.0
    }
}

/// An uncompressed point (SEC 1 §2.3.3).
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

fn check_p256(x: &[u8], y: &[u8]) -> Result<(), Wrong> {
    if (x.len(), y.len()) != (32, 32) {
        return Err(Wrong::Key("a coordinate of P-256 has 32 bytes"));
    }
    // ring tells whether a point is on the curve only where it computes with it.
    let peer = agreement::UnparsedPublicKey::new(&ECDH_P256, point(x, y));
    EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())
        .and_then(|private| agree_ephemeral(private, &peer, |_| ()))
        .map_err(|_| Wrong::Key("it is no point of P-256"))
}

fn check_ed25519(x: &[u8]) -> Result<(), Wrong> {
    let x: &[u8; 32] = x.try_into().map_err(|_| Wrong::Key("a key of Ed25519 has 32 bytes"))?;
    match ed25519_dalek::VerifyingKey::from_bytes(x) {
        // For a point of small order signatures can be made that fit many messages.
        Ok(key) if !key.is_weak() => Ok(()),
        _ => Err(Wrong::Key("it is no point of Ed25519 that can be used")),
    }
}

fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), Wrong> {
    let first = n.first().copied().unwrap_or_default();
    let bits = (n.len() * 8).saturating_sub(first.leading_zeros() as usize);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if first == 0 || !is_odd(n) || !(2048..=8192).contains(&bits) {
        return Err(Wrong::Key("a modulus of RSA is odd and has 2048 to 8192 bits"));
    }
    let exponent = e.iter().fold(0_u64, |sum, &byte| (sum << 8) | u64::from(byte));
    // The bounds of ring, which verifies.
    if e.first() == Some(&0) || !is_odd(e) || !(3..1 << 33).contains(&exponent) {
        return Err(Wrong::Key("an exponent of RSA is odd, at least 3, and has at most 33 bits"));
    }
    Ok(())
}

fn part<const MAX: usize>(bytes: &[u8]) -> Result<Base64Url<MAX>, Wrong> {
    Base64Url::new(bytes).map_err(|_| Wrong::Key("a part of it is too long"))
}

fn number(map: &mut Map, key: i64) -> Result<i64, Wrong> {
    let value = map.take(key).and_then(|value| value.into_integer().ok());
    value.and_then(|value| i64::try_from(value).ok()).ok_or(Wrong::Key("a parameter is missing or no number"))
}

fn bytes(map: &mut Map, key: i64) -> Result<Vec<u8>, Wrong> {
    let value = map.take(key).and_then(|value| value.into_bytes().ok());
    value.ok_or(Wrong::Key("a parameter is missing or no bytes"))
}

fn curve(map: &mut Map, curve: i64) -> Result<(), Wrong> {
    if number(map, -1)? == curve { Ok(()) } else { Err(Wrong::Key("its curve does not fit its algorithm")) }
}
