//! What an authenticator says of itself when a credential is made (§6.5, §8). `none` and `packed` are verified. Any other
//! format is taken as unverified rather than refused: what platforms' own authenticators make would be locked out, and by
//! asking for `none` they could come in anyway. No certificate is traced to a root.

use ciborium::Value;
use serde::{Deserialize, Serialize};

use super::authenticator_data::Attested;
use super::cbor::{self, Map};
use super::certificate::Leaf;
use super::{ATTESTATION_OBJECT_BYTES, PublicKey, Wrong};

/// What stands behind a new credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Attestation {
    /// Nothing: the authenticator or the browser says nothing (§8.7).
    None,
    /// The credential's own key: proves that it exists, and no more (§8.2, self attestation).
    SelfSigned,
    /// A certificate for this model of authenticator, which is not traced to a root (§8.2 with `x5c`).
    Certified {
        /// Who signed the certificate, by its own words: cleaned and capped, never verified.
        issuer: String,
    },
    /// Something we do not verify.
    Unverified {
        /// The name of the format.
        format: String,
    },
}

/// An attestation object (§6.5.4), read but not verified.
#[derive(Debug)]
pub(super) struct AttestationObject {
    pub(super) authenticator_data: Vec<u8>,
    format: String,
    statement: Value,
}

impl AttestationObject {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Wrong> {
        const WHAT: &str = "the attestation object is none";
        if bytes.len() > ATTESTATION_OBJECT_BYTES {
            return Err(Wrong::TooLong("the attestation object"));
        }
        let mut map = cbor::map(bytes, WHAT)?;
        let format = map.take("fmt").and_then(|format| format.into_text().ok());
        let data = map.take("authData").and_then(|data| data.into_bytes().ok());
        let (Some(format), Some(authenticator_data), Some(statement), true) =
            (format, data, map.take("attStmt"), map.is_empty())
        else {
            return Err(Wrong::Malformed(WHAT));
        };
        // By §8.1.
        let is_name = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
        if format.is_empty() || format.len() > 32 || !format.chars().all(is_name) {
            return Err(Wrong::Malformed("the attestation's format has no name that could be one"));
        }
        Ok(Self { authenticator_data, format, statement })
    }

    /// Verifies the statement (§7.1 steps 21 and 22). `signed` is what it is over: authenticator data and the hash of the
    /// client data.
    pub(super) fn verify(self, attested: &Attested, key: &PublicKey, signed: &[u8]) -> Result<Attestation, Wrong> {
        match self.format.as_str() {
            "none" => match self.statement.as_map() {
                Some(members) if members.is_empty() => Ok(Attestation::None),
                _ => Err(Wrong::Attestation("it says `none`, and more")),
            },
            "packed" => packed(cbor::as_map(self.statement, PACKED)?, attested, key, signed),
            _ => Ok(Attestation::Unverified { format: self.format }),
        }
    }
}

const PACKED: &str = "a packed attestation is a map of `alg`, `sig` and `x5c`";

/// Packed attestation (§8.2).
fn packed(mut map: Map, attested: &Attested, key: &PublicKey, signed: &[u8]) -> Result<Attestation, Wrong> {
    let algorithm = map.take("alg").and_then(|number| number.into_integer().ok());
    let signature = map.take("sig").and_then(|bytes| bytes.into_bytes().ok());
    let certificates = map.take("x5c");
    let (Some(algorithm), Some(signature), true) = (algorithm, signature, map.is_empty()) else {
        return Err(Wrong::Malformed(PACKED));
    };
    let does_not_fit = |_| Wrong::Attestation("its signature does not fit");
    let Some(certificates) = certificates else {
        if algorithm != key.algorithm().into() {
            return Err(Wrong::Attestation("it is for another algorithm than the key"));
        }
        key.verify(signed, &signature).map_err(does_not_fit)?;
        return Ok(Attestation::SelfSigned);
    };
    let certificates = certificates.into_array().map_err(|_| Wrong::Malformed(PACKED))?;
    let leaf = certificates.first().and_then(Value::as_bytes).ok_or(Wrong::Malformed(PACKED))?;
    let leaf = Leaf::read(leaf, attested.aaguid)?;
    let Some(key) = leaf.key else { return Ok(Attestation::Unverified { format: "packed".into() }) };
    if algorithm != key.algorithm().into() {
        return Err(Wrong::Attestation("it is for another algorithm than its certificate"));
    }
    key.verify(signed, &signature).map_err(does_not_fit)?;
    Ok(Attestation::Certified { issuer: leaf.issuer })
}
