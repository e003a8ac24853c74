//! What can be wrong with an answer of an authenticator, in words that repeat nothing of it.

use thiserror::Error;

/// Why an answer is not taken. Nothing was changed, and nothing may be concluded from the answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Wrong {
    /// It was made in another ceremony (§7.1 step 7, §7.2 step 10).
    #[error("the answer was made for something else: its type is not `{0}`")]
    Type(&'static str),
    /// It answers another challenge (§7.1 step 8, §7.2 step 11).
    #[error("the answer is to another question: its challenge is not the one asked")]
    Challenge,
    /// A page that may not ask has asked (§7.1 step 9, §7.2 step 12).
    #[error("the answer was asked for by a page of another origin")]
    Origin,
    /// It was asked for inside another site's page (§7.1 steps 10 and 11, §7.2 steps 13 and 14).
    #[error("the answer was asked for inside a page of another site")]
    CrossOrigin,
    /// The credential is scoped to another relying party (§7.1 step 14, §7.2 step 15).
    #[error("the authenticator answered for another site")]
    RelyingParty,
    /// Nobody touched the authenticator (§7.1 step 15, §7.2 step 16).
    #[error("the authenticator says that nobody was present")]
    NotPresent,
    /// No PIN, finger or face was checked (§7.1 step 16, §7.2 step 17).
    #[error("the authenticator has not verified the person: it needs a PIN, a finger or a face")]
    NotVerified,
    /// The backup flags contradict each other, or what was enrolled (§7.1 step 17, §7.2 steps 18 and 19).
    #[error("what the authenticator says of backups contradicts {0}")]
    Backup(&'static str),
    /// Keys of this algorithm are not taken (§7.1 step 20).
    #[error("the key is for an algorithm that is not accepted: these are ES256, EdDSA and RS256")]
    Algorithm,
    /// The key cannot be one (§7.1 step 20, §6.5.1.1).
    #[error("the public key is unusable: {0}")]
    Key(&'static str),
    /// The attestation does not say what it must (§7.1 step 22, §8).
    #[error("the attestation does not hold: {0}")]
    Attestation(&'static str),
    /// The signature does not fit key and bytes (§7.2 step 21).
    #[error("the signature does not fit")]
    Signature,
    /// The authenticator has counted less than before (§7.2 step 22).
    #[error("the authenticator's counter did not go up: the credential may have been copied")]
    CounterWentBack,
    /// It cannot be read.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// More than is ever needed.
    #[error("the answer is too long: {0}")]
    TooLong(&'static str),
}
