//! What the browser says of a ceremony: its kind, the challenge, and the page that asked (§5.8.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{CLIENT_DATA_BYTES, Challenge, RelyingParty, Wrong, sha256};

/// The type of client data where a credential is made.
pub(super) const CREATE: &str = "webauthn.create";
/// The type of client data where a credential answers.
pub(super) const GET: &str = "webauthn.get";

/// The most characters of an origin: a domain name has at most 253.
const ORIGIN_CHARS: usize = 300;

/// The members that are looked at. Others may be there (§5.8.1.2); these only once.
#[derive(Deserialize)]
struct Members {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin", deserialize_with = "present")]
    cross_origin: Option<bool>,
    #[serde(default, rename = "topOrigin", deserialize_with = "present")]
    top_origin: Option<IgnoredAny>,
}

/// So that `null` is a value of the wrong kind rather than no value.
fn present<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Client data that is of the right kind, answers the challenge and was not asked for across origins.
#[derive(Debug)]
pub(super) struct ClientData {
    /// Printable ASCII.
    pub(super) origin: String,
    /// SHA-256 over the bytes as they came (§7.1 step 12, §7.2 step 20).
    pub(super) hash: [u8; 32],
}

impl ClientData {
    /// Reads and checks it (§7.1 steps 5 to 11 without the origin, §7.2 steps 8 to 14).
    pub(super) fn check(json: &[u8], kind: &'static str, challenge: &Challenge) -> Result<Self, Wrong> {
        const WHAT: &str = "the client data is not what a browser writes";
        if json.len() > CLIENT_DATA_BYTES {
            return Err(Wrong::TooLong("the client data"));
        }
        let text = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        // A struct would be read from an array as well.
        if !text.trim_ascii_start().starts_with(b"{") {
            return Err(Wrong::Malformed(WHAT));
        }
        let members: Members = serde_json::from_slice(text).map_err(|_| Wrong::Malformed(WHAT))?;
        if members.kind != kind {
            return Err(Wrong::Type(kind));
        }
        if members.challenge != URL_SAFE_NO_PAD.encode(challenge) {
            return Err(Wrong::Challenge);
        }
        if members.cross_origin == Some(true) || members.top_origin.is_some() {
            return Err(Wrong::CrossOrigin);
        }
        if members.origin.len() > ORIGIN_CHARS || !members.origin.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Wrong::Malformed("the client data names an origin that is none"));
        }
        Ok(Self { origin: members.origin, hash: sha256(json) })
    }

    /// Whether a page that may ask has asked (§7.1 step 9, §7.2 step 12).
    pub(super) fn was_asked_by(&self, rp: &RelyingParty) -> Result<(), Wrong> {
        if rp.origins.contains(&self.origin) { Ok(()) } else { Err(Wrong::Origin) }
    }
}
