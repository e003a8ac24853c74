//! Keyed digests: equal values can be told, values cannot be guessed, and a row sealed with one cannot be edited without
//! the key.

use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use mollyguard_tools::contract::{Digest, canonical_json};
use serde_json::Value;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::head::message_of_head;
use super::{Head, PublicKey};
use crate::state::{KeyError, read, read_or_make, read_or_make_unless};

const FILE: &str = "args.key";

/// The installation's key for digests of arguments and for the seals of stored rows and of streams' heads.
pub struct ArgsKey(Zeroizing<[u8; 32]>);

impl ArgsKey {
    /// The key in this state directory, made when there is none.
    ///
    /// # Errors
    /// The file cannot be read or made, or others can read it.
    pub fn open(directory: &Path) -> Result<Self, KeyError> {
        read_or_make(directory, FILE).map(Self)
    }

    /// As [`ArgsKey::open`], but never a new one where rows are `sealed` already.
    pub(crate) fn open_for(directory: &Path, sealed: bool) -> Result<Self, KeyError> {
        read_or_make_unless(directory, FILE, sealed).map(Self)
    }

    /// The key in this state directory, if there is one.
    pub(crate) fn existing(directory: &Path) -> Result<Option<Self>, KeyError> {
        Ok(read(&directory.join(FILE))?.map(Self))
    }

    /// HMAC-SHA256 over the canonical JSON of a call's arguments.
    #[must_use]
    pub fn digest(&self, args: &Value) -> Digest {
        self.keyed("arguments", args)
    }

    /// HMAC-SHA256 over the columns of a stored row. `what` keeps the seals of different tables apart.
    pub fn seal(&self, what: &str, columns: &Value) -> Digest {
        self.keyed(what, columns)
    }

    /// HMAC-SHA256 over the end of a stream and the key that checkpoints are verified with: another one put in its place
    /// shows.
    pub(crate) fn seal_head(&self, key: &PublicKey, head: &Head) -> [u8; 32] {
        let mut message = message_of_head(key.installation(), head);
        message.extend_from_slice(key.as_bytes());
        *self.mac("head", &message).as_bytes()
    }

    fn keyed(&self, what: &str, value: &Value) -> Digest {
        self.mac(what, canonical_json(value).as_bytes())
    }

    fn mac(&self, what: &str, message: &[u8]) -> Digest {
        // RFC 2104 takes keys of any length, so this cannot fail; a zero digest would match nothing.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) else {
            return Digest::from_bytes([0; 32]);
        };
        mac.update(what.as_bytes());
        mac.update(&[0]);
        mac.update(message);
        Digest::from_bytes(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_equal_arguments_but_only_with_the_key() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = ArgsKey::open(one.path()).unwrap();
        let args = json!({"b": 1, "a": 2});
        assert_eq!(key.digest(&args), ArgsKey::open(one.path()).unwrap().digest(&json!({"a": 2, "b": 1})));
        assert_ne!(key.digest(&args), ArgsKey::open(two.path()).unwrap().digest(&args));
        assert_ne!(key.digest(&args), key.seal("call", &args));
        assert_ne!(key.digest(&args), Digest::of(&args));
    }
}
