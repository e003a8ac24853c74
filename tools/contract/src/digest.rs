//! SHA-256 over canonical JSON: one value, one digest, whoever computes it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

/// Integers beyond this lose digits in RFC 8785, which writes every number as an IEEE 754 double.
const EXACT: u64 = (1 << 53) - 1;

/// A SHA-256 digest, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a value's canonical JSON: see [`canonical_json`].
    ///
    /// A value that cannot be written as JSON has the digest of the error's text; no type here is one of those.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => Self::of_value(&value),
            Err(error) => Self::of_bytes(format!("not json: {error}").as_bytes()),
        }
    }

    /// The digest of JSON's canonical form: see [`canonical_json`].
    #[must_use]
    pub fn of_value(value: &Value) -> Self {
        Self::of_bytes(canonical_json(value).as_bytes())
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

/// The canonical JSON of a value: RFC 8785, kept injective for numbers. Two values have the same text only where they are
/// the same value, each number of the same kind.
///
/// RFC 8785 writes numbers as doubles, so `9007199254740992` and `…993` would be one text, and `1000` and `1000.0` too,
/// which a database tells apart: an approval for one would fit the other. Integers a double cannot hold are written as
/// strings, and the places where that was done follow on a second line; canonical JSON itself has no line breaks, so no
/// other value has the same text. A double that RFC 8785 writes like an integer ends in `.0`, and keeps its sign at zero.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut canonical = Canonical { text: String::with_capacity(512), place: String::new(), big: Vec::new() };
    canonical.write(value);
    let Canonical { mut text, big, .. } = canonical;
    if !big.is_empty() {
        text.push('\n');
        text.push_str(&Value::from(big).to_string());
    }
    text
}

/// Written here rather than by the canonicalizer, which takes several passes: this is in the way of every call, more than
/// once. Only doubles, whose shortest digits are an art of their own, are left to it.
struct Canonical {
    text: String,
    /// The JSON Pointer (RFC 6901) of the value being written.
    place: String,
    /// The places of integers beyond [`EXACT`].
    big: Vec<String>,
}

impl Canonical {
    fn write(&mut self, value: &Value) {
        match value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(value) => self.text.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.below(&index.to_string(), item);
                }
                self.text.push(']');
            }
            Value::Object(fields) => {
                let mut sorted: Vec<_> = fields.iter().collect();
                // RFC 8785, section 3.2.3: by UTF-16 code units. Those of ASCII are its bytes.
                sorted.sort_unstable_by(|(one, _), (other, _)| match one.is_ascii() && other.is_ascii() {
                    true => one.cmp(other),
                    false => one.encode_utf16().cmp(other.encode_utf16()),
                });
                self.text.push('{');
                for (at, (key, item)) in sorted.into_iter().enumerate() {
                    if at > 0 {
                        self.text.push(',');
                    }
                    self.string(key);
                    self.text.push(':');
                    self.below(key, item);
                }
                self.text.push('}');
            }
        }
    }

    /// Writes a value one segment further down.
    fn below(&mut self, segment: &str, value: &Value) {
        let before = self.place.len();
        self.place.push('/');
        for c in segment.chars() {
            match c {
                '~' => self.place.push_str("~0"),
                '/' => self.place.push_str("~1"),
                c => self.place.push(c),
            }
        }
        self.write(value);
        self.place.truncate(before);
    }

    fn number(&mut self, number: &Number) {
        let exact =
            number.as_u64().is_some_and(|n| n <= EXACT) || number.as_i64().is_some_and(|n| n.unsigned_abs() <= EXACT);
        if exact {
            self.text.push_str(&number.to_string());
        } else if number.is_f64() {
            // A number of a `Value` is finite, and always has a text.
            let text = serde_json_canonicalizer::to_string(number);
            let text = text.unwrap_or_else(|error| format!("not json: {error}"));
            if number.as_f64().is_some_and(|n| n == 0.0 && n.is_sign_negative()) {
                self.text.push('-');
            }
            self.text.push_str(&text);
            if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
                self.text.push_str(".0");
            }
        } else {
            self.big.push(self.place.clone());
            self.string(&number.to_string());
        }
    }

    /// Escaped as RFC 8785 wants it, section 3.2.2.2: only what must be, and that as short as it can be.
    fn string(&mut self, text: &str) {
        self.text.push('"');
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                0x08 => "\\b",
                0x09 => "\\t",
                0x0a => "\\n",
                0x0c => "\\f",
                0x0d => "\\r",
                0..0x20 => "",
                _ => continue,
            };
            self.text.push_str(&text[from..at]);
            match escape {
                "" => self.text.push_str(&format!("\\u{byte:04x}")),
                escape => self.text.push_str(escape),
            }
            from = at + 1;
        }
        self.text.push_str(&text[from..]);
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,6}",
            "[\\x00-\\x1f\"\\\\/~]{0,6}",
            any::<String>(),
            "[\u{e000}-\u{ffff}\u{1f600}]{0,3}"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// A number that others are spelled like, or nearly: the same amount as an integer and as a double, and neighbours.
    fn any_number() -> impl Strategy<Value = Value> {
        let near = prop_oneof![
            -3_i64..=3,
            any::<i64>(),
            (0_u32..63, -2_i64..=2).prop_map(|(bits, by)| (1_i64 << bits).wrapping_add(by)),
            (0_u32..19, -2_i64..=2).prop_map(|(tens, by)| 10_i64.pow(tens).wrapping_add(by)),
        ];
        #[expect(clippy::cast_precision_loss, reason = "the double next to the integer is wanted")]
        let spelled = |n: i64, way: u8| match way {
            0 => json!(n),
            1 => json!(n as f64),
            2 => json!(-(n as f64)),
            3 => json!(n.unsigned_abs()),
            4 => json!((n as f64) / 10.0),
            5 => json!(n.to_string()),
            _ => json!(format!("{n}.0")),
        };
        prop_oneof![(near, 0_u8..7).prop_map(move |(n, way)| spelled(n, way)), any::<f64>().prop_map(Value::from)]
    }

    /// The same value, with each number of the same kind. `serde_json` takes `-0.0` for `0.0`.
    fn is_same(one: &Value, other: &Value) -> bool {
        let (left, right) = (one.to_string(), other.to_string());
        one == other && left == right
    }

    /// As the canonicalizer would write it, but for doubles that look like integers.
    fn has_a_whole_double(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(|n| n.fract() == 0.0),
            Value::Array(items) => items.iter().any(has_a_whole_double),
            Value::Object(fields) => fields.values().any(has_a_whole_double),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_canonicalizer_writes_but_for_whole_doubles(value in any_json()) {
            prop_assume!(!has_a_whole_double(&value));
            prop_assert_eq!(canonical_json(&value), serde_json_canonicalizer::to_string(&value).unwrap());
        }

        #[test]
        fn numbers_of_one_text_are_one_number(one in any_number(), other in any_number()) {
            let (left, right) = (json!({"params": [one]}), json!({"params": [other]}));
            prop_assert_eq!(canonical_json(&left) == canonical_json(&right), is_same(&left, &right), "{} {}", left, right);
        }

        #[test]
        fn whatever_is_read_back_from_the_text_is_the_same_value(value in any_json()) {
            let read: Value = serde_json::from_str(&canonical_json(&value)).unwrap();
            prop_assert_eq!(canonical_json(&read), canonical_json(&value));
        }
    }

    #[test]
    fn the_order_of_keys_does_not_matter_to_big_integers_either() {
        let one: Value = serde_json::from_str(r#"{"b":9007199254740993,"a":[18446744073709551615]}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a":[18446744073709551615],"b":9007199254740993}"#).unwrap();
        assert_eq!(canonical_json(&one), canonical_json(&two));
    }

    #[test]
    fn key_order_and_escapes_do_not_matter() {
        let one: Value = serde_json::from_str(r#"{"b":1.5,"a":[1e2,"é"]}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a":[100.0,"\u00e9"],"b":1.5}"#).unwrap();
        assert_eq!(Digest::of(&one), Digest::of(&two));
    }

    #[test]
    fn an_integer_and_a_double_of_the_same_amount_differ() {
        let texts = [
            "1000",
            "1000.0",
            "1000.5",
            "\"1000\"",
            "\"1000.0\"",
            "-1000",
            "-1000.0",
            "0",
            "0.0",
            "-0.0",
            "1e21",
            "1e20",
        ];
        let digests = texts.map(|text| Digest::of_value(&serde_json::from_str(text).unwrap()));
        for (i, left) in digests.iter().enumerate() {
            assert!(digests[i + 1..].iter().all(|right| left != right), "{}", texts[i]);
        }
        // One double, however it was written: what a tool is given is the same.
        let same = ["1000.0", "1e3", "1.0e+3"].map(|text| Digest::of_value(&serde_json::from_str(text).unwrap()));
        assert!(same.iter().all(|digest| *digest == digests[1]));
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
