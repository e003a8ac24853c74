//! Enrolling: what a new credential is, and what can be said of where its key is kept (§7.1).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

use super::attestation::AttestationObject;
use super::authenticator_data::AuthenticatorData;
use super::client_data::{CREATE, ClientData};
use super::{Attestation, Challenge, CredentialId, PublicKey, RelyingParty, Wrong};

/// Models known to keep keys in software: the virtual authenticator of Chromium's developer tools.
const SOFTWARE: [Uuid; 1] = [uuid!("01020304-0506-0708-0102-030405060708")];

/// A credential as it was enrolled (§4, credential record).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// Its id.
    pub credential: CredentialId,
    /// Its public key.
    pub key: PublicKey,
    /// The signature counter; 0 for ever where the authenticator has none.
    pub count: u32,
    /// The authenticator's model, by its own words; nil where it or the browser does not say.
    pub aaguid: Uuid,
    /// Whether the key may leave the device it was made on. Never changes.
    pub backup_eligible: bool,
    /// Whether it had.
    pub backed_up: bool,
    /// What stands behind it.
    pub attestation: Attestation,
}

/// What can be said of where a key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In software that is made for tests.
    Software,
    /// Nobody knows.
    Unknown,
    /// In an authenticator, by a certificate that is not traced to a root.
    Claimed,
}

impl Enrolled {
    /// What can be said of where the key is kept. A nil AAGUID says nothing: browsers blank out that of real authenticators.
    pub fn kept(&self) -> Kept {
        match self.attestation {
            _ if SOFTWARE.contains(&self.aaguid) => Kept::Software,
            Attestation::Certified { .. } => Kept::Claimed,
            Attestation::None | Attestation::SelfSigned | Attestation::Unverified { .. } => Kept::Unknown,
        }
    }

    /// Whether the key stays on one device. Those of synced passkeys do not: they are worth what the account that syncs
    /// them is.
    pub const fn is_bound_to_device(&self) -> bool {
        !self.backup_eligible
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Software => "a software key made for tests",
            Self::Unknown => "cannot be told apart from a software key",
            Self::Claimed => "in hardware, by a certificate that is not traced to its maker",
        })
    }
}

/// Verifies what an authenticator answered when it was asked for a new credential (§7.1 steps 5 to 25). That nobody has
/// enrolled the credential before (step 26) is for whoever keeps them.
pub fn register(
    rp: &RelyingParty,
    challenge: &Challenge,
    client_data_json: &[u8],
    attestation_object: &[u8],
) -> Result<Enrolled, Wrong> {
    let client = ClientData::check(client_data_json, CREATE, challenge)?;
    client.was_asked_by(rp)?;
    let object = AttestationObject::read(attestation_object)?;
    let data = AuthenticatorData::read(&object.authenticator_data)?;
    data.check(&rp.id)?;
    let (backup_eligible, backed_up) = (data.is_backup_eligible(), data.is_backed_up());
    let attested = data.attested.ok_or(Wrong::Malformed("there is no credential in it"))?;
    let key = PublicKey::from_cose(attested.key.clone())?;
    let signed = [&*object.authenticator_data, &client.hash].concat();
    let attestation = object.verify(&attested, &key, &signed)?;
    Ok(Enrolled {
        credential: attested.credential,
        key,
        count: data.count,
        aaguid: attested.aaguid,
        backup_eligible,
        backed_up,
        attestation,
    })
}
