//! An authenticator's attestation certificate, held against §8.2.1. Nothing is traced to a root: whoever makes an
//! authenticator in software can make such a certificate, too.

use mollyguard_tools::text::visible;
use uuid::Uuid;
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString, SequenceOf, Uint};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::{PublicKey, Wrong};

const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
const ORGANISATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// `id-fido-gen-ce-aaguid`.
const AAGUID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.45724.1.1.4");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The most characters of a name that are kept.
const NAME_CHARS: usize = 200;

/// What is wanted of a certificate that fits §8.2.1.
#[derive(Debug)]
pub(super) struct Leaf {
    /// None where its algorithm is not one of ours.
    pub(super) key: Option<PublicKey>,
    /// Who signed it, by its own words.
    pub(super) issuer: String,
}

impl Leaf {
    /// Reads the certificate of an authenticator of this model.
    pub(super) fn read(der: &[u8], aaguid: Uuid) -> Result<Self, Wrong> {
        let certificate =
            Certificate::from_der(der).map_err(|_| Wrong::Attestation("its certificate cannot be read"))?;
        let certificate = certificate.tbs_certificate;
        if certificate.version != Version::V3 {
            return Err(Wrong::Attestation("its certificate is not of version 3"));
        }
        check_subject(&certificate.subject)?;
        match certificate.get::<BasicConstraints>() {
            Ok(Some((_, constraints))) if !constraints.ca => {}
            _ => return Err(Wrong::Attestation("its certificate may be one of an authority")),
        }
        let extensions = certificate.extensions.iter().flatten();
        for extension in extensions.filter(|extension| extension.extn_id == AAGUID) {
            let model = OctetString::from_der(extension.extn_value.as_bytes());
            if extension.critical || !model.is_ok_and(|model| model.as_bytes() == aaguid.as_bytes()) {
                return Err(Wrong::Attestation("its certificate is for another model of authenticator"));
            }
        }
        let key = public_key(&certificate.subject_public_key_info)?;
        Ok(Self { key, issuer: readable(&certificate.issuer) })
    }
}

fn check_subject(subject: &Name) -> Result<(), Wrong> {
    let values = |oid: ObjectIdentifier| {
        let attributes = subject.0.iter().flat_map(|names| names.0.iter());
        attributes.filter(move |attribute| attribute.oid == oid).map(|attribute| attribute.value.value())
    };
    let is_country = |value: &[u8]| value.len() == 2 && value.iter().all(u8::is_ascii_alphabetic);
    let fits = values(COUNTRY).any(is_country)
        && values(ORGANISATION).any(|value| !value.is_empty())
        && values(UNIT).any(|value| value == b"Authenticator Attestation")
        && values(COMMON_NAME).any(|value| !value.is_empty());
    if fits { Ok(()) } else { Err(Wrong::Attestation("its certificate is not named as an authenticator's")) }
}

fn public_key(info: &SubjectPublicKeyInfoOwned) -> Result<Option<PublicKey>, Wrong> {
    const UNREADABLE: Wrong = Wrong::Attestation("the key in its certificate cannot be read");
    let bits = info.subject_public_key.as_bytes().ok_or(UNREADABLE)?;
    let key = match info.algorithm.oid {
        EC => {
            let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
            match (curve, bits) {
                (Some(P256), [4, point @ ..]) if point.len() == 64 => {
                    let (x, y) = point.split_at(32);
                    PublicKey::es256(x, y)?
                }
                (Some(P256), _) => return Err(UNREADABLE),
                _ => return Ok(None),
            }
        }
        ED25519 => PublicKey::ed25519(bits)?,
        RSA => {
            let numbers = SequenceOf::<Uint, 2>::from_der(bits).map_err(|_| UNREADABLE)?;
            let (Some(n), Some(e)) = (numbers.get(0), numbers.get(1)) else { return Err(UNREADABLE) };
            PublicKey::rs256(n.as_bytes(), e.as_bytes())?
        }
        _ => return Ok(None),
    };
    Ok(Some(key))
}

/// A name for people: what cannot be seen is escaped, and it is capped.
fn readable(name: &Name) -> String {
    visible(&name.to_string()).chars().take(NAME_CHARS).collect()
}
