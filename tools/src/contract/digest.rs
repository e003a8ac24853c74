//! SHA-256 over canonical JSON: one value, one digest, whoever computes it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Integers beyond this lose digits in RFC 8785, which writes every number as an IEEE 754 double.
const EXACT: u64 = (1 << 53) - 1;

/// A SHA-256 digest, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a value's canonical JSON (RFC 8785).
    ///
    /// A value that cannot be written as JSON has the digest of the error's text; no type here is one of those.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => Self::of_bytes(canonical_json(&value).as_bytes()),
            Err(error) => Self::of_bytes(format!("not json: {error}").as_bytes()),
        }
    }

    /// The digest of bytes as they are.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest made of these 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads `sha256:<hex>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.strip_prefix("sha256:")?, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a digest is `sha256:` and 64 hexadecimal digits"))
    }
}

/// The canonical JSON of a value: RFC 8785, kept injective for integers a double cannot hold.
///
/// RFC 8785 writes numbers as doubles, so `9007199254740992` and `…993` would be one text and an approval for one id
/// would fit the other. Such integers are written as strings, and the places where that was done follow on a second line;
/// canonical JSON itself has no line breaks, so no other value has the same text.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut big = Vec::new();
    let plain = without_big_integers(value, &mut String::new(), &mut big);
    let mut text = jcs(&plain);
    if !big.is_empty() {
        text.push('\n');
        text.push_str(&jcs(&Value::from(big)));
    }
    text
}

fn jcs(value: &Value) -> String {
    // A `Value` always serialises: its keys are strings and its numbers are finite.
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|error| format!("not json: {error}"))
}

fn without_big_integers(value: &Value, place: &mut String, big: &mut Vec<String>) -> Value {
    match value {
        Value::Number(number) => {
            let exact = number.as_u64().is_some_and(|n| n <= EXACT)
                || number.as_i64().is_some_and(|n| n.unsigned_abs() <= EXACT)
                || number.is_f64();
            if exact {
                return value.clone();
            }
            big.push(place.clone());
            Value::String(number.to_string())
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| step(place, &index.to_string(), |place| without_big_integers(item, place, big)))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, item)| {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                (key.clone(), step(place, &escaped, |place| without_big_integers(item, place, big)))
            })
            .collect(),
        other => other.clone(),
    }
}

/// Runs `walk` with one more segment on the JSON Pointer (RFC 6901) and takes it off again.
fn step(place: &mut String, segment: &str, walk: impl FnOnce(&mut String) -> Value) -> Value {
    let before = place.len();
    place.push('/');
    place.push_str(segment);
    let walked = walk(place);
    place.truncate(before);
    walked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn key_order_and_spelling_of_numbers_do_not_matter() {
        let one: Value = serde_json::from_str(r#"{"b":1.0,"a":[1e2,"é"]}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a":[100,"\u00e9"],"b":1}"#).unwrap();
        assert_eq!(Digest::of(&one), Digest::of(&two));
    }

    #[test]
    fn neighbouring_big_integers_differ() {
        let digests = [
            json!({"id": 9_007_199_254_740_992_u64}),
            json!({"id": 9_007_199_254_740_993_u64}),
            json!({"id": "9007199254740993"}),
            json!({"id": u64::MAX}),
            json!({"id": i64::MIN}),
        ]
        .map(|value| Digest::of(&value));
        for (i, left) in digests.iter().enumerate() {
            assert!(digests[i + 1..].iter().all(|right| left != right));
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        let digest = Digest::of(&json!(1));
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse("sha256:00"), None);
    }
}
