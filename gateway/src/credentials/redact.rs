//! Takes every held secret out of text, in the forms it is likely to be echoed in.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use mollyguard_tools::contract::{BlastRadius, Secret};
use serde_json::Value;

use super::SecretError;

/// Secrets shorter than this are refused: redacting them would mangle ordinary text.
pub(super) const SHORTEST: usize = 6;

/// What stands where a secret was.
const MARK: &str = "[redacted]";

/// Takes held secrets out of text.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    search: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor for these secrets: as they are, JSON-escaped, URL-encoded, in hexadecimal, and in base64 at all three
    /// alignments.
    ///
    /// # Errors
    /// There are too many to search for.
    pub fn new(secrets: &[Arc<Secret>]) -> Result<Self, SecretError> {
        let mut forms: Vec<String> = secrets.iter().flat_map(|secret| forms(secret.reveal())).collect();
        forms.sort_unstable();
        forms.dedup();
        if forms.is_empty() {
            return Ok(Self::default());
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&forms)
            .map_err(|error| SecretError::Redactor(error.to_string()))?;
        Ok(Self { search: Some(search) })
    }

    /// Whether anything is looked for at all.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.search.is_none()
    }

    /// The text without secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(search) = &self.search else { return Cow::Borrowed(text) };
        if !search.is_match(text) {
            return Cow::Borrowed(text);
        }
        let mut clean = String::with_capacity(text.len());
        search.replace_all_with(text, &mut clean, |_, _, clean| {
            clean.push_str(MARK);
            true
        });
        Cow::Owned(clean)
    }

    /// Takes secrets out of a string in place.
    pub fn string(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }

    /// Takes secrets out of the names of a count's parts.
    pub fn parts(&self, radius: &mut BlastRadius) {
        let parts = std::mem::take(&mut radius.parts);
        radius.parts = parts.into_iter().map(|(name, n)| (self.text(&name).into_owned(), n)).collect();
    }

    /// Takes secrets out of every string and every key of a value.
    pub fn value(&self, value: &mut Value) {
        if self.is_idle() {
            return;
        }
        match value {
            Value::String(text) => self.string(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                if fields.keys().any(|key| matches!(self.text(key), Cow::Owned(_))) {
                    *fields = std::mem::take(fields)
                        .into_iter()
                        .map(|(key, item)| (self.text(&key).into_owned(), item))
                        .collect();
                }
                fields.values_mut().for_each(|item| self.value(item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The bytes without secrets; for log lines.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(search) = &self.search else { return Cow::Borrowed(bytes) };
        if search.is_match(bytes) {
            Cow::Owned(search.replace_all_bytes(bytes, &vec![MARK.as_bytes(); search.patterns_len()]))
        } else {
            Cow::Borrowed(bytes)
        }
    }
}

fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut forms = vec![secret.to_owned(), hex::encode(bytes), hex::encode_upper(bytes)];
    forms.extend([url_encoded(secret, false), url_encoded(secret, true)]);
    if let Ok(json) = serde_json::to_string(secret) {
        forms.push(json[1..json.len() - 1].to_owned());
    }
    for shift in 0..3 {
        forms.extend([&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| inner_base64(engine, bytes, shift)));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// The characters base64 gives for these bytes whatever stands before (`shift` bytes) and after them.
fn inner_base64(engine: &base64::engine::GeneralPurpose, bytes: &[u8], shift: usize) -> String {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(bytes);
    let encoded = engine.encode(&padded);
    // The first character that mixes in foreign bits, and the last, are left out.
    let from = (shift * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    encoded.get(from..to).unwrap_or_default().to_owned()
}

/// Percent-encoding of RFC 3986, in lower- or upper-case hexadecimal.
fn url_encoded(text: &str, upper: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else if upper {
            let _ = write!(encoded, "%{byte:02X}");
        } else {
            let _ = write!(encoded, "%{byte:02x}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn redactor(secret: &str) -> Redactor {
        Redactor::new(&[Arc::new(Secret::new(secret.to_owned()))]).unwrap()
    }

    proptest! {
        #[test]
        fn no_form_of_a_secret_survives(secret in "[ -~]{6,40}", before in "[a-z]{0,7}", after in "[a-z]{0,7}") {
            let redactor = redactor(&secret);
            let around = format!("{before}{secret}{after}");
            let echoes = [
                around.clone(),
                hex::encode(&around),
                url_encoded(&around, true),
                serde_json::to_string(&around).unwrap(),
                STANDARD_NO_PAD.encode(&around),
                URL_SAFE_NO_PAD.encode(&around),
            ];
            for echo in echoes {
                prop_assert!(redactor.text(&echo).contains(MARK), "{echo} kept {secret}");
                prop_assert!(redactor.bytes(echo.as_bytes()).windows(MARK.len()).any(|w| w == MARK.as_bytes()));
            }
        }
    }

    #[test]
    fn keys_and_values_are_searched() {
        let mut value = json!({"a hunter22 key": ["x", {"y": "the hunter22 value"}], "n": 1});
        redactor("hunter22").value(&mut value);
        assert!(!value.to_string().contains("hunter22"));
        assert_eq!(value["n"], 1);
    }
}
