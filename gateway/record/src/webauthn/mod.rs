//! What an answer of a passkey proves: the steps a relying party takes by Web Authentication Level 3
//! (<https://www.w3.org/TR/webauthn-3/>) when a credential is enrolled (§7.1) and when it signs a challenge (§7.2). Functions
//! over bytes alone: who asked, whose credential it is and where it is kept is for the caller.

mod assertion;
mod attestation;
mod authenticator_data;
mod base64url;
mod cbor;
mod certificate;
mod client_data;
mod key;
mod registration;
#[cfg(test)]
pub(crate) mod tests;
mod wrong;

use sha2::{Digest as _, Sha256};

pub use assertion::{Assertion, Known, Seen, SeenOffline, verify, verify_offline};
pub use attestation::Attestation;
pub use base64url::{Base64Url, CredentialId};
pub use key::{ALGORITHMS, PublicKey};
pub use registration::{Enrolled, Kept, register};
pub use wrong::Wrong;

/// The most bytes of an attestation object: certificates of a whole chain fit.
pub const ATTESTATION_OBJECT_BYTES: usize = 64 * 1024;
/// The most bytes of client data.
pub const CLIENT_DATA_BYTES: usize = 4096;
/// The most bytes of authenticator data in an assertion.
pub const AUTHENTICATOR_DATA_BYTES: usize = 4096;
/// The most bytes of a signature: one of RSA with 8192 bits.
pub const SIGNATURE_BYTES: usize = 1024;

/// What an authenticator signs for: ours is the digest of a call, or drawn at random to enrol.
pub type Challenge = [u8; 32];

/// The party that credentials are made for and that asks for answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// The domain credentials are scoped to, such as `localhost` (§4, RP ID).
    pub id: String,
    /// The origins whose pages may ask, exactly as a browser writes them: `http://localhost:7420`.
    pub origins: Vec<String>,
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
