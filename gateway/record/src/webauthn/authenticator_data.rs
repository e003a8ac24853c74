//! What the authenticator says: for whom it answered, with which checks of the person, how often, and with which new
//! credential (§6.1).

use uuid::Uuid;

use super::cbor::{self, Map};
use super::{CredentialId, Wrong, sha256};

const UP: u8 = 0x01;
const UV: u8 = 0x04;
const BE: u8 = 0x08;
const BS: u8 = 0x10;
const AT: u8 = 0x40;
const ED: u8 = 0x80;

const CUT_SHORT: Wrong = Wrong::Malformed("the authenticator data is cut short");

/// Authenticator data, read but not checked.
#[derive(Debug)]
pub(super) struct AuthenticatorData {
    rp_id_hash: [u8; 32],
    flags: u8,
    /// The signature counter (§6.1.1).
    pub(super) count: u32,
    /// The new credential; only where one is made.
    pub(super) attested: Option<Attested>,
}

/// Attested credential data (§6.5.1).
#[derive(Debug)]
pub(super) struct Attested {
    pub(super) aaguid: Uuid,
    pub(super) credential: CredentialId,
    /// The COSE key.
    pub(super) key: Map,
}

impl AuthenticatorData {
    /// Reads all of the bytes. Extensions are well-formed or not there; what they say is not looked at.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Wrong> {
        let (rp_id_hash, rest) = bytes.split_first_chunk().ok_or(CUT_SHORT)?;
        let (&flags, rest) = rest.split_first().ok_or(CUT_SHORT)?;
        let (count, mut rest) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
        let mut attested = None;
        if flags & AT != 0 {
            let (found, after) = Attested::read(rest)?;
            (attested, rest) = (Some(found), after);
        }
        if flags & ED != 0 {
            (_, rest) = cbor::first_map(rest, "the authenticator's extensions are no map")?;
        }
        if !rest.is_empty() {
            return Err(Wrong::Malformed("the authenticator data goes on after its end"));
        }
        Ok(Self { rp_id_hash: *rp_id_hash, flags, count: u32::from_be_bytes(*count), attested })
    }

    /// For whom, and with which checks of the person (§7.1 steps 14 to 17, §7.2 steps 15 to 18).
    pub(super) fn check(&self, rp_id: &str) -> Result<(), Wrong> {
        if self.rp_id_hash != sha256(rp_id.as_bytes()) {
            return Err(Wrong::RelyingParty);
        }
        if self.flags & UP == 0 {
            return Err(Wrong::NotPresent);
        }
        if self.flags & UV == 0 {
            return Err(Wrong::NotVerified);
        }
        if self.is_backed_up() && !self.is_backup_eligible() {
            return Err(Wrong::Backup("itself: it is backed up, and may not be"));
        }
        Ok(())
    }

    /// Whether the credential may leave the device it was made on.
    pub(super) const fn is_backup_eligible(&self) -> bool {
        self.flags & BE != 0
    }

    /// Whether it has.
    pub(super) const fn is_backed_up(&self) -> bool {
        self.flags & BS != 0
    }
}

impl Attested {
    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Wrong> {
        let (aaguid, rest) = bytes.split_first_chunk().ok_or(CUT_SHORT)?;
        let (length, rest) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
        let (credential, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(CUT_SHORT)?;
        let credential = CredentialId::new(credential)?;
        let (key, rest) = cbor::first_map(rest, "the public key is no map")?;
        Ok((Self { aaguid: Uuid::from_bytes(*aaguid), credential, key }, rest))
    }
}
