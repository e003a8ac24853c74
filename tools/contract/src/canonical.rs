//! Canonical JSON: one value, one text, whoever writes it.

mod stream;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::{Number, Value};

use self::stream::written;

/// Integers beyond this lose digits in RFC 8785, which writes every number as an IEEE 754 double.
const EXACT: u64 = (1 << 53) - 1;

/// The canonical JSON of a value: RFC 8785, kept injective for numbers. Two values have the same text only where they are
/// the same value, each number of the same kind.
///
/// RFC 8785 writes numbers as doubles, so `9007199254740992` and `…993` would be one text, and `1000` and `1000.0` too,
/// which a database tells apart: an approval for one would fit the other. Integers a double cannot hold are written as
/// strings, and the places where that was done follow on a second line; canonical JSON itself has no line breaks, so no
/// other value has the same text. A double that RFC 8785 writes like an integer ends in `.0`, and keeps its sign at zero.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    written(value).unwrap_or_else(|| with_places(value))
}

/// The canonical JSON of whatever can be written as JSON: see [`canonical_json`].
pub(super) fn canonical_of<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    match written(value) {
        Some(text) => Ok(text),
        None => serde_json::to_value(value).map(|value| with_places(&value)),
    }
}

fn with_places(value: &Value) -> String {
    let mut canonical = Canonical { text: String::with_capacity(512), place: String::new(), big: Vec::new() };
    canonical.write(value);
    let Canonical { mut text, big, .. } = canonical;
    if !big.is_empty() {
        text.push('\n');
        text.push_str(&Value::from(big).to_string());
    }
    text
}

/// Writes a value that may hold integers beyond [`EXACT`], whose places it notes.
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
            Value::String(text) => string(&mut self.text, text),
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
                sorted.sort_unstable_by(|(one, _), (other, _)| order(one, other));
                self.text.push('{');
                for (at, (key, item)) in sorted.into_iter().enumerate() {
                    if at > 0 {
                        self.text.push(',');
                    }
                    string(&mut self.text, key);
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
        if let Some(double) = number.as_f64().filter(|_| number.is_f64()) {
            float(&mut self.text, double);
        } else if is_exact(number) {
            self.text.push_str(&number.to_string());
        } else {
            self.big.push(self.place.clone());
            string(&mut self.text, &number.to_string());
        }
    }
}

fn is_exact(number: &Number) -> bool {
    number.as_u64().is_some_and(|n| n <= EXACT) || number.as_i64().is_some_and(|n| n.unsigned_abs() <= EXACT)
}

/// RFC 8785, section 3.2.3: by UTF-16 code units. Those of ASCII are its bytes.
fn order(one: &str, other: &str) -> Ordering {
    match one.is_ascii() && other.is_ascii() {
        true => one.cmp(other),
        false => one.encode_utf16().cmp(other.encode_utf16()),
    }
}

/// Writes a double. Its shortest digits, which are an art of their own, are left to the canonicalizer.
fn float(to: &mut String, double: f64) {
    let text = serde_json_canonicalizer::to_string(&double);
    let text = text.unwrap_or_else(|error| format!("not json: {error}"));
    if double == 0.0 && double.is_sign_negative() {
        to.push('-');
    }
    to.push_str(&text);
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        to.push_str(".0");
    }
}

fn string(to: &mut String, text: &str) {
    to.push('"');
    escaped(to, text);
    to.push('"');
}

/// Escaped as RFC 8785 wants it, section 3.2.2.2: only what must be, and that as short as it can be.
fn escaped(to: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        to.push_str(text);
        return;
    }
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
        to.push_str(&text[from..at]);
        match escape {
            "" => to.push_str(&format!("\\u{byte:04x}")),
            escape => to.push_str(escape),
        }
        from = at + 1;
    }
    to.push_str(&text[from..]);
}
