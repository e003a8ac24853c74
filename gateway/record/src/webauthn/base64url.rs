//! Bytes as JSON carries them: base64url without padding, capped before they are decoded.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Wrong;

/// At most `MAX` bytes; base64url without padding where they are written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Base64Url<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Base64Url<MAX> {
    /// Takes bytes, unless they are too many.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, Wrong> {
        let bytes = bytes.into();
        if bytes.len() > MAX { Err(Wrong::TooLong("a member has more bytes than it may")) } else { Ok(Self(bytes)) }
    }
}

impl<const MAX: usize> Deref for Base64Url<MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> FromStr for Base64Url<MAX> {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        if text.len() > MAX.saturating_mul(4).div_ceil(3) {
            return Err(Wrong::TooLong("a member has more bytes than it may"));
        }
        let bytes =
            URL_SAFE_NO_PAD.decode(text).map_err(|_| Wrong::Malformed("it is not base64url without padding"))?;
        Self::new(bytes)
    }
}

impl<const MAX: usize> fmt::Display for Base64Url<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<const MAX: usize> fmt::Debug for Base64Url<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const MAX: usize> Serialize for Base64Url<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Base64Url<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The name an authenticator knows a credential by: 16 to 1023 bytes (§4, Credential ID). Signatures do not cover it:
/// it is for finding the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Base64Url<1023>", into = "Base64Url<1023>")]
pub struct CredentialId(Base64Url<1023>);

impl CredentialId {
    /// Takes the bytes of an id (§7.1 step 25).
    pub fn new(bytes: &[u8]) -> Result<Self, Wrong> {
        if bytes.len() > 1023 {
            return Err(Wrong::TooLong("a credential's id has at most 1023 bytes"));
        }
        Base64Url::new(bytes)?.try_into()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Base64Url<1023>> for CredentialId {
    type Error = Wrong;

    fn try_from(bytes: Base64Url<1023>) -> Result<Self, Wrong> {
        if bytes.len() < 16 {
            Err(Wrong::Malformed("a credential's id has at least 16 bytes"))
        } else {
            Ok(Self(bytes))
        }
    }
}

impl From<CredentialId> for Base64Url<1023> {
    fn from(id: CredentialId) -> Self {
        id.0
    }
}

impl FromStr for CredentialId {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        text.parse::<Base64Url<1023>>()?.try_into()
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
