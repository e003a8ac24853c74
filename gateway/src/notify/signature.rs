//! Signatures of webhooks, as Standard Webhooks 1.0.0 has them: HMAC-SHA256 over id, time and body
//! (<https://www.standardwebhooks.com>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What such a secret begins with.
const PREFIX: &str = "whsec_";

/// The key that a receiver shares.
pub(super) struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// Reads a secret as the specification writes it: `whsec_` and 24 to 64 bytes in base64.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "a signing secret is `whsec_` and 24 to 64 bytes in base64, such as \
                            `echo whsec_$(openssl rand -base64 32)` prints";
        let encoded = text.strip_prefix(PREFIX).ok_or(FORM)?;
        let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| FORM)?);
        if (24..=64).contains(&key.len()) { Ok(Self(key)) } else { Err(FORM) }
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        // No length of a key is refused.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_comes_out() {
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_such_secret_is_refused_and_not_repeated() {
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_not base64!", "whsec_", ""] {
            let error = Key::parse(bad).err().unwrap();
            assert!(bad.len() < 8 || !error.contains(bad), "{error}");
        }
    }
}
