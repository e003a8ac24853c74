//! Answering: that the owner of an enrolled credential, verified by its authenticator, has signed a challenge of ours (§7.2).

use serde::{Deserialize, Serialize};

use super::authenticator_data::AuthenticatorData;
use super::client_data::{ClientData, GET};
use super::registration::Enrolled;
use super::{
    AUTHENTICATOR_DATA_BYTES, Base64Url, CLIENT_DATA_BYTES, Challenge, CredentialId, PublicKey, RelyingParty,
    SIGNATURE_BYTES, Wrong,
};

/// An authenticator's answer, with all that is needed to verify it again. In JSON its bytes are base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// Which credential answered: for finding its key, the signature does not cover it.
    pub credential: CredentialId,
    /// What the authenticator says.
    pub authenticator_data: Base64Url<AUTHENTICATOR_DATA_BYTES>,
    /// What the browser says, byte for byte.
    pub client_data_json: Base64Url<CLIENT_DATA_BYTES>,
    /// Over both.
    pub signature: Base64Url<SIGNATURE_BYTES>,
}

/// What is known of a credential before it answers (§4, credential record).
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its key.
    pub key: &'a PublicKey,
    /// The counter it came to last.
    pub count: u32,
    /// Whether it may leave its device, as it was enrolled.
    pub backup_eligible: bool,
}

impl<'a> From<&'a Enrolled> for Known<'a> {
    fn from(enrolled: &'a Enrolled) -> Self {
        Self { key: &enrolled.key, count: enrolled.count, backup_eligible: enrolled.backup_eligible }
    }
}

/// What an answer that holds says: to be kept for the next one (§7.2 step 24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The new counter.
    pub count: u32,
    /// Whether the key has left its device by now.
    pub backed_up: bool,
}

/// What an answer that holds by itself says, to whoever reads it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenOffline {
    /// The page that asked: printable ASCII, as the browser wrote it. It was not compared with anything.
    pub origin: String,
    /// The counter; it was not compared with anything either.
    pub count: u32,
    /// Whether the key could leave its device.
    pub backup_eligible: bool,
    /// Whether it had.
    pub backed_up: bool,
}

/// Verifies an answer (§7.2 steps 7 to 24). `known` must be of the credential the assertion names (steps 5 and 6).
pub fn verify(
    rp: &RelyingParty,
    challenge: &Challenge,
    known: Known<'_>,
    assertion: &Assertion,
) -> Result<Seen, Wrong> {
    let (_, data) = hold(&rp.id, challenge, known.key, assertion, |client| client.was_asked_by(rp))?;
    if data.is_backup_eligible() != known.backup_eligible {
        return Err(Wrong::Backup("what was enrolled: whether it may leave its device"));
    }
    // An authenticator without a counter says 0 for ever.
    if (data.count, known.count) != (0, 0) && data.count <= known.count {
        return Err(Wrong::CounterWentBack);
    }
    Ok(Seen { count: data.count, backed_up: data.is_backed_up() })
}

/// Verifies an answer that was given once, as [`verify`] does, from what was written down of it: without the counter, which
/// has gone on since, and with the origin told rather than compared.
pub fn verify_offline(
    rp_id: &str,
    challenge: &Challenge,
    key: &PublicKey,
    assertion: &Assertion,
) -> Result<SeenOffline, Wrong> {
    let (client, data) = hold(rp_id, challenge, key, assertion, |_| Ok(()))?;
    Ok(SeenOffline {
        origin: client.origin,
        count: data.count,
        backup_eligible: data.is_backup_eligible(),
        backed_up: data.is_backed_up(),
    })
}

/// What holds of an answer for itself (§7.2 steps 7 to 21).
fn hold(
    rp_id: &str,
    challenge: &Challenge,
    key: &PublicKey,
    assertion: &Assertion,
    origin: impl FnOnce(&ClientData) -> Result<(), Wrong>,
) -> Result<(ClientData, AuthenticatorData), Wrong> {
    let client = ClientData::check(&assertion.client_data_json, GET, challenge)?;
    origin(&client)?;
    let data = AuthenticatorData::read(&assertion.authenticator_data)?;
    data.check(rp_id)?;
    if data.attested.is_some() {
        return Err(Wrong::Malformed("an answer brings no new credential"));
    }
    let signed = [&*assertion.authenticator_data, &client.hash].concat();
    key.verify(&signed, &assertion.signature)?;
    Ok((client, data))
}
