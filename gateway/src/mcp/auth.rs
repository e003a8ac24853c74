//! Bearer tokens over HTTP: who they are, told without learning anything from how long it takes.

use http::{HeaderMap, header};
use mollyguard_record::model::Principal;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The longest token that is looked at.
const TOKEN_BYTES: usize = 1024;

/// The tokens that are known. Only their digests are kept.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<Token>);

/// One token.
#[derive(Clone, Debug)]
pub struct Token {
    digest: [u8; 32],
    user: String,
    roles: Vec<String>,
}

/// Why a token cannot be configured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// The digest is no digest.
    #[error("the token of `{user}` is not a sha-256 digest of 64 hexadecimal digits")]
    Digest {
        /// Whose token.
        user: String,
    },
    /// Two entries have the same digest.
    #[error("the token of `{user}` is given twice")]
    Twice {
        /// Whose token, the second time.
        user: String,
    },
}

impl Token {
    /// The token with this SHA-256 (64 hexadecimal digits, `sha256:` before them or not), and whose it is.
    ///
    /// # Errors
    /// The digest is no digest.
    pub fn new(digest: &str, user: impl Into<String>, roles: Vec<String>) -> Result<Self, TokenError> {
        let user = user.into();
        let mut bytes = [0; 32];
        match hex::decode_to_slice(digest.strip_prefix("sha256:").unwrap_or(digest), &mut bytes) {
            Ok(()) => Ok(Self { digest: bytes, user, roles }),
            Err(_) => Err(TokenError::Digest { user }),
        }
    }
}

impl Tokens {
    /// These tokens.
    ///
    /// # Errors
    /// Two of them are the same.
    pub fn new(tokens: Vec<Token>) -> Result<Self, TokenError> {
        for (at, token) in tokens.iter().enumerate() {
            if tokens.iter().take(at).any(|earlier| earlier.digest == token.digest) {
                return Err(TokenError::Twice { user: token.user.clone() });
            }
        }
        Ok(Self(tokens))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token this is. Every entry is compared, whichever matches.
    #[must_use]
    pub fn principal(&self, token: &str) -> Option<Principal> {
        if token.len() > TOKEN_BYTES {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for known in &self.0 {
            if bool::from(known.digest.ct_eq(&digest)) {
                found = Some(known);
            }
        }
        found.map(|known| Principal { user: known.user.clone(), client: None, roles: known.roles.clone() })
    }
}

/// The bearer token of a request (RFC 6750, section 2.1). Two `Authorization` headers are none.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (given.next(), given.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
